"""What is deployed: portions of a model, their replicas, batches and routing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field, GetJsonSchemaHandler, model_serializer, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from simulator.scenario.autoscale import Autoscale
from simulator.scenario.base import Rule, Strict, refuse
from simulator.scenario.exits import ExitRule, Layers
from simulator.scenario.precision import PrecisionChoice
from simulator.scenario.quantities import Count, Duration, Name
from simulator.scenario.times import MAX_BATCH

ExitMode = Literal["none", "compact", "at_cut", "answer_early"]
Routing = Literal["shared", "random", "round_robin", "least_outstanding", "two_choices"]


class LayerRange(Strict):
    """Consecutive layers, counted from 1; written ``1-4``, or ``5`` for one layer."""

    first: Annotated[int, Field(ge=1)]
    """First layer."""
    last: Annotated[int, Field(ge=1)]
    """Last layer, included."""

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        if isinstance(value, LayerRange) or (isinstance(value, dict) and set(value) == {"first", "last"}):
            return value  # built in Python
        text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        match = re.fullmatch(r"\s*([0-9]{1,6})\s*(?:-\s*([0-9]{1,6})\s*)?", text) if isinstance(text, str) else None
        if match is None:
            raise refuse("must be consecutive layers such as 1-4, or one layer such as 5")
        first, last = int(match[1]), int(match[2] or match[1])
        if first < 1:
            raise refuse("layers are counted from 1")
        if last < first:
            raise refuse(f"must ascend: write {last}-{first}")
        return {"first": first, "last": last}

    @model_serializer(mode="plain", when_used="json")
    def _to_text(self) -> str:
        return str(self)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """A text such as 1-4, or a layer's number."""
        del schema, handler
        text = {"type": "string", "pattern": r"^\s*[0-9]{1,6}\s*(-\s*[0-9]{1,6}\s*)?$"}
        return {"anyOf": [text, {"type": "integer", "minimum": 1}]}


class Portion(Strict):
    """Consecutive layers on replicas of their own; entries with equal layers are kinds of one portion."""

    layers: LayerRange
    """Layers of the portion, counted from 1: 1-4, or 5."""
    pool: Name
    """Pool of the replicas, in `cluster.pools`."""
    replicas: Count | None = None
    """Number of replicas (parallel execution)."""
    batch: Annotated[int, Field(ge=1, le=MAX_BATCH)] = 1
    """Largest number of requests served together."""
    max_wait: Duration = 0.0
    """Longest time a request waits for its batch to fill [s]."""
    precision: PrecisionChoice = "fp16"
    """Number format of weights and arithmetic: int8, or by layer such as {block: int8, head: fp16} or {1-3: int8}."""
    weights: Literal["resident", "streamed"] = "resident"
    """Whether the weights stay on the device, or come from the parameter server layer by layer for every batch."""
    prefetch: Annotated[int, Field(ge=1, le=1_000)] | None = None
    """Layer slots of streamed weights; left out: 2."""
    start_up: Literal["whole", "streamed"] = "whole"
    """Whether a joining replica waits for all its weights, or computes its first batch as they come."""
    autoscale: Autoscale | None = None
    """Replicas follow the load (parallel execution); left out: `replicas`, whatever comes."""

    def rules(self) -> Iterator[Rule]:
        """Slots and a streamed start each belong to one kind of weights; an autoscaler starts within its limits."""
        if self.autoscale is not None:
            yield from self.autoscale.rules_beside(self.replicas)
        if self.weights == "resident" and self.prefetch is not None:
            yield ("prefetch",), "goes only with `weights: streamed`: resident weights need no slots"
        if self.weights == "streamed" and self.start_up == "streamed":
            yield ("start_up",), "goes only with `weights: resident`: streamed weights are not loaded before"


def missing_layers(first: int, last: int) -> str:
    """Says that these layers are in no portion."""
    return f"layer {first} is in no portion" if first == last else f"layers {first}-{last} are in no portion"


