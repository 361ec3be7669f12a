"""Measured layer times: rows (layer, device, precision, batch, seconds), or the laws that a fit wrote."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from pathlib import Path

from simulator.costs.base.file import CostGroup, find_costs, read_costs
from simulator.costs.base.gemm import GemmLaw
from simulator.costs.base.law import BatchLaw
from simulator.costs.base.table import Table
from simulator.errors import Problem, ScenarioError
from simulator.files import read_table_text

KEYS = ("layer", "device", "precision")
KINDS = ("batch", "gemm")
LARGEST = 64 * 2**20


def read_measured(path: Path) -> list[CostGroup]:
    """Groups by layer, device and precision, in order of first appearance.

    A ``.csv`` or ``.csv.gz`` file holds rows: ``batch`` and ``seconds`` are needed, of ``layer``, ``device``
    and ``precision`` those that differ. Rows of one batch size are averaged. Any other file is one that a fit
    wrote.
    """
    if path.name.endswith((".csv", ".csv.gz")):
        return _from_rows(path)
    if path.exists() and not path.is_file():
        kind = "a folder" if path.is_dir() else "not a regular file"
        raise ScenarioError(Problem(f"is {kind}, expected rows or a costs file", str(path)))
    try:
        groups = read_costs(path)
    except (TypeError, ValueError, IndexError) as error:
        message = f"is not as `plan calibrate fit` writes it: {error}"
        raise ScenarioError(Problem(message, str(path), path="groups")) from None
    for group in groups:
        if not isinstance(group.law, BatchLaw if group.kind == "batch" else GemmLaw) or group.kind not in KINDS:
            message = f"holds times of kind {group.kind}, a layer needs times by batch size or of products ({KINDS})"
            raise ScenarioError(Problem(message, str(path), path="kind"))
    return groups


def layer_names(groups: list[CostGroup]) -> tuple[str, ...]:
    """Layers in order of first appearance; empty when the groups do not name any."""
    return tuple(dict.fromkeys(group.group["layer"] for group in groups if "layer" in group.group))


def _from_rows(path: Path) -> list[CostGroup]:
    sums: dict[tuple[str, ...], dict[int, list[float]]] = {}
    present: tuple[str, ...] = ()
    for line, row, keys in _rows(path):
        present = keys
        batch, seconds = _batch(path, line, row["batch"]), _seconds(path, line, row["seconds"])
        times = sums.setdefault(tuple(row[key] for key in keys), {})
        times.setdefault(batch, []).append(seconds)
    if not sums:
        raise ScenarioError(Problem("has no rows", str(path)))
    found = []
    for key, times in sums.items():
        batches = sorted(times)
        law = Table(tuple(batches), tuple(math.fsum(times[b]) / len(times[b]) for b in batches))
        rows = sum(len(times[b]) for b in batches)
        span = (float(batches[0]), float(batches[-1]))
        found.append(CostGroup(dict(zip(present, key)), law, rows, None, span, "batch", {"file": path.name}))
    return found


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str], tuple[str, ...]]]:
    reader = csv.reader(io.StringIO(read_table_text(path, LARGEST), newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(path, header)
        keys = tuple(key for key in KEYS if key in header)
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(header):
                message = f"has {len(cells)} cells, the header has {len(header)}"
                raise ScenarioError(Problem(message, str(path), reader.line_num))
            yield reader.line_num, {name: cell.strip() for name, cell in zip(header, cells)}, keys
    except csv.Error as error:
        raise ScenarioError(Problem(f"is not a csv file: {error}", str(path), reader.line_num)) from None


def _check_header(path: Path, header: list[str]) -> None:
    for name in ("batch", "seconds"):
        if name not in header:
            message = f"column `{name}` is missing; columns are layer, device, precision, batch, seconds"
            raise ScenarioError(Problem(message, str(path), 1))
    for name in (*KEYS, "batch", "seconds"):
        if header.count(name) > 1:
            raise ScenarioError(Problem(f"column `{name}` is given twice", str(path), 1))


def _batch(path: Path, line: int, cell: str) -> int:
    value = int(cell) if cell.isascii() and cell.isdigit() and len(cell) < 9 else 0
    if not 1 <= value <= 10**6:
        raise ScenarioError(
            Problem(f"must be a whole number of at least 1, got {cell!r}", str(path), line, path="batch")
        )
    return value


def _seconds(path: Path, line: int, cell: str) -> float:
    try:
        value = math.nan if "_" in cell else float(cell)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise ScenarioError(
            Problem(f"must be a time greater than 0 [s], got {cell!r}", str(path), line, path="seconds")
        )
    return value


__all__ = ["find_costs", "layer_names", "read_measured"]
