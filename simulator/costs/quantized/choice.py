"""Which precision is the fastest for a shape, and how good such choices are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simulator.costs.base.gemm import GemmLaw, shapes
from simulator.costs.base.law import Floats

TIE = 0.05
"""Precisions whose times differ by less than this share are a tie: no choice among them is wrong."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The fastest precision of each shape: ``names`` and predicted ``seconds``, both of the broadcast shape."""

    names: NDArray[np.str_]
    seconds: Floats


def fastest(laws: Mapping[str, GemmLaw], m: ArrayLike, n: ArrayLike, k: ArrayLike) -> Choice:
    """The precision with the least predicted time for each shape; of equals the one that stands first.

    >>> from simulator.costs.quantized.datasheet import GemmDatasheet
    >>> laws = {"bf16": GemmDatasheet(1e15, 3e12, 2, 2, 2), "int4": GemmDatasheet(1e15, 3e12, 2, 0.5, 2)}
    >>> fastest(laws, [1, 16384], 4096, 4096).names.tolist()
    ['int4', 'bf16']
    """
    sizes = shapes(m, n, k)
    times = np.stack([law.seconds(*sizes) for law in laws.values()])
    best = times.argmin(axis=0)
    return Choice(np.array(list(laws))[best], np.asarray(times.min(axis=0)))


@dataclass(frozen=True, slots=True)
class Judgement:
    """How good choices were on measured shapes.

    ``shapes``: how many counted; ``ties``: share of all shapes left out as ties; ``right``: share of the counted
    shapes where the truly fastest was chosen; ``regret``: mean extra time of the chosen over the fastest [share].
    """

    shapes: int
    ties: float
    right: float
    regret: float


def judge(measured: Floats, predicted: Floats, tie: float = TIE) -> Judgement:
    """Judge the choice of the least ``predicted`` time; both arrays have one row per precision, one column per shape.

    Of equal predictions the first row is chosen. Ties are shapes whose two fastest precisions differ by less than
    ``tie``; they count neither as right nor in the regret.

    >>> measured = np.array([[1.0, 1.0, 1.0, 1.0], [2.0, 0.5, 1.01, 1.01]])
    >>> judge(measured, np.array([[1.0] * 4, [2.0] * 4]))
    Judgement(shapes=2, ties=0.5, right=0.5, regret=0.5)
    """
    ordered = np.sort(measured, axis=0)
    counted = ordered[1] >= ordered[0] * (1 + tie)
    chosen = np.take_along_axis(measured, predicted.argmin(axis=0)[None], axis=0)[0]
    extra = (chosen / ordered[0] - 1)[counted]
    if not counted.any():
        return Judgement(0, 1.0, 1.0, 0.0)
    return Judgement(int(counted.sum()), float(1 - counted.mean()), float((extra == 0).mean()), float(extra.mean()))
