"""Orders of ops as PyTorch writes and reads them: one line per rank, ``<stage><kind><microbatch>`` between commas.

Kinds: ``F``; ``I`` the gradient of the input, ``W`` of the weights, ``B`` a full backward; ``(0F7;7B3)OVERLAP_F_B`` is
a forward fused with a full backward. Cells left empty and PyTorch's sends, receives and shardings are passed over: what
is sent follows from the placement, and that from the ranks on which the forwards of a microbatch stand.
"""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from simulator.costs.pipeline.ops import BW, B, F, Op, Schedule, W
from simulator.costs.pipeline.validate import validate
from simulator.errors import Problem, ScenarioError
from simulator.files import read_table_text

LETTERS = {F: "F", B: "I", W: "W", BW: "B"}
KINDS = {letter: kind for kind, letter in LETTERS.items()}
OP = re.compile(r"([0-9]{1,9})([FIWB])([0-9]{1,9})")
FUSED = re.compile(r"\((.*);(.*)\)(?:OVERLAP_F_B)?")
PASSED_OVER = re.compile(r"[0-9]+(?:(?:SEND|RECV)_[FB]|UNSHARD|RESHARD|REDUCE_GRAD)[0-9]*|")


def to_csv(schedule: Schedule) -> str:
    """The orders of all ranks as text.

    >>> from simulator.costs.pipeline import make
    >>> print(to_csv(make("1f1b", 2, 2)), end="")
    0F0,0F1,0B0,0B1
    1F0,1B0,1F1,1B1
    """
    return "".join(",".join(_cells(order)) + "\n" for order in schedule.orders)


def _cells(order: tuple[Op, ...]) -> list[str]:
    cells: list[str] = []
    for op in order:
        text = f"{op.stage}{LETTERS[op.kind]}{op.microbatch}"
        if op.fused:
            text = f"({cells.pop()};{text})OVERLAP_F_B"
        cells.append(text)
    return cells


def load_csv(path: Path | str, name: str | None = None) -> Schedule:
    """Read the orders of a file; the schedule is called by its name. ScenarioError says where it cannot be run."""
    file = Path(path)
    return from_csv(read_table_text(file), name or file.name.partition(".")[0], str(path))


def from_csv(text: str, name: str = "imported", file: str | None = None) -> Schedule:
    """The schedule that a text holds, checked: it can be run.

    >>> from_csv("0F0,0I0,0W0").orders[0][1]
    Op(kind=<Kind.B: 1>, stage=0, microbatch=0, fused=False)
    """
    problems: list[Problem] = []
    orders = []
    try:
        rows = [(number, row) for number, row in enumerate(csv.reader(io.StringIO(text)), start=1) if any(row)]
    except csv.Error as error:
        raise ScenarioError(Problem(f"is no csv: {error}", file)) from None
    for number, row in rows:
        order: list[Op] = []
        for cell in row:
            ops = _ops(cell.strip())
            if ops is None:
                allowed = "2F0, 2I0 (gradient of the input), 2W0, 2B0 (full backward) or (2F1;2B0)OVERLAP_F_B"
                problems.append(Problem(f"{cell.strip()[:40]!r} is no op; write {allowed}", file, number))
            else:
                order.extend(ops)
        orders.append(tuple(order))
    if problems:
        raise ScenarioError(problems)
    return validate(_placed(name, tuple(orders), file))


def _ops(cell: str) -> list[Op] | None:
    """The ops of one cell; None: it is none."""
    if PASSED_OVER.fullmatch(cell):
        return []
    fused = FUSED.fullmatch(cell)
    found = [OP.fullmatch(part.strip()) for part in (fused.groups() if fused else (cell,))]
    ops = [Op(KINDS[one[2]], int(one[1]), int(one[3])) for one in found if one]
    if len(ops) < len(found):
        return None
    if fused:
        ops.sort(key=lambda op: op.kind is not F)  # PyTorch has them in this order; a person may not
        ops[1] = ops[1]._replace(fused=True)
    return ops


def _placed(name: str, orders: tuple[tuple[Op, ...], ...], file: str | None) -> Schedule:
    """Microbatches whose forwards take the same way through the ranks have the same direction."""
    where: dict[tuple[int, int], int] = {}
    for rank, order in enumerate(orders):
        for op in order:
            if op.kind is F and where.setdefault((op.microbatch, op.stage), rank) != rank:
                there = where[op.microbatch, op.stage]
                raise ScenarioError(Problem(f"{op} comes 2 times: on rank {there} and on rank {rank}", file))
    if not where:
        raise ScenarioError(Problem("holds no forward", file))
    microbatches, stages = (max(column) + 1 for column in zip(*where))
    if microbatches * stages > len(where):
        missing = next((j, s) for j in range(microbatches) for s in range(stages) if (j, s) not in where)
        raise ScenarioError(Problem(f"{Op(F, missing[1], missing[0])} is missing on every rank", file))
    ways = [tuple(where[j, s] for s in range(stages)) for j in range(microbatches)]
    placement = tuple(dict.fromkeys(ways))
    return Schedule(name, len(orders), microbatches, placement, tuple(map(placement.index, ways)), orders)
