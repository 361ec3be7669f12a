"""Search for the cheapest plan, with the proof of how good it is.

``api`` is the call. It makes everything ``ready``, then goes in ``rounds``: ``space`` says what may be deployed,
``judge`` whether it holds, ``search`` which choice is best, ``objectives`` what best means,
``verify`` whether the plan passes. ``write`` and ``certificate`` put it into words.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.planner.optimize.api import Optimized, Progress, optimize

__all__ = ["Optimized", "Progress", "optimize"]


def __getattr__(name: str) -> object:
    """The call is bound when it is first used: parts of the search are used without it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.api"), name)
