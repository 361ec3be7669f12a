"""What a router is known by, read from files: its confusion matrix, or the exit that it chose for every row."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from simulator.costs.early_exit.columns import open_columns
from simulator.costs.early_exit.reading import numbered, only_split
from simulator.costs.early_exit.router import WRITTEN, Floats, Ints


def load_confusion(path: Path | str) -> Floats:
    """P(chosen exit | true exit) from a csv file as ``plan calibrate ramps`` writes it.

    Columns ``true_exit`` (1, 2, .. K, in this order) and ``chosen_1 .. chosen_K`` (shares that add up to 1 in every
    row); others are left alone.
    """
    columns = open_columns(Path(path))
    names = numbered(columns, "chosen")
    if not names or "true_exit" not in columns.cells:
        found = ", ".join(columns.cells)
        columns.fail(None, f"missing columns true_exit and chosen_1, chosen_2, ..; found: {found}")
    if len(columns.lines) != len(names):
        columns.fail(None, f"has {len(columns.lines)} rows for {len(names)} chosen exits: one row per true exit")
    true = columns.floats(["true_exit"])[:, 0]
    odd = np.flatnonzero(true != np.arange(1, len(true) + 1))
    if odd.size:
        columns.fail_cells(["true_exit"], [(odd[0], 0)], f"must be {odd[0] + 1}: true exits count from 1, in order")
    shares = columns.floats(names)
    bad = ~((shares >= 0.0) & (shares <= 1.0))
    if bad.any():
        columns.fail_cells(names, np.argwhere(bad), "must be a share within 0..1")
    off = np.flatnonzero(np.abs(shares.sum(axis=1) - 1.0) > WRITTEN)
    if off.size:
        columns.fail(None, f"the shares of true exit {off[0] + 1} sum to {shares[off[0]].sum():g}, not to 1")
    return shares


def load_choices(path: Path | str, column: str, exits: int, *, split: str | None = None) -> Ints:
    """The exit that a router chose for every row of an exit table, from 0; the file counts from 1.

    ``split`` keeps the same rows as for the table.
    """
    columns = open_columns(Path(path))
    if column not in columns.cells:
        columns.fail(None, f"missing column {column}, the exits that a router chose (found {', '.join(columns.cells)})")
    if split is not None:
        columns = only_split(columns, split)
    array = columns.floats([column])
    bad = ~(np.isin(array, np.arange(1, exits + 1)))
    if bad.any():
        columns.fail_cells([column], np.argwhere(bad), f"must be an exit from 1 to {exits}")
    return array[:, 0].astype(np.int64) - 1
