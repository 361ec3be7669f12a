"""Field types of the scenario: quantities with units, shares, counts, names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from simulator.scenario import units
from simulator.scenario.base import refuse


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with a unit in the file, a float in SI units in the model."""

    dimension: units.Dimension
    positive: bool = False

    def read(self, value: Any) -> float:
        """SI value, or an error that says what to write."""
        try:
            number = units.parse(value, self.dimension)
        except units.UnitError as error:
            raise refuse(str(error)) from None
        if self.positive and number == 0:
            raise refuse("must be greater than 0")
        return number

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validate with :meth:`read`; write the unit back in JSON mode."""
        del source, handler
        return core_schema.no_info_plain_validator_function(
            self.read,
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda value: units.write(value, self.dimension) if value else 0, when_used="json"
            ),
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """A text with one of the units, or 0."""
        del schema, handler
        names = "|".join(re.escape(unit).replace("\\/", "/") for unit in self.dimension.units)
        number = r"[+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?"
        text = {"type": "string", "pattern": rf"^ *{number} *({names}) *$"}
        zero = {"type": "number", "enum": [0]}
        return text if self.positive else {"anyOf": [text, zero]}


@dataclass(frozen=True, slots=True)
class ShareOf:
    """A share, written ``99%`` or ``0.99``."""

    positive: bool = False
    below_one: bool = False

    def read(self, value: Any) -> float:
        """The share as a float between 0 and 1."""
        try:
            number = units.parse_share(value)
        except units.UnitError as error:
            raise refuse(str(error)) from None
        if self.positive and number == 0:
            raise refuse("must be greater than 0")
        if self.below_one and number == 1:
            raise refuse("must be less than 1 (100%)")
        return number

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validate with :meth:`read`."""
        del source, handler
        return core_schema.no_info_plain_validator_function(self.read)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """A percentage as text, or a number between 0 and 1."""
        del schema, handler
        number = {"type": "number", "minimum": 0, "maximum": 1}
        return {"anyOf": [{"type": "string", "pattern": r"^ *[+]?[0-9.]+([eE][+-]?[0-9]+)? *%? *$"}, number]}


@dataclass(frozen=True, slots=True)
class Shorthand:
    """Tells editors that a short form is accepted beside the full one."""

    text: Quantity | None = None
    """A quantity that stands for a mapping; None: one item that stands for a list of one."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Either form."""
        full = handler(schema)
        short = full["items"] if self.text is None else self.text.__get_pydantic_json_schema__(schema, handler)
        return {"anyOf": [short, full]}


Duration = Annotated[float, Quantity(units.DURATION)]
PositiveDuration = Annotated[float, Quantity(units.DURATION, positive=True)]
Size = Annotated[float, Quantity(units.SIZE)]
PositiveSize = Annotated[float, Quantity(units.SIZE, positive=True)]
Rate = Annotated[float, Quantity(units.RATE)]
PositiveRate = Annotated[float, Quantity(units.RATE, positive=True)]
PositiveBandwidth = Annotated[float, Quantity(units.BANDWIDTH, positive=True)]
PositiveCompute = Annotated[float, Quantity(units.COMPUTE, positive=True)]
Work = Annotated[float, Quantity(units.WORK)]
Share = Annotated[float, ShareOf()]
PositiveShare = Annotated[float, ShareOf(positive=True)]
OpenShare = Annotated[float, ShareOf(positive=True, below_one=True)]

Count = Annotated[int, Field(ge=1, le=1_000_000)]
Whole = Annotated[int, Field(ge=0, le=1_000_000_000)]
Factor = Annotated[float, Field(ge=0, le=1e9)]
PositiveFactor = Annotated[float, Field(gt=0, le=1e9)]
Price = Annotated[float, Field(ge=0, le=1e9)]

NAME_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9_-]*$"
Name = Annotated[str, Field(pattern=NAME_PATTERN, max_length=63)]
Text = Annotated[str, Field(min_length=1, max_length=200)]
FileName = Annotated[str, Field(min_length=1, max_length=4096)]
Precision = Literal["fp32", "tf32", "fp16", "bf16", "fp8", "int8", "int4", "nvfp4"]
