"""Section ``run``: how long, how often, and with which engine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from simulator.scenario.base import Rule, Strict, by_shape
from simulator.scenario.quantities import Duration, OpenShare, PositiveDuration

Figure = Literal[
    "mean", "p50", "p90", "p95", "p99", "p999", "max", "attainment", "goodput", "throughput"
]  # fmt: skip
Replications = Annotated[int, Field(ge=1, le=10_000)]


class Target(Strict):
    """When `replications: auto` stops: the interval of one figure is narrow enough."""

    figure: Figure = "p99"
    """Figure whose 95 % interval is watched: of the latency (mean, p50 ... max), or one of the others."""
    half_width: OpenShare = 0.05
    """Wanted half-width of the interval, as a share of the figure."""
    max_replications: Annotated[int, Field(ge=3, le=10_000)] = 64
    """Replications after which the run stops anyway (at least 3)."""


class Run(Strict):
    """How long the service is simulated, and how often."""

    duration: PositiveDuration
    """Time during which requests arrive [s], such as 10min."""
    warmup: Annotated[Duration | Literal["auto"], by_shape("a duration such as 30s, or auto")] = 0.0
    """Time at the start that no figure counts [s], or `auto` (found by MSER-5)."""
    replications: Annotated[Replications | Literal["auto"], by_shape("a number of replications, or auto")] = 1
    """Independent repetitions; `auto` repeats until `target` is met."""
    drain: Duration | None = None
    """Longest time after `duration` in which requests may still finish [s]; left out: `duration` again."""
    engine: Literal["simpy", "compiled", "auto"] = "auto"
    """Reference engine (simpy), compiled engine, or the fastest that covers the scenario (auto)."""
    target: Target = Target()
    """What `replications: auto` aims at."""

    def rules(self) -> Iterator[Rule]:
        """Something must be left to measure."""
        if isinstance(self.warmup, float) and self.warmup >= self.duration:
            yield ("warmup",), f"must be shorter than the duration ({self.duration:g}s)"
