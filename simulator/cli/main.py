"""The command ``plan``: its verbs, and what becomes of errors."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

from simulator import __version__
from simulator.cli import output
from simulator.cli.examples import epilog
from simulator.cli.verbs import (
    backtest,
    calibrate,
    catalogue,
    compare,
    exits,
    export,
    forecast,
    init,
    optimize,
    pipeline,
    report,
    saturate,
    schema,
    simulate,
    stream,
    sweep,
    validate,
)
from simulator.errors import InternalError, ScenarioError
from simulator.files import reason

DONE, OURS, YOURS, INTERRUPTED = 0, 1, 2, 130

app = typer.Typer(
    name="plan",
    help="Simulate neural-network serving clusters and plan their capacity.",
    epilog="Exit codes: 0 done, 1 our fault, 2 bad command or scenario, 3 a stated target is missed, 130 interrupted.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for verb in (
    simulate,
    optimize,
    backtest,
    sweep,
    compare,
    saturate,
    exits,
    pipeline,
    stream,
    forecast,
    export,
    report,
    validate,
    schema,
    init,
    catalogue,
):
    name = verb.__name__.rpartition(".")[2]
    app.command(name, epilog=epilog(name))(verb.command)
app.add_typer(calibrate.app, name="calibrate")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"plan {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Simulate neural-network serving clusters and plan their capacity."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run ``plan`` with ``arguments`` (default: those of the process) and exit with its code."""
    code = run(sys.argv[1:] if arguments is None else arguments)
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:  # told already; the interpreter would try again at exit, and complain
        output.silence()
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run ``plan`` and return its exit code; messages go to stderr."""
    for standard in (sys.stdout, sys.stderr):
        if hasattr(standard, "reconfigure"):
            standard.reconfigure(errors="replace")  # a terminal without µ gets ?, not a traceback
    try:
        code = int(app(args=list(arguments), prog_name="plan", standalone_mode=False) or DONE)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the one place where errors become messages and exit codes
        code = _report(error, debug="--debug" in arguments)
    if code == INTERRUPTED:
        typer.echo("interrupted", err=True)
    return code


def _report(error: Exception, debug: bool) -> int:
    if debug:
        traceback.print_exception(error)
    if isinstance(error, ScenarioError):
        typer.echo(str(error), err=True)
        return YOURS
    if hasattr(error, "exit_code") and hasattr(error, "show"):  # a usage error, of click or of typer's own copy
        error.show()
        return YOURS
    if isinstance(error, BrokenPipeError):  # the reader of a help page has gone
        output.silence()
        return DONE
    if isinstance(error, OSError):
        typer.echo(f"{error.filename or 'input or output'}: {reason(error)}", err=True)
        return YOURS
    if isinstance(error, MemoryError):
        typer.echo("not enough memory: simulate a shorter duration, a lower load or fewer replications", err=True)
        return YOURS
    name = "" if isinstance(error, InternalError) else f"{type(error).__name__}: "
    typer.echo(f"internal error: {name}{error}", err=True)
    typer.echo("please report this with the command and the scenario; --debug adds a traceback", err=True)
    return OURS
