"""Candidates that are no network: their source as a Python file that needs nothing of ours."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from automl.behaviour import Behaviour, Function
from automl.delivery.export import FACTS, new_folder
from automl.errors import InvalidInput, legible
from automl.spaces.space import Candidate, Space

FILE = "candidate.py"
_POINTS = 64
_CLOSE = 1e-6


def export_source(space: Space, candidate: Candidate, folder: Path, study: str, figures: Mapping[str, float]) -> Path:
    """Writes a candidate's source, runs what was written, and returns the folder.

    Args:
        space: of the candidate.
        candidate: a program, an expression, a loss, an update rule.
        folder: a new or empty folder.
        study: name of the study.
        figures: of the candidate, for readers.

    Raises:
        InvalidInput: the space has no source for it, or the source computes something else. Nothing is left behind.
    """
    source = space.exported(candidate)
    if not source:
        raise InvalidInput(
            f"space {space.kind} has no source for its candidates, and its evaluator hands over no trained network; "
            "let exported() return the text of a Python file"
        )
    names = _run(source)
    checked = _check(space.behaviour(candidate), names)
    with new_folder(folder) as place:
        (place / FILE).write_text(source, encoding="utf-8")
        facts = {
            "study": study,
            "candidate": candidate.value,
            "figures": dict(figures),
            "form": "python",
            "checked": checked,
        }
        (place / FACTS).write_text(json.dumps(facts, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        (place / "README.md").write_text(_readme(facts), encoding="utf-8")
    return folder


def _run(source: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "candidate"}
    try:
        exec(compile(source, FILE, "exec"), names)  # noqa: S102 - the space's own text, whose code runs here anyway
    except Exception as error:  # it may fail in any way
        raise InvalidInput(f"the source was refused: it does not run ({type(error).__name__}: {error})") from error
    return names


def _check(behaviour: Behaviour, names: Mapping[str, Any]) -> str:
    """Compares a function with its source; says what was looked at.

    Raises:
        InvalidInput: they differ.
    """
    if not isinstance(behaviour, Function) or behaviour.torch:
        return "the file was run"
    rng = np.random.default_rng(0)
    arguments = [rng.normal(0.0, 2.0, _POINTS) for _ in range(behaviour.arity)]
    functions = [one for one in names.values() if callable(one) and getattr(one, "__module__", "") == "candidate"]
    if not functions:
        return "the file was run"
    with np.errstate(all="ignore"):
        ours = behaviour.call(*arguments)
        ours = ours[0] if behaviour.derivative and isinstance(ours, tuple) else ours
        theirs = functions[0](*arguments)
    if not isinstance(ours, np.ndarray) or (behaviour.derivative and not isinstance(ours, np.ndarray)):
        return "the file was run"
    if not np.allclose(ours, theirs, rtol=_CLOSE, atol=_CLOSE, equal_nan=True):
        raise InvalidInput("the source was refused: it computes other values than the candidate that was evaluated")
    return f"the function of the file gives the candidate's values at {_POINTS} points"


def _readme(facts: Mapping[str, Any]) -> str:
    figures = "".join(f"- {legible(name)}: {value:.6g}\n" for name, value in facts["figures"].items())
    return f"""# A candidate found by search

Study {legible(str(facts["study"]))}. `{FILE}` does what the candidate does and needs no automl: see its first lines.

{figures}
Checked before it was put here: {facts["checked"]}.

```
{legible(json.dumps(facts["candidate"], ensure_ascii=False))}
```
"""
