"""Programs in the notation of the AutoML-Zero paper (Real et al. 2020, arXiv 2003.03384): functions with comments.

    # sX/vX/mX: scalar, vector, matrix at address X.
    def Setup():
      s3 = 0.01             # learning rate
    def Predict():          # v0 = features
      s1 = dot(v0, v1)
    def Learn():            # s0 = label
      s4 = s0 - s1
      v2 = v0 * s4          # either order
      v2 = v2 * s3
      v1 = v1 + v2

Such a text becomes the three lists of lines that candidates have; each line is read by `program_text`, and nothing is
ever evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from automl.errors import InvalidCandidate
from automl.spaces.options import shown
from automl.spaces.programs.code import FUNCTIONS

LONGEST = 100_000
"""Characters of a program's text, at most."""

_HEAD = re.compile(r"def\s+(\w+)\s*\([^()]*\)\s*(?:->\s*\w+\s*)?:(.*)", re.IGNORECASE | re.DOTALL)
_ADDRESS = r"[svm]\d+"
_OPERAND = rf"\s*({_ADDRESS})\s*"
_ZERO_FIRST = re.compile(rf"(\w+)\(\s*0(?:\.0*)?\s*,{_OPERAND}\)")
_ZERO_LAST = re.compile(rf"(\w+)\({_OPERAND},\s*0(?:\.0*)?\s*\)")
_PREFIX = re.compile(r"\b(?:np|numpy|jnp|math|tf)\.(?=[a-z])")
_TRANSPOSED = re.compile(r"\b(m\d+)\.T\b")
_STEP = re.compile(rf"heaviside\({_OPERAND},\s*[01](?:\.\d*)?\s*\)")
_PRODUCT = re.compile(rf"{_OPERAND}@{_OPERAND}")
_OTHER_WAY = re.compile(r"([vm]\d+)\s*\*\s*(s\d+)")


def program_of(text: str) -> dict[str, list[str]]:
    r"""Returns the lines of each function of a program's text, comments left out.

    Raises:
        InvalidCandidate: it is too long, has an instruction outside a function, an unknown function, or one twice.

    Example:
        >>> program_of("def Setup():\n  s2 = 0.1  # rate\ndef Predict(): s1 = dot(v0, v1)\ndef Learn(): pass")
        {'setup': ['s2 = 0.1'], 'predict': ['s1 = dot(v0, v1)'], 'learn': []}
    """
    if len(text) > LONGEST:
        raise InvalidCandidate(f"a program's text has at most {LONGEST:,} characters, and this one has {len(text):,}")
    found: dict[str, list[str]] = {}
    lines: list[str] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        rest = bare(line)
        if head := _HEAD.fullmatch(rest):
            name, rest = head[1].lower(), head[2].strip()
            if name not in FUNCTIONS or name in found:
                what = "is defined twice" if name in found else "is none of a program's"
                raise InvalidCandidate(f"line {number}: function {head[1]!r} {what}; they are Setup, Predict and Learn")
            lines = found[name] = []
        if not rest:
            continue
        if lines is None:
            raise InvalidCandidate(
                f"line {number}: {shown(rest)} stands outside a function; a program is written as def Setup():, "
                "def Predict():, def Learn():, each followed by its instructions"
            )
        lines += [item for item in map(str.strip, rest.split(";")) if item and item not in ("pass", "...")]
    if not found:
        raise InvalidCandidate(f"{shown(text)} is no program; begin with def Setup():")
    program = {name: found.get(name, []) for name in FUNCTIONS}
    return _with_zeros(program)


def bare(line: Any) -> Any:
    """Returns an instruction without its comment; whatever is no text stays what it is."""
    return line.partition("#")[0].strip() if isinstance(line, str) else line


def variants(right: str) -> Iterator[str]:
    """Yields other ways to write the right side of an instruction, in which the paper and numpy write it.

    `v0 * s3` is `s3 * v0`, `heaviside(v6, 1.0)` is `heaviside(v6)`, `bcast` is `broadcast`, `m0.T` is `transpose(m0)`,
    `np.dot` is `dot`; `a @ b` is a dot product, or `matmul` of two matrices.
    """
    text = _TRANSPOSED.sub(r"transpose(\1)", _PREFIX.sub("", right)).replace("bcast(", "broadcast(")
    text = _STEP.sub(r"heaviside(\1)", text)
    if product := _PRODUCT.fullmatch(text):
        name = "matmul" if product[1][0] == product[2][0] == "m" else "dot"
        text = f"{name}({product[1]}, {product[2]})"
    if text != right:
        yield text
    if other := _OTHER_WAY.fullmatch(text):
        yield f"{other[2]} * {other[1]}"


def _with_zeros(program: dict[str, list[str]]) -> dict[str, list[str]]:
    """Puts a vector (scalar, matrix) that nobody writes in place of 0 in `maximum(0, v6)`: memory begins with zeros."""
    whole = "\n".join(line for lines in program.values() for line in lines)
    names = set(re.findall(rf"\b{_ADDRESS}\b", whole))

    def replaced(line: str) -> str:
        found = _ZERO_FIRST.search(line) or _ZERO_LAST.search(line)
        if found is None or found[1] not in ("maximum", "minimum"):
            return line
        kind = found[2][0]
        zero = next(f"{kind}{place}" for place in range(2, 100) if f"{kind}{place}" not in names)
        return line.replace(found[0], f"{found[1]}({found[2]}, {zero})")

    return {name: [replaced(line) for line in lines] for name, lines in program.items()}
