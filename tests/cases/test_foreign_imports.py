"""An import trusts nothing: any field that is changed is refused with its line, or harmless; then nothing is there."""

import copy
import gzip
import json
import sqlite3
from contextlib import closing

import pytest
from evidence_parts import Line, database, searched
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import automl
from automl import EquivalenceCache, InvalidInput
from automl.cache import keys
from automl.cache.transfer import export_cache, import_cache
from automl.storage.engine import Database


def lines_of(path):
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


def write(path, rows):
    text = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows)
    path.write_bytes(gzip.compress(text.encode(errors="surrogatepass"), 1))
    return path


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    study = searched(database(folder), trials=8, baseline=False)
    study.close()
    with Database(database(folder)) as base:
        export_cache(base, folder / "a.gz")
    return lines_of(folder / "a.gz")


def content(folder):
    """Returns every row of every table."""
    with closing(sqlite3.connect(folder / "a.db")) as base:
        tables = [name for (name,) in base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: sorted(map(repr, base.execute(f"SELECT * FROM {name}"))) for name in tables}


def refused(tmp_path, rows, sentence):
    """Insists that a file is refused with one sentence that names its line, and leaves nothing behind."""
    path = write(tmp_path / "bad.gz", rows)
    with Database(database(tmp_path)) as base:
        before = content(tmp_path)
        with pytest.raises(InvalidInput, match=sentence) as caught:
            import_cache(base, path)
    assert content(tmp_path) == before
    assert len(str(caught.value)) < 800
    return str(caught.value)


def changed(rows, line, **fields):
    rows = copy.deepcopy(rows)
    rows[line].update(fields)
    return rows


def metrics(rows, value, name="fitness"):
    return changed(rows, 3, metrics={name: value})


