"""``plan pipeline``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from simulator.cli import options, output
from simulator.cli.pipeline import Files, Numbers, check_files, counts, limit_of, seconds, text_of, write_files

if TYPE_CHECKING:
    from simulator.cli.pipeline import Answer

TARGET_MISSED, INTERRUPTED = 3, 130


def command(
    scenario: options.ScenarioFile,
    training: Annotated[
        str | None, typer.Option("--training", "-t", metavar="NAME", help="The training (default: the only one).")
    ] = None,
    schedules: Annotated[
        list[str] | None,
        typer.Option("--schedule", metavar="NAME", help="A schedule to look at (repeatable; default: all)."),
    ] = None,
    searching: Annotated[
        bool, typer.Option("--search", help="Find the best schedule, chunks, microbatches and cut of the model.")
    ] = False,
    memory_limit: Annotated[
        str | None,
        typer.Option(
            "--memory-limit",
            metavar="SIZE",
            help="Most that activations may take on a stage, as 20GB or as a number of microbatches.",
        ),
    ] = None,
    chunks: Annotated[
        str | None, typer.Option("--chunks", metavar="N[,N...]", help="Chunks per stage; several with --search.")
    ] = None,
    microbatches: Annotated[
        str | None,
        typer.Option("--microbatches", metavar="N[,N...]", help="Microbatches per iteration; several with --search."),
    ] = None,
    time_limit: Annotated[
        str | None, typer.Option("--time-limit", metavar="TIME", help="End the search after so long, as 10s.")
    ] = None,
    gantt: Annotated[
        Path | None,
        typer.Option(
            "--gantt",
            metavar="FILE",
            parser=options.named,
            help="Draw who runs what when: .svg, .png or .txt; - prints it below the table.",
        ),
    ] = None,
    memory_plot: Annotated[
        Path | None,
        typer.Option(
            "--memory-plot", metavar="FILE", parser=options.named, help="Draw memory over time: .svg or .png."
        ),
    ] = None,
    trace: Annotated[
        Path | None,
        typer.Option("--trace", metavar="FILE", parser=options.named, help="Write a trace for Perfetto (.json)."),
    ] = None,
    order: Annotated[
        Path | None,
        typer.Option(
            "--csv", metavar="FILE", parser=options.named, help="Write the order of the ops in PyTorch's format."
        ),
    ] = None,
    width: Annotated[
        int | None, typer.Option("--width", min=20, max=1000, metavar="N", help="Columns (default: the terminal's).")
    ] = None,
    sets: options.Sets = None,
    variants: options.Variants = None,
    fmt: options.FormatChoice = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Compare the schedules of a training, or search the best one under a memory limit."""
    from simulator import load
    from simulator.planner.pipeline import compare, pipeline_case, search

    shape = options.chosen_format(fmt, as_json)
    files = Files(gantt, memory_plot, trace, order)
    check_files(files, scenario, shape)
    numbers = Numbers(counts("--chunks", chunks), counts("--microbatches", microbatches))
    most_s = float("inf") if time_limit is None else seconds("--time-limit", time_limit)
    if not searching:
        _only_with_search(numbers, time_limit)
    loaded = load(scenario, sets=sets or (), variants=variants or ())
    case = pipeline_case(loaded, training)
    case = case.limited(limit_of(case, memory_limit))
    check_files(files, scenario, shape, case)
    with output.progress("searching" if searching else "comparing", quiet) as tick:
        answer: Answer
        if searching:
            answer = search(
                case,
                schedules,
                chunks=numbers.chunks,
                microbatches=numbers.microbatches,
                time_limit_s=most_s,
                progress=tick,
            )
        else:
            answer = compare(case, schedules, **numbers.single(), progress=tick)
    columns = output.width() if width is None else width
    try:
        write_files(answer, files, quiet)
    finally:  # a full disk does not cost the figures
        output.emit(text_of(answer, shape, columns, chart=gantt is not None and str(gantt) == "-"))
    _finish(answer, quiet)


def _only_with_search(numbers: Numbers, time_limit: str | None) -> None:
    """Refuse what a comparison has no use for."""
    for name, values in numbers._asdict().items():
        if values is not None and len(values) > 1:
            raise typer.BadParameter("takes one number; several are for --search", param_hint=f"'--{name}'")
    if time_limit is not None:
        raise typer.BadParameter("is for --search", param_hint="'--time-limit'")


def _finish(answer: Answer, quiet: bool) -> None:
    """Exit with 130 after an interruption, and with 3 where nothing fits."""
    if getattr(answer, "stopped", None) == "interrupted":
        output.note("the best of what was tried until then is shown", quiet)
        raise typer.Exit(INTERRUPTED)
    if answer.best is None:
        closest = answer.shown
        why = "" if closest is None else f"; closest is {closest.candidate.schedule}: {closest.why}"
        typer.echo(f"missed: nothing fits{why}", err=True)
        raise typer.Exit(TARGET_MISSED)
