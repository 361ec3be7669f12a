"""Which exit answers: a rule on a table of measured rows.

Exits are counted from 0 here, as columns of the table; the last one is the whole model and always answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from simulator.costs.early_exit.confidence import Confidence
from simulator.costs.early_exit.entropy import Entropy
from simulator.costs.early_exit.patience import Patience
from simulator.costs.early_exit.tables import ExitTable
from simulator.errors import Problem, ScenarioError

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Rule(Protocol):
    """When an exit answers. A new rule is a module with one such class, and one line in ``RULES``."""

    def fires(self, table: ExitTable, active: Ints) -> Bools:
        """(rows, exits): whether an exit would answer a row if asked; ``active`` are the exits that run."""
        ...


RULES: dict[str, Callable[[Any], Rule]] = {
    "confidence": Confidence,
    "entropy": Entropy,
    "patience": Patience,
}


def make_rule(rule: Mapping[str, object]) -> Rule:
    """The rule of a scenario's ``rule:`` entry, such as ``{"confidence": 0.8}``; None means not given."""
    given = {name: value for name, value in rule.items() if value is not None}
    known = ", ".join(RULES)
    if len(given) != 1:
        raise ScenarioError(Problem(f"a rule has exactly one of: {known}; got {', '.join(given) or 'none'}"))
    ((name, value),) = given.items()
    if name not in RULES:
        raise ScenarioError(Problem(f"unknown rule {name!r} (known: {known})"))
    return RULES[name](value)


def fires(table: ExitTable, rule: Rule | Mapping[str, object], active: Iterable[int] | None = None) -> Bools:
    """(rows, exits): whether exit k would answer each row if that row got there; the last exit always does.

    ``active`` are the exits that run (all of them unless given); it matters to rules that compare exits.

    >>> table = ExitTable(np.array([[0.9, 0.6, 0.7], [0.6, 0.8, 0.5]]), None, None)
    >>> fires(table, {"confidence": 0.8}).astype(int).tolist()
    [[1, 0, 1], [0, 1, 1]]
    """
    one = make_rule(rule) if isinstance(rule, Mapping) else rule
    fired = one.fires(table, active_exits(active, table.exits))
    fired[:, -1] = True
    return fired


def active_exits(active: Iterable[int] | None, exits: int) -> Ints:
    """The exits that run, ascending and without repeats; the last one always runs."""
    chosen = set(range(exits) if active is None else map(int, active)) | {exits - 1}
    outside = sorted(k for k in chosen if not 0 <= k < exits)
    if outside:
        raise ScenarioError(Problem(f"exit {outside[0]} does not exist: the table has exits 0 to {exits - 1}"))
    return np.array(sorted(chosen), dtype=np.int64)


def first_exit(fired: Bools, active: Iterable[int] | None = None) -> Ints:
    """(rows,): the exit at which each row leaves: the first active one that fires, else the last.

    >>> fired = np.array([[True, False, True], [False, True, True]])
    >>> first_exit(fired).tolist(), first_exit(fired, active=[1]).tolist()
    ([0, 1], [2, 1])
    """
    chosen = active_exits(active, fired.shape[1])
    asked = fired[:, chosen].copy()
    asked[:, -1] = True
    index: Ints = chosen[asked.argmax(axis=1)]
    return index


def correct(table: ExitTable, exit_index: Ints | None = None) -> Floats:
    """1.0 where the answer is the label, 0.0 where not, NaN without labels or predictions.

    With ``exit_index`` (rows,) the answer of that exit: the mean is the accuracy. Without it (rows, exits),
    every exit.
    """
    if table.prediction is None or table.label is None:
        right = np.full(table.shape, np.nan)
    else:
        right = (table.prediction == table.label[:, None]).astype(np.float64)
    return right if exit_index is None else _at(right, exit_index)


def agreement(table: ExitTable, exit_index: Ints | None = None) -> Floats:
    """Like ``correct`` with the last exit's prediction in place of the label: for tables that have none."""
    if table.prediction is not None:
        right = (table.prediction == table.prediction[:, -1:]).astype(np.float64)
    elif table.agrees is not None:
        right = table.agrees.astype(np.float64)
    else:
        right = np.full(table.shape, np.nan)
    return right if exit_index is None else _at(right, exit_index)


def _at(values: Floats, exit_index: Ints) -> Floats:
    return values[np.arange(len(values)), exit_index]


def survival(exit_index: Ints, exits: int) -> Floats:
    """(exits,): the share of rows that are still running after each exit; 0 after the last.

    >>> survival(np.array([0, 0, 2, 1]), 3).tolist()
    [0.5, 0.25, 0.0]
    """
    left = np.cumsum(np.bincount(exit_index, minlength=exits))
    remaining: Floats = 1.0 - left / len(exit_index)
    return remaining
