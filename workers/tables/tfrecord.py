"""TFRecord files and protocol buffers, as far as NAS-Bench-101's official files need them, without TensorFlow.

TFRecord: for each record its length (8 bytes, little endian), a checksum of that, the record, a checksum of that (4
bytes each). Checksums are not verified: what is damaged does not parse. Protocol buffers: https://protobuf.dev,
"Encoding".
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from automl.errors import InvalidInput

LONGEST = 1 << 20
"""Bytes that a record may have; those of the benchmark have a few hundred."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def records(file: Path) -> Iterator[bytes]:
    """Yields the records of a TFRecord file.

    Raises:
        InvalidInput: it ends within a record, or is no such file.
    """
    with file.open("rb") as stream:
        while head := stream.read(12):
            size = struct.unpack("<Q", head[:8])[0] if len(head) == 12 else LONGEST + 1
            body = stream.read(size + 4) if size <= LONGEST else b""
            if len(body) != size + 4:
                raise InvalidInput(f"{file} ends within a record or is no TFRecord file; download it again")
            yield body[:-4]


def fields(message: bytes) -> Iterator[tuple[int, int | float | bytes]]:
    """Yields (field number, value) of a protocol buffer: whole numbers, doubles, bytes.

    Raises:
        ValueError: it is none.
    """
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        number, wire = tag >> 3, tag & 7
        value: int | float | bytes
        if wire == _VARINT:
            value, place = _varint(message, place)
        elif wire in (_FIXED64, _FIXED32):
            size = 8 if wire == _FIXED64 else 4
            (value,) = struct.unpack_from("<d" if size == 8 else "<f", message, place)
            place += size
        elif wire == _BYTES:
            size, place = _varint(message, place)
            value = message[place : place + size]
            place += size
        else:
            raise ValueError(f"wire type {wire}")
        if place > len(message):
            raise ValueError("the message ends within a field")
        yield number, value


def _varint(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if place >= len(message) or shift > 63:
            raise ValueError("the message ends within a number")
        byte = message[place]
        value |= (byte & 0x7F) << shift
        place += 1
        if byte < 0x80:
            return value, place
        shift += 7
