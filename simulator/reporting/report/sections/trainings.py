"""Trainings: who computes what when, what becomes of the idle time, and what other schedules would do."""

from __future__ import annotations

from simulator.costs.pipeline import evaluate
from simulator.errors import ScenarioError
from simulator.planner.pipeline import build, compare, pipeline_case
from simulator.planner.pipeline.rows import Candidate
from simulator.reporting.gantt import bars
from simulator.reporting.report.case import Case, Json, Part
from simulator.reporting.report.content import Block, Cell, Picture, Table, note, plain
from simulator.reporting.report.pictures.bars import stacked_picture
from simulator.reporting.report.pictures.shapes import gantt_picture
from simulator.reporting.report.pointers import shown, word
from simulator.results.figures import ends
from simulator.results.units import Kind

FIGURES: tuple[tuple[str, tuple[str, ...], Kind], ...] = (
    ("time per iteration", ("iteration",), "seconds"),
    ("ideal, without any bubble", ("ideal",), "seconds"),
    ("bubbles, share of the iteration", ("bubble_fraction", "makespan"), "share"),
    ("utilization", ("utilization",), "share"),
    ("devices", ("devices",), "plain"),
    ("failures", ("failures",), "plain"),
    ("cost per iteration", ("cost_per_iteration",), "plain"),
)
FILL: tuple[tuple[str, str, Kind], ...] = (
    ("idle device time", "idle", "seconds"),
    ("recovered", "recovered", "seconds"),
    ("fill efficiency", "efficiency", "share"),
    ("devices saved", "devices_saved", "plain"),
    ("slowdown of the training", "slowdown", "share"),
    ("slowdown budget", "slowdown_budget", "share"),
)


def _numbers(case: Case) -> Json | None:
    if not case.scenario.trainings:
        return None
    return {name: _compared(case, name) for name in case.scenario.trainings}


def _compared(case: Case, name: str) -> Json:
    try:
        found = compare(pipeline_case(case.scenario, name)).to_dict()
    except ScenarioError as error:
        return {"rows": [], "note": error.problems[0].message}
    keep = ("schedule", "chunks", "status", "iteration", "memory", "activations")
    rows = [{key: row[key] for key in keep} | {"bubbles": row["bubble_fraction"]["span"]} for row in found["rows"]]
    rows = [row for row in rows if row["iteration"] is not None]
    return {"rows": rows, "memory_unit": found["memory_unit"], "note": None}


def _blocks(case: Case) -> list[Block]:
    blocks: list[Block] = []
    for place, (name, figures) in enumerate(case.figures["trainings"].items()):
        blocks += _gantt(case, name, place)
        blocks += [_account(case, name, figures, place), _figures(case, name, figures)]
        if "fill" in figures:
            blocks.append(_fill(case, name))
        blocks += _schedules(case, name)
    return blocks


def _gantt(case: Case, name: str, place: int) -> list[Block]:
    """One iteration with exact times; jitter, failures and what fills the bubbles are in the figures."""
    written = case.scenario.trainings[name].pipeline
    try:
        study = pipeline_case(case.scenario, name)
        order = written.order is not None
        candidate = Candidate(written.schedule or "order", written.microbatches, written.chunks or 1, order=order)
        built = build(study, candidate)
    except ScenarioError as error:
        return [note(f"{name}: no timeline can be drawn: {error.problems[0].message}")]
    found = bars(evaluate(built.schedule, built.stages.times, ending=built.stages.ending))
    length = found.end_s - found.begin_s
    alt = (
        f"{name}: one iteration under {built.schedule.name}, {found.ranks} stages and {written.microbatches} "
        f"microbatches, {length:.4g} s; gaps are idle time."
    )
    return [Picture(gantt_picture(found, f"gantt{place}", alt), f"{name}: who computes what when", alt)]


def _account(case: Case, name: str, figures: Json, place: int) -> Picture:
    """Where an iteration goes, device by device on average, and what the idle windows gave back."""
    whole = sum(figures["breakdown"].values()) or 1.0
    parts = {key.replace("_", "-"): 100 * value / whole for key, value in figures["breakdown"].items() if value}
    drawn = {"an iteration": parts}
    if "fill" in figures and figures["fill"]["idle"]:
        idle, got = figures["fill"]["idle"], figures["fill"]["recovered"]
        drawn["its idle time"] = {"recovered": 100 * got / idle, "still idle": 100 * (1.0 - got / idle)}
    alt = f"{name}: " + "; ".join(
        f"{row}: {', '.join(f'{part} {share:.3g} %' for part, share in shares.items())}"
        for row, shares in drawn.items()
    )
    picture = stacked_picture(drawn, "share [%]", f"account{place}", alt)
    return Picture(picture, f"{name}: bubble account", alt)


def _figures(case: Case, name: str, figures: Json) -> Table:
    here = ("result", "trainings", name)
    rows: list[tuple[Cell, ...]] = []
    for title, steps, kind in FIGURES:
        figure = shown(case.tree, kind, *here, *steps, ends=ends(figures, ".".join(steps)))
        if figure.value or title not in ("failures", "cost per iteration"):
            rows.append((title, figure))
    for part, value in figures["breakdown"].items():
        if value:
            rows.append((f"of it: {part.replace('_', '-')}", shown(case.tree, "seconds", *here, "breakdown", part)))
    return Table(f"{name}, {figures['schedule']}", ("", ""), tuple(rows))


def _fill(case: Case, name: str) -> Table:
    here = ("result", "trainings", name, "fill")
    rows = tuple((title, shown(case.tree, kind, *here, key)) for title, key, kind in FILL)
    return Table(f"{name}: what runs in the bubbles", ("", ""), rows)


def _schedules(case: Case, name: str) -> list[Block]:
    numbers = case.numbers("trainings")
    assert numbers is not None
    told = numbers[name]
    if not told["rows"]:
        return [note(f"{name}: schedules are not compared: {told['note']}")] if told["note"] else []
    in_bytes = told["memory_unit"] == "bytes"
    rows: list[tuple[Cell, ...]] = []
    for place, _ in enumerate(told["rows"]):
        here = ("trainings", name, "rows", place)
        peak = shown(case.tree, "plain", *here, "memory" if in_bytes else "activations")
        if in_bytes and peak.value is not None:
            peak = type(peak)(f"{peak.value / 1e9:.1f} GB", peak.pointer, peak.value)
        rows.append(
            (
                word(case.tree, *here, "schedule"),
                shown(case.tree, "seconds", *here, "iteration"),
                shown(case.tree, "share", *here, "bubbles"),
                peak,
                word(case.tree, *here, "status"),
            )
        )
    mine = frozenset(
        place
        for place, row in enumerate(told["rows"])
        if row["schedule"] == case.figures["trainings"][name]["schedule"]
    )
    header = ("schedule", "iteration", "bubbles, by stage span", "memory" if in_bytes else "microbatches held", "")
    table = Table(f"{name}: other schedules of the same work", header, tuple(rows), mine)
    return [
        table,
        plain("Times of the comparison are exact ones, iterations back to back; the scenario's schedule is marked."),
    ]


PART = Part("trainings", "Trainings", _numbers, _blocks)
