"""The space of a stored study, loaded again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from automl.errors import InvalidInput
from automl.setup import targets
from automl.setup.parts import Parts, assemble
from automl.setup.space_code import changes
from automl.setup.targets import SpaceReference
from automl.spaces.space import Space


def stored_target(settings: Mapping[str, Any]) -> str:
    """Returns the target of a stored study's space.

    Raises:
        InvalidInput: the space was an object in somebody's program.
    """
    target = str(settings["space"]["target"])
    if target.startswith("object "):
        raise InvalidInput(
            f"the space of this study is an {target} in somebody's program; "
            "run that program again with the same study name to go on"
        )
    return target


def check_unchanged(settings: Mapping[str, Any], reference: SpaceReference) -> None:
    """Insists that a stored study's space is still the same one.

    Raises:
        InvalidInput: its source has changed.
    """
    identity = settings["space"]
    now = reference.identity_as(identity)
    differing = [name for name in ("source", "code") if now.get(name) != identity.get(name)]
    if differing:
        what = changes(identity["code"], now["code"]) if differing == ["code"] else ""
        raise InvalidInput(
            f"{identity['target']} has changed since the study began{what and f' ({what})'}; "
            "restore it or start another study"
        )


def stored_parts(name: str, settings: Mapping[str, Any], changed: bool = False) -> Parts:
    """Makes the parts of a stored study again, and insists that its space is the same one.

    Args:
        name: of the study.
        settings: stored settings of the study.
        changed: True where the space may have changed.

    Raises:
        InvalidInput: the space or the evaluator was an object in somebody's program, or cannot be made.
    """
    target = stored_target(settings)
    if settings["evaluator_given"] is None:
        raise InvalidInput(
            f"the evaluator of study {name} is an object in somebody's program; "
            "run that program again with the same study name to go on"
        )
    parts = assemble(target, stored=settings)
    if not changed:
        check_unchanged(settings, parts.reference)
    return parts


def stored_space(settings: Mapping[str, Any]) -> Space:
    """Loads the space of a stored study, and insists that it is the same one.

    Raises:
        InvalidInput: it cannot be loaded from its target, or its source has changed.
    """
    space, reference = targets.resolve(stored_target(settings), settings["space"]["settings"])
    check_unchanged(settings, reference)
    return space
