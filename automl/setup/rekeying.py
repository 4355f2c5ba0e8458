"""`automl.rekey`: finds the spaces that evaluations remember, and gives the evaluations the keys of today."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial

from automl import registry
from automl.cache.rekey import FindSpace, Found, Keys, kept_blindly, rekey_contexts
from automl.cache.rekey_checkpoints import rekey_checkpoints
from automl.cache.rekey_studies import rekey_studies
from automl.cache.rekeyed import Rekeyed
from automl.cache.versions import outdated, without_probe
from automl.errors import InvalidInput, one_line
from automl.hashing import Hasher
from automl.hashing.isolated import HASH_SECONDS, HashJobs
from automl.isolation.limits import FAULTS, alarm, no_exit
from automl.setup import targets
from automl.setup.targets import SpaceReference
from automl.spaces.space import Space
from automl.storage import rekeying, transfers
from automl.storage.engine import Database
from automl.storage.spaces import StoredSpace

LOAD_SECONDS = 300.0
"""For a user's file to be loaded."""


@dataclass
class SpacesAtHand:
    """Finds the spaces that evaluations remember.

    A space is taken only where its source is still the one that was stored. What an import names is not loaded by that
    name, for a file that somebody sends could name anything: only registered spaces are, and those that are given.

    Args:
        given: spaces, or targets, that the user names: a file that has moved, an object, the space of evaluations that
            remember none.
        seconds, memory: allowed for hashing one candidate.

    Example:
        >>> import automl
        >>> class Line(automl.Space):
        ...     x = automl.Integer(0, 20)
        >>> stored = stored_as(targets.reference_to(Line()))
        >>> type(SpacesAtHand().find(stored)).__name__, type(SpacesAtHand([Line()]).find(stored)).__name__
        ('str', 'Found')
    """

    given: Sequence[str | Space] = ()
    seconds: float = HASH_SECONDS
    memory: int | None = None
    _references: list[SpaceReference] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._references = [
            targets.reference_to(one) if isinstance(one, Space) else targets.resolve(one)[1] for one in self.given
        ]

    def find(self, stored: StoredSpace | None) -> Found | str:
        """Returns a space, or why it cannot be loaded; None asks for that of evaluations which store none."""
        if stored is None:
            return self._named()
        same = [one for one in self._references if _is(one, stored)]
        if same:
            return self._found(same[0], stored)
        if stored.imported and stored.target not in registry.names("spaces"):
            return f"only an imported file names it; if you have it, name it with --space {_example(stored)}"
        if stored.target.startswith("object "):
            return (
                "it was an object in somebody's program; name the file that it stands in with --space FILE.py:NAME, or "
                "call automl.rekey(storage, spaces=[it]) there"
            )
        try:
            with no_exit(), alarm(LOAD_SECONDS):
                _, reference = targets.resolve(stored.target, stored.settings)
        except FAULTS as error:
            said = str(error) if isinstance(error, InvalidInput) else f"{type(error).__name__}: {error}"
            return f"it cannot be loaded ({one_line(said)})"
        if not _is(reference, stored):
            return "its source has changed since; restore it, or name a copy of what it was with --space FILE.py:NAME"
        return self._found(reference, stored)

    def _named(self) -> Found | str:
        if len(self._references) == 1:
            [reference] = self._references
            settings = dict(reference.settings)
            return self._found(
                reference, StoredSpace(0, _target(reference), settings, source_of(reference), imported=False)
            )
        if self._references:
            return "several spaces were named; name one, for nobody wrote down which of them read these candidates"
        return "nobody wrote down which space read their candidates; name it with --space TARGET"

    def _found(self, reference: SpaceReference, stored: StoredSpace) -> Found:
        return Found(stored, partial(self._jobs, reference))

    def _jobs(self, reference: SpaceReference, hasher: Hasher) -> HashJobs:
        own = Hasher(hasher.probe, hasher.mantissa_bits, space_source=reference.code.digest)
        return HashJobs(reference.load(), own, reference, seconds=self.seconds, memory=self.memory)


def source_of(reference: SpaceReference) -> str:
    """Returns the hash of a space's source, as evaluations remember it.

    Example:
        >>> source_of(targets.resolve("nasbench201")[1])  # a registered space is known by its name and version
        ''
    """
    return reference.code.digest if reference.code.is_users else reference.source or ""


def stored_as(reference: SpaceReference) -> StoredSpace:
    """Returns what evaluations remember of a space.

    Example:
        >>> stored_as(targets.resolve("nasbench101", {"vertices": 5})[1]).settings
        {'vertices': 5}
    """
    return StoredSpace(0, _target(reference), dict(reference.settings), source_of(reference), imported=False)


