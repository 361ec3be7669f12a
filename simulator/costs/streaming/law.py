"""The law of a step's time that a calibration finds: equal layers, the exact recurrence, few constants."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simulator.costs.base.law import Bools, Floats, as_batch, nowhere, require
from simulator.costs.streaming.layers import Layer
from simulator.costs.streaming.link import Link
from simulator.costs.streaming.recurrence import Visit, run
from simulator.errors import Problem, ScenarioError

FORWARD_SHARE = 1.0 / 3.0
"""Share of the compute that is forward where weights are frozen: the backward pass recomputes and takes the input
gradient, each as long as the forward pass. With a weight gradient it is a quarter; in inference it is 1."""


def equal_seconds(
    layers: int, kept: int, slots: int, load_s: ArrayLike, forward_s: ArrayLike, backward_s: ArrayLike
) -> NDArray[np.float64]:
    """Time of a step of equal layers whose computation is given by visit, broadcast over the last three [s].

    ``kept``: layers still there at the turn; ``backward_s`` of 0 everywhere is inference: one pass, no turn.
    """
    load, forward, backward = np.broadcast_arrays(*(np.asarray(one, float) for one in (load_s, forward_s, backward_s)))
    training = bool((backward > 0.0).any())
    again = layers - min(kept, slots, layers)
    visits = [Visit(i, False, forward, (load,), releases=not training or i < again) for i in range(layers)]
    if training:
        visits += [Visit(i, True, backward, (load,) if i < again else ()) for i in reversed(range(layers))]
    return run(visits, slots).finish


@dataclass(frozen=True, slots=True)
class StreamingLaw:
    """Time of one step of a layer-streamed model, as a function of the group (microbatches in each visit).

    Each of ``layers`` visits computes for an equal share of ``constant_s + k item_s`` [s], of which ``forward_share``
    (of the second term) is forward; each of ``loads`` transfers an equal share of ``step_bytes`` [B] and ``copies`` at
    ``bandwidth`` [B/s] and ``latency_s`` [s] a copy; ``slots`` layers have room on the device. ``bandwidth`` None: the
    measured transfers were hidden at every group, the law is the compute alone. The time is that of the exact
    recurrence (``equal_seconds``). An item is a microbatch of ``item_tokens`` tokens (None: not told).

    >>> law = StreamingLaw(layers=80, loads=160, step_bytes=16e9, bandwidth=1e9, item_s=10.0, slots=2)
    >>> law.seconds([1, 2, 4]).round(2).tolist()
    [16.08, 21.43, 40.1]
    """

    layers: int
    loads: int
    item_s: float
    constant_s: float = 0.0
    step_bytes: float = 0.0
    bandwidth: float | None = None
    latency_s: float = 0.0
    copies: float = 0.0
    slots: int = 2
    forward_share: float = FORWARD_SHARE
    item_tokens: float | None = None
    name: ClassVar[str] = "streaming"

    def __post_init__(self) -> None:
        optional = {key: getattr(self, key) for key in ("bandwidth", "item_tokens") if getattr(self, key) is not None}
        require(self.name, at_least=5e-324, item_s=self.item_s, **optional)
        for key in ("constant_s", "step_bytes", "latency_s", "copies"):
            require(self.name, **{key: getattr(self, key)})
        for key in ("layers", "loads", "slots"):
            require(self.name, at_least=1.0, **{key: getattr(self, key)})
            object.__setattr__(self, key, int(getattr(self, key)))
        if not 0.0 < self.forward_share <= 1.0:
            raise ScenarioError(
                Problem(f"must be above 0 and at most 1, got {self.forward_share}", path="forward_share")
            )

    @property
    def kept(self) -> int:
        """Layers still on the device at the turn."""
        return kept_at_turn(self.layers, self.loads)

    @property
    def load_s(self) -> float:
        """Time of one load [s]; 0 where transfers were hidden."""
        if self.bandwidth is None:
            return 0.0
        return (self.step_bytes / self.bandwidth + self.copies * self.latency_s) / self.loads

    def seconds(self, batch: ArrayLike) -> Floats:
        """Time of a step at each group size [s], same shape as ``batch``."""
        k = as_batch(batch)
        forward, backward = visit_seconds(self.layers, self.constant_s, k * self.item_s, self.forward_share)
        return equal_seconds(self.layers, self.kept, self.slots, self.load_s, forward, backward)

    def compute_seconds(self, batch: ArrayLike) -> Floats:
        """Time of a step whose transfers take no time [s]."""
        return self.constant_s + as_batch(batch) * self.item_s

    def extrapolates(self, batch: ArrayLike) -> Bools:
        """Nowhere: a formula has no last row."""
        return nowhere(batch)

    def parameters(self) -> dict[str, Any]:
        """Parameters by field name; ``law_from_parameters`` reads them back."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def scaled(self, factor: float) -> StreamingLaw:
        """The law with every time multiplied by ``factor``."""
        return replace(
            self,
            item_s=self.item_s * factor,
            constant_s=self.constant_s * factor,
            latency_s=self.latency_s * factor,
            bandwidth=None if self.bandwidth is None else self.bandwidth / factor,
        )

    def layer(self) -> Layer:
        """One of its equal layers, for a ``Streamed`` of as many."""
        share = self.forward_share * self.item_s / self.layers
        whole = self.item_s / self.layers
        return Layer(
            weight_bytes=self.step_bytes / self.loads,
            forward_s=share,
            backward_s=whole - share,
            visit_s=self.constant_s / _visits(self.layers, self.forward_share),
            copies=1,
        )

    def link(self) -> Link:
        """Its link, where one was seen; a layer of several copies has all their latencies in one."""
        if self.bandwidth is None:
            raise ScenarioError(
                Problem("transfers were hidden in every row: measure a smaller group", path="bandwidth")
            )
        return Link(self.bandwidth, self.latency_s * self.copies / self.loads)


def kept_at_turn(layers: int, loads: int) -> int:
    """Layers that a training step does not load again: 2 L less the loads.

    >>> kept_at_turn(80, 159), kept_at_turn(32, 61)
    (1, 3)
    """
    return max(0, 2 * layers - loads)


def visit_seconds(layers: int, constant: ArrayLike, items: ArrayLike, share: float) -> tuple[Floats, Floats]:
    """Compute of one forward and one backward visit [s]: constants by visit, items by their forward share."""
    each = np.asarray(constant, dtype=np.float64) / _visits(layers, share)
    work = np.asarray(items, dtype=np.float64) / layers
    backward: Floats = each + (work - share * work) if share < 1.0 else np.zeros_like(each + work)
    return each + share * work, backward


def _visits(layers: int, share: float) -> int:
    return layers if share == 1.0 else 2 * layers
