"""The clipping range whose codes lose least information about a histogram."""

from __future__ import annotations

import numpy as np

from simulator.calibration.int8.affine import Floats
from simulator.calibration.int8.histogram import Histogram

CANDIDATES = 128
_SMOOTH = 1e-4
"""Share of the coded distribution spread over all occupied bins, so that no divergence is infinite."""


def entropy_range(seen: Histogram, levels: int = 256) -> tuple[float, float]:
    """(low, high) among ranges cut at |x| <= t that minimises KL(P || Q).

    P is the histogram with what lies beyond added to its end bins; Q is the histogram without it, averaged over
    ``levels`` equal stretches of bins and spread again over the occupied bins of each. Candidates for t are 128
    equally spaced values from the largest |x| down to the width of ``levels`` bins; 0 stays within the range.
    Source: Migacz, 8-bit Inference with TensorRT (GTC 2017), here for ranges that need not be symmetric.
    """
    edges, counts = seen.edges, seen.counts.astype(np.float64)
    if len(counts) <= levels:
        return seen.low, seen.high
    largest = max(abs(seen.low), abs(seen.high))
    smallest = min(levels * seen.width, largest)
    best = np.inf, seen.low, seen.high
    for limit in np.linspace(largest, smallest, CANDIDATES):  # the widest first: it wins ties
        low, high = max(seen.low, -limit), min(seen.high, limit)
        if low >= high:
            continue
        # The bins that low and high lie in belong to the range: zeros lie in the first bin above 0
        start, end = np.searchsorted(edges, [low, high], "right") - [1, 0]
        found = _divergence(counts, max(int(start), 0), min(int(end), len(counts)), levels)
        if found < best[0]:
            best = found, low, high
    return best[1], best[2]


def _divergence(counts: Floats, start: int, end: int, levels: int) -> float:
    """KL(P || Q) in nats of the bins start to end."""
    inside = counts[start:end]
    if end - start <= levels or not inside.any():
        return np.inf
    actual = inside.copy()
    actual[0] += counts[:start].sum()
    actual[-1] += counts[end:].sum()
    stretches = np.arange(levels) * len(inside) // levels
    occupied = (inside > 0).astype(np.float64)
    total, bins = np.add.reduceat(inside, stretches), np.add.reduceat(occupied, stretches)
    mean = np.divide(total, bins, out=np.zeros_like(total), where=bins > 0)
    lengths = np.diff(np.append(stretches, len(inside)))
    coded = np.repeat(mean, lengths) * occupied
    here = actual > 0
    p = actual[here] / actual.sum()
    q = (1 - _SMOOTH) * coded[here] / coded.sum() + _SMOOTH / here.sum()
    return float((p * np.log(p / q)).sum())
