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
from simulator.costs.early_exit.routed import load_choices, load_confusion
from simulator.costs.early_exit.router import Floats, Ints, Router, checked_confusion
from simulator.costs.early_exit.rules import correct, fires, first_exit
from simulator.costs.early_exit.tables import ExitTable, joined
from simulator.errors import Problem, ScenarioError
from simulator.scenario.exits import Blocks, Exits, MixedExits, ProfileExits, RecordedRouter, RouterFile, TableExits

Bools = NDArray[np.bool_]
Place = Callable[[tuple[str, ...], ScenarioError], ScenarioError]


@dataclass(frozen=True)
class ExitSource:
    """Exit rows of one model and how requests replay them.

    ``table`` has one row per sample of all tables, and one exit per ramp of the model and one for its end; ``rows``
    gives each request its row. ``ramps`` are the layers, from 1, that a ramp follows. Where a ``router`` chooses the
    exit beforehand, rows are its pairs (row of the table, chosen exit) in all that is told here.
    """

    table: ExitTable | ProfileTable
    rule: Mapping[str, object] | None
    rows: RowSource
    ramps: tuple[int, ...]
    layers: int
    router: Router | None = None

    def fires(self, active: Sequence[int], rule: Mapping[str, object] | None = None) -> Bools:
        """Whether the ramp after each layer answers each row, shape (rows, layers), where the ramps ``active`` run.

        ``rule``: one in place of the model's own, for exits that rows decide.

        ``active`` are layers from 1; the last column, the model's end, always answers. A routed request leaves at the
        ramp that was chosen for it, sure or not; where that one does not run, at the next one that does.
        """
        if self.router is not None:
            return _routed(self.router, active, self.layers)
        fired = np.zeros((self.table.rows, self.layers), dtype=np.bool_)
        columns = [self.ramps.index(layer) for layer in active]
        if isinstance(self.table, ProfileTable):
            found = self.table.fires
        else:
            chosen = self.rule if rule is None else rule
            assert chosen is not None
            found = fires(self.table, chosen, columns)
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
        return right if self.router is None else right[self.router.row]


def _routed(router: Router, active: Sequence[int], layers: int) -> Bools:
    fired = np.zeros((len(router.row), layers), dtype=np.bool_)
    leaves = router.leaves
    for layer in active:
        fired[:, layer - 1] = layer >= leaves
    fired[:, -1] = True
    return fired


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
    tables, whole = [], []
    for path, file, split in _files(written):
        try:
            table = load_table(folder / file, split=split)
            columns = exit_columns(table.exits, ramps, layers, written.after)
            tables.append(table.only((*columns, table.exits - 1)))
            whole.append(table)
            rows = joined(tables)
        except ScenarioError as error:
            raise place(path, error) from None
    rule = written.rule.model_dump()
    router = _router(written, folder, whole, rows, rule, (*ramps, layers), place)
    replay = Replay(tuple(table.rows for table in tables), _order(written), _mix(written), router)
    return ExitSource(rows, rule, replay, ramps, layers, router)


def _router(
    written: TableExits | MixedExits,
    folder: Path,
    tables: Sequence[ExitTable],
    rows: ExitTable,
    rule: Mapping[str, object],
    layer: tuple[int, ...],
    place: Place,
) -> Router | None:
    """The router of the rows; ``tables`` have all exits of the files, ``rows`` those after the layers ``layer``.

    A matrix is about all exits of the table, or about the model's: its size tells. The true exit is that of the rule
    where all of them run.
    """
    router = written.router
    if router is None:
        return None
    try:
        whole = joined(tables)
    except ScenarioError as error:
        raise place(("router",), error) from None
    stands = _stands(written, whole.exits, layer)
    if isinstance(router, RecordedRouter):
        return Router.fixed(_choices(written, router.column, folder, whole.exits, place), stands)
    path = ("router", "table") if isinstance(router, RouterFile) else ("router", "confusion")
    try:
        given = load_confusion(folder / router.table) if isinstance(router, RouterFile) else router.confusion
        confusion = checked_confusion(given)
        if len(confusion) not in (rows.exits, whole.exits):
            raise ScenarioError(Problem(_unfit(len(confusion), rows.exits, whole.exits)))
    except ScenarioError as error:
        raise place(path, error) from None
    table, at = (rows, layer) if len(confusion) == rows.exits else (whole, stands)
    try:
        return Router(first_exit(fires(table, rule)), confusion, at)
    except ScenarioError as error:
        raise place(("rule",), error) from None


def _unfit(size: int, model: int, table: int) -> str:
    other = f", or {table}, those of the table" if table != model else ""
    return f"is about {size} exits, it must be about {model}, the ramps and the model's end{other}"


def _stands(written: TableExits | MixedExits, exits: int, layer: tuple[int, ...]) -> tuple[int, ...]:
    """Layers that all exits of the table stand after."""
    if written.after is not None:
        return (*written.after, layer[-1])
    return layer if exits == len(layer) else tuple(range(1, layer[-1] + 1))


def _choices(written: TableExits | MixedExits, column: str, folder: Path, exits: int, place: Place) -> Ints:
    """The recorded choices of all rows, from 0."""
    found = []
    for path, file, split in _files(written):
        try:
            found.append(load_choices(folder / file, column, exits, split=split))
        except ScenarioError as error:
            raise place(path, error) from None
    return np.concatenate(found)


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
