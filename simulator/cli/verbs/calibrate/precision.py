"""``plan calibrate precision``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from simulator.cli import options, output

TARGET_MISSED = 3


def command(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE",
            parser=options.named,
            help="Network with labelled samples (npz), or measured sensitivities (csv).",
            show_default=False,
        ),
    ],
    times: Annotated[
        Path | None,
        typer.Option(
            "--times",
            metavar="FILE",
            parser=options.named,
            help="Times: rows layer, precision, batch, seconds (csv), or a costs file of `plan calibrate fit`.",
        ),
    ] = None,
    cost: Annotated[
        str | None,
        typer.Option("--cost", metavar="bits", help="Instead of times: number of weights x their bits."),
    ] = None,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Batch size at which times are compared.")] = 1,
    device: Annotated[
        str | None, typer.Option("--device", metavar="NAME", help="Device of the times, if the file has several.")
    ] = None,
    loss: Annotated[
        str | None,
        typer.Option("--loss", metavar="SHARE", help="Accuracy that may be lost, relative to the reference [1%]."),
    ] = None,
    floor: Annotated[
        str | None, typer.Option("--floor", metavar="ACCURACY", help="Least accuracy, instead of --loss.")
    ] = None,
    budget: Annotated[
        str, typer.Option("--budget", metavar="N", help="Most accuracy evaluations, the reference's too; or none.")
    ] = "25",
    time_limit: Annotated[
        str | None, typer.Option("--time-limit", metavar="DURATION", help="Begin no evaluation after this time.")
    ] = None,
    strategy: Annotated[
        str, typer.Option("--strategy", metavar="NAME", help="additive, accumulated or exhaustive.")
    ] = "additive",
    precisions: Annotated[
        str | None,
        typer.Option("--precisions", metavar="A,B,C", help="Candidates of every layer (default: what is known)."),
    ] = None,
    reference: Annotated[
        str, typer.Option("--reference", metavar="NAME", help="Precision of the unchanged network.")
    ] = "fp32",
    reference_accuracy: Annotated[
        str | None,
        typer.Option("--reference-accuracy", metavar="ACCURACY", help="Of the unchanged network, for a csv."),
    ] = None,
    ledger: Annotated[
        Path | None,
        typer.Option(
            "--ledger",
            metavar="FILE",
            parser=options.named,
            help="Keep every accuracy here, and resume from it (default: ledger.jsonl in -o).",
        ),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            parser=options.named,
            help="Write precision.yaml, evaluations.csv and report.json here.",
        ),
    ] = None,
    search_seed: Annotated[
        int, typer.Option("--seed", min=0, max=options.LARGEST_SEED, help="Seed of what the search draws.")
    ] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Find the fastest precision of every layer that keeps the accuracy."""
    from simulator.cli.precision import Asked, run_precision
    from simulator.reporting.precision import precision_table
    from simulator.results.strictjson import to_json

    asked = Asked(
        source=source,
        times=times,
        cost=cost,
        batch=batch,
        device=device,
        loss=loss,
        floor=floor,
        budget=budget,
        time_limit=time_limit,
        strategy=strategy,
        precisions=precisions,
        reference=reference,
        reference_accuracy=reference_accuracy,
        ledger=ledger,
        folder=folder,
        seed=search_seed,
    )
    with output.progress("evaluating", quiet) as tick:
        figures, files = run_precision(asked, tick)
    for path in files:
        output.note(f"wrote {path}", quiet)
    output.emit(to_json(figures) if as_json else precision_table(figures, output.width()))
    if figures["interrupted"]:
        raise KeyboardInterrupt
    if not figures["passed"]:
        output.note(f"no configuration passes: {figures['reason']}", quiet)
        raise typer.Exit(TARGET_MISSED)
