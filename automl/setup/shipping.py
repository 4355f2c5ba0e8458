"""Which folder of the user's travels to the nodes of a cluster: the project of the files that a search names."""

from __future__ import annotations

import inspect
import os
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from automl.errors import InvalidInput
from automl.evaluators.function import FunctionEvaluator
from automl.setup.parts import Parts

MARKS = ("pyproject.toml", "setup.py", "setup.cfg", ".git")
"""What a project's folder has in it."""


def folder_to_ship(parts: Parts, asked: str | None) -> tuple[Path | None, str]:
    """Returns the folder that workers on other machines need, and a sentence where it cannot be chosen.

    Args:
        parts: Parts of the search.
        asked: Path of a folder; "none" ships nothing; None takes the project around the files that the search names:
            the nearest folder above with a `pyproject.toml`, `setup.py`, `setup.cfg` or `.git`, or else the file's own.

    Returns:
        The folder, None if nothing is shipped; and a sentence for the user, empty if there is nothing to say.

    Raises:
        InvalidInput: `asked` is no folder, or holds the home folder.

    Example:
        >>> from automl.setup.parts import assemble
        >>> folder_to_ship(assemble("nasbench201"), None)  # nothing of the user's
        (None, '')
    """
    if asked == "none":
        return None, ""
    if asked is not None:
        folder = Path(asked).expanduser().resolve()
        if not folder.is_dir():
            raise InvalidInput(f"ship={asked}: it must be a folder, or 'none'")
        if _too_wide(folder):
            raise InvalidInput(
                f"ship={asked}: it holds the home folder, which stays here; name the project's own folder"
            )
        return folder, ""
    for file in _files_of(parts):
        folder = project_of(file)
        if _too_wide(folder):
            return None, (
                f"{file.name} lies in {folder}, which is not sent to other nodes: they must have the file and what it "
                "imports, or it is moved into a folder of its own (or --ship DIR)"
            )
        return folder, ""
    return None, ""


def project_of(file: Path) -> Path:
    """Returns the folder of the project that a file belongs to: the nearest one with a mark, or else the file's own.

    Example:
        >>> (Path("project") / "searches").mkdir(parents=True)
        >>> file = Path("project") / "searches" / "mine.py"
        >>> project_of(file).name
        'searches'
        >>> (Path("project") / "pyproject.toml").touch()
        >>> project_of(file).name
        'project'
    """
    own = file.resolve().parent
    for folder in (own, *own.parents):
        if _too_wide(folder):
            break
        if any((folder / mark).exists() for mark in MARKS):
            return folder
    return own


def _too_wide(folder: Path) -> bool:
    """Tells whether a folder is the user's home or a folder above it."""
    return Path.home().resolve().is_relative_to(folder)


def _files_of(parts: Parts) -> Iterator[Path]:
    """Yields the user's files that workers will load, or whose neighbours they will import."""
    target = parts.reference.target
    if target is not None and target.partition(".py")[1]:
        yield Path(target.partition(".py")[0] + ".py")
    things: list[object] = [parts.reference.space, parts.evaluator, parts.rater]
    things += [one.function for one in (parts.evaluator, parts.rater) if isinstance(one, FunctionEvaluator)]
    for thing in things:
        if thing is None:
            continue
        module = sys.modules.get(str(getattr(thing, "__module__", "")) or type(thing).__module__)
        try:
            file = inspect.getsourcefile(module) if module is not None else None
        except TypeError:  # a module without a file, as of a notebook
            continue
        if file and os.path.isfile(file) and not _installed(Path(file).resolve()):
            yield Path(file).resolve()


def _installed(file: Path) -> bool:
    """Tells whether a file is Python's, an installed library's, or this package's own."""
    libraries = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    own = Path(__file__).resolve().parents[2]
    ours = {str(own / name) for name in ("automl", "workers", "search_spaces")}
    return any(file.is_relative_to(folder) for folder in libraries | ours)
