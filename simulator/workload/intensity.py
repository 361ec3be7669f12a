"""Arrivals under a rate that is constant piece by piece: how series and modulated processes arrive."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from simulator.workload.process import Floats


@dataclass(frozen=True, slots=True)
class Pieces:
    """Consecutive intervals: ``edges`` (n + 1) [s of the clock] and the ``rates`` (n) [1/s] between them."""

    edges: Floats
    rates: Floats


def through(units: Iterable[Floats], blocks: Iterator[Pieces]) -> Iterator[Floats]:
    """Arrivals where the expected number since 0 reaches each of the ``units``, by exact inversion.

    With unit-rate Poisson ``units`` this is the non-homogeneous Poisson process of that rate. It ends with
    ``blocks``.
    """
    pieces = next(blocks, None)
    if pieces is None:
        return
    loads = _loads(pieces, 0.0)
    for chunk in units:
        rest = chunk
        while rest.size:
            here = int(np.searchsorted(rest, loads[-1], side="right"))
            if here:
                yield _invert(rest[:here], pieces, loads)
                rest = rest[here:]
            if rest.size:
                pieces = next(blocks, None)
                if pieces is None:
                    return
                loads = _loads(pieces, float(loads[-1]))


def expected_load(blocks: Iterable[Pieces], until: float) -> float:
    """Integral of the rate over [0, ``until``) [s of the clock]."""
    total = 0.0
    for pieces in blocks:
        ends = np.minimum(pieces.edges, until)
        total += float(np.sum(pieces.rates * np.diff(ends)))
        if pieces.edges[-1] >= until:
            break
    return total


def expected_loads(blocks: Iterable[Pieces], until: Floats) -> Floats:
    """:func:`expected_load` at many instants, in one pass."""
    found, before = np.zeros_like(until), 0.0
    last = float(np.max(until, initial=0.0))
    for pieces in blocks:
        loads = _loads(pieces, before)
        after = until > pieces.edges[0]
        found[after] = np.interp(until[after], pieces.edges, loads)
        before = float(loads[-1])
        if pieces.edges[-1] >= last:
            break
    return found


def _loads(pieces: Pieces, before: float) -> Floats:
    """Expected number of arrivals since 0 at every edge, as one running sum."""
    return np.cumsum(np.concatenate(([before], pieces.rates * np.diff(pieces.edges))))


def _invert(units: Floats, pieces: Pieces, loads: Floats) -> Floats:
    # "left": the piece with loads[k] < unit <= loads[k + 1], whose rate is therefore not 0.
    piece = np.clip(np.searchsorted(loads, units, side="left") - 1, 0, pieces.rates.size - 1)
    rates = pieces.rates[piece]
    # Only a gap of exactly 0 at the very beginning can meet a rate of 0; it arrives at the first edge.
    after = np.divide(units - loads[piece], rates, out=np.zeros_like(units), where=rates > 0)
    return np.minimum(pieces.edges[piece] + after, pieces.edges[piece + 1])
