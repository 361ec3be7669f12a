"""What the columns of measured training iterations mean: setup, time, groups."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from simulator.calibration.columns import UNITS, unit_of
from simulator.calibration.rows import Rows, nearest
from simulator.costs.pipeline.setups import Setups, setups
from simulator.errors import MAX_PROBLEMS, Problem, ScenarioError

Floats: TypeAlias = NDArray[np.float64]

NAMES: dict[str, tuple[str, ...]] = {
    "micro_batch": ("micro_batch", "microbatch", "micro_batch_size", "microbatch_size", "mbs"),
    "global_batch": ("global_batch", "global_batch_size", "gbs", "batch_size", "total_batch"),
    "microbatches": ("microbatches", "num_microbatches", "n_microbatches", "gradient_accumulation_steps", "gas"),
    "hidden": ("hidden", "hidden_size", "hidden_dim", "d_model", "h"),
    "heads": ("heads", "num_heads", "attention_heads", "num_attention_heads", "n_heads"),
    "layers": ("layers", "num_layers", "n_layers", "l"),
    "seq_len": ("seq_len", "sequence_length", "seq_length", "seqlen", "max_length", "seq"),
    "tp": ("tp", "tensor_parallel", "tensor_parallel_size", "tp_size"),
    "dp": ("dp", "data_parallel", "data_parallel_size", "dp_size"),
    "pp": ("pp", "pipeline_parallel", "pipeline_parallel_size", "pp_size", "stages"),
    "chunks": ("chunks_per_stage", "chunks", "virtual_stages", "interleaving", "vpp"),
    "devices": ("gpus", "num_gpus", "n_gpus", "devices", "world_size"),
    "node": ("gpus_per_node", "devices_per_node", "node_size"),
    "vocabulary": ("vocab", "vocab_size", "vocabulary"),
    "recompute": ("recompute", "activation_checkpointing", "checkpointing", "recomputation"),
}
"""What a column may be called, the first of each being the one that messages name. Capitals do not matter."""
GROUPS = ("cluster", "device", "gpu", "gpu_type", "accelerator", "hardware", "system", "site", "precision")
"""Text columns that tell clusters apart: each has a law of its own."""
_NEEDED = ("micro_batch", "hidden", "layers", "seq_len")
_RECOMPUTE = {
    "full": ("full", "yes", "true", "1", "on", "all"),
    "selective": ("selective", "attention"),
    "none": ("none", "no", "false", "0", "off", ""),
}
_NOT_MEASURED = re.compile(
    r"predict|simulat|estimat|model(l)?ed|(^|_)(std|stddev|sd|var|cv|err|error|ci95)(_|$)|per_|_rate"
)
_WHOLE_ITERATION = re.compile(r"iter|step|measured|elapsed|batch_time")
_PARTS = re.compile(r"forward|backward|fwd|bwd|optim|comm|reduce|compute|layer|stage")


@dataclass(frozen=True, slots=True)
class Meaning:
    """Setups and measured times [s] of the rows, the time column, its unit, and the columns of the groups."""

    setups: Setups
    seconds: Floats
    time: str
    unit: str
    group: tuple[str, ...]


def understand(rows: Rows) -> Meaning:
    """Read every column that is known by name; all problems of a kind are told at once."""
    folded = {column.strip().lower(): column for column in rows.columns}
    found = {name: next((folded[one] for one in others if one in folded), None) for name, others in NAMES.items()}
    _check_columns(rows, found)
    time, unit = _time(rows)
    numbers = {
        name: rows.numbers(column, whole=True) for name, column in found.items() if column and name != "recompute"
    }
    _parallel(rows, found, numbers)
    _check_batches(rows, found, numbers)
    numbers |= _recomputed(rows, found["recompute"])
    seconds = rows.numbers(time) * UNITS[unit]
    group = tuple(
        c for c in rows.columns if c.lower() in GROUPS and not all(_is_number(cell) for cell in rows.columns[c])
    )
    return Meaning(setups(numbers), seconds, time, unit, group)


def _check_columns(rows: Rows, found: dict[str, str | None]) -> None:
    missing = [name for name in _NEEDED if found[name] is None]
    if found["microbatches"] is None and found["global_batch"] is None:
        missing.append("global_batch")
    problems = [
        rows.problem(f"no column {name!r} (needed by kind pipeline){nearest(name, list(rows.columns))}")
        for name in missing
    ]
    if problems:
        raise ScenarioError(problems)


def _time(rows: Rows) -> tuple[str, str]:
    """The one measured time of a whole iteration."""
    timed = {c: unit for c in rows.columns if (unit := unit_of(c)) and not _NOT_MEASURED.search(c.lower())}
    whole = {
        c: unit for c, unit in timed.items() if _WHOLE_ITERATION.search(c.lower()) and not _PARTS.search(c.lower())
    }
    chosen = whole or timed
    if len(chosen) == 1:
        return next(iter(chosen.items()))
    if chosen:
        names = ", ".join(chosen)
        raise ScenarioError(
            rows.problem(f"{len(chosen)} columns could be the time of an iteration ({names}): keep one")
        )
    message = "no time column: name the time of an iteration iteration_s, iteration_ms or iteration_us"
    raise ScenarioError(rows.problem(message + nearest("iteration_ms", list(rows.columns))))


def _parallel(rows: Rows, found: dict[str, str | None], numbers: dict[str, Floats]) -> None:
    """Fill in the absent parallel size, or check that the sizes multiply to the devices."""
    devices = numbers.pop("devices", None)
    if devices is None:
        return
    product = np.ones_like(devices)
    for name in ("tp", "dp", "pp"):
        product = product * numbers.get(name, 1.0)
    if "dp" not in numbers:
        numbers["dp"] = np.maximum(devices / product, 1.0)
        product = product * np.floor(numbers["dp"])
    problems = []
    for row in np.flatnonzero(product != devices)[: MAX_PROBLEMS + 1]:
        parts = " x ".join(f"{name} {numbers[name][row]:g}" for name in ("tp", "dp", "pp") if name in numbers)
        message = f"{parts} is {product[row]:g} devices, the row says {devices[row]:g}: correct one of them"
        problems.append(rows.problem(message, int(row), found["devices"]))
    if problems:
        raise ScenarioError(problems)


def _check_batches(rows: Rows, found: dict[str, str | None], numbers: dict[str, Floats]) -> None:
    problems: list[Problem] = []
    if "microbatches" not in numbers:
        least = numbers["micro_batch"] * numbers.get("dp", 1.0)
        for row in np.flatnonzero(numbers["global_batch"] < least)[: MAX_PROBLEMS + 1]:
            given = numbers["global_batch"][row]
            message = f"must be at least dp x micro_batch = {least[row]:g} (one microbatch per pipeline), got {given:g}"
            problems.append(rows.problem(message, int(row), found["global_batch"]))
    stages = numbers.get("pp", np.ones(len(rows))) * numbers.get("chunks", 1.0)
    for row in np.flatnonzero(stages > numbers["layers"])[: MAX_PROBLEMS + 1]:
        message = (
            f"{numbers['layers'][row]:g} layers cannot fill {stages[row]:g} stages and chunks: correct one of them"
        )
        problems.append(rows.problem(message, int(row), found["layers"]))
    if problems:
        raise ScenarioError(problems)


def _recomputed(rows: Rows, column: str | None) -> dict[str, Floats]:
    """Switches that the recompute column tells; full recomputation where there is none (``setups``)."""
    if column is None:
        return {}
    kinds = np.zeros((len(rows), 3))
    problems: list[Problem] = []
    for row, cell in enumerate(rows.columns[column]):
        parts = [part.strip() for part in cell.lower().split("+")]
        sequence = any(part in ("seq", "sequence", "sp") for part in parts)
        rest = [part for part in parts if part not in ("seq", "sequence", "sp")] or ["none"]
        kind = next((name for name, words in _RECOMPUTE.items() if len(rest) == 1 and rest[0] in words), None)
        if kind is None and len(problems) <= MAX_PROBLEMS:
            message = (
                f"must be full, selective or none (with seq+ before it for sequence parallelism), got {cell[:40]!r}"
            )
            problems.append(rows.problem(message, row, column))
        kinds[row] = (kind == "full", kind in ("full", "selective"), sequence)
    if problems:
        raise ScenarioError(problems)
    return {"recomputed": kinds[:, 0], "scores_recomputed": kinds[:, 1], "sequence_parallel": kinds[:, 2]}


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
