"""From the arrays of a finished run to its record, or to its tally."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from simulator.cluster.compiled import columns as c
from simulator.cluster.recorder import replica_table
from simulator.results.record import Batches, Ints, Outcome, Requests, RunFrame, RunRecord
from simulator.results.tally import Tally

if TYPE_CHECKING:
    from simulator.cluster.compiled.engine import CompiledEngine


def _facts(engine: CompiledEngine, end_s: float) -> dict[str, Any]:
    lowered = engine.lowered
    return {
        "replication": engine.replication,
        "warmup_s": lowered.warmup_s,
        "duration_s": lowered.duration_s,
        "end_s": end_s,
        "services": tuple(service.info for service in lowered.services),
        "portions": lowered.portions,
        "pools": lowered.pools,
        "replicas": replica_table(engine.replicas),
        "warnings": lowered.warnings,
    }


def frame(engine: CompiledEngine, end_s: float) -> RunFrame:
    """The facts of the run that do not depend on its requests."""
    return RunFrame(**_facts(engine, end_s))


def record(engine: CompiledEngine, end_s: float, aborted: list[int]) -> RunRecord:
    """The whole record."""
    requests, place = _requests(engine)
    return RunRecord(**_facts(engine, end_s), requests=requests, batches=_batches(engine, place, aborted))


def _requests(engine: CompiledEngine) -> tuple[Requests, Ints]:
    """The request table in order of arrival, and the row of each request by its number in order of arrival."""
    arrays = engine.arrays
    live = np.flatnonzero(arrays.requests[:, c.R_LIVE])
    rows = arrays.requests[live, c.R_SEQ]
    n = int(arrays.g[c.G_SEQ])
    ints, times = arrays.out_i[:n], arrays.out_t[:n]
    fields = [c.R_SERVICE, c.R_NUMBER, c.R_GROUP, c.R_OUTCOME, c.R_LEAVE, c.R_ROW, c.R_ATTEMPTS, c.R_DEPLOYMENT]
    ints[rows] = arrays.requests[live][:, fields]
    times[rows] = arrays.times[live][:, [c.F_ARRIVAL, c.F_FINISH]]
    service, number, group, outcome, leave, row, attempts, deployment = (column.copy() for column in ints.T)
    outcome[(outcome == Outcome.INSIDE) & ~np.isnan(times[:, 1])] = Outcome.COMPLETED
    place = np.arange(n)
    if len(engine.tables) > 1:  # at one instant closed loads arrive last, but stand by service in the table
        order = np.lexsort((number, service, times[:, 0]))
        place = np.empty(n, np.int64)
        place[order] = np.arange(n)
        service, number, group, outcome, leave, row, attempts, deployment = (
            column[order] for column in (service, number, group, outcome, leave, row, attempts, deployment)
        )
        times = times[order]
    done = outcome == Outcome.COMPLETED
    requests = Requests(
        service=service,
        number=number,
        class_index=group - arrays.services[service, c.V_GROUP],
        arrival_s=times[:, 0].copy(),
        finish_s=times[:, 1].copy(),
        outcome=outcome,
        exit_layer=np.where(done, leave, 0),
        correct=_correct(engine, service, deployment, row, leave, done),
        attempts=attempts,
    )
    return requests, place


def _correct(engine: CompiledEngine, service: Ints, deployment: Ints, row: Ints, leave: Ints, done: Any) -> Any:
    correct = np.full(len(service), np.nan)
    for index, spec in enumerate(engine.lowered.services):
        mine = np.flatnonzero((service == index) & done)
        correct[mine] = spec.right_answers(deployment[mine], row[mine], leave[mine] - 1)
    return correct


def _batches(engine: CompiledEngine, place: Ints, aborted: list[int]) -> Batches:
    arrays = engine.arrays
    rows, members = int(arrays.g[c.G_BATCH_ROWS]), int(arrays.g[c.G_MEMBER_ROWS])
    ints, times = arrays.row_i[:rows], arrays.row_t[:rows]
    was_aborted = np.zeros(rows, dtype=bool)
    was_aborted[aborted] = True
    return Batches(
        portion=ints[:, 0].copy(),
        replica=ints[:, 1].copy(),
        start_s=times[:, 0].copy(),
        end_s=times[:, 1].copy(),
        free_s=times[:, 2].copy(),
        idle_s=times[:, 3].copy(),
        due_s=times[:, 4].copy(),
        capacity=ints[:, 2].copy(),
        aborted=was_aborted,
        offset=np.concatenate([[0], np.cumsum(ints[:, 3])]).astype(np.int64),
        member=place[arrays.member_i[:members]],
        entered_s=arrays.member_t[:members].copy(),
    )


def tally(engine: CompiledEngine, end_s: float) -> Tally:
    """Counters and sketches, with the requests that are still inside."""
    arrays, clock = engine.arrays, engine.arrays.clock
    live = np.zeros(0, np.int64)
    if arrays.g[c.G_FREE] < len(arrays.free):
        requests = arrays.requests
        live = np.flatnonzero((requests[:, c.R_LIVE] == 1) & (requests[:, c.R_OUTCOME] == Outcome.INSIDE))
    group, cohort = arrays.requests[live, c.R_GROUP], arrays.requests[live, c.R_COHORT] == 1
    sojourn = end_s - arrays.times[live, c.F_ARRIVAL]
    np.add.at(arrays.counts, (group, c.A_OUTCOMES + Outcome.INSIDE), 1)
    np.add.at(arrays.counts, (group[cohort], c.A_COHORT + Outcome.INSIDE), 1)
    counts, sums = arrays.counts, arrays.sums
    return Tally(
        arrived=counts[:, c.A_ARRIVED],
        outcomes=counts[:, c.A_OUTCOMES : c.A_OUTCOMES + len(Outcome)],
        cohort=counts[:, c.A_COHORT : c.A_COHORT + len(Outcome)],
        in_time=counts[:, c.A_IN_TIME],
        finished=counts[:, c.A_FINISHED],
        latency_sum=sums[:, c.A_SUM],
        latency_max=sums[:, c.A_MAX],
        latency_bins=arrays.latency_bins,
        parts_bins=arrays.part_bins,
        exits=arrays.exits,
        correct=sums[:, c.A_RIGHT],
        known=counts[:, c.A_KNOWN],
        batches=arrays.starts[:, 0],
        members=arrays.starts[:, 1],
        wait_sum=arrays.waited,
        wait_bins=arrays.wait_bins,
        busy_s=arrays.busy,
        pool_busy_s=arrays.pool_busy,
        inside_s=clock[c.T_INSIDE : c.T_INSIDE + 1],
        sojourn_s=np.array([clock[c.T_SOJOURN] + sojourn.sum()]),
        cohort_inside_s=clock[c.T_COHORT : c.T_COHORT + 1],
        cohort_sojourn_s=np.array([clock[c.T_COHORT_SOJOURN] + sojourn[cohort].sum()]),
    )
