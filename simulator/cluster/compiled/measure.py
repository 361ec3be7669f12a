"""What becomes of a request or a batch, noted: in counters and sketches, or in a row of a table."""

from __future__ import annotations

from simulator.cluster.compiled.columns import (
    A_COHORT,
    A_FINISHED,
    A_IN_TIME,
    A_KNOWN,
    A_MAX,
    A_OUTCOMES,
    A_RIGHT,
    A_SUM,
    B_END,
    B_HEAD,
    B_PHASE,
    B_REPLICA,
    B_ROW,
    B_START,
    F_ARRIVAL,
    F_DEADLINE,
    F_FINISH,
    F_PARTS,
    F_RETRY,
    F_SERVICE,
    F_TRANSFER,
    G_COHORT,
    G_INSIDE,
    G_TABLES,
    H_PORTION,
    P_DEVICES,
    P_POOL,
    R_ATTEMPTS,
    R_COHORT,
    R_DEPLOYMENT,
    R_GROUP,
    R_LEAVE,
    R_NEXT,
    R_NUMBER,
    R_OUTCOME,
    R_ROW,
    R_SEQ,
    R_SERVICE,
    T_COHORT,
    T_COHORT_SOJOURN,
    T_DURATION,
    T_INSIDE,
    T_NOW,
    T_SOJOURN,
    T_WARMUP,
    V_LAYERS,
    V_RIGHT,
    V_ROWS,
)
from simulator.cluster.compiled.jit import bits_of, cold, hot, known
from simulator.results.record import Outcome
from simulator.results.sketch import BINS, BITS, LOWEST

COMPLETED, INSIDE = int(Outcome.COMPLETED), int(Outcome.INSIDE)
_SHIFT = 52 - BITS
_BASE = ((1023 + LOWEST) << BITS) - 1


@hot
def bin_of(value):
    """Bin of the quantile sketch; as ``results.sketch.bin_of``."""
    if value <= 0.0:
        return 0
    place = (bits_of(value) >> _SHIFT) - _BASE
    if place < 1:
        return 1
    if place >= BINS:
        return BINS - 1
    return place


@hot
def note_answer(g, clock, requests, times, services, counts, sums, latency_bins, part_bins, exits, right, r):
    """An answer has left, and all parts of its latency are known."""
    finish, arrival = times[r, F_FINISH], times[r, F_ARRIVAL]
    group = known(requests[r, R_GROUP])
    latency = finish - arrival
    counts[group, A_OUTCOMES + COMPLETED] += 1
    clock[T_SOJOURN] += latency
    clock[T_INSIDE] -= clock[T_NOW] - finish  # it was counted as inside until now
    g[G_INSIDE] -= 1
    if clock[T_WARMUP] <= finish < clock[T_DURATION]:
        counts[group, A_FINISHED] += 1
    if not requests[r, R_COHORT]:
        return
    clock[T_COHORT_SOJOURN] += latency
    clock[T_COHORT] -= clock[T_NOW] - finish
    g[G_COHORT] -= 1
    counts[group, A_COHORT + COMPLETED] += 1
    if finish <= times[r, F_DEADLINE]:
        counts[group, A_IN_TIME] += 1
    sums[group, A_SUM] += latency
    if latency > sums[group, A_MAX]:
        sums[group, A_MAX] = latency
    place = known(bin_of(latency))
    latency_bins[group, place] += 1
    for part in range(5):
        part_bins[group, place, part] += times[r, F_PARTS + part]
    layer = known(requests[r, R_LEAVE])
    exits[group, layer] += 1
    service = known(requests[r, R_SERVICE])
    if services[service, V_RIGHT] >= 0:
        row = requests[r, R_DEPLOYMENT] * services[service, V_ROWS] + requests[r, R_ROW]
        answer = right[services[service, V_RIGHT] + row * services[service, V_LAYERS] + layer - 1]
        if answer == answer:
            counts[group, A_KNOWN] += 1
            sums[group, A_RIGHT] += answer


