"""Which version of the functional hash a study was found under, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from automl.cache.versions import version_of
from automl.hashing import HASHER_VERSION


def found_under(settings: Mapping[str, Any]) -> list[str]:
    """Returns what is to be said of the version; nothing of a study that knows only the present one.

    Args:
        settings: of the study.

    Example:
        >>> found_under({"hasher": {"version": "0"}})  # doctest: +ELLIPSIS
        ['Found under version 0 of the functional hash (this automl has version ...): classes are counted as it saw...']
    """
    said = [
        f"Begun under version {one['from']} of the functional hash; after {one['trials']:,} trials the keys were "
        f"computed anew under version {one['to']}, and what those trials were told stayed as it was."
        for one in (settings.get("environment") or {}).get("rekeyed", [])
    ]
    version = version_of(settings)
    if version not in (None, HASHER_VERSION):
        said.append(
            f"Found under version {version} of the functional hash (this automl has version {HASHER_VERSION}): classes "
            "are counted as it saw them."
        )
    return said


def found_under_several(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns what is to be said of several studies side by side, given their settings; each sentence once."""
    said = [sentence for settings in runs for sentence in found_under(settings)]
    return list(dict.fromkeys(said))
