"""Exit modes side by side, as text and as CSV."""

from __future__ import annotations

from simulator.reporting.csvtext import csv_text
from simulator.reporting.grid import grid, wrapped
from simulator.results.cohort import Json
from simulator.results.units import NOTHING, measure

CHOSEN, OTHER = "* ", "  "
CSV_COLUMNS = (
    "exit_mode",
    "execution",
    "cuts",
    "ramps",
    "pools",
    "replicas",
    "batch",
    "capacity",
    "load",
    "goodput",
    "attainment",
    "p99",
    "accuracy",
    "cost_per_million",
    "recommended",
)


def exits_table(figures: Json, width: int = 80) -> str:
    """One row per mode of a comparison (its ``to_dict()``), the recommended one marked, then the reason and notes."""
    header = ["  mode", "ramps", "replicas", "capacity", "load", "goodput", "p99", "accuracy", "per million"]
    rows = [_row(mode, mode == figures["recommended"], len(figures["devices"]) > 1) for mode in figures["modes"]]
    devices = ", ".join(f"{count} {pool}" for pool, count in figures["devices"].items())
    batch = figures["recommended"]["batch"]
    offered = "a closed load" if figures["offered"] is None else f"{figures['offered']:,.0f}/s offered"
    title = f"{figures['service']}: replicas for {devices}, batch {batch}, {offered}"
    naive = figures["every_ramp"]
    said = [f"{CHOSEN}{figures['reason']}"]
    if naive is not None:
        accuracy = measure(naive["accuracy"], "share")
        said.append(f"compact with every ramp: {measure(naive['capacity'], 'rate')}, accuracy {accuracy}")
    said += figures["notes"]
    parts = [wrapped(title, width), grid(header, rows, width, indent=0), *(wrapped(text, width, "  ") for text in said)]
    return "\n\n".join(parts[:2]) + "\n\n" + "\n".join(parts[2:])


def exits_csv(figures: Json) -> str:
    """One row per mode; lists with blanks between their entries."""
    rows = []
    for mode in figures["modes"]:
        cells = [mode[column] for column in CSV_COLUMNS[:-1]]
        texts = [" ".join(map(str, cell)) if isinstance(cell, list) else cell for cell in cells]
        rows.append([*texts, int(mode == figures["recommended"])])
    return csv_text(CSV_COLUMNS, rows)


def _row(mode: Json, chosen: bool, several: bool) -> list[str]:
    name = mode["exit_mode"]
    if name == "at_cut":
        name = f"{name} {mode['execution']}"
    counts = [f"{count} {pool}" if several else str(count) for count, pool in zip(mode["replicas"], mode["pools"])]
    cost = mode["cost_per_million"]
    return [
        (CHOSEN if chosen else OTHER) + name,
        "-".join(map(str, mode["ramps"])) or NOTHING,
        (" + " if several else "-").join(counts),
        measure(mode["capacity"], "rate"),
        measure(mode["load"], "share"),
        measure(mode["goodput"], "rate"),
        measure(mode["p99"], "seconds"),
        measure(mode["accuracy"], "share"),
        NOTHING if cost is None else f"{cost:.3f}",
    ]
