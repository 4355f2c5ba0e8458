"""Seeds, fingerprints and the numbers of audits: all follow from what they belong to, nothing from time or worker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import xxhash

from automl.errors import InvalidInput
from automl.jsontext import canonical
from automl.storage.candidates import digest


def fingerprint(namespace: str, description: Mapping[str, Any]) -> bytes:
    """Returns the 16 bytes that tell one context from every other, in this namespace."""
    return xxhash.xxh3_128_digest(canonical([namespace, description]).encode())


def seed(namespace: str, fingerprint: bytes, key: bytes, replicate: int) -> int:
    """Returns the 63-bit seed of one replicate of one class."""
    mixed = xxhash.xxh3_64(namespace.encode())
    mixed.update(b"\0" + fingerprint + key + replicate.to_bytes(8, "little", signed=True))
    return mixed.intdigest() >> 1


def audit_replicate(candidate: str) -> int:
    """Returns the replicate under which this encoding's own evaluation is stored: negative, so it is never served."""
    return -1 - (int.from_bytes(digest(candidate)[:8], "little") >> 1)


def of_candidate(key: bytes, candidate: bytes) -> bytes:
    """Returns the key of one encoding, for evaluators whose results belong to it and not to the function.

    Its second half is the first half of the function's key, so that encodings of one function can still be told.

    Args:
        key: of the function.
        candidate: 16 bytes, the digest of the encoding's JSON.

    Example:
        >>> one, other = (of_candidate(bytes(16), digest(text)) for text in ('{"x":1}', '{"x":2}'))
        >>> one[:8] != other[:8], one[8:] == other[8:]
        (True, True)
    """
    return xxhash.xxh3_64_digest(key + candidate) + key[:8]


def check_key(key: bytes) -> bytes:
    """Returns the key.

    Raises:
        InvalidInput: it is not 16 bytes.
    """
    if not isinstance(key, bytes) or len(key) != 16:
        raise InvalidInput(f"a key is 16 bytes, not {key!r}; functional_hash returns one")
    return key
