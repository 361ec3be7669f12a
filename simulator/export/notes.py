"""README.md of an exported folder: what to do with it, how it queues, and what it does not say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from simulator.export.case import Case, Window
from simulator.export.features import Found, found_in
from simulator.export.parts import Part
from simulator.export.queueing import Compared, Comparison, Figures
from simulator.export.target import Rendered, Target
from simulator.export.text import table
from simulator.results.units import NOTHING, measure, stated
from simulator.version import __version__

MOST_WINDOWS = 48
"""Windows that the page shows; the files have them all."""


def case_notes(case: Case, target: Target) -> tuple[str, ...]:
    """What is to be known of the plan, and a sentence for every feature that the target does not express."""
    found = [_said(one, target) for one in found_in(case) if target.verdict(one.feature).kind in ("noted", "lost")]
    return (*(f"{note[:1].upper()}{note[1:]}." for note in case.scenario.source.notes), *found)


def _said(one: Found, target: Target) -> str:
    verdict = target.verdict(one.feature)
    how = "not in these files, nor in the figures of the target" if verdict.kind == "lost" else "yours to do"
    return f"{one.said}: {how}; {verdict.text}."


def summary(comparison: Comparison, target: Target) -> tuple[str, ...]:
    """How the target queues, and which objectives that costs."""
    found = []
    if comparison.otherwise:
        found.append(f"{target.title} queues otherwise than the plan was verified. {'; '.join(comparison.otherwise)}.")
    else:
        found.append(f"{target.title} queues as the plan was verified.")
    if comparison.simulated_s is not None:
        found.append(f"Only the first {clock(comparison.simulated_s)} of the plan are simulated: that is run.duration.")
    if comparison.failure is not None:
        found.append(f"As {target.title} queues it could not be simulated: {comparison.failure}.")
    found += [f"service {one.service}: {_missed(one)}" for one in comparison.services if one.misses]
    return tuple(found)


def _missed(one: Compared) -> str:
    reached = one.target.attainment if one.target is not None else None
    return (
        f"MISSES its objective there: {measure(reached, 'share')} within {stated(one.slo_s or 0.0, 'seconds')}, "
        f"asked are {stated(one.asked or 0.0, 'share')}. Plan with this routing, or with headroom."
    )


def figure_rows(comparison: Comparison, target: Target) -> tuple[list[str], list[list[str]]]:
    """Header and rows: every service as verified and as the target queues."""
    header = ["service", "queues", "objective", "within it", "p99"]
    rows = []
    for one in comparison.services:
        asked = "" if one.asked is None else f"{stated(one.asked, 'share')} in "
        goal = NOTHING if one.slo_s is None else asked + stated(one.slo_s, "seconds")
        rows.append([one.service, "as verified", goal, *_cells(one.verified)])
        if comparison.otherwise:
            rows.append([one.service, f"as {target.title}", goal, *_cells(one.target)])
    return header, rows


def _cells(figures: Figures | None) -> list[str]:
    if figures is None:
        return [NOTHING, NOTHING]
    return [measure(figures.attainment, "share"), measure(figures.p99_s, "seconds")]


def readme(case: Case, target: Target, rendered: Rendered, comparison: Comparison) -> str:
    """The page as Markdown."""
    notes = [*case_notes(case, target), *rendered.notes]
    header, rows = figure_rows(comparison, target)
    blocks = [
        f"# {case.scenario.name}: {target.title}",
        f"Made by `plan export --to {target.name}` (exitplan {__version__}) from {case.file}{_changes(case)}.",
        "## What to do",
        "\n".join(f"{number}. {step}" for number, step in enumerate(rendered.steps, start=1)),
        "## How it queues",
        f"{target.queueing}",
        " ".join(summary(comparison, target)),
        table(header, rows),
        "Both are simulated with the same arrivals." if comparison.otherwise else "",
        "## What is not in these files",
        "\n".join(f"- **Note:** {note}" for note in notes) or "Nothing of the plan is left out.",
        "## Windows",
        *_windows(case),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _changes(case: Case) -> str:
    """Variants and overrides that the plan is made with."""
    source = case.scenario.source
    said = [*(f"--variant {name}" for name in source.variants), *(f"--set {text}" for text in source.sets)]
    return " with " + ", ".join(f"`{one}`" for one in said) if said else ""


def _windows(case: Case) -> Iterator[str]:
    shown = case.windows[:MOST_WINDOWS]
    rows = [_row(window, part) for window in shown for part in window.all_parts]
    yield table(["window", "from", "to", "service", "layers", "pool", "replicas", "batch", "max_wait"], rows)
    if len(case.windows) > len(shown):
        yield f"And {len(case.windows) - len(shown)} more windows."


def _row(window: Window, part: Part) -> Sequence[str]:
    wait = stated(part.max_wait_s, "seconds") if part.max_wait_s else "0"
    ends = (clock(window.start_s), clock(window.end_s))
    return [
        str(window.number), *ends, part.service, part.layers, part.pool, str(part.replicas), str(part.batch), wait
    ]  # fmt: skip


def clock(instant_s: float) -> str:
    """Hours, minutes and seconds since the plan began.

    >>> clock(5400.0), clock(100 * 3600.0), clock(0.5)
    ('1:30:00', '100:00:00', '0:00:00.5')
    """
    minutes, seconds = divmod(instant_s, 60)
    text = f"{seconds:06.3f}".rstrip("0").rstrip(".")
    return f"{int(minutes) // 60}:{int(minutes) % 60:02}:{text}"
