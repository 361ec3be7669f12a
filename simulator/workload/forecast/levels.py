"""The levels at which quantiles are kept, and how to read between and beyond them."""

from __future__ import annotations

import numpy as np

from simulator.workload.process import Floats

TABLE: Floats = np.array(
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975, 0.99, 0.995]
)
"""Levels of every table of quantiles (L,)."""
NORMAL: Floats = np.array(
    [
        -2.5758293035489004,
        -2.3263478740408408,
        -1.9599639845400545,
        -1.6448536269514729,
        -1.2815515655446004,
        -0.8416212335729143,
        -0.5244005127080409,
        -0.2533471031357997,
        0.0,
        0.2533471031357997,
        0.5244005127080407,
        0.8416212335729143,
        1.2815515655446004,
        1.6448536269514722,
        1.959963984540054,
        2.3263478740408408,
        2.5758293035489004,
    ]
)
"""The same levels of a standard normal law."""
MIDDLE = 8
LOWEST, HIGHEST = 0.001, 0.999
"""Levels that may be asked for: beyond them a history of weeks says nothing."""
FARTHEST = 8.0
"""No error counts for more standard deviations than this."""


def at_scores(table: Floats, scores: Floats) -> Floats:
    """Values (n, T) of paths of normal scores (n, T) through the quantiles (T, L): straight lines in the score.

    Beyond the outermost levels the last line goes on; never below 0.
    """
    place = np.clip(np.searchsorted(NORMAL, scores) - 1, 0, NORMAL.size - 2)
    rows = np.arange(table.shape[0])
    low, high = table[rows, place], table[rows, place + 1]
    share = (scores - NORMAL[place]) / (NORMAL[place + 1] - NORMAL[place])
    return np.asarray(np.maximum(low + share * (high - low), 0.0))


def scores_of(table: Floats, values: Floats) -> Floats:
    """Normal scores (T,) of values (T,) under the quantiles (T, L); NaN where a value or the spread is missing."""
    scores = np.full(values.size, np.nan)
    for row, (quantiles, value) in enumerate(zip(table, values)):
        rising = np.flatnonzero(np.diff(quantiles) > 0)
        if np.isnan(value) or not rising.size:
            continue
        place = int(np.clip(np.searchsorted(quantiles, value) - 1, rising[0], rising[-1]))
        place = int(rising[np.abs(rising - place).argmin()])
        share = (value - quantiles[place]) / (quantiles[place + 1] - quantiles[place])
        scores[row] = NORMAL[place] + share * (NORMAL[place + 1] - NORMAL[place])
    return np.asarray(np.clip(scores, -FARTHEST, FARTHEST))
