"""Two records of one scenario are the same to the last bit, or the first difference is told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.results import metrics
from simulator.results.record import RunRecord

Table = Any
BY_MEMBER = ("member", "entered_s")
"""Columns of the batches with one entry for each member instead of one for each batch."""


def assert_same(one: RunRecord, other: RunRecord) -> None:
    """Every column of every table, the end of the run, and every figure computed from them; NaN equals NaN."""
    found = first_difference(one, other)
    assert found is None, found


def first_difference(one: RunRecord, other: RunRecord) -> str | None:
    """The first difference in words: batches by start, then requests, replicas and the rest; None if there is none."""
    for told in _differences(one, other):
        return told
    return None


def _differences(one: RunRecord, other: RunRecord) -> Iterator[str]:
    for table in ("batches", "requests", "replicas"):
        yield from _of_table(table, getattr(one, table), getattr(other, table))
    for field in fields(RunRecord):
        if field.name not in ("batches", "requests", "replicas"):
            a, b = getattr(one, field.name), getattr(other, field.name)
            if a != b:
                yield f"{field.name}: {a!r} in the reference, {b!r} in the twin"
    yield from _of_trees("metrics", metrics(one), metrics(other))


def _of_table(name: str, one: Table, other: Table) -> Iterator[str]:
    """The lowest row with a difference, with all its columns; what went wrong later mostly follows from it."""
    columns = [field.name for field in fields(one)]
    kinds = [(column, getattr(one, column).dtype, getattr(other, column).dtype) for column in columns]
    yield from (f"{name}.{column}: {a} in the reference, {b} in the twin" for column, a, b in kinds if a != b)
    rows = [(_first_row(getattr(one, column), getattr(other, column)), column) for column in columns]
    if name == "batches":
        rows = [(_batch_of(one, other, row) if column in BY_MEMBER else row, column) for row, column in rows]
    wrong = [(row, column) for row, column in rows if row >= 0]
    if wrong:
        row = min(row for row, _ in wrong)
        names = ", ".join(column for where, column in wrong if where == row)
        yield f"{name} row {row} differs in {names}\nreference: {_told(one, row)}\ntwin:      {_told(other, row)}"


def _first_row(one: NDArray[Any], other: NDArray[Any]) -> int:
    """First entry that differs, to the last bit; -1 where none does."""
    n = min(len(one), len(other))
    a, b = one[:n], other[:n]
    if a.dtype == np.float64 and b.dtype == np.float64:
        same = (a.view(np.uint64) == b.view(np.uint64)) | (np.isnan(a) & np.isnan(b))
    else:
        same = a == b
    if not same.all():
        return int(np.argmin(same))
    return -1 if len(one) == len(other) else n


def _batch_of(one: Table, other: Table, entry: int) -> int:
    """Row of the batch that holds an entry of the members, in whichever table has it."""
    if entry < 0:
        return -1
    return min(int(np.searchsorted(table.offset, entry, side="right")) - 1 for table in (one, other))


def _told(table: Table, row: int) -> str:
    """A row with its columns, floats as they are told apart."""
    told = []
    offset = getattr(table, "offset", None)
    for field in fields(table):
        column = getattr(table, field.name)
        if offset is not None and field.name in BY_MEMBER:
            values = column[offset[row] : offset[row + 1]].tolist() if row + 1 < len(offset) else "missing"
        else:
            values = column[row].item() if row < len(column) else "missing"
        told.append(f"{field.name}={values!r}")
    return ", ".join(told)


def _of_trees(path: str, one: Any, other: Any) -> Iterator[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        if list(one) != list(other):
            yield f"{path}: keys {list(one)} in the reference, {list(other)} in the twin"
        for key in one.keys() & other.keys():
            yield from _of_trees(f"{path}.{key}", one[key], other[key])
    elif isinstance(one, list) and isinstance(other, list):
        if len(one) != len(other):
            yield f"{path}: {len(one)} entries in the reference, {len(other)} in the twin"
        for number, (a, b) in enumerate(zip(one, other)):
            yield from _of_trees(f"{path}[{number}]", a, b)
    elif type(one) is not type(other) or not (one == other or (one != one and other != other)):
        yield f"{path}: {one!r} in the reference, {other!r} in the twin"
