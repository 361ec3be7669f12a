"""``plan simulate``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from simulator.cli import options, output
from simulator.cli.options import Format

if TYPE_CHECKING:
    from simulator.results import Result

TARGET_MISSED = 3


class TableFormat(StrEnum):
    """How the tables of ``-o`` are written."""

    CSV = "csv"
    PARQUET = "parquet"


def command(
    scenario: options.ScenarioFile,
    seed: options.Seed = None,
    replications: Annotated[
        str | None,
        typer.Option("--replications", "-n", metavar="N|auto", help="Replications, instead of the scenario's."),
    ] = None,
    engine: options.EngineChoice = None,
    sets: options.Sets = None,
    variants: options.Variants = None,
    fmt: options.FormatChoice = None,
    as_json: options.AsJson = False,
    folder: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="Write tables of requests, batches and portions here."),
    ] = None,
    table_format: Annotated[
        TableFormat, typer.Option("--table-format", help="Format of the tables of -o.")
    ] = TableFormat.CSV,
    timeline: Annotated[
        Path | None,
        typer.Option("--timeline", metavar="FILE", help="Write the first replication as a trace for Perfetto."),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Exit with 3 when a service misses its SLO.")] = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Run a scenario and print its figures."""
    from simulator import load
    from simulator import simulate as run
    from simulator.reporting.folder import check_target

    shape, count = options.chosen_format(fmt, as_json), _replications(replications)
    output.refuse_folder(timeline)
    if folder is not None:
        check_target(folder, table_format.value)
    loaded = load(scenario, sets=sets or (), variants=variants or ())
    with output.progress("simulating", quiet) as tick:
        result = run(loaded, seed=seed, engine=engine and engine.value, replications=count, progress=tick)
    _write_files(result, folder, table_format, timeline, quiet)
    output.emit(_rendered(result, shape))
    if shape is not Format.TABLE:
        output.warn(result.to_dict()["warnings"], quiet)
    misses = result.misses() if check else []
    for miss in misses:
        typer.echo(f"missed: {miss}", err=True)
    if misses:
        raise typer.Exit(TARGET_MISSED)


def _replications(text: str | None) -> int | str | None:
    if text is None or text == "auto":
        return text
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise typer.BadParameter(f"{text!r} is neither a number from 1 nor auto", param_hint="'--replications'")
    return int(text)


def _rendered(result: Result, shape: Format) -> str:
    from simulator.reporting import figures_csv, result_table

    if shape is Format.JSON:
        return result.to_json()
    if shape is Format.CSV:
        return figures_csv(result.to_dict())
    return result_table(result.to_dict(), output.width())


def _write_files(
    result: Result, folder: Path | None, table_format: TableFormat, timeline: Path | None, quiet: bool
) -> None:
    from simulator.reporting import write_frames, write_timeline

    if folder is not None:
        for path in write_frames(result, folder, table_format.value):
            output.note(f"wrote {path}", quiet)
    if timeline is not None:
        write_timeline(result.records[0], timeline)
        output.note(f"wrote {timeline}", quiet)
