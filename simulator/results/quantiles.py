"""Nearest-rank percentiles with exact ranks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from simulator.results.record import Floats

QUANTILES: Mapping[str, tuple[int, int]] = {
    "p50": (1, 2),
    "p90": (9, 10),
    "p95": (19, 20),
    "p99": (99, 100),
    "p999": (999, 1000),
}
"""Name -> quantile as an exact fraction (numerator, denominator), since 0.999 is not one in doubles."""


def nearest_rank(count: int, quantile: tuple[int, int]) -> int:
    """Index from 0 of the nearest-rank percentile among ``count`` sorted values: ceil(q n) - 1.

    >>> nearest_rank(1000, (999, 1000)), nearest_rank(1, (1, 2))
    (998, 0)
    """
    numerator, denominator = quantile
    return max(-(-numerator * count // denominator) - 1, 0)


def percentiles(values: Floats, names: tuple[str, ...]) -> dict[str, float | None]:
    """Nearest-rank percentiles of ``values`` by name, in the values' unit; None when there is no value."""
    if not len(values):
        return dict.fromkeys(names)
    ranks = {name: nearest_rank(len(values), QUANTILES[name]) for name in names}
    ordered = np.partition(values, sorted(set(ranks.values())))
    return {name: float(ordered[rank]) for name, rank in ranks.items()}


def summary(values: Floats) -> dict[str, float | None]:
    """Mean, nearest-rank percentiles and maximum of ``values`` in their unit; None when there is no value.

    >>> summary(np.array([3.0, 1.0, 2.0]))["p50"]
    2.0
    """
    if not len(values):
        return dict.fromkeys(("mean", *QUANTILES, "max"))
    found = percentiles(values, tuple(QUANTILES))
    return {"mean": float(values.mean()), **found, "max": float(values.max())}
