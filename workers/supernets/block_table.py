"""Ratings of all parts of all blocks in one JSON file, known by the digest of its content."""

from __future__ import annotations

import hashlib
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from automl.errors import InvalidInput, brief
from automl.jsontext import canonical, decoded, parse_foreign, stored

if TYPE_CHECKING:
    from automl.spaces.blocks import Block
    from automl.spaces.paths import PathSpace

FORMAT = "automl block ratings 1"
_MOST = 256 << 20
Place = tuple[int, str]


@dataclass(frozen=True)
class BlockTable:
    """Ratings of the parts of a space's blocks by one or several supernets.

    Attributes:
        space: Kind and settings of the space.
        seeds: For each supernet, the ratings by (block, entry state) and the part's canonical JSON.
        made_by: JSON data that says what made it.

    Example:
        >>> from search_spaces.nas.mbconv import MBConv
        >>> table = BlockTable.of(MBConv(), [{(0, ""): {'["0","0"]': -1.0, '["0","1"]': -3.0}}], {})
        >>> table.rating(0, "", ["0", "1"]), table.weights("standardised")
        (-3.0, [1.0, 1.0, 1.0])
    """

    space: Mapping[str, Any]
    seeds: Sequence[Mapping[Place, Mapping[str, float]]]
    made_by: Mapping[str, Any]

    @classmethod
    def of(
        cls, space: PathSpace, seeds: Sequence[Mapping[Place, Mapping[str, float]]], made_by: Mapping[str, Any]
    ) -> BlockTable:
        """Returns the table of a space."""
        return cls({"kind": space.kind, **space.settings(), "blocks_of": len(space.lengths)}, seeds, made_by)

    def rating(self, index: int, entry: str, part: Sequence[str]) -> float | None:
        """Returns the rating of a part, the mean over supernets; None if it is not in the table."""
        text = canonical(list(part))
        found = [one[index, entry][text] for one in self.seeds if text in one.get((index, entry), {})]
        return math.fsum(found) / len(found) if found else None

    def weights(self, wanted: str | Sequence[float]) -> list[float]:
        """Returns the weight of each block: as given, 1, or one over the spread of its ratings."""
        blocks = int(self.space["blocks_of"])
        if not isinstance(wanted, str):
            return [float(one) for one in wanted]
        if wanted == "one":
            return [1.0] * blocks
        spreads = []
        for index in range(blocks):
            values = [
                value
                for one in self.seeds
                for (block, _), ratings in one.items()
                if block == index
                for value in ratings.values()
            ]
            spreads.append(statistics.pstdev(values) if values else 0.0)
        return [1.0 / spread if spread > 0 else 1.0 for spread in spreads]

    def of_seed(self, seed: int) -> BlockTable:
        """Returns the table of one supernet; of the mean where there are not so many."""
        return BlockTable(self.space, [self.seeds[seed]], self.made_by) if seed < len(self.seeds) else self

    def json(self) -> str:
        """Returns the table as canonical JSON."""
        seeds = [[[*place, dict(ratings)] for place, ratings in sorted(one.items())] for one in self.seeds]
        return canonical({"format": FORMAT, "space": self.space, "seeds": seeds, "made_by": self.made_by})

    @property
    def digest(self) -> str:
        """SHA-256 of the JSON, 64 hexadecimal digits."""
        return hashlib.sha256(self.json().encode()).hexdigest()


def read_table(path: Path, space: PathSpace) -> BlockTable:
    """Reads a table of block ratings that belongs to a space.

    Raises:
        InvalidInput: it cannot be read, is no such table, or is one of another space; the difference is named.

    Example:
        >>> from search_spaces.nas.mbconv import MBConv
        >>> read_table(Path("nowhere.json"), MBConv())
        Traceback (most recent call last):
        automl.errors.InvalidInput: nowhere.json cannot be read: No such file or directory; write one with automl rate
    """
    try:
        data = path.read_bytes()[: _MOST + 1]
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}; write one with automl rate") from error
    value = parse_foreign(decoded(data, str(path)))
    try:
        if value["format"] != FORMAT:
            raise ValueError
        seeds = [{(int(index), str(entry)): dict(found) for index, entry, found in one} for one in value["seeds"]]
        table = BlockTable(value["space"], seeds, value["made_by"])
        _check_figures(table)
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInput(f"{path} is no table of block ratings; write one with automl rate") from error
    own = BlockTable.of(space, [], {}).space
    for name in own:
        if canonical(own[name]) != canonical(table.space.get(name)):
            raise InvalidInput(
                f"{path} rates the blocks of another space: {name} was {brief(table.space.get(name), 60)}, and is "
                f"{brief(own[name], 60)} here"
            )
    return table


def _check_figures(table: BlockTable) -> None:
    for one in table.seeds:
        for ratings in one.values():
            for text, value in ratings.items():
                stored(text)
                if not math.isfinite(float(value)):
                    raise ValueError


def fitted_weights(table: BlockTable, candidates: Sequence[Sequence[Block]], truth: Sequence[float]) -> list[float]:
    """Returns the weights of blocks with which their ratings fit the figures of some trained networks best (DONNA,
    Moons et al. 2021): least squares with an intercept; a weight below 0 is 0.

    Args:
        table: Ratings of the blocks.
        candidates: Blocks of each trained network.
        truth: Its figure, larger is better.

    Raises:
        InvalidInput: too few networks, or a part without a rating.

    Example:
        >>> from search_spaces.nas.mbconv import MBConv
        >>> space = MBConv(widths=[4, 8], blocks=[1, 1])
        >>> table = BlockTable.of(space, [{(0, ""): {'["0"]': 0, '["1"]': 1}, (1, ""): {'["0"]': 0, '["1"]': 1}}], {})
        >>> some = [space.blocks(space.decode(text)) for text in ("00", "01", "10", "11")]
        >>> [round(weight, 6) for weight in fitted_weights(table, some, [0.0, 0.1, 0.5, 0.6])]
        [0.5, 0.1]
    """
    blocks = int(table.space["blocks_of"])
    if len(candidates) < blocks + 2 or len(candidates) != len(truth):
        raise InvalidInput(f"{len(candidates)} networks are too few to fit the weights of {blocks} blocks")
    rows = [[table.rating(one.index, one.entry, one.part) for one in blocks_of] for blocks_of in candidates]
    if any(value is None for row in rows for value in row):
        raise InvalidInput("a network has a part that the table does not rate; rate all parts first")
    inputs = np.column_stack([np.ones(len(rows)), np.array(rows, dtype=float)])
    found, *_ = np.linalg.lstsq(inputs, np.asarray(truth, dtype=float), rcond=None)
    return [max(0.0, float(weight)) for weight in found[1:]]
