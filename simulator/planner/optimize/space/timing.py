"""What every run of layers takes on every kind of replica that the search may use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Literal

import numpy as np

from simulator.cluster.lower.hardware import Hardware
from simulator.cluster.lower.layers import ModelCosts
from simulator.cluster.lower.portions import load_seconds, steps_of, weights_of
from simulator.errors import ScenarioError
from simulator.planner.optimize.problem import Floats, Ints
from simulator.scenario.deployment import LayerRange, Portion
from simulator.scenario.planning import Weights
from simulator.scenario.quantities import Precision

Refusal = Literal["device", "slower"]
"""A kind of replica that cannot run the model, or is slower than another one in everything."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of replica: device type, number format, and where its weights are."""

    pool: int
    pool_name: str
    precision: Precision
    weights: Weights

    def __str__(self) -> str:
        streamed = ", streamed weights" if self.weights == "streamed" else ""
        return f"{self.pool_name} at {self.precision}{streamed}"


@dataclass(frozen=True, eq=False)
class Spans:
    """Every run of layers start+1 .. end on one kind of replica, by [start, end, number of the batch size].

    ``full_s``: a full batch [s], infinite where it does not fit the memory; ``item_s``: the least time per request of
    any fill up to that batch [s].
    """

    full_s: Floats
    item_s: Floats


@dataclass(frozen=True, eq=False)
class Bench:
    """One kind of replica at work: tables of the same steps that the simulation runs.

    ``ramps``: layers with a ramp; ``sizes``: batch sizes that are looked at, ascending.
    """

    costs: ModelCosts
    hardware: Hardware
    kind: Kind
    ramps: tuple[int, ...]
    sizes: tuple[int, ...]
    layer_s: Floats
    """(layers, largest batch + 1): time of each layer [s]; without the loads of streamed weights."""
    ramp_s: Floats
    """The same for the ramp after each layer, 0 where there is none."""
    _spans: dict[tuple[bool, bool], Spans] = field(default_factory=dict)

    @property
    def layers(self) -> int:
        """Layers of the model."""
        return len(self.layer_s)

    @property
    def devices(self) -> int:
        """Devices of one replica."""
        return self.hardware.pool.devices_per_replica

    @cached_property
    def output_bytes(self) -> Floats:
        """(layers,): size of one item's output of each layer [B]."""
        return np.array([self.costs.output_bytes(layer, self.kind.precision) for layer in range(self.layers)])

    @property
    def up(self) -> float:
        """Share of the time that a replica is not failed."""
        faults = self.hardware.pool.faults
        return 1.0 if faults is None else faults.mtbf / (faults.mtbf + faults.mttr)

    def portion(self, start: int, end: int, batch: int) -> Portion:
        """Layers start+1 .. end as a portion."""
        layers = LayerRange(first=start + 1, last=end)
        kind = self.kind
        return Portion(layers=layers, pool=kind.pool_name, batch=batch, precision=kind.precision, weights=kind.weights)

    def spans(self, last_ramp: bool = False, every_ramp: bool = False) -> Spans:
        """Times of every run of layers; with the ramp at its end (``last_ramp``), or with every ramp inside it."""
        key = last_ramp, every_ramp
        if key not in self._spans:
            make = self._streamed if self.kind.weights == "streamed" else self._resident
            self._spans[key] = _spans(*make(last_ramp, every_ramp), self.sizes, self._fits())
        return self._spans[key]

    def _resident(self, last_ramp: bool, every_ramp: bool) -> tuple[Floats, Ints]:
        """Times (spans, sizes) of runs (spans, 2) of resident layers."""
        layers, pairs = self.layers, _pairs(self.layers)
        inside = self.layer_s + self.ramp_s if every_ramp else self.layer_s
        total = np.concatenate([np.zeros((1, inside.shape[1])), np.cumsum(inside, axis=0)])
        at_end = np.concatenate([self.ramp_s[: layers - 1], np.zeros((1, inside.shape[1]))])
        found = total[pairs[:, 1]] - total[pairs[:, 0]]
        return found + at_end[pairs[:, 1] - 1] if last_ramp else found, pairs

    def _streamed(self, last_ramp: bool, every_ramp: bool) -> tuple[Floats, Ints]:
        pairs = _pairs(self.layers)
        found = []
        for start, end in pairs.tolist():
            mine = [layer for layer in self.ramps if start < layer <= end] if every_ramp or last_ramp else []
            active = tuple(layer for layer in mine if every_ramp or layer == end)
            portion = self.portion(start, end, self.sizes[-1])
            found.append(steps_of(self.costs, active, portion, self.hardware).seconds.sum(axis=0))
        return np.array(found), pairs

    def _fits(self) -> Floats:
        """0 where a run of layers and a batch fit the memory of a replica, else infinity: [start, end, size]."""
        layers = self.layers
        output = self.output_bytes.tolist()
        found = np.full((layers, layers + 1, len(self.sizes)), np.inf)
        memory = self.hardware.memory_bytes * self.devices
        sizes = np.array(self.sizes, dtype=np.float64)
        for start in range(layers):
            largest = 0.0
            for end in range(start + 1, layers + 1):
                largest = max(largest, output[end - 1])
                needed = self.held_bytes(start, end) + sizes * largest
                found[start, end] = np.where(needed <= memory, 0.0, np.inf)
        return found

    def held_bytes(self, start: int, end: int) -> float:
        """Weights of a run of layers that a replica holds [B]."""
        if self.kind.weights == "streamed":
            return weights_of(self.costs, [self.portion(start, end, 1)])
        return float(self._weights[end] - self._weights[start])

    @cached_property
    def _weights(self) -> Floats:
        """(layers + 1,): bytes of the weights of the first layers."""
        sizes = [self.costs.weight_bytes(layer, self.kind.precision) or 0.0 for layer in range(self.layers)]
        return np.concatenate([[0.0], np.cumsum(sizes)])

    def load_s(self) -> Floats:
        """(layers, layers + 1): what a joining replica of layers start+1 .. end loads and starts up [s]."""
        start_up, bandwidth = self.hardware.pool.start_up, self.hardware.load_bandwidth
        held = self._weights[None, :] - self._weights[:-1, None]
        if self.kind.weights == "streamed" or bandwidth is None:
            return np.full(held.shape, start_up)
        loading: Floats = np.maximum(held, 0.0) / bandwidth + start_up
        return loading


