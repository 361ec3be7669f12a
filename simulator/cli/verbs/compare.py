"""``plan compare``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from simulator.cli import compiling, counting, options, output
from simulator.cli.options import Engine, Format

ENDINGS = {".json": Format.JSON, ".csv": Format.CSV}


def command(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="A B",
            help="Scenarios (FILE, FILE@VARIANT), plans, results (files of plan simulate --json, folders of its -o).",
            show_default=False,
        ),
    ],
    replications: Annotated[
        int | None,
        typer.Option(
            "--replications",
            "-n",
            min=1,
            max=10_000,
            metavar="N",
            help="Replications of each (default: the most that one of them states, at least 3).",
        ),
    ] = None,
    metrics: Annotated[
        list[str] | None,
        typer.Option(
            "--metric", metavar="NAME", help="Show this figure, e.g. p999 (repeatable; default: the main ones)."
        ),
    ] = None,
    scenario: Annotated[
        Path | None,
        typer.Option(
            "--scenario",
            metavar="FILE",
            parser=options.named,
            help="The scenario of plans, instead of the one they name.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", parser=options.named, help="Write to a file: .csv, .json or text."
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, max=1000, metavar="N", help="Processes (default: one per core).")
    ] = None,
    seed: options.Seed = None,
    engine: options.EngineChoice = None,
    sets: options.Sets = None,
    variants: options.Variants = None,
    fmt: options.FormatChoice = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Compare scenarios, plans or results with the first of them."""
    named = ENDINGS.get(out.suffix.lower()) if out is not None else None
    shape = options.chosen_format(fmt if fmt is not None or as_json else named, as_json)
    if len(files) < 2:
        raise typer.BadParameter("name two or more to compare", param_hint="'A B'")
    output.refuse_output(out, *(options.named(name) for name in files))
    from simulator.planner.compare import compare, read_side
    from simulator.reporting.comparison import comparison_table

    forced = [f"run.engine={engine.value}"] if engine else []
    sides = [
        read_side(options.named(name), scenario=scenario, sets=[*(sets or ()), *forced], variants=variants or ())
        for name in files
    ]
    count = sum(one.scenario is not None for one in sides)
    with (
        compiling.announced(not quiet and engine is not Engine.SIMPY),
        counting.counting("simulating", count, "scenarios", quiet or not count) as tick,
    ):
        found = compare(*sides, replications=replications, seed=seed, workers=workers, progress=tick)
    _check_metrics(metrics, [set(figures) for pair in found.pairs for _, _, figures in pair.entries()])
    if shape is Format.JSON:
        text = found.to_json()
    else:
        text = found.to_csv() if shape is Format.CSV else comparison_table(found, output.width(), metrics)
    if shape is not Format.TABLE:
        for one in found.notes:
            output.note(f"note: {one}", quiet)
    _deliver(text, out, quiet)


def _check_metrics(metrics: list[str] | None, known: list[set[str]]) -> None:
    import difflib

    every = sorted(set().union(*known))
    for name in metrics or ():
        if name not in every:
            near = difflib.get_close_matches(name, every, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(every)}"
            raise typer.BadParameter(f"no figure {name!r}, {hint}", param_hint="'--metric'")


def _deliver(text: str, out: Path | None, quiet: bool) -> None:
    if out is None:
        output.emit(text)
        return
    from simulator.files import write_text

    write_text(out, text if text.endswith("\n") else text + "\n")
    output.note(f"wrote {out}", quiet)
