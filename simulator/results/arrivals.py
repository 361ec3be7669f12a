"""The requests of one service that arrived in the window of a recorded run, one by one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simulator.results.cohort import Cohort
from simulator.results.quantiles import QUANTILES, nearest_rank
from simulator.results.record import Ints, Outcome, RunRecord

Mask = NDArray[np.bool_]


class Arrivals:
    """Arrivals of one service in [warmup, duration); arrays have one entry per arrival."""

    def __init__(self, record: RunRecord, service: int) -> None:
        requests = record.requests
        self.record, self.service, self.info = record, service, record.services[service]
        first, last = np.searchsorted(requests.arrival_s, [record.warmup_s, record.duration_s])
        self.rows: slice | Ints = slice(int(first), int(last))
        if len(record.services) > 1:
            self.rows = int(first) + np.flatnonzero(requests.service[self.rows] == service)
        self.kind = requests.class_index[self.rows]
        self.done: Mask = requests.outcome[self.rows] == Outcome.COMPLETED
        self.latency_s = requests.finish_s[self.rows] - requests.arrival_s[self.rows]

    def completed(self, number: int | None) -> Mask:
        """Which of them completed: of class ``number``, or of all classes."""
        if number is None:
            return self.done
        mine: Mask = self.done & (self.kind == number)
        return mine

    def tail(self, number: int | None) -> Mask:
        """The slowest 1 %: completed, with a latency of at least the p99 of their class (or of all)."""
        mine = self.completed(number)
        latency_s = self.latency_s[mine]
        if not len(latency_s):
            return mine
        rank = nearest_rank(len(latency_s), QUANTILES["p99"])
        slow: Mask = self.latency_s >= np.partition(latency_s, rank)[rank]
        return mine & slow

    def totals(self) -> Cohort:
        """How they ended, by class."""
        requests, done = self.record.requests, self.done
        correct, kind = requests.correct[self.rows][done], self.kind[done]
        told = ~np.isnan(correct)
        return Cohort(
            outcomes=self._table(self.kind, requests.outcome[self.rows], len(Outcome)),
            in_time=self._by_class(self.kind[self._in_time()]),
            finished=self._finished(),
            exits=self._table(kind, requests.exit_layer[self.rows][done], 1),
            correct=np.bincount(kind[told], correct[told], minlength=len(self.info.classes)).astype(float),
            known=self._by_class(kind[told]),
        )

    def _in_time(self) -> Mask:
        slo_s = np.array([item.slo_s for item in self.info.classes])
        requests = self.record.requests
        deadline_s = requests.arrival_s[self.rows] + (slo_s[self.kind] if len(slo_s) > 1 else slo_s[0])
        met: Mask = self.done & (requests.finish_s[self.rows] <= deadline_s)
        return met

    def _finished(self) -> Ints:
        """Completed with their finish in the window, whenever they arrived."""
        record, requests = self.record, self.record.requests
        rows: slice | Ints = slice(None)
        if len(record.services) > 1:
            rows = np.flatnonzero(requests.service == self.service)
        finish_s = requests.finish_s[rows]
        finished = (finish_s >= record.warmup_s) & (finish_s < record.duration_s)
        finished &= requests.outcome[rows] == Outcome.COMPLETED
        return self._by_class(requests.class_index[rows][finished])

    def _by_class(self, kind: Ints) -> Ints:
        return np.bincount(kind, minlength=len(self.info.classes))

    def _table(self, kind: Ints, value: Ints, width: int) -> Ints:
        """How often each class has each value: rows by class, at least ``width`` columns."""
        classes, width = len(self.info.classes), max(width, int(value.max(initial=0)) + 1)
        code = kind * width + value if classes > 1 else value
        return np.bincount(code, minlength=classes * width).reshape(classes, width)
