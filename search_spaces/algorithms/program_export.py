"""Programs as stand-alone numpy files with the predictions of the compiled interpreter, random draws included."""

from __future__ import annotations

import inspect
import re
import textwrap

import numpy as np

from automl.spaces.programs.analysis import prepare
from automl.spaces.programs.code import FUNCTIONS, Instruction, encode
from automl.spaces.programs.language import ProgramLanguage
from automl.spaces.programs.operations import OWN
from search_spaces.algorithms.program_simplify import pruned
from search_spaces.algorithms.program_text import ProgramText, explain

_HELPERS = {
    "dot": """
def dot(a, b):
    return sum((a * b).T) if a.ndim == 1 else sum(a[:, j] * b[j] for j in range(len(b)))
""",
    "outer": """
def outer(a, b):
    return a[:, None] * b[None, :]
""",
    "matmul": """
def matmul(a, b):
    return sum(a[:, j, None] * b[None, j, :] for j in range(len(b)))
""",
    "transpose": """
def transpose(a):
    return a.T.copy()
""",
    "broadcast": """
def broadcast(a, axis=None):
    if axis is None:
        return np.full(FEATURES, a)
    return np.repeat(a[:, None] if axis == 0 else a[None, :], FEATURES, axis=1 - axis)
""",
    "norm": """
def norm(a, axis=None):
    return np.sqrt(sum((a * a).ravel()) if axis is None else sum(np.moveaxis(a * a, axis, 0)))
""",
    "mean": """
def mean(a, axis=None):
    return sum(a.ravel()) / a.size if axis is None else sum(np.moveaxis(a, axis, 0)) / a.shape[axis]
""",
    "std": """
def std(a, axis=None):
    centre = sum(a.ravel()) / a.size if axis is None else (sum(a.T) / len(a))[:, None]
    squares = (a - centre) ** 2
    return np.sqrt(sum(squares.ravel()) / a.size if axis is None else sum(squares.T) / len(a))
""",
    "heaviside": """
def heaviside(a):
    return np.heaviside(a, 0.0)
""",
}
_ADDRESS = re.compile(r"\b([svm]\d+)\b")
_MEMBER = r"self.\1"
_ZERO = {"s": "np.float64(0)", "v": "np.zeros(FEATURES)", "m": "np.zeros((FEATURES, FEATURES))"}
_NUMPY = ("sin", "cos", "tan", "arcsin", "arccos", "arctan", "exp", "log", "minimum", "maximum")

_DRAWS = '''
MASK = 2**64 - 1


def mix(x):
    """SplitMix64's finaliser: scatters 64 bits over 64 bits."""
    x = (x + 0x9E3779B97F4A7C15) & MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def unit(stream, n):
    """Number n of a stream, between 0 and 1."""
    return ((mix((stream + n) & MASK) >> 11) + 0.5) / 2**53
'''

_DRAW_METHODS = """
    def stream(self, address):
        return mix(mix(mix(mix(self.seed) ^ address) ^ self.step) ^ self.task)

    def uniform(self, low, high, shape, address):
        stream, size = self.stream(address), int(np.prod(shape))
        return np.array([low + (high - low) * unit(stream, n) for n in range(size)]).reshape(shape)[()]

    def gaussian(self, centre, deviation, shape, address):
        stream, size = self.stream(address), int(np.prod(shape))
        values = [
            deviation * np.sqrt(-2.0 * np.log(unit(stream, 2 * n))) * np.cos(2.0 * np.pi * unit(stream, 2 * n + 1))
            for n in range(size)
        ]
        return (centre + np.array(values)).reshape(shape)[()]
"""

_REST = '''
def run(train, targets, held, seed=0, task=0):
    """Learns from `train` and `targets` in order and returns the predictions for `held`."""
    with np.errstate(all="ignore"):
        algorithm = Algorithm(seed, task)
        for features, label in zip(train, targets):
            algorithm.predict(features)
            algorithm.learn(features, label)
        return np.array([algorithm.predict(features) for features in held])
'''


def exported(language: ProgramLanguage, code: bytes, title: str = "A learning algorithm found by search.") -> str:
    """Returns the source of a Python file that needs numpy alone.

    It defines `Algorithm` (predict(features), learn(features, label)) and `run(train, targets, held, seed, task)`. Its
    predictions are those of the compiled interpreter up to the last digits of numpy's elementary functions. It does
    not stop at a large error, as evaluations do.
    """
    functions = pruned(language, code)
    code = encode(functions)
    streams = _streams(language, code)
    text = ProgramText(language)
    used: set[str] = set()
    bodies = []
    place = 0
    for function in functions:
        lines = []
        for instruction in function:
            line = _line(language, text, instruction, streams[place], used)
            lines.append(f"        {line}  # {explain(language, instruction)}")
            place += 1
        bodies.append("\n".join(lines))
    random = any(language.operations[item.operation].random for function in functions for item in function)
    return _file(language, title, bodies, used, random)


