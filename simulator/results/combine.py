"""One tree of figures out of those of several replications."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from simulator.results import intervals
from simulator.results.cohort import COUNTS, Json
from simulator.results.record import Task

_MAXIMA = ("max", "used")
_CONSTANTS = ("layers", "from", "count")
_NESTED = ("portions", "classes", "twin")
_SUMS = (*COUNTS, *(item.name.lower() for item in Task))


def combine(replications: Sequence[Json]) -> Json:
    """Figures of several replications (each from :func:`simulator.results.metrics.metrics`) as one tree.

    Counts are summed, so that they still add up; ``max`` and ``used`` are the largest; every other figure is
    the mean of the replications' values (of those that have one). Each service, class, portion and pool gets
    ``ci95``: Student-t intervals over the replications by figure, with latency figures under their bare names
    (``p99``) and other nested ones dotted (``queue_wait.mean``); None for a single replication.
    """
    return {
        "services": _each(_entry, [item["services"] for item in replications]),
        "pools": _each(_entry, [item["pools"] for item in replications]),
    }


def precise_enough(replications: Sequence[Json], figure: str, half_width: float) -> bool:
    """Whether every service knows ``figure`` to ``half_width`` (a share of its mean) with 95 % confidence.

    ``figure`` is ``goodput``, ``throughput``, ``attainment`` or a latency figure such as ``p99``. Services
    for which it has no meaning (no objective is stated) are left out. At least three replications are needed.
    """
    if len(replications) < intervals.MIN_REPLICATIONS:
        return False
    for name in replications[0]["services"]:
        entries = [item["services"][name] for item in replications]
        values = [entry[figure] if figure in entry else entry["latency"][figure] for entry in entries]
        if any(value is not None for value in values) and not intervals.reached(values, half_width):
            return False
    return True


def _each(merge: Any, trees: Sequence[Json]) -> Json:
    return {key: merge([tree[key] for tree in trees]) for key in trees[0]}


def _entry(trees: Sequence[Json]) -> Json:
    """Merge one service, class, portion or pool; ``ci95`` follows the plain figures."""
    plain = [{key: value for key, value in tree.items() if key not in _NESTED} for tree in trees]
    merged: Json = _merge("", plain)
    merged["ci95"] = None
    if len(trees) > 1:
        paths = list(_leaves(merged, ""))
        found = {path: intervals.interval(_values(plain, path)) for path in paths}
        merged["ci95"] = {path.removeprefix("latency."): ends for path, ends in found.items() if ends}
    if "portions" in trees[0]:
        merged["portions"] = [_entry(items) for items in zip(*(tree["portions"] for tree in trees))]
    if "twin" in trees[0]:
        merged["twin"] = _entry([tree["twin"] for tree in trees])
    if "classes" in trees[0]:
        merged["classes"] = _each(_entry, [tree["classes"] for tree in trees])
    return merged


def _merge(key: str, values: Sequence[Any]) -> Any:
    if any(isinstance(value, dict) for value in values):
        names = list(dict.fromkeys(name for value in values for name in value))
        if key == "exits":
            names.sort(key=int)
            return {name: _merge(name, [value.get(name, 0.0) for value in values]) for name in names}
        return {name: _merge(name, [value[name] for value in values]) for name in names}
    if key in _CONSTANTS or len(values) == 1:
        return values[0]
    known = [value for value in values if value is not None]
    if not known:
        return None
    if key in _SUMS:
        return sum(known)
    if key in _MAXIMA:
        return max(known)
    return known[0] if len(set(known)) == 1 else math.fsum(known) / len(known)


def _leaves(tree: Json, prefix: str) -> Any:
    """Dotted paths of the figures that are means over replications."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}.")
        elif value is not None and key not in (*_SUMS, *_MAXIMA, *_CONSTANTS, "ci95"):
            yield f"{prefix}{key}"


def _values(trees: Sequence[Json], path: str) -> list[float]:
    """The known values of one figure, by replication; an exit that nobody took has share 0."""
    found = []
    for tree in trees:
        value: Any = tree
        for part in path.split("."):
            value = value.get(part, 0.0)
        if value is not None:
            found.append(value)
    return found
