"""The tables of a training that people see."""

from __future__ import annotations

from typing import Any

from simulator.results.cohort import Json
from simulator.results.figures import ends
from simulator.results.shown import Block
from simulator.results.shown_fill import fill_blocks
from simulator.results.units import Kind, measure, number

MOST_STAGES = 32
"""Stages that are listed; of more, the first and the last ones."""
_FIGURES: tuple[tuple[str, str, Kind], ...] = (
    ("iterations", "iterations", "plain"),
    ("time per iteration", "iteration", "seconds"),
    ("makespan", "makespan", "seconds"),
    ("longest stage span", "span", "seconds"),
    ("ideal", "ideal", "seconds"),
    ("bubbles, by makespan", "bubble_fraction.makespan", "share"),
    ("bubbles, by stage span", "bubble_fraction.span", "share"),
    ("utilization", "utilization", "share"),
    ("failures", "failures", "plain"),
    ("down", "down", "seconds"),
    ("cost per iteration", "cost_per_iteration", "plain"),
)
_RARE = ("failures", "down", "cost per iteration")
"""Left out where they are 0."""


def training_blocks(name: str, tree: Json) -> list[Block]:
    """The figures of a training, where an iteration's time goes, and its stages."""
    rows = []
    for title, path, kind in _FIGURES:
        value: Any = tree
        for part in path.split("."):
            value = value[part]
        if title not in _RARE or value:
            rows.append([title, measure(value, kind, *ends(tree, path))])
    breakdown = tree["breakdown"]
    whole = sum(breakdown.values())
    parts = [
        [part.replace("_", "-"), measure(value, "seconds"), measure(value / whole, "share")]
        for part, value in breakdown.items()
        if value
    ]
    return [
        Block(f"{name}, {tree['schedule']}", ["", ""], rows),
        Block("", ["where an iteration goes", "mean", "share"], parts if whole else []),
        Block("", ["stage", "busy", "idle", "windows", "longest", "peak activations"], _stages(tree["stages"])),
        *(fill_blocks(name, tree["fill"]) if "fill" in tree else ()),
    ]


def _stages(stages: list[Json]) -> list[list[str]]:
    shown = list(enumerate(stages))
    if len(shown) > MOST_STAGES:
        shown = [*shown[: MOST_STAGES // 2], *shown[-MOST_STAGES // 2 :]]
    return [[str(index), *_stage(tree)] for index, tree in shown]


def _stage(tree: Json) -> list[str]:
    lengths = [length for _, length in tree["idle_windows"]]
    peak = tree["peak_activations"]
    in_bytes = tree["peak_memory"] is not None
    return [
        measure(tree["busy"], "seconds"),
        measure(tree["idle"], "seconds"),
        str(len(lengths)),
        measure(max(lengths, default=0.0), "seconds"),
        f"{number(peak / 1e9)} GB" if in_bytes else f"{number(peak)} microbatches",
    ]
