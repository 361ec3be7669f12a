"""Folds that do not leak: what belongs together stays together, and the order of rows does not matter."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def batch_folds(batch: Floats, folds: int) -> Ints:
    """Fold of every row of one batch curve: repeats of a batch size together, sizes dealt out in turn.

    With at most ``2 * folds`` different sizes each is a fold of its own (leave one batch size out): the
    smallest and the largest are then predicted by extrapolation, all others by interpolation.

    >>> batch_folds(np.array([1.0, 2.0, 2.0, 4.0]), 5).tolist()
    [0, 1, 1, 2]
    """
    sizes, rank = np.unique(batch, return_inverse=True)
    rank = rank.ravel().astype(np.int64)
    return rank if len(sizes) <= 2 * folds else rank % folds


def shape_families(m: Floats, n: Floats, k: Floats, *, layers: bool = False) -> Ints:
    """Number of the family of every shape: same n and k, and m in one unbroken run (x, x+1, ...).

    Neighbours in m take nearly the same time, so one would give the other away. ``layers`` puts all m of an
    (n, k) into one family: the folds then ask for layers that were never measured.

    >>> shape_families(np.array([1.0, 2.0, 4.0]), np.ones(3), np.ones(3)).tolist()
    [0, 0, 1]
    """
    order = np.lexsort((m, k, n))
    same = (np.diff(n[order]) == 0) & (np.diff(k[order]) == 0)
    if not layers:
        same &= np.diff(m[order]) <= 1
    family = np.empty(len(m), dtype=np.int64)
    family[order] = np.concatenate(([0], np.cumsum(~same)))
    return family


def shape_folds(family: Ints, folds: int, salt: int = 0) -> Ints:
    """Fold of every row: families are shuffled by a fixed hash of their rank and dealt out evenly."""
    names, rank = np.unique(family, return_inverse=True)
    shuffled = np.argsort(_mixed(np.arange(len(names), dtype=np.uint64) + np.uint64(salt << 32)))
    place = np.empty(len(names), dtype=np.int64)
    place[shuffled] = np.arange(len(names))
    return np.asarray((place % folds)[rank.ravel()], dtype=np.int64)


def sample(count: int, wanted: int) -> Ints:
    """At most ``wanted`` of ``count`` positions, without pattern but the same every time, ascending."""
    if count <= wanted:
        return np.arange(count)
    picked = np.argsort(_mixed(np.arange(count, dtype=np.uint64)))[:wanted]
    return np.sort(picked).astype(np.int64)


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finalizer of SplitMix64 (Steele, Lea, Flood 2014): scatters neighbouring numbers."""
    with np.errstate(over="ignore"):
        x = values + np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(x ^ (x >> np.uint64(31)), dtype=np.uint64)
