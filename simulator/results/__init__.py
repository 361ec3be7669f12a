"""What a run yields: per-request and per-batch tables, metrics, confidence intervals."""

from __future__ import annotations

from simulator.results.combine import combine, precise_enough
from simulator.results.conservation import check_conservation
from simulator.results.metrics import metrics
from simulator.results.record import (
    Batches,
    ClassInfo,
    Outcome,
    PoolInfo,
    PortionInfo,
    Replicas,
    Requests,
    RunRecord,
    ServiceInfo,
)
from simulator.results.result import Miss, Result
from simulator.results.warmup import mser5, warmup_end_s

__all__ = [
    "Batches",
    "ClassInfo",
    "Miss",
    "Outcome",
    "PoolInfo",
    "PortionInfo",
    "Replicas",
    "Requests",
    "Result",
    "RunRecord",
    "ServiceInfo",
    "check_conservation",
    "combine",
    "metrics",
    "mser5",
    "precise_enough",
    "warmup_end_s",
]