BAD = {
    "a figure as text": lambda rows: metrics(rows, "9.0"),
    "a figure that is true": lambda rows: metrics(rows, True),
    "a figure that is none": lambda rows: metrics(rows, None),
    "a list of figures": lambda rows: metrics(rows, [1.0]),
    "a number of 400 digits": lambda rows: metrics(rows, 10**400),
    "metrics as a list": lambda rows: changed(rows, 3, metrics=[["fitness", 1.0]]),
    "metrics as text": lambda rows: changed(rows, 3, metrics='{"fitness":1.0}'),
    "a name of a metric of 5,000 characters": lambda rows: metrics(rows, 1.0, "x" * 5000),
    "a negative replicate": lambda rows: changed(rows, 3, replicate=-3),
    "a replicate of 10^12": lambda rows: changed(rows, 3, replicate=10**12),
    "a replicate that is a float": lambda rows: changed(rows, 3, replicate=0.0),
    "a seed of 2^70": lambda rows: changed(rows, 3, seed=1 << 70),
    "a negative seed": lambda rows: changed(rows, 3, seed=-1),
    "a seed as text": lambda rows: changed(rows, 3, seed=str(rows[3]["seed"])),
    "a short key": lambda rows: changed(rows, 3, key="ab"),
    "a long key": lambda rows: changed(rows, 3, key="ab" * 40),
    "a key with blanks": lambda rows: changed(rows, 3, key=" " + rows[3]["key"]),
    "a key in capitals": lambda rows: changed(rows, 3, key="ABCDEF" + rows[3]["key"][6:]),
    "a key as a list": lambda rows: changed(rows, 3, key=[rows[3]["key"]]),
    "seconds without an end": lambda rows: changed(rows, 3, seconds=1e300),
    "seconds as text": lambda rows: changed(rows, 3, seconds="1"),
    "seen for ever": lambda rows: changed(rows, 3, times_seen=(1 << 63) - 1),
    "an error of a megabyte": lambda rows: changed(rows, 3, metrics=None, error="x" * 100_000),
    "an error with a NUL": lambda rows: changed(rows, 3, metrics=None, error="a\0b"),
    "an error as a list": lambda rows: changed(rows, 3, metrics=None, error=["why"]),
    "a candidate that is an object": lambda rows: changed(rows, 3, candidate={"x": 1}),
    "a candidate that is deep": lambda rows: changed(rows, 3, candidate="[" * 5000 + "]" * 5000),
    "half a character": lambda rows: changed(rows, 3, candidate='"\ud800"'),
    "a curve as text": lambda rows: changed(rows, 3, curve="[[1.0,{}]]"),
    "a namespace as a number": lambda rows: changed(rows, 1, namespace=5),
    "a namespace with a NUL": lambda rows: changed(rows, 1, namespace="a\0"),
    "a context as a list": lambda rows: changed(rows, 1, context=[1]),
    "a context of a hasher of 5,000 digits": lambda rows: changed(
        rows, 1, context={**rows[1]["context"], "hasher": {"version": "9" * 5000}}
    ),
    "a space as a list": lambda rows: changed(rows, 2, target=["x"]),
    "settings of a space as text": lambda rows: changed(rows, 2, settings="{}"),
    "a number of a space as text": lambda rows: changed(rows, 2, space=str(rows[2]["space"])),
    "a list where a row belongs": lambda rows: [*rows[:3], "[1, 2]", *rows[4:]],
    "NaN": lambda rows: [*rows[:3], json.dumps(metrics(rows, float("nan"))[3]), *rows[4:]],
    "an infinity as 1e999": lambda rows: [
        *rows[:3],
        json.dumps(rows[3]).replace('"seconds": ', '"seconds": 1e999, "x": '),
        *rows[4:],
    ],
    "a name twice": lambda rows: [*rows[:3], json.dumps(rows[3])[:-1] + ', "seed": 5}', *rows[4:]],
    "a field of 10 MB": lambda rows: changed(rows, 3, candidate=json.dumps("x" * (10 << 20))),
    "a row nested 5,000 deep": lambda rows: [*rows[:3], "[" * 5000 + "]" * 5000, *rows[4:]],
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_no_export_is_refused_with_its_line(tmp_path, exported, what):
    message = refused(tmp_path, BAD[what](exported), "")
    line = 2 if "namespace" in what or "context" in what else 3 if "a space" in what else 4
    assert f"line {line}: " in message or what == "a field of 10 MB"


def test_a_context_of_another_shape_is_refused(tmp_path, exported):
    description = {**exported[1]["context"], "fidelity": 5}
    mark = keys.fingerprint("default", description).hex()
    refused(
        tmp_path,
        [exported[0], {"context": description, "namespace": "default", "fingerprint": mark}],
        "line 2: the fidelity 5",
    )


def test_wrong_utf8_is_refused_with_its_line(tmp_path, exported):
    rows = [json.dumps(row).encode() for row in exported]
    rows[3] = rows[3].replace(b'"x', b'"\xff')
    path = tmp_path / "bad.gz"
    path.write_bytes(gzip.compress(b"\n".join(rows)))
    with Database(database(tmp_path)) as base, pytest.raises(InvalidInput, match=r"line 4: .*byte 0xff is not UTF-8"):
        import_cache(base, path)


def test_a_bad_last_row_takes_all_others_with_it(tmp_path, exported):
    refused(
        tmp_path,
        [*exported[:-2], {**exported[-2], "seconds": -1}, exported[-1]],
        f"line {len(exported) - 1}: seconds is -1",
    )


def test_the_command_makes_no_database_for_a_file_that_it_refuses(tmp_path, exported):
    from click.testing import CliRunner

    from automl.cli import automl as command

    path = write(tmp_path / "bad.gz", metrics(exported, "9.0"))
    with pytest.raises(InvalidInput):
        CliRunner().invoke(
            command,
            ["cache", "import", str(path), "--storage", database(tmp_path)],
            catch_exceptions=False,
            standalone_mode=False,
        )
    assert [one.name for one in tmp_path.iterdir()] == ["bad.gz"]


ODD = st.sampled_from(
    [
        None,
        True,
        0,
        -1,
        1.5,
        1 << 62,
        1 << 64,
        10**30,
        "",
        "x",
        "9.0",
        "\0",
        "ab" * 16,
        [],
        [1],
        {},
        {"a": 1},
        "\u202e",
        1e308,
        "x" * 2000,
    ]
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_one_field_changed_is_refused_or_harmless(tmp_path_factory, exported, data):
    folder = tmp_path_factory.mktemp("mutated")
    rows = copy.deepcopy(exported)
    line = data.draw(st.integers(0, len(rows) - 1))
    name = data.draw(st.sampled_from(sorted(rows[line])))
    target = rows[line]
    if isinstance(target[name], dict) and target[name] and data.draw(st.booleans()):
        target, name = target[name], data.draw(st.sampled_from(sorted(target[name])))
    target[name] = data.draw(ODD)
    path = write(folder / "bad.gz", rows)
    with Database(database(folder)) as base:
        before = content(folder)
        try:
            import_cache(base, path)
        except InvalidInput as error:
            refusal = str(error)
        else:
            refusal = ""
        if refusal:
            assert "line " in refusal or "cut short" in refusal
            assert content(folder) == before
            return
    study = searched(database(folder), trials=8, baseline=False)  # harmless: a search is served, and its report written
    str(study.report())
    json.dumps(study.report().json(), allow_nan=False)
    study.close()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.text(min_size=1, max_size=20),
        st.floats(allow_nan=False, allow_infinity=False) | st.none(),
        min_size=1,
        max_size=12,
    )
)
def test_what_is_exported_is_imported_whatever_its_names_and_figures(tmp_path_factory, results):
    folder = tmp_path_factory.mktemp("round")
    with Database(database(folder)) as here, Database(database(folder, "b.db")) as there:
        cache, copied = EquivalenceCache(here), EquivalenceCache(there)
        stored = {}
        for name, value in results.items():
            try:
                stored[name] = cache.get_or_evaluate(
                    {"name": name}, lambda value=value: 0.5 if value is None else value
                )
            except InvalidInput:
                continue  # half a character
        export_cache(here, folder / "a.gz")
        assert import_cache(there, folder / "a.gz").added == len(stored)
        for name, value in stored.items():
            assert copied.get_or_evaluate({"name": name}, lambda: pytest.fail("not served")) == value
        cache.close()
        copied.close()


