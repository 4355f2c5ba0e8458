"""Analysis of a study: its front, importance of fields, figures and tables as files."""

import re
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

import automl
from automl.cli import automl as command
from automl.evidence.importance import importance_of
from automl.report.figures import write_figures
from automl.report.latex import escaped
from automl.report.plots.fields import field_plots


class Plane(automl.Space):
    lr = automl.Real(1e-5, 1.0, log=True)
    width = automl.Integer(1, 64)
    act = automl.Choice("relu", "gelu_100%", True)

    def costs(self, candidate):
        return {"price": float(candidate.value["width"])}


def score(candidate, seed):
    return {"score": -abs(np.log10(candidate.lr) + 3) + candidate.width / 640 + seed % 7 / 1000}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    place = tmp_path_factory.mktemp("figures")
    study = automl.search(
        Plane(), evaluator=score, objective="score", strategy="nsga2", workers=0, trials=60, study="p", sample=8,
        settings={"objectives": "score:maximize,price:minimize"}, progress=False, storage=f"sqlite:///{place / 'a.db'}",
    )  # fmt: skip
    yield study
    study.close()


def test_the_front_is_what_no_other_trial_matches_or_beats(study):
    front, every = study.front, study.trials_dataframe()
    assert len(front) >= 2
    assert front["costs.price"].is_monotonic_increasing
    for _, one in front.iterrows():
        better = (every.fitness > one.fitness) & (every["costs.price"] <= one["costs.price"])
        assert not better.any()


def test_a_study_with_one_objective_has_no_front(tmp_path):
    given = {"workers": 0, "progress": False, "trials": 3, "baseline": False, "storage": f"sqlite:///{tmp_path}/b.db"}
    single = automl.search(Plane(), evaluator=lambda c: c.lr, **given)
    with pytest.raises(automl.InvalidInput, match="has one objective and no front; search with strategy='nsga2'"):
        _ = single.front
    with pytest.raises(automl.InvalidInput, match="importance: 3 trials have a fitness; at least 20"):
        single.importance()


def test_importance_names_the_field_that_matters(study):
    found = study.importance()
    assert next(iter(found.fields)) == "field.lr"
    assert found.fields["field.act"] < 0.2 < found.fields["field.lr"]
    assert found.explained > 0.3


def test_importance_of_luck_alone_explains_nothing():
    rng = np.random.default_rng(1)
    found = importance_of({"x": list(rng.random(200)), "y": [None, "a"] * 100}, rng.random(200))
    assert found.explained < 0.1
    assert max(map(abs, found.fields.values())) < 0.3


@pytest.fixture(scope="module")
def written(study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("written") / "out"
    done = CliRunner().invoke(command, ["report", "p", "--figures", str(folder), "--storage", study.database.url])
    assert done.exit_code == 0, done.output
    assert f"Figures: {len(list(folder.iterdir()))} files in " in done.output
    return folder


def test_every_figure_is_written_in_three_forms(written):
    paths = sorted(written.iterdir())
    names = {path.stem for path in paths if path.suffix == ".pdf"}
    assert names >= {"importance", "slice-1", "parallel-coordinates", "pareto", "curve-evaluations", "outcomes"}
    for suffix in (".svg", ".png"):
        assert {path.stem for path in paths if path.suffix == suffix} == names
    for path in paths:
        begin = path.read_bytes()[:8]
        assert {".pdf": b"%PDF", ".png": b"\x89PNG", ".svg": b"<?xml", ".tex": b"\\begin"}[path.suffix] in begin


def test_they_have_the_colours_of_paper_and_the_page_keeps_its_own(study, written):
    for path in written.glob("*.svg"):
        assert not re.search(r"#000[1-9]0", path.read_text()), "colours of the page, which are none on paper"
    assert "#0b62a4" in (written / "importance.svg").read_text()
    page = study.report()._repr_html_()
    assert "var(--search)" in page
    assert "#0b62a4" not in page


def test_the_tables_have_the_reports_numbers(study, written):
    table = (written / "comparisons.tex").read_text()
    assert f"{study.report().data.gain.value:+.4g}".lstrip("+-") in table
    assert table.count("&") == 3 * table.count(r"\\")
    assert (written / "candidates.tex").read_text().count("found") == 3


def test_several_studies_have_figures_too(study, tmp_path):
    storage = ["--storage", study.database.url]
    done = CliRunner().invoke(command, ["report", "p", "p/random", "--figures", str(tmp_path), *storage])
    assert done.exit_code == 0, done.output
    assert list(tmp_path.glob("*.pdf"))


def test_a_study_with_few_trials_has_no_plots_of_fields(study):
    values = study._field_values()
    few = {name: column[:19] for name, column in values.fields.items()}
    assert not field_plots(replace(values, fields=few, fitness=values.fitness[:19]))


def test_a_folder_that_cannot_be_written_is_said(study, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(automl.InvalidInput, match="figures cannot be written to"):
        write_figures(study.report().data, tmp_path / "file")


def test_latex_prints_names_as_they_stand():
    assert escaped("a_b & 50 % {x} \\ ~^#$") == (
        r"a\_b \& 50 \% \{x\} \textbackslash{} \textasciitilde{}\textasciicircum{}\#\$"
    )
