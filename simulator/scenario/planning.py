"""Section ``planner``: what is searched, and what must hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field

from simulator.scenario.base import Rule, Strict, by_key
from simulator.scenario.deployment import ExitMode
from simulator.scenario.exits import ExitRule
from simulator.scenario.quantities import (
    Count,
    Duration,
    FileName,
    Name,
    OpenShare,
    PositiveDuration,
    PositiveFactor,
    Precision,
    Price,
    Share,
    Text,
)
from simulator.scenario.times import MAX_BATCH, batch_sizes

BatchSize = Annotated[int, Field(ge=1, le=MAX_BATCH)]
Execution = Literal["parallel", "serial"]
Weights = Literal["resident", "streamed"]


class LoadHistory(Strict):
    """A recorded load, and where its forecast begins."""

    series: FileName
    """File of counts per interval (csv or csv.gz), relative to the scenario."""
    column: Text = "requests"
    """Column of the counts."""
    interval: PositiveDuration | None = None
    """Length of one interval [s]; left out: as the file's times tell."""
    at: Duration | None = None
    """Instant of the record where the history ends and the run begins [s]; left out: its end."""
    scale: PositiveFactor = 1.0
    """Factor on the counts."""


class LoadHistories(Strict):
    """Recorded loads of several services."""

    services: Annotated[dict[Name, LoadHistory], Field(min_length=1)]
    """The record of each service; the others have the load of the scenario."""


ForecastChoice = Annotated[
    LoadHistory | LoadHistories,
    by_key(
        "{series: load.csv, interval: 10min} or {services: {chat: {series: load.csv}}}",
        {"series": LoadHistory, "services": LoadHistories, "column": LoadHistory, "interval": LoadHistory},
    ),
]


class SurviveDevices(Strict):
    """The objective holds after the loss of some devices, whichever they are."""

    devices: Count
    """Replicas that may be lost at once."""


class SurvivePool(Strict):
    """The objective holds after the loss of a whole pool."""

    pool: Literal["any"]
    """Every portion then has replicas in two pools, each enough for the whole load."""


Survive = Annotated[
    SurviveDevices | SurvivePool,
    by_key("{devices: 1} or {pool: any}", {"devices": SurviveDevices, "pool": SurvivePool}),
]


class Search(Strict):
    """The values that are tried."""

    batch: Annotated[tuple[BatchSize, ...], Field(strict=False, min_length=1)] = (1, 2, 4, 8, 16, 32, 64)
    """Batch sizes, ascending."""
    max_cuts: Annotated[int, Field(ge=0, le=1_000)] = 3
    """Largest number of cuts."""
    precision: Annotated[tuple[Precision, ...], Field(strict=False, min_length=1)] = ("fp16",)
    """Precisions; every portion chooses its own."""
    exit_mode: Annotated[tuple[ExitMode, ...], Field(strict=False, min_length=1)] | None = None
    """Exit modes; left out: none, and with a model that has exits also compact and at_cut."""
    execution: Annotated[tuple[Execution, ...], Field(strict=False, min_length=1)] = ("parallel",)
    """Whether portions are on replicas of their own, or one after another on the same (at_cut only)."""
    exit_rules: Annotated[tuple[ExitRule, ...], Field(strict=False, min_length=1, max_length=100)] | None = Field(
        default=None, alias="rules"
    )
    """Exit rules such as [{confidence: 0.7}, {confidence: 0.9}]; left out: the model's own."""
    max_wait: Annotated[tuple[Duration, ...], Field(strict=False, min_length=1, max_length=100)] = (0.0,)
    """Longest times that a request waits for its batch to fill [s]."""
    pools: Annotated[tuple[Name, ...], Field(strict=False, min_length=1)] | None = None
    """Pools that may be used; left out: all."""
    weights: Annotated[tuple[Weights, ...], Field(strict=False, min_length=1)] = ("resident",)
    """Whether weights stay on the device, or come from the parameter server for every batch."""
    evaluations: Count = 2000
    """Most simulations of a service in a window."""

    def rules(self) -> Iterator[Rule]:
        """Lists without repetition and without contradiction."""
        yield from batch_sizes(self.batch, "batch")
        for key in ("precision", "exit_mode", "execution", "pools", "weights"):
            values = getattr(self, key)
            if values is not None and len(set(values)) < len(values):
                yield (key,), f"must not repeat a {WORDS[key]}"
        if any(low >= high for low, high in pairwise(self.max_wait)):
            yield ("max_wait",), "must be ascending, without repetition"
        if self.exit_mode is None:
            return
        if set(self.exit_mode) == {"at_cut"} and self.max_cuts == 0:
            yield ("max_cuts",), "leaves nothing to search: `exit_mode: [at_cut]` needs a cut"
        if "at_cut" not in self.exit_mode and "parallel" not in self.execution:
            yield (
                ("execution",),
                "leaves nothing to search: only `at_cut` runs in serial, and `exit_mode` leaves it out",
            )
        if set(self.exit_mode) == {"compact"} and "resident" not in self.weights:
            yield ("weights",), "leaves nothing to search: streamed weights go not with `exit_mode: compact`"
        if set(self.exit_mode) == {"none"} and self.exit_rules is not None:
            yield ("rules",), "leaves nothing to rule: `exit_mode` is none, nobody exits early"


