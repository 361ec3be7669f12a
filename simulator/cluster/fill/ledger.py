"""What a filler has cost its training so far, and what it may still cost.

The training is delayed by a piece that is not through when the device is wanted again. Undisturbed, iteration i would
have ended at ``u_i``: the longest path over its measured op times, known once it has run. Delaying a start by d delays
no later instant by more than d, so the delay of everything after iteration i is at most ::

    max over devices (finish of i - u_i) + sum of the overruns after i

A piece may start only while this, plus the most that it and all pieces now running can add, is within the budget::

    delay + reserved <= budget (now - delay)

``now - delay`` has passed of the undisturbed run, which takes at least as long in the end: the slowdown is never
beyond the budget. Where devices fail there is no undisturbed run to compare with, and all overruns are summed up.
"""

from __future__ import annotations


class Ledger:
    """Delays [s] of one training; ``budget`` relative to its undisturbed time."""

    def __init__(self, budget: float) -> None:
        self.budget = budget
        self.settled_s = 0.0
        """Delay of the last iteration whose undisturbed end is known."""
        self.overruns_s = 0.0
        """Sum of all overruns so far."""
        self.refused = 0
        """How often nothing started for want of budget, though something would have fitted."""
        self._open: list[tuple[int, float]] = []
        self._reserved: dict[int, float] = {}

    @property
    def delay_s(self) -> float:
        """The most by which anything is late by now [s]."""
        return self.settled_s + sum(seconds for _, seconds in self._open)

    def allows(self, now: float, worst_s: float) -> bool:
        """Whether a piece that could hold the training up for ``worst_s`` [s] may start; 0 is always allowed."""
        if worst_s <= 0.0:
            return True
        delay = self.delay_s
        return delay + sum(self._reserved.values()) + worst_s <= self.budget * (now - delay)

    def reserve(self, device: int, worst_s: float) -> None:
        """A piece starts on a device."""
        if worst_s > 0.0:
            self._reserved[device] = worst_s

    def release(self, device: int) -> None:
        """The piece of a device is through, or has cost what it cost."""
        self._reserved.pop(device, None)

    def overrun(self, iteration: int, seconds: float) -> None:
        """A device was given back late, in this iteration of the training [s]."""
        self.overruns_s += seconds
        self._open.append((iteration, seconds))

    def settle(self, iteration: int, delay_s: float) -> None:
        """An iteration and all before it have run and ended so much later than undisturbed [s]."""
        self.settled_s = max(delay_s, 0.0)
        self._open = [(number, seconds) for number, seconds in self._open if number > iteration]
