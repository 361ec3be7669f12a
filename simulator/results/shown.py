"""Which figures of a result people see, in which order and units; text and HTML are made of the same blocks."""

from __future__ import annotations

from typing import Any, NamedTuple

from simulator.results.cohort import COUNTS, Json
from simulator.results.figures import ends, portion_label
from simulator.results.units import NOTHING, Kind, measure, number

_FIGURES: tuple[tuple[str, str, Kind], ...] = (
    *((name, name, "plain") for name in COUNTS),
    ("throughput", "throughput", "rate"),
    ("goodput", "goodput", "rate"),
    ("attainment", "attainment", "share"),
    ("accuracy", "accuracy", "share"),
    ("mean layers", "mean_layers", "plain"),
    ("latency, mean", "latency.mean", "seconds"),
    ("latency, p50", "latency.p50", "seconds"),
    ("latency, p90", "latency.p90", "seconds"),
    ("latency, p95", "latency.p95", "seconds"),
    ("latency, p99", "latency.p99", "seconds"),
    ("latency, p99.9", "latency.p999", "seconds"),
    ("latency, max", "latency.max", "seconds"),
    ("cost per hour", "cost_per_hour", "plain"),
    ("cost per million", "cost_per_million", "plain"),
    ("device hours", "device_hours", "plain"),
)
_ALWAYS = ("arrived", "completed")
_PORTION: tuple[tuple[str, str, Kind], ...] = (
    ("replicas", "replicas", "plain"),
    ("utilization", "utilization", "share"),
    ("mean batch", "mean_batch", "plain"),
    ("wait, mean", "queue_wait.mean", "seconds"),
    ("wait, p99", "queue_wait.p99", "seconds"),
)
_TWIN = (
    ("answered by the twin", "answered"),
    ("not sure", "tasks.twin.not_confident"),
    ("cancelled while waiting", "cancelled_waiting"),
    ("cancelled in service", "cancelled_in_service"),
    ("device hours wasted", "wasted_device_hours"),
    ("device hours unused", "unused_device_hours"),
)
_POOL: tuple[tuple[str, str, Kind], ...] = (
    ("devices", "count", "plain"),
    ("used", "used", "plain"),
    ("utilization", "utilization", "share"),
    ("cost per hour", "cost_per_hour", "plain"),
)


class Block(NamedTuple):
    """One table: a line above it (or none), its header and its rows, the first column naming them."""

    title: str
    header: list[str]
    rows: list[list[str]]


def heading(figures: Json) -> list[str]:
    """What was run: scenario, seed, replications, engine, and how well percentiles are known where not exactly."""
    count = figures["replications"]
    runs = f"{count} replication{'' if count == 1 else 's'}"
    known = [] if figures["quantiles"] == "exact" else [f"percentiles ± {number(100 * figures['quantile_error'], 2)} %"]
    return [figures["scenario"], f"seed {figures['seed']}", runs, f"engine {figures['engine']}", *known]


def figure_block(name: str, tree: Json) -> Block:
    """The figures of a service, one column for all requests and one for each named class."""
    columns = {"all" if "classes" in tree else "": tree} | tree.get("classes", {})
    rows = []
    for title, metric, kind in _FIGURES:
        values = [_value(entry, metric) for entry in columns.values()]
        if title in _ALWAYS or any(values):
            rows.append([title, *(_cell(entry, metric, kind) for entry in columns.values())])
    return Block(name, ["", *columns], rows)


def exits_of(tree: Json) -> list[str]:
    """Share of the requests that leave after each layer, where there is more than one."""
    return (
        [f"{layer if int(layer) else 'twin'}: {measure(share, 'share')}" for layer, share in tree["exits"].items()]
        if len(tree["exits"]) > 1
        else []
    )


def portion_block(tree: Json) -> Block:
    """The portions of a service, and of its twin."""
    rows = [[portion_label(item), *_cells(item, _PORTION)] for item in tree["portions"]]
    twins = tree["twin"]["portions"] if "twin" in tree else []
    rows += [[f"twin {portion_label(item)}", *_cells(item, _PORTION)] for item in twins]
    return Block("", ["portion", *(title for title, _, _ in _PORTION)], rows)


def twin_block(tree: Json) -> Block:
    """What became of the tasks of a service with a twin; no rows for others."""
    twin = tree.get("twin")
    rows = [[title, _cell(twin, metric, "plain")] for title, metric in _TWIN] if twin else []
    return Block("", ["twin", ""], rows)


def breakdown_block(tree: Json) -> Block:
    """Where the time of the completed requests of a service goes; no rows where none is completed."""
    rows = [
        [part, *(_cell(tree, f"breakdown.{of}.{part}", "seconds") for of in ("mean", "p99"))]
        for part, value in tree["breakdown"]["mean"].items()
        if value is not None
    ]
    return Block("", ["where the time goes", "mean", "slowest 1 %"], rows)


def pool_block(figures: Json) -> Block:
    """The pools."""
    rows = [[name, *_cells(tree, _POOL)] for name, tree in figures["pools"].items()]
    return Block("pools", ["", *(title for title, _, _ in _POOL)], rows)


def _cells(tree: Json, columns: tuple[tuple[str, str, Kind], ...]) -> list[str]:
    return [_cell(tree, metric, kind) for _, metric, kind in columns]


def _cell(tree: Json, metric: str, kind: Kind) -> str:
    value = _value(tree, metric)
    return NOTHING if value is None else measure(value, kind, *ends(tree, metric))


def _value(tree: Json, metric: str) -> Any:
    value: Any = tree
    for part in metric.split("."):
        value = value.get(part)
        if value is None:
            return None
    return value