def _target(reference: SpaceReference) -> str:
    return str(reference.identity()["target"])


def _is(reference: SpaceReference, stored: StoredSpace) -> bool:
    """Tells whether a space at hand is the one stored: by its source, or by its name where a version answers for it."""
    if dict(reference.settings) != dict(stored.settings):
        return False
    if stored.source:  # version 0.1 stored the hash of the whole file
        return stored.source in (source_of(reference), reference.source)
    return reference.target == stored.target


def _example(stored: StoredSpace) -> str:
    return stored.target.rpartition("/")[2] or "TARGET"


def rekey(
    storage: str,
    *,
    spaces: Sequence[str | Space] = (),
    studies: Sequence[str] = (),
    contexts: Sequence[int] = (),
    checkpoints: str | None = None,
    hash_timeout: float = HASH_SECONDS,
    memory: int | None = None,
    dry_run: bool = False,
) -> Rekeyed:
    """Recomputes the keys of stored evaluations after the functional hash has got a new version. Nothing is evaluated.

    The cache serves only evaluations whose keys come from the version of this automl; call this once after an upgrade
    that changed the version (`automl cache stats` shows it). Each new key is computed from the candidate that was
    evaluated. If two equivalence classes become one, all replicates are kept, numbered in the order in which they were
    evaluated. If one class becomes several, each evaluation goes to the class of its own candidate. Unfinished searches
    get new keys for their trials, so that they can be continued; finished searches and their reports stay unchanged,
    unless named in `studies`.

    An interrupted call can be repeated. Several processes may call `rekey` at one time, also while searches run.

    Args:
        storage: URL of the database.
        spaces: Spaces that cannot be loaded by the name stored with the evaluations: those of a file that has moved,
            those that were objects in a program, and the space of evaluations stored without one. Each is a `Space`, or
            a target such as `nasbench201`, `file.py:Name` or `module:Name`. Evaluations whose space is not found keep
            their old keys; the result names them.
        studies: Names of finished searches that are to get new keys too, because they are to be continued.
        contexts: Numbers of the contexts to work on; if empty, all contexts with old keys, and the studies.
        checkpoints: Path of the folder of checkpoints. None takes the folder `FILE-checkpoints` beside an SQLite
            database; with PostgreSQL, None moves no checkpoints.
        hash_timeout: Seconds allowed for hashing one candidate.
        memory: Bytes that hashing one candidate may take, in the process where candidates with code of their own are
            hashed. None takes half of the machine's memory.
        dry_run: If True, report what would change and write nothing.

    Returns:
        A `Rekeyed` with the numbers of evaluations, classes, studies and checkpoints, and with `sentences()`, which
        returns the same as a list of sentences.

    Raises:
        StorageRefused: the database cannot be used.
        InvalidInput: a space, study or context that is named does not exist; or a context that is named has no old
            keys.

    Example:
        >>> import automl, tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> url = f"sqlite:///{folder.name}/a.db"
        >>> automl.EquivalenceCache(url).close()  # an empty database: nothing has an old key
        >>> automl.rekey(url).evaluations
        0
    """
    at_hand = SpacesAtHand(spaces, hash_timeout, memory)
    database = Database(storage, create=False)
    try:
        return _rekey(database, at_hand.find, studies, contexts, checkpoints, dry_run=dry_run)
    finally:
        database.close()


def _rekey(
    database: Database,
    find: FindSpace,
    studies: Sequence[str],
    contexts: Sequence[int],
    checkpoints: str | None,
    *,
    dry_run: bool,
) -> Rekeyed:
    every = outdated(database)
    blind = without_probe(database)
    if unknown := set(contexts) - {one.id for one in every} - set(blind):
        raise InvalidInput(
            f"context {min(unknown)} has no keys of an older functional hash; `automl cache stats` lists all"
        )
    chosen = [one for one in every if not contexts or one.id in contexts]
    with ExitStack() as stack:
        keys = Keys(database, find, every, stack)
        report = rekey_contexts(database, keys, chosen, dry_run=dry_run)
        report.kept += kept_blindly(database, [one for one in blind if not contexts or one in contexts])
        if not contexts:
            rekey_studies(database, keys, every, studies, report)
        report.by_json = dict(keys.by_json)
    if not dry_run:
        report.checkpoints = rekey_checkpoints(database, checkpoints or database.beside("checkpoints"), every)
        still = transfers.unmoved(database, [one.id for one in every])
        waiting = {one.mark for one in every if one.id in still}  # another process may be at work for one of them
        rekeying.forget_keys(database, {one.mark for one in chosen} - waiting)
    return report
