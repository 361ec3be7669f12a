"""Where requests leave a model: shares per ramp, or rows of a table with the rule that decides."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from simulator.scenario.base import Rule, Strict, by_key, by_shape
from simulator.scenario.quantities import Factor, FileName, Share

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


class TableExits(Strict):
    """Rows of measured predictions at every ramp, replayed whole, and the rule that decides."""

    table: FileName
    """File with one row per sample and the prediction of every ramp."""
    rule: ExitRule
    """When a request leaves: {confidence: 0.8}, {entropy: 0.3} or {patience: 2}."""


Exits = Annotated[
    ProfileExits | TableExits,
    by_key(
        "{profile: [0, .37, ...]} or {table: file.csv, rule: {confidence: 0.8}}",
        {"profile": ProfileExits, "table": TableExits, "rule": TableExits},
    ),
]
