"""The order in which trials count. It does not depend on which evaluation finishes first.

Trials are proposed in blocks. A block that starts at trial n is proposed when the strategy has been told exactly the
trials before n + block − window, in order. So the same seed and window give the same trials. Asynchronous studies tell
each result as it comes and record that order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import TypeVar, overload

from automl.engine.trial import Trial
from automl.rules import LoopSettings
from automl.strategies.base import Proposal, Told

T = TypeVar("T")


class _Listed(Sequence[Proposal]):
    """A list that is made when it is first read."""

    def __init__(self, make: Callable[[], list[Proposal]]) -> None:
        self._make = make

    @cached_property
    def _list(self) -> list[Proposal]:
        return self._make()

    def __len__(self) -> int:
        return len(self._list)

    def __iter__(self) -> Iterator[Proposal]:
        return iter(self._list)

    @overload
    def __getitem__(self, place: int) -> Proposal: ...

    @overload
    def __getitem__(self, place: slice) -> list[Proposal]: ...

    def __getitem__(self, place: int | slice) -> Proposal | list[Proposal]:
        return self._list[place]


class TellOrder:
    """Numbers proposals, orders final trials, and says what a strategy is told when.

    Attributes:
        asked: number of trials proposed.
        done: number of trials recorded.
        told: number of trials that the strategy knows.
    """

    def __init__(self, settings: LoopSettings) -> None:
        self._settings = settings
        self._block = settings.block
        self.asked = self.done = self.told = 0
        self._recorded_of_block = 0  # recorded trials of a block that a kill cut in two
        self._gaps: deque[int] = deque()  # numbers that an asynchronous study lost when it was killed
        self._open: dict[int, Proposal] = {}  # proposed and not told, by number
        self._final: dict[int, Trial] = {}  # waiting for their turn to be recorded, by number
        self._untold: deque[Told] = deque()

    # --- proposals ---------------------------------------------------------------------------------------------------

    @property
    def start(self) -> int:
        """Number of trials before the next block.

        After a crash inside a block, the whole block is proposed again and the trials already recorded are skipped. So
        a resumed study goes on with the very trials that it would have had.
        """
        return self.asked - self._recorded_of_block

    @property
    def next_number(self) -> int:
        """The number of the first trial of the next block."""
        return self._gaps[0] if self._gaps else self.start

    def room(self) -> int:
        """Returns the size of the next block, 0 while the window has no room for it."""
        room = self._block if self.start + self._block - self._settings.window <= self.done else 0
        if (most := self._settings.budget.trials) is not None:
            room = min(room, most - self.start)
        return room if room > self._recorded_of_block else 0

    def pending(self) -> Sequence[Proposal]:
        """Returns what was proposed before the next block and is not told yet, in order.

        It is listed when it is first read, before the next proposal: most strategies do not ask, and ten thousand may
        be under way.
        """
        start = self.start
        return _Listed(lambda: [proposal for number, proposal in self._open.items() if number < start])

    def not_recorded(self, block: Sequence[T]) -> Sequence[T]:
        """Returns what of a new block is not recorded yet."""
        new, self._recorded_of_block = block[self._recorded_of_block :], 0
        return new

    def number(self, proposal: Proposal) -> int:
        """Returns the number of the next trial, which this proposal becomes."""
        number = self._gaps.popleft() if self._gaps else self.asked
        self._open[number] = proposal
        self.asked += 1
        return number

    # --- results -----------------------------------------------------------------------------------------------------

    def in_turn(self, final: Iterable[Trial]) -> list[Trial]:
        """Takes trials that have become final, and returns those whose turn to be recorded has come, in order."""
        for trial in final:
            self._final[trial.number] = trial
        if self._settings.asynchronous:
            ready = list(self._final.values())
            self._final.clear()
            return ready
        ready = []
        while (number := self.done + len(ready)) in self._final:
            ready.append(self._final.pop(number))
        return ready

    def out_of_turn(self) -> list[Trial]:
        """Returns the trials that are final and wait for earlier ones to be recorded."""
        return list(self._final.values())

    def recorded(self, trials: Iterable[Told]) -> None:
        """Takes trials that have been recorded, in order."""
        before = len(self._untold)
        self._untold.extend(trials)
        self.done += len(self._untold) - before

    def due(self) -> list[Told]:
        """Returns the trials that the strategy is told before the next block."""
        if self._settings.asynchronous:
            return self._tell_up_to(self.done)
        return self._tell_up_to(self.start + self._block - self._settings.window)

    def _tell_up_to(self, count: int) -> list[Told]:
        told = [self._untold.popleft() for _ in range(count - self.told)]
        for trial in told:
            del self._open[trial.number]
        self.told += len(told)
        return told

    # --- resume ------------------------------------------------------------------------------------------------------

    def replayed(self, trial: Told, proposal: Proposal) -> list[Told]:
        """Takes one trial that was recorded before, in order. Returns what can be told already, once it is many."""
        self._open[trial.number] = proposal
        self._untold.append(trial)
        self.done += 1
        hold_back = 0 if self._settings.asynchronous else self._settings.window
        return self._tell_up_to(self.done - hold_back) if len(self._untold) > hold_back + 1000 else []

    def resume(self, numbers: set[int]) -> int:
        """Goes on after the recorded trials, of which these are the numbers.

        Returns:
            How many of them stand in the block that is proposed again.
        """
        if self._settings.asynchronous:
            self._gaps.extend(number for number in range(max(numbers, default=-1) + 1) if number not in numbers)
        self.asked = self.done
        self._recorded_of_block = self.done % self._block
        return self._recorded_of_block
