"""A twin beside the network of a service: every request is two tasks, the first sure answer leaves, the other one goes.

Each network has a table of its own, whose rows are the same requests. The main network's table says when a request was
answered and how it ended; the twin's says it of the twin's tasks alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from simulator.cluster import lowered
from simulator.cluster.draws import uniform
from simulator.cluster.lowered import Floats, Ints, Lowered
from simulator.cluster.passes import Pass
from simulator.cluster.requests import RequestTable
from simulator.cluster.state import Batch
from simulator.results.record import Outcome, Requests, Task, Twins


class PairedTable(RequestTable):
    """The tasks of one of the two networks."""

    def __init__(
        self,
        index: int,
        service: lowered.Service,
        seed: int,
        replication: int,
        until_s: float,
        folder: Path,
        arrival_s: Floats | None = None,
    ) -> None:
        super().__init__(index, service, seed, replication, until_s, folder, arrival_s)
        self.tracked = self.prompt = True
        self.ends: dict[int, Task] = {}
        """Tasks that ended otherwise than answered."""

    def passing(self, inner: Pass) -> Pass:
        """What happens to a batch of these tasks, some of which may have been cancelled meanwhile."""
        return Cancelling(inner)

    def cancel(self, request: int, instant: float) -> None:
        """The other network has answered. A task that waits is gone; one in service leaves at the end of its batch."""
        if self.is_answered(request):
            return
        self.finish[request] = instant
        if request not in self.ends:
            waiting = self._take_out(request)
            self.ends[request] = Task.CANCELLED_WAITING if waiting else Task.CANCELLED_IN_SERVICE

    def _take_out(self, request: int) -> bool:
        """Remove a task from the queue in which it waits; False where it is in service or on its way."""
        position = self.position[request]
        station = self.paths[0][position]
        buffers = (buffer for replica in station.replicas for buffer in replica.buffers)
        if any(line.fifo.remove(request, ascending=position == 0) for line in station.lines) or any(
            buffer.remove(request, ascending=False) for buffer in buffers
        ):
            self.leave_path(request)
            return True
        return False

    def still_needed(self, requests: list[int]) -> list[int]:
        """Who was cancelled on the way to the next portion leaves before its queue."""
        gone = [request for request in requests if request in self.ends]
        for request in gone:
            self.leave_path(request)
        return [request for request in requests if request not in self.ends] if gone else requests

    def tasks(self) -> Ints:
        """How each task ended: values of :class:`Task`."""
        finish = np.asarray(self.finish, dtype=np.float64)
        found = np.where(np.isnan(finish), int(Task.INSIDE), int(Task.ANSWERED))
        if self.ends:
            found[np.fromiter(self.ends, np.int64, len(self.ends))] = [int(end) for end in self.ends.values()]
        return found


class MainTable(PairedTable):
    """The tasks of the main network, and the requests as a whole."""

    twin: TwinTable

    def answer_all(self, requests: list[int], instant: float) -> None:
        """Answers of the main network leave: the twin's tasks are not needed any more."""
        super().answer_all(requests, instant)
        for request in requests:
            self.twin.cancel(request, instant)

    def close(self, request: int, instant: float, outcome: Outcome) -> None:
        """The main network will not answer. The request ends when the twin cannot either."""
        self.ends[request] = Task[outcome.name]
        if self.twin.is_answered(request):
            super().close(request, instant, outcome)

    def left_alone(self, request: int, instant: float) -> None:
        """The twin will not answer: a request that the main network has given up ends now."""
        if request in self.ends:
            super().close(request, instant, Outcome[self.ends[request].name])


