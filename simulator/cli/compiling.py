"""What is said while the compiled engine is translated into machine code for the first time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from simulator.cli import output

MESSAGE = "compiling the engine, which takes some 20 s once"


@contextmanager
def announced(wanted: bool) -> Iterator[None]:
    """Say so on stderr as soon as it begins; nothing is said where the code is found on disk."""
    if not wanted:
        yield
        return
    from numba.core import event

    class Once(event.Listener):
        """The engine is compiled with all that it calls: only the first is told."""

        told = False

        def on_start(self, begun: object) -> None:
            if not self.told:
                self.told = True
                output.note(MESSAGE, quiet=False)

        def on_end(self, ended: object) -> None:
            """Nothing: the result follows."""

    with event.install_listener("numba:compile", Once()):
        yield
