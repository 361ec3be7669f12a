"""Renewal arrivals: independent gaps, exponential (Poisson) or gamma (any coefficient of variation)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from simulator.workload.clock import Clock
from simulator.workload.process import Binding, Draws, Floats, times

if TYPE_CHECKING:
    from simulator.scenario import workload as models

Sampler: TypeAlias = Callable[[np.random.Generator, int], Floats]


@dataclass(frozen=True, slots=True)
class Renewal:
    """Arrivals whose gaps are independent with mean 1 / ``rate_per_s`` and coefficient of variation ``cv``.

    Gaps are exponential for ``cv`` 1 and otherwise gamma with shape :math:`1 / cv^2` and scale
    :math:`cv^2 / rate`. The first arrival comes one whole gap after 0.
    """

    rate_per_s: float
    cv: float = 1.0

    def chunks(self, draws: Draws, clock: Clock, size: int) -> Iterator[Floats]:
        """Arrival instants [s of the clock], without end."""
        return running_sum(unit_gaps(self.cv), draws.named("arrivals"), size, self.rate_per_s)

    def expected(self, clock: Clock, until_s: float) -> float:
        """Rate times length (the first gap of a gamma process makes the true mean differ by a constant)."""
        return self.rate_per_s * float(clock.forward(np.array([until_s]))[0])

    def steps(self, clock: Clock, until_s: float) -> float:
        """One draw per arrival."""
        return self.expected(clock, until_s)


def unit_gaps(cv: float) -> Sampler:
    """Sampler of gaps of mean 1 and coefficient of variation ``cv``; draws do not depend on block sizes."""
    if cv == 1:
        return lambda rng, size: rng.standard_exponential(size)
    variance = cv * cv
    return lambda rng, size: rng.standard_gamma(1 / variance, size) * variance


def running_sum(gaps: Sampler, rng: np.random.Generator, size: int, rate: float = 1.0) -> Iterator[Floats]:
    """Endless ascending instants with the given ``gaps``, ``rate`` times as dense, ``size`` at a time.

    The last instant is added to the first gap of the next chunk, so chunks of any size add the same numbers
    in the same order.
    """
    now = 0.0
    while True:
        block = gaps(rng, size) / rate
        block[0] += now
        instants = np.cumsum(block)
        now = instants[-1]
        yield instants


def poisson(workload: models.Poisson, binding: Binding) -> Renewal:
    """``{process: poisson, rate}``."""
    return Renewal(workload.rate * workload.scale)


def gamma(workload: models.Gamma, binding: Binding) -> Renewal:
    """``{process: gamma, rate, cv}``."""
    return Renewal(workload.rate * workload.scale, workload.cv)


def faster(workload: models.Poisson | models.Gamma, factor: float) -> dict[str, Any]:
    """The change that multiplies the rate."""
    return times(workload, "rate", factor)
