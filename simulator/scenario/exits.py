"""Where requests leave a model: shares per ramp, or rows of a table with the rule that decides."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field

from simulator.scenario.base import Rule, Strict, by_key, by_shape, unknown
from simulator.scenario.quantities import Duration, Factor, FileName, Name, Share, Text

Shares = Annotated[tuple[Share, ...], Field(strict=False, min_length=1)]
Factors = Annotated[tuple[Factor, ...], Field(strict=False, min_length=1)]


class ProfileExits(Strict):
    """Shares of the requests that leave at each ramp; the rest runs to the end."""

    profile: Shares
    """Share leaving at each ramp, in layer order, such as [0, .37]; one more entry is the model's end."""

    def rules(self) -> Iterator[Rule]:
        """No more requests leave than there are."""
        total = math.fsum(self.profile)
        if total > 1 + 1e-9:
            yield ("profile",), f"must sum to at most 1, sums to {total:g}"


class ConfidenceRule(Strict):
    """A request leaves at the first ramp whose confidence is at least the threshold."""

    confidence: Annotated[Share | Shares, by_shape("a share such as 0.8, or one per ramp")]
    """Smallest top-class probability that answers, or one per ramp."""


class EntropyRule(Strict):
    """A request leaves at the first ramp whose entropy is below the threshold."""

    entropy: Annotated[Factor | Factors, by_shape("a number such as 0.3, or one per ramp")]
    """Entropy below which a prediction answers [nat], or one per ramp."""


class PatienceRule(Strict):
    """A request leaves once successive ramps agree often enough."""

    patience: Annotated[int, Field(ge=1, le=10_000)]
    """Successive ramps with the same answer after which a request leaves."""


ExitRule = Annotated[
    ConfidenceRule | EntropyRule | PatienceRule,
    by_key(
        "{confidence: 0.8}, {entropy: 0.3} or {patience: 2}",
        {"confidence": ConfidenceRule, "entropy": EntropyRule, "patience": PatienceRule},
    ),
]


class Blocks(Strict):
    """Blocks of neighbouring rows, shuffled anew in every pass through the table."""

    blocks: Annotated[int, Field(ge=1, le=1_000_000_000)]
    """Rows in one block; they keep their order."""


Order = Annotated[
    Literal["drawn", "replayed"] | Blocks, by_shape("drawn, replayed, or the length of shuffled blocks: {blocks: 200}")
]
Layers = Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(strict=False, min_length=1)]


class ConfusionRouter(Strict):
    """A router known by how often it chooses which exit."""

    confusion: Annotated[tuple[Shares, ...], Field(strict=False, min_length=1)]
    """For each true exit (a row) the share of its requests that the router sends to each exit (the columns)."""

    def rules(self) -> Iterator[Rule]:
        """As many chosen exits as true ones; every request is sent somewhere."""
        for index, row in enumerate(self.confusion):
            if len(row) != len(self.confusion):
                yield (
                    ("confusion", index),
                    f"must have {len(self.confusion)} shares, one per exit, as there are so many rows; has {len(row)}",
                )
            elif abs(math.fsum(row) - 1) > 1e-6:
                yield ("confusion", index), f"must sum to 1, sums to {math.fsum(row):g}"


class RouterFile(Strict):
    """A router whose confusion matrix stands in a file."""

    table: FileName
    """File with the columns true_exit and chosen_1, chosen_2, .., as `plan calibrate ramps` writes router.csv."""


class RecordedRouter(Strict):
    """A router whose choice for every row is known."""

    column: Text
    """Column of the exit table with the exit that the router chose for the row, counted from 1."""


Router = Annotated[
    ConfusionRouter | RouterFile | RecordedRouter,
    by_key(
        "{confusion: [[.9, .1], [.2, .8]]}, {table: router.csv} or {column: routed}",
        {"confusion": ConfusionRouter, "table": RouterFile, "column": RecordedRouter},
    ),
]


class Rows(Strict):
    """What all exits of measured rows say."""

    rule: ExitRule
    """When a request leaves: {confidence: 0.8}, {entropy: 0.3} or {patience: 2}."""
    order: Order = "drawn"
    """Which row a request replays: drawn by chance, replayed in the file's order, or {blocks: rows} shuffled."""
    after: Layers | None = None
    """Layers that the table's exits but the last follow; left out: those of `ramps`, or all where they are as many."""
    router: Router | None = None
    """Chooses the exit of a request before it runs, by a confusion matrix or as recorded; left out: the ramps do."""

    def rules(self) -> Iterator[Rule]:
        """Layers ascend."""
        if self.after is not None and any(low >= high for low, high in pairwise(self.after)):
            yield ("after",), "must be ascending, without repetition"


class TableExits(Rows):
    """Rows of measured predictions at every ramp, replayed whole, and the rule that decides."""

    table: FileName
    """File with one row per sample and the prediction of every ramp."""
    split: Text | None = None
    """Only the rows whose column `split` has this value; left out: all rows."""


class TableFile(Strict):
    """One table of a mix, or the part of a file."""

    file: FileName
    """File with one row per sample and the prediction of every ramp."""
    split: Text | None = None
    """Only the rows whose column `split` has this value; left out: all rows."""


class MixPoint(Strict):
    """Shares of the tables at one instant."""

    at: Duration
    """Instant of the run [s]."""
    shares: dict[Name, Share]
    """Share of the requests that replay rows of each table; those left out have none."""

    def rules(self) -> Iterator[Rule]:
        """Every request has a table."""
        total = math.fsum(self.shares.values())
        if abs(total - 1) > 1e-9:
            yield ("shares",), f"must sum to 1, sum to {total:g}"


class MixedExits(Rows):
    """Rows of several tables whose shares among the requests drift: the inputs become harder, or easier."""

    tables: Annotated[
        dict[Name, Annotated[FileName | TableFile, by_shape("a file name or {file, split}")]], Field(min_length=1)
    ]
    """Tables by name, with the same exits: {easy: easy.csv, hard: {file: rows.csv, split: dev}}."""
    mix: Annotated[tuple[MixPoint, ...], Field(strict=False, min_length=1)]
    """Shares of the tables over time: [{at: 0s, shares: {easy: 90%, hard: 10%}}, {at: 5min, shares: {hard: 1}}]."""
    change: Literal["linear", "step"] = "linear"
    """Between the instants of the mix, shares move along straight lines, or stay as they are (step)."""

    @property
    def sources(self) -> Mapping[str, TableFile]:
        """The tables by name, every one as file and split."""
        return {name: TableFile(file=given) if isinstance(given, str) else given for name, given in self.tables.items()}

    def rules(self) -> Iterator[Rule]:
        """The mix starts at 0, ascends, and names tables that there are."""
        yield from super().rules()
        if self.mix[0].at != 0:
            yield ("mix", 0, "at"), "must be 0s: the shares from the start on"
        for index, (before, here) in enumerate(pairwise(self.mix), start=1):
            if here.at <= before.at:
                yield ("mix", index, "at"), "must be later than the instant before it"
        for index, point in enumerate(self.mix):
            for name in point.shares:
                if name not in self.tables:
                    yield ("mix", index, "shares", name), unknown("table", name, self.tables)


Exits = Annotated[
    ProfileExits | TableExits | MixedExits,
    by_key(
        "{profile: [0, .37, ...]}, {table: file.csv, rule: {confidence: 0.8}} or {tables: {..}, mix: [..], rule: ..}",
        {"profile": ProfileExits, "table": TableExits, "tables": MixedExits, "mix": MixedExits, "rule": TableExits},
    ),
]
