"""Settings of parts as users write them: what is fitted to the default's type, and what is left as it is."""

from dataclasses import dataclass

import pytest

from automl.errors import InvalidInput
from automl.settings import make


class Data:
    """Somebody's own object, such as a Task."""


@dataclass(frozen=True)
class Part:
    task: object = "digits"
    rate: float = 0.1
    epochs: int = 3
    widths: tuple[int, ...] = (8, 16)
    nesterov: bool = False


def test_an_object_stays_itself_where_the_default_is_a_name():
    data = Data()
    assert make(Part, {"task": data}, "part").task is data
    assert make(Part, {"task": None}, "part").task is None


@pytest.mark.parametrize(("value", "text"), [(201, "201"), (0.5, "0.5"), (True, "true"), ("a", "a")])
def test_what_json_reads_as_a_number_may_be_a_name(value, text):
    assert make(Part, {"task": value}, "part").task == text


def test_numbers_and_lists_are_fitted():
    assert make(Part, {"rate": 1, "widths": [4]}, "part") == Part(rate=1.0, widths=(4,))
    assert isinstance(make(Part, {"rate": 1}, "part").rate, float)


@pytest.mark.parametrize("error", [AttributeError("split"), KeyError("a"), ZeroDivisionError("zero"), ValueError("no")])
def test_a_part_that_trips_over_a_value_refuses_it(error):
    def part(task="digits"):
        raise error

    with pytest.raises(InvalidInput) as refused:
        make(part, {"task": None}, "part")
    assert str(refused.value).startswith("part refuses {'task': None}: ")
    assert str(error) in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("task", [1, 2], "must be a text"),
        ("task", {"a": 1}, "must be a text"),
        ("rate", "fast", "must be a number"),
        ("epochs", 2.5, "must be a whole number"),
        ("epochs", True, "must be a whole number"),
        ("nesterov", 1, "must be true or false"),
    ],
)
def test_what_does_not_fit_is_named_with_its_value(name, value, said):
    with pytest.raises(InvalidInput, match=said) as caught:
        make(Part, {name: value}, "part")
    assert repr(value) in str(caught.value)
