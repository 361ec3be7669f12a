"""``plan backtest``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from simulator.cli import compiling, options, output
from simulator.cli.options import Format

ENDINGS = (".svg", ".png")


def command(
    scenario: options.ScenarioFile,
    series: Annotated[
        Path,
        typer.Option(
            "--series", metavar="FILE", parser=options.named, help="Load history (csv, csv.gz).", show_default=False
        ),
    ],
    columns: Annotated[
        list[str] | None,
        typer.Option("--column", metavar="NAME", help="Column of the load (repeatable: the sum; default: requests)."),
    ] = None,
    gaps: Annotated[
        str | None, typer.Option("--gaps", metavar="COLUMN", help="Column of the seconds of a bin not recorded.")
    ] = None,
    step: Annotated[
        str | None,
        typer.Option("--step", metavar="TIME", help="Length of a row's bin (default: from the column t_s)."),
    ] = None,
    scale: Annotated[
        float | None, typer.Option("--scale", help="Factor on the load of the history (default: the scenario's, or 1).")
    ] = None,
    begin: Annotated[
        str | None,
        typer.Option("--from", metavar="TIME", help="First day, on the history's clock (default: its last days)."),
    ] = None,
    days: Annotated[int, typer.Option("--days", min=1, max=1000, help="Days to replay, one after another.")] = 4,
    interval: Annotated[
        str | None,
        typer.Option("--interval", metavar="TIME", help="Length of a window (default: planner.window, or 1h)."),
    ] = None,
    service: Annotated[
        str | None,
        typer.Option("--service", "-s", metavar="NAME", help="Whose load the history is (default: the only one)."),
    ] = None,
    strategies: Annotated[
        list[str] | None,
        typer.Option("--strategy", metavar="NAME", help="Replay only this one (repeatable; default: all)."),
    ] = None,
    target: Annotated[
        float, typer.Option("--target", min=0.05, max=1.0, help="Utilization that the autoscaler aims at.")
    ] = 0.7,
    replications: Annotated[int, typer.Option("--replications", "-n", min=1, max=1000, help="Runs of every day.")] = 1,
    sets: options.Sets = None,
    variants: options.Variants = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", parser=options.named, help="Write to a file: .csv, .json or text."
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", metavar="FILE", parser=options.named, help="Draw cost and attainment: .svg or .png."),
    ] = None,
    fmt: options.FormatChoice = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Forecast, plan and replay a real load, day after day, beside the alternatives."""
    named = {".csv": Format.CSV, ".json": Format.JSON}.get(out.suffix.lower()) if out is not None else None
    shape = options.chosen_format(fmt if fmt is not None or as_json else named, as_json)
    if plot is not None and plot.suffix.lower() not in ENDINGS:
        raise typer.BadParameter(f"{plot}: must end in {' or '.join(ENDINGS)}", param_hint="'--plot'")
    for file in (out, plot):
        output.refuse_output(file, scenario, series)
    from simulator import load
    from simulator.planner.backtest import backtest
    from simulator.reporting.planbacktest import draw_backtest, plan_backtest_csv, plan_backtest_table
    from simulator.results.strictjson import to_json

    loaded = load(scenario, sets=sets or (), variants=variants or ())
    with output.progress("replaying", quiet) as tick, compiling.announced(not quiet):
        found = backtest(
            loaded,
            series,
            column=columns or ["requests"],
            interval=step,
            gaps=gaps,
            begin=begin,
            days=days,
            window=interval,
            scale=scale,
            service=service,
            strategies=strategies,
            target=target,
            replications=replications,
            progress=None if tick is None else lambda share, _: tick(share),
        )
    figures = found.to_dict()
    if plot is not None:
        draw_backtest(figures, plot)
        output.note(f"wrote {plot}", quiet)
    if shape is Format.JSON:
        text = to_json(figures)
    elif shape is Format.CSV:
        text = plan_backtest_csv(figures)
    else:
        text = plan_backtest_table(figures, output.width())
    if out is None:
        output.emit(text)
        return
    from simulator.files import write_text

    write_text(out, text if text.endswith("\n") else text + "\n")
    output.note(f"wrote {out}", quiet)
