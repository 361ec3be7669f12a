"""``plan optimize``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from simulator.cli import compiling, options, output
from simulator.cli.optimizing import Files, check_files, seconds, shown, write_plan
from simulator.cli.options import Format

if TYPE_CHECKING:
    from simulator.planner.optimize.api import Optimized

TARGET_MISSED, INTERRUPTED = 3, 130


def command(
    scenario: options.ScenarioFile,
    target: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", parser=options.named, help="Write the plan to this file."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Write the best plan found even if it does not meet the objectives.")
    ] = False,
    time_limit: Annotated[
        str | None,
        typer.Option("--time-limit", metavar="TIME", help="End the search after so long, as 20s; the best is kept."),
    ] = None,
    evaluations: Annotated[
        int | None,
        typer.Option("--evaluations", min=1, metavar="N", help="Most simulations, instead of the scenario's."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, metavar="N", help="Processes (default: one for each core).")
    ] = None,
    ledger: Annotated[
        Path | None,
        typer.Option(
            "--ledger",
            metavar="FILE",
            parser=options.named,
            help="Keep every candidate tried in this file; a search that finds it there goes on from it.",
        ),
    ] = None,
    pareto: Annotated[
        bool, typer.Option("--pareto", help="Show what less latency or more accuracy would cost.")
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot",
            metavar="FILE",
            parser=options.named,
            help="Draw load and devices by window (with --pareto: cost against latency): .svg, .png.",
        ),
    ] = None,
    seed: options.Seed = None,
    sets: options.Sets = None,
    variants: options.Variants = None,
    fmt: options.FormatChoice = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Find what to deploy, window by window, prove how good it is, and verify it by simulation."""
    from simulator import load
    from simulator.planner.optimize.api import optimize

    shape, most_s = options.chosen_format(fmt, as_json), seconds(time_limit)
    check_files(Files(target, plot, ledger), scenario)
    forced = [f"seed={seed}"] * (seed is not None)
    loaded = load(scenario, sets=[*(sets or ()), *forced], variants=variants or ())
    with output.progress("planning", quiet) as bar, compiling.announced(not quiet):
        found = optimize(
            loaded,
            time_limit=most_s,
            evaluations=evaluations,
            workers=workers,
            ledger=ledger,
            pareto=pareto,
            progress=shown(bar),
        )
    try:
        write_plan(found, target, force, quiet)
        _draw(found, plot, pareto, quiet)
    finally:  # a full disk does not cost the figures
        output.emit(_rendered(found, shape))
    _finish(found)


def _draw(found: Optimized, plot: Path | None, pareto: bool, quiet: bool) -> None:
    from simulator.reporting.optimizeplot import draw_pareto
    from simulator.reporting.planplot import draw_plan

    if plot is None or (found.plan is None and not pareto):
        return
    if pareto:
        draw_pareto(found.to_dict(), plot)
    elif found.plan is not None:
        draw_plan(found.plan, plot, found.scenario.name)
    output.note(f"wrote {plot}", quiet)


def _rendered(found: Optimized, shape: Format) -> str:
    from simulator.reporting.optimize import optimized_csv, optimized_table
    from simulator.results.strictjson import to_json

    figures = found.to_dict()
    if shape is Format.JSON:
        return to_json(figures)
    return optimized_csv(figures) if shape is Format.CSV else optimized_table(figures, output.width())


def _finish(found: Optimized) -> None:
    """Exit with 130 after an interruption, and with 3 where nothing passes."""
    if found.interrupted:
        raise typer.Exit(INTERRUPTED)
    if not found.holds:
        typer.echo(f"missed: {found.reason}", err=True)
        raise typer.Exit(TARGET_MISSED)
