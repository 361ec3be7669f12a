"""``plan calibrate measure``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from simulator.cli import options, output


class Device(StrEnum):
    """Where to measure."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


def command(
    shapes: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SHAPE]...",
            help="gemm: KxN; mlp: [NAME=]WIDTH-WIDTH-...; conv: [NAME=]C-C[sSTRIDE]-...@SIZE; "
            "stream: [NAME=]training|inference:LAYERSxWIDTH[@ROWS] (default: usual ones).",
            show_default=False,
        ),
    ] = None,
    kind: Annotated[
        str, typer.Option("--kind", metavar="KIND", help="What to time: gemm, mlp, conv or stream.")
    ] = "gemm",
    backend: Annotated[
        str | None,
        typer.Option(
            "--backend",
            metavar="NAME",
            help="What runs it: onnxruntime, torch or numpy (default: onnxruntime; stream: numpy).",
        ),
    ] = None,
    which: Annotated[
        list[str] | None,
        typer.Option(
            "--variant",
            metavar="NAME",
            help="Variant of the backend: fp32, dynamic, static-tensor, ... (repeatable; default: usual ones).",
        ),
    ] = None,
    batch: Annotated[
        str | None,
        typer.Option(
            "--batch", metavar="N,N,...", help="Batch or group sizes (default: 12 from 1 to 64; stream: 1,2,4,8,16)."
        ),
    ] = None,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Rounds in which all take turns.")] = 5,
    calls: Annotated[int, typer.Option("--calls", min=1, help="Least calls of each in a round.")] = 8,
    time_limit: Annotated[
        str, typer.Option("--time-limit", metavar="DURATION", help="Stop after this time, and keep what is finished.")
    ] = "5min",
    device: Annotated[
        Device,
        typer.Option("--device", help="auto: the processor, and a CUDA device for gemm and stream if there is one."),
    ] = Device.AUTO,
    target: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", parser=options.named, help="Write the rows here (CSV)."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the rows as JSON.")] = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Time networks on this machine by batch size, as rows for `plan calibrate fit`."""
    from simulator.calibration.measure.registry import USUALLY
    from simulator.cli.measure import measure_text, run_measure
    from simulator.cli.streams import streams_text
    from simulator.results.strictjson import to_json

    usual = USUALLY.get(kind, {})
    with output.progress("measuring", quiet) as tick:
        found = run_measure(
            kind,
            shapes or (),
            target,
            backend=usual.get("backend", "onnxruntime") if backend is None else backend,
            variants=tuple(which or ()),
            batch=usual.get("batch") if batch is None else batch,
            rounds=rounds,
            calls=calls,
            time_limit=time_limit,
            device=device.value,
            progress=tick,
        )
    for text in found.notes:
        output.note(text, quiet)
    if target is not None and found.rows:
        output.note(f"wrote {target}", quiet)
    if found.rows:
        shown = streams_text if kind == "stream" else measure_text
        output.emit(to_json(found.to_json()) if as_json else shown(found, output.width()))
    if found.interrupted:
        raise KeyboardInterrupt
