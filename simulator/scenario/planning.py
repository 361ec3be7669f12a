"""Section ``planner``: what is searched, and what must hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from simulator.scenario.base import Rule, Strict
from simulator.scenario.quantities import OpenShare, PositiveDuration, Precision, Share
from simulator.scenario.times import MAX_BATCH, batch_sizes

BatchSize = Annotated[int, Field(ge=1, le=MAX_BATCH)]


class Search(Strict):
    """The values that are tried."""

    batch: Annotated[tuple[BatchSize, ...], Field(strict=False, min_length=1)] = (1, 2, 4, 8, 16, 32, 64)
    """Batch sizes, ascending."""
    max_cuts: Annotated[int, Field(ge=0, le=1_000)] = 3
    """Largest number of cuts."""
    precision: Annotated[tuple[Precision, ...], Field(strict=False, min_length=1)] = ("fp16",)
    """Precisions."""

    def rules(self) -> Iterator[Rule]:
        """Lists without repetition."""
        yield from batch_sizes(self.batch, "batch")
        if len(set(self.precision)) < len(self.precision):
            yield ("precision",), "must not repeat a precision"


class Planner(Strict):
    """What the planner optimises."""

    objective: Literal["cost"] = "cost"
    """What is made as small as possible."""
    window: PositiveDuration | None = None
    """Length of one planning interval [s]; left out: one plan for the whole run."""
    quantile: OpenShare = 0.95
    """Quantile of the load forecast that a plan must carry."""
    accuracy_floor: Share | None = None
    """Smallest accepted accuracy."""
    search: Search = Search()
    """The values that are tried."""
