"""What the planner answers as HTML tables, for notebooks: each of the trees that ``to_dict()`` gives, and no more."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from simulator.planner.compare.figures import kind_of
from simulator.results.cohort import Json
from simulator.results.html import html_page
from simulator.results.shown import Block
from simulator.results.shown_table import Column, block_of
from simulator.results.units import measure, number

PROVEN = 1e-6
"""Gaps that are none."""
MOST_REJECTED = 8
"""Rejected alternatives that are listed."""
SATURATION = (
    Column("service", "name", "text"),
    Column("highest rate", "max_rate", "rate"),
    Column("load factor", "load_factor", "factor"),
    Column("margin", "margin", "share"),
    Column("bottleneck", "binds", "text"),
)
EXITS = (
    Column("mode", "mode", "text"),
    Column("ramps", "ramps", "text"),
    Column("replicas", "replicas", "text"),
    Column("capacity", "capacity", "rate"),
    Column("load", "load", "share"),
    Column("goodput", "goodput", "rate"),
    Column("attainment", "attainment", "share"),
    Column("p99", "p99", "seconds"),
    Column("accuracy", "accuracy", "share"),
    Column("per million", "cost_per_million", "plain"),
)
GROUPS = (
    Column("group", "group", "plain"),
    Column("step", "step", "seconds"),
    Column("per sample", "per_sample", "seconds"),
    Column("memory", "memory", "bytes"),
    Column("moved", "bytes_moved", "bytes"),
    Column("loads", "layer_loads", "plain"),
    Column("bound", "bound", "text"),
    Column("without grouping", "naive", "seconds"),
    Column("fits", "fits", "text"),
)
BACKTEST = (
    Column("strategy", "name", "text"),
    Column("cost", "cost", "plain"),
    Column("device hours", "device_hours", "plain"),
    Column("attainment", "attainment", "share"),
    Column("days missed", "missed_days", "plain"),
    Column("changes a day", "changes", "plain"),
)
WINDOWS = (
    Column("window", "window", "text"),
    Column("service", "service", "text"),
    Column("highest rate", "rate", "rate"),
    Column("replicas", "devices", "text"),
    Column("mode", "exit_mode", "text"),
    Column("cuts", "splits", "text"),
    Column("batch", "batch", "text"),
    Column("format", "precision", "text"),
    Column("p99", "p99", "seconds"),
    Column("attainment", "attainment", "share"),
    Column("per hour", "cost_per_hour", "plain"),
)
REJECTED = (
    Column("rejected", "alternative", "text"),
    Column("per hour", "price", "plain"),
    Column("why", "reason", "text"),
)
TRADED = (
    Column("deployment", "deployment", "text"),
    Column("mode", "mode", "text"),
    Column("per hour", "cost_per_hour", "plain"),
    Column("p99", "p99", "seconds"),
    Column("accuracy", "accuracy", "share"),
    Column("attainment", "attainment", "share"),
)


def saturation_html(figures: Json) -> str:
    """The highest load of every service, and what binds there."""
    rows, said = [], []
    for name, tree in figures["services"].items():
        low, high = tree["ci95"] or (None, None)
        binds = tree["bottleneck"] and f"{tree['bottleneck']['kind']} {tree['bottleneck']['name']}"
        rows.append({**tree, "name": name, "max_rate_lo": low, "max_rate_hi": high, "binds": binds})
        said += [f"{name}: {tree['note']}"] if tree["note"] else []
    return html_page("", [block_of("", SATURATION, rows)], said)


def exits_html(figures: Json) -> str:
    """One row per exit mode, the recommended one marked."""
    offered = "a closed load" if figures["offered"] is None else f"{measure(figures['offered'], 'rate')} offered"
    devices = ", ".join(f"{count} {pool}" for pool, count in figures["devices"].items())
    lead = f"{figures['service']}: {devices}, batch {figures['recommended']['batch']}, {offered}"
    said = [f"* {figures['reason']}", *figures["notes"]]
    rows = [{**mode, "mode": _mode(mode)} for mode in figures["modes"]]
    best = {**figures["recommended"], "mode": _mode(figures["recommended"])}
    return html_page(lead, [block_of("", EXITS, rows, best)], said)


def _mode(row: Json) -> str:
    return f"{row['exit_mode']} serial" if row["execution"] == "serial" else str(row["exit_mode"])


def pipelines_html(figures: Json) -> str:
    """Schedules side by side, or what a search found: its front of time against memory; the best one marked."""
    searched = "front" in figures
    rows = figures["front"] if searched else figures["rows"]
    tried = [row for row in rows if row["iteration"] is not None]
    lead = f"{figures['training']}: {figures['stages']} stages"
    lead += f", {len(figures['rows']):,} candidates tried" if searched else ""
    best = figures["best"]
    said = ["nothing fits"] if best is None else [f"* fastest that fits: {measure(best['iteration'], 'seconds')}"]
    if searched and best is not None:
        gap, bound = measure(figures["gap"], "share"), measure(figures["bound"], "seconds")
        said.append(f"at most {gap} above {bound}, the least possible")
    said += [row["why"] for row in rows if row["iteration"] is None]
    return html_page(lead, [block_of("", _pipeline_columns(figures), tried, best)], [*said, *figures["notes"]])


def _pipeline_columns(figures: Json) -> tuple[Column, ...]:
    sized = figures["memory_unit"] == "bytes"
    return (
        Column("schedule", "schedule", "text"),
        Column("chunks", "chunks", "plain"),
        Column("microbatches", "microbatches", "plain"),
        Column("iteration", "iteration", "seconds"),
        Column("bubbles", "bubble_fraction.makespan", "share"),
        Column("by span", "bubble_fraction.span", "share"),
        Column("activations", "activations", "bytes") if sized else Column("in flight", "activations", "plain"),
        Column("memory", "memory", "bytes"),
        Column("samples", "samples_per_s", "rate"),
        Column("status", "status", "text"),
    )


def groups_html(figures: Json) -> str:
    """One row per group size, the recommended one marked."""
    what = f"{figures['model']}, {figures['mode']} on {figures['pool']}, {figures['layers']} layers"
    lead = f"{figures['stream']}: {what}"
    best = figures["recommended"]
    said = [f"* group {best['group']:,}: {figures['reason']}", *figures["notes"]]
    return html_page(lead, [block_of("", GROUPS, figures["rows"], best)], said)


def backtest_html(figures: Json) -> str:
    """One row per strategy: sums over the days that were replayed."""
    rows = [{**tree["total"], "name": name} for name, tree in figures["strategies"].items()]
    count = len(figures["days_s"])
    lead = f"{figures['scenario']}, {figures['service']}: {count} day{'' if count == 1 else 's'} of {figures['series']}"
    said = [f"{name}: {tree['about']}" for name, tree in figures["strategies"].items()]
    return html_page(lead, [block_of("", BACKTEST, rows)], said)


def optimized_html(figures: Json) -> str:
    """The plan window by window (equal neighbours are one row), how good it is, and what lost against it."""
    cost, said = figures["cost"], [] if figures["holds"] else [f"no plan passes: {figures['reason']}"]
    lead = f"{figures['scenario']}: no plan" if cost is None else _priced(figures)
    certificate = figures["certificate"]
    said += _proof(certificate)
    room = certificate.get("headroom") or {}
    if room.get("factor") is not None:
        said.append(f"holds up to {number(room['factor'], 3)} times the planned load")
    said += [f"binds: {text}" for text in certificate.get("binding", [])]
    blocks = [block_of("", WINDOWS, list(_windows(figures["windows"])))]
    blocks.append(block_of("rejected", REJECTED, certificate.get("rejected", [])[:MOST_REJECTED]))
    traded = figures["pareto"] or []
    blocks.append(block_of("at the highest rate", TRADED, traded, next((one for one in traded if one["chosen"]), None)))
    return html_page(lead, blocks, [*said, *figures["notes"]])


def _priced(figures: Json) -> str:
    cost = figures["cost"]
    head = f"{figures['scenario']}: {number(cost['per_hour'])} per hour over {measure(figures['horizon'], 'seconds')}"
    value = figures["certificate"]["value"]
    kinds = {"goodput": "rate", "attainment": "share"}
    if figures["objective"] in kinds and value is not None:
        head += f", {figures['objective']} {measure(value, kinds[figures['objective']])}"  # type: ignore[arg-type]
    return head


def _proof(certificate: Json) -> Iterator[str]:
    """The gaps to the best possible, as far as they are known."""
    what = {"search": "the best of everything that was searched", "any_plan": "any plan at all"}
    for name, text in what.items():
        gap = certificate["gaps"].get(name)
        if gap is not None:
            yield f"{measure(gap, 'share')} from {text}, at most" if gap > PROVEN else f"equal to {text}"


def _windows(windows: list[Json]) -> Iterator[Json]:
    """Rows of neighbouring windows in which a service is deployed alike: the highest rate, the worst p99."""
    for name in windows[0]["services"] if windows else ():
        rows = [(window["start"], window["end"], window["services"][name]) for window in windows]
        for _, same in groupby(rows, key=_deployed):
            run = list(same)
            found = run[0][2]
            yield {
                **found,
                "window": _span(run[0][0], run[-1][1]),
                "service": name,
                "rate": max(row["rate"] for *_, row in run),
                "devices": " + ".join(f"{one['replicas']} {one['pool']}" for one in found["resources"]),
                "p99": max(_known(run, "p99"), default=None),
                "attainment": min(_known(run, "attainment"), default=None),
            }


def _known(run: list[tuple[float, float, Json]], key: str) -> list[float]:
    return [row[key] for *_, row in run if row[key] is not None]


def _deployed(item: tuple[float, float, Json]) -> list[object]:
    row = item[2]
    return [row[key] for key in ("resources", "exit_mode", "execution", "splits", "batch", "max_wait", "precision")]


def _span(start_s: float, end_s: float) -> str:
    """From when to when: on the clock where both are whole minutes, else in seconds.

    >>> _span(0.0, 28800.0), _span(0.0, 0.5)
    ('00:00 - 08:00', '0 - 0.5 s')
    """
    if start_s % 60 or end_s % 60:
        return f"{start_s:g} - {end_s:g} s"
    return " - ".join(f"{int(at) // 3600:02d}:{int(at) // 60 % 60:02d}" for at in (start_s, end_s))


def uncertainty_html(figures: Json) -> str:
    """Bands of the figures of a simulation."""
    rows = [
        [name, figure, *(measure(band[key], kind_of(figure)) for key in ("told", "low", "high"))]
        for section in ("services", "trainings", "streams")
        for name, bands in figures[section].items()
        for figure, band in bands.items()
    ]
    lead = f"{figures['draws']} draws of the calibration error" if rows else "nothing to draw: no fit tells its error"
    return html_page(lead, [Block("", ["", "figure", "with costs as told", "5 %", "95 %"], rows)], figures["exact"])
