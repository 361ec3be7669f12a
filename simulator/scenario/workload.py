"""The load of a service: how its requests arrive."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema, model_validator

from simulator.scenario.base import Choice, Rule, Strict, nearest, refuse, tag_of, unknown
from simulator.scenario.quantities import (
    Count,
    Duration,
    FileName,
    PositiveDuration,
    PositiveFactor,
    PositiveRate,
    Quantity,
    Rate,
    Shorthand,
    Text,
)
from simulator.scenario.shapes import Shape, as_list
from simulator.scenario.units import DURATION


class Open(Strict):
    """Requests that arrive whether or not earlier ones were answered."""

    shape: Annotated[tuple[Shape, ...], Field(strict=False), BeforeValidator(as_list), Shorthand()] = ()
    """Change of the load over time: one shape, or a list of shapes that are multiplied."""
    scale: PositiveFactor = 1.0
    """Factor on the load; 2 means twice as many requests per second."""


class Poisson(Open):
    """Independent arrivals: exponential gaps."""

    process: Literal["poisson"] = "poisson"
    """The kind of load."""
    rate: PositiveRate
    """Mean arrivals per second, such as 2000/s."""


class Gamma(Open):
    """Renewal arrivals with gamma gaps: more or less bursty than Poisson."""

    process: Literal["gamma"] = "gamma"
    """The kind of load."""
    rate: PositiveRate
    """Mean arrivals per second."""
    cv: Annotated[float, Field(gt=0, le=100)]
    """Coefficient of variation of the gaps; 1 is Poisson, above 1 bursty."""


class MmppState(Strict):
    """One state of a modulated Poisson process."""

    rate: Rate
    """Arrivals per second while in this state."""
    mean_duration: PositiveDuration
    """Mean time spent in this state [s], exponential."""


class Mmpp(Open):
    """Two-state modulated Poisson arrivals: the rate switches at random instants."""

    process: Literal["mmpp"] = "mmpp"
    """The kind of load."""
    states: Annotated[tuple[MmppState, ...], Field(strict=False, min_length=2, max_length=2)]
    """The two states, each with its rate and its mean duration."""

    def rules(self) -> Iterator[Rule]:
        """Some requests arrive."""
        if all(state.rate == 0 for state in self.states):
            yield ("states",), "must have a rate greater than 0 in one of the states"


def _repeat(value: Any) -> bool | int:
    if isinstance(value, bool) or (isinstance(value, int) and 1 <= value <= 1_000_000):
        return value
    raise refuse("must be a number of times (at least 1), or true for as often as needed")


class _Recorded(Open):
    """What a replay of a file shares."""

    repeat: Annotated[
        bool | int,
        PlainValidator(_repeat),
        WithJsonSchema({"anyOf": [{"type": "boolean"}, {"type": "integer", "minimum": 1}]}),
    ] = 1
    """How often the record is played; true: as often as the run needs."""
    from_: Annotated[Duration, Field(alias="from")] = 0.0
    """Start of the used slice, from the start of the record [s]."""
    to: PositiveDuration | None = None
    """End of the used slice, from the start of the record [s]; left out: its end."""

    def rules(self) -> Iterator[Rule]:
        """The slice is not empty."""
        if self.to is not None and self.to <= self.from_:
            yield ("to",), f"must be later than `from` ({self.from_:g}s)"


class Trace(_Recorded):
    """Replay of recorded arrival instants."""

    process: Literal["trace"] = "trace"
    """The kind of load."""
    trace: FileName
    """File of arrival instants (csv or csv.gz), relative to the scenario."""
    column: Text = "arrival_s"
    """Column of the arrival instants [s]."""


class Rates(_Recorded):
    """Arrivals that follow a recorded series of counts per interval."""

    process: Literal["rates"] = "rates"
    """The kind of load."""
    rates: FileName
    """File of counts per interval (csv or csv.gz), relative to the scenario."""
    interval: PositiveDuration
    """Length of one interval [s]."""
    column: Text = "requests"
    """Column of the counts."""
    cv: Annotated[float, Field(gt=0, le=100)] | None = None
    """Burstiness inside an interval: coefficient of variation of the gaps; left out or 1: Poisson."""


class Think(Strict):
    """Time between an answer and the client's next request; a bare duration: exponential."""

    mean: Duration
    """Mean think time [s]."""
    distribution: Literal["exponential", "deterministic", "lognormal"] = "exponential"
    """Distribution of the think time."""
    cv: Annotated[float, Field(gt=0, le=100)] | None = None
    """Coefficient of variation; needed by lognormal, only there."""

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return {"mean": value} if isinstance(value, str | int | float) and not isinstance(value, bool) else value

    def rules(self) -> Iterator[Rule]:
        """Lognormal times need their spread; the others have none to choose."""
        yield from spread_rules(self.distribution, self.cv)


class Closed(Strict):
    """A fixed number of clients, each waiting for its answer before it thinks and sends again."""

    process: Literal["closed"] = "closed"
    """The kind of load."""
    clients: Count
    """Number of clients."""
    think: Annotated[Think, Shorthand(Quantity(DURATION))]
    """Think time: 10s, or {mean: 10s, distribution: exponential}."""


def spread_rules(distribution: str, cv: float | None) -> Iterator[Rule]:
    """Broken rules of a distribution and its coefficient of variation."""
    if distribution == "lognormal" and cv is None:
        yield (), "lognormal needs `cv`, its coefficient of variation, such as cv: 0.5"
    if distribution != "lognormal" and cv is not None:
        yield ("cv",), f"goes only with `distribution: lognormal` (it is {distribution})"


PROCESSES: dict[str, type[Strict]] = {
    "poisson": Poisson, "gamma": Gamma, "mmpp": Mmpp, "trace": Trace, "rates": Rates, "closed": Closed,
}  # fmt: skip
_BY_KEY = {
    "trace": "trace",
    "rates": "rates",
    "clients": "closed",
    "states": "mmpp",
    "cv": "gamma",
    "rate": "poisson",
}


def _choose(value: Any, members: Mapping[str, Any]) -> str:
    del members
    if not isinstance(value, dict):
        raise refuse("must be a mapping such as {process: poisson, rate: 100/s}")
    process = value.get("process")
    if process is None:
        keys = [key for key in _BY_KEY if key in value]
        keys = keys or [near for near in (nearest(str(key), _BY_KEY) for key in value) if near]
        if not keys:
            raise refuse(f"must say its `process` ({', '.join(PROCESSES)})")
        process = _BY_KEY[keys[0]]
    if not isinstance(process, str):
        raise refuse((("process",), f"must be one of {', '.join(PROCESSES)}"))
    if process not in PROCESSES:
        raise refuse((("process",), unknown("process", process, PROCESSES)))
    return tag_of(PROCESSES[process])


Workload = Annotated[Poisson | Gamma | Mmpp | Trace | Rates | Closed, Choice(_choose)]
