"""Encoded programs: bytes that compiled code reads as they are, and the instructions that they stand for."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from automl.spaces.programs.analysis import HEADER

FUNCTIONS = ("setup", "predict", "learn")
"""The component functions of a program, in the order of its code."""

LONGEST = 255
"""The most instructions that one function can have."""

_RECORD = struct.Struct("<6B2x2d")


class Instruction(NamedTuple):
    """One instruction of a program. Entries that its operation does not use are 0.

    Attributes:
        operation: Number of the operation in the language.
        out, first, second: Addresses of the output and of the inputs, each within its type.
        i, j: Row and column of the element that is written.
        x, y: Constants of the operation.

    Example:
        >>> Instruction(operation=1, out=1, first=2, second=3)
        Instruction(operation=1, out=1, first=2, second=3, i=0, j=0, x=0.0, y=0.0)
    """

    operation: int
    out: int = 0
    first: int = 0
    second: int = 0
    i: int = 0
    j: int = 0
    x: float = 0.0
    y: float = 0.0


Functions = tuple[tuple[Instruction, ...], tuple[Instruction, ...], tuple[Instruction, ...]]
"""A decoded program: setup, predict, learn."""


def encode_record(instruction: Instruction) -> bytes:
    """Returns one instruction as bytes of fixed length.

    Example:
        >>> record = encode_record(Instruction(operation=1, out=1, first=2, second=3))
        >>> len(record), decode_record(record).second
        (24, 3)
    """
    return _RECORD.pack(*instruction[:6], *instruction[6:])


def decode_record(record: bytes) -> Instruction:
    """Returns the instruction that is encoded in some bytes, the inverse of `encode_record`.

    Example:
        >>> decode_record(encode_record(Instruction(operation=56, out=2, x=0.5))).x
        0.5
    """
    return Instruction(*_RECORD.unpack(record))


def header(lengths: Sequence[int]) -> bytes:
    """Returns the first bytes of a program: the lengths of setup, predict and learn, padded.

    Example:
        >>> list(header([1, 2, 0]))[:3]
        [1, 2, 0]
    """
    return bytes(lengths) + bytes(HEADER - len(lengths))


def encode(functions: Sequence[Sequence[Instruction]]) -> bytes:
    """Returns a program's three functions (setup, predict, learn) as bytes.

    Example:
        >>> code = encode([(Instruction(56, out=2, x=0.5),), (), ()])
        >>> [len(function) for function in decode(code)]
        [1, 0, 0]
    """
    records = [encode_record(instruction) for function in functions for instruction in function]
    return header([len(function) for function in functions]) + b"".join(records)


def decode(code: bytes) -> Functions:
    """Returns the instructions of a program's three functions: a tuple (setup, predict, learn) of tuples.

    Example:
        >>> add = Instruction(operation=1, out=1, first=2, second=3)
        >>> decode(encode([(), (add,), ()]))[1] == (add,)
        True
    """
    every = [Instruction(*fields) for fields in _RECORD.iter_unpack(code[HEADER:])]
    first, second = code[0], code[0] + code[1]
    return tuple(every[:first]), tuple(every[first:second]), tuple(every[second:])


def join(codes: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Concatenates programs into arrays that the compiled interpreter reads.

    Returns:
        The bytes as a uint8 array, the same bytes as a float64 array, and int64 offsets of length programs + 1.

    Example:
        >>> one, two = encode([(), (), ()]), encode([(Instruction(0),), (), ()])
        >>> every, floats, offsets = join([one, two])
        >>> offsets.tolist() == [0, len(one), len(one) + len(two)]
        True
    """
    every = np.frombuffer(b"".join(codes), np.uint8)
    offsets = np.zeros(len(codes) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, codes), np.int64, len(codes)), out=offsets[1:])
    return every, every.view(np.float64), offsets
