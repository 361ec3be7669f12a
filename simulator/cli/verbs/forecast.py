"""``plan forecast``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from simulator.cli import options, output
from simulator.cli.options import Format

if TYPE_CHECKING:
    from simulator.workload.forecast import LoadSeries

ENDINGS = (".svg", ".png")


def command(
    series: Annotated[
        Path,
        typer.Argument(metavar="SERIES", parser=options.named, help="Load history (csv, csv.gz).", show_default=False),
    ],
    columns: Annotated[
        list[str] | None,
        typer.Option("--column", metavar="NAME", help="What to forecast (repeatable: the sum; default: requests)."),
    ] = None,
    interval: Annotated[
        str | None,
        typer.Option("--interval", metavar="TIME", help="Length of a row's bin (default: from the column t_s)."),
    ] = None,
    to: Annotated[str, typer.Option("--to", metavar="TIME", help="Length of the bins to forecast.")] = "1h",
    horizon: Annotated[str, typer.Option("--horizon", metavar="TIME", help="How far ahead.")] = "24h",
    quantiles: Annotated[
        str, typer.Option("--quantiles", metavar="Q,Q,...", help="Levels between 0.001 and 0.999.")
    ] = ".1,.5,.9,.95,.99",
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="TIME", help="Where the history ends, on its own clock (default: its end)."),
    ] = None,
    levels: Annotated[
        bool, typer.Option("--levels", help="The column holds levels (GPUs in use): means, not sums.")
    ] = False,
    gaps: Annotated[
        str | None, typer.Option("--gaps", metavar="COLUMN", help="Column of the seconds of a bin not recorded.")
    ] = None,
    test: Annotated[
        bool, typer.Option("--backtest", help="Forecast from every midnight of the history and score what came.")
    ] = False,
    begin: Annotated[
        str | None,
        typer.Option("--from", metavar="TIME", help="Backtest: no origin before (default: five days after the start)."),
    ] = None,
    every: Annotated[
        str, typer.Option("--every", metavar="TIME", help="Backtest: from one origin to the next, whole days.")
    ] = "24h",
    out: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", parser=options.named, help="Write to a file: .csv, .json or text."
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", metavar="FILE", parser=options.named, help="Draw the forecast: .svg or .png."),
    ] = None,
    fmt: options.FormatChoice = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Forecast a load from its history, with quantiles."""
    shape = _shape(fmt, as_json, out)
    if plot is not None and plot.suffix.lower() not in ENDINGS:
        raise typer.BadParameter(f"{plot}: must end in {' or '.join(ENDINGS)}", param_hint="'--plot'")
    for one, given in (("--plot", plot), ("--at", at)):
        if test and given is not None:
            raise typer.BadParameter(f"{one} and --backtest do not go together", param_hint=f"'{one}'")
    if not test and begin is not None:
        raise typer.BadParameter("is for --backtest; a forecast begins --at", param_hint="'--from'")
    asked = _levels(quantiles)
    output.refuse_output(out, series)
    output.refuse_output(plot, series)
    from simulator.workload.forecast import read_series

    names = columns or ["requests"]
    read = read_series(series, column=names, interval=interval, gaps=gaps)
    if test:
        text = _backtest(
            read, shape, quiet, to=to, horizon=horizon, quantiles=asked, begin=begin, every=every, levels=levels
        )
    else:
        text = _forecast(read, shape, plot, quiet, to=to, horizon=horizon, quantiles=asked, at=at, levels=levels)
    _deliver(text, out, quiet)


def _shape(fmt: Format | None, as_json: bool, out: Path | None) -> Format:
    """The format asked for, else that of the file's name."""
    named = {".csv": Format.CSV, ".json": Format.JSON}.get(out.suffix.lower()) if out is not None else None
    return options.chosen_format(fmt if fmt is not None or as_json else named, as_json)


def _levels(text: str) -> list[float]:
    try:
        if "_" in text:  # float() would take 0_5 for five
            raise ValueError
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise typer.BadParameter(
            f"{text!r}: numbers between commas, as in .5,.95", param_hint="'--quantiles'"
        ) from None


def _forecast(
    read: LoadSeries,
    shape: Format,
    plot: Path | None,
    quiet: bool,
    *,
    to: str,
    horizon: str,
    quantiles: list[float],
    at: str | None,
    levels: bool,
) -> str:
    from simulator.reporting.forecast import forecast_table, forecast_title
    from simulator.workload.forecast import forecast, regular_series

    found = forecast(read, to=to, horizon=horizon, quantiles=quantiles, at=at, levels=levels)
    figures = found.to_dict()
    if plot is not None:
        from simulator.reporting.forecastplot import draw_forecast

        draw_forecast(found, plot, forecast_title(figures), regular_series(read, to, levels))
        output.note(f"wrote {plot}", quiet)
    if shape is not Format.TABLE:
        for text in found.notes:
            output.note(f"note: {text}", quiet)
    if shape is Format.JSON:
        return found.to_json()
    return found.to_csv() if shape is Format.CSV else forecast_table(figures, output.width())


def _backtest(
    read: LoadSeries,
    shape: Format,
    quiet: bool,
    *,
    to: str,
    horizon: str,
    quantiles: list[float],
    begin: str | None,
    every: str,
    levels: bool,
) -> str:
    from time import perf_counter

    from simulator.reporting.forecast import backtest_csv, backtest_table
    from simulator.workload.forecast import backtest

    with output.progress("forecasting", quiet) as tick:
        found = backtest(
            read,
            to=to,
            horizon=horizon,
            quantiles=quantiles,
            begin=begin,
            every=every,
            levels=levels,
            timer=perf_counter,
            progress=tick,
        )
    if shape is Format.JSON:
        return found.to_json()
    figures = found.to_dict()
    return backtest_csv(figures) if shape is Format.CSV else backtest_table(figures, output.width())


def _deliver(text: str, out: Path | None, quiet: bool) -> None:
    if out is None:
        output.emit(text)
        return
    from simulator.files import write_text

    write_text(out, text if text.endswith("\n") else text + "\n")
    output.note(f"wrote {out}", quiet)
