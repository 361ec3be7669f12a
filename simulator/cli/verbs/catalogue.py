"""``plan catalogue``."""

from __future__ import annotations

from typing import Annotated

import typer

from simulator.cli import options, output


def command(
    kind: Annotated[
        str | None, typer.Argument(metavar="KIND", help="devices or models (default: the names of both).")
    ] = None,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Show this device or model alone.")] = None,
    fmt: options.FormatChoice = None,
    as_json: options.AsJson = False,
    debug: options.Debug = False,
) -> None:
    """List known devices and models, with the source of every figure."""
    from simulator.cli.catalogue import catalogue_text

    output.emit(catalogue_text(kind, name, options.chosen_format(fmt, as_json).value))
