"""The parameter server, or its link, fails: copies under way are lost and begin again at the repair.

What has arrived stays: devices compute on until they need a layer that is not there. A layer's state at the server is
as its last update left it; an update under way begins again, like a copy. So no microbatch is lost, and none computed
twice. Up and down times are exponential on calendar time, one stream for the server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from simulator.cluster.clock import CONTROL, Ticking
from simulator.cluster.streaming.sharing import FairLink
from simulator.scenario.cluster import Faults
from simulator.streams import stream

Outage = tuple[float, float]
"""Instants of a failure and of its repair [s]."""
KEY = (CONTROL, 0, 0)
"""The server fails and is repaired with the first control events of an instant."""


def drawn(faults: Faults, seed: int, replication: int) -> Iterator[Outage]:
    """Outages of the server, without end."""
    rng = stream(seed, replication, "parameter_server", "faults")
    instant = 0.0
    while True:
        failed = instant + faults.mtbf * float(rng.standard_exponential())
        instant = failed + faults.mttr * float(rng.standard_exponential())
        yield failed, instant


class Breakdowns:
    """Takes all ``links`` of the server down and up again; ``happened``: what has been so far.

    ``over`` says whether nobody uses the server any more: then nothing happens to it.
    """

    def __init__(
        self, clock: Ticking, links: list[FairLink], outages: Iterator[Outage], over: Callable[[], bool]
    ) -> None:
        self.happened: list[Outage] = []
        self._clock, self._links, self._outages, self._over = clock, links, outages, over
        self._plan()

    def _plan(self) -> None:
        """The next outage, if there is one."""
        outage = next(self._outages, None)
        if outage is not None:
            self._clock.schedule_at(outage[0], KEY, self._fail, outage)

    def _fail(self, outage: Outage) -> None:
        if self._over():
            return
        self.happened.append(outage)
        for link in self._links:
            link.fail()
        self._clock.schedule_at(outage[1], KEY, self._repair)

    def _repair(self, _: None) -> None:
        for link in self._links:
            link.repair()
        self._plan()
