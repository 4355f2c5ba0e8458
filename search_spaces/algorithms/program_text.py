"""Programs as text, one instruction a line (`s3 = dot(v0, v1)`), and back. Texts are parsed, never evaluated."""

from __future__ import annotations

import difflib
import functools
import math
import re
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from automl.errors import InvalidCandidate
from automl.spaces.options import shown
from automl.spaces.programs.analysis import HEADER, RECORD
from automl.spaces.programs.code import FUNCTIONS, LONGEST, Instruction, decode_record, encode_record, header
from automl.spaces.programs.language import ProgramLanguage
from automl.spaces.programs.operations import Operation
from search_spaces.algorithms.program_notation import bare, program_of, variants

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?(?:inf|nan|infinity)"
_LINE = re.compile(
    r"(?P<type>[a-z]+?)(?P<address>\d+)\s*(?:\[\s*(?P<i>\d+)\s*(?:,\s*(?P<j>\d+)\s*)?\])?\s*=\s*(?P<right>.+)",
    re.DOTALL,
)
_ADDRESS = re.compile(r"\b([svm])(\d+)\b")
_DRAW = re.compile(rf"(\w+)\(\s*({_NUMBER})\s*,\s*({_NUMBER})\s*\)", re.IGNORECASE)
_FUNCTION_NAMES = frozenset(FUNCTIONS)
_KEPT = 1 << 16
_KEPT_FUNCTIONS = 1 << 14
_RECORDS = struct.Struct(f"{RECORD}s")
_TYPE_NAMES = {"s": "scalar", "v": "vector", "m": "matrix"}


