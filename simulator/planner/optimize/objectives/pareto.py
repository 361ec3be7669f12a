"""What is worth a look among plans that differ in cost, latency and accuracy: those that no other dominates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def front(rows: Sequence[tuple[float, float, float | None]]) -> list[int]:
    """Numbers of the rows (cost per hour, p99 [s], accuracy) that no other row dominates, cheapest first.

    A row dominates another when it is no worse in any of the three and better in one. Accuracy that nobody knows
    counts as worse than any that is known; rows whose cost or p99 is not a number are never on the front. Of equal
    rows the first stays.

    >>> front([(3.0, 0.1, 0.9), (2.0, 0.2, 0.9), (4.0, 0.1, 0.9), (2.0, 0.3, 0.95), (2.0, 0.2, 0.9)])
    [1, 3, 0]
    """
    asked = np.array([(cost, p99, np.inf if accuracy is None else -accuracy) for cost, p99, accuracy in rows])
    asked = asked.reshape(len(rows), 3)
    usable = np.flatnonzero(~np.isnan(asked).any(axis=1))
    order = usable[np.lexsort((usable, asked[usable, 2], asked[usable, 1], asked[usable, 0]))]
    kept: list[int] = []
    for row in order:  # whatever dominates a row comes before it, or equals it
        if not kept or not (asked[kept] <= asked[row]).all(axis=1).any():
            kept.append(int(row))
    return kept
