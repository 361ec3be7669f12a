"""Rows in, laws with their errors out: ``plan calibrate fit``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from simulator.calibration import batch, gemm
from simulator.calibration.columns import UNITS, Meaning, understand
from simulator.calibration.gemm_laws import Products
from simulator.calibration.kinds import WHOLE, fitter
from simulator.calibration.result import Calibration, GroupFit, Worst
from simulator.calibration.rows import Rows, read_rows
from simulator.costs.base import Law
from simulator.errors import InternalError, Problem, ScenarioError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Found: TypeAlias = tuple[Law, Floats, Floats]
"""A law, its held-out and its in-sample predictions [s]."""
DEFAULT_FOLDS = 5
"""Short curves leave out one batch size at a time: the usual number of folds is never too many for them."""
MAX_FOLDS = 50


def fit(
    rows_path: str | Path,
    *,
    kind: str | None = None,
    time: str | None = None,
    unit: str | None = None,
    group: Sequence[str] | None = None,
    folds: int = DEFAULT_FOLDS,
    batch: str | None = None,
    hold_out: str = "rows",
) -> Calibration:
    """Fit a law of time to every group of a CSV file of measured rows and measure its error on held-out rows.

    ``kind`` is ``batch`` (time by batch size) or ``gemm`` (time by m, n, k), found from the columns when left
    out; ``time`` names the time column, whose ``unit`` (s, ms, us) its name tells otherwise; ``group`` the
    columns that tell curves apart; ``batch`` the column of the batch size. ``hold_out="layers"`` (kind gemm)
    holds out whole (n, k) pairs instead of single shapes. Raises ``ScenarioError`` with the place of
    everything that is wrong with the file.
    """
    rows = read_rows(rows_path)
    _check_folds(rows, folds)
    if hold_out not in ("rows", "layers"):
        raise ScenarioError(Problem(f"must be rows or layers, got {hold_out!r}", path="hold_out"))
    if kind in WHOLE:
        return fitter(kind)(rows, folds)
    meaning = understand(rows, kind=kind, time=time, unit=unit, group=group, batch=batch)
    times = rows.numbers(meaning.time) * UNITS[meaning.unit]
    sizes = np.column_stack([rows.numbers(column, whole=True) for column in meaning.sizes])
    groups = _grouped(rows, meaning, sizes, times)
    if meaning.kind == "batch":
        fitted = _fit_batch(groups, sizes, times, folds)
    else:
        fitted = _fit_gemm(rows, meaning, groups, sizes, times, folds, hold_out == "layers")
    return _calibration(rows, meaning, folds, groups, fitted, sizes, times)


def _calibration(
    rows: Rows,
    meaning: Meaning,
    folds: int,
    groups: Sequence[tuple[tuple[str, ...], Ints]],
    fitted: Sequence[Found],
    sizes: Floats,
    times: Floats,
) -> Calibration:
    fits = sorted(zip(groups, fitted, strict=True), key=lambda pair: int(pair[0][1].min()))  # as the file names them
    return Calibration(
        kind=meaning.kind,
        file=rows.name,
        sha256=rows.sha256,
        rows=len(rows),
        time_column=meaning.time,
        unit=meaning.unit,
        group_by=meaning.group,
        folds=folds,
        groups=tuple(
            _group_fit(rows, meaning, key, where, sizes[where], times[where], *found) for (key, where), found in fits
        ),
    )


def _check_folds(rows: Rows, folds: int) -> None:
    if not 2 <= folds <= MAX_FOLDS:
        raise ScenarioError(Problem(f"must be from 2 to {MAX_FOLDS}, got {folds}", path="--folds"))
    if len(rows) < 2:
        raise ScenarioError(rows.problem("has one row: a law needs at least two measured rows", row=0))
    if folds > max(len(rows), DEFAULT_FOLDS):
        message = f"{folds} folds for {len(rows)} rows: measure more rows or ask for at most {len(rows)}"
        raise ScenarioError(Problem(message, rows.file, path="--folds"))


def _grouped(rows: Rows, meaning: Meaning, sizes: Floats, times: Floats) -> list[tuple[tuple[str, ...], Ints]]:
    """Groups in the order of their names, the rows of each in the order of size and time.

    So the order of the lines in the file decides nothing.
    """
    keys = list(zip(*(rows.columns[column] for column in meaning.group), strict=True)) or [()] * len(rows)
    layout = [rows.columns[column] for column in meaning.layout]
    where: dict[tuple[str, ...], list[int]] = {}
    for row, key in enumerate(keys):
        where.setdefault(key, []).append(row)
    found = []
    for key in sorted(where):
        picked = np.array(where[key], dtype=np.int64)
        # numpy sorts by the last key first: n, k, m (or the batch), then time, then layout.
        order = [1, 2, 0] if sizes.shape[1] == 3 else [0]
        by = [np.array([column[row] for row in picked]) for column in layout]
        by += [times[picked], *(sizes[picked, axis] for axis in reversed(order))]
        found.append((key, picked[np.lexsort(by)]))
    return found


def _scale(times: Floats) -> float:
    """A power of two near the times: dividing by it is exact, so doubling all times changes no digit."""
    return math.ldexp(1.0, math.frexp(float(np.median(times)))[1])


def _fit_batch(groups: Sequence[tuple[tuple[str, ...], Ints]], sizes: Floats, times: Floats, folds: int) -> list[Found]:
    scales = [_scale(times[where]) for _, where in groups]
    curves = [
        batch.Curve(sizes[where, 0], times[where] / scale) for (_, where), scale in zip(groups, scales, strict=True)
    ]
    found = batch.calibrate(curves, folds)
    return [
        (one.law.scaled(scale), one.held_out * scale, one.law.seconds(curve.b) * scale)
        for one, curve, scale in zip(found, curves, scales, strict=True)
    ]


def _fit_gemm(
    rows: Rows,
    meaning: Meaning,
    groups: Sequence[tuple[tuple[str, ...], Ints]],
    sizes: Floats,
    times: Floats,
    folds: int,
    layers: bool,
) -> list[Found]:
    layout = ["".join(cells) for cells in zip(*(rows.columns[c] for c in meaning.layout), strict=True)]
    found = []
    for _, where in groups:
        scale = _scale(times[where])
        own = tuple(layout[row] for row in where) if layout else ()
        own = own if len(set(own)) > 1 else ()
        m, n, k = sizes[where].T
        products = Products(m, n, k, times[where] / scale, own)
        one = gemm.calibrate(products, folds, layers=layers)
        found.append((one.law.scaled(scale), one.held_out * scale, products.predicted(one.law) * scale))
    return found


def _group_fit(
    rows: Rows,
    meaning: Meaning,
    key: tuple[str, ...],
    where: Ints,
    sizes: Floats,
    times: Floats,
    law: Law,
    held_out: Floats,
    fitted: Floats,
) -> GroupFit:
    if not (np.isfinite(fitted).all() and (fitted > 0).all()):
        raise InternalError(f"law {law.name} of group {key} does not give positive times")
    asked = np.isfinite(held_out)
    errors = np.where(asked, held_out / times - 1, 0.0)
    worst = None
    if asked.any():
        i = int(np.argmax(np.abs(errors)))
        cells = {column: cells[int(where[i])] for column, cells in rows.columns.items()}
        line = int(rows.lines[int(where[i])])
        worst = Worst(line, cells, float(times[i]), float(held_out[i]), float(errors[i]))
    batches = sizes[:, 0]
    return GroupFit(
        group=dict(zip(meaning.group, key, strict=True)),
        rows=len(where),
        held_out=int(asked.sum()),
        law=law,
        mape_in_sample=float(np.mean(np.abs(fitted / times - 1))),
        mape=float(np.mean(np.abs(errors[asked]))) if asked.any() else None,
        worst=worst,
        span=(float(batches.min()), float(batches.max())),
        note=None if asked.any() else _why_not(meaning, sizes),
    )


def _why_not(meaning: Meaning, sizes: Floats) -> str:
    count = len(np.unique(sizes, axis=0))
    things = "batch sizes" if meaning.kind == "batch" else "shapes"
    needed = batch.ESTIMABLE if meaning.kind == "batch" else gemm.ESTIMABLE
    return f"{count} different {things}: {needed} are needed to hold rows out, the error is unknown"
