"""``plan calibrate fit``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from simulator.cli import options, output


class Kind(StrEnum):
    """What a row of measurements is."""

    BATCH = "batch"
    GEMM = "gemm"
    STREAMING = "streaming"
    PIPELINE = "pipeline"


class Unit(StrEnum):
    """Unit of the time column."""

    S = "s"
    MS = "ms"
    US = "us"


def command(
    rows: Annotated[
        Path, typer.Argument(metavar="ROWS", parser=options.named, help="Measured rows (CSV).", show_default=False)
    ],
    kind: Annotated[
        Kind | None,
        typer.Option(
            "--kind",
            help="batch: time by batch size; gemm: by m, n, k, dtype (default: by the columns); "
            "streaming: layer-streamed steps by group; pipeline: whole training iterations.",
        ),
    ] = None,
    time: Annotated[str | None, typer.Option("--time", metavar="COLUMN", help="Column of the measured times.")] = None,
    unit: Annotated[
        Unit | None, typer.Option("--unit", help="Unit of the times (default: from the column's suffix).")
    ] = None,
    group: Annotated[
        str | None,
        typer.Option("--group", metavar="A,B,C", help="Columns that part the rows into groups, one fit each."),
    ] = None,
    batch: Annotated[str | None, typer.Option("--batch", metavar="COLUMN", help="Column of the batch sizes.")] = None,
    folds: Annotated[int, typer.Option("--folds", min=2, help="Folds of the cross-validation.")] = 5,
    target: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", parser=options.named, help="Write costs that a scenario can name."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the fits as JSON.")] = False,
    debug: options.Debug = False,
) -> None:
    """Fit a cost law to measured rows; its error is that on held-out rows."""
    from simulator.cli.calibrate import run_fit

    text = run_fit(
        rows,
        kind=kind and kind.value,
        time=time,
        unit=unit and unit.value,
        group=group,
        folds=folds,
        output=target,
        as_json=as_json,
        batch=batch,
    )
    output.emit(text)
