"""The contract of spaces as tests: subclass `SpaceContract` in a test file and say which space."""

from __future__ import annotations

import dataclasses
import itertools
import pickle
from typing import ClassVar

import numpy as np

from automl.behaviour import Module, Probe
from automl.hashing.hasher import Hasher
from automl.spaces.contract import checked
from automl.spaces.space import Candidate, Space


class SpaceContract:
    """Tests that every space must pass; pytest collects them from a subclass whose name starts with `Test`.

    Class attributes:
        samples: Number of random candidates that each test looks at.

    Example:
        >>> import automl
        >>> class Line(automl.Space):
        ...     x = automl.Integer(0, 20)
        >>> class TestLine(SpaceContract):
        ...     def space(self):
        ...         return Line()
        >>> TestLine().test_candidates_read_back_as_themselves()
    """

    samples: ClassVar[int] = 40

    def space(self) -> Space:
        """Returns the space under test."""
        raise AssertionError(f"{type(self).__name__} must define space(self)")

    def probe(self) -> Probe:
        """Returns inputs to hash candidates on; spaces of graphs mostly bring their own."""
        return Probe()

    def _drawn(self, seed: int = 0) -> tuple[Space, list[Candidate], np.random.Generator]:
        space, rng = self.space(), np.random.default_rng(seed)
        return space, space.sample_many(self.samples, rng), rng

    def test_candidates_read_back_as_themselves(self) -> None:
        space, candidates, _ = self._drawn()
        for candidate in candidates:
            assert checked(space, candidate.value) == candidate

    def test_sampling_depends_on_the_generator_alone(self) -> None:
        assert self._drawn(5)[1] == self._drawn(5)[1]
        assert self._drawn(5)[1] != self._drawn(6)[1]

    def test_mutation_gives_other_points_of_the_space_and_leaves_the_parent_alone(self) -> None:
        space, candidates, rng = self._drawn()
        before = [pickle.dumps(candidate.value) for candidate in candidates]
        children = space.mutate_many(candidates, rng)
        assert len(children) == len(candidates)
        for child in children:
            checked(space, child.value)
        assert any(child != parent for child, parent in zip(children, candidates, strict=True))
        assert [pickle.dumps(candidate.value) for candidate in candidates] == before

    def test_crossover_gives_points_of_the_space(self) -> None:
        space, candidates, rng = self._drawn()
        for one, other in itertools.pairwise(candidates):
            checked(space, space.crossover(one, other, rng).value)

    def test_declared_fields_and_candidates_are_made_of_each_other(self) -> None:
        space, candidates, rng = self._drawn()
        if not space.record.fields:
            return
        for candidate in candidates:
            values = space.to_fields(candidate)
            assert space.record.check(values, "candidate") == values
            assert space.from_fields(values) == candidate
        for values in (space.record.sample(rng) for _ in range(self.samples)):
            assert space.to_fields(space.from_fields(values)) == values

    def test_candidates_travel_by_pickle(self) -> None:
        _, candidates, _ = self._drawn()
        assert pickle.loads(pickle.dumps(candidates)) == candidates  # noqa: S301 - our own bytes

    def test_every_candidate_can_be_hashed_and_described(self) -> None:
        space, candidates, _ = self._drawn()
        pairs = [(space.behaviour(candidate), space.training(candidate)) for candidate in candidates]
        names = [candidate.json for candidate in candidates]
        hashed = Hasher(self.probe()).hash_many(pairs, names)
        assert not [item.fallback for item in hashed if item.fallback]
        assert hashed == Hasher(self.probe()).hash_many(pairs[::-1], names[::-1])[::-1]
        for candidate in candidates:
            assert "\n" not in space.describe(candidate)
            space.picture(candidate)

    def test_a_reduced_size_tells_the_same_candidates_apart(self) -> None:
        """A smaller network for hashing must differ whenever the full one does (in width, too)."""
        space, candidates, rng = self._drawn(1)
        candidates = [*candidates[:6], *space.mutate_many(candidates[:6], rng)]
        behaviours = [space.behaviour(candidate) for candidate in candidates]
        modules = [item for item in behaviours if isinstance(item, Module) and item.reduced is not None]
        full = [dataclasses.replace(item, reduced=None) for item in modules]
        reduced_keys, full_keys = (
            [item.key for item in Hasher(self.probe()).hash_many([(one, {}) for one in some])]
            for some in (modules, full)
        )
        together = len(set(zip(reduced_keys, full_keys, strict=True)))
        assert len(set(reduced_keys)) == len(set(full_keys)) == together

    def test_sizes_of_the_network_are_settings(self) -> None:
        space = self.space()
        assert set(space.scalable) <= set(space.settings()), "scalable names settings of the space"

    def test_weights_of_a_relaxed_network_make_candidates(self) -> None:
        space, _, rng = self._drawn()
        if type(space).relaxed is Space.relaxed:
            return
        shapes = space.relaxed().choices
        for values in (np.ones, rng.random):
            weights = {name: np.array(values(shape)) for name, shape in shapes.items()}
            weights = {name: one / one.sum(1, keepdims=True) for name, one in weights.items()}
            for one in (space.from_weights(weights), space.from_weights(weights, rng)):
                assert checked(space, one.value) == one
                assert space.skips(one) >= 0
            assert space.from_weights(weights) == space.from_weights(weights)

    def test_the_size_is_no_smaller_than_what_was_drawn(self) -> None:
        space, candidates, _ = self._drawn()
        size = space.size()
        assert size is None or size >= len(set(candidates))
