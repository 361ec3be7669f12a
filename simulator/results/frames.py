"""Tidy pandas frames of the facts; each has a ``replication`` column, times are in seconds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from simulator.results.capacity import service_names
from simulator.results.cohort import Json
from simulator.results.figures import portion_label
from simulator.results.record import Floats, Ints, Outcome, RunRecord

TIME_BINS = 100
"""Bins of the timeline between the start of the run and ``duration``."""


def requests(records: Sequence[RunRecord]) -> pd.DataFrame:
    """One row per request: who it was, when it came and left, how it ended."""
    return pd.concat([_requests(record) for record in records], ignore_index=True)


def batches(records: Sequence[RunRecord]) -> pd.DataFrame:
    """One row per started batch: where and when it ran, and how full it was."""
    return pd.concat([_batches(record) for record in records], ignore_index=True)


def portions(metrics: Sequence[Json]) -> pd.DataFrame:
    """One row per portion: replicas, utilization, mean batch and queue wait [s]."""
    rows = [
        {
            "replication": replication,
            "service": service,
            "portion": label + portion_label(portion),
            "replicas": portion["replicas"],
            "utilization": portion["utilization"],
            "mean_batch": portion["mean_batch"],
            "queue_wait_mean_s": portion["queue_wait"]["mean"],
            "queue_wait_p99_s": portion["queue_wait"]["p99"],
        }
        for replication, tree in enumerate(metrics)
        for service, figures in tree["services"].items()
        for label, portions in (("", figures["portions"]), ("twin ", figures.get("twin", {}).get("portions", ())))
        for portion in portions
    ]
    return pd.DataFrame(rows)


def timeline(records: Sequence[RunRecord]) -> pd.DataFrame:
    """One row per service and time bin: arrived, completed, number inside, latency by arrival.

    ``inside`` is the number in the system at the end of the bin; latencies [s] belong to the requests that
    arrived in the bin and completed. The bins cut ``duration`` into 100; what happens later is in the last
    one.
    """
    parts = [_timeline(record, index) for record in records for index in range(len(record.services))]
    return pd.concat(parts, ignore_index=True)


def _named(codes: Ints, names: Sequence[str]) -> Any:
    """Texts by number, stored once each."""
    unique = list(dict.fromkeys(names))
    lookup = np.array([unique.index(name) for name in names], dtype=np.int64)
    categories: pd.Index[str] = pd.Index(unique)
    return pd.Categorical.from_codes(lookup[codes], categories)


def _requests(record: RunRecord) -> pd.DataFrame:
    facts = record.requests
    widest = max(len(service.classes) for service in record.services)
    classes = [
        service.classes[number].name if number < len(service.classes) else ""
        for service in record.services
        for number in range(widest)
    ]
    return pd.DataFrame(
        {
            "replication": record.replication,
            "service": _named(facts.service, [service.name for service in record.services]),
            "request": facts.number,
            "class": _named(facts.service * widest + facts.class_index, classes),
            "arrival_s": facts.arrival_s,
            "finish_s": facts.finish_s,
            "latency_s": np.where(facts.outcome == Outcome.COMPLETED, facts.finish_s - facts.arrival_s, np.nan),
            "outcome": _named(facts.outcome, [item.name.lower() for item in Outcome]),
            "exit_layer": facts.exit_layer,
            "correct": facts.correct,
            "attempts": facts.attempts,
            "in_cohort": (facts.arrival_s >= record.warmup_s) & (facts.arrival_s < record.duration_s),
        }
    )


def _batches(record: RunRecord) -> pd.DataFrame:
    facts, replicas = record.batches, record.replicas
    return pd.DataFrame(
        {
            "replication": record.replication,
            "service": _named(facts.portion, service_names(record)),
            "layers": _named(facts.portion, [portion.layers for portion in record.portions]),
            "window_from_s": np.array([portion.from_s for portion in record.portions])[facts.portion],
            "pool": _named(replicas.pool[facts.replica], [pool.name for pool in record.pools]),
            "replica": replicas.number[facts.replica],
            "start_s": facts.start_s,
            "end_s": facts.end_s,
            "free_s": facts.free_s,
            "idle_s": facts.idle_s,
            "size": np.diff(facts.offset),
            "capacity": facts.capacity,
            "aborted": facts.aborted,
        }
    )


def _timeline(record: RunRecord, service: int) -> pd.DataFrame:
    facts = record.requests
    rows = np.flatnonzero(facts.service == service)
    arrival_s, finish_s, outcome = facts.arrival_s[rows], facts.finish_s[rows], facts.outcome[rows]
    edges = np.linspace(0.0, record.duration_s, TIME_BINS + 1)
    came = _count(arrival_s, edges)
    left = _count(finish_s[~np.isnan(finish_s)], edges)
    done = outcome == Outcome.COMPLETED
    latency = pd.Series(finish_s[done] - arrival_s[done]).groupby(_bin(arrival_s[done], edges))
    return pd.DataFrame(
        {
            "replication": record.replication,
            "service": record.services[service].name,
            "from_s": edges[:-1],
            "to_s": edges[1:],
            "arrived": came,
            "completed": _count(finish_s[done], edges),
            "inside": came.cumsum() - left.cumsum(),
            "latency_mean_s": latency.mean().reindex(range(TIME_BINS)).to_numpy(),
            "latency_p99_s": latency.quantile(0.99, interpolation="higher").reindex(range(TIME_BINS)).to_numpy(),
        }
    )


def _bin(times_s: Floats, edges: Floats) -> Ints:
    return np.clip(np.searchsorted(edges, times_s, side="right") - 1, 0, TIME_BINS - 1)


def _count(times_s: Floats, edges: Floats) -> Ints:
    return np.bincount(_bin(times_s, edges), minlength=TIME_BINS)
