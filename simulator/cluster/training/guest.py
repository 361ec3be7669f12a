"""What may run on a training's devices while the training has nothing to run there."""

from __future__ import annotations

from typing import Protocol


class Guest(Protocol):
    """Uses the idle time of a training's devices. The training goes first; a guest only decides how long it may wait.

    Devices are counted over all copies: stage r of copy c is device ``c * ranks + r``. ``idle`` and ``busy`` alternate
    for every device, starting with ``idle``; a window may turn out to have no length. During all-reduce and optimizer
    step, and while a transfer holds it, a device is not idle. The guest may schedule events on the training's clock.
    """

    def idle(self, device: int, now: float, until: float) -> None:
        """The device has nothing to do from ``now`` on and is expected to be needed again at ``until`` [s].

        With exact times it is needed at that very instant. ``until`` is infinite when the training has ended.
        """
        ...

    def busy(self, device: int, now: float) -> float:
        """The training could go on at ``now``; returns the instant at which it does: ``now``, or later when a piece
        that cannot be interrupted is still running, or a change back takes its time [s]."""
        ...

    def lost(self, device: int, now: float) -> None:
        """The device has failed, idle or busy, and with it all that ran on it; ``idle`` comes again after its repair,
        or ``busy``, if it was idle."""
        ...
