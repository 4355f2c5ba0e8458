"""Tasks of what people have: tables, images, sequences, arrays in files; splits share nothing and repeat themselves."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from automl import Classification, InvalidInput, NextToken, Regression, data, registry
from automl.data.named import absolute, load, names_file
from automl.data.splits import split

RNG = np.random.default_rng(0)
COUNT = 200


def frame():
    size = RNG.normal(10, 3, COUNT)
    return pd.DataFrame(
        {
            "size": size,
            "rooms": pd.array(np.where(np.arange(COUNT) % 9 == 0, None, np.arange(COUNT) % 5), dtype="Int64"),
            "colour": pd.Categorical(np.array(["red", "green", "blue", None], object)[np.arange(COUNT) % 4]),
            "garden": np.arange(COUNT) % 2 == 0,
            "sold": pd.date_range("2020-01-01", periods=COUNT),
            "patient": np.arange(COUNT) // 7,
            "kind": np.array(["flat", "house"])[(size > 10).astype(int)],
            "price": size * 2 + 0.5,
        }
    )


FRAME = frame()


def rows_of(task):
    return [len(part[0]) for part in (task.train, task.validation, task.test)]


# --- tables ----------------------------------------------------------------------------------------------------------


def test_columns_are_typed_scaled_and_filled_in_by_the_training_part():
    task = data.from_frame(FRAME, "kind", leave_out=["price", "patient"])
    assert task.inputs == (
        "size", "rooms", "rooms is missing", "colour=blue", "colour=green", "colour=red", "colour is missing",
        "garden=False", "garden=True", "sold",
    )  # fmt: skip
    inputs = task.train[0]
    assert inputs.dtype == np.float32
    for column in (0, 1, 9):
        assert abs(inputs[:, column].mean()) < 1e-3
        assert abs(inputs[:, column].std() - 1) < 1e-3
    assert set(np.unique(inputs[:, 2:9])) == {0.0, 1.0}
    assert (inputs[:, 3:7].sum(1) == 1).all()  # a missing colour is none, and says so
    assert task.classes == 2
    assert Classification(task=task).metrics["accuracy"] == "maximize"


def test_further_rows_are_encoded_alike_and_unknown_categories_are_none():
    task = data.from_frame(FRAME, "price", leave_out=["patient", "kind"])
    again = np.concatenate([part[0] for part in (task.train, task.validation, task.test)])
    encoded = task.encode(FRAME)
    assert sorted(map(bytes, again)) == sorted(map(bytes, encoded))
    odd = FRAME[:1].assign(colour="mauve", rooms=pd.array([None], dtype="Int64"))
    row = dict(zip(task.inputs, task.encode(odd)[0], strict=True))
    assert row["rooms is missing"] == 1
    assert not any(row[f"colour={one}"] for one in ("red", "green", "blue"))
    with pytest.raises(InvalidInput, match="unknown column 'size'"):
        task.encode(FRAME.drop(columns="size"))
    assert Regression(task).metrics == {"mse": "minimize", "mae": "minimize"}


def test_parts_by_class_group_time_and_a_column():
    by_class = data.from_frame(FRAME, "kind", leave_out=["price"])
    share = (by_class.train[1] == "house").mean()
    assert abs((by_class.test[1] == "house").mean() - share) < 0.03
    assert rows_of(by_class) == [120, 40, 40]
    groups = FRAME["patient"].to_numpy()
    parts = split(COUNT, groups=groups)
    assert sorted(np.concatenate(parts)) == list(range(COUNT))
    assert not set(groups[parts[0]]) & set(groups[parts[1]]) | set(groups[parts[0]]) & set(groups[parts[2]])
    assert abs(len(parts[0]) - 120) <= 7
    by_time = data.from_frame(FRAME, "price", time="sold", leave_out=["kind", "patient", "colour"])
    assert by_time.train[1].tolist() == FRAME["price"][:120].tolist()
    texts = FRAME.assign(sold=FRAME["sold"].dt.strftime("%Y-%m-%d"))
    assert (
        data.from_frame(texts, "price", time="sold", leave_out=["kind"]).test[1].tolist()
        == FRAME["price"][160:].tolist()
    )
    said = FRAME.assign(part=["train"] * 100 + ["val"] * 50 + ["test"] * 50)
    assert rows_of(data.from_frame(said, "kind", part="part")) == [100, 50, 50]
    times = np.repeat([1, 2, 3, 4, 5], 40)
    assert [sorted(set(times[part])) for part in split(COUNT, (0.5, 0.25, 0.25), times=times)] == [[1, 2, 3], [4], [5]]


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: data.from_frame(FRAME, "cost"), "unknown column of table 'cost'"),
        (
            lambda: data.from_frame(FRAME.assign(kind=None), "kind"),
            "target 'kind' is missing in 200 rows, the first is row 0",
        ),
        (
            lambda: data.from_frame(FRAME.assign(price=FRAME["price"].where(FRAME.index != 7)), "price"),
            "'price' is missing in 1 rows, the first is row 7",
        ),
        (
            lambda: data.from_frame(FRAME.assign(name=[f"n{i}" for i in range(COUNT)]), "kind"),
            "'name' has 120 different",
        ),
        (lambda: data.from_frame(FRAME[["kind"]], "kind"), "no column is left"),
        (lambda: data.from_frame(FRAME.assign(size=np.inf), "kind"), "'size' holds infinite values"),
        (lambda: data.from_frame(FRAME.assign(size=np.nan), "kind"), "'size' has no value in the training part"),
        (lambda: data.from_frame(FRAME, "kind", shares=(0.9, 0.2, 0.1)), "three shares above 0 that sum to 1"),
        (lambda: data.from_frame(FRAME, "kind", group="patient", time="sold"), "by groups or by times, not both"),
        (lambda: data.from_frame(FRAME, "kind", part="colour"), "must say train, validation and test"),
        (lambda: data.from_frame(FRAME, "price", time="colour"), "holds no times|holds values that are no numbers"),
        (lambda: data.from_frame(FRAME[:2], "price"), "part of 2 examples would be empty"),
        (lambda: data.from_table("nowhere.csv", "x"), "nowhere.csv cannot be read as a table"),
    ],
)
def test_one_sentence_says_what_is_wrong_with_a_table(make, sentence):
    with pytest.raises(InvalidInput, match=sentence) as caught:
        make()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet"])
def test_files_are_the_frames_that_were_written(tmp_path, ending):
    plain = FRAME.assign(sold=FRAME["sold"].astype(str), colour=FRAME["colour"].astype(object))
    file = tmp_path / f"houses.{ending}"
    if ending == "parquet":
        plain.to_parquet(file)
    else:
        plain.to_csv(file, index=False, sep="\t" if ending == "tsv" else ",")
    made = data.load(f"{file}:kind?group=patient&leave_out=price")
    assert made.name == "houses"
    assert "sold" in made.inputs  # dates in texts are times, one number each
    wanted = data.from_frame(FRAME, "kind", group="patient", leave_out=["price"])
    assert made.fingerprint() == wanted.fingerprint()
    several = data.load(f"{file}:price,size?leave_out=patient,kind")
    assert several.train[1].shape == (120, 2)


def test_a_task_of_dates_has_no_clock(tmp_path):
    assert datetime.date.today()  # the split and the scaling never look at it
    assert data.from_frame(FRAME, "kind").fingerprint() == data.from_frame(FRAME.copy(), "kind").fingerprint()


# --- images ----------------------------------------------------------------------------------------------------------


def draw(folder, kinds=("cat", "dog"), count=6, size=(8, 6), mode="RGB", ending="png"):
    for place, kind in enumerate(kinds):
        (folder / kind).mkdir(parents=True)
        for number in range(count):
            colour = (10 * number + place,) * (3 if mode == "RGB" else 1)
            Image.new(mode, size, colour if mode == "RGB" else colour[0]).save(folder / kind / f"{number}.{ending}")


def test_a_folder_of_images(tmp_path):
    draw(tmp_path / "animals")
    task = data.from_images(tmp_path / "animals")
    assert task.train[0].shape == (8, 3, 6, 8)
    assert task.train[0].dtype == np.uint8
    assert sorted({*task.train[1], *task.test[1]}) == ["cat", "dog"]
    assert task.classes == 2
    assert data.load(f"{tmp_path}/animals/").fingerprint() == task.fingerprint()
    assert data.load(f"{tmp_path}/animals/?size=4").train[0].shape == (8, 3, 4, 4)
    for part in ("train", "val", "test"):
        draw(tmp_path / "parts" / part, mode="L", count={"train": 5, "val": 2, "test": 3}[part])
    parts = data.from_images(tmp_path / "parts")
    assert (rows_of(parts), parts.train[0].shape[1:]) == ([10, 4, 6], (1, 6, 8))


def test_images_that_cannot_be_taken_are_named(tmp_path):
    with pytest.raises(InvalidInput, match="no folder"):
        data.from_images(tmp_path / "nowhere")
    with pytest.raises(InvalidInput, match="has no images in folders of classes"):
        data.from_images(tmp_path)
    draw(tmp_path / "a")
    Image.new("RGB", (5, 5)).save(tmp_path / "a" / "dog" / "z.png")
    with pytest.raises(InvalidInput, match=r"0.png has 6×8 pixels and .*z.png 5×5; give a size"):
        data.from_images(tmp_path / "a")
    assert data.from_images(tmp_path / "a", size=(4, 5)).train[0].shape[1:] == (3, 4, 5)
    (tmp_path / "a" / "dog" / "z.png").write_text("no image")
    with pytest.raises(InvalidInput, match=r"z.png cannot be read as an image"):
        data.from_images(tmp_path / "a")


# --- arrays and sequences --------------------------------------------------------------------------------------------


def test_arrays_in_a_file(tmp_path):
    x, y = RNG.normal(size=(60, 3)), np.arange(60) % 3
    np.savez(tmp_path / "a.npz", x=x, y=y)
    whole = data.load(f"{tmp_path}/a.npz")
    assert rows_of(whole) == [36, 12, 12]
    assert np.bincount(whole.test[1]).tolist() == [4, 4, 4]
    np.savez(
        tmp_path / "b.npz", x_train=x[:30], y_train=y[:30], x_val=x[30:40], y_val=y[30:40], x_test=x[40:], y_test=y[40:]
    )
    assert rows_of(data.load(f"{tmp_path}/b.npz")) == [30, 10, 20]
    np.savez(tmp_path / "c.npz", train_images=x[:40], train_labels=y[:40], test_images=x[40:], test_labels=y[40:])
    assert rows_of(data.load(f"{tmp_path}/c.npz")) == [31, 9, 20]
    np.savez(tmp_path / "d.npz", other=x)
    with pytest.raises(InvalidInput, match=r"holds other; name its arrays x_train"):
        data.load(f"{tmp_path}/d.npz")
    (tmp_path / "e.npz").write_bytes(b"PK nothing")
    with pytest.raises(InvalidInput, match="cannot be read as arrays"):
        data.load(f"{tmp_path}/e.npz")
    with pytest.raises(InvalidInput, match=r"no file .*f.npz"):
        data.load(f"{tmp_path}/f.npz")


def test_a_file_that_was_written_again_is_read_again(tmp_path):
    file, found = tmp_path / "houses.csv", []
    for shift in (0, 1):
        FRAME.assign(price=FRAME["price"] + shift).to_csv(file, index=False)
        found.append(Regression(f"{file}:price?leave_out=kind,patient").settings()["task"])
    assert found[0]["name"] == found[1]["name"] == "houses"
    assert found[0]["fingerprint"] != found[1]["fingerprint"]


def test_a_file_of_python_and_its_mistakes(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "import automl, numpy as np\n"
        "def task(): return automl.data.from_arrays(np.arange(60.0)[:, None], np.arange(60) % 2)\n"
        "ready = task()\nwrong = 5\ndef nothing(): return 3\ndef needs(x): return x\n"
    )
    assert data.load(f"{file}:task").fingerprint() == data.load(f"{file}:ready").fingerprint()
    for name, sentence in {
        "wrong": "is 5; name an automl.Task",
        "nothing": "gives int; let it return an automl.Task",
        "needs": "takes no arguments",
        "tasks": "did you mean task",
    }.items():
        with pytest.raises(InvalidInput, match=sentence):
            data.load(f"{file}:{name}")
    assert [names_file(text) for text in ("digits", "a.npz", "a.py:task", "a/b")] == [False, True, True, True]
    assert absolute(f"{file}:task") == f"{file}:task"


def test_tokens_of_the_parts_follow_one_another():
    tokens = RNG.integers(0, 50, 1000)
    task = data.from_tokens(tokens, context=10)
    assert (task.train[0][:, 1:] == task.train[1][:, :-1]).all()
    assert task.train[1][0, -1] == task.train[0][1, 0] == tokens[10]
    assert task.validation[0][0, 0] == tokens[600]
    assert rows_of(task) == [59, 19, 19]
    assert NextToken(task).metrics["perplexity"] == "minimize"
    assert data.from_tokens("abcab" * 50, context=5).train[0].max() == 2
    for wrong in ([0.5] * 99, [[1, 2]], [-1] * 99, "ab"):
        with pytest.raises(InvalidInput, match=r"give whole numbers from 0|too few for windows"):
            data.from_tokens(wrong, context=9)


def test_sequences_of_various_lengths():
    lengths = RNG.integers(2, 9, 40)
    tokens = [list(RNG.integers(1, 20, length)) for length in lengths]
    task = data.from_sequences(tokens, lengths % 2)
    assert task.train[0].shape[1] == lengths.max()
    assert task.train[0].dtype.kind == "i"
    places = data.from_sequences(tokens, [np.arange(length) % 3 for length in lengths])
    assert (places.train[1] == -100).sum() > 0
    steps = data.from_sequences([RNG.normal(size=(length, 3)) for length in lengths], lengths % 2)
    assert steps.layout == "series"
    (probe,) = Classification(task=steps).probe().inputs
    assert probe.shape == (lengths.max(), 3)  # no channel axis: these are no grey images
    with pytest.raises(InvalidInput, match="sequence 1 is"):
        data.from_sequences([[1, 2], []], [0, 1])
    with pytest.raises(InvalidInput, match="sequence 0 has 2 places and 1 targets"):
        data.from_sequences([[1, 2]] * 9, [[1]] * 9)


def test_a_layout_belongs_to_the_data():
    x, y = RNG.normal(size=(40, 5, 4)), np.arange(40) % 2
    images, series = (data.from_arrays(x, y, layout=layout) for layout in ("auto", "series"))
    assert images.fingerprint() != series.fingerprint()
    with pytest.raises(InvalidInput, match="layout is 'text'"):
        data.from_arrays(x, y, layout="text")


@pytest.mark.parametrize("name", registry.names("tasks"))
def test_every_registered_task_gives_its_data_once(name):
    try:
        task = load(name)
    except InvalidInput as missing:
        if "AUTOML_DATA" not in str(missing):
            raise
        pytest.skip(str(missing))
    assert load(name) is task, "it is made once"
    shapes = {part[0].shape[1:] for part in (task.train, task.validation, task.test)}
    assert len(shapes) == 1
    assert all(len(inputs) == len(targets) > 0 for inputs, targets in (task.train, task.validation, task.test))


def test_the_padded_images_are_those_of_fashion_mnist():
    try:
        small, padded = load("fashion-mnist-6k"), load("fashion-mnist-6k-32")
    except InvalidInput as missing:
        pytest.skip(str(missing))
    assert padded.train[0].shape[1:] == (1, 32, 32)
    assert np.array_equal(padded.test[0][:, :, 2:-2, 2:-2], small.test[0])
    assert padded.test[0].sum(dtype=np.float64) == pytest.approx(small.test[0].sum(dtype=np.float64))
