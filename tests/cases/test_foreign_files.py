"""Files of other programs: byte order marks, other encodings, line ends, decimal commas, depth and length."""

import json

import pytest
from evidence_parts import command, search

from automl import InvalidInput
from automl.cli.common import read_candidates, read_settings
from automl.evidence import results_table
from automl.jsontext import MAX_DEPTH, MAX_TEXT, canonical, parse, parse_foreign

CANDIDATES = ['"x * sigmoid(x)"', '"tanh(x)"', '"größe"']


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le-mark", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_candidates_are_read_from_any_unicode_file(tmp_path, encoding, end):
    text = end.join(CANDIDATES) + end
    data = b"\xff\xfe" + text.encode("utf-16-le") if encoding == "utf-16-le-mark" else text.encode(encoding)
    path = tmp_path / "c.jsonl"
    path.write_bytes(data)
    assert list(read_candidates(path)) == list(enumerate(map(json.loads, CANDIDATES), 1))


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_the_standard_input_too(encoding, end):
    data = end.join(CANDIDATES[:2]).encode(encoding)
    ended = command("hash", "activation", input=data)
    assert ended.returncode == 0, ended.stderr
    assert [len(line) for line in ended.stdout.split()] == [32, 32]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b'"a"\n"gr\xf6\xdfe"\n', "line 2: byte 0xf6 is not UTF-8 text; save the file as UTF-8"),
        ('"a"\n"b"'.encode("utf-16-le"), "line 1: not valid JSON"),
        (b'"a"\n\x00\n', "line 2: not valid JSON"),
        (b'"a"\n' + b"[" * 5000 + b"]" * 5000, f"line 2: lists and objects are nested more than {MAX_DEPTH} deep"),
        (b'"a"\n"' + b"x" * (10 << 20) + b'"', "line 2 has more than 1,048,576 bytes"),
        (b'"a"\n{"a": 1, "a": 2}', "line 2: not valid JSON: the name 'a' stands there twice"),
        (b'"a"\n"\\ud800"', "line 2: not valid JSON: it holds half of a character"),
        (b"[1e999]", "line 1: not valid JSON: '1e999' is larger than numbers can be"),
        (b"[NaN]", "line 1: not valid JSON: NaN is not JSON"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_line(tmp_path, data, sentence):
    path = tmp_path / "c.jsonl"
    path.write_bytes(data)
    with pytest.raises(InvalidInput) as caught:
        list(read_candidates(path))
    assert sentence in str(caught.value)
    ended = search(tmp_path, "--enqueue", path)
    assert ended.returncode == 2
    assert ended.stderr.decode().count("\n") == 1
    assert sorted(one.name for one in tmp_path.iterdir()) == ["c.jsonl", "task.py"]


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 5000, 200_000])
@pytest.mark.parametrize("read", [parse, parse_foreign])
def test_depth_has_an_end_in_both_directions(depth, read):
    for text in ("[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth):
        with pytest.raises(InvalidInput, match=r"nested more than 200 deep|at most 1,048,576 are read"):
            read(text)
    value = []
    for _ in range(depth):
        value = [value]
    with pytest.raises(InvalidInput, match="nested more than 200 deep"):
        canonical(value)
    wide = [[]] * 5000
    assert parse(canonical(wide)) == wide
    assert parse("[" * MAX_DEPTH + "]" * MAX_DEPTH)


def test_length_has_an_end():
    with pytest.raises(InvalidInput, match="at most"):
        parse_foreign('"' + "x" * MAX_TEXT + '"')


@pytest.mark.parametrize("pair", ["a=[1,", 'a={"b": 1, "b": 2}', 'a="x', "a=" + "[" * 5000 + "]" * 5000, "a={'b': 1}"])
def test_a_setting_that_begins_like_json_is_json(pair):
    with pytest.raises(InvalidInput, match="--set"):
        read_settings([pair])
    assert read_settings(["a=[1]", "b=text", "c=1.5", "d=true"]) == {"a": [1], "b": "text", "c": 1.5, "d": True}


HEAD, ROWS = (
    "dataset,method,kind,run,acc",
    ["Größe,mine,method,0,97.1", "Größe,mine,random,0,95.5", "Größe,mine,random,1,96.5"],
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_results_are_read_as_any_spreadsheet_writes_them(tmp_path, encoding, end, mark):
    text = end.join([HEAD, *ROWS]).replace(",", mark)
    if mark != ",":
        text = text.replace("97.1", "97,1").replace("95.5", "95,5")
    path = tmp_path / "r.csv"
    path.write_bytes(text.encode(encoding))
    [row] = results_table(path).rows
    assert row.dataset == "Größe"
    assert row.ri.value == pytest.approx(100 * (97.1 / 96 - 1))


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([HEAD, 'd,m,method,0,"97,1"'], "line 2 has the accuracy '97,1'; write 97.1"),
        ([HEAD.replace(",", ";"), "d;m;method;0;1,234,5"], "line 2 has the accuracy '1,234,5'; give a number"),
        ([HEAD, "d,m,method,0,97 %"], "line 2 has the accuracy '97 %'"),
        ([HEAD + ",acc", "d,m,method,0,1,2"], "line 1 has the column 'acc' twice"),
        ([HEAD, "d,m,method,0,1e999"], "line 2 has the accuracy '1e999'"),
    ],
)
def test_results_that_cannot_be_read_are_refused_with_their_line(tmp_path, rows, sentence):
    path = tmp_path / "r.csv"
    path.write_text("\n".join(rows))
    with pytest.raises(InvalidInput) as caught:
        results_table(path)
    assert sentence in str(caught.value)


def test_results_in_another_encoding_are_refused_with_their_line(tmp_path):
    path = tmp_path / "r.csv"
    path.write_bytes("\n".join([HEAD, *ROWS]).encode("cp1252"))
    with pytest.raises(InvalidInput, match=r"line 2: byte 0xf6 is not UTF-8 text; save the file as UTF-8"):
        results_table(path)


def test_a_value_that_holds_itself_is_refused_in_a_sentence():
    value: dict[str, list[object]] = {"x": []}
    value["x"].append(value)
    with pytest.raises(InvalidInput, match=r"cannot be written as JSON .*Circular reference"):
        canonical(value)