class Stepped(automl.Evaluator):
    name = "stepped"
    version = "1"
    metrics = {"score": "maximize"}

    def settings(self):
        return {}

    def approximations(self):
        from automl.evaluators.base import Fidelity

        return [Fidelity(0.25, {"steps": 1}), Fidelity(0.5, {"steps": 2})]

    def evaluate(self, work, how):
        return {
            "score": float(json.loads(work.candidate)["x"]) + how.fidelity.get("steps", 4) / 10 + how.seed % 7 / 100
        }


def test_cheaper_fidelities_are_exported_imported_and_served(tmp_path):
    given = {"evaluator": Stepped(), "strategy": "successive_halving", "settings": {}, "trials": 40, "baseline": False}
    first = searched(database(tmp_path), **given)
    assert {trial.fitness is None for trial in first.trials()} == {True, False}  # cheaper ones, and full ones
    with Database(database(tmp_path)) as here, Database(database(tmp_path, "b.db")) as there:
        done = export_cache(here, tmp_path / "a.gz")
        assert done.contexts >= 3
        assert import_cache(there, tmp_path / "a.gz").added == done.evaluations
    again = searched(database(tmp_path, "b.db"), **given)
    assert {trial.outcome for trial in again.trials()} <= {"hit", "joined"}
    assert [(one.candidate, one.metrics) for one in again.trials()] == [
        (one.candidate, one.metrics) for one in first.trials()
    ]


@pytest.mark.parametrize("key", [{1: "a"}, {"a": [{None: 1}]}, {"a": {True: 1}}, [({2.0: 1},)]])
def test_names_that_json_would_write_alike_are_refused(tmp_path, key):
    cache = EquivalenceCache(database(tmp_path))
    for asked in ({"key": key, "context": {}}, {"key": "k", "context": {"c": key}}):
        with pytest.raises(InvalidInput, match="JSON knows texts as names only: write"):
            cache.get_or_evaluate(asked["key"], lambda: 1.0, context=asked["context"])
    assert cache.get_or_evaluate({"1": "a"}, lambda: 2.0) == 2.0
    cache.close()


def test_the_space_is_the_one_that_was_exported(exported):
    assert Line().decode({"x": 3}).json == '{"x":3}'
    assert len(exported) > 8