def _pairs(layers: int) -> Ints:
    """(spans, 2): every start < end."""
    start, end = np.triu_indices(layers + 1, k=1)
    return np.stack([start, end], axis=1).astype(np.int64)


def _spans(seconds: Floats, pairs: Ints, sizes: Sequence[int], fits: Floats) -> Spans:
    layers = int(pairs[:, 1].max())
    full = np.full((layers, layers + 1, len(sizes)), np.inf)
    item = np.full(full.shape, np.inf)
    per_item = np.minimum.accumulate(seconds[:, 1:] / np.arange(1, seconds.shape[1]), axis=1)
    for number, size in enumerate(sizes):
        full[pairs[:, 0], pairs[:, 1], number] = seconds[:, size]
        item[pairs[:, 0], pairs[:, 1], number] = per_item[:, size - 1]
    return Spans(full + fits, item + fits)


def benches(
    costs: ModelCosts,
    hardware: Sequence[tuple[int, Hardware]],
    precisions: Sequence[Precision],
    weights: Sequence[Weights],
    ramps: tuple[int, ...],
    sizes: tuple[int, ...],
) -> tuple[list[Bench], list[tuple[Kind, Refusal, str]]]:
    """Every kind of replica that can run the model, and those that cannot, with the reason.

    ``hardware``: the pools with their numbers in the plan.
    """
    found: list[Bench] = []
    refused: list[tuple[Kind, Refusal, str]] = []
    for (number, device), precision, way in product(hardware, precisions, weights):
        kind = Kind(number, device.name, precision, way)
        try:
            found.append(_bench(costs, device, kind, ramps, sizes))
        except ScenarioError as error:
            refused.append((kind, "device", "; ".join(problem.message for problem in error.problems)))
    return found, refused


def _bench(costs: ModelCosts, hardware: Hardware, kind: Kind, ramps: tuple[int, ...], sizes: tuple[int, ...]) -> Bench:
    layers = len(costs.layers)
    whole = Portion(
        layers=LayerRange(first=1, last=layers), pool=kind.pool_name, batch=sizes[-1], precision=kind.precision
    )
    steps = steps_of(costs, ramps, whole, hardware)
    follows = np.array(steps.ramp)
    ramp_s = np.zeros((layers, sizes[-1] + 1))
    ramp_s[follows[follows > 0] - 1] = steps.seconds[follows > 0]
    made = Bench(costs, hardware, kind, ramps, sizes, steps.seconds[follows == 0], ramp_s)
    if kind.weights == "streamed":  # a layer of unknown size cannot be streamed: say so now
        streamed = made.portion(0, layers, sizes[-1])
        found = steps_of(costs, (), streamed, hardware)
        load_seconds(costs, [streamed], [found], hardware.load_bandwidth)
    return made