@cold
def note_end(g, clock, requests, times, counts, r):
    """A request has ended without an answer."""
    group, outcome = requests[r, R_GROUP], requests[r, R_OUTCOME]
    sojourn = times[r, F_FINISH] - times[r, F_ARRIVAL]
    counts[group, A_OUTCOMES + outcome] += 1
    clock[T_SOJOURN] += sojourn
    g[G_INSIDE] -= 1
    if requests[r, R_COHORT]:
        counts[group, A_COHORT + outcome] += 1
        clock[T_COHORT_SOJOURN] += sojourn
        g[G_COHORT] -= 1


@hot
def note_request(requests, times, out_t, out_i, r):
    """The row of a request whose slot ends, or that is inside when the run does."""
    row = requests[r, R_SEQ]
    out_t[row, 0] = times[r, F_ARRIVAL]
    out_t[row, 1] = times[r, F_FINISH]
    out_i[row, 0] = requests[r, R_SERVICE]
    out_i[row, 1] = requests[r, R_NUMBER]
    out_i[row, 2] = requests[r, R_GROUP]
    out_i[row, 3] = requests[r, R_OUTCOME]
    out_i[row, 4] = requests[r, R_LEAVE]
    out_i[row, 5] = requests[r, R_ROW]
    out_i[row, 7] = requests[r, R_DEPLOYMENT]
    out_i[row, 6] = requests[r, R_ATTEMPTS]


@hot
def note_batch(g, clock, replicas, batches, spans, phases, row_t, busy, pool_busy, b, free, idle):
    """A batch is over: its survivors have arrived at ``free``, its replica was idle again at ``idle`` [s]."""
    if g[G_TABLES]:
        row = batches[b, B_ROW]
        row_t[row, 2] = free
        row_t[row, 3] = idle
        return
    start, end = spans[b, B_START], idle
    if start < clock[T_WARMUP]:
        start = clock[T_WARMUP]
    if end > clock[T_DURATION]:
        end = clock[T_DURATION]
    seconds = end - start
    if seconds > 0:
        replica = known(batches[b, B_REPLICA])
        busy[phases[batches[b, B_PHASE], H_PORTION]] += seconds
        pool_busy[replicas[replica, P_POOL]] += seconds * replicas[replica, P_DEVICES]


@cold
def note_taken_back(
    g, clock, requests, times, services, counts, sums, latency_bins, part_bins, exits, right,
    replicas, batches, spans, phases, row_t, busy, pool_busy, b, now, idle,
):  # fmt: skip
    """A batch under way is taken back, or cut off by the end of the run, at ``now`` [s].

    Its members are those that it still had; who has an answer by now is served until then, the others lost the time.
    """
    tables = g[G_TABLES]
    if tables:
        row_t[batches[b, B_ROW], 1] = now
    r = batches[b, B_HEAD]
    while r >= 0:
        after = requests[r, R_NEXT]
        if not tables and requests[r, R_OUTCOME] == INSIDE:
            finish = times[r, F_FINISH]
            if finish == finish:
                requests[r, R_OUTCOME] = COMPLETED
                times[r, F_SERVICE] += min(now, finish) - spans[b, B_START]
                note_answer(g, clock, requests, times, services, counts, sums, latency_bins, part_bins, exits, right, r)
            else:
                times[r, F_RETRY] += now - spans[b, B_START]
        r = after
    note_batch(g, clock, replicas, batches, spans, phases, row_t, busy, pool_busy, b, now, idle)


@hot
def note_transfer(requests, times, batches, spans, b, now):
    """Survivors of a batch arrive at ``now`` [s]: its service and their transfer are time of theirs."""
    r = batches[b, B_HEAD]
    service, transfer = spans[b, B_END] - spans[b, B_START], now - spans[b, B_END]
    while r >= 0:
        if requests[r, R_OUTCOME] == INSIDE:
            times[r, F_SERVICE] += service
            times[r, F_TRANSFER] += transfer
        r = requests[r, R_NEXT]