class ProgramText:
    """Writes and reads the programs of one language.

    It remembers instructions that it has written and read, and functions that it has written: a child shares two of
    three functions with its parent, and nearly all instructions of the third.
    """

    def __init__(self, language: ProgramLanguage) -> None:
        self._language = language
        self._forms = [_writing(item) for item in language.operations]
        self._written: dict[bytes, str] = {}
        self._functions: dict[bytes, str] = {}
        self._read: dict[str, bytes] = {}
        self._numbers = {_form(item): number for number, item in enumerate(language.operations)}
        self._words = sorted(
            {word for item in language.operations if (word := item.form.partition("(")[0]).isidentifier()}
        )

    def write(self, instruction: Instruction) -> str:
        """Returns the line of an instruction."""
        form, fields = self._forms[instruction.operation]
        return form % tuple(instruction[field] for field in fields)

    def read(self, text: Any, where: str) -> Instruction:
        """Returns the instruction of a line.

        Args:
            text: the line.
            where: names the line in messages, such as "learn line 3".

        Raises:
            InvalidCandidate: the line is no instruction of this language; the message names line and reason.
        """
        if not isinstance(text, str):
            raise InvalidCandidate(
                f"{where}: {text!r} is not text; give one instruction a line, such as 's3 = dot(v0, v1)'"
            )
        line = bare(text)
        where = f"{where}: {shown(line)}"
        if line.replace(" ", "") == "no_op()":
            return Instruction(0)
        match = _LINE.fullmatch(line)
        if match is None:
            raise InvalidCandidate(
                f"{where} is no instruction; write 'address = operation', such as 's3 = dot(v0, v1)'"
            )
        kind, right = match["type"], match["right"].strip()
        if kind not in _TYPE_NAMES:
            raise InvalidCandidate(
                f"{where}: memory {kind!r} does not exist; s is for scalars, v for vectors, m for matrices"
            )
        brackets = "" if match["i"] is None else "[]" if match["j"] is None else "[,]"
        for form in (right, *variants(right)):
            shape, constants = _shape(form)
            number = self._numbers.get(f"{kind}{brackets}={shape}")
            right = form
            if number is not None:
                break
        operands = [(letter, int(digits)) for letter, digits in _ADDRESS.findall(right)]
        if number is None:
            raise InvalidCandidate(f"{where}: {self._reason(kind, brackets, shape)}")
        self._check(where, kind, int(match["address"]), operands)
        first, second = (*(address for _, address in operands), 0, 0)[:2]
        i, j = int(match["i"] or 0), int(match["j"] or 0)
        if max(i, j) >= self._language.features:
            raise InvalidCandidate(
                f"{where}: index {max(i, j)} is out of range; indices go from 0 to {self._language.features - 1}"
            )
        x, y = (*constants, 0.0, 0.0)[:2]
        if not (math.isfinite(x) and math.isfinite(y)):
            raise InvalidCandidate(f"{where}: constants must be finite numbers")
        return Instruction(number, int(match["address"]), first, second, i, j, x + 0.0, y + 0.0)

    def read_program(self, value: Any) -> bytes:
        """Encodes a program from its JSON data: {"setup": [lines], "predict": [lines], "learn": [lines]}.

        The text of a whole program in the notation of the paper is read, too (`program_notation`). Lines may have
        comments, and may be nothing else.

        Raises:
            InvalidCandidate: it is none; the message names function and line.
        """
        if isinstance(value, str):
            value = program_of(value)
        if not isinstance(value, Mapping) or value.keys() != _FUNCTION_NAMES:
            raise InvalidCandidate(
                f"{shown(value)} is no program; give an object with the lists 'setup', 'predict' and 'learn'"
            )
        records: list[bytes] = []
        lengths = []
        for name in FUNCTIONS:
            lines = value[name]
            if not isinstance(lines, list | tuple):
                raise InvalidCandidate(f"{name}: {shown(lines)} is not a list of lines")
            if len(lines) > LONGEST:
                raise InvalidCandidate(f"{name} has {len(lines)} lines; a function has at most {LONGEST}")
            lengths.append(len(lines))
            for number, line in enumerate(lines, 1):
                record = self._read.get(line) if isinstance(line, str) else None
                if record is None:
                    if isinstance(line, str) and line.lstrip().startswith("#"):
                        lengths[-1] -= 1
                        continue
                    record = encode_record(self.read(line, f"{name} line {number}"))
                    _keep(self._read, line, record)
                records.append(record)
        return header(lengths) + b"".join(records)

    def json(self, code: bytes) -> str:
        """Returns the canonical JSON of an encoded program."""
        first = HEADER + RECORD * code[0]
        second = first + RECORD * code[1]
        setup, predict, learn = code[HEADER:first], code[first:second], code[second:]
        known = self._functions
        return (
            f'{{"learn":{known.get(learn) or self._function(learn)},'
            f'"predict":{known.get(predict) or self._function(predict)},'
            f'"setup":{known.get(setup) or self._function(setup)}}}'
        )

    def _function(self, records: bytes) -> str:
        """Writes a function as JSON for the first time."""
        written = self._written
        lines = [written.get(record) or self._learn(record) for (record,) in _RECORDS.iter_unpack(records)]
        text = f"[{','.join(lines)}]"
        _keep(self._functions, records, text, _KEPT_FUNCTIONS)
        return text

    def _learn(self, record: bytes) -> str:
        """Writes an instruction as JSON for the first time; whoever reads it soon will not have to parse it."""
        line = self.write(decode_record(record))
        _keep(self._written, record, f'"{line}"')
        _keep(self._read, line, record)
        return f'"{line}"'

    def write_program(self, functions: Sequence[Sequence[Instruction]]) -> dict[str, list[str]]:
        """Returns a program as JSON data."""
        return {
            name: [self.write(instruction) for instruction in function]
            for name, function in zip(FUNCTIONS, functions, strict=True)
        }

    def _check(self, where: str, kind: str, address: int, operands: Sequence[tuple[str, int]]) -> None:
        for letter, number in ((kind, address), *operands):
            count = self._language.count(letter)
            if number >= count:
                there = f"{letter}0 to {letter}{count - 1}" if count else f"no {letter}"
                raise InvalidCandidate(f"{where}: address {letter}{number} is out of range; this language has {there}")
        if address == 0 and kind != "m":
            what = "the label" if kind == "s" else "the features"
            raise InvalidCandidate(f"{where}: {kind}0 holds {what} and cannot be written; write {kind}1 or above")

    def _reason(self, kind: str, brackets: str, shape: str) -> str:
        """Returns why no operation looks like this: an unknown name, or types that do not fit."""
        bare = re.sub("[svm]", "?", shape)
        alike = [form for form in self._numbers if re.sub("[svm]", "?", form.partition("=")[2]) == bare]
        if alike:
            forms = ", ".join(_readable(form) for form in alike)
            return f"types do not match; it can be {forms} (s a scalar, v a vector, m a matrix)"
        word = shape.partition("(")[0]
        near = difflib.get_close_matches(word, self._words, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"operations are + - * / and {', '.join(self._words)}"
        if word in self._words:
            forms = ", ".join(_readable(f) for f in self._numbers if f.partition("=")[2].startswith(f"{word}("))
            return f"{word!r} is not used like this; it can be {forms}"
        return f"unknown operation {word!r}; {hint}"


def _keep(memory: dict[Any, Any], key: Any, value: Any, most: int = _KEPT) -> None:
    if len(memory) >= most:
        memory.clear()
    memory[key] = value


def _writing(operation: Operation) -> tuple[str, tuple[int, ...]]:
    """Returns an operation's line as a format, and which fields of an instruction fill it."""
    out, operands, elements, constants = 1, (2, 3), (4, 5), (6, 7)
    if not operation.output:
        return operation.form, ()
    kinds = [f"{kind}%d" for kind in operation.inputs]
    right = operation.form.replace("#", "%r").replace("[i] = ", "").replace("[i, j] = ", "").format(*kinds)
    left = f"{operation.output}%d" + {0: "", 1: "[%d]", 2: "[%d, %d]"}[operation.indices]
    inputs = operands[: len(operation.inputs)]
    return f"{left} = {right}", (
        out,
        *elements[: operation.indices],
        *inputs,
        *constants[: operation.constants],
    )


def explain(language: ProgramLanguage, instruction: Instruction) -> str:
    """Returns what an instruction does, in words: "s1 becomes the inner product of v0 and v1"."""
    operation = language.operations[instruction.operation]
    inputs = (instruction.first, instruction.second)
    operands = [f"{kind}{address}" for kind, address in zip(operation.inputs, inputs, strict=False)]
    meaning = operation.meaning.format(*operands, i=instruction.i, j=instruction.j, x=instruction.x, y=instruction.y)
    if not operation.output:
        return meaning
    target = f"{operation.output}{instruction.out}"
    return f"{meaning} in {target}" if operation.indices else f"{target}: {meaning}"


def _form(operation: Operation) -> str:
    """Returns an operation's form as `_shape` writes it, with its output before an equals sign."""
    brackets = {0: "", 1: "[]", 2: "[,]"}[operation.indices]
    right = operation.form.rpartition("= ")[2] if operation.indices else operation.form
    return f"{operation.output}{brackets}={right.format(*operation.inputs).replace(' ', '')}"


def _readable(form: str) -> str:
    return form.replace("=", " = ", 1).replace("[]", "[i]").replace("[,]", "[i, j]")


@functools.lru_cache(maxsize=4096)
def _shape(right: str) -> tuple[str, tuple[float, ...]]:
    """Reduces a right-hand side to its form (addresses to their types, constants to #) and returns the constants."""
    if re.fullmatch(_NUMBER, right, re.IGNORECASE):
        return "#", (float(right),)
    draw = _DRAW.fullmatch(right)
    if draw is not None:
        return f"{draw[1]}(#,#)", (float(draw[2]), float(draw[3]))
    return _ADDRESS.sub(r"\1", right).replace(" ", ""), ()
