"""What makes results comparable and studies the same: contexts, and what is noticed of a user's code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from automl.evaluators.base import Fidelity, Part
from automl.evaluators.fingerprints.describing import Description
from automl.hashing import Hasher
from automl.setup.space_code import SpaceCode
from automl.storage.studies import StudyStore


def context_of(
    hasher: Hasher, evaluator: Description, part: Part, fidelity: Fidelity | None = None, device: str = "cpu"
) -> dict[str, Any]:
    """Returns the description of a context: whatever changes a result and is not the candidate's own.

    The kind of device stands in it where it is no CPU; with it, the precision that an evaluator chose for it.
    """
    return {
        "hasher": dict(hasher.description()),
        "evaluator": dict(evaluator.stands),
        "fidelity": dict(fidelity.settings) if fidelity else {},
        "part": part,
        **({} if device == "cpu" else {"device": device}),
    }


def looked_at(evaluator: Description, space: SpaceCode) -> dict[str, list[str]]:
    """Returns which files of the user's are in fingerprints of a study, and what is in none, as JSON data.

    Names are "files", "libraries" (known by name and version only), "environment" (variables that the evaluator reads,
    whose values do not count) and "left_out" (parts of the space without content). The code that an evaluator with a
    version stands for is in no context, and is listed all the same.
    """
    return {
        "files": sorted({*evaluator.read.files, *space.files}),
        "libraries": sorted({*evaluator.read.libraries, *space.libraries}),
        "environment": list(evaluator.read.variables),
        "left_out": list(space.left_out),
    }


def said_once(found: Mapping[str, Sequence[str]]) -> str:
    """Returns what a user should know of it when a study begins, empty where none of the code is the user's."""
    files = ", ".join(dict.fromkeys(map(_short, found["files"])))
    parts = [f"Changes of code are noticed in {files}"] if files else []
    if found["libraries"]:
        parts.append(
            f"of libraries the version counts and their code is not looked at: {', '.join(found['libraries'])}"
        )
    if found["environment"]:
        parts.append(f"values of environment variables are not looked at: {', '.join(found['environment'])}")
    if found["left_out"]:
        parts.append(f"not looked at, for it has no content: {'; '.join(found['left_out'])}")
    return "; ".join(parts) + "." if parts else ""


def _short(file: str) -> str:
    """Returns a file's name, or says that it is a cell of a notebook, which has a number for a name."""
    return "the cells of the notebook" if Path(file).parent.name.startswith("ipykernel_") else Path(file).name


def change_since(name: str, evaluator: Description, store: StudyStore) -> str:
    """Returns a sentence where a user's evaluator is not what it was in one of the studies, else nothing."""
    source = evaluator.source
    if not source:
        return ""
    mine = dict(evaluator.stands)
    for other in store.all():
        before, stored = other.settings.get("evaluator_source"), other.settings.get("evaluator") or {}
        if other.kind != "search" or before in (None, "", source):
            continue
        since = f"the source of evaluator {name} has changed since study {other.name}"
        if stored == mine:
            return (
                f"{since}, and its results are served all the same, for the version is still {mine['version']!r}: "
                "raise it if the figures change"
            )
        if {**stored, "source": ""} == {**mine, "source": ""}:
            return f"{since}, so its results are not served; give the class a version, and that decides from then on"
    return ""


def parts_changed(stored: Mapping[str, Any], evaluator: Description) -> list[str]:
    """Returns a phrase that names the functions and data of an evaluator that are not what a study has stored."""
    before = stored.get("evaluator_parts") or {}
    now = evaluator.read.parts
    names = [name for name in sorted({*before, *now}) if before.get(name) != now.get(name)]
    return [f"changed in the evaluator: {', '.join(names)}"] if before and names else []
