"""Where every figure of cost in a scenario comes from, and how far it is known to be off."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from simulator import catalogue
from simulator.cluster.lower.hardware import Hardware, pools_of
from simulator.cluster.lower.layers import ModelCosts
from simulator.costs.base import CostGroup
from simulator.costs.base.measured import find_costs
from simulator.scenario import Scenario
from simulator.scenario.training import ModelTimes, StageTimes

Kind = Literal["fit", "rows", "curve", "data sheet", "written"]
ROWS = (".csv", ".csv.gz")
EXACT: dict[str, str] = {
    "fit": "no row could be held out, so the error is unknown: taken as exact",
    "rows": "measured rows, straight lines between them: no held-out error, taken as exact",
    "curve": "a published curve, straight lines between its points: no held-out error, taken as exact",
    "data sheet": "a roofline of data-sheet figures: its error is unknown, taken as exact",
    "written": "written in the scenario: taken as exact",
}
"""Why a figure without a held-out error is not varied."""


class Used(NamedTuple):
    """A run of layers (from 0, end not included) that somebody needs on a pool at a precision."""

    user: str
    model: str
    first: int
    end: int
    pool: str
    precision: tuple[str, ...]
    """Of every one of these layers."""


@dataclass(frozen=True, slots=True)
class CostFigure:
    """One figure of cost: what it prices, where it comes from, and its held-out error.

    ``file``: the costs file of a fit, as the scenario names it; ``group``: the group's columns; ``error``: mean
    absolute relative error on held-out rows (0.05 is 5 %), None where there is none, ``note`` then says why.
    """

    what: str
    users: tuple[str, ...]
    kind: Kind
    law: str
    source: str
    error: float | None = None
    note: str = ""
    model: str = ""
    file: str = ""
    group: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "what": self.what,
            "users": list(self.users),
            "kind": self.kind,
            "law": self.law,
            "source": self.source,
            "error": self.error,
            "note": self.note,
        }


def cost_figures(scenario: Scenario) -> tuple[CostFigure, ...]:
    """Every figure that times anything in the scenario, each once, with all who use it."""
    pools = pools_of(scenario)
    models: dict[str, ModelCosts] = {}
    layers: dict[tuple[str, str, str, _Part], set[int]] = {}
    users: dict[tuple[str, str, str, _Part], dict[str, None]] = {}
    for use in _uses(scenario, models):
        for layer, precision in zip(range(use.first, use.end), use.precision):
            for part in _layer(models[use.model], layer, pools[use.pool], precision):
                key = (use.model, use.pool, precision, part)
                layers.setdefault(key, set()).add(layer)
                users.setdefault(key, {})[use.user] = None
    found = [_figure(*key, layers[key], tuple(users[key])) for key in layers]
    written = [_of_stages(name, one.pipeline.pool) for name, one in scenario.trainings.items() if _written(one.times)]
    return (*found, *written)


def label(group: CostGroup) -> str:
    """The columns of a group as one text: ``device a100, precision int8``."""
    return ", ".join(f"{key} {value}" for key, value in group.group.items()) or "all rows"


def _figure(model: str, pool: str, precision: str, part: _Part, layers: set[int], users: tuple[str, ...]) -> CostFigure:
    what = f"{model}, layers {_spans(layers)}{part.of} on {pool} at {precision}"
    note = "" if part.error is not None else EXACT[part.kind]
    return CostFigure(what, users, part.kind, part.law, part.source, part.error, note, model, part.file, part.group)


def _spans(layers: set[int]) -> str:
    """Layers (from 0) as people count them: ``1-3, 7``."""
    starts = sorted(layer for layer in layers if layer - 1 not in layers)
    ends = sorted(layer for layer in layers if layer + 1 not in layers)
    return ", ".join(str(a + 1) if a == b else f"{a + 1}-{b + 1}" for a, b in zip(starts, ends))


def _written(times: object) -> bool:
    return isinstance(times, StageTimes)


def _of_stages(name: str, pool: str) -> CostFigure:
    source = f"trainings.{name}.times"
    return CostFigure(f"passes of {name} on {pool}", (name,), "written", "constant", source, note=EXACT["written"])


def _costs(scenario: Scenario, models: dict[str, ModelCosts], name: str) -> ModelCosts:
    if name not in models:
        models[name] = ModelCosts(scenario, name, scenario.models[name])
    return models[name]


def _uses(scenario: Scenario, models: dict[str, ModelCosts]) -> Iterator[Used]:
    for name, service in scenario.services.items():
        parts = [(name, service.model, window) for _, window in service.timeline]
        if service.twin is not None:
            parts.append((f"{name}/twin", service.twin.model, service.twin.deployment))
        for user, model, deployment in parts:
            costs = _costs(scenario, models, model)
            for portion in deployment.portions:
                layers = portion.layers
                yield Used(user, model, layers.first - 1, layers.last, portion.pool, costs.formats(portion))
    for name, stream in scenario.streams.items():
        yield _whole(_costs(scenario, models, stream.model), name, stream.pool, stream.precision)
    for name, training in scenario.trainings.items():
        pool = training.pipeline.pool
        if isinstance(training.times, ModelTimes):
            yield _whole(_costs(scenario, models, training.times.model), name, pool, training.times.precision)
        for job in getattr(training.fill, "jobs", ()):
            if job.model is not None:
                yield _whole(_costs(scenario, models, job.model), f"{name}/{job.name}", pool, "fp16")


def _whole(costs: ModelCosts, user: str, pool: str, precision: str) -> Used:
    count = len(costs.layers)
    return Used(user, costs.name, 0, count, pool, (precision,) * count)


class _Part(NamedTuple):
    kind: Kind
    law: str
    source: str
    error: float | None = None
    of: str = ""
    file: str = ""
    group: str = ""


def _layer(costs: ModelCosts, number: int, hardware: Hardware, precision: str) -> tuple[_Part, ...]:
    """What times a layer: mirrors what :class:`ModelCosts` does with it, part by part."""
    layer, model = costs.layers[number], costs.name
    if costs.known is not None:
        return (_of_catalogue(costs, hardware, precision),)
    device = hardware.device or hardware.name
    products = bool(costs.measured) and costs.measured[0].kind == "gemm"
    written = _Part("written", "as written", f"models.{model}.layers")
    sheet = _Part("data sheet", "roofline", _sheet(hardware))
    if layer.products and (products or not costs.measured):
        parts = [sheet._replace(of=", products")]
        if products:
            group = find_costs(costs.measured, device=device, precision=precision)
            parts = [_fitted(costs, group)._replace(of=", products")]
        rest = [written] if layer.time is not None else [sheet] if layer.work is not None else []
        return (*parts, *(one._replace(of=", all else") for one in rest))
    if layer.time is not None:
        return (written,)
    if costs.measured and not products:
        return (_fitted(costs, find_costs(costs.measured, layer=layer.name, device=device, precision=precision)),)
    return (sheet,)


def _fitted(costs: ModelCosts, group: CostGroup) -> _Part:
    file, name = str(costs.model.measured), label(group)
    if file.endswith(ROWS):
        return _Part("rows", group.law.name, f"{file}: {name}, {group.rows} rows", file=file, group=name)
    origin = group.source.get("file")
    source = f"{file}: {name}, {group.rows} rows" + (f" of {origin}" if origin else "")
    return _Part("fit", group.law.name, source, group.mape, file=file, group=name)


def _of_catalogue(costs: ModelCosts, hardware: Hardware, precision: str) -> _Part:
    assert costs.known is not None
    if costs.is_estimate(hardware, precision):
        return _Part("data sheet", "roofline", f"catalogue, {costs.known.name}; {_sheet(hardware)}")
    curve = catalogue.find_curve(costs.known.name, hardware.device or "", precision)
    assert curve is not None
    return _Part("curve", "table", f"catalogue, {costs.known.name} on {curve.device}: {curve.source}")


def _sheet(hardware: Hardware) -> str:
    if hardware.device is None:
        return f"cluster.pools.{hardware.name}.device, as written"
    return f"catalogue, {hardware.device}: {catalogue.device(hardware.device).sources['memory_bandwidth']}"
