"""A progress bar that counts, without a thread: one that runs would keep the workers from being forked."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Tell = Callable[[float], None]


@contextmanager
def counting(label: str, total: int, unit: str, quiet: bool) -> Iterator[Tell | None]:
    """A bar on stderr that hears the share of ``total`` that is done; None when nobody would see it."""
    if quiet or sys.stderr is None or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(label), BarColumn(), MofNCompleteColumn(), TextColumn(unit), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, auto_refresh=False) as bar:
        task = bar.add_task(label, total=total)
        bar.refresh()

        def tell(share: float) -> None:
            bar.update(task, completed=round(share * total), refresh=True)

        yield tell
