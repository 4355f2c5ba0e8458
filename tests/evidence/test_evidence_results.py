from pathlib import Path

import pytest

from automl.errors import InvalidInput
from automl.evidence import results_table

HEADER = "dataset,method,kind,run,acc\n"


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "results.csv"
    path.write_text(text)
    return path


def test_ri_per_method_and_data_set_with_blanks_counted(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        HEADER
        + "CIFAR10,DARTS,method,1,97.2\nCIFAR10,DARTS,method,2,97.4\nCIFAR10,DARTS,method,3,\n"
        + "CIFAR10,DARTS,random,1,96.8\nCIFAR10,DARTS,random,2,97.0\nCIFAR10,DARTS,random,3,nan\n\n"
        + "MIT67,DARTS,method,1,60\nMIT67,DARTS,random,1,50\n",
    )
    answer = results_table(path).to_json()
    assert list(answer) == ["relative_improvement", "notes"]
    assert answer["notes"] == []
    first, second = answer["relative_improvement"]
    assert list(first) == ["dataset", "method", "ri", "low", "high", "runs", "left_out"]
    assert (first["dataset"], first["method"], first["runs"], first["left_out"]) == ("CIFAR10", "DARTS", 2, 2)
    assert first["ri"] == pytest.approx(100 * (97.3 - 96.9) / 96.9)
    assert first["low"] < first["ri"] < first["high"]
    assert (second["dataset"], second["ri"], second["runs"]) == ("MIT67", pytest.approx(20.0), 1)
    assert (second["low"], second["high"], second["left_out"]) == (None, None, 0)


def test_seeds_of_one_run_count_as_one(tmp_path: Path) -> None:
    rows = "".join(f"D,M,method,{run},{80 + run}\n" * 5 for run in (1, 2)) + "D,M,random,1,70\nD,M,random,2,71\n"
    assert results_table(written(tmp_path, HEADER + rows)).rows[0].runs == 2


def test_ten_runs_are_bootstrapped(tmp_path: Path) -> None:
    rows = "".join(f"D,M,method,{run},{80 + run % 3}\nD,M,random,{run},{70 + run % 4}\n" for run in range(10))
    row = results_table(written(tmp_path, HEADER + rows)).rows[0]
    assert row.ri.method.startswith("bootstrap")
    assert row.runs == 10


def test_a_method_without_random_rows_is_refused_by_name(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER + "D,A,method,1,80\nD,A,random,1,70\nD,Lonely,method,1,80\n")
    with pytest.raises(InvalidInput, match="method 'Lonely' on data set 'D' has no random rows"):
        results_table(path)
    path = written(tmp_path, HEADER + "D,A,method,1,80\nD,A,random,1,\n")
    with pytest.raises(InvalidInput, match="'A' on data set 'D' has only blank random rows"):
        results_table(path)


def test_random_rows_without_a_method_serve_their_data_set(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER + "D,A,method,1,84\nD,B,method,1,77\nD,,random,1,70\nD,B,random,1,77\n")
    assert [row.ri.value for row in results_table(path).rows] == [pytest.approx(20.0), pytest.approx(0.0)]


def test_a_method_of_blanks_is_shown_without_a_figure(tmp_path: Path) -> None:
    row = results_table(written(tmp_path, HEADER + "D,A,method,1,\nD,A,random,1,70\n")).to_json()[
        "relative_improvement"
    ][0]
    assert (row["ri"], row["runs"], row["left_out"]) == (None, 0, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEADER + "D,A,method,1,80\nD,A,method,2,good\n", "line 3 has the accuracy 'good'"),
        (HEADER + "D,A,method,1,inf\n", "line 2 has the accuracy 'inf'"),
        (HEADER + "D,A,best,1,80\n", "line 2 has the kind 'best'"),
        (HEADER + "D,A,method,1\n", "line 2 has 4 values and the header 5"),
        (HEADER + ",A,method,1,80\n", "line 2 has no data set"),
        (HEADER + "D,,method,1,80\n", "line 2 has no method"),
        ("dataset,method,kind,acc\n", "lacks the column 'run'"),
        ("", "lacks the column 'dataset'"),
        (HEADER + "D,A,random,1,80\n", "no rows of kind 'method'"),
    ],
)
def test_bad_files_are_refused_with_the_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        results_table(written(tmp_path, text))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"nowhere\.csv cannot be read"):
        results_table(tmp_path / "nowhere.csv")


def test_a_spreadsheets_byte_order_mark_and_column_order_do_not_matter(tmp_path: Path) -> None:
    path = written(tmp_path, "\ufeffacc,run,kind,method,dataset,note\n77,1,method,A,D,x\n70,1,Random,A,D,\n")
    assert results_table(path).rows[0].ri.value == pytest.approx(10.0)