class TwinTable(PairedTable):
    """The tasks of the twin. Here "answered" means that the task has ended, whichever way."""

    def __init__(self, index: int, main: MainTable, seed: int, replication: int, until_s: float, folder: Path) -> None:
        assert main.spec.twin is not None
        self.twin = main.spec.twin
        super().__init__(index, self.twin.service, seed, replication, until_s, folder, main.draws.arrival_s)
        self.main = main
        main.twin = self
        self.classes, self.deadline = main.classes, main.deadline
        if self.twin.sure is None:
            sure = main.draws.column("twin", uniform) < self.twin.share
        else:
            sure = self.twin.sure[np.asarray(main.rows, dtype=np.int64)]
        self.sure: list[bool] = sure.tolist()

    def answer_all(self, requests: list[int], instant: float) -> None:
        """The twin is through with these: the answers that it is sure of leave."""
        super().answer_all(requests, instant)
        for request in requests:
            if self.sure[request]:
                self.main.cancel(request, instant)
            else:
                self.ends[request] = Task.NOT_CONFIDENT
                self.main.left_alone(request, instant)

    def close(self, request: int, instant: float, outcome: Outcome) -> None:
        """The twin will not answer."""
        self.finish[request] = instant
        self.ends[request] = Task[outcome.name]
        self.main.left_alone(request, instant)

    def correct(self) -> Floats:
        """Whether the twin's answer to each request is right: 1, 0 or NaN."""
        if self.twin.correct is None:
            return np.full(len(self.arrival), np.nan)
        return self.twin.correct[np.asarray(self.main.rows, dtype=np.int64)]


class Cancelling:
    """An exit mode for tasks that may be cancelled: these keep their slot to the end of the batch and leave there."""

    def __init__(self, inner: Pass) -> None:
        self.inner = inner
        self.fixed = inner.fixed

    def time(self, batch: Batch, table: RequestTable) -> float:
        """As without a twin: nobody is cancelled when a batch starts."""
        return self.inner.time(batch, table)

    def steps(self, batch: Batch, table: RequestTable, seconds: Floats) -> list[float]:
        """As without a twin."""
        return self.inner.steps(batch, table, seconds)

    def finish(self, batch: Batch, table: RequestTable) -> list[int]:
        """Take out who was cancelled meanwhile; the others go on as without a twin."""
        assert isinstance(table, PairedTable)
        ends = table.ends
        rows = [i for i, request in enumerate(batch.requests) if request not in ends]
        if len(rows) < len(batch.requests):
            for request in batch.requests:
                if request in ends:
                    table.leave_path(request)
            batch.requests = [batch.requests[i] for i in rows]
            batch.dues = [[due[i] for i in rows] for due in batch.dues]
            if batch.survivors is not None:
                batch.survivors = [request for request in batch.survivors if request not in ends]
        return self.inner.finish(batch, table)


def request_tables(cluster: Lowered, replication: int, folder: Path) -> list[RequestTable]:
    """The tables of all services in their order, and behind them those of their twins."""
    tables: list[RequestTable] = []
    for index, service in enumerate(cluster.services):
        kind = RequestTable if service.twin is None else MainTable
        tables.append(kind(index, service, cluster.seed, replication, cluster.duration_s, folder))
    for main in [table for table in tables if isinstance(table, MainTable)]:
        tables.append(TwinTable(len(tables), main, cluster.seed, replication, cluster.duration_s, folder))
    return tables


def twin_tables(tables: Sequence[RequestTable]) -> list[TwinTable]:
    """Those of twins."""
    return [table for table in tables if isinstance(table, TwinTable)]


def with_twins(requests: Requests, rows: Sequence[Ints], twins: Sequence[TwinTable]) -> tuple[Requests, Twins]:
    """The request table with the answers of twins, and how the tasks ended; ``rows`` are those of each service."""
    count = len(requests.arrival_s)
    main, twin = np.full(count, -1), np.full(count, -1)
    exit_layer, correct = requests.exit_layer.copy(), requests.correct.copy()
    for table in twins:
        mine = rows[table.main.index]
        main[mine], twin[mine] = table.main.tasks(), table.tasks()
        first = twin[mine] == Task.ANSWERED
        exit_layer[mine[first]] = 0
        correct[mine[first]] = table.correct()[first]
    return replace(requests, exit_layer=exit_layer, correct=correct), Twins(main, twin)
