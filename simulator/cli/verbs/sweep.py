"""``plan sweep``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from simulator.cli import compiling, counting, options, output
from simulator.cli.options import Engine, Format
from simulator.errors import Problem, ScenarioError

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from simulator.planner.sweep import Axis, SweepResult

PICTURES = (".svg", ".png")
ON_SCREEN = 40
"""Rows that are shown when the whole table goes into a file."""
INTERRUPTED, YOURS, OURS = 130, 2, 1
PATIENCE = "10s"


def command(
    scenario: options.ScenarioFile,
    more: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PLOT]...", help="More of --plot, as in --plot x=rate y=p99 hue=batch."),
    ] = None,
    values: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="PATH=VALUE,...",
            help="One key and its values, e.g. services.chat.workload.rate=100/s,200/s (repeatable: all combinations).",
        ),
    ] = None,
    replications: Annotated[
        int | None,
        typer.Option("--replications", "-n", min=1, max=10_000, metavar="N", help="Replications of every point."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, max=1000, metavar="N", help="Processes (default: one per core).")
    ] = None,
    dask: Annotated[
        str | None, typer.Option("--dask", metavar="ADDRESS", help="Use the cluster of this Dask scheduler instead.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            parser=options.named,
            help="Write the table: .parquet, .csv or .json. FILE.ledger keeps finished points for a restart.",
        ),
    ] = None,
    plot: Annotated[
        list[str] | None,
        typer.Option(
            "--plot",
            metavar="x=KEY y=FIGURE hue=KEY",
            help="Draw a figure over a key, a line for each value of another (default: first key, p99, second key).",
        ),
    ] = None,
    figure: Annotated[
        Path | None,
        typer.Option(
            "--figure",
            metavar="FILE",
            parser=options.named,
            help="File of the picture, .svg or .png (default: beside the table, or sweep.svg).",
        ),
    ] = None,
    seed: options.Seed = None,
    engine: options.EngineChoice = None,
    plan: options.PlanFile = None,
    variants: options.Variants = None,
    fmt: options.FormatChoice = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Simulate every combination of some values."""
    shape = options.chosen_format(fmt, as_json)
    words = _plot_words(plot, more)
    picture = figure or (_beside(out) if words is not None else None)
    _check_files(out, picture, [scenario, *([plan] if plan is not None else [])])
    from simulator import load
    from simulator.planner.sweep import ledger_of, parse_axis, sweep
    from simulator.planner.sweep.axes import check_axes
    from simulator.reporting.sweepcurves import parse_plot

    axes = [parse_axis(text) for text in values or ()]
    if not axes:
        raise typer.BadParameter("name a key and its values, as in --set seed=1,2,3", param_hint="'--set'")
    check_axes(axes)
    asked = parse_plot(words or [], axes) if picture is not None else None
    forced = [f"seed={seed}"] * (seed is not None) + ([f"run.engine={engine.value}"] if engine else [])
    loaded = load(scenario, sets=[*_fixed(axes), *forced], variants=variants or (), plan=plan)
    ledger = None if out is None else ledger_of(out)
    total = _count(axes)
    with (
        _executor(dask, workers) as (executor, many),
        compiling.announced(not quiet and engine is not Engine.SIMPY),
        _kept(ledger, total, quiet) as keep,
        counting.counting("sweeping", total, "points", quiet) as tick,
    ):

        def tell(share: float) -> None:
            keep(share)
            if tick is not None:
                tick(share)

        found = sweep(
            loaded, axes, replications=replications, executor=executor, workers=many, ledger=ledger, progress=tell
        )
    try:
        _write(found, out, asked, picture, quiet)
    finally:  # a full disk does not cost the figures
        output.emit(_rendered(found, shape, ON_SCREEN if out is not None else None))
    _conclude(found, shape, quiet)


