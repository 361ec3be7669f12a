"""``plan calibrate measure``: measures, keeps what was finished, and shows times by batch size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulator.calibration.measure import Measurement

_NOISY = 0.05
"""Standard deviation over mean of the rounds from which a row is called noisy."""
_SIZES = ("batch", "m")
_PROVENANCE = ("backend", "version", "processor", "isa", "threads", "clock")


def run_measure(
    kind: str,
    shapes: Sequence[str],
    target: Path | None,
    *,
    rounds: int,
    calls: int,
    time_limit: str,
    batch: str | None,
    progress: Callable[[float], object] | None = None,
    **asked: Any,
) -> Measurement:
    """Measure, and write ``target`` when there is anything to write: after an interruption too."""
    from simulator.cli.output import refuse_output

    refuse_output(target)
    from simulator.calibration.measure import Effort, measure

    effort = Effort(rounds, calls, _seconds(time_limit))
    if batch is not None:
        asked["batches"] = _batches(batch)
    found = measure(kind, shapes, effort=effort, progress=progress, **asked)
    if target is not None and found.rows:
        found.write(target)
    return found


def _seconds(text: str) -> float:
    """A duration with its unit [s]."""
    from simulator.errors import Problem, ScenarioError
    from simulator.scenario.units import DURATION, UnitError, parse

    try:
        return parse(text, DURATION)
    except UnitError as error:
        raise ScenarioError(Problem(f"{text!r} {error}", path="--time-limit")) from None


def _batches(text: str) -> tuple[int, ...]:
    """Batch sizes with commas between."""
    from simulator.errors import Problem, ScenarioError

    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts):
        raise ScenarioError(Problem(f"must be whole numbers with commas between, got {text!r}", path="--batch"))
    return tuple(int(part) for part in parts)


def measure_text(found: Measurement, width: int) -> str:
    """Times by batch size for people, then the noise."""
    from simulator.reporting.grid import grid, wrapped

    size = next((name for name in _SIZES if all(name in row.labels for row in found.rows)), None)
    sizes = sorted({int(row.labels[size]) for row in found.rows}) if size else []
    lines: dict[str, dict[int, str]] = {}
    for row in found.rows:
        title = _title(row.labels, size)
        lines.setdefault(title, {})[int(row.labels[size]) if size else 0] = f"{row.latency_us:.4g}"
    if not size:
        table = grid(["measured", "µs"], [[title, *times.values()] for title, times in lines.items()], width)
    else:
        rows = [[title, *(times.get(one, "") for one in sizes)] for title, times in lines.items()]
        table = grid(["µs by batch", *map(str, sizes)], rows, width)
    return "\n\n".join([table, *(wrapped(text, width, "  ") for text in remarks(found, size))]) + "\n"


def _title(labels: Any, size: str | None) -> str:
    """What one line of the table is: ``512x1024 int8 static-tensor``."""
    named = {key: str(cell) for key, cell in labels.items() if key not in (*_PROVENANCE, size)}
    if {"k", "n"} <= named.keys():
        named = {"shape": f"{named.pop('k')}x{named.pop('n')}", **named}
    return " ".join(dict.fromkeys(cell for cell in named.values() if cell))


def remarks(found: Measurement, size: str | None) -> list[str]:
    """What to know about the figures."""
    sources = list(dict.fromkeys(tuple(str(row.labels.get(key, "")) for key in _PROVENANCE) for row in found.rows))
    said = [f"{a} {b} on {c} ({d}), {e} thread, clock {f}" for a, b, c, d, e, f in sources]
    noises = sorted(row.cv_rounds for row in found.rows if row.cv_rounds is not None)
    if noises:
        noisy = sum(noise > _NOISY for noise in noises)
        text = (
            f"noise between rounds: half of the rows up to {noises[len(noises) // 2]:.1%}, all up to {noises[-1]:.1%}"
        )
        said.append(text + (f"; {noisy} of {len(noises)} above {_NOISY:.0%}" if noisy else ""))
    where = "one processor" if found.pinned else "any processor (it could not be pinned)"
    load = "" if found.other_cores is None else f"; others kept {found.other_cores:.1f} processors busy"
    said.append(f"measured for {found.wall_s:.0f} s on {where}{load}")
    return said
