"""What each layer of a model costs on each pool: its law of time, its weights and its output."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from simulator import catalogue
from simulator.cluster.lower.hardware import Hardware, peak_at
from simulator.cluster.lower.precision import formats_of
from simulator.cluster.lowered import Floats
from simulator.costs.base import Affine, BatchLaw, Constant, CostGroup, RooflineLaw, Sum, Table
from simulator.costs.base.measured import find_costs, layer_names, read_measured
from simulator.costs.base.precision import PRECISIONS, NumberFormat
from simulator.costs.quantized.product import Efficiency, Product, ProductLayer, quantized_product
from simulator.errors import Problem, ScenarioError
from simulator.scenario import Scenario
from simulator.scenario.deployment import Portion
from simulator.scenario.model import Layer, Model
from simulator.scenario.times import AffineTime, ConstantTime, PrecisionTime, TableTime

FP16_BYTES = 2.0
"""Bytes of a value at the precision for which sizes are written."""
Bytes: TypeAlias = Callable[[NumberFormat], float]
"""Bytes of one value in a number format."""
WEIGHT: Bytes = attrgetter("weight_bytes")
OUTPUT: Bytes = attrgetter("output_bytes")


def law_of(time: ConstantTime | AffineTime | TableTime, floor: BatchLaw | None = None) -> BatchLaw:
    """The law that a written time stands for."""
    if isinstance(time, ConstantTime):
        return Constant(time.seconds)
    if isinstance(time, AffineTime):
        return Affine(time.overhead, time.per_item)
    batches = sorted(time.per_batch)
    return Table(tuple(batches), tuple(time.per_batch[b] for b in batches), floor)


@dataclass(frozen=True, slots=True)
class LayerCost:
    """Law of time of a layer, and the largest batch that was measured when the law itself does not know."""

    law: BatchLaw
    measured_to: float = math.inf

    def extrapolates(self, batch: int) -> bool:
        """Whether a batch is larger than any that was measured."""
        return batch > self.measured_to or bool(self.law.extrapolates(batch))


@dataclass(frozen=True)
class ModelCosts:
    """Costs of one model of the scenario."""

    scenario: Scenario
    name: str
    model: Model
    _found: dict[tuple[int, str, str], LayerCost] = field(default_factory=dict)
    _seconds: dict[tuple[int, int], Floats] = field(default_factory=dict)

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """One entry per layer, ``repeat`` resolved; equal layers are the same object."""
        if self.model.layers is not None:
            return tuple(layer for layer in self.model.layers for _ in range(layer.repeat))
        if self.known is not None:
            weights, outputs = self.known.weight_bytes_per_layer, self.known.output_bytes
            return tuple(
                Layer.model_construct(name=f"{self.known.name}-{i}", weights=weights, output=out)
                for i, out in enumerate(outputs, start=1)
            )
        if self.measured and self.measured[0].kind == "gemm":
            raise self._error(
                ("measured",), ScenarioError("holds times of products (kind gemm): give `layers` with `products`")
            )
        return tuple(Layer.model_construct(name=name) for name in layer_names(self.measured) or (self.name,))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Name of every layer."""
        return tuple(layer.name for layer in self.layers)

    def formats(self, portion: Portion) -> tuple[str, ...]:
        """Precision of every layer of a portion; a problem without a place is one of its `precision`."""
        return formats_of(self.names, portion)

    @cached_property
    def known(self) -> catalogue.CatalogueModel | None:
        """The model of the catalogue, if it is one."""
        if self.model.catalogue is None:
            return None
        try:
            return catalogue.model(self.model.catalogue)
        except ScenarioError as error:
            raise self._error(("catalogue",), error) from None

    @cached_property
    def measured(self) -> list[CostGroup]:
        """Measured groups, if the model names a file of them."""
        if self.model.measured is None:
            return []
        try:
            return read_measured(self.scenario.source.folder / self.model.measured)
        except ScenarioError as error:
            raise self._error(("measured",), error) from None

    def cost(self, layer: int, hardware: Hardware, precision: str) -> LayerCost:
        """Cost of a layer (from 0) on a pool at a precision; the same object for equal layers.

        A problem without a place is one of the portion that asks: its device does not have the precision.
        """
        same = id(self.layers[layer]) if self.known is None else 0
        key = (same, hardware.name, precision)
        if key not in self._found:
            self._found[key] = self._cost(self.layers[layer], hardware, precision)
        return self._found[key]

    def seconds(self, layer: int, hardware: Hardware, precision: str, batch: int) -> Floats:
        """Time of 0 .. ``batch`` items on a layer (from 0) [s]; none take no time. The same array for equal layers."""
        cost = self.cost(layer, hardware, precision)
        key = (id(cost), batch)
        if key not in self._seconds:
            seconds = np.array(cost.law.seconds(np.arange(batch + 1, dtype=np.float64)), dtype=np.float64)
            seconds[0] = 0.0
            seconds.flags.writeable = False
            self._seconds[key] = seconds
        return self._seconds[key]

    def _cost(self, layer: Layer, hardware: Hardware, precision: str) -> LayerCost:
        if self.known is not None:
            return LayerCost(self._catalogue_law(self.known, hardware, precision))
        of_products = bool(self.measured) and self.measured[0].kind == "gemm"
        if layer.products and (of_products or not self.measured):
            measured = self._find(hardware, precision) if of_products else None
            law = Sum(self._products(layer, hardware, precision, measured))
            rows = max(one.rows for one in layer.products)
            return LayerCost(law, measured.span[1] / rows if measured and measured.span else math.inf)
        if layer.time is not None:
            floor = self._floor(layer, hardware, precision)
            return LayerCost(law_of(self._time(layer, precision), floor))
        if of_products and layer.work is None:
            message = f"layer {layer.name} has no `products`, whose times this file holds, and no other time"
            raise self._error(("measured",), ScenarioError(message))
        if self.measured and not of_products:
            return self._measured_cost(layer, hardware, precision)
        return LayerCost(self._roofline(layer, hardware, precision))

    def _time(self, layer: Layer, precision: str) -> ConstantTime | AffineTime | TableTime:
        """The time as written, or as written for the precision."""
        assert layer.time is not None
        if not isinstance(layer.time, PrecisionTime):
            return layer.time
        if precision not in layer.time.by_precision:
            known = ", ".join(layer.time.by_precision)
            raise ScenarioError(Problem(f"layer {layer.name} has no time at {precision} (it has {known})"))
        return layer.time.by_precision[precision]

    def _products(
        self, layer: Layer, hardware: Hardware, precision: str, measured: CostGroup | None
    ) -> tuple[BatchLaw, ...]:
        """Laws of the products of a layer, and of what comes on top."""
        assert layer.products is not None
        if measured is not None:
            law = measured.law
        else:
            peak_at(hardware, precision)  # refuses what the device cannot compute
            reached = Efficiency(hardware.overhead_s)  # peaks and bandwidth are what is reached already
            law = quantized_product(hardware.peak, hardware.bandwidth, precision, reached)
        sizes = tuple(Product(one.n, one.k, one.rows) for one in layer.products)
        parts: list[BatchLaw] = [ProductLayer(law, sizes)]
        if layer.time is not None:
            parts.append(law_of(self._time(layer, precision)))
        elif layer.work is not None:
            parts.append(self._roofline(layer, hardware, precision))
        return tuple(parts)

    def _find(self, hardware: Hardware, precision: str, **wanted: str) -> CostGroup:
        """The measured group of a device and a precision."""
        device = hardware.device or hardware.name
        try:
            return find_costs(self.measured, **wanted, device=device, precision=precision)
        except ScenarioError as error:
            raise self._error(("measured",), error) from None

    def _measured_cost(self, layer: Layer, hardware: Hardware, precision: str) -> LayerCost:
        found = self._find(hardware, precision, layer=layer.name)
        law: BatchLaw = found.law
        if isinstance(law, Table) and law.floor is None:
            law = Table(law.batches, law.times, self._floor(layer, hardware, precision))
        return LayerCost(law, found.span[1] if found.span else math.inf)

    def _floor(self, layer: Layer, hardware: Hardware, precision: str) -> RooflineLaw | None:
        """What a table's extrapolation may not go below; None when the work or the device's peak is not known."""
        if layer.work is None or PRECISIONS[precision].compute not in hardware.peak:
            return None
        return self._roofline(layer, hardware, precision)

    def _roofline(self, layer: Layer, hardware: Hardware, precision: str) -> RooflineLaw:
        assert layer.work is not None
        peak = peak_at(hardware, precision)
        # With products the weights are theirs: only what each item moves is left.
        weights = 0.0 if layer.products else size_at(layer.weights, precision, WEIGHT)
        moved = layer.work.bytes * PRECISIONS[precision].output_bytes / FP16_BYTES
        return RooflineLaw(hardware.overhead_s, layer.work.flops, peak, weights or 0.0, moved, hardware.bandwidth)

    def _catalogue_law(self, known: catalogue.CatalogueModel, hardware: Hardware, precision: str) -> BatchLaw:
        roofline = None
        if PRECISIONS[precision].compute in hardware.peak:
            form = PRECISIONS[precision]
            weights = known.weight_bytes_per_layer * form.weight_bytes / FP16_BYTES
            # An item's input is read and its output written.
            moved = 2 * known.output_bytes_per_layer * form.output_bytes / FP16_BYTES
            flops, peak = known.flops_per_layer, hardware.peak[form.compute]
            roofline = RooflineLaw(hardware.overhead_s, flops, peak, weights, moved, hardware.bandwidth)
        curve = catalogue.find_curve(known.name, hardware.device, precision) if hardware.device else None
        if curve is not None:
            return Table(curve.batches, tuple(time / known.layers for time in curve.seconds), roofline)
        if roofline is None:
            peak_at(hardware, precision)  # says what is missing
        assert roofline is not None
        return roofline

    def is_estimate(self, hardware: Hardware, precision: str) -> bool:
        """Whether a catalogue model has no measured curve here, so that its times are a data-sheet roofline."""
        if self.known is None:
            return False
        return not hardware.device or catalogue.find_curve(self.known.name, hardware.device, precision) is None

    def weight_bytes(self, layer: int, precision: str) -> float | None:
        """Size of a layer's weights [B]; None when the scenario does not say."""
        one, bytes_each = self.layers[layer], PRECISIONS[precision].weight_bytes
        if one.weights is None and one.products:
            return sum(product.n * product.k for product in one.products) * bytes_each
        return size_at(one.weights, precision, WEIGHT)

    def output_bytes(self, layer: int, precision: str) -> float:
        """Size of one item's output of a layer [B]; 0 when the scenario does not say."""
        return size_at(self.layers[layer].output, precision, OUTPUT) or 0.0

    def _error(self, path: tuple[str, ...], error: ScenarioError) -> ScenarioError:
        return placed(self.scenario, ("models", self.name, *path), error)


def placed(scenario: Scenario, place: tuple[str | int, ...], error: ScenarioError) -> ScenarioError:
    """The same problems; those that no line of a data file shows point at the scenario's key."""
    found = []
    for problem in error.problems:
        if problem.line is not None:
            found.append(problem)
            continue
        parts = (None if problem.file is None else Path(problem.file).name, problem.path, problem.message)
        found.append(scenario.source.problem(place, ": ".join(part for part in parts if part)))
    return ScenarioError(found)


def size_at(size: float | Mapping[Any, float] | None, precision: str, each: Bytes) -> float | None:
    """A size at a precision [B]: as given for it, else one at another precision scaled by what ``each`` value takes.

    Of several the one at fp16 counts, else the first. Scales beside the values are not counted apart.
    """
    if not isinstance(size, Mapping):
        return None if size is None else size * each(PRECISIONS[precision]) / FP16_BYTES
    if precision in size:
        return size[precision]
    known = "fp16" if "fp16" in size else next(iter(size))
    return size[known] * each(PRECISIONS[precision]) / each(PRECISIONS[known])
