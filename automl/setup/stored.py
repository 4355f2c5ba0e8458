"""The space of a stored study, loaded again."""

from __future__ import annotations

from typing import Any

from automl.errors import InvalidInput
from automl.setup import targets
from automl.setup.space_code import changes
from automl.spaces.space import Space


def stored_space(settings: dict[str, Any]) -> Space:
    """Loads the space of a stored study, and insists that it is the same one.

    Raises:
        InvalidInput: it cannot be loaded from its target, or its source has changed.
    """
    identity = settings["space"]
    if identity["target"].startswith("object "):
        raise InvalidInput(
            f"the space of this study is an {identity['target']} in somebody's program; "
            "run that program again with the same study name to go on"
        )
    space, reference = targets.resolve(identity["target"], identity["settings"])
    if reference.identity_as(identity) != {**identity, "target": reference.target}:
        what = changes(identity["code"], reference.code.parts) if "code" in identity else ""
        raise InvalidInput(
            f"{identity['target']} has changed since the study began{what and f' ({what})'}; "
            "restore it or start another study"
        )
    return space
