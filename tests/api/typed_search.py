"""What mypy knows of `automl.search`: each line with an `ignore` is a mistake that it must find (`make lint` runs it).

The parameters are declared as fields of dataclasses only (`automl.api.SearchSettings`). If a type checker stopped
seeing them, the comments below would be unused, which mypy reports.
"""

from __future__ import annotations

from typing import assert_type

import automl


def right(space: automl.Space) -> None:
    assert_type(automl.search(space, trials=100, hours=1, direction="minimize", callbacks=[print]), automl.Study)
    assert_type(automl.search(space=space, evaluator=lambda candidate: 1.0, until=None), automl.Study)
    assert_type(automl.resume("mine", trials=200, workers=2), automl.Study)


def wrong(space: automl.Space) -> None:
    automl.search(space, trials="10")  # type: ignore[arg-type]
    automl.search(space, trails=10)  # type: ignore[call-arg]
    automl.search(space, "digits")  # type: ignore[call-arg]
    automl.search(space, direction="up")  # type: ignore[arg-type]
    automl.search(trials=10)  # type: ignore[call-arg]
    automl.resume("mine", seed=3)  # type: ignore[call-arg]
