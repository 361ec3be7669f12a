"""Training data as the trainers want it: scaled once, split once, the same for every variant."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulator.calibration.ramps.features import Features
from simulator.calibration.ramps.loss import Floats, Ints
from simulator.calibration.ramps.softmax import Scaling, Softmax
from simulator.calibration.ramps.split import Split


@dataclass(frozen=True, eq=False, slots=True)
class Data:
    """``designs[k]`` (all rows, width + 1) are the scaled states; the scaling knows the training rows only."""

    features: Features
    split: Split
    scalings: tuple[Scaling, ...]
    designs: tuple[Floats, ...]

    @classmethod
    def of(cls, features: Features, split: Split) -> Data:
        """Scale the states of ``features``."""
        scalings = tuple(Scaling.of(state[split.train]) for state in features.states)
        designs = tuple(scaling.design(state) for scaling, state in zip(scalings, features.states))
        return cls(features, split, scalings, designs)

    @property
    def label(self) -> Ints:
        """True class of every row."""
        return self.features.label

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.features.classes

    @property
    def exits(self) -> int:
        """Exits, the model's end included."""
        return len(self.designs)

    @property
    def ramps(self) -> int:
        """Off-ramps: the exits before the model's end."""
        return self.exits - 1


@dataclass(frozen=True, eq=False, slots=True)
class Ramps:
    """The trained off-ramps of one variant; ``rows[k]`` is how many different rows ramp k was trained on."""

    ramps: tuple[Softmax, ...]
    rows: tuple[int, ...]
    notes: tuple[str, ...] = ()


def score(log_p: Floats, mix: float = 0.0) -> Floats:
    r"""The confidence score of each row, within 0..1, from the ln of its class probabilities.

    .. math:: s = (1 - \mu) \max_c p_c + \mu (1 - H / \ln C)

    >>> score(np.log([[0.5, 0.5], [0.9, 0.1]]), mix=0.5).round(3).tolist()
    [0.25, 0.716]
    """
    p = np.exp(log_p)
    found: Floats = p.max(axis=1)
    if mix:
        entropy = -(p * log_p).sum(axis=1)
        found = (1.0 - mix) * found + mix * (1.0 - entropy / np.log(p.shape[1]))
    return np.clip(found, 0.0, 1.0)
