"""The contract of hashers as tests: invariance and discrimination of a third party's behaviour, in pairs.

Subclass `HashContract` in a test file and give pairs of behaviours that are equal, and pairs that differ.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Iterable
from typing import ClassVar

import numpy as np

from automl.behaviour import Behaviour, Probe
from automl.hashing.hasher import Hasher


class HashContract:
    """Tests that every representation must pass; pytest collects them from a subclass whose name starts with `Test`.

    Class attributes:
        probe: Inputs on which behaviours are run.

    Example:
        >>> import numpy as np
        >>> from automl.behaviour import Function
        >>> class TestFunctions(HashContract):
        ...     def equal(self):
        ...         yield Function(lambda x: x + x), Function(lambda x: 2 * x)
        ...     def different(self):
        ...         yield Function(np.tanh), Function(np.sin)
        >>> TestFunctions().test_equal_functions_have_one_key()
        >>> TestFunctions().test_different_functions_have_different_keys()
    """

    probe: ClassVar[Probe] = Probe()

    def equal(self) -> Iterable[tuple[Behaviour, Behaviour]]:
        """Returns pairs that compute the same function, written differently."""
        raise AssertionError(f"{type(self).__name__} must define equal(self)")

    def different(self) -> Iterable[tuple[Behaviour, Behaviour]]:
        """Returns pairs that compute different functions."""
        raise AssertionError(f"{type(self).__name__} must define different(self)")

    def _keys(self, behaviours: Iterable[Behaviour]) -> list[bytes]:
        return [item.key for item in Hasher(self.probe).hash_many([(behaviour, {}) for behaviour in behaviours])]

    def test_equal_functions_have_one_key(self) -> None:
        pairs = list(self.equal())
        assert pairs
        for number, pair in enumerate(pairs):
            one, other = self._keys(pair)
            assert one == other, f"pair {number} of equal functions is told apart: {pair}"

    def test_different_functions_have_different_keys(self) -> None:
        pairs = list(self.different())
        assert pairs
        for number, pair in enumerate(pairs):
            one, other = self._keys(pair)
            assert one != other, f"pair {number} of different functions is merged: {pair}"

    def test_equal_functions_have_equal_features_and_features_move_no_key(self) -> None:
        """Of hashers that read features: the same groups and lengths for all, and equal numbers for equal functions."""
        lengths: dict[str, int] = {}
        for number, pair in enumerate(self.equal()):
            hashed = Hasher(self.probe).hash_many([(behaviour, {}) for behaviour in pair], features=True)
            assert [item.key for item in hashed] == self._keys(pair), f"pair {number} has other keys with features"
            one, other = (item.features for item in hashed)
            assert one.keys() == other.keys(), f"pair {number} has groups {sorted(one)} and {sorted(other)}"
            for name, values in one.items():
                assert lengths.setdefault(name, len(values)) == len(values), (
                    f"the length of {name} is not always the same"
                )
                np.testing.assert_allclose(other[name], values, rtol=1e-3, atol=1e-6, err_msg=f"pair {number}: {name}")

    def test_keys_depend_on_neither_batch_nor_order_nor_memory(self) -> None:
        behaviours = [behaviour for pair in (*self.equal(), *self.different()) for behaviour in pair]
        alone = [self._keys([behaviour])[0] for behaviour in behaviours]
        assert self._keys(behaviours) == alone
        assert self._keys(behaviours[::-1]) == alone[::-1]

    def test_settings_of_training_are_part_of_the_key(self) -> None:
        behaviour = next(iter(self.equal()))[0]
        slow, fast = Hasher(self.probe).hash_many([(behaviour, {"lr": 0.1}), (behaviour, {"lr": 0.2})])
        assert slow.key != fast.key

    def test_another_process_finds_the_same_key(self) -> None:
        """Runs where the behaviour can be pickled; one that cannot never leaves its process anyway."""
        behaviour = next(iter(self.equal()))[0]
        try:
            text = pickle.dumps((behaviour, self.probe, sys.path))
        except (pickle.PicklingError, AttributeError, TypeError):
            return
        program = (
            "import pickle,sys; data=sys.stdin.buffer.read(); "
            f"sys.path[:]={sys.path!r}; behaviour,probe,_=pickle.loads(data); "
            "from automl.hashing import Hasher; print(Hasher(probe).hash_many([(behaviour,{})])[0].key.hex())"
        )
        done = subprocess.run([sys.executable, "-c", program], input=text, capture_output=True, check=True)
        assert done.stdout.decode().strip() == self._keys([behaviour])[0].hex()
