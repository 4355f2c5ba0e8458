"""A fingerprint of this package's sources, for the disk cache of compiled functions.

numba keeps compiled code as long as the file that defines a function is unchanged, even where it has compiled another
file's functions into it. A function that does so takes `sources=SOURCES` as its last argument: defaults are part of
the signature under which numba files it, so a change anywhere here compiles it anew.
"""

from __future__ import annotations

from pathlib import Path

import xxhash

SOURCES = (
    xxhash.xxh3_64_intdigest(b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))) >> 1
)
