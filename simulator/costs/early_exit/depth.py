"""From exits to layers: after which layer each row leaves, and what share of the requests still needs each layer.

Layers count from 1. ``S_l``, the share that needs layer l, is what every formula of this package works on: ``S_1 = 1``,
and it never grows with depth.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simulator.errors import Problem, ScenarioError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Convention = Literal["cuts", "tag"]


def exit_columns(exits: int, ramps: Sequence[int], layers: int, after: Sequence[int] | None = None) -> tuple[int, ...]:
    """Columns of a table of ``exits`` exits that belong to the ramps after the layers ``ramps``, ascending.

    ``after`` are the layers that the exits but the last follow. Left out, the exits are the ramps; or all layers, where
    the table has as many exits as the model layers: then ``ramps`` is a choice among them.

    >>> exit_columns(6, [2, 4, 6, 8, 10], 12), exit_columns(12, [2, 4, 7], 12)
    ((0, 1, 2, 3, 4), (1, 3, 6))
    """
    known = after
    if known is None:
        known = ramps if exits == len(ramps) + 1 or exits != layers else range(1, layers)
    if exits != len(known) + 1:
        model = f"the model {len(known)} ramps" if after is None else f"but `exits: after` names {len(known)} layers"
        message = f"has {exits} exits, {model} and its end: say with `after` which layers its exits follow"
        raise ScenarioError(Problem(message))
    if any(layer >= layers for layer in known):
        raise ScenarioError(Problem(f"`exits: after` names layer {max(known)}, the model's end is layer {layers}"))
    lacking = sorted(set(ramps) - set(known))
    if lacking:
        listed = ", ".join(map(str, known))
        raise ScenarioError(Problem(f"has no exit after layer {lacking[0]} (its exits follow layers {listed})"))
    return tuple(list(known).index(layer) for layer in ramps)


def exit_layers(exit_index: ArrayLike, at: Sequence[int]) -> Ints:
    """Layer after which each row leaves; ``at[k]`` is the layer that exit k follows, the last one the model's end.

    >>> exit_layers([0, 2, 1], at=[2, 4, 12]).tolist()
    [2, 12, 4]
    """
    if any(low >= high for low, high in pairwise(at)):
        raise ScenarioError(Problem(f"exits must follow ascending layers, got {', '.join(map(str, at))}"))
    return np.asarray(at, dtype=np.int64)[np.asarray(exit_index, dtype=np.int64)]


def reach(exit_layer: ArrayLike, layers: int, weights: ArrayLike | None = None) -> Floats:
    """``S_l`` for l = 1 .. ``layers``: the share of rows that need layer l, those that leave after l or later.

    ``weights`` are the shares of the rows among the requests (equal unless given).

    >>> reach([1, 1, 3, 2], 3).tolist()
    [1.0, 0.5, 0.25]
    """
    leave = np.asarray(exit_layer, dtype=np.int64)
    if leave.size == 0 or leave.min() < 1 or leave.max() > layers:
        raise ScenarioError(Problem(f"needs rows that leave after a layer within 1..{layers}"))
    mass = np.bincount(
        leave, weights=None if weights is None else np.asarray(weights, np.float64), minlength=layers + 1
    )
    if weights is None:
        return (len(leave) - np.cumsum(mass)[:-1]) / len(leave)  # counts are exact: shares are rounded once
    share: Floats = np.cumsum(mass[:0:-1])[::-1] / mass.sum()
    return share


def portions(layers: int, cuts: Sequence[int]) -> list[tuple[int, int]]:
    """First and last layer of each portion of a model that is cut after the layers ``cuts``.

    >>> portions(12, [2, 4, 7])
    [(1, 2), (3, 4), (5, 7), (8, 12)]
    """
    ends = [0, *cuts, layers]
    if any(low >= high for low, high in pairwise(ends)):
        raise ScenarioError(Problem(f"cuts must ascend within 1..{layers - 1}, got {', '.join(map(str, cuts))}"))
    return [(low + 1, high) for low, high in pairwise(ends)]


def active_ramps(ramps: Iterable[int], cuts: Sequence[int], convention: Convention) -> tuple[int, ...]:
    """Ramps that run where requests leave at cuts only.

    ``cuts``: the ramps at the cuts. Which requests survive a cut then depends on the cuts before it, as confidence does
    not grow with depth. ``tag``: every ramp up to the last cut runs and marks what it would answer; marked requests
    leave at the next cut, so that survival at a layer is the same for every set of cuts.
    """
    last = max(cuts, default=0)
    wanted = set(cuts) if convention == "cuts" else set(range(1, last + 1))
    return tuple(sorted(wanted & set(ramps)))


def leave_at_cuts(exit_layer: ArrayLike, cuts: Sequence[int], layers: int) -> Ints:
    """Layer at which the slot of each row is freed: the first cut at or after its exit, else the model's end.

    >>> leave_at_cuts([1, 3, 4, 8], cuts=[2, 4], layers=12).tolist()
    [2, 4, 4, 12]
    """
    ends = np.array([last for _, last in portions(layers, cuts)], dtype=np.int64)
    freed: Ints = ends[np.searchsorted(ends, np.asarray(exit_layer, dtype=np.int64))]
    return freed


def held(survival: ArrayLike, cuts: Sequence[int]) -> Floats:
    """Survival held constant inside each portion: ``S~_l`` is S of the first layer of the portion that l is in.

    >>> held([1.0, 0.9, 0.5, 0.4], cuts=[2]).tolist()
    [1.0, 1.0, 0.5, 0.5]
    """
    share = checked(survival)
    first = np.array([first for first, _ in portions(len(share), cuts)])
    start = first[np.searchsorted(first, np.arange(1, len(share) + 1), side="right") - 1]
    constant: Floats = share[start - 1]
    return constant


def checked(survival: ArrayLike) -> Floats:
    """A survival as an array, refused unless it starts at 1, never grows and stays within 0..1."""
    share = np.asarray(survival, dtype=np.float64)
    if share.ndim != 1 or share.size == 0 or share[0] != 1.0:
        raise ScenarioError(Problem("survival: needs one share per layer, the first of them 1"))
    if not (np.all(np.diff(share) <= 0.0) and share[-1] >= 0.0):
        raise ScenarioError(Problem("survival: must be within 0..1 and never grow from layer to layer"))
    return share
