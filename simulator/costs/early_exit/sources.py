"""The exits that a scenario writes, as rows: tables read and joined, the rule, and what a request replays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simulator.costs.early_exit.depth import exit_columns
from simulator.costs.early_exit.profiles import ProfileTable
from simulator.costs.early_exit.reading import load_table
from simulator.costs.early_exit.replay import Mix, Order, Replay, RowSource, order_of
from simulator.costs.early_exit.rules import correct, fires
from simulator.costs.early_exit.tables import ExitTable, joined
from simulator.errors import ScenarioError
from simulator.scenario.exits import Blocks, Exits, MixedExits, ProfileExits, TableExits

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Place = Callable[[tuple[str, ...], ScenarioError], ScenarioError]


@dataclass(frozen=True)
class ExitSource:
    """Exit rows of one model and how requests replay them.

    ``table`` has one row per sample of all tables, and one exit per ramp of the model and one for its end; ``rows``
    gives each request its row. ``ramps`` are the layers, from 1, that a ramp follows.
    """

    table: ExitTable | ProfileTable
    rule: Mapping[str, object] | None
    rows: RowSource
    ramps: tuple[int, ...]
    layers: int

    def fires(self, active: Sequence[int]) -> Bools:
        """Whether the ramp after each layer answers each row, shape (rows, layers), where the ramps ``active`` run.

        ``active`` are layers from 1; the last column, the model's end, always answers.
        """
        fired = np.zeros((self.table.rows, self.layers), dtype=np.bool_)
        columns = [self.ramps.index(layer) for layer in active]
        if isinstance(self.table, ProfileTable):
            found = self.table.fires
        else:
            assert self.rule is not None
            found = fires(self.table, self.rule, columns)
        for column, layer in zip(columns, active):
            fired[:, layer - 1] = found[:, column]
        fired[:, -1] = True
        return fired

    @cached_property
    def correct(self) -> Floats:
        """Whether the answer after each layer is right: 1, 0 or NaN where unknown, shape (rows, layers)."""
        right = np.full((self.table.rows, self.layers), np.nan)
        known = self.table.correct if isinstance(self.table, ProfileTable) else correct(self.table)
        for column, layer in enumerate((*self.ramps, self.layers)):
            right[:, layer - 1] = known[:, column]
        return right


def source_of(
    written: Exits, folder: Path, ramps: Sequence[int], layers: int, place: Place = lambda path, error: error
) -> ExitSource | None:
    """What a scenario's ``exits`` mean for a model of ``layers`` layers with ramps after the layers ``ramps``.

    None: a profile without a ramp. File names are relative to ``folder``. ``place`` puts an error of a table at its key
    path below ``exits``.
    """
    ramps = tuple(ramps)
    if isinstance(written, ProfileExits):
        if not ramps:
            return None
        profile = ProfileTable(written.profile[: len(ramps)])
        return ExitSource(profile, None, profile, ramps, layers)
    tables = []
    for path, file, split in _files(written):
        try:
            table = load_table(folder / file, split=split)
            columns = exit_columns(table.exits, ramps, layers, written.after)
            tables.append(table.only((*columns, table.exits - 1)))
            whole = joined(tables)
        except ScenarioError as error:
            raise place(path, error) from None
    replay = Replay(tuple(table.rows for table in tables), _order(written), _mix(written))
    return ExitSource(whole, written.rule.model_dump(), replay, ramps, layers)


def _files(written: TableExits | MixedExits) -> list[tuple[tuple[str, ...], str, str | None]]:
    """Key path, file name and split of every table."""
    if isinstance(written, TableExits):
        return [(("table",), written.table, written.split)]
    return [(("tables", name), one.file, one.split) for name, one in written.sources.items()]


def _order(written: TableExits | MixedExits) -> Order:
    return order_of(written.order.blocks if isinstance(written.order, Blocks) else written.order)


def _mix(written: TableExits | MixedExits) -> Mix | None:
    if isinstance(written, TableExits):
        return None
    shares = [[point.shares.get(name, 0.0) for name in written.tables] for point in written.mix]
    return Mix(np.array([point.at for point in written.mix]), np.array(shares), written.change)
