"""Where states of evaluations lie: a folder of this machine, or any place that fsspec reaches, by the same verbs.

A file at such a place is written whole: object stores show it to nobody before it is there.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from automl.errors import InvalidInput

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem


@dataclass(frozen=True)
class RemotePath:
    """A file or folder at a URL that fsspec knows, with those verbs of `pathlib.Path` that states need.

    What goes wrong is an OSError, as it is of files, whatever the file system's own package raises.

    Attributes:
        url: URL, such as `s3://bucket/states`.

    Example:
        >>> state = RemotePath("memory://states") / "group" / "one"
        >>> state.write_bytes(b"epoch 3")
        >>> state.read_bytes(), state.name, [one.name for one in state.parent.iterdir()]
        (b'epoch 3', 'one', ['one'])
        >>> state.unlink()
        >>> state.exists()
        False
    """

    url: str

    @cached_property
    def _found(self) -> tuple[AbstractFileSystem, str]:
        try:
            from fsspec.core import url_to_fs
        except ImportError as error:
            raise InvalidInput(f"checkpoints at {self.url} need the package fsspec: pip install fsspec") from error
        try:
            found: tuple[AbstractFileSystem, str] = url_to_fs(self.url)
        except (ImportError, ValueError) as error:
            raise InvalidInput(f"checkpoints cannot be kept at {self.url}: {error}") from error
        return found

    def __reduce__(self) -> tuple[Any, ...]:
        return RemotePath, (self.url,)

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, name: str) -> RemotePath:
        return RemotePath(f"{self.url.rstrip('/')}/{name}")

    @property
    def name(self) -> str:
        return self.url.rstrip("/").rpartition("/")[2]

    @property
    def parent(self) -> RemotePath:
        return RemotePath(self.url.rstrip("/").rpartition("/")[0])

    def exists(self) -> bool:
        """Tells whether something is there."""
        with _as_os_error():
            system, path = self._found
            return bool(system.exists(path))

    is_dir = exists

    def read_bytes(self) -> bytes:
        """Returns the content."""
        with _as_os_error():
            system, path = self._found
            content: bytes = system.cat_file(path)
            return content

    def read_text(self, encoding: str = "utf-8") -> str:
        """Returns the content as text."""
        return self.read_bytes().decode(encoding)

    def write_bytes(self, content: bytes) -> None:
        """Replaces the content at one go."""
        with _as_os_error():
            system, path = self._found
            system.makedirs(path.rpartition("/")[0], exist_ok=True)
            system.pipe_file(path, content)

    def unlink(self, missing_ok: bool = True) -> None:
        """Removes the file."""
        with _as_os_error(), contextlib.suppress(FileNotFoundError):
            system, path = self._found
            system.rm_file(path)

    def iterdir(self) -> Iterator[RemotePath]:
        """Yields what lies in this folder."""
        with _as_os_error():
            system, path = self._found
            system.invalidate_cache()
            names = [str(one).rstrip("/").rpartition("/")[2] for one in system.ls(path, detail=False)]
        yield from (self / name for name in names)

    def glob(self, pattern: str) -> Iterator[RemotePath]:
        """Yields what lies in this folder under a name like this; nothing where there is no such folder."""
        with contextlib.suppress(FileNotFoundError):
            yield from (one for one in self.iterdir() if fnmatch(one.name, pattern))

    def changed(self) -> float:
        """Returns the time of the last change, in seconds since 1970."""
        with _as_os_error():
            system, path = self._found
            found: datetime = system.modified(path)
            return found.timestamp()

    def mkdir(self, parents: bool = True, exist_ok: bool = True) -> None:
        """Does nothing: a folder is there as soon as something lies in it."""

    def rmdir(self) -> None:
        """Removes an empty folder, where there is such a thing."""
        with _as_os_error(), contextlib.suppress(FileNotFoundError):
            system, path = self._found
            if not system.ls(path, detail=False):
                system.rmdir(path)


@contextlib.contextmanager
def _as_os_error() -> Iterator[None]:
    try:
        yield
    except (OSError, InvalidInput):
        raise
    except Exception as error:  # each kind of file system raises its own
        raise OSError(f"{type(error).__name__}: {error}") from error


def place(text: str | Path | RemotePath) -> Path | RemotePath:
    """Returns the place that a path or URL names.

    Example:
        >>> place("s3://bucket/states")
        RemotePath(url='s3://bucket/states')
        >>> place("states").is_dir(), place("file:///tmp/states").name
        (False, 'states')
    """
    if isinstance(text, Path | RemotePath):
        return text
    scheme, colon, _ = text.partition("://")
    if not colon:
        return Path(text)
    return Path(unquote(urlsplit(text).path)) if scheme in ("file", "local") else RemotePath(text)


def changed(path: Path | RemotePath) -> float:
    """Returns when a file was changed last, in seconds since 1970.

    Raises:
        OSError: it is not there.
    """
    return path.changed() if isinstance(path, RemotePath) else path.stat().st_mtime
