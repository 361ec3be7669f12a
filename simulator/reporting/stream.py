"""Group sizes of a streamed model side by side, as text and as CSV."""

from __future__ import annotations

from simulator.reporting.csvtext import csv_text
from simulator.reporting.grid import grid, wrapped
from simulator.results.cohort import Json
from simulator.results.units import measure, number

BEST, WRITTEN, TOO_BIG, OTHER = "* ", "= ", "! ", "  "
CSV_COLUMNS = (
    "group",
    "fits",
    "recommended",
    "step",
    "per_microbatch",
    "per_sample",
    "samples_per_s",
    "memory",
    "server_memory",
    "bytes_moved",
    "bytes_loaded",
    "bytes_returned",
    "layer_loads",
    "bound",
    "compute",
    "transfer",
    "stall",
    "naive",
    "naive_loads",
    "why",
)


def stream_table(figures: Json, width: int = 80) -> str:
    """One row per group size (of ``to_dict()`` of ``plan stream``), then what is recommended and why, and notes."""
    parts = [wrapped(stream_title(figures), width, OTHER), _grid(figures, width)]
    said = [_best(figures), *_written(figures), _knees(figures), _memory(figures), *_server(figures), _naive(figures)]
    said += [f"{TOO_BIG}group {row['group']:,}: {row['why']}" for row in figures["rows"] if row["why"]]
    return "\n\n".join([*parts, "\n".join(wrapped(text, width, OTHER) for text in said + figures["notes"])])


def stream_csv(figures: Json) -> str:
    """One row per group size; seconds and bytes."""
    rows = []
    for row in figures["rows"]:
        flat = {**row, "fits": int(row["fits"]), "recommended": int(row == figures["recommended"])}
        rows.append([flat[column] for column in CSV_COLUMNS])
    return csv_text(CSV_COLUMNS, rows)


def stream_title(figures: Json) -> str:
    """What is looked at, in a line."""
    slots, samples = figures["slots"], figures["microbatch"]
    return (
        f"{figures['stream']}: {figures['model']}, {figures['mode']} on {figures['pool']}, {figures['layers']} layers "
        f"through {slots} slot{'s' if slots > 1 else ''}, {samples} sample{'s' if samples > 1 else ''} in a microbatch"
    )


def size(amount: float) -> str:
    """Bytes as people read them.

    >>> size(2.5e9), size(25.2e6)
    ('2.500 GB', '25.20 MB')
    """
    return f"{number(amount / 1e9)} GB" if amount >= 1e9 else f"{number(amount / 1e6)} MB"


def _grid(figures: Json, width: int) -> str:
    header = ["  group", "step", "per sample", "memory", "moved", "loads", "bound", "naive"]
    table = []
    for row in figures["rows"]:
        mark = TOO_BIG if row["why"] else OTHER
        mark = WRITTEN if row["group"] == figures["written"] else mark
        mark = BEST if row["group"] == figures["recommended"]["group"] else mark
        table.append(
            [
                f"{mark}{row['group']:,}",
                measure(row["step"], "seconds"),
                measure(row["per_sample"], "seconds"),
                size(row["memory"]),
                size(row["bytes_moved"]),
                f"{row['layer_loads']:,}",
                row["bound"],
                measure(row["naive"], "seconds"),
            ]
        )
    return grid(header, table, width, indent=0)


def _best(figures: Json) -> str:
    best = figures["recommended"]
    pace = measure(best["per_sample"], "seconds")
    return f"{BEST}group {best['group']:,}, {pace} per sample: {figures['reason']}"


def _written(figures: Json) -> list[str]:
    best = figures["recommended"]
    found = [row for row in figures["rows"] if row["group"] == figures["written"] != best["group"]]
    return [
        f"{WRITTEN}the scenario says {row['group']:,}: "
        f"{number(row['per_sample'] / best['per_sample'], 3)} times as long for a sample"
        for row in found
    ]


def _knees(figures: Json) -> str:
    phases = ("forward", "backward") if len(figures["knees"]) > 1 else ("all the way",)
    told = [f"{phase}: {_knee(at)}" for phase, at in zip(phases, figures["knees"])]
    return f"loads are hidden behind computing, {', '.join(told)}"


def _knee(at: float | None) -> str:
    if at is None:
        return "at no group, the link binds"
    return f"from {number(at, 3)} microbatches on" if at > 1.0 else "at every group"


def _memory(figures: Json) -> str:
    largest = figures["largest_group"]
    known = f"groups up to {largest:,}, the most that were looked at, fit"
    if largest < figures["max_group"]:
        known = f"groups up to {largest:,} fit" if largest > 1 else "only a group of 1 fits"
    return (
        f"memory: {size(figures['memory_fixed'])} and {size(figures['memory_per_microbatch'])} for each microbatch, of "
        f"{size(figures['memory_limit'])}; {known}"
    )


def _server(figures: Json) -> list[str]:
    each = figures["server_bytes_per_parameter"]
    held = size(figures["recommended"]["server_memory"])
    if each is None:
        return []
    return [f"at the server: {held} for a device, {each:g} bytes for each parameter (weights and optimizer)"]


def _naive(figures: Json) -> str:
    best = figures["recommended"]
    return (
        f"naive accumulation, each microbatch a step of its own, at {best['group']:,}: {best['naive_loads']:,} loads "
        f"instead of {best['layer_loads']:,}, {measure(best['naive'], 'seconds')} instead of "
        f"{measure(best['step'], 'seconds')}"
    )
