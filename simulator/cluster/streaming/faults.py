"""The parameter server, or its link, fails: copies under way are lost and begin again at the repair.

What has arrived stays: devices compute on until they need a layer that is not there. A layer's state at the server is
as its last update left it; an update under way begins again, like a copy. So no microbatch is lost, and none computed
twice. Up and down times are exponential on calendar time, one stream for the server.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator

from simpy import Event

from simulator.cluster.clock import Clock
from simulator.cluster.streaming.sharing import FairLink
from simulator.scenario.cluster import Faults
from simulator.streams import stream

Outage = tuple[float, float]
"""Instants of a failure and of its repair [s]."""


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
        self, clock: Clock, links: list[FairLink], outages: Iterator[Outage], over: Callable[[], bool]
    ) -> None:
        self.happened: list[Outage] = []
        self._links, self._over = links, over
        clock.process(self._process(clock, outages))

    def _process(self, clock: Clock, outages: Iterator[Outage]) -> Generator[Event, None, None]:
        for failed, repaired in outages:
            yield clock.at(failed, (0, 0))
            if self._over():
                return
            self.happened.append((failed, repaired))
            for link in self._links:
                link.fail()
            yield clock.at(repaired, (0, 0))
            for link in self._links:
                link.repair()
