"""The numbers of a sweep's picture: one figure over one key, a line for each value of another."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from simulator.errors import Problem, ScenarioError
from simulator.planner.sweep import Axis, SweepResult
from simulator.planner.sweep.columns import short_names
from simulator.results.cohort import Json
from simulator.scenario.units import BANDWIDTH, COMPUTE, DURATION, RATE, SIZE, WORK, UnitError, parse, parse_share

KINDS = ("service", "training", "stream")
SECONDS = (
    "mean",
    "p50",
    "p90",
    "p95",
    "p99",
    "p999",
    "max",
    "iteration",
    "makespan",
    "span",
    "ideal",
    "elapsed",
    "step",
)
SHARES = ("attainment", "accuracy", "utilization", "bubble_fraction.makespan", "bubble_fraction.span")


@dataclass(frozen=True, slots=True)
class Asked:
    """What to draw: the key along, the figure up, and the key that tells the lines apart."""

    x: str
    y: str
    hue: str | None


@dataclass(frozen=True, slots=True)
class Line:
    """One line: places along (n,), values, and ends of their intervals (None where not known)."""

    label: str
    hue: int
    rest: int
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class SweepPlot:
    """The picture's numbers: lines of every panel, by service; ``ticks`` are places and texts of the values along."""

    asked: Asked
    panels: Mapping[str, tuple[Line, ...]]
    ticks: tuple[tuple[float, str], ...]
    numeric: bool
    legend: str
    unit: str


def parse_plot(texts: Sequence[str], found: Sequence[Axis]) -> Asked:
    """What ``x=KEY y=FIGURE hue=KEY`` asks for; what is left out is the first key, p99, the second key.

    Keys may be shortened to their end, as in ``x=rate``.
    """
    given: dict[str, str] = {}
    for word in " ".join(texts).split():
        name, equals, value = word.partition("=")
        if not equals or not value or name not in ("x", "y", "hue") or name in given:
            raise ScenarioError(Problem(f"{word!r}: must be x=KEY y=FIGURE hue=KEY, each once", file="--plot"))
        given[name] = value
    keys = [item.key for item in found]
    if not keys:
        raise ScenarioError(Problem("there is no key to draw along: nothing is swept", file="--plot"))
    varied = [item.key for item in found if len(item.texts) > 1] or keys
    hue = _key(given["hue"], keys) if "hue" in given else None
    x = _key(given["x"], keys) if "x" in given else next((key for key in varied if key != hue), varied[0])
    if hue is None:
        hue = next((key for key in varied if key != x), None)
    if x == hue:
        raise ScenarioError(Problem(f"x and hue are both {x}", file="--plot"))
    return Asked(x, given.get("y", "p99"), hue)


def _key(text: str, keys: Sequence[str]) -> str:
    if text in keys:
        return text
    ends = [key for key in keys if key.endswith(f".{text}")]
    if len(ends) == 1:
        return ends[0]
    what = f"{text!r} is the end of several keys" if ends else f"{text!r} is not swept"
    raise ScenarioError(Problem(f"{what}: name one of {', '.join(ends or keys)}", file="--plot"))


def sweep_plot(found: SweepResult, asked: Asked) -> SweepPlot:
    """The numbers of the picture; points that failed or have no such figure are left out of their line."""
    kind = next((kind for kind in KINDS if any(row.get(asked.y) is not None for row in found.of(kind))), None)
    if kind is None:
        raise ScenarioError(Problem(_no_figure(found, asked.y), file="--plot"))
    axes = {item.key: item for item in found.axes}
    along, numeric = positions(axes[asked.x])
    rest = [item for item in found.axes if item.key not in (asked.x, asked.hue) and len(item.texts) > 1]
    panels = {
        name: tuple(_lines([row for row in found.of(kind) if row[kind] == name], found, asked, rest, along))
        for name in dict.fromkeys(row[kind] for row in found.of(kind))
    }
    names = short_names(list(axes))
    told = [names[key] for key in (asked.hue, *(item.key for item in rest)) if key is not None]
    ticks = tuple(zip(along.values(), axes[asked.x].texts))
    unit = "s" if _is_time(asked.y) else ""
    return SweepPlot(asked, panels, ticks, numeric, ", ".join(told), unit)


def positions(item: Axis) -> tuple[dict[Any, float], bool]:
    """Where each value of a key stands along, and whether that is a number: texts with units become SI numbers."""
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in item.values):
        return {value: float(value) for value in item.values}, True
    for dimension in (DURATION, RATE, SIZE, BANDWIDTH, COMPUTE, WORK):
        try:
            return {value: parse(text, dimension) for value, text in zip(item.values, item.texts)}, True
        except UnitError:
            continue
    try:
        return {value: parse_share(text) for value, text in zip(item.values, item.texts)}, True
    except UnitError:
        return {value: float(place) for place, value in enumerate(item.values)}, False


def _lines(
    rows: Sequence[Json], found: SweepResult, asked: Asked, rest: Sequence[Axis], along: Mapping[Any, float]
) -> Iterator[Line]:
    hues = {item.key: item for item in found.axes}[asked.hue].values if asked.hue is not None else (None,)
    combinations = list(dict.fromkeys(tuple(row[item.key] for item in rest) for row in rows))
    for place, hue in enumerate(hues):
        for number, others in enumerate(combinations):
            mine = [
                row
                for row in rows
                if (asked.hue is None or row[asked.hue] == hue)
                and tuple(row[item.key] for item in rest) == others
                and row.get(asked.y) is not None
            ]
            mine.sort(key=lambda row: along[row[asked.x]])
            if mine:
                label = ", ".join(str(value) for value in ((hue, *others) if asked.hue is not None else others))
                yield Line(
                    label,
                    place,
                    number,
                    tuple(along[row[asked.x]] for row in mine),
                    tuple(float(row[asked.y]) for row in mine),
                    tuple(row.get(f"{asked.y}_lo") for row in mine),
                    tuple(row.get(f"{asked.y}_hi") for row in mine),
                )


def _no_figure(found: SweepResult, name: str) -> str:
    known = [column for column in found.columns if any(isinstance(row.get(column), int | float) for row in found.rows)]
    known = [column for column in known if not column.endswith(("_lo", "_hi"))]
    near = difflib.get_close_matches(name, known, n=1)
    hint = (
        f", did you mean {near[0]!r}?" if near else ": choose p99, attainment, goodput, cost_per_hour or another column"
    )
    return f"no point has a figure {name!r}{hint}"


def _is_time(metric: str) -> bool:
    return (metric.rpartition(".")[2] in SECONDS and metric not in SHARES) or metric.startswith("breakdown.")
