"""Asks a space for descriptions and pictures of candidates; a space that cannot give them costs no report."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from automl.jsontext import parse
from automl.report.study_part import RatedCandidate
from automl.report.words import choices_of
from automl.spaces.space import Candidate, Space

if TYPE_CHECKING:
    import networkx

log = logging.getLogger(__name__)


class Illustrator:
    """Describes and draws candidates from their JSON.

    Attributes:
        missing: why there are no pictures, empty where there are.
    """

    def __init__(self, space: Space | None) -> None:
        self._space = space
        self.missing = "" if space is not None else "the space cannot be loaded here"

    def describe(self, candidate: str) -> str:
        """Returns one line for a candidate."""
        decoded = self._decode(candidate)
        if decoded is None or self._space is None:
            return candidate
        try:
            said = str(self._space.describe(decoded))
        except Exception as error:
            return self._missed(error, candidate)
        if said != candidate:
            return said
        return ", ".join(f"{name}={value}" for name, value in choices_of(candidate).items()) or candidate

    def picture(self, candidate: str) -> networkx.DiGraph | None:
        """Returns the graph to draw for a candidate, or None."""
        decoded = self._decode(candidate)
        if decoded is None or self._space is None:
            return None
        try:
            return self._space.picture(decoded)
        except Exception as error:
            self._missed(error, candidate)
            return None

    def illustrate(self, trial: RatedCandidate) -> RatedCandidate:
        """Returns the trial with description and picture."""
        return replace(trial, description=self.describe(trial.candidate), picture=self.picture(trial.candidate))

    def _decode(self, candidate: str) -> Candidate | None:
        if self._space is None:
            return None
        try:
            return self._space.decode(parse(candidate))
        except Exception as error:
            self._missed(error, candidate)
            return None

    def _missed(self, error: Exception, candidate: str) -> str:
        log.debug("no description or picture of %s", candidate, exc_info=error)
        self.missing = f"the space raised {type(error).__name__}: {error}"
        return candidate
