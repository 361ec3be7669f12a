"""All arrival processes by their name in the scenario: a new one is one file and one line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from simulator.workload import closed, mmpp, rates, renewal, trace
from simulator.workload.process import Binding, Process, Workload


@dataclass(frozen=True, slots=True)
class Kind:
    """What the product does with one process.

    ``bind`` reads its files (None for a closed load, whose arrivals answer the cluster), ``multiplied``
    gives the change of attributes that multiplies its load, ``check`` compares it with the length of the
    run.
    """

    bind: Callable[[Any, Binding], Process] | None
    multiplied: Callable[[Any, float], dict[str, Any]]
    check: Callable[[Any, Any, Binding, float], None] | None = None


PROCESSES: dict[str, Kind] = {
    "poisson": Kind(renewal.poisson, renewal.faster),
    "gamma": Kind(renewal.gamma, renewal.faster),
    "mmpp": Kind(mmpp.mmpp, mmpp.faster),
    "trace": Kind(trace.trace, trace.faster, trace.check_start),
    "rates": Kind(rates.rates, rates.faster),
    "closed": Kind(None, closed.more),
}


def scaled(workload: Workload, factor: float) -> Workload:
    """A copy of ``workload`` with its load multiplied by ``factor`` > 0.

    Rates are multiplied, a trace is compressed in time, the number of clients is multiplied and rounded up.
    """
    if factor == 1:
        return workload
    return workload.model_copy(update=PROCESSES[workload.process].multiplied(workload, factor))
