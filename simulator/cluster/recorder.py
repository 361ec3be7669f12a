"""Collects what happened while the engine runs and turns it into the record of the replication."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from simulator.cluster.requests import RequestTable
from simulator.cluster.state import Batch
from simulator.cluster.twins import twin_tables, with_twins
from simulator.results.record import Batches, Floats, Ints, Outcome, Replicas, Requests, RunRecord

if TYPE_CHECKING:
    from simulator.cluster.compiled.station_views import CompiledReplica
    from simulator.cluster.engine import Engine
    from simulator.cluster.state import Replica


class Recorder:
    """Columns of the batch table. A batch gets its row when it starts; a transfer or a fault changes its ends later."""

    def __init__(self) -> None:
        self.floats = array("d")
        """start, end, free, idle, due of each batch, one after another."""
        self.phases: list[tuple[int, int, int, int]] = []
        """(portion, replica, capacity, service) of each batch."""
        self.sizes = array("q")
        self.members = array("q")
        """Requests of all batches, one batch after another; numbers within their service."""
        self.entered = array("d")
        self.aborted: list[int] = []
        """Rows of aborted batches."""

    def begin(self, batch: Batch, entered: list[float], due: float) -> None:
        """A batch starts, with its end set: ``entered`` and ``due`` say when members entered and the first was due."""
        batch.row = len(self.phases)
        end = batch.end
        self.floats.extend((batch.start, end, end, end, due))
        self.phases.append(batch.replica.codes[batch.phase.place])
        self.sizes.append(len(entered))
        self.members.fromlist(batch.requests)
        self.entered.fromlist(entered)

    def ended(self, batch: Batch) -> None:
        """A batch whose end was not known when it started has ended."""
        self.floats[5 * batch.row + 1] = batch.end
        self.arrived(batch, batch.end, batch.end)

    def arrived(self, batch: Batch, free: float, idle: float) -> None:
        """Survivors have arrived at ``free``, the replica was idle again at ``idle`` [s]."""
        row = 5 * batch.row
        self.floats[row + 2] = free
        self.floats[row + 3] = idle

    def abort(self, batch: Batch, now: float, idle: float) -> None:
        """A batch is taken back, or is still under way at the end of the run."""
        self.aborted.append(batch.row)
        self.floats[5 * batch.row + 1] = now
        self.arrived(batch, now, idle)

    def record(self, engine: Engine, end_s: float) -> RunRecord:
        """The whole record; batches still under way are noted as cut off at ``end_s``."""
        for replica in engine.replicas:
            for batch in [*replica.under_way, *([replica.batch] if replica.batch else [])]:
                engine.give_answers(batch, end_s)
                idle = batch.end if batch.done and engine.lowered.overlap else end_s
                self.abort(batch, end_s, idle)
        lowered = engine.lowered
        tables, twins = engine.tables[: len(lowered.services)], twin_tables(engine.tables)
        requests, rows = request_table(tables, _columns(tables))
        tasks = None
        if twins:
            requests, tasks = with_twins(requests, rows, twins)
            rows += [rows[twin.main.index] for twin in twins]
        return RunRecord(
            replication=engine.replication,
            warmup_s=lowered.warmup_s,
            duration_s=lowered.duration_s,
            end_s=end_s,
            services=tuple(service.info for service in lowered.services),
            portions=lowered.portions,
            pools=lowered.pools,
            requests=requests,
            batches=self._batches(rows),
            twins=tasks,
            replicas=replica_table(engine.replicas),
            warnings=lowered.warnings,
        )

    def _batches(self, rows: list[Ints]) -> Batches:
        floats = np.frombuffer(self.floats, dtype=np.float64).reshape(-1, 5) if self.floats else np.zeros((0, 5))
        phases = np.array(self.phases, dtype=np.int64).reshape(-1, 4)
        size = np.frombuffer(self.sizes, dtype=np.int64) if self.sizes else np.zeros(0, np.int64)
        offset = np.concatenate([[0], np.cumsum(size)]).astype(np.int64)
        total = len(self.members)
        member = np.frombuffer(self.members, dtype=np.int64) if total else np.zeros(0, np.int64)
        if len(rows) == 1:
            member = rows[0][member]
        else:
            base = np.concatenate([[0], np.cumsum([len(r) for r in rows])])[:-1]
            member = np.concatenate(rows)[np.repeat(base[phases[:, 3]], size) + member] if total else member
        aborted = np.zeros(len(size), dtype=bool)
        aborted[self.aborted] = True
        return Batches(
            portion=phases[:, 0].copy(),
            replica=phases[:, 1].copy(),
            start_s=floats[:, 0].copy(),
            end_s=floats[:, 1].copy(),
            free_s=floats[:, 2].copy(),
            idle_s=floats[:, 3].copy(),
            due_s=floats[:, 4].copy(),
            capacity=phases[:, 2].copy(),
            aborted=aborted,
            offset=offset,
            member=member,
            entered_s=np.array(self.entered, dtype=np.float64),
        )


Columns = tuple[Floats, Ints, Ints]
"""finish [s], outcome and attempts of all requests, service after service."""


def request_table(tables: list[RequestTable], columns: Columns) -> tuple[Requests, list[Ints]]:
    """The request table in order of arrival, and the row of each request by service."""
    finish, outcome, attempts = columns
    arrival = np.concatenate([np.asarray(t.arrival, dtype=np.float64) for t in tables])
    order = np.argsort(arrival, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    bounds = np.cumsum([0, *(len(t.arrival) for t in tables)])
    leave = np.concatenate([np.asarray(t.leave, dtype=np.int64) for t in tables])
    done = outcome == Outcome.COMPLETED
    requests = Requests(
        service=np.repeat(np.arange(len(tables)), np.diff(bounds))[order],
        number=np.concatenate([np.arange(len(t.arrival)) for t in tables])[order],
        class_index=np.concatenate([np.asarray(t.classes, dtype=np.int64) for t in tables])[order],
        arrival_s=arrival[order],
        finish_s=finish[order],
        outcome=outcome[order],
        exit_layer=np.where(done, leave, 0)[order],
        correct=np.where(done, np.concatenate([_correct(t) for t in tables]), np.nan)[order],
        attempts=attempts[order],
    )
    return requests, [place[a:b] for a, b in pairwise(bounds)]


def _columns(tables: list[RequestTable]) -> Columns:
    return (
        np.concatenate([np.asarray(t.finish, dtype=np.float64) for t in tables]),
        np.concatenate([_outcomes(t) for t in tables]),
        np.concatenate([_attempts(t) for t in tables]),
    )


def _outcomes(table: RequestTable) -> Ints:
    finish = np.asarray(table.finish, dtype=np.float64)
    outcome = np.where(np.isnan(finish), int(Outcome.INSIDE), int(Outcome.COMPLETED))
    if table.ended:
        outcome[np.fromiter(table.ended, np.int64, len(table.ended))] = [int(o) for o in table.ended.values()]
    return outcome


def _attempts(table: RequestTable) -> Ints:
    attempts = np.ones(len(table.arrival), dtype=np.int64)
    for request, count in table.attempts.items():
        attempts[request] += count
    return attempts


def _correct(table: RequestTable) -> Floats:
    rows, deployment = np.asarray(table.rows, dtype=np.int64), np.asarray(table.deployment, dtype=np.int64)
    layer = np.asarray(table.leave, dtype=np.int64) - 1
    return table.spec.right_answers(deployment, rows, layer)


def replica_table(replicas: Sequence[Replica | CompiledReplica]) -> Replicas:
    """Every replica ever held, in order of creation."""
    return Replicas(
        portion=np.array([r.phases[0].spec.portion for r in replicas], dtype=np.int64),
        number=np.array([r.number for r in replicas], dtype=np.int64),
        pool=np.array([r.spec.pool for r in replicas], dtype=np.int64),
        devices=np.array([r.spec.devices for r in replicas], dtype=np.int64),
        held_s=np.array([r.held for r in replicas]),
        ready_s=np.array([r.ready for r in replicas]),
        released_s=np.array([r.released for r in replicas]),
    )
