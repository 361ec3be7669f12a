"""``plan stream``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from simulator.cli import options, output
from simulator.cli.options import Format

ENDINGS = (".svg", ".png")
MOST_DIGITS = 7


def command(
    scenario: options.ScenarioFile,
    stream: Annotated[
        str | None, typer.Option("--stream", "-s", metavar="NAME", help="The stream (default: the only one).")
    ] = None,
    groups: Annotated[
        str | None,
        typer.Option("--groups", metavar="N,N,...", help="Group sizes to show (default: powers of two)."),
    ] = None,
    most: Annotated[
        int | None, typer.Option("--max-group", min=1, metavar="N", help="Largest group to recommend (default: 1024).")
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot", metavar="FILE", parser=options.named, help="Draw time and memory by group size: .svg or .png."
        ),
    ] = None,
    sets: options.Sets = None,
    variants: options.Variants = None,
    fmt: options.FormatChoice = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Compare the group sizes of a streamed model, and find the one to take."""
    shape = options.chosen_format(fmt, as_json)
    sizes = _sizes(groups)
    if plot is not None and plot.suffix.lower() not in ENDINGS:
        raise typer.BadParameter(f"{plot}: must end in {' or '.join(ENDINGS)}", param_hint="'--plot'")
    output.refuse_output(plot, scenario)
    from simulator import load
    from simulator.planner.stream import compare_groups
    from simulator.reporting.stream import stream_csv, stream_table, stream_title
    from simulator.results.strictjson import to_json

    found = compare_groups(load(scenario, sets=sets or (), variants=variants or ()), stream, sizes, most)
    figures = found.to_dict()
    try:
        if plot is not None:
            from simulator.reporting.streamplot import draw_stream, stream_curve

            draw_stream(stream_curve(found), plot, stream_title(figures))
            output.note(f"wrote {plot}", quiet)
    finally:  # a full disk does not cost the figures
        if shape is Format.JSON:
            output.emit(to_json(figures))
        elif shape is Format.CSV:
            output.emit(stream_csv(figures))
        else:
            output.emit(stream_table(figures, output.width()))


def _sizes(text: str | None) -> list[int] | None:
    """Whole numbers from 1 on, between commas."""
    if text is None:
        return None
    found = []
    for part in text.split(","):
        word = part.strip()
        if not (word.isascii() and word.isdigit() and len(word) <= MOST_DIGITS and int(word) >= 1):
            raise typer.BadParameter(f"{part!r} is no whole number from 1 on", param_hint="'--groups'")
        found.append(int(word))
    return found
