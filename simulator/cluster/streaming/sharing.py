"""A resource that copies share fairly: each gets the same, less where its own side is slower; the rest goes to others.

A copy is first under way for its latency, which takes nothing from the link. Then it needs a share of the link for as
long as it would take alone; with a smaller share it takes as much longer. A copy that always had what it needs ends at
``start + seconds``, the very sum of the recurrence, whatever happened beside it (or when its sender says so: one that
counts from an instant of its own adds in another order).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from simulator.cluster.clock import CONTROL, INFINITY, TRANSFER, Ticking

SETTLED = CONTROL + 1
"""Last of the kinds of events of an instant: what starts in it."""
Done = Callable[["Copy", float], None]


def fair(needs: Sequence[float], whole: float = 1.0) -> list[float]:
    """Max-min fair shares of ``whole``: nobody gets more than it needs, and nobody less while another gets more.

    >>> fair([0.2, 1.0, 1.0]), fair([0.3, 0.4])
    ([0.2, 0.4, 0.4], [0.3, 0.4])
    """
    if len(set(needs)) == 1:  # nearly always, and with many on a link most of the work
        return [min(needs[0], whole / len(needs))] * len(needs)
    given = [0.0] * len(needs)
    left = whole
    order = sorted(range(len(needs)), key=needs.__getitem__)
    for place, index in enumerate(order):
        given[index] = min(needs[index], left / (len(order) - place))
        left -= given[index]
    return given


class Copy:
    """Something that takes ``seconds`` alone, ``latency`` of them without the link; ``need``: its share of it then."""

    __slots__ = (
        "alone",
        "done",
        "end",
        "latency",
        "left",
        "need",
        "number",
        "rate",
        "run",
        "seconds",
        "slowed",
        "start",
    )

    def __init__(self, seconds: float, latency: float, need: float, number: tuple[int, ...], done: Done) -> None:
        self.seconds, self.latency, self.need, self.number, self.done = seconds, latency, need, number, done
        self.start = self.end = 0.0
        self.alone = 0.0
        """When it ends if it always has what it needs [s]."""
        self.left = 0.0
        """What is left of its seconds on the link, if it has what it needs."""
        self.rate = 1.0
        """How fast it goes, as a share of that."""
        self.slowed = False
        self.run = 0
        """Times that it was begun; what was planned for another one is void."""


class FairLink:
    """One direction of a link (or a disk, or the server's optimizer) on the simulated clock.

    ``number`` tells its events from those of other links. ``taken`` counts the seconds of the whole link that its
    copies have used up.
    """

    def __init__(self, clock: Ticking, number: int) -> None:
        self.clock, self.number = clock, number
        self.taken = 0.0
        self.up = True
        self._latent: list[Copy] = []
        self._active: list[Copy] = []
        self._updated = 0.0
        self._plan_number = 0

    def send(self, copy: Copy, alone: float | None = None) -> None:
        """A copy begins now, or when the link is up again; it ends at ``alone`` [s] if it always has what it needs."""
        copy.start = self.clock.now
        copy.alone = copy.start + copy.seconds if alone is None else alone
        copy.left, copy.slowed = copy.seconds - copy.latency, False
        copy.run += 1
        self._latent.append(copy)
        if self.up:
            instant = self.clock.now + copy.latency
            self.clock.schedule_at(instant, (SETTLED, self.number, *copy.number), self._join, (copy, copy.run))

    def remove(self, copy: Copy) -> None:
        """A copy is given up; its share goes to the others. Nothing happens if it has ended."""
        copy.run += 1
        if copy in self._latent:
            self._latent.remove(copy)
        elif copy in self._active:
            self._advance()
            self._active.remove(copy)
            self._plan()

    def fail(self) -> None:
        """All copies under way are lost; each begins again at the repair."""
        self._advance()
        self.up = False
        self._plan_number += 1
        for copy in self._active:
            copy.run += 1
        for copy in self._latent:
            copy.run += 1
        self._latent += self._active
        self._active = []

    def repair(self) -> None:
        """Up again: what was lost begins anew."""
        self.up = True
        lost, self._latent = self._latent, []
        for copy in sorted(lost, key=lambda one: one.number):
            self.send(copy)

    def _join(self, call: tuple[Copy, int]) -> None:
        copy, run = call
        if copy.run != run:
            return
        self._advance()
        self._latent.remove(copy)
        self._active.append(copy)
        self._plan()

    def _advance(self) -> None:
        now = self.clock.now
        passed = now - self._updated
        self._updated = now
        if passed <= 0.0:
            return
        for copy in self._active:
            copy.left -= passed * copy.rate
            copy.slowed = copy.slowed or copy.rate < 1.0
            self.taken += passed * copy.rate * copy.need

    def _plan(self) -> None:
        """Shares from now on, and the next copy to end if nothing changes before."""
        self._plan_number += 1
        if not self._active:
            return
        now, first = self.clock.now, INFINITY
        given = fair([copy.need for copy in self._active])
        for copy, share in zip(self._active, given):
            rate = copy.rate = share / copy.need
            left = copy.left if copy.left > 0.0 else 0.0
            end = copy.alone if rate == 1.0 and not copy.slowed else now + left / rate
            copy.end = end
            if end < first:
                first = end
        key = (TRANSFER, self.number, 0)
        self.clock.schedule_at(max(first, now), key, self._through, self._plan_number)

    def _through(self, plan: int) -> None:
        if plan != self._plan_number:
            return
        self._advance()
        now = self.clock.now
        ended = [copy for copy in self._active if copy.end <= now]
        self._active = [copy for copy in self._active if copy.end > now]
        self._plan()
        for copy in sorted(ended, key=lambda one: one.number):
            copy.done(copy, now)
