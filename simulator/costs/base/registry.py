"""All laws by name. A new law is one class and one line here."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import fields
from importlib import import_module
from typing import Any, cast

from simulator.costs.base.blend import Blend
from simulator.costs.base.formulas import (
    Affine,
    Constant,
    FloorAffine,
    PowerLaw,
    RooflineLaw,
    SmoothFloor,
    Stairs,
)
from simulator.costs.base.gemm import GemmLaw, GemmRoofline, GemmSmooth
from simulator.costs.base.gemm_rows import GemmRows, gemm_rows_from
from simulator.costs.base.law import BatchLaw
from simulator.costs.base.table import Corrected, Table
from simulator.errors import Problem, ScenarioError

AnyLaw = BatchLaw | GemmLaw
LAWS: dict[str, type[Any]] = {
    law.name: law
    for law in (
        Constant,
        Affine,
        FloorAffine,
        RooflineLaw,
        PowerLaw,
        Stairs,
        SmoothFloor,
        Table,
        Corrected,
        Blend,
        GemmRoofline,
        GemmSmooth,
        GemmRows,
    )
}


ELSEWHERE: dict[str, str] = {
    "pipeline-iteration": "simulator.costs.pipeline.iteration:IterationLaw",
    "gemm-datasheet": "simulator.costs.quantized.datasheet:GemmDatasheet",
    "gemm-tiles": "simulator.costs.quantized.tiles:GemmTiles",
    "gemm-utilization": "simulator.costs.quantized.utilization:GemmUtilization",
    "quantize-input": "simulator.costs.quantized.inputs:QuantizeInput",
    "streaming": "simulator.costs.streaming.law:StreamingLaw",
    "quantized-product": "simulator.costs.quantized.product:QuantizedProduct",
    "product-layer": "simulator.costs.quantized.product:ProductLayer",
}
"""Laws of other rooms of the costs by name, as ``module:class``; they are imported when a file names them."""


def law_from_parameters(name: str, parameters: Mapping[str, Any]) -> Any:
    """The law called ``name`` with ``parameters`` as its ``parameters()`` wrote them.

    >>> law_from_parameters("affine", {"a": 0.004, "c": 0.001})
    Affine(a=0.004, c=0.001)
    """
    _check_known(name)
    try:
        return _make(name, parameters)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        wanted = ", ".join(field.name for field in fields(_class(name)) if field.init)
        message = f"parameters of law {name} must be {wanted}: {error}"
        raise ScenarioError(Problem(message, path="parameters")) from error


def _check_known(name: str) -> None:
    known = [*LAWS, *ELSEWHERE]
    if name in known:
        return
    near = difflib.get_close_matches(str(name), known, 1)
    hint = f" (did you mean {near[0]}?)" if near else f"; known: {', '.join(known)}"
    raise ScenarioError(Problem(f"unknown law {name!r}{hint}", path="law"))


def _class(name: str) -> type[Any]:
    if name in LAWS:
        return LAWS[name]
    module, _, attribute = ELSEWHERE[name].partition(":")
    return cast(type[Any], getattr(import_module(module), attribute))


def _make(name: str, parameters: Mapping[str, Any]) -> AnyLaw:
    if name == GemmRows.name:
        return gemm_rows_from(parameters, cast(GemmLaw, _inner(parameters["trend"])))
    if name == Blend.name:
        return Blend(tuple(_inner(law) for law in parameters["laws"]), parameters["weights"])
    if name in (Table.name, Corrected.name):
        given = dict(parameters)
        for key in ("trend", "floor"):
            if given.get(key) is not None:
                given[key] = _inner(given[key])
        return cast(AnyLaw, LAWS[name](**given))
    if name in ELSEWHERE:
        return cast(AnyLaw, _class(name)(**parameters))
    return cast(AnyLaw, LAWS[name](**{key: float(value) for key, value in parameters.items()}))


def _inner(written: Mapping[str, Any]) -> Any:
    make: Callable[..., Any] = law_from_parameters
    return make(written["law"], written["parameters"])
