"""What is kept of a run whose requests are forgotten once they have left: counters, sums and sketches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np

from simulator.results.breakdown import PARTS
from simulator.results.record import Floats, Ints, Outcome, PoolInfo, PortionInfo, ServiceInfo
from simulator.results.sketch import BINS


@dataclass(slots=True)
class Tally:
    """Totals of one run, in arrays of a size that does not grow with the run; the engine adds to them in place.

    The groups (G) are the classes of the first service, then those of the second, and so on; there are P portions,
    Q pools and :data:`~simulator.results.sketch.BINS` bins. The cohort is the arrivals in [warmup, duration), the
    window the same stretch of time. Times in seconds.
    """

    arrived: Ints
    """Arrivals of the whole run (G)."""
    outcomes: Ints
    """Arrivals of the whole run by outcome; what is inside is known when the run ends (G, 5)."""
    cohort: Ints
    """The cohort by outcome (G, 5)."""
    in_time: Ints
    """Completed of the cohort within the latency that was asked (G)."""
    finished: Ints
    """Completed with their finish in the window, whenever they arrived (G)."""
    latency_sum: Floats
    """Latencies of the completed of the cohort, added up [s] (G)."""
    latency_max: Floats
    """The largest of them [s], 0 without any (G)."""
    latency_bins: Ints
    """How many of them fall into each bin of the sketch (G, BINS)."""
    parts_bins: Floats
    """Where their time went [s], by bin of the latency of the request and by part (G, BINS, 5)."""
    exits: Ints
    """Completed of the cohort by exit layer, from 0 (G, L + 1)."""
    correct: Floats
    """Right answers among the completed of the cohort (G)."""
    known: Ints
    """Completed of the cohort of which it is known whether the answer is right (G)."""
    batches: Ints
    """Batches that start in the window (P)."""
    members: Ints
    """Their members (P)."""
    wait_sum: Floats
    """Waits of those members from entry to start, added up [s] (P)."""
    wait_bins: Ints
    """How many of those waits fall into each bin of the sketch (P, BINS)."""
    busy_s: Floats
    """From the start of each batch until its replica was idle, clipped to the window [s] (P)."""
    pool_busy_s: Floats
    """The same by pool, times the devices of the replica [device-seconds] (Q)."""
    inside_s: Floats
    """Integral over the whole run of the number of requests inside [s] (1)."""
    sojourn_s: Floats
    """Arrival until the request left, or until the end of the run, of all requests [s] (1)."""
    cohort_inside_s: Floats
    """As ``inside_s``, of the cohort alone [s] (1)."""
    cohort_sojourn_s: Floats
    """As ``sojourn_s``, of the cohort alone [s] (1)."""

    @classmethod
    def empty(
        cls,
        services: Sequence[ServiceInfo],
        portions: Sequence[PortionInfo],
        pools: Sequence[PoolInfo],
        layers: int,
    ) -> Tally:
        """A tally of nothing yet; ``layers`` is the largest number of layers of a service's model."""
        groups, outcomes = sum(len(service.classes) for service in services), len(Outcome)

        def ints(*shape: int) -> Ints:
            return np.zeros(shape, dtype=np.int64)

        return cls(
            arrived=ints(groups),
            outcomes=ints(groups, outcomes),
            cohort=ints(groups, outcomes),
            in_time=ints(groups),
            finished=ints(groups),
            latency_sum=np.zeros(groups),
            latency_max=np.zeros(groups),
            latency_bins=ints(groups, BINS),
            parts_bins=np.zeros((groups, BINS, len(PARTS))),
            exits=ints(groups, layers + 1),
            correct=np.zeros(groups),
            known=ints(groups),
            batches=ints(len(portions)),
            members=ints(len(portions)),
            wait_sum=np.zeros(len(portions)),
            wait_bins=ints(len(portions), BINS),
            busy_s=np.zeros(len(portions)),
            pool_busy_s=np.zeros(len(pools)),
            inside_s=np.zeros(1),
            sojourn_s=np.zeros(1),
            cohort_inside_s=np.zeros(1),
            cohort_sojourn_s=np.zeros(1),
        )

    def merge(self, other: Tally) -> Tally:
        """Add another tally of the same services, portions and pools to this one, which is the answer."""
        for field in fields(self):
            mine, its = getattr(self, field.name), getattr(other, field.name)
            if field.name == "latency_max":
                np.maximum(mine, its, out=mine)
            else:
                mine += its
        return self


def groups_of(services: Sequence[ServiceInfo]) -> Iterator[slice]:
    """The groups of each service: one for each of its classes."""
    first = 0
    for service in services:
        yield slice(first, first + len(service.classes))
        first += len(service.classes)
