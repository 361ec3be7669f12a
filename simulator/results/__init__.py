"""What a run yields: per-request and per-batch tables, metrics, confidence intervals."""

from __future__ import annotations

from simulator.results.combine import combine, precise_enough
from simulator.results.conservation import check_conservation, check_tally
from simulator.results.metrics import metrics
from simulator.results.record import (
    Batches,
    ClassInfo,
    Outcome,
    PoolInfo,
    PortionInfo,
    Replicas,
    Requests,
    RunFrame,
    RunRecord,
    ServiceInfo,
)
from simulator.results.result import Miss, Result
from simulator.results.tally import Tally
from simulator.results.tally_metrics import tally_metrics
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
    "RunFrame",
    "RunRecord",
    "ServiceInfo",
    "Tally",
    "check_conservation",
    "check_tally",
    "combine",
    "metrics",
    "mser5",
    "precise_enough",
    "tally_metrics",
    "warmup_end_s",
]
