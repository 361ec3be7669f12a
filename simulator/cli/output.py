"""Results to stdout, everything else to stderr."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import typer

from simulator.errors import Problem, ScenarioError


class Bar:
    """A progress bar, to be called with what is done: a share, or a number and how much there is."""

    def __init__(self, update: Callable[..., object]) -> None:
        self._update = update

    def __call__(self, done: float, total: float | None = 1.0, text: str | None = None) -> None:
        """Show ``done`` of ``total``, None when nobody knows the total; ``text`` takes the place of the label."""
        self._update(completed=done, total=total, **({} if text is None else {"description": text}))


def emit(text: str) -> None:
    """Write a result to stdout. A reader that has gone (``plan ... | head``) is no error, a full disk is."""
    if sys.stdout is None:  # started with a closed stdout
        raise ScenarioError(Problem("is closed, the result cannot be shown", file="stdout"))
    try:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        silence()
    except OSError as error:
        from simulator.files import reason

        silence()
        raise ScenarioError(Problem(reason(error), file="stdout")) from error


def silence() -> None:
    """Let stdout lead nowhere: what is still buffered would raise again at exit."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def refuse_output(file: Path | None, *inputs: Path) -> None:
    """Tell, before any work is done, that a file cannot be written, or is one of ``inputs``."""
    from simulator.files import check_output

    if file is not None:
        check_output(file, inputs)


def note(text: str, quiet: bool) -> None:
    """Say something beside the result."""
    if not quiet:
        typer.echo(text, err=True)


def warn(warnings: list[str], quiet: bool) -> None:
    """Say the warnings of a result whose format on stdout is for programs."""
    for text in warnings:
        note(f"warning: {text}", quiet)


def width() -> int:
    """Columns of the terminal, within what is comfortable to read; 80 in a pipe."""
    return min(max(shutil.get_terminal_size((80, 24)).columns, 40), 160)


@contextmanager
def progress(label: str, quiet: bool) -> Iterator[Bar | None]:
    """A progress bar on stderr; None when stderr is no (or a dumb) terminal or nobody wants it."""
    if quiet or sys.stderr is None or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        yield Bar(partial(bar.update, bar.add_task(label, total=None)))
