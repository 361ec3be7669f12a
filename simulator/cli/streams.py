"""Streamed steps measured by ``plan calibrate measure --kind stream``, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.cli.measure import remarks

if TYPE_CHECKING:
    from simulator.calibration.measure import Measurement, Row


def streams_text(found: Measurement, width: int) -> str:
    """Times by group size, with reads and without, then where the layers come from and the noise."""
    from simulator.reporting.grid import grid, wrapped

    sizes = sorted({int(row.labels["group"]) for row in found.rows})
    lines: dict[str, dict[int, str]] = {}
    for row in found.rows:
        lines.setdefault(_title(row), {})[int(row.labels["group"])] = f"{row.latency_us * 1e-3:.4g}"
    table = grid(
        ["ms by group", *map(str, sizes)],
        [[title, *(times.get(one, "") for one in sizes)] for title, times in lines.items()],
        width,
    )
    said = [*dict.fromkeys(_moved(row) for row in found.rows if row.labels["bytes_moved_per_step"])]
    return "\n\n".join([table, *(wrapped(text, width, "  ") for text in (*said, *remarks(found, None)))]) + "\n"


def _title(row: Row) -> str:
    arm = "with reads" if row.labels["arm"] == "stream_read" else "compute alone"
    return f"{row.labels['network']} {row.labels['variant']}, {arm}"


def _moved(row: Row) -> str:
    said = row.labels
    return (
        f"{said['network']} {said['variant']}: {said['layer_loads_per_step']} loads and "
        f"{int(said['bytes_moved_per_step']) / 1e6:.4g} MB a step from {said['source']}, "
        f"{said['microbatch_rows']} rows in a microbatch"
    )
