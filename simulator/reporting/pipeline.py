"""Pipelines side by side, and what a search found, as text and as CSV."""

from __future__ import annotations

from collections import Counter

from simulator.reporting.csvtext import csv_text
from simulator.reporting.grid import grid, wrapped
from simulator.results.cohort import Json
from simulator.results.units import NOTHING, measure, number

BEST, TOO_BIG, OTHER = "* ", "! ", "  "
CSV_COLUMNS = (
    "schedule",
    "chunks",
    "microbatches",
    "microbatch",
    "partition",
    "status",
    "why",
    "iteration",
    "makespan",
    "span",
    "bubble_makespan",
    "bubble_span",
    "activations",
    "memory",
    "samples_per_s",
    "bound",
    "ideal",
    "best",
)
MOST_FAILURES = 8
"""Reasons for which candidates failed that are listed."""


def comparison_table(figures: Json, width: int = 80) -> str:
    """One row per schedule of a comparison (its ``to_dict()``), then what does not fit or does not exist, and notes."""
    tried = [row for row in figures["rows"] if row["iteration"] is not None]
    title = f"{_title(figures)}, {figures['rows'][0]['microbatches']} microbatches"
    parts = [wrapped(title, width, OTHER)]
    if tried:
        parts.append(_grid(figures, tried, width))
    said = [_best(figures)]
    said += [f"{TOO_BIG}{_named(row)}: {row['why']}" for row in tried if row["why"]]
    said += [row["why"] for row in figures["rows"] if row["iteration"] is None]
    return _joined(parts, said + figures["notes"], width)


def search_table(figures: Json, width: int = 80) -> str:
    """What a search found (its ``to_dict()``): the front of time against memory, the best one, and how good it is."""
    rows, best = figures["rows"], figures["best"]
    parts = [wrapped(f"{_title(figures)}: {len(rows):,} candidates tried", width, OTHER)]
    shown = figures["front"]
    if best is None:
        shown = sorted((row for row in rows if row["activations"] is not None), key=_memory)[:MOST_FAILURES]
    if shown:
        parts.append(_grid(figures, shown, width, microbatches=True))
    said = [_best(figures)]
    if best is not None:
        said += list(_quality(figures, best))
    said += _failures(rows)
    if figures["stopped"]:
        said.append(f"stopped ({figures['stopped']}): {figures['left']:,} candidates were not tried")
    return _joined(parts, said + figures["notes"], width)


def pipeline_csv(figures: Json) -> str:
    """One row per candidate, in the order in which they were tried; parts of a list with blanks between them."""
    rows = []
    for row in figures["rows"]:
        flat = {**row, **{f"bubble_{key}": value for key, value in row["bubble_fraction"].items()}}
        flat |= {"best": int(row == figures["best"]), "partition": " ".join(row["partition"] or ())}
        rows.append([flat[column] for column in CSV_COLUMNS])
    return csv_text(CSV_COLUMNS, rows)


def pipeline_title(figures: Json, row: Json) -> str:
    """What a picture of one row is called."""
    share = measure(row["bubble_fraction"]["makespan"], "share")
    return (
        f"{figures['training']}: {_named(row)}, {figures['stages']} stages, {row['microbatches']} microbatches, "
        f"{measure(row['iteration'], 'seconds')} per iteration, bubbles {share} of the makespan"
    )


def _title(figures: Json) -> str:
    copies = f"{figures['copies']} x " if figures["copies"] > 1 else ""
    limit = "" if figures["limit"] is None else f", at most {_size(figures, figures['limit'])} of activations"
    return f"{figures['training']}: {copies}{figures['stages']} stages{limit}"


def _named(row: Json) -> str:
    return f"{row['schedule']} x{row['chunks']}" if row["chunks"] > 1 else str(row["schedule"])


def _grid(figures: Json, rows: list[Json], width: int, *, microbatches: bool = False) -> str:
    sized = figures["memory_unit"] == "bytes"
    fast = any(row["samples_per_s"] is not None for row in rows)
    whole = sized and microbatches  # there the front is of time against memory
    header = ["  schedule x chunks", *["m"] * microbatches, "iteration", "bubbles", "by span"]
    header += ["in flight"] * (not whole) + ["memory"] * sized + ["samples/s"] * fast
    table = []
    for row in rows:
        mark = BEST if row == figures["best"] else TOO_BIG if row["status"] == "too big" else OTHER
        cells = [
            mark + _named(row),
            *[str(row["microbatches"])] * microbatches,
            measure(row["iteration"], "seconds"),
            measure(row["bubble_fraction"]["makespan"], "share"),
            measure(row["bubble_fraction"]["span"], "share"),
        ]
        cells += [_size(figures, row["activations"]) if sized else number(row["activations"])] * (not whole)
        cells += [_size(figures, row["memory"])] if sized else []
        cells += [NOTHING if row["samples_per_s"] is None else number(row["samples_per_s"])] * fast
        table.append(cells)
    return grid(header, table, width, indent=0)


def _size(figures: Json, amount: float) -> str:
    return f"{number(amount / 1e9)} GB" if figures["memory_unit"] == "bytes" else f"{number(amount)} microbatches"


def _memory(row: Json) -> float:
    found: float = row["activations"] if row["memory"] is None else row["memory"]
    return found


def _best(figures: Json) -> str:
    best = figures["best"]
    if best is None:
        return "nothing fits"
    return f"{BEST}fastest that fits: {_named(best)}, {measure(best['iteration'], 'seconds')} per iteration"


def _quality(figures: Json, best: Json) -> list[str]:
    """How good the best one is, how it is cut, and how it is simulated."""
    gap, bound = figures["gap"], measure(figures["bound"], "seconds")
    close = "which is the least possible" if gap < 1e-9 else f"at most {measure(gap, 'share')} above the least possible"
    said = [f"{close}: no order takes less than {bound} on what was tried"]
    if best["partition"] is not None:
        said.append("layers of the stages: " + " ".join(best["partition"]))
    if figures["settings"]:
        said.append("simulate it: " + " ".join(f"--set {key}={value}" for key, value in figures["settings"].items()))
    return said


def _failures(rows: list[Json]) -> list[str]:
    """How many candidates failed, by reason: those that do not fit in one line, refusals by schedule."""
    big = sum(row["status"] == "too big" for row in rows)
    said = [f"{big:,} do not fit"] if big else []
    reasons = Counter(row["why"] for row in rows if row["status"] in ("refused", "left out"))
    if reasons:
        said.append(f"{sum(reasons.values()):,} cannot be made:")
        said += [
            f"  {why}" + (f" ({count} times)" if count > 1 else "") for why, count in reasons.most_common(MOST_FAILURES)
        ]
        hidden = len(reasons) - MOST_FAILURES
        said += [f"  and for {hidden} more reasons; --json has them all"] if hidden > 0 else []
    return said


def _joined(parts: list[str], said: list[str], width: int) -> str:
    return "\n\n".join(parts) + "\n\n" + "\n".join(wrapped(text, width, "  ") for text in said)
