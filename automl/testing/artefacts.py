"""The contract of artefacts as tests: equal seeds give equal contents, an interrupted making goes on, they travel.

Subclass `ArtefactContract` in a test file and give an artefact that is made quickly.
"""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Sequence
from pathlib import Path

from automl.artefacts.content import Content
from automl.artefacts.shelf import Shelf
from automl.artefacts.store import ArtefactStore
from automl.evaluators.artefacts import Artefact
from automl.evaluators.base import Evaluation
from automl.evaluators.checkpoints import Checkpoint
from automl.jsontext import canonical


class _Broken(Exception):
    """Stands for the end of the process that makes an artefact."""


class _Breaking(Checkpoint):
    """A checkpoint whose second state is the last thing that its process does."""

    writes = 0

    @property
    def due(self) -> bool:
        return True

    def write(self, state: bytes) -> None:
        super().write(state)
        self.writes += 1
        if self.writes == 2:
            raise _Broken


class ArtefactContract:
    """Tests that every artefact must pass; pytest collects them from a subclass whose name starts with `Test`.

    Example:
        >>> import dataclasses
        >>> @dataclasses.dataclass(frozen=True)
        ... class Count(Artefact):
        ...     name, version = "count", "1"
        ...     to: int = 3
        ...     def make(self, how):
        ...         return Content.of({}, {"count": self.to, "seed": how.seed % 7})
        >>> class TestCount(ArtefactContract):
        ...     def artefact(self):
        ...         return Count()
        >>> TestCount().test_equal_seeds_make_equal_contents()
    """

    def artefact(self) -> Artefact:
        """Returns the artefact, set to something quick."""
        raise AssertionError(f"{type(self).__name__} must define artefact(self)")

    def before(self) -> Sequence[Artefact]:
        """Returns the artefacts that it reads, in order; none unless overridden."""
        return ()

    def test_its_recipe_is_json_and_travels(self) -> None:
        artefact = self.artefact()
        assert artefact.name
        copy = pickle.loads(pickle.dumps(artefact))  # noqa: S301 - our own bytes
        assert canonical(copy.recipe()) == canonical(artefact.recipe()) == canonical(self.artefact().recipe())
        assert set(artefact.reads) == {one.name for one in self.before()}

    def test_equal_seeds_make_equal_contents(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            one, other = (self._made(folder, None) for _ in range(2))
        assert one.digest == other.digest
        assert Content(one.data).facts == one.facts

    def test_an_interrupted_making_goes_on_to_the_same_content(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            whole = self._made(folder, None)
            path = Path(folder) / "state"
            try:
                self._made(folder, _Breaking(path))
            except _Broken:
                assert path.exists()
            assert self._made(folder, Checkpoint(path)).digest == whole.digest

    def _made(self, folder: str, checkpoint: Checkpoint | None) -> Content:
        store = ArtefactStore(str(Path(folder) / "store"))
        digests: dict[str, str] = {}
        for number, one in enumerate(self.before()):
            reads = {name: digests[name] for name in one.reads}
            content = one.make(Evaluation(number, shelf=Shelf(store, reads)))
            store.put(content)
            digests[one.name] = content.digest
        return self.artefact().make(Evaluation(2**62 + 11, checkpoint=checkpoint, shelf=Shelf(store, digests)))
