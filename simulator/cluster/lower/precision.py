"""Number formats of a model's layers: which a portion uses, and what is left of the accuracy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np

from simulator.cluster.lowered import Floats
from simulator.costs.base.precision import PRECISIONS
from simulator.errors import Problem, ScenarioError
from simulator.scenario.deployment import Portion
from simulator.scenario.precision import ModelAccuracy, by_layer

REFERENCE_BYTES = 2.0
"""Formats with fewer bytes for each weight than this are not assumed to be harmless."""
Served: TypeAlias = "tuple[float, Portion, tuple[str, ...]]"
"""A kind of replica that serves a portion: its replicas, the portion as written, and the formats of its layers."""


def is_lossy(precision: str) -> bool:
    """Whether a precision may cost accuracy where nobody says how much."""
    return PRECISIONS[precision].weight_bytes < REFERENCE_BYTES


def formats_of(names: Sequence[str], portion: Portion) -> tuple[str, ...]:
    """Precision of every layer of a portion; ``names`` are those of all layers of the model.

    Problems have no place of their own: their path is the wrong key, if there is one.
    """
    first, last = portion.layers.first - 1, portion.layers.last
    if isinstance(portion.precision, str):
        return (portion.precision,) * (last - first)
    keys, wrong = by_layer(portion.precision, names)
    if wrong:
        raise ScenarioError([Problem(message, path=key) for key, message in wrong.items()])
    missing = next((layer for layer in range(first, last) if layer not in keys), None)
    if missing is not None:
        raise ScenarioError(Problem(f"layer {missing + 1} ({names[missing]}) has no precision: name it, or its range"))
    return tuple(portion.precision[keys[layer]] for layer in range(first, last))


def spoken(formats: Iterable[str]) -> str:
    """Formats as a message has them."""
    return " and ".join(sorted(set(formats)))


@dataclass(frozen=True)
class AccuracyLoss:
    """What each layer of a model loses at each precision.

    ``written`` as in the scenario; ``names`` of all layers. The loss of several layers is the sum of theirs, an
    approximation that `plan calibrate precision` measures; a loss told for layers together is theirs in equal parts.
    """

    written: ModelAccuracy
    names: tuple[str, ...]

    @cached_property
    def by_precision(self) -> Mapping[str, Floats]:
        """Accuracy lost by layer at each precision that the scenario names, shape (layers,); NaN where nobody said."""
        found = {}
        for precision, loss in self.written.loss.items():
            lost = np.full(len(self.names), np.nan)
            if isinstance(loss, dict):
                keys, wrong = by_layer(loss, self.names)
                if wrong:
                    raise ScenarioError([Problem(message, path=f"{precision}.{key}") for key, message in wrong.items()])
                for key, value in loss.items():
                    mine = [layer for layer, name in keys.items() if name == key]
                    lost[mine] = value / len(mine)
            else:
                lost[:] = loss / len(self.names)
            found[str(precision)] = lost
        return found

    def at(self, layer: int, precision: str) -> float:
        """Accuracy lost by a layer (from 0) at a precision; 0 where nobody said."""
        return float(self.by_precision[precision][layer]) if self.tells(layer, precision) else 0.0

    def tells(self, layer: int, precision: str) -> bool:
        """Whether anybody said what a layer (from 0) loses at a precision."""
        return precision in self.by_precision and not np.isnan(self.by_precision[precision][layer])


def untold(loss: AccuracyLoss | None, portions: Sequence[Sequence[Served]]) -> set[str]:
    """Formats that may cost accuracy though nobody says how much: ``int8``, or ``int8 in layers 1-3, 7``.

    ``portions`` as for :func:`kept`.
    """
    silent: dict[str, set[int]] = {}
    for _, written, formats in (kind for kinds in portions for kind in kinds):
        for place, precision in enumerate(formats, start=written.layers.first - 1):
            if is_lossy(precision) and (loss is None or not loss.tells(place, precision)):
                silent.setdefault(precision, set()).add(place)
    partly = {} if loss is None else loss.by_precision
    return {f"{one} in layers {_ranges(found)}" if one in partly else one for one, found in silent.items()}


def _ranges(layers: set[int]) -> str:
    """Layers (from 0) as people count them: ``1-3, 7``."""
    starts = sorted(layer for layer in layers if layer - 1 not in layers)
    ends = sorted(layer for layer in layers if layer + 1 not in layers)
    return ", ".join(str(a + 1) if a == b else f"{a + 1}-{b + 1}" for a, b in zip(starts, ends))


def kept(loss: AccuracyLoss, full: float, portions: Sequence[Sequence[Served]]) -> Floats:
    """Share of the right answers that stay right, by the layer after which an answer leaves, shape (layers,).

    ``portions``: the kinds of replica of each; ``full``: accuracy of the whole model. Kinds of different precision
    count by their replicas, for who will serve a request is not known.
    """
    lost = np.zeros(len(loss.names))
    for kinds in portions:
        total = sum(weight for weight, _, _ in kinds)
        for weight, written, formats in kinds:
            for place, precision in enumerate(formats, start=written.layers.first - 1):
                lost[place] += weight / total * loss.at(place, precision)
    remaining: Floats = np.maximum(1.0 - np.cumsum(lost) / full, 0.0) if full > 0 else np.ones(len(lost))
    return remaining
