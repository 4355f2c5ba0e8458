"""Targets of libraries (`timm:…`, `transformers:…`) without these libraries: what is read, and what is refused."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from automl.errors import InvalidInput, InvalidSpace
from automl.setup import targets
from automl.setup.space_code import space_code
from automl.spaces.fields import Choice
from automl.spaces.orders import Ordinal
from search_spaces.libraries.configured import Configured, configured
from search_spaces.libraries.query import parse, words


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("m?a=0|0.1", {"a": (0, 0.1)}),
        ("m?a=relu|gelu&b=true|false|null", {"a": ("relu", "gelu"), "b": (True, False, None)}),
        ('m?a="1"|1&b=-2e-3', {"a": ("1", 1), "b": (-0.002,)}),
        ("m?a=x%7Cy|%26|50%25", {"a": ("x|y", "&", "50%")}),
        ("m?a=1==1|__import__('os').getcwd()", {"a": ("1==1", "__import__('os').getcwd()")}),
        ("m.tag_in1k?a=1|2", {"a": (1, 2)}),
    ],
)
def test_values_are_json_scalars_or_words_and_nothing_is_evaluated(text, values):
    assert parse("timm", text).values == values


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no model is named; write timm:MODEL"),
        ("?a=1|2", "no model is named"),
        ("m", "no argument is named"),
        ("m?", "no argument is named"),
        ("m?a", "'a' is no argument; write ARGUMENT=VALUE"),
        ("m?a=1|2&", "'' is no argument"),
        ("m?=1|2", "'=1|2' is no argument"),
        ("m?a.b=1|2", "'a.b=1|2' is no argument"),
        ("m?_a=1|2", "'_a=1|2' is no argument"),
        ("m?a=1|2&a=3", "a is named twice"),
        ("m?a=1|2|1", "a has 1 twice; keep one"),
        ("m?a=1|", "a: a value is empty"),
        ("m?a=[1]|2", r"a: \[1\] is a list"),
        ('m?a={"b":1}|2', "is a JSON object"),
        ("m?a=[1|2", r"a: \[1 is no JSON scalar"),
        ("m?a=NaN|1", "a: NaN is not finite"),
        ("m?a=-Infinity|1", "a: -Infinity is not finite"),
        ("m?a=1e999|1", "a: 1e999 is not finite"),
        ("m?a=1&b=x", r"nothing to choose; separate values by \|, as in a=1\|VALUE"),
    ],
)
def test_another_form_is_refused_in_one_sentence(text, why):
    with pytest.raises(InvalidSpace, match=f"^timm:.*{why}") as refusal:
        targets.find(f"timm:{text}")  # the text is read before the library is looked for
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("timm:m?num_classes=2|3", "timm:m: num_classes follows from the task; leave it out, or give --set classes=N"),
        ("timm:m?pretrained=true|false", "timm:m: pretrained is not taken"),
        ("timm:m?drop_path=0|1&drop_path_rate=1", "drop_path and drop_path_rate are the same argument; keep one"),
        ("transformers:m?vocab_size=2|3", "vocab_size follows from the task; leave it out, or give --set tokens=N"),
        ("transformers:m?use_cache=true|false", "use_cache is not taken"),
    ],
)
def test_what_is_not_the_users_to_choose_is_refused(target, why):
    with pytest.raises(InvalidInput, match=why):
        targets.find(target)


@pytest.mark.parametrize("name", ["timm", "transformers"])
def test_a_library_that_is_missing_is_named_with_what_to_install(name, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)  # what Python takes for a module that is not there
    with pytest.raises(InvalidInput, match=rf"^{name} is not installed; run pip install 'automl-.*\[models\]'"):
        targets.find(f"{name}:resnet18?drop_path=0|0.1")


def test_a_library_that_cannot_be_imported_is_named_with_the_reason(monkeypatch, tmp_path):
    (tmp_path / "timm.py").write_text("raise RuntimeError('operator nms\\ndoes not exist')\n")
    monkeypatch.delitem(sys.modules, "timm", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InvalidInput, match=r"^timm cannot be imported: RuntimeError: operator nms does not exist$"):
        targets.find("timm:resnet18?drop_path=0|0.1")


def test_arguments_of_several_values_are_fields_and_the_others_constants():
    kind = configured(Configured, parse("timm", "m?depth=1|2|4&act=relu|gelu&wide=true|false&down=2|1&rate=0.5"))
    space = kind()
    assert {name: type(field) for name, field in space.record.fields.items()} == {
        "depth": Ordinal, "act": Choice, "wide": Choice, "down": Choice,
    }  # fmt: skip
    assert space.size() == 24
    candidate = space.sample(np.random.default_rng(0))
    assert space.decode(candidate.value) == candidate
    assert "rate" not in candidate.value
    assert words({"act": "relu", "wide": True}) == "act=relu, wide=true"
    assert kind.__name__ == "timm:m"
    assert not space_code(space).is_users  # a package's: known by its target


def test_a_name_that_candidates_use_is_refused():
    with pytest.raises(InvalidSpace, match="a field cannot be called 'kind'"):
        configured(Configured, parse("timm", "m?kind=1|2"))
