"""The functional hash of learning algorithms: run for a few steps on a fixed tiny task, then their predictions are
mixed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import xxhash

from automl.behaviour import Probe, Program
from automl.errors import Unhashable
from automl.hashing.mixing import laid_out, mix_settings, rounded
from automl.hashing.observed import Observed


class ProgramHasher:
    """Hashes programs, all those of one language in one call of it.

    Args:
        mantissa_bits: precision of rounded values.
    """

    def __init__(self, mantissa_bits: int) -> None:
        self._bits = mantissa_bits

    def digests(self, programs: Sequence[Program], probe: Probe) -> list[bytes | Unhashable]:
        """Returns the digest of each program's predictions, or the reason why there is none."""
        results: list[bytes | Unhashable] = [b""] * len(programs)
        by_language: dict[int, list[int]] = defaultdict(list)
        for number, program in enumerate(programs):
            by_language[id(program.language)].append(number)
        for numbers in by_language.values():
            for number, result in zip(
                numbers, self._of_one_language([programs[number] for number in numbers], probe), strict=True
            ):
                results[number] = result
        return results

    def observe(self, program: Program, probe: Probe) -> Observed:
        """Returns the outputs of a program on the probe task.

        Raises:
            Unhashable: the program cannot be run.
        """
        found = self.digests([program], probe)[0]
        if isinstance(found, Unhashable):
            raise found
        return Observed(
            [("outputs", np.asarray(program.language.outputs([program.code], probe)[0]))], [str(program.code)]
        )

    def _of_one_language(self, programs: Sequence[Program], probe: Probe) -> list[bytes | Unhashable]:
        language = programs[0].language
        try:
            outputs = np.asarray(language.outputs([program.code for program in programs], probe), dtype=np.float64)
        except Exception as error:  # one bad program must not spoil the others
            if len(programs) == 1:
                return [Unhashable(f"the program cannot be run on the probe task: {type(error).__name__}: {error}")]
            return [self._of_one_language([program], probe)[0] for program in programs]
        if outputs.ndim != 2 or len(outputs) != len(programs):
            return [
                Unhashable(
                    f"the language returned shape {outputs.shape} for {len(programs)} programs; "
                    "one row for each is needed"
                )
            ] * len(programs)
        begin = laid_out(mix_settings(language.settings))
        mixed = rounded(outputs, self._bits)
        return [xxhash.xxh3_128_digest(begin + laid_out(xxhash.xxh3_128_digest(row.tobytes()))) for row in mixed]
