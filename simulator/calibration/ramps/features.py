"""What ramps are trained on: the states after some layers, the true classes, and what else is known of each sample.

An npz file with one row per sample in every array:

``state_1 .. state_K``
    what the network holds after the layer of exit k, (rows, width); widths may differ
``label``
    true class, whole numbers from 0
``layer`` (optional)
    (K,), the layer that each state stands after, ascending; 1 .. K when left out
``output`` (optional)
    the network's own class probabilities, (rows, classes): what its end answers
``query`` (optional)
    features known before the network runs, (rows, width): for the router and the twin
``split`` (optional)
    ``train``, ``validation`` or ``test`` (or 0, 1, 2) of each row: samples that trained the network belong to ``train``
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.calibration.ramps.npz import Arrays, not_finite, read_arrays
from simulator.errors import Problem, ScenarioError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PARTS = ("train", "validation", "test")
MOST_CLASSES = 10_000
FEWEST_ROWS = 10
_OPTIONAL = ("layer", "output", "query", "split")


@dataclass(frozen=True, eq=False, slots=True)
class Features:
    """Checked arrays: ``states[k]`` (rows, width_k), ``label`` (rows,), ``layer`` of each state.

    ``output`` are class probabilities (rows, classes), ``query`` (rows, width), ``part`` (rows,) the index
    into ``PARTS``; None where not given. ``name`` is the file as it was named, ``sha256`` of its bytes.
    """

    states: tuple[NDArray[Any], ...]
    label: Ints
    classes: int
    layer: tuple[int, ...]
    output: Floats | None = None
    query: NDArray[Any] | None = None
    part: Ints | None = None
    name: str = "features"
    sha256: str = ""

    @property
    def rows(self) -> int:
        """Number of samples."""
        return len(self.label)


def load_features(path: Path | str) -> Features:
    """Read and check an npz file; ScenarioError names every array that is wrong."""
    arrays, sha256 = read_arrays(Path(path))
    return check_features(arrays, str(path), sha256)


def check_features(arrays: Arrays, name: str = "features", sha256: str = "") -> Features:
    """Features from arrays by name (as in an npz file); ScenarioError names every array that is wrong."""
    return _Checker(arrays, name).features(sha256)


class _Checker:
    """Collects what is wrong, so that one run tells all of it."""

    def __init__(self, arrays: Arrays, name: str) -> None:
        self.arrays, self.name = arrays, name
        self.problems: list[Problem] = []

    def wrong(self, array: str | None, message: str) -> None:
        self.problems.append(Problem(message, self.name, path=array))

    def stop(self) -> None:
        if self.problems:
            raise ScenarioError(self.problems)

    def features(self, sha256: str) -> Features:
        states = self.state_names()
        self.stop()
        label = self.labels()
        self.stop()
        rows = len(label)
        found = tuple(self.matrix(name, rows) for name in states)
        query = self.matrix("query", rows) if "query" in self.arrays else None
        output = self.output(rows) if "output" in self.arrays else None
        part = self.part(rows) if "split" in self.arrays else None
        layer = self.layer(len(states))
        self.stop()
        classes = int(label.max()) + 1 if output is None else output.shape[1]
        self.check_classes(label, classes, output is not None)
        self.stop()
        return Features(found, label, classes, layer, output, query, part, self.name, sha256)

    def state_names(self) -> list[str]:
        """``state_1 .. state_K``; what is missing or unknown is told."""
        states = [name for name in self.arrays if name.startswith("state_") and name[6:].isdecimal()]
        wanted = [f"state_{k}" for k in range(1, max(len(states), 1) + 1)]
        for name in (*wanted, "label"):
            if name not in self.arrays:
                self.wrong(None, f"has no array {name} (found: {', '.join(self.arrays) or 'none'})")
        if len(states) == 1:
            self.wrong(None, "has one state: off-ramps need states before the model's last one (state_1, state_2, ..)")
        for name in self.arrays:
            if name not in (*states, "label", *_OPTIONAL):
                near = difflib.get_close_matches(name, [*wanted, "label", *_OPTIONAL], 1)
                hint = f", did you mean {near[0]}?" if near else f" (known: state_k, label, {', '.join(_OPTIONAL)})"
                self.wrong(name, f"is no array that is known{hint}")
        return wanted

    def labels(self) -> Ints:
        label = self.whole("label")
        if label is None:
            return np.empty(0, dtype=np.int64)
        if len(label) < FEWEST_ROWS:
            self.wrong("label", f"has {len(label)} rows; at least {FEWEST_ROWS} are needed to train and to test")
        elif label.min() < 0:
            self.wrong("label", f"classes count from 0, found {label.min()} at row {int(label.argmin())}")
        elif len(np.unique(label)) < 2:
            self.wrong("label", f"has one class only ({label[0]}): there is nothing to tell apart")
        return label

    def check_classes(self, label: Ints, classes: int, told: bool) -> None:
        if told and label.max() >= classes:
            row = int(label.argmax())
            self.wrong("label", f"class {label[row]} at row {row}, but output has classes 0 to {classes - 1}")
        elif classes > MOST_CLASSES:
            self.wrong("label", f"classes up to {classes - 1}; at most {MOST_CLASSES} classes are handled")

    def whole(self, name: str) -> Ints | None:
        """A one-dimensional array of whole numbers."""
        array = self.arrays[name]
        if array.ndim != 1:
            self.wrong(name, f"must be one number per row, got shape {array.shape}")
        elif not _is_real(array):
            self.wrong(name, f"must be whole numbers, got {array.dtype}")
        else:
            values = array.astype(np.float64)  # half floats know no 2^53
            bad = np.flatnonzero(~(np.isfinite(values) & (values == np.floor(values)) & (np.abs(values) < 2.0**53)))
            if not len(bad):
                return values.astype(np.int64)
            self.wrong(name, f"must be whole numbers, got {array[bad[0]]} at row {bad[0]}")
        return None

    def matrix(self, name: str, rows: int) -> NDArray[Any]:
        """(rows, width) finite real numbers."""
        array = self.arrays[name]
        if not _is_real(array):
            self.wrong(name, f"must be real numbers, got {array.dtype}")
        elif array.ndim != 2 or array.shape[1] == 0:
            self.wrong(name, f"must be (rows, width), got shape {array.shape}: pool or flatten the rest")
        elif len(array) != rows:
            self.wrong(name, f"has {len(array)} rows, but label has {rows}")
        elif (message := not_finite(array)) is not None:
            self.wrong(name, message)
        return array

    def output(self, rows: int) -> Floats | None:
        before = len(self.problems)
        array = self.matrix("output", rows)
        if len(self.problems) > before:
            return None
        total = array.clip(-2, 2).sum(axis=1, dtype=np.float64)  # what is no probability cannot overflow either
        bad = np.flatnonzero((array < 0).any(axis=1) | (np.abs(total - 1) > 0.01))
        if len(bad):
            self.wrong("output", f"must be probabilities that sum to 1, row {bad[0]} does not")
            return None
        if array.shape[1] < 2:
            self.wrong("output", "has one class only: there is nothing to tell apart")
        normal: Floats = array / total[:, None]
        return normal

    def layer(self, states: int) -> tuple[int, ...]:
        if "layer" not in self.arrays:
            return tuple(range(1, states + 1))
        found = self.whole("layer")
        if found is None:
            return ()
        if len(found) != states or (np.diff(found, prepend=0) <= 0).any():
            self.wrong("layer", f"must be {states} ascending layers from 1, one per state, got {found.tolist()[:20]}")
        return tuple(found.tolist())

    def part(self, rows: int) -> Ints | None:
        array = self.arrays["split"]
        if array.ndim != 1 or len(array) != rows:
            self.wrong("split", f"must be one word per row ({rows} rows), got shape {array.shape}")
            return None
        if array.dtype.kind != "U" and not _is_real(array):
            self.wrong("split", f"must be {', '.join(PARTS)} (or 0, 1, 2), got {array.dtype}")
            return None
        words: Callable[[int], Any] = (lambda k: PARTS[k]) if array.dtype.kind == "U" else (lambda k: k)
        part = np.full(rows, -1, dtype=np.int64)
        for k in range(len(PARTS)):
            part[array == words(k)] = k
        bad = np.flatnonzero(part < 0)
        if len(bad):
            self.wrong("split", f"must be {', '.join(PARTS)} (or 0, 1, 2), got {str(array[bad[0]])!r} at row {bad[0]}")
        return part


def _is_real(array: NDArray[Any]) -> bool:
    return array.dtype.kind in "fiub"
