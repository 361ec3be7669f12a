"""Two-state Markov-modulated Poisson arrivals: the simplest process that is on and off."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from simulator.workload.clock import Clock
from simulator.workload.intensity import Pieces, through
from simulator.workload.process import Binding, Draws, Floats
from simulator.workload.renewal import running_sum, unit_gaps

if TYPE_CHECKING:
    from simulator.scenario import workload as models


SOJOURNS = 1024
"""Sojourns drawn at a time (an even number, so that every block begins in the same state)."""


@dataclass(frozen=True, slots=True)
class Modulated:
    """Poisson arrivals whose rate alternates between two states with exponential sojourns.

    ``rates_per_s`` (2) and ``sojourns_s`` (2, means). The state at 0 is drawn from the long-run shares
    :math:`p_i = d_i / (d_1 + d_2)`, so the process is stationary from its beginning, with mean rate
    :math:`m = p_1 r_1 + p_2 r_2` and index of dispersion of counts (Fischer and Meier-Hellstern, 1993)

    .. math:: IDC(t) = 1 + \\frac{2 p_1 p_2 (r_1 - r_2)^2}{m q} \\left(1 - \\frac{1 - e^{-q t}}{q t}\\right),
              \\qquad q = 1/d_1 + 1/d_2
    """

    rates_per_s: tuple[float, float]
    sojourns_s: tuple[float, float]

    @property
    def mean_rate_per_s(self) -> float:
        """Long-run arrivals per second."""
        (r1, r2), (d1, d2) = self.rates_per_s, self.sojourns_s
        return (r1 * d1 + r2 * d2) / (d1 + d2)

    def dispersion(self, window_s: float) -> float:
        """Index of dispersion of counts in windows of ``window_s``: variance / mean."""
        (r1, r2), (d1, d2) = self.rates_per_s, self.sojourns_s
        share, speed = d1 / (d1 + d2), 1 / d1 + 1 / d2
        spread = 2 * share * (1 - share) * (r1 - r2) ** 2 / (self.mean_rate_per_s * speed)
        return float(1 + spread * (1 + np.expm1(-speed * window_s) / (speed * window_s)))

    def chunks(self, draws: Draws, clock: Clock, size: int) -> Iterator[Floats]:
        """Arrival instants [s of the clock]: unit exponentials through the drawn path of the rate."""
        units = running_sum(unit_gaps(1.0), draws.named("arrivals"), size)
        return through(units, self._path(draws.named("arrivals", "states"), clock))

    def _path(self, rng: np.random.Generator, clock: Clock) -> Iterator[Pieces]:
        """Sojourns in seconds of the run: a shape multiplies the rates, not the speed of switching."""
        first = int(rng.random() >= self.sojourns_s[0] / sum(self.sojourns_s))
        order = np.resize([first, 1 - first], SOJOURNS)
        rates, means = np.array(self.rates_per_s)[order], np.array(self.sojourns_s)[order]
        now = 0.0
        while now < clock.until_s:
            switches = np.cumsum(np.concatenate(([now], rng.standard_exponential(SOJOURNS) * means)))
            now = float(switches[-1])
            yield Pieces(clock.forward(switches), rates)

    def expected(self, clock: Clock, until_s: float) -> float:
        """Mean rate times length of the clock, exact because the start is stationary."""
        return self.mean_rate_per_s * float(clock.forward(np.array([until_s]))[0])

    def steps(self, clock: Clock, until_s: float) -> float:
        """Arrivals and switches."""
        return self.expected(clock, until_s) + 2 * until_s / sum(self.sojourns_s)


def mmpp(workload: models.Mmpp, binding: Binding) -> Modulated:
    """``{process: mmpp, states: [{rate, mean_duration}, {rate, mean_duration}]}``."""
    one, two = workload.states
    return Modulated((one.rate * workload.scale, two.rate * workload.scale), (one.mean_duration, two.mean_duration))


def faster(workload: models.Mmpp, factor: float) -> dict[str, Any]:
    """The change that multiplies the rates of both states; the sojourns stay."""
    return {"states": tuple(state.model_copy(update={"rate": state.rate * factor}) for state in workload.states)}
