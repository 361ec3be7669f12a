"""Who is still there behind a set of ramps, as plain arrays.

Two conventions. *At cuts*: only the ramps at the cuts run, a request leaves at the first of them that fires; because
confidence is not monotone in depth, survival depends on the whole set. *Tagged*: every ramp runs, a request that any
ramp answered is dropped at the next cut; survival at a layer then does not depend on the cuts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from simulator.errors import Problem, ScenarioError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
CHUNK = 1 << 11


class ExitModel(Protocol):
    """What the search asks of a model's exits; layers are counted from 1, the last one always answers."""

    @property
    def layers(self) -> int:
        """Layers of the model."""
        ...

    @property
    def ramps(self) -> tuple[int, ...]:
        """Layers behind which there is a ramp, ascending, below the last."""
        ...

    @property
    def nested(self) -> bool:
        """Whether fewer ramps never answer more requests, so that running all of them bounds every set."""
        ...

    def look(self, cuts: Ints) -> tuple[Floats, Floats]:
        """Survival (sets, K + 1) into each portion and accuracy (sets,) when only the ramps at ``cuts`` run.

        ``cuts`` (sets, K) ascending, filled up with the number of layers.
        """
        ...

    def tagged(self) -> tuple[Floats, Floats]:
        """With every ramp running: survival (L,) into each layer, and accuracy (L,) by the last cut (0: none)."""
        ...


@dataclass(frozen=True, eq=False)
class Exits:
    """Exits from rows: ``fires`` (rows, L), whether the ramp after each layer would answer a row that got there.

    ``correct`` (rows, L), 1 where that answer is right (None: unknown, accuracies are NaN); ``weight`` (rows,);
    ``ramps`` the layers with a ramp (None: all but the last). The last column always answers.

    >>> exits = Exits(np.array([[1, 0, 0], [0, 1, 0]], dtype=bool))
    >>> exits.look(np.array([[1, 2], [2, 3]]))[0].tolist()
    [[1.0, 0.5, 0.0], [1.0, 0.5, 0.5]]
    >>> exits.tagged()[0].tolist()
    [1.0, 0.5, 0.0]
    """

    fires: Bools
    correct: Floats | None = None
    weight: Floats | None = None
    after: tuple[int, ...] | None = None
    _pattern: Bools = field(init=False, repr=False)
    _count: Floats = field(init=False, repr=False)
    _right: Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        rows, layers = self.fires.shape if self.fires.ndim == 2 else (0, 0)
        if not rows or not layers:
            raise ScenarioError(Problem(f"exits: fires must be (rows, layers), got {self.fires.shape}"))
        after = self.after or ()
        if any(not 1 <= ramp < layers for ramp in after):
            raise ScenarioError(Problem(f"exits: ramps sit after layers 1 to {layers - 1}, got {list(after)}"))
        weight = np.ones(rows) if self.weight is None else self.weight
        right = np.full(self.fires.shape, np.nan) if self.correct is None else self.correct
        if right.shape != self.fires.shape:
            raise ScenarioError(Problem(f"exits: correct {right.shape} must be shaped like fires {self.fires.shape}"))
        if weight.shape != (rows,) or not (weight >= 0).all() or not weight.sum() > 0:
            raise ScenarioError(Problem("exits: weight must have one share for each row, none negative, not all 0"))
        switched = np.zeros_like(self.fires)
        used = [ramp - 1 for ramp in self.ramps]
        switched[:, used] = self.fires[:, used]
        pattern, group = np.unique(switched, axis=0, return_inverse=True)
        count = np.bincount(group.ravel(), weight, len(pattern))
        summed = np.zeros((len(pattern), layers))
        np.add.at(summed, group.ravel(), right * weight[:, None])
        object.__setattr__(self, "_pattern", pattern.astype(np.bool_))
        object.__setattr__(self, "_count", count)
        object.__setattr__(self, "_right", summed)

    @classmethod
    def of_survival(cls, survival: Floats) -> Exits:
        """From shares only: ``survival[l]`` (L,) still need layer l + 1 when every ramp runs; 1 first, never rising.

        A request fires at its exit and at every later one, so both conventions agree but for the ramps' time.
        """
        if survival[0] != 1.0 or (np.diff(survival) > 0).any() or (survival < 0).any():
            raise ScenarioError(Problem("exits: survival starts at 1 and never rises or falls below 0"))
        layers = len(survival)
        fires = np.arange(layers) >= np.arange(layers)[:, None]
        return cls(fires, weight=-np.diff(np.append(survival, 0.0)))

    @classmethod
    def at_layers(
        cls,
        fires: Bools,
        after: tuple[int, ...],
        layers: int,
        correct: Floats | None = None,
        weight: Floats | None = None,
    ) -> Exits:
        """From a table by exit: column k of ``fires`` and ``correct`` (rows, K + 1) is the ramp after layer
        ``after[k]``, the last column the end of the model.

        >>> Exits.at_layers(np.array([[True, True]]), (2,), 4).tagged()[0].tolist()
        [1.0, 1.0, 0.0, 0.0]
        """
        if fires.ndim != 2 or fires.shape[1] != len(after) + 1 or any(not 1 <= ramp < layers for ramp in after):
            found = f"{fires.shape} and ramps after {list(after)} of {layers} layers"
            raise ScenarioError(
                Problem(f"exits: a table needs a column for each ramp and one for the end, got {found}")
            )
        columns = [*(ramp - 1 for ramp in after), layers - 1]
        spread = np.zeros((len(fires), layers), dtype=np.bool_)
        spread[:, columns] = fires
        answers = None
        if correct is not None:
            answers = np.zeros((len(fires), layers))
            answers[:, columns] = correct
        return cls(spread, answers, weight, tuple(after))

    @property
    def layers(self) -> int:
        """Layers of the model."""
        return int(self.fires.shape[1])

    @property
    def ramps(self) -> tuple[int, ...]:
        """Layers with a ramp."""
        return tuple(range(1, self.layers)) if self.after is None else tuple(sorted(set(self.after)))

    @property
    def nested(self) -> bool:
        """A ramp answers the same rows whichever others run."""
        return True

    def look(self, cuts: Ints) -> tuple[Floats, Floats]:
        """Survival into each portion and accuracy of every cut set; see ``ExitModel``."""
        survive = np.ones((len(cuts), cuts.shape[1] + 1))
        accuracy = np.empty(len(cuts))
        for low in range(0, len(cuts), CHUNK):
            part = slice(low, low + CHUNK)
            survive[part, 1:], accuracy[part] = self._look(cuts[part])
        return survive, accuracy

    def _look(self, cuts: Ints) -> tuple[Floats, Floats]:
        alive = np.ones((len(cuts), len(self._pattern)), dtype=np.bool_)
        survive = np.empty(cuts.shape)
        right = np.zeros(len(cuts))
        fires, by_layer = self._pattern.T, self._right.T
        for k in range(cuts.shape[1]):
            at = cuts[:, k] - 1  # the last layer's column never fires: a set that is filled up keeps its survivors
            leave = alive & fires[at]
            if self.correct is not None:
                right += np.einsum("sp,sp->s", leave, by_layer[at])
            alive &= ~leave
            survive[:, k] = alive @ self._count
        total = self._count.sum()  # divided last: sums of whole rows are exact, in whichever order they are added
        return survive / total, (right + alive @ by_layer[-1]) / total

    def tagged(self) -> tuple[Floats, Floats]:
        """Survival by layer and accuracy by last cut when every ramp runs; see ``ExitModel``."""
        layers = self.layers
        sets = np.full((layers, layers), layers, dtype=np.int64)
        for last in range(1, layers):
            ramps = [ramp for ramp in self.ramps if ramp <= last]
            sets[last, : len(ramps)] = ramps
        survive, accuracy = self.look(sets)
        return np.append(1.0, survive[1:].min(axis=1)), accuracy


