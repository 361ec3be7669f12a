"""Off-ramps trained one after another, each on what the ramps before it left (EP4356304A1, US12217172B2).

The patent's public claims say: combine a weighted entropy, weighted by whether the layer before was right, with
a confidence value; train the ramp; remove part of the training data by a threshold; resample the rest; train the next.
The formulas are ours:

.. math:: J_k = \\sum_i w_{k,i} (-\\ln p_k(y_i) + \\lambda H_i) / \\sum_i w_{k,i}, \\quad w_1 = 1

=======  ======================================================  ====================
form     weight of a row at ramp k                               entropy
=======  ======================================================  ====================
hard     1 + gamma where ramp k-1 was wrong, else 1              plain
soft     prod over j < k of (1 - p_j(y))^gamma, within limits    plain
class    as hard                                                 weighted by class
=======  ======================================================  ====================
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from simulator.calibration.ramps.data import Data, Ramps, score
from simulator.calibration.ramps.loss import Floats, Ints
from simulator.calibration.ramps.softmax import Softmax, fit_softmax
from simulator.errors import Problem, ScenarioError
from simulator.streams import stream

Form = Literal["hard", "soft", "class"]
FORMS: tuple[Form, ...] = get_args(Form)
SOFT_LIMITS = (0.05, 1.0)
"""Smallest and largest weight of form soft: no row counts for nothing."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How adaptive ramps are trained.

    ``gamma`` raises weights (0: all alike), ``sharpen`` is lambda, ``threshold`` the confidence score at which a
    correct row is removed (the one that exits at inference), ``mix`` is mu of the score, ``floor`` the share of
    the training rows that are never removed nor re-weighted, ``removal`` False keeps all rows.
    """

    gamma: float = 1.0
    sharpen: float = 0.1
    threshold: float = 0.9
    mix: float = 0.0
    floor: float = 0.15
    removal: bool = True
    resample: bool = True

    def __post_init__(self) -> None:
        ranges = {"gamma": math.inf, "sharpen": math.inf, "threshold": 1.0, "mix": 1.0, "floor": 1.0}
        problems = []
        for name, most in ranges.items():
            value = getattr(self, name)
            if not (0.0 <= value <= most and math.isfinite(value)):
                allowed = "a finite number of at least 0" if most == math.inf else "within 0..1"
                problems.append(Problem(f"must be {allowed}, got {value}", path=name))
        if problems:
            raise ScenarioError(problems)


@dataclass(frozen=True, eq=False, slots=True)
class _Seen:
    """What the ramps so far say of the training rows: ln of the probability of every class."""

    label: Ints
    log_p: list[Floats]

    def wrong(self) -> NDArray[np.bool_]:
        """Where the last ramp was wrong."""
        found: NDArray[np.bool_] = self.log_p[-1].argmax(axis=1) != self.label
        return found


def train_adaptive(
    data: Data,
    l2: list[float],
    form: Form,
    settings: Settings,
    seed: int,
    tick: Callable[[], object] = lambda: None,
) -> Ramps:
    """Every off-ramp in turn, on the rows that the ramps before it did not answer surely and rightly.

    With ``gamma`` and ``sharpen`` 0 and no removal the ramps are those of ``train_independent``, to the bit.
    """
    train = data.split.train
    kept = _floor(len(train), settings.floor, seed)
    alive = np.ones(len(train), dtype=np.bool_)
    seen = _Seen(data.label[train], [])
    ramps: list[Softmax] = []
    used: list[int] = []
    notes: list[str] = []
    for k in range(data.ramps):
        weight = np.where(kept, 1.0, row_weights(form, settings.gamma, seen.label, seen.log_p))
        rows = _rows(alive, kept, weight, settings, seed, k)
        if not len(rows):
            notes.append(f"nothing was left for the ramp of exit {k + 1}: trained on all rows (raise the floor)")
            rows = np.arange(len(train))
        ramp = fit_softmax(
            data.designs[k][train[rows]],
            seen.label[rows],
            data.classes,
            l2[k],
            weight=weight[rows],
            sharpen=settings.sharpen,
            class_weight=class_weights(seen.label, seen.log_p, data.classes) if form == "class" else None,
        )
        seen.log_p.append(ramp.log_probabilities(data.designs[k][train]))
        if settings.removal:
            alive &= ~((score(seen.log_p[-1], settings.mix) >= settings.threshold) & ~seen.wrong())
        ramps.append(ramp)
        used.append(len(np.unique(rows)))
        tick()
    return Ramps(tuple(ramps), tuple(used), tuple(notes))


def row_weights(form: Form, gamma: float, label: Ints, log_p: list[Floats]) -> Floats:
    """Weight of every training row at the next ramp; ``log_p`` of the ramps so far.

    >>> wrong, right = [0.9, 0.1], [0.2, 0.8]
    >>> row_weights("hard", 2.0, np.array([1, 1]), [np.log([wrong, right])]).tolist()
    [3.0, 1.0]
    """
    if not log_p:
        return np.ones(len(label))
    if form == "soft":
        rows = np.arange(len(label))
        missed = np.prod([-np.expm1(np.minimum(one[rows, label], 0.0)) for one in log_p], axis=0)
        clipped: Floats = np.clip(missed**gamma, *SOFT_LIMITS).astype(np.float64)
        return clipped
    return np.where(_Seen(label, log_p).wrong(), 1.0 + gamma, 1.0)


def class_weights(label: Ints, log_p: list[Floats], classes: int) -> Floats:
    """Weight of every class in the entropy: its share of wrong rows at the last ramp, scaled to mean 1."""
    if not log_p:
        return np.ones(classes)
    wrong = _Seen(label, log_p).wrong()
    share = np.bincount(label, weights=wrong, minlength=classes) / np.maximum(np.bincount(label, minlength=classes), 1)
    mean = share.mean()
    return np.asarray(share / mean, dtype=np.float64) if mean > 0 else np.ones(classes)


def systematic(weight: Floats, uniform: float) -> Ints:
    """As many draws as rows, in proportion to ``weight``: each row its expected number of times, rounded up or down.

    Equal weights draw every row once, which plain resampling does not.

    >>> systematic(np.array([1.0, 1.0, 2.0]), 0.5).tolist(), systematic(np.ones(3), 0.7).tolist()
    ([0, 2, 2], [0, 1, 2])
    """
    ends = np.cumsum(weight)
    uniform = min(uniform, 1.0 - 1e-6)  # so near 1 that the sum below would be rounded up to the next row
    points = (np.arange(len(weight)) + uniform) * (ends[-1] / len(weight))
    drawn: Ints = np.minimum(np.searchsorted(ends, points, side="right"), len(weight) - 1).astype(np.int64)
    return drawn


def _floor(rows: int, share: float, seed: int) -> NDArray[np.bool_]:
    """Rows that stay untouched."""
    kept = np.zeros(rows, dtype=np.bool_)
    kept[stream(seed, "ramps", "floor").permutation(rows)[: round(share * rows)]] = True
    return kept


def _rows(
    alive: NDArray[np.bool_], kept: NDArray[np.bool_], weight: Floats, settings: Settings, seed: int, k: int
) -> Ints:
    """Ascending training rows of ramp k: the floor once each, and the rest that is alive, resampled by weight."""
    rest = np.flatnonzero(alive & ~kept)
    if settings.resample and len(rest):
        rest = rest[systematic(weight[rest], stream(seed, "ramps", "resample", k).random())]
    rows: Ints = np.sort(np.concatenate([np.flatnonzero(kept), rest]))
    return rows