def _line(language: ProgramLanguage, text: ProgramText, instruction: Instruction, stream: int, used: set[str]) -> str:
    operation = language.operations[instruction.operation]
    left, _, right = text.write(instruction).partition(" = ")
    if operation.random:
        shape = {"s": "()", "v": "(FEATURES,)", "m": "(FEATURES, FEATURES)"}[operation.output]
        right = f"self.{right[:-1]}, {shape}, {stream})"
    elif operation.kernel == OWN:
        shape = {"s": "(1,)", "v": "(FEATURES,)", "m": "(FEATURES, FEATURES)"}[operation.output]
        name, _, operands = right.partition("(")
        used.add(name)
        right = f"own_{name}({shape}, {_ADDRESS.sub(_MEMBER, operands)}"
    elif operation.constants:
        right = f"np.float64({right})" if operation.output == "s" and not operation.indices else right
    else:
        used.update(re.findall(r"([a-z_]+)\(", right))
        right = _ADDRESS.sub(_MEMBER, right)
    return f"self.{left} = {right}"


def _file(language: ProgramLanguage, title: str, bodies: list[str], used: set[str], random: bool) -> str:
    names = [f"{item} = np.{item}" for item in _NUMPY if item in used]
    helpers = [source for name, source in _HELPERS.items() if name in used]
    own = [_own_source(item.name, item.function) for item in language.own if item.name in used]
    touched = sorted({"s1", *re.findall(r"self\.([svm]\d+)", "\n".join(bodies))})
    memory = [f"        self.{address} = {_ZERO[address[0]]}" for address in touched]
    setup, predict, learn = bodies
    squash = "        self.s1 = 1.0 / (1.0 + np.exp(-self.s1))  # a probability\n" if language.probabilities else ""
    parts = [
        f'"""{title}\n\nNeeds numpy alone. s0 is the label, s1 the prediction, v0 the features.\n"""\n',
        "import math\n\nimport numpy as np\n",
        f"FEATURES = {language.features}",
        *(["\n".join(names)] if names else []),
        *helpers,
        *own,
        *([_DRAWS] if random else []),
        "\n\nclass Algorithm:\n    def __init__(self, seed=0, task=0):\n"
        "        self.seed, self.task, self.step = seed, task, 0",
        "\n".join(memory),
        setup + "\n" if setup else "",
        "    def predict(self, features):\n        self.step += 1\n"
        "        self.s0, self.v0 = np.float64(0), np.asarray(features, dtype=float)",
        (predict + "\n" if predict else "") + squash + "        return self.s1\n",
        "    def learn(self, features, label):\n"
        "        self.s0, self.v0 = np.float64(label), np.asarray(features, dtype=float)",
        learn,
        *([_DRAW_METHODS] if random else []),
        "",
        _REST,
    ]
    if "math." not in "".join(own):
        parts[1] = "import numpy as np\n"
    return re.sub(r"\n{4,}", "\n\n\n", "\n".join(part for part in parts)).rstrip() + "\n"


def _own_source(name: str, function: object) -> str:
    source = textwrap.dedent(inspect.getsource(function))  # type: ignore[arg-type]
    called = function.__name__  # type: ignore[attr-defined]
    return (
        f"\n{source}\n\ndef own_{name}(shape, *inputs):\n    out = np.zeros(shape)\n"
        f"    {called}(out, *(np.atleast_1d(item) for item in inputs))\n    return out[0] if shape == (1,) else out\n"
    )


def _streams(language: ProgramLanguage, code: bytes) -> list[int]:
    """Returns the address of the random draws of each live instruction."""
    total = max(1, sum(code[: len(FUNCTIONS)]))
    raw = np.frombuffer(code, np.uint8)
    streams = np.zeros(total, np.uint64)
    prepare(
        raw, raw.view(np.float64), language.table, language.scalars, language.vectors, language.features, 1,
        np.zeros(total, np.uint8), np.zeros((total, 8), np.int64), np.zeros((total, 2)), streams, np.zeros(4, np.int64),
    )  # fmt: skip
    return [int(stream) for stream in streams]
