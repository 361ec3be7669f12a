"""Kinds of rows that are fitted as one whole, beside times by batch size and by shape: one line each."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from simulator.calibration.result import Calibration
    from simulator.calibration.rows import Rows

Fitter: TypeAlias = "Callable[[Rows, int], Calibration]"
"""Rows and the number of folds in, the calibration out."""

WHOLE: dict[str, str] = {
    "pipeline": "simulator.calibration.pipeline:fit_rows",
    "streaming": "simulator.calibration.streaming.fit:fit_streaming",
}
"""Kind by name: where its fitter stands, as ``module:function``."""


def fitter(kind: str) -> Fitter:
    """The fitter of a kind in ``WHOLE``."""
    module, _, name = WHOLE[kind].partition(":")
    found: Fitter = getattr(import_module(module), name)
    return found
