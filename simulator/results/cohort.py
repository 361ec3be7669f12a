"""The requests of one service that arrived in the window, and how they ended: totals, and figures made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from simulator.results.record import Floats, Ints, Outcome, RunFrame

Json = dict[str, Any]
"""A tree of dicts, lists, numbers, texts and None, as JSON holds it."""

COUNTS = ("arrived", *(item.name.lower() for item in Outcome))


@dataclass(frozen=True, slots=True)
class Cohort:
    """Arrivals of one service in [warmup, duration), added up by class (C rows)."""

    outcomes: Ints
    """Requests by outcome (C, 5)."""
    in_time: Ints
    """Completed within the latency that was asked (C)."""
    finished: Ints
    """Completed with their finish in the window, whenever they arrived (C)."""
    exits: Ints
    """Completed, by exit layer from 0 (C, L + 1)."""
    correct: Floats
    """Right answers among those known (C)."""
    known: Ints
    """Completed of which it is known whether the answer is right (C)."""

    def completed(self, number: int | None) -> int:
        """Completed requests of class ``number``, or of all classes."""
        return int(self.outcomes[_rows(number), Outcome.COMPLETED].sum())

    def figures(self, frame: RunFrame, service: int, number: int | None, latency: Json) -> Json:
        """Counts, rates, latency and exits of class ``number``, or of the whole service.

        ``latency`` is the mean, the percentiles and the maximum of the same requests [s].
        """
        outcomes = self.outcomes[_rows(number)].sum(axis=0)
        figures: Json = {"arrived": int(outcomes.sum())}
        figures |= {item.name.lower(): int(outcomes[item]) for item in Outcome}
        figures |= self._rates(frame, service, number)
        leaving, done = self.exits[_rows(number)].sum(axis=0), self.completed(number)
        figures["accuracy"] = self._accuracy(frame, service, number, leaving)
        figures["mean_layers"] = int(leaving @ np.arange(len(leaving))) / done if done else None
        figures["latency"] = latency
        figures["exits"] = {str(layer): int(leaving[layer]) / done for layer in np.flatnonzero(leaving)}
        return figures

    def _rates(self, frame: RunFrame, service: int, number: int | None) -> Json:
        """Throughput, goodput and attainment; classes without an objective count neither for nor against."""
        window_s = frame.duration_s - frame.warmup_s
        has_slo = np.isfinite([item.slo_s for item in frame.services[service].classes])
        judged = np.flatnonzero(has_slo) if number is None else [number] if has_slo[number] else []
        asked, met = int(self.outcomes[judged].sum()), int(self.in_time[judged].sum())
        finished = int(self.finished[_rows(number)].sum())
        return {
            "throughput": finished / window_s if window_s > 0 else None,
            "goodput": met / window_s if len(judged) and window_s > 0 else None,
            "attainment": met / asked if asked else None,
        }

    def _accuracy(self, frame: RunFrame, service: int, number: int | None, leaving: Ints) -> float | None:
        """Share of right answers among those known; the full model's when every answer came from it."""
        known = int(self.known[_rows(number)].sum())
        if known:
            return float(self.correct[_rows(number)].sum()) / known
        mine = (item for item in frame.portions if item.service == service and not item.twin)
        full = max((item.last_layer for item in mine), default=0)
        done = self.completed(number)
        all_full = 0 < done == leaving[full : full + 1].sum()
        return frame.services[service].accuracy_full if all_full else None


def _rows(number: int | None) -> slice:
    return slice(None) if number is None else slice(number, number + 1)
