"""What ``plan optimize`` reads from its options, shows while it searches, and writes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import typer

from simulator.cli import output
from simulator.cli.output import Bar
from simulator.errors import Problem, ScenarioError

if TYPE_CHECKING:
    from simulator.planner.optimize.api import Optimized, Progress

PICTURES = (".svg", ".png")
PROVEN = 1e-6
"""A gap that is none."""


class Files(NamedTuple):
    """Files to write; None: not wanted."""

    plan: Path | None
    plot: Path | None
    ledger: Path | None


def check_files(files: Files, scenario: Path) -> None:
    """Refuse, before any work, endings that no picture has, and files that would overwrite one another or an input."""
    if files.plot is not None and files.plot.suffix.lower() not in PICTURES:
        raise typer.BadParameter(f"{files.plot}: must end in {' or '.join(PICTURES)}", param_hint="'--plot'")
    seen: set[Path] = set()
    for path in files:
        if path is None:
            continue
        output.refuse_output(path, scenario)
        if path.resolve() in seen:
            raise ScenarioError(Problem("two options want this file", file=str(path)))
        seen.add(path.resolve())


def seconds(text: str | None) -> float | None:
    """A time limit, as ``20s``."""
    if text is None:
        return None
    from simulator.scenario import units

    try:
        found = units.parse(text, units.DURATION)
    except units.UnitError as error:
        raise typer.BadParameter(f"{text}: {error}", param_hint="'--time-limit'") from None
    if found <= 0:
        raise typer.BadParameter(f"{text}: must be greater than 0", param_hint="'--time-limit'")
    return found


def shown(bar: Bar | None) -> Callable[[Progress], None] | None:
    """What a search tells, on a bar: the best plan so far, the bound and the gap between them."""
    if bar is None:
        return None

    def tell(now: Progress) -> None:
        words = [now.phase]
        if now.incumbent is not None:
            words.append(f"best {now.incumbent:.6g}")
        if now.bound is not None:
            words.append(f"bound {now.bound:.6g}")
        if now.gap is not None:
            words.append("proved" if now.gap <= PROVEN else f"gap {100 * now.gap:.2g} %")
        if now.evaluations:
            words.append(f"{now.evaluations:,} simulated")
        bar(now.share or 0.0, None if now.share is None else 1.0, ", ".join(words))

    return tell


def write_plan(found: Optimized, path: Path | None, force: bool, quiet: bool) -> None:
    """Write the plan if it passes, or whatever was found if that is asked for; tell what becomes of it."""
    from simulator.files import write_text
    from simulator.scenario.planfile import plan_text

    if path is None:
        return
    if found.plan is None or not (found.holds or force):
        output.note(f"{path} is not written", quiet)
        return
    write_text(path, plan_text(found.plan))
    output.note(f"wrote {path}", quiet)
