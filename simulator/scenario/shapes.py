"""Shapes: how a load changes over time. Each is a factor on the rate; several are multiplied."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from simulator.scenario.base import Choice, Rule, Strict, refuse, tag_of, unknown
from simulator.scenario.quantities import Duration, Factor, PositiveDuration, Share


class Diurnal(Strict):
    """A daily wave: factor 1 + amplitude cos(2 pi (t - peak) / period)."""

    kind: Literal["diurnal"]
    """The kind of shape."""
    period: PositiveDuration = Field(default=86400.0, json_schema_extra={"default": "24h"})
    """Length of one wave [s]."""
    amplitude: Share
    """Height of the wave above its mean, as a share of the mean."""
    peak: Duration = 0.0
    """Instant of a peak [s]."""


class Spike(Strict):
    """A burst: `factor` from `at` for `length`, 1 elsewhere."""

    kind: Literal["spike"]
    """The kind of shape."""
    at: Duration
    """Start of the burst [s]."""
    length: PositiveDuration
    """Length of the burst [s]."""
    factor: Factor
    """Load during the burst, relative to the load elsewhere."""


class Ramp(Strict):
    """A steady change from one factor to another, which then stays."""

    kind: Literal["ramp"]
    """The kind of shape."""
    from_factor: Factor = 1.0
    """Factor at the start."""
    to_factor: Factor
    """Factor at the end, and after it."""
    over: PositiveDuration
    """Time the change takes [s]."""


class Steps(Strict):
    """A factor for every interval, one after another."""

    kind: Literal["steps"]
    """The kind of shape."""
    every: PositiveDuration
    """Length of one interval [s]."""
    factors: Annotated[tuple[Factor, ...], Field(strict=False, min_length=1, max_length=100_000)]
    """Factor of each interval, the first from the start of the run on."""
    repeat: bool = False
    """Whether they begin anew after the last; else the last one stays."""

    def rules(self) -> Iterator[Rule]:
        """Some requests arrive."""
        if not any(self.factors):
            yield ("factors",), "must have a factor greater than 0"


SHAPES: dict[str, type[Strict]] = {"diurnal": Diurnal, "spike": Spike, "ramp": Ramp, "steps": Steps}


def _choose(value: Any, members: Mapping[str, Any]) -> str:
    del members
    if not isinstance(value, dict):
        raise refuse("must be a mapping such as {kind: diurnal, amplitude: 50%}")
    kind = value.get("kind")
    if kind is None:
        raise refuse(f"must say its `kind`: {', '.join(list(SHAPES)[:-1])} or {list(SHAPES)[-1]}")
    if not isinstance(kind, str):
        raise refuse((("kind",), f"must be one of {', '.join(SHAPES)}"))
    if kind not in SHAPES:
        raise refuse((("kind",), unknown("kind of shape", kind, SHAPES)))
    return tag_of(SHAPES[kind])


Shape = Annotated[Diurnal | Spike | Ramp | Steps, Choice(_choose)]


def as_list(value: Any) -> Any:
    """One shape stands for a list of one."""
    return [value] if isinstance(value, dict | Strict) else value