class Deployment(Strict):
    """How a model is cut, placed and fed."""

    exit_mode: ExitMode = "none"
    """What ramps do: nothing, shrink the batch, let requests leave between portions, or answer early."""
    execution: Literal["parallel", "serial"] = "parallel"
    """Portions on replicas of their own (parallel), or one after another on the same replica (serial)."""
    routing: Routing = "shared"
    """One queue per portion shared by its replicas, or a queue per replica and how it is chosen."""
    replicas: Count | None = None
    """Number of replicas (serial execution)."""
    autoscale: Autoscale | None = None
    """Replicas follow the load (serial execution)."""
    rule: ExitRule | None = None
    """When a request that arrives now leaves; left out: as the model's exits say."""
    ramps: Layers | None = None
    """Layers whose ramps run (compact, answer_early), such as [2, 5]; left out: all ramps of the model."""
    portions: Annotated[tuple[Portion, ...], Field(strict=False, min_length=1, max_length=10_000)]
    """Portions in layer order, together all layers of the model."""

    @property
    def cuts(self) -> tuple[LayerRange, ...]:
        """The distinct layer ranges, in order: one per portion, however many kinds of replica it has."""
        return tuple(dict.fromkeys(portion.layers for portion in self.portions))

    def rules(self) -> Iterator[Rule]:
        """Portions follow each other; replicas are counted in one place."""
        yield from self._cover_rules()
        yield from self._stream_rules()
        yield from self._ramp_rules()
        yield from self._serial_rules() if self.execution == "serial" else self._parallel_rules()

    def _cover_rules(self) -> Iterator[Rule]:
        expected = 1
        seen: set[LayerRange] = set()
        for index, portion in enumerate(self.portions):
            layers = portion.layers
            if layers in seen:
                continue
            seen.add(layers)
            if layers.first > expected:
                missing = missing_layers(expected, layers.first - 1)
                yield (
                    ("portions", index, "layers"),
                    f"must start at layer {expected}: {missing}",
                )
            elif layers.first < expected:
                yield (
                    ("portions", index, "layers"),
                    f"must start at layer {expected}: portions are written in layer order, without overlap",
                )
            expected = layers.last + 1

    def _stream_rules(self) -> Iterator[Rule]:
        for index, portion in enumerate(self.portions):
            if portion.weights == "streamed" and self.exit_mode == "compact":
                message = "streamed weights go not with `exit_mode: compact`, whose batches shrink between layers"
                yield ("portions", index, "weights"), message

    def _ramp_rules(self) -> Iterator[Rule]:
        if self.rule is not None and self.exit_mode == "none":
            yield ("rule",), "goes not with `exit_mode: none`, where nobody exits early"
        if self.ramps is None:
            return
        if self.exit_mode in ("none", "at_cut"):
            why = "no ramp runs" if self.exit_mode == "none" else "the ramps at the cuts run, and no others"
            yield ("ramps",), f"goes only with `exit_mode: compact` or `answer_early`; with `{self.exit_mode}` {why}"
        if any(low >= high for low, high in pairwise(self.ramps)):
            yield ("ramps",), "must be ascending, without repetition"

    def _parallel_rules(self) -> Iterator[Rule]:
        if self.replicas is not None:
            yield (
                ("replicas",),
                "goes only with `execution: serial`; otherwise every portion says its `replicas`",
            )
        if self.autoscale is not None:
            yield ("autoscale",), "goes only with `execution: serial`; otherwise write it in the portions"
        for index, portion in enumerate(self.portions):
            if portion.replicas is None:
                yield ("portions", index), "`replicas` is missing: how many replicas serve this portion"

    def _serial_rules(self) -> Iterator[Rule]:
        if self.replicas is None:
            yield (), "`replicas` is missing: with `execution: serial` the deployment says how many there are"
        if self.autoscale is not None:
            yield from self.autoscale.rules_beside(self.replicas)
        seen: set[LayerRange] = set()
        for index, portion in enumerate(self.portions):
            if portion.replicas is not None:
                yield (
                    ("portions", index, "replicas"),
                    "goes not with `execution: serial`: write `replicas` once, beside `portions`",
                )
            if portion.autoscale is not None:
                yield (
                    ("portions", index, "autoscale"),
                    "goes not with `execution: serial`: write `autoscale` once, beside `portions`",
                )
            if portion.pool != self.portions[0].pool:
                yield (
                    ("portions", index, "pool"),
                    f"must be {self.portions[0].pool!r} as well: serial portions share their replicas",
                )
            if portion.layers in seen:
                yield (
                    ("portions", index, "layers"),
                    "serial execution has one kind of replica: layers given twice",
                )
            seen.add(portion.layers)


class TimedDeployment(Deployment):
    """A deployment that starts at an instant of the run."""

    from_: Annotated[Duration, Field(alias="from")]
    """Start of the deployment [s]; the first is 0s."""
