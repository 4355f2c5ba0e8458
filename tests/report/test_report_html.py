import base64
import csv
import io
import json
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import networkx
import pytest
from report_studies import Chains, Recipe, Writer, new_writer, quality

from automl import report
from automl.errors import InvalidInput
from automl.evidence import results_table
from automl.jsontext import canonical
from automl.report.data import ReportData
from automl.report.html import page
from automl.report.plots.graphs import graph_svg
from automl.spaces.fields import Choice, Real, Repeat
from automl.spaces.space import Space
from automl.storage.records import TrialRecord

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
EVIL = "</script><script>alert(1)</script>"


class Page(HTMLParser):
    """Collects what a page would load, run and link to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.ids: Counter[str] = Counter()
        self.addresses: list[str] = []
        self.downloads: dict[str, str] = {}
        self.handlers: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags[tag] += 1
        if given.get("id"):
            self.ids[str(given["id"])] += 1
        self.addresses += [str(given[name]) for name in ("href", "src", "xlink:href", "action") if given.get(name)]
        self.handlers += [name for name in given if name.startswith("on")]
        if "download" in given:
            self.downloads[str(given["download"])] = str(given["href"])

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    made = new_writer(tmp_path)
    yield made
    made.close()


def collected(writer: Writer, recipe: Recipe) -> ReportData:
    writer.study(recipe)
    return report.collect(writer.database, recipe.name, Chains(recipe.length))


def decoded(address: str) -> str:
    return base64.b64decode(address.partition("base64,")[2]).decode()


def assert_self_contained(text: str) -> Page:
    found = Page(text)
    assert found.tags["script"] == found.tags["iframe"] == found.tags["img"] == 0
    assert found.handlers == []
    assert all(address.startswith(("#", "data:")) for address in found.addresses)
    assert "@import" not in text
    assert re.findall(r"url\((?!#)[^)]*\)", text) == []
    assert max(found.ids.values(), default=0) <= 1
    return found


def test_the_page_says_everything_and_loads_nothing(writer: Writer) -> None:
    data = collected(writer, Recipe(length=12, failures={3: "ValueError: no width"}, replicates=2))
    found = assert_self_contained(page(data))
    for part in (
        "Beats random search",
        "What was found",
        "Against random",
        "What the cache saved",
        "Best practices",
        "To do it again",
        "ValueError: no width",
        "Kendall’s τ",
        "Several data sets",
        "missing",
    ):
        assert part in found.words, part
    assert found.tags["svg"] >= 3 + 6  # pictures and plots
    assert set(found.downloads) == {
        "random-distribution.csv", "test-figures.csv", "curve-evaluations.csv", "curve-hours.csv", "genealogy.csv",
        "pareto.csv", "outcomes.csv", "report.json",
    }  # fmt: skip
    assert json.loads(decoded(found.downloads["report.json"])) == json.loads(json.dumps(report.to_json(data)))


def test_downloaded_data_is_what_was_drawn(writer: Writer) -> None:
    data = collected(writer, Recipe())
    downloads = Page(page(data)).downloads
    rows = list(csv.DictReader(io.StringIO(decoded(downloads["curve-evaluations.csv"]))))
    search = [row for row in rows if row["study"] == "search"]
    assert [float(row["best accuracy"]) for row in search] == data.search.curve.best
    random = list(csv.DictReader(io.StringIO(decoded(downloads["random-distribution.csv"]))))
    assert data.random is not None
    assert sum(row["kind"] == "random" for row in random) == data.random.trials
    tests = list(csv.DictReader(io.StringIO(decoded(downloads["test-figures.csv"]))))
    assert [float(row["accuracy"]) for row in tests if row["candidate"] == "found 1"] == data.winners[0].test_values


def test_axes_of_any_size_are_labelled_in_plain_words(writer: Writer) -> None:
    data = collected(writer, Recipe())
    data.search.front[:] = [
        replace(item, costs={"parameters": 10.0**place}) for place, item in enumerate(data.search.front)
    ]
    assert "mathdefault" not in page(data)


def test_equal_data_gives_equal_bytes(writer: Writer) -> None:
    data = collected(writer, Recipe())
    assert page(data) == page(data)


def test_names_and_candidates_cannot_break_out(writer: Writer) -> None:
    class Evil(Chains):
        def describe(self, candidate: object) -> str:
            return EVIL

        def picture(self, candidate: object) -> networkx.DiGraph:
            graph = networkx.DiGraph()
            graph.add_node("a", label=EVIL)
            graph.add_node("b", label="<b>&$x^2$")
            graph.add_edge("a", "b", label='"><script>')
            return graph

    recipe = Recipe(name=EVIL, failures={5: EVIL}, settings={"note": EVIL})
    writer.study(recipe)
    data = report.collect(writer.database, EVIL, Evil())
    text = page(data)
    found = assert_self_contained(text)
    assert EVIL not in text
    assert EVIL in found.words


def test_a_configuration_is_shown_by_its_choices(writer: Writer) -> None:
    class Plain(Space):
        lr = Real(0.1, 1.0)
        layers = Repeat(Choice(8, 16), 1, 3)

    text = canonical({"layers": [8, 16], "lr": 0.25})
    study = writer.store.create("plain", "search", {"objective": "accuracy", "direction": "maximize"})
    rows = [TrialRecord(0, text, bytes(16), 1, "miss", 0.5, {"accuracy": 0.5}, 1, "sample", paid_seconds=1.0)]
    writer.store.append_trials(study.id, rows)
    test = writer.store.create("plain/test", "test", {"objective": "accuracy", "seeds": 2}, study.id)
    rows[0].origin = "search winner"
    writer.store.append_trials(test.id, rows)
    data = report.collect(writer.database, "plain", Plain())
    assert data.winners[0].description == "layers=[8,16], lr=0.25"
    assert ("<dt>layers</dt><dd>[8,16]</dd>") in page(data)


def test_a_study_with_nothing_in_it_still_makes_a_page(writer: Writer) -> None:
    writer.store.create("empty", "search", {"objective": "accuracy", "direction": "maximize"})
    found = assert_self_contained(page(report.collect(writer.database, "empty")))
    assert "Not supported: there is no random search" in found.words
    data = collected(writer, Recipe(name="one", trials=1, tests=False))
    assert_self_contained(page(data))


def test_a_path_that_cannot_be_written_is_refused(writer: Writer, tmp_path: Path) -> None:
    data = collected(writer, Recipe(trials=5, baseline=False))
    with pytest.raises(InvalidInput, match="cannot be written"):
        report.write_html(data, tmp_path / "nowhere" / "report.html")


def test_graphs_keep_labels_apart() -> None:
    """Boxes of labels and nodes of a full four-node cell must not overlap."""
    graph = networkx.DiGraph()
    for node in range(4):
        graph.add_node(node, label=str(node))
        for source in range(node):
            graph.add_edge(source, node, label="nor_conv_3x3")
    svg = str(graph_svg(graph, "cell"))
    boxes = [
        tuple(float(value) for value in match)
        for match in re.findall(
            r'<rect class="\w+" x="([-\d.]+)" y="([-\d.]+)" width="([-\d.]+)" height="([-\d.]+)"', svg
        )
    ]
    assert len(boxes) == 4 + 6
    for number, (x, y, width, height) in enumerate(boxes):
        for other_x, other_y, other_width, other_height in boxes[number + 1 :]:
            apart = x + width <= other_x or other_x + other_width <= x
            assert apart or y + height <= other_y or other_y + other_height <= y
    view = [float(value) for value in re.findall(r'viewBox="([^"]+)"', svg)[0].split()]
    assert all(view[0] <= x and x + width <= view[0] + view[2] for x, _, width, _ in boxes)


def test_large_and_cyclic_graphs_do_not_stop_a_report() -> None:
    assert "too many to draw" in str(graph_svg(networkx.path_graph(200, create_using=networkx.DiGraph), "long"))
    assert "<svg" in str(graph_svg(networkx.DiGraph([(0, 1), (1, 2), (2, 0)]), "ring"))
    assert str(graph_svg(None, "none")) == ""


def test_several_studies_and_results_from_elsewhere(writer: Writer, tmp_path: Path) -> None:
    runs = [collected(writer, Recipe(name=f"run-{seed}", seed=seed, namespace=f"n{seed}")) for seed in range(3)]
    text = page(report.compare(runs))
    found = assert_self_contained(text)
    assert "3 runs" in found.words
    assert {"curves-evaluations-1.csv", "curves-hours-1.csv", "ri.csv", "gain.csv", "report.json"} == set(
        found.downloads
    )
    table = tmp_path / "results.csv"
    table.write_text("dataset,method,kind,run,acc\nC10,<b>M,method,1,97\nC10,<b>M,random,1,96\nC10,<b>M,random,2,95\n")
    found = assert_self_contained(page(results_table(table)))
    assert "<b>M" in found.words
    assert found.tags["b"] == 0


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_a_browser_shows_it_without_an_error_on_screens_large_and_small(writer: Writer, tmp_path: Path) -> None:
    data = collected(writer, Recipe(length=12, value=lambda candidate: quality(candidate) / 100))
    report.write_html(data, tmp_path / "report.html")
    wrapper = tmp_path / "wrapper.html"
    wrapper.write_text(
        """<title>wait</title><iframe id=f src=report.html style="border:0;width:390px;height:800px"></iframe><script>
        addEventListener("load", () => {
          const page = document.getElementById("f").contentDocument;
          const svgs = [...page.querySelectorAll("svg")].filter(one => one.getBoundingClientRect().height < 20).length;
          const sideways = page.documentElement.scrollWidth;
          const fonts = [...page.querySelectorAll("svg.plot text")].map(one => one.getBoundingClientRect().height);
          document.title = JSON.stringify({svgs, sideways, smallest: Math.min(...fonts)});
        });</script>"""
    )
    dom, log = browser(tmp_path, wrapper, "--allow-file-access-from-files", "--dump-dom")
    measured = json.loads(re.findall(r"<title>(.*?)</title>", dom)[0].replace("&quot;", '"'))
    assert measured["svgs"] == 0
    assert measured["sideways"] <= 390
    assert measured["smallest"] >= 7  # pixels: still legible
    assert "CONSOLE" not in log
    shot = tmp_path / "shot.png"
    _, log = browser(tmp_path, tmp_path / "report.html", f"--screenshot={shot}", "--window-size=1200,3000")
    assert "CONSOLE" not in log
    assert shot.stat().st_size > 100_000  # a page of plots, not an empty one


def browser(folder: Path, file: Path, *options: str) -> tuple[str, str]:
    command = [
        str(CHROMIUM), "--headless", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu",
        "--enable-logging=stderr", f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=5000",
        *options, file.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout, done.stderr
