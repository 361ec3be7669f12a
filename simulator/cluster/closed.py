"""Closed load: a fixed number of clients who think, send, wait for the answer and think again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simulator.cluster.clock import ARRIVAL
from simulator.cluster.draws import class_indices, uniform
from simulator.scenario.workload import Closed
from simulator.workload.closed import think_sampler

if TYPE_CHECKING:
    from simulator.cluster.engine import Engine
    from simulator.cluster.requests import RequestTable


class Clients:
    """The clients of one service. None sends at or after the end of the load (``until_s``)."""

    def __init__(self, engine: Engine, table: RequestTable, until_s: float) -> None:
        self.engine = engine
        self.table = table
        self.until_s = until_s
        self.sent: list[tuple[int, int]] = []
        """(client, ordinal) of each request."""
        workload = table.spec.workload
        assert isinstance(workload, Closed)
        draws = table.draws
        self._think = draws.of_client("think", think_sampler(workload.think))
        self._class = draws.of_client("class", uniform)
        self._rows = draws.exit_rows()
        self._row = draws.of_client("exits", uniform)
        self._clients = workload.clients

    def begin(self) -> None:
        """Every client thinks first."""
        for client in range(self._clients):
            self._plan(client, 0, 0.0)

    def answered(self, request: int, instant: float) -> None:
        """The client of a request has its answer, drop, rejection or failure and thinks again."""
        client, ordinal = self.sent[request]
        self._plan(client, ordinal + 1, instant)

    def _plan(self, client: int, ordinal: int, instant: float) -> None:
        at = instant + self._think.value(client, ordinal)
        if at < self.until_s:
            key = (ARRIVAL, self.table.index, client)
            self.engine.clock.schedule_at(at, key, self._send, (client, ordinal))

    def _send(self, sender: tuple[int, int]) -> None:
        table, spec = self.table, self.table.spec
        class_index = int(class_indices(spec.class_shares, np.array([self._class.value(*sender)]))[0])
        now, row = self.engine.clock.now, 0
        if self._rows is not None:
            number = len(table.arrival)
            row = int(self._rows.draw(np.array([self._row.value(*sender)]), np.array([now]), np.array([number]))[0])
        self.sent.append(sender)
        request = table.append(now, class_index, row)
        self.engine.arrive(table, request)
