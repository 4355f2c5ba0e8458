"""Where artefacts are kept: a folder, or any place that fsspec reaches, each under the digest of its content.

What is read is compared with its digest. Files are written whole: in a folder under another name first.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from automl.artefacts.content import Content
from automl.errors import ArtefactUnreadable, InvalidInput, brief

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_ENDING = ".safetensors"


class ArtefactStore:
    """Artefacts by the digest of their content. Several processes and machines may read and write at one time.

    Args:
        url: Path of a folder, which is made when it is first written to, or a URL that fsspec knows, such as
            `s3://bucket/folder` (its package has to be installed on every worker).

    Raises:
        InvalidInput: nothing installed here knows such a URL.

    Example:
        >>> store = ArtefactStore("kept")
        >>> content = Content.of({}, {"epochs": 3})
        >>> store.put(content)
        >>> store.get(content.digest).facts
        {'epochs': 3}
        >>> store.remove(content.digest)
        >>> store.holds(content.digest)
        False
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._place: _Folder | _Remote = _Remote(url) if _is_remote(url) else _Folder(_path(url))

    def __reduce__(self) -> tuple[Any, ...]:
        return ArtefactStore, (self.url,)

    def __repr__(self) -> str:
        return f"ArtefactStore({self.url!r})"

    def put(self, content: Content) -> None:
        """Keeps a content. One that is there is left alone, a damaged one is replaced.

        Raises:
            InvalidInput: it cannot be written: no room, or no permission.
        """
        if self.holds(content.digest):
            return
        try:
            self._place.write(_name(content.digest), content.data)
        except Exception as error:  # each kind of file system raises its own
            raise InvalidInput(self._refusal(error, len(content.data))) from error

    def get(self, digest: str) -> Content:
        """Returns a content.

        Raises:
            ArtefactUnreadable: it is missing, or is not what was kept under this digest.
        """
        try:
            data = self._place.read(_name(digest))
        except FileNotFoundError:
            raise ArtefactUnreadable(f"artefact {digest[:12]} is not in {self.url}") from None
        except Exception as error:  # as above
            raise ArtefactUnreadable(f"artefact {digest[:12]} in {self.url} cannot be read: {error}") from error
        if hashlib.sha256(data).hexdigest() != digest:
            raise ArtefactUnreadable(f"artefact {digest[:12]} in {self.url} is damaged: its content has another digest")
        return Content(data)

    def holds(self, digest: str) -> bool:
        """Tells whether a content is there and undamaged; it is read for that."""
        try:
            self.get(digest)
        except ArtefactUnreadable:
            return False
        return True

    def remove(self, digest: str) -> None:
        """Removes a content, if it is there."""
        with contextlib.suppress(OSError):
            self._place.remove(_name(digest))

    def digests(self) -> Iterator[tuple[str, int]]:
        """Yields digest and size in bytes of everything that is kept, in no order."""
        for name, size in self._place.files():
            stem = name.removesuffix(_ENDING)
            if name.endswith(_ENDING) and len(stem) == 64:
                yield stem, size

    def check(self) -> None:
        """Insists that something can be kept here. Nothing is left behind but an empty folder.

        Raises:
            InvalidInput: it cannot be written to.
        """
        name = f".check-{secrets.token_hex(8)}"
        try:
            self._place.write(name, b"automl")
            self._place.remove(name)
        except Exception as error:  # as above
            raise InvalidInput(self._refusal(error, 6)) from error

    def _refusal(self, error: Exception, size: int) -> str:
        number = getattr(error, "errno", None)
        if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return (
                f"there is no room for {size / 1e6:,.1f} MB in {self.url}; free some, or name another place with "
                "--artefacts URL"
            )
        said = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
        return f"artefacts cannot be written to {self.url}: {said}; name another place with --artefacts URL"


def _name(digest: str) -> str:
    if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
        raise ArtefactUnreadable(f"{brief(digest, 80)} is no digest of an artefact; it has 64 hexadecimal digits")
    return f"{digest[:2]}/{digest}{_ENDING}"


def _is_remote(url: str) -> bool:
    scheme, colon, _ = url.partition("://")
    return bool(colon) and scheme not in ("file", "local")


def _path(url: str) -> Path:
    return Path(unquote(urlsplit(url).path)) if "://" in url else Path(url).expanduser()


class _Folder:
    def __init__(self, root: Path) -> None:
        self._root = root.absolute()

    def write(self, name: str, data: bytes) -> None:
        path = self._root / name
        part = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                part.unlink()
            raise

    def read(self, name: str) -> bytes:
        return (self._root / name).read_bytes()

    def remove(self, name: str) -> None:
        (self._root / name).unlink(missing_ok=True)

    def files(self) -> Iterator[tuple[str, int]]:
        for path in self._root.glob(f"*/*{_ENDING}"):
            with contextlib.suppress(OSError):
                yield path.name, path.stat().st_size


class _Remote:
    """What fsspec reaches. A file that was cut short has another digest, and is written again."""

    def __init__(self, url: str) -> None:
        try:
            import fsspec
            from fsspec.core import url_to_fs
        except ImportError as error:
            raise InvalidInput(f"artefacts at {url} need the package fsspec: pip install fsspec") from error
        del fsspec
        try:
            found: tuple[AbstractFileSystem, str] = url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise InvalidInput(f"artefacts cannot be kept at {url}: {error}") from error
        self._system, self._root = found

    def write(self, name: str, data: bytes) -> None:
        path = f"{self._root}/{name}"
        self._system.makedirs(path.rpartition("/")[0], exist_ok=True)
        self._system.pipe_file(path, data)

    def read(self, name: str) -> bytes:
        found: bytes = self._system.cat_file(f"{self._root}/{name}")
        return found

    def remove(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._system.rm_file(f"{self._root}/{name}")

    def files(self) -> Iterator[tuple[str, int]]:
        with contextlib.suppress(FileNotFoundError):
            for path, about in self._system.find(self._root, detail=True).items():
                yield path.rpartition("/")[2], int(about.get("size") or 0)
