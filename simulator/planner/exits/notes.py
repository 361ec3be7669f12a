"""What a reader of a comparison must know beside its figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite, sqrt

from simulator.planner.exits.case import ExitCase
from simulator.planner.exits.rows import drifts, instants
from simulator.planner.exits.steady import steady
from simulator.planner.split import ModePlan

NORMAL_95 = 1.96
FEW = 0.01
"""Accuracies are worth a remark when they are known to no better than this."""


def notes(case: ExitCase, plan: ModePlan, missing: Sequence[str]) -> Iterator[str]:
    """Statements about the case and the recommended plan, one sentence each."""
    network = case.scenario.cluster.network
    if missing:
        yield f"left out, no plan fits the devices, the objective and the accuracy asked for: {', '.join(missing)}"
    if case.measured_to < max(case.batch, 64):
        yield f"times beyond batch {case.measured_to} are extrapolated, and so is an end of the interval beyond it"
    if case.twin:
        yield "the service's twin is left out: every mode is compared without it"
    yield from _known(case, plan)
    yield from _drifting(case, plan)
    if len(case.devices) > 1:
        yield "serial replicas are of one type: they use the pool that carries most alone"
    if network is not None and network.shared:
        yield "capacities give every replica a link of its own; the simulation shares one"
    faulty = [pool for pool in case.devices if case.scenario.cluster.pools[pool].faults is not None]
    if faulty:
        yield f"capacities suppose that no replica fails; the simulation lets those of {', '.join(faulty)} fail"


def _known(case: ExitCase, plan: ModePlan) -> Iterator[str]:
    if not isfinite(plan.accuracy):
        yield "the exits say nothing of right answers, so that accuracies are not known"
        return
    rows = 1.0 / float((case.weights**2).sum())  # as many equal rows would be as uncertain
    half = NORMAL_95 * sqrt(plan.accuracy * (1.0 - plan.accuracy) / rows)
    if half >= FEW:
        yield f"accuracies come from {len(case.weights):,} rows: +- {100 * half:.1f} points (95 %)"


def _drifting(case: ExitCase, plan: ModePlan) -> Iterator[str]:
    """How a plan made for the mean mix fares while the mix moves."""
    rows, duration_s = case.source.rows, case.scenario.run.duration
    if not drifts(rows):
        return
    every = [(steady(case, plan, rows.weights(float(at))).rate, float(at)) for at in instants(duration_s)[::8]]
    (least, low), (most, high) = min(every), max(every)
    load = "" if case.rate is None else f", against {case.rate:,.0f}/s offered"
    yield (
        f"the mix drifts: the plan is made for its mean and carries {most:,.0f}/s around {high:.1f}s, "
        f"{least:,.0f}/s around {low:.1f}s{load}"
    )
