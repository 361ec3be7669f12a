"""Columns of a load history: as ``workload.tables`` reads them, but empty cells are bins that were not recorded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from simulator.errors import Problem
from simulator.workload import tables
from simulator.workload.guarded import Unreadable, guarded_text
from simulator.workload.process import Floats

TIME_COLUMN = "t_s"
MAX_BINS = 50_000_000


def number_columns(path: Path, columns: list[str], gaps: str | None) -> tuple[tuple[str, ...], dict[str, Floats]]:
    """The wanted columns as numbers, NaN for empty cells of the load."""
    with guarded_text(path) as text:
        rows = tables._rows(text)
        header = tuple(cell.strip() for cell in next(rows, ()))
        places: dict[str, int] = {}
        for name in [*columns, *([gaps] if gaps else [])]:
            places |= tables._places(header, name, (TIME_COLUMN,))
        parts: dict[str, list[Floats]] = {name: [] for name in places}
        count = 0
        for block in tables._blocks(rows):
            numbers = _numbers(block, places, len(header), columns)
            if numbers is None:
                break
            count += len(block)
            if count > MAX_BINS:
                raise Unreadable(f"has more than {MAX_BINS:,} rows: sum them to longer intervals first")
            for name, part in numbers.items():
                parts[name].append(part)
        else:
            if not count:
                raise tables.Unusable([Problem("has a header but no rows: at least one row is needed", line=2)])
            return header, {name: np.concatenate(several) for name, several in parts.items()}
    raise tables.Unusable(
        list(_faults(path, header, places, columns)) or [Problem("changed while it was read: try again")]
    )


def _numbers(
    block: list[list[str]], places: Mapping[str, int], width: int, blank: list[str]
) -> dict[str, Floats] | None:
    """One block of every column; None when any of its cells cannot be used. Empty cells of ``blank`` become NaN."""
    if set(map(len, block)) != {width}:
        return None
    found = {}
    for name, place in places.items():
        cells = [row[place] for row in block]
        empty = np.fromiter((name in blank and not cell.strip() for cell in cells), dtype=bool, count=len(cells))
        if "_" in "".join(cells):  # float() would take 1_000 for a thousand
            return None
        try:
            values = np.array([float(cell) if not none else 0.0 for cell, none in zip(cells, empty)])
        except ValueError:
            return None
        if not (np.isfinite(values).all() and (values >= 0).all()):
            return None
        values[empty] = np.nan
        found[name] = values
    return found


def _faults(path: Path, header: tuple[str, ...], places: Mapping[str, int], blank: list[str]) -> Iterator[Problem]:
    """The first few faults of a file, row by row."""
    told = 0
    for line in tables._walk(path):
        if len(line.cells) != len(header):
            cells = "1 cell" if len(line.cells) == 1 else f"{len(line.cells)} cells"
            found = [Problem(f"{cells} where the header has {len(header)}", line=line.number, source=line.text)]
        else:
            cells_of = ((name, place, line.cells[place]) for name, place in places.items())
            used = ((place, tables._fault(cell)) for name, place, cell in cells_of if name not in blank or cell.strip())
            found = [tables._problem(line, place, message, header) for place, message in used if message]
        yield from found
        told += len(found)
        if told >= tables.MAX_FAULTS:
            return
