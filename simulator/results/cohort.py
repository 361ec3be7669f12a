"""The requests of one service that arrived in the window, and how they ended."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.results.quantiles import QUANTILES, nearest_rank, summary
from simulator.results.record import Ints, Outcome, RunRecord

Json = dict[str, Any]
"""A tree of dicts, lists, numbers, texts and None, as JSON holds it."""

COUNTS = ("arrived", *(item.name.lower() for item in Outcome))
Mask = NDArray[np.bool_]


class Cohort:
    """Arrivals of one service in [warmup, duration); arrays have one entry per arrival."""

    def __init__(self, record: RunRecord, service: int) -> None:
        requests = record.requests
        self.record, self.service, self.info = record, service, record.services[service]
        first, last = np.searchsorted(requests.arrival_s, [record.warmup_s, record.duration_s])
        self.rows: slice | Ints = slice(int(first), int(last))
        everybody: slice | Ints = slice(0, len(requests.arrival_s))
        if len(record.services) > 1:
            self.rows = int(first) + np.flatnonzero(requests.service[self.rows] == service)
            everybody = np.flatnonzero(requests.service == service)
        self.outcome, self.kind = requests.outcome[self.rows], requests.class_index[self.rows]
        self.done: Mask = self.outcome == Outcome.COMPLETED
        arrival_s, finish_s = requests.arrival_s[self.rows], requests.finish_s[self.rows]
        self.latency_s = finish_s - arrival_s
        slo_s = np.array([item.slo_s for item in self.info.classes])
        self.has_slo = np.isfinite(slo_s)
        deadline_s = arrival_s + (slo_s[self.kind] if len(slo_s) > 1 else slo_s[0])
        self.in_time = self.done & (finish_s <= deadline_s)
        left_s = requests.finish_s[everybody]
        finished = (left_s >= record.warmup_s) & (left_s < record.duration_s)
        finished &= requests.outcome[everybody] == Outcome.COMPLETED
        self.finished_by_class = np.bincount(requests.class_index[everybody][finished], minlength=len(slo_s))

    def completed(self, number: int | None) -> Mask:
        """Which of the cohort completed: of class ``number``, or of all classes."""
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

    def figures(self, number: int | None) -> Json:
        """Counts, rates, latency and exits of class ``number``, or of the whole service."""
        done = self.completed(number)
        figures = self._counts(number) | self._rates(number)
        exit_layer = self.record.requests.exit_layer[self.rows][done]
        figures["accuracy"] = self._accuracy(done, exit_layer)
        figures["mean_layers"] = float(exit_layer.mean()) if len(exit_layer) else None
        figures["latency"] = summary(self.latency_s[done])
        leaving = np.bincount(exit_layer)
        figures["exits"] = {str(layer): int(leaving[layer]) / len(exit_layer) for layer in np.flatnonzero(leaving)}
        return figures

    def _counts(self, number: int | None) -> Json:
        outcome = self.outcome if number is None else self.outcome[self.kind == number]
        counts = np.bincount(outcome, minlength=len(Outcome))
        return {"arrived": len(outcome)} | {item.name.lower(): int(counts[item]) for item in Outcome}

    def _rates(self, number: int | None) -> Json:
        """Throughput, goodput and attainment; classes without an objective count neither for nor against."""
        window_s = self.record.duration_s - self.record.warmup_s
        classes = range(len(self.has_slo)) if number is None else [number]
        judged = [item for item in classes if self.has_slo[item]]
        arrived = np.bincount(self.kind, minlength=len(self.has_slo))
        in_time = np.bincount(self.kind[self.in_time], minlength=len(self.has_slo))
        asked, met = int(arrived[judged].sum()), int(in_time[judged].sum())
        finished = int(self.finished_by_class[list(classes)].sum())
        return {
            "throughput": finished / window_s if window_s > 0 else None,
            "goodput": met / window_s if judged and window_s > 0 else None,
            "attainment": met / asked if asked else None,
        }

    def _accuracy(self, done: Mask, exit_layer: Ints) -> float | None:
        """Share of right answers among those known; the full model's when every answer came from it."""
        correct = self.record.requests.correct[self.rows][done]
        known = correct[~np.isnan(correct)]
        if len(known):
            return float(known.mean())
        portions = (item for item in self.record.portions if item.service == self.service)
        full = max((item.last_layer for item in portions), default=0)
        return self.info.accuracy_full if len(exit_layer) and (exit_layer == full).all() else None
