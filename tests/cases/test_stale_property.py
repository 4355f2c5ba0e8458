"""Same context, same result: evaluators are generated, and so is what they capture."""

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stale_parts import from_file, from_text, write_package

from automl import FunctionEvaluator
from automl.evaluators.fingerprints.describing import describe
from automl.jsontext import canonical
from automl.spaces.space import Candidate

# How something is captured: what stands before the function, what the function computes of it, what stands behind it.
# {n} is the number of the capture, {v} a value.
CAPTURES = {
    "number": ("G{n} = {v}", "G{n}"),
    "list": ("G{n} = [0, {v}]", "G{n}[1]"),
    "dict of lists": ("G{n} = {{'a': [{v}], 'b': 1}}", "G{n}['a'][0]"),
    "set": ("G{n} = {{{v}, 10}}", "min(G{n})"),
    "array": ("G{n} = np.full(3, {v})", "int(G{n}[0])"),
    "object": ("class C{n}: pass\nG{n} = C{n}()\nG{n}.v = {v}", "G{n}.v"),
    "class attribute": ("class C{n}:\n    v = [0]\nC{n}.v = [{v}]", "C{n}.v[0]"),
    "method": ("class C{n}:\n    def m(self): return {v}\nG{n} = C{n}()", "G{n}.m()"),
    "bound method": ("class C{n}:\n    def __init__(self, v): self.v = v\n    def m(self): return self.v\nG{n} = C{n}({v}).m", "G{n}()"),
    "partial": ("def g{n}(v): return v\nG{n} = functools.partial(g{n}, {v})", "G{n}()"),
    "keyword of a partial": ("def g{n}(v): return v\nG{n} = functools.partial(g{n}, v={v})", "G{n}()"),
    "closure": ("def m{n}(v):\n    return lambda: v\nG{n} = m{n}({v})", "G{n}()"),
    "decorator": ("def d{n}(v):\n    def d(g):\n        @functools.wraps(g)\n        def w(): return v * g()\n        return w\n    return d\n@d{n}({v})\ndef g{n}(): return 1", "g{n}()"),
    "default": ("D{n} = [{v}]\ndef g{n}(v=D{n}): return v[0]", "g{n}()"),
    "keyword default": ("def m{n}(v):\n    def g(*, w=v): return w\n    return g\nG{n} = m{n}({v})", "G{n}()"),
    "lambdas in a list": ("G{n} = [lambda: 0, lambda: {v}, lambda: 9]", "G{n}[1]()"),
    "bound again": ("def a{n}(): return 1\ndef b{n}(): return 2\ndef c{n}(): return 3\nG{n} = [a{n}, b{n}, c{n}][{v} % 3]", "G{n}()"),
    "functions in a dict": ("def a{n}(): return {v}\nG{n} = {{'f': a{n}}}", "G{n}['f']()"),
    "enumeration": ("class E{n}(enum.Enum):\n    A = {v}", "E{n}.A.value"),
    "dataclass": ("@dataclasses.dataclass\nclass C{n}:\n    v: list = dataclasses.field(default_factory=lambda: [{v}])", "C{n}().v[0]"),
    "module": ("import stale_generated_{n}", "stale_generated_{n}.value()"),
    "module, inside": ("def g{n}():\n    import stale_generated_{n} as m\n    return m.DATA[0]", "g{n}()"),
    "frame": ("G{n} = pandas.DataFrame({{'a': [{v}]}})", "int(G{n}['a'].iloc[0])"),
    "random": ("G{n} = random.Random({v})", "random.Random.getstate(G{n})[1][0] % 1000"),
    "property": ("class C{n}:\n    @property\n    def p(self): return {v}\nG{n} = C{n}()", "G{n}.p"),
    "text that is run": ("G{n} = '{v}'", "int(eval(G{n}))"),
}  # fmt: skip
# ruff: noqa: E501

captured = st.lists(st.tuples(st.sampled_from(sorted(CAPTURES)), st.integers(0, 2)), min_size=1, max_size=4)


def program(folder, parts):
    lines = ["import dataclasses, enum, functools, random", "import numpy as np", "import pandas"]
    terms, modules = [], {}
    for number, (kind, value) in enumerate(parts):
        before, term = CAPTURES[kind]
        modules[f"stale_generated_{number}.py"] = f"DATA = [{value}]\ndef value(): return DATA[0]\n"
        lines.append(before.format(n=number, v=value))
        terms.append(f"{7**number} * {term.format(n=number, v=value)}")
    write_package(folder, modules)
    return "\n".join([*lines, f"def f(c): return c.x + {' + '.join(terms)}"])


def judged(folder, parts, place):
    """Returns an evaluator's context, and what it gives for a few candidates."""
    text = program(folder, parts)
    function = from_file(folder, text).f if place == "file" else from_text(text)["f"]
    context = canonical(describe(FunctionEvaluator(function)))
    return context, tuple(function(Candidate({"x": x})) for x in (0, 5))


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    parts=captured, values=st.lists(st.integers(0, 2), min_size=4, max_size=4), place=st.sampled_from(["file", "no"])
)
def test_same_context_same_result(monkeypatch, parts, values, place):
    with tempfile.TemporaryDirectory() as name, monkeypatch.context() as patched:
        folder = Path(name)
        patched.syspath_prepend(name)
        other = [(kind, value) for (kind, _), value in zip(parts, values, strict=False)]
        one, again, two = (judged(folder, some, place) for some in (parts, parts, other))
        assert one == again
        assert (one[0] == two[0]) <= (one[1] == two[1])
        assert (one[0] == two[0]) == (parts == other)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats(allow_nan=False, width=16)
    | st.text(max_size=2)
    | st.binary(max_size=2),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=2) | st.integers(0, 3), inner, max_size=3)
        | st.sets(st.integers(0, 5), max_size=3)
        | st.builds(lambda items: np.array(items, dtype=float), st.lists(st.integers(0, 3), max_size=3))
    ),
    max_leaves=8,
)


def shown(value):
    """Returns a text that tells values apart by type and content; dicts and sets have no order."""
    if isinstance(value, dict):
        return "{" + ",".join(sorted(f"{shown(key)}:{shown(item)}" for key, item in value.items())) + "}"
    if isinstance(value, list | tuple):
        return f"{type(value).__name__}({','.join(map(shown, value))})"
    if isinstance(value, np.ndarray):
        return f"array({value.dtype},{value.tolist()})"
    return f"{type(value).__name__}({sorted(value) if isinstance(value, set) else value!r})"


@settings(max_examples=300, deadline=None)
@given(one=values, other=values)
def test_data_is_equal_where_its_content_is(one, other):
    def code(value):
        return FunctionEvaluator(lambda c: value).settings()["code"]

    assert (code(one) == code(other)) == (shown(one) == shown(other))
