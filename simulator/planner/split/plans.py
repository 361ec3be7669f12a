"""One way to serve a model, with what it carries in steady state."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from typing import Any


@dataclass(frozen=True, slots=True)
class ModePlan:
    """A deployment in one exit mode and its steady-state capacity.

    ``exit_mode`` and ``execution`` as in a scenario; ``ramps`` are the layers whose ramps run (every one of them when
    ``tagged``: requests are dropped at the next cut). ``devices`` and ``replicas`` stand by portion for *at_cut* in
    parallel, else by type of device. ``capacity`` [1/s] is the load at which the busiest portion never rests;
    ``fractional`` what no plan of this mode exceeds, as if devices could be divided (infinite: not known);
    ``exact``: nothing better of this mode exists. ``service_s``: time of a batch over all portions; ``survival`` into
    each portion.
    """

    exit_mode: str
    execution: str
    cuts: tuple[int, ...]
    ramps: tuple[int, ...]
    devices: tuple[str, ...]
    replicas: tuple[int, ...]
    batch: int
    capacity: float
    fractional: float
    service_s: float
    accuracy: float
    price_per_hour: float
    survival: tuple[float, ...] = (1.0,)
    tagged: bool = False
    exact: bool = True

    @property
    def device_count(self) -> int:
        """Devices that the plan holds."""
        return sum(self.replicas)

    @property
    def cost_per_million(self) -> float | None:
        """Price of a million requests at capacity; None without prices."""
        return self.price_per_hour / (self.capacity * 3600.0) * 1e6 if self.price_per_hour > 0 else None

    @property
    def fill_s(self) -> float:
        """Longest time to fill the batches of all portions at a load of the capacity [s]: sum of B / (rate S)."""
        return sum(self.batch / (self.capacity * share) for share in self.survival if share > 0)

    @property
    def name(self) -> str:
        """Mode, and how the portions run where there are some."""
        how = "tagged, " if self.tagged else ""
        return f"{self.exit_mode} ({how}{self.execution})" if self.exit_mode == "at_cut" else self.exit_mode

    def layers(self, count: int) -> tuple[str, ...]:
        """Layers of each portion as a scenario writes them, for a model of ``count`` layers.

        >>> plan = ModePlan("at_cut", "parallel", (1, 3), (), (), (), 1, 1.0, 1.0, 1.0, 1.0, 0.0)
        >>> plan.layers(4)
        ('1', '2-3', '4')
        """
        bounds = (0, *self.cuts, count)
        return tuple(f"{a + 1}" if b == a + 1 else f"{a + 1}-{b}" for a, b in pairwise(bounds))

    def to_dict(self) -> dict[str, Any]:
        """As JSON values; what is not known is null."""
        return {
            "exit_mode": self.exit_mode,
            "execution": self.execution,
            "tagged": self.tagged,
            "cuts": list(self.cuts),
            "ramps": list(self.ramps),
            "devices": list(self.devices),
            "replicas": list(self.replicas),
            "batch": self.batch,
            "capacity": self.capacity,
            "fractional": self.fractional if isfinite(self.fractional) else None,
            "exact": self.exact,
            "service": self.service_s,
            "fill": self.fill_s,
            "accuracy": self.accuracy if isfinite(self.accuracy) else None,
            "cost_per_million": self.cost_per_million,
        }
