"""``plan calibrate``: one module per command."""

from __future__ import annotations

import typer

from simulator.cli.examples import epilog
from simulator.cli.verbs.calibrate import fit, measure, precision, ramps

app = typer.Typer(
    help="Turn measurements into cost parameters with their error.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for verb in (fit, measure, precision, ramps):
    name = verb.__name__.rpartition(".")[2]
    app.command(name, epilog=epilog(f"calibrate {name}"))(verb.command)


@app.callback()
def _calibrate() -> None:
    """Turn measurements into cost parameters with their error."""
