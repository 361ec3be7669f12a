"""Parts of a plan file: what it was made for, and what every window holds, states and predicts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from simulator.scenario.base import Rule, Strict
from simulator.scenario.deployment import Deployment
from simulator.scenario.quantities import Count, Duration, Name, OpenShare, PositiveDuration, Rate, Share, Text


class PlannedScenario(Strict):
    """The scenario that a plan was made for."""

    path: Text | None = None
    """Its file, as it was named."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """SHA-256 of its text; another one is told when the plan is used."""
    variants: Annotated[tuple[Text, ...], Field(strict=False)] = ()
    """Variants that were applied."""
    sets: Annotated[tuple[Annotated[str, Field(max_length=1000)], ...], Field(strict=False)] = ()
    """Overrides `path=value` that were applied."""


class PlannedForecast(Strict):
    """The load forecast that a plan was sized for; the windows hold its rates."""

    series: Text
    """File of the load history."""
    quantile: OpenShare
    """Quantile of the load that every window carries."""


class Resources(Strict):
    """Replicas that serve one portion, or with serial execution all of them."""

    layers: Text
    """Layers that they run: 1-4, or 5."""
    pool: Name
    """Pool of the replicas."""
    replicas: Count
    """Number of replicas."""
    devices: Count
    """Devices of all these replicas together."""


class Stated(Strict):
    """A deployment in the five words of a plan: where the model is split, how large batches are, on what, and how.

    It follows from the deployment beside it, which is what runs; here it can be read at a glance.
    """

    splits: Annotated[tuple[Count, ...], Field(strict=False)] = ()
    """Layers after which the model is split."""
    batch: Annotated[tuple[Count, ...], Field(strict=False, min_length=1)]
    """Batch size of every portion; one entry where all are equal."""
    resources: Annotated[tuple[Resources, ...], Field(strict=False, min_length=1)]
    """Devices of every portion."""
    execution: Literal["parallel", "serial"]
    """Portions on replicas of their own, or one after another on the same."""


class SurvivalBand(Strict):
    """Share of the requests that still need what follows a layer: measured, and the band in which the plan holds."""

    after: Count
    """The layer."""
    measured: Share
    """Share that the exit table shows."""
    low: Share
    """Lowest share at which the plan is still the one to use."""
    high: Share
    """Highest share that the plan carries, for which it is sized; beyond, it must be made anew."""

    def rules(self) -> Iterator[Rule]:
        """The band has an inside."""
        if self.high < self.low:
            yield ("high",), f"must be at least `low`, {self.low:g}"


class Predicted(Strict):
    """What the simulation says of a service in a window."""

    p99: Annotated[float, Field(ge=0)] | None = None
    """99th percentile of the latency [s]."""
    attainment: Share | None = None
    """Share of the requests that meet the objective."""
    goodput: Annotated[float, Field(ge=0)] | None = None
    """Requests per second that meet it."""
    accuracy: Share | None = None
    """Share of right answers."""
    cost_per_hour: Annotated[float, Field(ge=0)] | None = None
    """Price of the devices that are held."""


class PlanWindow(Strict):
    """One window of a plan."""

    start: Duration
    """Start of the window."""
    end: PositiveDuration
    """End of the window."""
    rate: dict[Name, Rate] = Field(default_factory=dict)
    """Load that the window is sized for, by service."""
    services: Annotated[dict[Name, Deployment], Field(min_length=1)]
    """What is deployed, by service: as in a scenario."""
    stated: dict[Name, Stated] = Field(default_factory=dict)
    """The same in five words, by service."""
    survival: dict[Name, Annotated[tuple[SurvivalBand, ...], Field(strict=False)]] = Field(default_factory=dict)
    """Shares of requests that stay, by service: outside their band the plan must be made anew."""
    predicted: dict[Name, Predicted] = Field(default_factory=dict)
    """What the simulation says, by service."""


def stated(deployment: Deployment, devices_per_replica: dict[str, int]) -> Stated:
    """The five words of a deployment; ``devices_per_replica`` by pool."""
    serial = deployment.execution == "serial"
    cuts, portions = deployment.cuts, deployment.portions
    rows = []
    for portion in portions[:1] if serial else portions:
        replicas = (deployment.replicas if serial else portion.replicas) or 1
        layers = f"1-{cuts[-1].last}" if serial and cuts[-1].last > 1 else str(portion.layers)
        devices = replicas * devices_per_replica.get(portion.pool, 1)
        rows.append(Resources(layers=layers, pool=portion.pool, replicas=replicas, devices=devices))
    batch = tuple(portion.batch for portion in portions)
    return Stated(
        splits=tuple(layers.last for layers in cuts[:-1]),
        batch=batch[:1] if len(set(batch)) == 1 else batch,
        resources=tuple(rows),
        execution=deployment.execution,
    )
