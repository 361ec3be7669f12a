"""Measured layer times: rows (layer, device, precision, batch, seconds), or the laws that a fit wrote."""

from __future__ import annotations

import csv
import gzip
import io
import math
from collections.abc import Iterator
from pathlib import Path

from simulator.costs.base.file import CostGroup, find_costs, read_costs
from simulator.costs.base.table import Table
from simulator.errors import Problem, ScenarioError

KEYS = ("layer", "device", "precision")
LARGEST = 64 * 2**20


def read_measured(path: Path) -> list[CostGroup]:
    """Groups by layer, device and precision, in order of first appearance.

    A ``.csv`` or ``.csv.gz`` file holds rows: ``batch`` and ``seconds`` are needed, of ``layer``, ``device``
    and ``precision`` those that differ. Rows of one batch size are averaged. Any other file is one that a fit
    wrote.
    """
    if path.name.endswith((".csv", ".csv.gz")):
        return _from_rows(path)
    return read_costs(path)


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
    reader = csv.reader(io.StringIO(_text(path)))
    header = [name.strip() for name in next(reader, [])]
    for name in ("batch", "seconds"):
        if name not in header:
            message = f"column `{name}` is missing; columns are layer, device, precision, batch, seconds"
            raise ScenarioError(Problem(message, str(path), 1))
    keys = tuple(key for key in KEYS if key in header)
    for cells in reader:
        if not cells:
            continue
        if len(cells) != len(header):
            message = f"has {len(cells)} cells, the header has {len(header)}"
            raise ScenarioError(Problem(message, str(path), reader.line_num))
        yield reader.line_num, {name: cell.strip() for name, cell in zip(header, cells)}, keys


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST:
            raise ScenarioError(Problem(f"larger than {LARGEST >> 20} MiB", str(path)))
        raw = path.read_bytes()
        if path.suffix == ".gz":
            with gzip.GzipFile(fileobj=io.BytesIO(raw)) as packed:
                raw = packed.read(LARGEST + 1)
            if len(raw) > LARGEST:
                raise ScenarioError(Problem(f"larger than {LARGEST >> 20} MiB when unpacked", str(path)))
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ScenarioError(Problem("is not UTF-8 text", str(path))) from None
    except (OSError, EOFError) as error:
        raise ScenarioError(Problem(getattr(error, "strerror", None) or str(error), str(path))) from None


def _batch(path: Path, line: int, cell: str) -> int:
    try:
        value = int(cell)
    except ValueError:
        value = 0
    if not 1 <= value <= 10**6:
        raise ScenarioError(
            Problem(f"must be a whole number of at least 1, got {cell!r}", str(path), line, path="batch")
        )
    return value


def _seconds(path: Path, line: int, cell: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise ScenarioError(
            Problem(f"must be a time greater than 0 [s], got {cell!r}", str(path), line, path="seconds")
        )
    return value


__all__ = ["find_costs", "layer_names", "read_measured"]