def _conclude(found: SweepResult, shape: Format, quiet: bool) -> None:
    if shape is not Format.TABLE:
        from simulator.reporting.sweep import some_warnings

        output.warn(some_warnings(found), quiet)
        if found.failed:
            output.note(f"failed: {len(found.failed)} of {found.points} points, see column error", quiet)
    if len(found.failed) == found.points:
        message = f"no point could be simulated: {next(iter(found.failed.values()))}"
        typer.echo(message, err=True)
        raise typer.Exit(OURS if found.faults else YOURS)


def _fixed(axes: Sequence[Axis]) -> list[str]:
    """Keys with one value: they are part of the scenario, which may need them."""
    return [item.sets()[0] for item in axes if len(item.texts) == 1]


def _count(axes: Sequence[Axis]) -> int:
    from math import prod

    return prod(len(item.texts) for item in axes)


def _plot_words(plot: list[str] | None, more: list[str] | None) -> list[str] | None:
    """The words of --plot; those that follow it without quotes arrive as arguments."""
    if more and plot is None:
        raise typer.BadParameter(
            f"{more[0]!r}: one scenario is enough (values belong to --set, words like x= to --plot)"
        )
    return None if plot is None else [*plot, *(more or ())]


def _beside(out: Path | None) -> Path:
    return Path("sweep.svg") if out is None else out.with_suffix(".svg")


def _check_files(out: Path | None, picture: Path | None, inputs: list[Path]) -> None:
    """Refuse, before the run, what could not be written after it."""
    if picture is not None and picture.suffix.lower() not in PICTURES:
        raise typer.BadParameter(f"{picture}: must end in {' or '.join(PICTURES)}", param_hint="'--figure'")
    if out is not None:
        from simulator.planner.sweep import check_ending

        check_ending(out)
        output.refuse_output(out, *inputs)
    output.refuse_output(picture, *inputs)


@contextmanager
def _executor(address: str | None, workers: int | None) -> Iterator[tuple[Executor | None, int | None]]:
    """The executor of a Dask cluster and how many workers it has, or our own processes."""
    if address is None:
        yield None, workers
        return
    if workers is not None:
        raise typer.BadParameter("the cluster says how many workers there are", param_hint="'--workers'")
    try:
        import distributed
    except ImportError:
        raise ScenarioError(Problem("--dask needs distributed: pip install 'exitplan[cluster]'")) from None
    try:
        dask: Any = distributed
        client = dask.Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ScenarioError(Problem(f"no Dask scheduler answers ({error})", file=f"--dask {address}")) from None
    with client:
        known: dict[str, Any] = client.scheduler_info(n_workers=-1)["workers"]
        threads = sum(worker["nthreads"] for worker in known.values())
        if not threads:
            raise ScenarioError(Problem("this scheduler has no workers", file=f"--dask {address}"))
        yield client.get_executor(), threads


@contextmanager
def _kept(ledger: Path | None, total: int, quiet: bool) -> Iterator[Any]:
    """Hears what is done, and tells after Ctrl-C what of it is kept."""
    done = 0

    def tell(share: float) -> None:
        nonlocal done
        done = round(share * total)

    try:
        yield tell
    except KeyboardInterrupt:
        if ledger is None:
            output.note(f"{done} of {total} points were done; with -o FILE they would have been kept", quiet)
        else:
            output.note(f"{done} of {total} points are kept in {ledger}; the same command goes on from there", quiet)
        raise


def _write(found: SweepResult, out: Path | None, asked: Any, picture: Path | None, quiet: bool) -> None:
    for text in found.notes:
        output.note(f"note: {text}", quiet)
    if found.reused:
        output.note(f"{found.reused} of {found.points} points were done before", quiet)
    if out is not None:
        found.write(out)
        output.note(f"wrote {out}", quiet)
    if picture is not None:
        from simulator.reporting.sweepplot import draw_sweep

        draw_sweep(found, asked, picture)
        output.note(f"wrote {picture}", quiet)


def _rendered(found: SweepResult, shape: Format, most: int | None) -> str:
    from simulator.reporting.sweep import sweep_table

    if shape is Format.JSON:
        return found.to_json()
    return found.to_csv() if shape is Format.CSV else sweep_table(found, output.width(), most)
