"""A tuned configuration as a text table for people."""

from __future__ import annotations

from collections import Counter

from simulator.reporting.grid import grid, wrapped
from simulator.results.cohort import Json
from simulator.results.units import NOTHING, measure, number

_LAYERS = 40
"""Layers of which each gets a row; of larger networks those are counted by precision."""
_NAMED = 6
"""Layers up to which a configuration is written out in the table of the front."""


def precision_table(figures: Json, width: int = 80) -> str:
    """The chosen precision of every layer, what it costs and keeps, the front, and why (of ``Tuned.figures``)."""
    parts = [wrapped(_head(figures), width, "  "), _totals(figures, width), _layers(figures, width)]
    parts.append("cost against accuracy, of all evaluated\n" + _front(figures, width))
    said = [figures["reason"], *(f"note: {note}" for note in figures["notes"])]
    return "\n\n".join(parts) + "\n\n" + "\n".join(wrapped(text, width, "  ") for text in said) + "\n"


def _head(figures: Json) -> str:
    budget = "" if figures["budget"] is None else f" of {figures['budget']:,}"
    again = figures["evaluations_of_ledger"]
    kept = f", {again:,} of them from the ledger" if again else ""
    verdict = "passes" if figures["passed"] else "NOTHING PASSES; the most accurate is shown"
    size = figures["configurations"]
    count = f"{size:,}" if size < 10**9 else f"{size:.3g}"
    return (
        f"{len(figures['layers'])} layers, {count} configurations, strategy {figures['strategy']}: "
        f"{figures['evaluations_used']:,}{budget} evaluations{kept}; {verdict}"
    )


def _totals(figures: Json, width: int) -> str:
    floor, held = measure_accuracy(figures["floor"]["accuracy"]), figures["held_out"]
    header = ["", "cost", "of reference", "predicted accuracy" if figures["predicted"] else "accuracy", "floor"]
    if held is not None:
        header.append("on test samples")
    rows = []
    for name in ("reference", "chosen"):
        one = figures[name]
        row = [name, _cost(one["cost"], figures["unit"]), _share(one["relative_cost"])]
        rows.append([*row, measure_accuracy(one["accuracy"]), floor, *([measure_accuracy(held[name])] if held else [])])
    return grid(header, rows, width)


def _layers(figures: Json, width: int) -> str:
    chosen, reference = figures["chosen"]["precision"], figures["reference"]["precision"]
    if len(chosen) > _LAYERS:
        counts = Counter(chosen.values())
        return grid(["precision", "layers"], [[name, str(count)] for name, count in counts.items()], width)
    rows = [
        [layer, name, "" if name == reference[layer] else f"was {reference[layer]}"] for layer, name in chosen.items()
    ]
    return grid(["layer", "precision", ""], rows, width)


def _front(figures: Json, width: int) -> str:
    rows = [
        [
            _config(one["precision"]),
            _cost(one["cost"], figures["unit"]),
            _share(one["relative_cost"]),
            measure_accuracy(one["accuracy"]),
            "passes" if one["passed"] else "",
        ]
        for one in figures["front"]
    ]
    return grid(["precisions", "cost", "of reference", "accuracy", ""], rows, width)


def _config(chosen: Json) -> str:
    if len(chosen) <= _NAMED:
        return " ".join(chosen.values())
    return ", ".join(f"{count} {name}" for name, count in Counter(chosen.values()).items())


def _cost(cost: float, unit: str) -> str:
    return measure(cost, "seconds") if unit == "s" else f"{number(cost)} {unit}"


def _share(share: float | None) -> str:
    return NOTHING if share is None else f"{100 * share:.1f} %"


def measure_accuracy(value: float) -> str:
    """An accuracy as percent where it is a share, else as a number.

    >>> measure_accuracy(0.9312), measure_accuracy(27.31)
    ('93.12 %', '27.31')
    """
    return f"{100 * value:.2f} %" if abs(value) <= 1 else number(value)
