"""A file of measured training iterations in, laws with their errors out: ``plan calibrate fit --kind pipeline``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simulator.calibration.pipeline.choice import ESTIMABLE, SMALLEST, FittedIterations, Iterations, calibrate
from simulator.calibration.pipeline.columns import understand
from simulator.calibration.result import Calibration, GroupFit, Worst
from simulator.calibration.rows import Rows
from simulator.errors import ScenarioError

Ints = NDArray[np.int64]
HOLD_OUT = ("rows", "shapes")


def fit_rows(rows: Rows, folds: int = 5, *, seed: int = 0, hold_out: str = "rows") -> Calibration:
    """A law of iteration time for every cluster of the file, with its error on held-out rows.

    ``seed`` shuffles the folds (the same seed gives the same folds on every machine, whatever the order of the
    lines). ``hold_out="shapes"`` holds out all rows whose layers have the same hidden, heads, seq_len, micro_batch
    and tp: the error where nothing of the kind was measured. Raises ``ScenarioError`` with the place of what is wrong.
    """
    if hold_out not in HOLD_OUT:
        raise ScenarioError(f"hold_out must be rows or shapes, got {hold_out!r}")
    meaning = understand(rows)
    everything = Iterations(meaning.setups, meaning.seconds)
    groups = _groups(rows, everything, meaning.group)
    for key, where in groups:
        _check_enough(rows, key, everything.where(where), where)
    fits = []
    for key, where in groups:
        mine = everything.where(where)
        found = calibrate(mine, folds, seed=seed, by_shape=hold_out == "shapes")
        fits.append(_group_fit(rows, dict(zip(meaning.group, key, strict=True)), where, mine, found))
    return Calibration(
        kind="pipeline",
        file=rows.name,
        sha256=rows.sha256,
        rows=len(rows),
        time_column=meaning.time,
        unit=meaning.unit,
        group_by=meaning.group,
        folds=folds,
        groups=tuple(fits),
    )


def _groups(rows: Rows, everything: Iterations, columns: tuple[str, ...]) -> list[tuple[tuple[str, ...], Ints]]:
    """Groups as the file names them, the rows of each by setup and time: the order of the lines decides nothing."""
    keys = list(zip(*(rows.columns[column] for column in columns), strict=True)) or [()] * len(rows)
    table = everything.setups.table()
    found = []
    for key in dict.fromkeys(keys):
        picked = np.array([row for row, other in enumerate(keys) if other == key], dtype=np.int64)
        order = np.lexsort((everything.seconds[picked], *table[picked].T))
        found.append((key, picked[order]))
    return found


def _check_enough(rows: Rows, key: tuple[str, ...], mine: Iterations, where: Ints) -> None:
    count = int(mine.families().max()) + 1
    if count < SMALLEST:
        name = f" of {' '.join(key)}" if key else ""
        message = (
            f"{count} different setups{name}: the smallest law of iterations has {SMALLEST - 1} parameters,"
            f" measure at least {SMALLEST} setups ({ESTIMABLE} to know the error)"
        )
        raise ScenarioError(rows.problem(message, int(where.min())))


def _group_fit(rows: Rows, group: dict[str, str], where: Ints, mine: Iterations, found: FittedIterations) -> GroupFit:
    measured, held_out = mine.seconds, found.held_out
    asked = np.isfinite(held_out)
    errors = np.where(asked, held_out / measured - 1.0, 0.0)
    worst = None
    if asked.any():
        i = int(np.argmax(np.abs(errors)))
        row = int(where[i])
        cells = {column: cells[row] for column, cells in rows.columns.items()}
        worst = Worst(int(rows.lines[row]), cells, float(measured[i]), float(held_out[i]), float(errors[i]))
    return GroupFit(
        group=group,
        rows=len(mine),
        held_out=int(asked.sum()),
        law=found.law,
        mape_in_sample=float(np.mean(np.abs(found.law.seconds(mine.setups) / measured - 1.0))),
        mape=float(np.mean(np.abs(errors[asked]))) if asked.any() else None,
        worst=worst,
        span=None,
        note=None if asked.any() else "too few different rows to hold some out, the error is unknown",
    )