@dataclass(frozen=True, eq=False)
class ExitsByCuts:
    """Exits behind a function, for rules where the ramps that run change what a ramp answers (patience).

    ``function(cuts)`` returns the share that goes on behind each cut (k,) and the accuracy (NaN: unknown).
    """

    layers: int
    ramps: tuple[int, ...]
    function: Callable[[tuple[int, ...]], tuple[Floats, float]]

    @property
    def nested(self) -> bool:
        """Not known of a function."""
        return False

    def look(self, cuts: Ints) -> tuple[Floats, Floats]:
        """One call for each set; see ``ExitModel``."""
        survive = np.ones((len(cuts), cuts.shape[1] + 1))
        accuracy = np.empty(len(cuts))
        for number, row in enumerate(cuts):
            real = tuple(int(cut) for cut in row if cut < self.layers)
            shares, accuracy[number] = self.function(real)
            survive[number, 1 : len(real) + 1] = shares
            survive[number, len(real) + 1 :] = shares[-1] if real else 1.0
        return survive, accuracy

    def tagged(self) -> tuple[Floats, Floats]:
        """Every ramp running; accuracy by last cut is not known from shares alone."""
        shares, _ = self.function(self.ramps)
        survival = np.ones(self.layers)
        for ramp, share in zip(self.ramps, shares):
            survival[ramp:] = share
        return survival, np.full(self.layers, np.nan)
