"""``plan calibrate fit --kind streaming``: measured steps in, laws with their held-out error out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simulator.calibration.folds import batch_folds
from simulator.calibration.result import Calibration, GroupFit, Worst
from simulator.calibration.rows import Rows
from simulator.calibration.streaming.models import COMPUTE_ONLY, Names, fit_figures, flat, law_of, predict, variants
from simulator.calibration.streaming.table import Steps, Table, read_table

Floats = NDArray[np.float64]
BETTER = 0.9
"""A law that comes later in the order of preference must lower the held-out error by at least a tenth."""
FEWEST = 3
"""Group sizes of which one can be held out."""
NEAR = 0.01
"""A law that is within 1 % of its rows fits them: rounds of one step differ by as much."""


def fit_streaming(rows: Rows, folds: int) -> Calibration:
    """Fit the law of streamed steps to every group of rows.

    Columns: ``layers``; ``group_or_batch`` (or ``group``, ``microbatches``, ``batch``); times ``step_s`` (or several
    rounds ``step_s_round0``, ...: their mean, those more than 5 % over the fastest left out);
    ``gb_moved_per_step`` (or ``bytes_moved_per_step``). Optional: ``layer_loads_per_step`` (2 L), ``copies_per_step``
    (where it varies a latency of a copy is told apart), ``slots`` (2), ``forward_share`` (1/3: frozen weights),
    ``seq_len`` (items are then tokens). Text columns name the groups; an arm with the word ``noread`` tells the compute
    alone, and that of its group or, where it names no other, of all arms beside it. Rows of one group size are held
    out together.
    """
    table = read_table(rows)
    return Calibration(
        kind="streaming",
        file=rows.name,
        sha256=rows.sha256,
        rows=sum(len(steps) for steps in table.groups),
        time_column=table.time_column,
        unit=table.unit,
        group_by=table.group_by,
        folds=folds,
        groups=tuple(_group_fit(rows, table, steps, folds) for steps in table.groups),
    )


def _group_fit(rows: Rows, table: Table, steps: Steps, folds: int) -> GroupFit:
    names, held_out = _chosen(steps, folds), _predicted(steps, folds)
    found = fit_figures(steps, names)
    law = law_of(steps, found)
    errors = held_out / steps.seconds - 1.0
    asked = np.isfinite(errors)
    return GroupFit(
        group=dict(zip(table.group_by, steps.key, strict=True)),
        rows=len(steps),
        held_out=int(asked.sum()),
        law=law,
        mape_in_sample=float(np.mean(np.abs(predict(steps, found) / steps.seconds - 1.0))),
        mape=float(np.mean(np.abs(errors[asked]))) if asked.any() else None,
        worst=_worst(rows, steps, held_out, errors, asked) if asked.any() else None,
        span=(float(steps.items.min()), float(steps.items.max())),
        note=_note(steps, law.bandwidth is None, not asked.any()),
    )


def _chosen(steps: Steps, folds: int) -> Names:
    """The variant of least held-out error, the first of those that are near; the first where none can be held out.

    One of no more figures must also fit the rows better than the one before it, and that by more than rounds differ:
    few rows held out say little of which of two such laws is right. Where rows are too few to hold some out for all
    variants, one of more figures counts if the others do not fit their own rows.
    """
    tried = [(names, _held_out(steps, names, folds)) for names in variants(steps)]
    scored = [(names, out, _error(steps, out)) for names, out in tried if np.isfinite(out).any()]
    widest = max((int(np.isfinite(out).sum()) for _, out, _ in scored), default=0)
    scored = [one for one in scored if int(np.isfinite(one[1]).sum()) == widest]
    if not scored:
        return tried[0][0]
    best = scored[0]
    for one in scored[1:]:
        if one[2] < BETTER * best[2] and (len(one[0]) > len(best[0]) or _fits_better(steps, one[0], best[0])):
            best = one
    for names, out in tried:
        if len(names) > len(best[0]) and np.isfinite(out).sum() < widest and _fits_better(steps, names, best[0], 0.5):
            return names
    return best[0]


def _fits_better(steps: Steps, names: Names, than: Names, share: float = BETTER) -> bool:
    """Whether the other law is not within ``NEAR`` of its own rows, and this one comes below ``share`` of its error."""
    mine, other = (_error(steps, predict(steps, fit_figures(steps, one))) for one in (names, than))
    return other > NEAR and mine < share * other


def _predicted(steps: Steps, folds: int) -> Floats:
    """Every row predicted by the law that is chosen and fitted without its group size.

    NaN where the others tell too little, and everywhere with fewer than ``FEWEST`` group sizes.
    """
    if len(np.unique(steps.items)) < FEWEST:
        return np.full(len(steps), np.nan)
    fold = batch_folds(steps.items, folds)
    out = np.full(len(steps), np.nan)
    for number in np.unique(fold):
        left = steps.part(fold != number)
        if not len(left) or left.reads.any() != steps.reads.any():
            continue
        names = _chosen(left, folds)
        if names != COMPUTE_ONLY:
            out[fold == number] = predict(steps.part(fold == number), fit_figures(left, names))
    return out


def _held_out(steps: Steps, names: Names, folds: int) -> Floats:
    """Every row predicted from the rows of other group sizes; NaN where those are too few."""
    fold = batch_folds(steps.items, folds)
    out = np.full(len(steps), np.nan)
    for number in np.unique(fold):
        left = steps.part(fold != number)
        if len(left) and left.reads.any() == steps.reads.any() and names in variants(left):
            out[fold == number] = predict(steps.part(fold == number), fit_figures(left, names))
    return out


def _error(steps: Steps, out: Floats) -> float:
    return float(np.nanmean(np.abs(out / steps.seconds - 1.0)))


def _worst(rows: Rows, steps: Steps, out: Floats, errors: Floats, asked: NDArray[np.bool_]) -> Worst:
    i = int(np.argmax(np.where(asked, np.abs(errors), -1.0)))
    row = int(steps.where[i])
    cells = {column: cells[row] for column, cells in rows.columns.items()}
    return Worst(int(rows.lines[row]), cells, float(steps.seconds[i]), float(out[i]), float(errors[i]))


def _note(steps: Steps, hidden: bool, unknown: bool) -> str | None:
    told = []
    if flat(steps):
        told.append("no row is longer than its transfers: the compute is not told, measure a larger group")
    elif hidden:
        told.append("no row is longer than its compute: the bandwidth is not told, measure a smaller group")
    if unknown:
        sizes = len(np.unique(steps.items))
        told.append(f"{sizes} group size{'s' if sizes > 1 else ''}: too few to hold rows out, the error is unknown")
    return "; ".join(told) or None