WORDS = {
    "precision": "precision",
    "exit_mode": "mode",
    "execution": "way of execution",
    "pools": "pool",
    "weights": "way of the weights",
}


class Verification(Strict):
    """How a plan is simulated before it is written."""

    replications: Annotated[int, Field(ge=2, le=10_000)] = 10
    """Runs of the whole horizon; one more run meets the objective as surely as their spread tells."""


class Planner(Strict):
    """What the planner optimises."""

    objective: Literal["cost", "goodput", "attainment"] = "cost"
    """The least cost that meets the objectives, the most goodput of the cluster, or the most attainment of a budget."""
    budget_per_hour: Annotated[Price, Field(gt=0)] | None = None
    """Most that may be spent per hour (objective attainment)."""
    window: PositiveDuration | None = None
    """Length of one planning interval [s]; left out: one plan for the whole run."""
    quantile: OpenShare = 0.95
    """Quantile of the load forecast that a plan must carry."""
    survival_quantile: Annotated[OpenShare, Field(ge=0.5)] = 0.95
    """How surely no more requests stay than planned for, as the rows of exits tell; 0.5: as many as measured."""
    accuracy_floor: Share | None = None
    """Smallest accepted accuracy."""
    forecast: ForecastChoice | None = None
    """Load histories that are forecast; left out: the load of the scenario."""
    survive: Survive | None = None
    """Losses after which the objective still holds: {devices: 1} or {pool: any}; left out: none."""
    switch_cost: Price = 0.0
    """Price of every replica that is added between windows, beside what it costs while it loads."""
    search: Search = Search()
    """The values that are tried."""
    verification: Verification = Verification()
    """How a plan is simulated before it is written."""

    def rules(self) -> Iterator[Rule]:
        """A budget belongs to one objective; two pools to a plan that survives the loss of one."""
        if self.objective == "attainment" and self.budget_per_hour is None:
            yield ("objective",), "`attainment` needs `budget_per_hour`: how much may be spent"
        if self.objective != "attainment" and self.budget_per_hour is not None:
            yield ("budget_per_hour",), f"goes only with `objective: attainment` (it is {self.objective})"
        if not isinstance(self.survive, SurvivePool):
            return
        if self.search.pools is not None and len(self.search.pools) < 2:
            yield ("survive",), "needs two pools: `search.pools` names one"
        if "parallel" not in self.search.execution:
            yield ("survive",), "goes not with `search.execution: [serial]`, which stands in one pool"

    def history_of(self, service: str, services: Sequence[str]) -> LoadHistory | None:
        """The load history of a service; one that stands without a name is that of the only service."""
        if isinstance(self.forecast, LoadHistories):
            return self.forecast.services.get(service)
        return self.forecast if list(services) == [service] else None
