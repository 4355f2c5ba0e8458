"""Where the hash cannot look at a function the candidate's JSON is its key: how often and why is said everywhere."""

import io
import json
import warnings

import pytest
from evidence_parts import command, database, texts
from rich.console import Console

import automl
from automl import Array, Choice, Function, Graph, Integer, Module, Node, Probe
from automl.behaviour import Configuration
from automl.display.terminal import Lines

PROBE = Probe(inputs=(Array((4,)),))


class TooSmall(automl.Space):
    """Some networks ask for more values than the probe has."""

    a = Integer(1, 60)

    def behaviour(self, c):
        torch = pytest.importorskip("torch")

        class Picking(torch.nn.Module):
            def forward(self, x):
                return x[:, 5] if c.a % 2 else x * c.a

        return Module(build=Picking, probe=PROBE)


class Raising(automl.Space):
    """Some functions raise for what the probe gives them."""

    a = Integer(1, 60)

    def behaviour(self, c):
        def call(x):
            if c.a % 3 == 0:
                raise ArithmeticError("odd")
            return x * c.a

        return Function(call)


class Blind(automl.Space):
    """Cells under an evaluator that has no probe for them."""

    a = Choice("relu", "tanh", "sigmoid", "identity")
    b = Choice("relu", "tanh", "sigmoid", "identity")

    def behaviour(self, c):
        return Graph((Node("input"), Node(c.a, (0,)), Node(c.b, (1,))), (2,))


def value(c, seed):
    return float(sum(map(len, map(str, c.value.values())))) + seed % 7 / 10


def studied(space, tmp_path, **given):
    """Searches; returns the study, what Python warned of, and the lines of progress."""
    out = io.StringIO()
    observer = Lines(Console(file=out, width=200, highlight=False))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        study = automl.search(
            space,
            evaluator=automl.FunctionEvaluator(value, code_version="1"),
            workers=0,
            storage=database(tmp_path),
            observers=[observer],
            **{
                "trials": 24,
                "strategy": "regularized_evolution",
                "baseline": False,
                "finalists": 1,
                "confirm": 1,
                "sample": 2,
                "study": "s",
                **given,
            },
        )
    return study, [str(one.message) for one in caught if "JSON" in str(one.message)], out.getvalue()


WHY = {
    TooSmall: "out of bounds",
    Raising: "ArithmeticError: odd",
    Blind: "A plain function as evaluator has no probe",
}


@pytest.mark.parametrize("space", WHY, ids=lambda space: space.__name__)
def test_it_is_said_from_python_in_progress_in_the_report_and_in_json(tmp_path, space):
    study, warned, progress = studied(space(), tmp_path)
    said, page, data = texts(study.report())
    kept = data["keyed_by_json"]
    encodings = len({trial.candidate for trial in study.trials()})
    assert kept["candidates"] == encodings
    assert 0 < kept["by_json"] <= encodings
    assert sum(one["candidates"] for one in kept["why"]) == kept["by_json"]
    assert f"{kept['by_json']} of {encodings} candidates were keyed by their JSON" in said
    assert f"{kept['by_json']} of {encodings} candidates were keyed by their JSON" in page
    assert f"{kept['by_json']} of {encodings} keyed by their JSON" in progress
    assert any(WHY[space] in text for text in warned)
    assert all(f"Warning: {text}" in progress for text in warned)
    study.close()


def test_where_all_functions_are_seen_nothing_is_said(tmp_path):
    class Seen(automl.Space):
        a = Integer(1, 60)

        def behaviour(self, c):
            return Configuration(c.a)

    study, warned, progress = studied(Seen(), tmp_path)
    assert (warned, "JSON" in progress) == ([], False)
    assert study.report().json()["keyed_by_json"] is None
    study.close()


def test_the_count_goes_on_where_the_study_does(tmp_path):
    counts = []
    for trials in (12, 24, 36):
        study, _, _ = studied(Raising(), tmp_path, trials=trials)
        kept = study.report().json()["keyed_by_json"]
        counts.append((kept["candidates"], kept["by_json"]))
        assert sum(one["candidates"] for one in kept["why"]) == kept["by_json"]
        study.close()
    study = automl.Study.open("s", database(tmp_path))
    encodings = {trial.candidate for trial in study.trials()}
    study.close()
    odd = sum(json.loads(one)["a"] % 3 == 0 for one in encodings)
    assert counts == sorted(counts)
    # An encoding that a later run proposes once more is hashed once more.
    assert counts[-1][0] >= len(encodings)
    assert counts[-1][1] >= odd
    assert counts[-1][1] > counts[0][1]


def test_a_single_one_among_many_is_said_too(tmp_path):
    class Seldom(Raising):
        a = Choice(*range(1, 60))

        def behaviour(self, c):
            if c.a == 59:
                return Function(lambda x: 1 / 0)
            return Function(lambda x: x * c.a)

    study, warned, _ = studied(Seldom(), tmp_path, enqueue=[{"a": 59}])
    assert len([text for text in warned if text.startswith("a candidate is keyed by its JSON")]) == 1
    assert study.report().json()["keyed_by_json"]["by_json"] == 1
    study.close()


def test_the_command_line_says_it_on_standard_error_where_the_output_is_json(tmp_path):
    (tmp_path / "blind.py").write_text(
        "from automl import Choice, Graph, Node\nfrom automl.spaces.cells import CellSpace\n"
        "class Cells(CellSpace):\n    a = Choice('relu', 'tanh')\n"
        "    def graph(self, c):\n        return Graph((Node('input'), Node(c.a, (0,))), (1,))\n"
        "def rate(c, seed):\n    return float(len(c.a)) + seed % 7\n"
    )
    quick = ["--workers", "0", "--trials", "6", "--no-baseline", "--finalists", "1", "--json"]
    ended = command("search", "blind.py:Cells", "--evaluator", "blind.py:rate", *quick, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["keyed_by_json"]["by_json"] == 2
    assert b"keyed by their JSON" in ended.stderr
