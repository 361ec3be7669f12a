"""Number formats chosen for layers, and what they cost in accuracy."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from simulator.scenario.base import Choice, Rule, Strict, by_shape
from simulator.scenario.quantities import Precision, Share, Text


def _word_or_mapping(value: Any, members: Mapping[str, Any]) -> str:
    del members
    return "<mapping>" if isinstance(value, dict) else "<word>"  # the words then say which they are


PrecisionChoice = Annotated[Precision | Annotated[dict[Text, Precision], Field(min_length=1)], Choice(_word_or_mapping)]
"""A precision such as int8, or precisions by layer such as {block: int8, head: fp16}."""
LossByPrecision = dict[
    Precision,
    Annotated[
        Share | Annotated[dict[Text, Share], Field(min_length=1)],
        by_shape("the loss of the whole model such as 0.4%, or losses by layer such as {block: 0.3%, head: 0.1%}"),
    ],
]


class ModelAccuracy(Strict):
    """Share of right answers, and what number formats take from it."""

    full: Share | None = None
    """Share of the requests that the whole model answers right at 16 or 32 bits; left out: as its exit rows tell."""
    loss: LossByPrecision = Field(default_factory=dict)
    """Accuracy lost when all layers are at a precision, such as {int8: 0.4%}, or the layers named: {int8: {head: 1%}}.

    Losses add up; a precision of 16 bits or more loses nothing unless it is named."""

    def rules(self) -> Iterator[Rule]:
        """Nothing loses more than there is."""
        if self.full is None:
            return
        for precision, loss in self.loss.items():
            total = sum(loss.values()) if isinstance(loss, dict) else loss
            if total > self.full:
                yield ("loss", precision), f"must be at most the full accuracy of {self.full:g}, sums to {total:g}"


def named_layers(key: str, names: Sequence[str]) -> list[int]:
    """Layers (from 0) that a key stands for: those of that name, or a range such as 1-4, counted from 1.

    >>> named_layers("block", ["block", "block", "head"]), named_layers("2-3", ["block", "block", "head"])
    ([0, 1], [1, 2])
    """
    found = [layer for layer, name in enumerate(names) if name == key]
    match = re.fullmatch(r"([0-9]{1,6})(?:-([0-9]{1,6}))?", key)
    if found or match is None:
        return found
    first, last = int(match[1]), int(match[2] or match[1])
    return list(range(first - 1, last)) if 1 <= first <= last <= len(names) else []


def by_layer(keys: Iterable[str], names: Sequence[str]) -> tuple[dict[int, str], Mapping[str, str]]:
    """The key of each layer (from 0), and what is wrong with keys: unknown layers, or layers that have a key already.

    >>> by_layer(["block", "2"], ["block", "block", "head"])
    ({0: 'block', 1: 'block'}, {'2': "layer 2 (block) is in 'block' already"})
    """
    found: dict[int, str] = {}
    wrong: dict[str, str] = {}
    for key in keys:
        layers = named_layers(key, names)
        taken = next((layer for layer in layers if layer in found), None)
        if not layers:
            known = ", ".join(dict.fromkeys(names[:50]))
            wrong[key] = f"names no layer: the model has {known} (1-{len(names)})"
        elif taken is not None:
            wrong[key] = f"layer {taken + 1} ({names[taken]}) is in {found[taken]!r} already"
        else:
            found |= dict.fromkeys(layers, key)
    return found, wrong
