"""Times of layers and ramps as they are written: constant, affine, by batch size, relative."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler, model_serializer, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from simulator.scenario import units
from simulator.scenario.base import Rule, Strict, by_key, refuse
from simulator.scenario.quantities import Duration, Factor, PositiveDuration, Precision, Quantity

MAX_BATCH = 65_536


def _batch_size(key: Any) -> Any:
    """Keys of a file are text; a batch size is a whole number without sign or leading zero."""
    if isinstance(key, str):
        if not (key.isascii() and key.isdigit()) or len(key) > 9 or key != str(int(key)):
            raise refuse("must be a batch size, a whole number such as 8")
        key = int(key)
    return key


BatchKey = Annotated[int, BeforeValidator(_batch_size), Field(ge=1, le=MAX_BATCH)]


class ConstantTime(Strict):
    """The same time for every batch size; written as a bare duration such as 10ms."""

    seconds: Duration
    """Time of one batch [s]."""

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return value if isinstance(value, dict) else {"seconds": value}

    @model_serializer(mode="plain", when_used="json")
    def _to_text(self) -> str:
        return units.write(self.seconds, units.DURATION)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """A bare duration."""
        return Quantity(units.DURATION).__get_pydantic_json_schema__(schema, handler)


class AffineTime(Strict):
    """Time of a batch of b items: overhead + per_item b."""

    overhead: Duration = 0.0
    """Time of a batch whatever its size [s]."""
    per_item: Duration
    """Time added by each item of the batch [s]."""


class TableTime(Strict):
    """Measured times by batch size, linear in between."""

    per_batch: Annotated[dict[BatchKey, PositiveDuration], Field(min_length=1)]
    """Time [s] by batch size, such as {1: 4.84ms, 8: 8.31ms}."""


_KEYS: dict[str, type[Strict]] = {"per_batch": TableTime, "overhead": AffineTime, "per_item": AffineTime}
WrittenTime = Annotated[
    ConstantTime | AffineTime | TableTime,
    by_key("a duration, {overhead, per_item} or {per_batch: {1: 5ms, ...}}", _KEYS, scalar=ConstantTime),
]


class PrecisionTime(Strict):
    """Times by number format."""

    by_precision: Annotated[dict[Precision, WrittenTime], Field(min_length=1)]
    """Time of a batch by precision, such as {fp16: 10ms, int8: {overhead: 2ms, per_item: 1ms}}."""


class RelativeTime(Strict):
    """Time of a ramp as a multiple of its layer's time at the same batch size."""

    relative: Factor
    """Time of the ramp divided by the time of its layer."""


LayerTime = Annotated[
    ConstantTime | AffineTime | TableTime | PrecisionTime,
    by_key(
        "a duration, {overhead, per_item}, {per_batch: {1: 5ms, ...}} or {by_precision: {fp16: ...}}",
        {**_KEYS, "by_precision": PrecisionTime},
        scalar=ConstantTime,
    ),
]
RampTime = Annotated[
    RelativeTime | ConstantTime | AffineTime | TableTime,
    by_key(
        "{relative: 0.19}, a duration, {overhead, per_item} or {per_batch: {1: 1ms, ...}}",
        {"relative": RelativeTime, **_KEYS},
        scalar=ConstantTime,
    ),
]


def is_zero(time: ConstantTime | AffineTime | TableTime | PrecisionTime) -> bool:
    """Whether a batch of any size takes no time at all."""
    if isinstance(time, PrecisionTime):
        return all(is_zero(one) for one in time.by_precision.values())
    if isinstance(time, ConstantTime):
        return time.seconds == 0
    return isinstance(time, AffineTime) and time.overhead == 0 and time.per_item == 0


def batch_sizes(sizes: tuple[int, ...], key: str) -> Iterator[Rule]:
    """Broken rule of a list of batch sizes: it ascends."""
    if any(a >= b for a, b in pairwise(sizes)):
        yield (key,), "must be ascending, without repetition"
