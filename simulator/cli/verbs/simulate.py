"""``plan simulate``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from simulator.cli import compiling, options, output
from simulator.cli.options import Engine, Format
from simulator.errors import Problem, ScenarioError

if TYPE_CHECKING:
    from simulator.results import Result
    from simulator.results.cohort import Json
    from simulator.scenario import Scenario

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
    plan: options.PlanFile = None,
    sets: options.Sets = None,
    variants: options.Variants = None,
    fmt: options.FormatChoice = None,
    as_json: options.AsJson = False,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            parser=options.named,
            help="Write tables of requests, batches, portions and passes of trainings here.",
        ),
    ] = None,
    table_format: Annotated[
        TableFormat | None, typer.Option("--table-format", help="Format of the tables of -o (default: csv).")
    ] = None,
    timeline: Annotated[
        Path | None,
        typer.Option(
            "--timeline",
            metavar="FILE",
            parser=options.named,
            help="Write the first replication as a trace for Perfetto.",
        ),
    ] = None,
    doubt: Annotated[
        bool, typer.Option("--uncertainty", help="Show what the costs' calibration error does to the figures.")
    ] = False,
    draws: Annotated[
        int | None,
        typer.Option("--draws", min=10, max=1000, metavar="N", help="Draws of --uncertainty (default: 20)."),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Exit with 3 when a service misses its SLO.")] = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Run a scenario and print its figures."""
    from simulator import load
    from simulator import simulate as run

    shape, count = options.chosen_format(fmt, as_json), _replications(replications)
    if table_format is not None and folder is None:
        raise typer.BadParameter("it says how the tables of -o are written: name a folder", param_hint="--table-format")
    if draws is not None and not doubt:
        raise typer.BadParameter("it goes with --uncertainty", param_hint="--draws")
    tables = table_format or TableFormat.CSV
    inputs = [scenario, *([plan] if plan is not None else [])]
    _check_targets(folder, tables, timeline, inputs)
    loaded = load(scenario, sets=sets or (), variants=variants or (), plan=plan)
    if folder is not None or timeline is not None:
        _check_targets(folder, tables, timeline, _files_named(loaded))
    if check and not any(_objectives(loaded)):
        raise ScenarioError(Problem("--check: no service states an slo", file=str(scenario)))
    keep = True if folder is not None or timeline is not None else None
    with output.progress("simulating", quiet) as tick, compiling.announced(not quiet and engine is not Engine.SIMPY):
        result = run(loaded, seed=seed, engine=engine and engine.value, replications=count, tables=keep, progress=tick)
    bands = _bands(loaded, draws, seed, engine, count, quiet) if doubt else None
    try:
        _write_files(result, folder, tables, timeline, quiet)
    finally:  # a full disk does not cost the figures
        output.emit(_rendered(result, shape, bands))
    if shape is not Format.TABLE:
        output.warn(result.to_dict()["warnings"], quiet)
    if check:
        _check(result, quiet)


def _check(result: Result, quiet: bool) -> None:
    """Tell which objectives are missed, and which services had nothing to judge."""
    empty = [name for name, tree in result.to_dict()["services"].items() if not tree["arrived"]]
    output.warn([f"{name}: no request arrived in the window, nothing to check" for name in empty], quiet)
    misses = result.misses()
    for miss in misses:
        typer.echo(f"missed: {miss}", err=True)
    if misses:
        raise typer.Exit(TARGET_MISSED)


def _objectives(loaded: Scenario) -> Iterator[bool]:
    for service in loaded.services.values():
        yield service.slo is not None or any(item.slo is not None for item in service.classes or ())


def _files_named(loaded: Scenario) -> list[Path]:
    """Every text of the scenario that is the name of a file beside it: more than it reads, and none less."""
    found = []
    for text in _texts(loaded.model_dump()):
        with suppress(OSError):  # a text too long for a name
            path = loaded.source.file(text)
            found += [path] if path.is_file() else []
    return found


def _texts(tree: object) -> Iterator[str]:
    if isinstance(tree, dict):
        tree = list(tree.values())
    if isinstance(tree, str | Path):
        yield str(tree)
    elif isinstance(tree, list | tuple):
        for item in tree:
            yield from _texts(item)


def _check_targets(folder: Path | None, tables: TableFormat, timeline: Path | None, inputs: list[Path]) -> None:
    """Refuse, before the run, what could not be written after it or would overwrite what is read."""
    from simulator.reporting.folder import check_target, targets

    if timeline is not None and folder is not None:
        place, written = timeline.resolve(), [folder, *targets(folder, tables.value)]
        if any(place == path.resolve() for path in written) or place in folder.resolve().parents:
            raise ScenarioError(Problem("--timeline and -o both want this place", file=str(timeline)))
    output.refuse_output(timeline, *inputs)
    if folder is not None:
        check_target(folder, tables.value, inputs)


def _replications(text: str | None) -> int | str | None:
    if text is None or text == "auto":
        return text
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise typer.BadParameter(f"{text!r} is neither a number from 1 nor auto", param_hint="'--replications'")
    return int(text)


def _bands(
    loaded: Scenario, draws: int | None, seed: int | None, engine: Engine | None, count: int | str | None, quiet: bool
) -> Json:
    """What the calibration error of the costs does to the figures."""
    from simulator.planner.uncertainty import DRAWS, uncertainty

    with output.progress("drawing costs", quiet) as tick:
        found = uncertainty(
            loaded,
            draws=draws or DRAWS,
            seed=seed,
            engine=engine and engine.value,
            replications=count,
            progress=tick,
        )
    return found.to_dict()


def _rendered(result: Result, shape: Format, bands: Json | None) -> str:
    from simulator.reporting import figures_csv, result_table
    from simulator.reporting.uncertainty import uncertainty_csv, uncertainty_table
    from simulator.results.strictjson import to_json

    figures = result.to_dict()
    if shape is Format.JSON:
        return result.to_json() if bands is None else to_json({**figures, "uncertainty": bands})
    if shape is Format.CSV:
        return figures_csv(figures) + ("" if bands is None else uncertainty_csv(bands))
    table = result_table(figures, output.width())
    return table if bands is None else f"{table}\n\n{uncertainty_table(bands, output.width())}"


def _write_files(
    result: Result, folder: Path | None, table_format: TableFormat, timeline: Path | None, quiet: bool
) -> None:
    from simulator.reporting import write_frames, write_timeline

    if folder is not None:
        for path in write_frames(result, folder, table_format.value):
            output.note(f"wrote {path}", quiet)
    if timeline is not None:
        write_timeline(result, timeline)
        output.note(f"wrote {timeline}", quiet)
