"""Section ``models``: layers and what they cost, ramps, and where requests leave."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field

from simulator.scenario.base import Rule, Strict, by_shape
from simulator.scenario.exits import Exits, ProfileExits
from simulator.scenario.precision import ModelAccuracy
from simulator.scenario.quantities import Count, FileName, Precision, Size, Text, Work
from simulator.scenario.times import LayerTime, RampTime, RelativeTime, is_zero

LayerSize = Annotated[Size | dict[Precision, Size], by_shape("a size such as 14MB, or sizes by precision")]
MAX_LAYERS = 10_000


class LayerWork(Strict):
    """Work of a layer for one item, from which the roofline of the device gives the time."""

    flops: Work
    """Floating-point (or integer) operations per item [FLOP], such as 22GFLOP."""
    bytes: Size = 0.0
    """Bytes moved per item, beside the weights [bytes]."""


class Product(Strict):
    """A matrix product of a layer: for each item, `rows` rows times a matrix of weights (k, n)."""

    n: Count
    """Columns of the weights."""
    k: Count
    """Rows of the weights."""
    rows: Count = 1
    """Rows that one item adds, such as its tokens."""


class Layer(Strict):
    """One layer, or `repeat` equal layers in a row."""

    name: Text
    """Name of the layer."""
    repeat: Annotated[int, Field(ge=1, le=MAX_LAYERS)] = 1
    """How many such layers follow each other."""
    time: LayerTime | None = None
    """Time of one batch [s]: 10ms · {overhead, per_item} · {per_batch: {1: 4.84ms, 8: 8.31ms}}."""
    work: LayerWork | None = None
    """Work per item; gives the time by the roofline where `time` is left out."""
    products: Annotated[tuple[Product, ...], Field(strict=False, min_length=1)] | None = None
    """Matrix products, timed by measured ones (`measured`, kind gemm) or the roofline; `time` or `work` come on top."""
    weights: LayerSize | None = None
    """Size of the weights at fp16, or sizes by precision [bytes]."""
    output: LayerSize | None = None
    """Size of one item's output at fp16, or sizes by precision [bytes]."""


class Ramps(Strict):
    """Where the off-ramps are and what they cost."""

    after: Annotated[
        Literal["all"] | Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(strict=False, min_length=1)],
        by_shape("all, or a list of layers such as [2, 4, 8]"),
    ]
    """Layers followed by a ramp, counted from 1 after `repeat`, or `all` (the last has the model's head)."""
    time: RampTime = RelativeTime(relative=0.0)
    """Time of one ramp: {relative: 0.19} of its layer's time, or like a layer's time."""

    def rules(self) -> Iterator[Rule]:
        """The list of layers ascends."""
        if isinstance(self.after, tuple) and any(a >= b for a, b in pairwise(self.after)):
            yield ("after",), "must be ascending, without repetition"

    def layers(self, count: int) -> tuple[int, ...]:
        """Layers followed by a ramp in a model of ``count`` layers; never the last, which has the head."""
        after = range(1, count + 1) if self.after == "all" else self.after
        return tuple(layer for layer in after if layer < count)


class Model(Strict):
    """A model: from the catalogue, from layers written here, or from measured rows."""

    catalogue: Text | None = None
    """Name of a model in the catalogue."""
    layers: Annotated[tuple[Layer, ...], Field(strict=False, min_length=1)] | None = None
    """The layers in order."""
    measured: FileName | None = None
    """Measured times: a file of rows (layer, device, precision, batch, seconds), or a fit of them or of products."""
    ramps: Ramps | None = None
    """Off-ramps; left out: none."""
    exits: Exits | None = None
    """Where requests leave; left out: all run to the end."""
    accuracy: ModelAccuracy | None = None
    """Share of right answers and what number formats take from it; left out: as the exit rows tell."""

    @property
    def layer_count(self) -> int | None:
        """Number of layers after `repeat`; unknown (None) unless `layers` are given."""
        return None if self.layers is None else sum(layer.repeat for layer in self.layers)

    def rules(self) -> Iterator[Rule]:
        """One source of layers, each with a time; ramps and exits within the model."""
        if self.catalogue is not None:
            for key in ("layers", "measured"):
                if getattr(self, key) is not None:
                    yield (
                        (key,),
                        f"goes not with `catalogue`: a model has one of them, remove `{key}` or `catalogue`",
                    )
        elif self.layers is None and self.measured is None:
            yield (), "must say one of `layers`, `catalogue` or `measured`"
        yield from self._layer_rules()
        if self.exits is not None and self.ramps is None:
            yield ("exits",), "needs `ramps`: say after which layers requests can leave, such as {after: all}"
        if self.layer_count is not None:
            yield from self.ramp_rules(self.layer_count)

    def _layer_rules(self) -> Iterator[Rule]:
        if self.layers is None:
            return
        for index, layer in enumerate(self.layers):
            if layer.time is None and layer.work is None and layer.products is None and self.measured is None:
                yield (
                    ("layers", index),
                    "must say its `time`, its `work` or its `products` (or the model its `measured` rows)",
                )
        if all(layer.time is not None and is_zero(layer.time) and not layer.products for layer in self.layers):
            yield ("layers",), "must take some time: every layer's `time` is 0"
        if (self.layer_count or 0) > MAX_LAYERS:
            yield ("layers",), f"must be at most {MAX_LAYERS} layers after `repeat`"

    def ramp_rules(self, count: int) -> Iterator[Rule]:
        """Broken rules of ramps and exits in a model of ``count`` layers."""
        if self.ramps is None:
            return
        if self.ramps.after != "all":
            for index, layer in enumerate(self.ramps.after):
                if layer > count:
                    yield ("ramps", "after", index), f"is beyond the last layer: the model has {count}"
        ramps = len(self.ramps.layers(count))
        if isinstance(self.exits, ProfileExits) and len(self.exits.profile) == ramps + 1:
            total = math.fsum(self.exits.profile)
            if abs(total - 1) > 1e-9:
                message = f"names the model's end too, so its shares must sum to 1; they sum to {total:g}"
                yield ("exits", "profile"), message
        elif isinstance(self.exits, ProfileExits) and len(self.exits.profile) != ramps:
            yield (
                ("exits", "profile"),
                f"must have {ramps} shares, one per ramp (or {ramps + 1} with the model's end), "
                f"has {len(self.exits.profile)}",
            )
