"""The run itself: instant after instant, as ``engine.Engine.run``, until somebody else has to act.

The kernel owns the request path. It returns to Python, with a reason and in a state from which it goes on, when more
arrivals are needed, when a control event is due (faults and windows are the reference's own code), when replicas or
stations have to go, when arrays must grow, and now and then so that a run can be watched and stopped.
"""

from __future__ import annotations

from simulator.cluster.compiled.clients import new_request, plan_client
from simulator.cluster.compiled.columns import (
    A_ARRIVED,
    AGAIN,
    ANSWER,
    APPLY,
    ARRIVAL_KEY,
    ARRIVE,
    B_ABORTED,
    COMPLETE,
    CONTROL,
    DISPATCH,
    F_ANSWER,
    F_ARRIVAL,
    F_DEADLINE,
    F_FINISH,
    F_PARTS,
    G_BATCH_ROWS,
    G_BOUNDED,
    G_COHORT,
    G_DIRTY,
    G_FREE,
    G_FREE_BATCHES,
    G_HEAP,
    G_INSIDE,
    G_LINGERING,
    G_MEMBER_ROWS,
    G_MOST_ADMITTED,
    G_MOST_EVENTS,
    G_NUMBERS,
    G_REPLICAS,
    G_ROUNDS,
    G_SEQ,
    G_SERVICES,
    G_STAGE,
    G_STANDING,
    G_TABLES,
    G_TICK,
    G_UNSETTLED,
    G_URGENT,
    GROW,
    L_BANDS,
    L_DIRTY,
    L_IDLE,
    L_LEAST,
    L_LINGERS,
    L_QUEUE,
    L_SIZE,
    L_STATION,
    MORE_ARRIVALS,
    MORE_CLIENTS,
    NEXT,
    OVER,
    Q_SIZE,
    Q_TAIL,
    R_ATTEMPTS,
    R_CLIENT,
    R_COHORT,
    R_DEPLOYMENT,
    R_GROUP,
    R_LEAVE,
    R_LIVE,
    R_NUMBER,
    R_OUTCOME,
    R_ROW,
    R_SEQ,
    R_SERVICE,
    S_CAPACITY,
    S_LINE,
    S_LINES,
    S_SERVICE,
    S_SHARED,
    S_WAITING,
    S_WINDOWED,
    SEND,
    SETTLE,
    STUCK,
    T_CHECKED,
    T_COHORT,
    T_CONTROL,
    T_DURATION,
    T_INSIDE,
    T_LIMIT,
    T_MARK,
    T_NOW,
    T_WARMUP,
    TICK,
    V_ARRIVED,
    V_AT,
    V_CLOSED,
    V_COUNT,
    V_ENTRY,
    V_MORE,
    V_WINDOWED,
    WAKE,
)
from simulator.cluster.compiled.enter import DIRTY, LINGERING, admit, touch
from simulator.cluster.compiled.events import remove_first
from simulator.cluster.compiled.finish import arrive, complete, end_request, free_batch
from simulator.cluster.compiled.jit import cold, hot, known
from simulator.cluster.compiled.measure import INSIDE
from simulator.cluster.compiled.queues import newest_queue, push, unlink
from simulator.cluster.compiled.serve import serve
from simulator.results.record import Outcome

REJECTED = int(Outcome.REJECTED)
INFINITY = float("inf")
NAN = float("nan")
CHECK_EVERY = 4096
"""Rounds between two looks at whether time goes on, as in the reference."""
MOST_STANDING = 24
ARRIVAL, DEADLINE, FIRST_NUMBER = range(3)
GROUP, ROW, LEAVE, DEPLOYMENT = range(4)
"""Columns of a chunk of arrivals."""


@hot
def next_arrival(g, services, coming_t):
    """The open service whose next arrival is the first; -1 when there is none, -2 when a chunk has run out."""
    best, soonest = -1, INFINITY
    for service in range(g[G_SERVICES]):
        at = services[service, V_AT]
        if at < services[service, V_COUNT]:
            if coming_t[ARRIVAL, service, at] < soonest:
                best, soonest = service, coming_t[ARRIVAL, service, at]
        elif services[service, V_MORE]:
            return -2
    return best


@hot
def next_request(g, free, requests, times, numbers, coming_t, coming_i, service, at):
    """The slot of the next request of an open load, with its own columns set."""
    g[G_FREE] -= 1
    r = known(free[known(g[G_FREE])])
    requests[r, R_LIVE] = 1
    requests[r, R_SERVICE] = service
    requests[r, R_GROUP] = coming_i[GROUP, service, at]
    requests[r, R_ROW] = coming_i[ROW, service, at]
    requests[r, R_LEAVE] = coming_i[LEAVE, service, at]
    requests[r, R_DEPLOYMENT] = coming_i[DEPLOYMENT, service, at]
    times[r, F_DEADLINE] = coming_t[DEADLINE, service, at]
    for column in range(g[G_NUMBERS]):
        numbers[r, column] = coming_t[FIRST_NUMBER + column, service, at]
    return r


@hot
def pass_time(g, clock, now):
    """Time goes on to ``now`` [s]; the number inside is held until then."""
    clock[T_INSIDE] += g[G_INSIDE] * (now - clock[T_MARK])
    clock[T_COHORT] += g[G_COHORT] * (now - clock[T_MARK])
    clock[T_MARK] = now
    clock[T_NOW] = now


@hot
def join_ahead(
    g, clock, lists, free, requests, times, dues, numbers, queues, waits, lines, timers, stations, services, coming_t,
    coming_i, bands, counts, s, soonest,
):  # fmt: skip
    """Arrivals before the next event join the one queue they can, up to the first for which somebody may be ready.

    The same as :func:`enter.admit` for each of them, with all that they share kept in registers: this is the hottest
    loop of the engine.
    """
    at, count, columns = known(services[0, V_AT]), services[0, V_COUNT], g[G_NUMBERS]
    line = known(stations[s, S_LINE])
    queue = known(lines[line, L_QUEUE])
    sorted_in, tallies = lines[line, L_BANDS] > 1, not g[G_TABLES]
    watching, least, timer = lines[line, L_IDLE] > 0, lines[line, L_LEAST], timers[line]
    size, slots, number, row = lines[line, L_SIZE], known(g[G_FREE]), services[0, V_ARRIVED], g[G_SEQ]
    inside, cohort, mark = g[G_INSIDE], g[G_COHORT], clock[T_MARK]
    area, cohort_area = clock[T_INSIDE], clock[T_COHORT]
    warmup, duration = clock[T_WARMUP], clock[T_DURATION]
    first = size
    while at < count:
        now = coming_t[ARRIVAL, 0, at]
        if now >= soonest:
            break
        slots -= 1
        r = known(free[known(slots)])
        group = known(coming_i[GROUP, 0, at])
        requests[r, R_LIVE] = 1
        requests[r, R_SERVICE] = 0
        requests[r, R_GROUP] = group
        requests[r, R_ROW] = coming_i[ROW, 0, at]
        requests[r, R_LEAVE] = coming_i[LEAVE, 0, at]
        requests[r, R_DEPLOYMENT] = 0
        requests[r, R_NUMBER] = number
        requests[r, R_SEQ] = row
        requests[r, R_ATTEMPTS] = 1
        requests[r, R_OUTCOME] = INSIDE
        times[r, F_ARRIVAL] = now
        times[r, F_DEADLINE] = coming_t[DEADLINE, 0, at]
        times[r, F_FINISH] = NAN
        times[r, F_ANSWER] = NAN
        for column in range(columns):
            numbers[r, column] = coming_t[FIRST_NUMBER + column, 0, at]
        if tallies:
            for part in range(5):
                times[r, F_PARTS + part] = 0.0
            counts[group, A_ARRIVED] += 1
            area += inside * (now - mark)
            cohort_area += cohort * (now - mark)
            inside += 1
            counted = warmup <= now < duration
            requests[r, R_COHORT] = counted
            cohort += counted
        mark = now
        q = queue + bands[group] if sorted_in else queue
        push(queues, waits, requests, times, dues, known(q), r, now)
        at += 1
        number += 1
        row += 1
        size += 1
        if watching and (size >= least or timer <= now):
            touch(g, lists, lines, line)
            break
    services[0, V_AT], services[0, V_ARRIVED] = at, number
    g[G_FREE], g[G_SEQ] = slots, row
    lines[line, L_SIZE] = size
    stations[s, S_WAITING] += size - first
    g[G_INSIDE], g[G_COHORT] = inside, cohort
    clock[T_INSIDE], clock[T_COHORT] = area, cohort_area
    if size > first:
        clock[T_MARK] = mark
        clock[T_NOW] = mark


@cold
def start_lingering(g, lists, lines, stations, marked):
    """Lines beside which requests linger that may have to go are dispatched whenever their service is."""
    for i in range(g[G_DIRTY]):
        line = lists[DIRTY, i]
        if lines[line, L_IDLE]:
            marked[stations[lines[line, L_STATION], S_SERVICE]] = 1
    kept = 0
    for i in range(g[G_LINGERING]):
        line = lists[LINGERING, i]
        if marked[stations[lines[line, L_STATION], S_SERVICE]]:
            lines[line, L_LINGERS] = 0
            touch(g, lists, lines, line)
        else:
            lists[LINGERING, kept] = line
            kept += 1
    g[G_LINGERING] = kept
    marked[:] = 0


@cold
def sort_dirty(g, lists):
    """Lines dispatch by service, portion and line, which is the order of their numbers."""
    n = g[G_DIRTY]
    gap = 1
    while gap < n // 3:
        gap = 3 * gap + 1
    while gap > 0:  # Shell's sort: mostly there are two or three, rarely thousands
        for i in range(gap, n):
            line = lists[DIRTY, i]
            j = i
            while j >= gap and lists[DIRTY, j - gap] > line:
                lists[DIRTY, j] = lists[DIRTY, j - gap]
                j -= gap
            lists[DIRTY, j] = line
        gap //= 3


@cold
def reject_beyond_capacity(
    g, clock, heap_t, heap_i, lists, free, requests, times, dues, queues, lines, stations, services, clients, ahead,
    statics, counts, out_t, out_i, s,
):  # fmt: skip
    """The newest requests waiting beyond the capacity of a station go."""
    while stations[s, S_WAITING] > stations[s, S_CAPACITY]:
        best, number, where = -1, -1, -1
        for line in range(stations[s, S_LINE], stations[s, S_LINE] + stations[s, S_LINES]):
            if lines[line, L_SIZE]:
                q = newest_queue(lines, queues, requests, line)
                found = requests[queues[q, Q_TAIL], R_NUMBER]
                if found > number:
                    best, number, where = q, found, line
        r = queues[best, Q_TAIL]
        unlink(queues, requests, dues, best, r, queues[best, Q_SIZE] - 1)
        lines[where, L_SIZE] -= 1
        stations[s, S_WAITING] -= 1
        end_request(
            g, clock, heap_t, heap_i, lists, free, requests, times, stations, services, clients, ahead, statics,
            counts, out_t, out_i, r, REJECTED, stations[s, S_WINDOWED],
        )  # fmt: skip


@hot
def is_empty(stations):
    """Whether no request waits in a line; only asked when no event is left, so nothing is in service either."""
    for s in range(stations.shape[0]):  # noqa: SIM110  # compiled code has no generators
        if stations[s, S_WAITING]:
            return False
    return True


@hot
def short_of_room(g, out_i):
    """Whether what one instant can bring may not fit into the arrays."""
    if g[G_FREE] < g[G_MOST_ADMITTED] or g[G_HEAP] > g[G_MOST_EVENTS]:
        return True
    return g[G_TABLES] == 1 and g[G_SEQ] + g[G_MOST_ADMITTED] > out_i.shape[0]


@hot
def short_of_batches(g, requests, row_i, member_i):
    """Whether what one dispatch can start may not fit into the arrays."""
    if g[G_FREE_BATCHES] < g[G_REPLICAS] or g[G_HEAP] > g[G_MOST_EVENTS]:
        return True
    if not g[G_TABLES]:
        return False
    inside = requests.shape[0] - g[G_FREE]
    return g[G_BATCH_ROWS] + g[G_REPLICAS] > row_i.shape[0] or g[G_MEMBER_ROWS] + inside > member_i.shape[0]


@cold
def advance(
    g, clock, heap_t, heap_i, lists, free, requests, times, dues, numbers, queues, waits, lines, timers, stations,
    services, coming_t, coming_i, clients, ahead, limits, replicas, link_free, batches, spans, free_batches, phases,
    floors, tables, statics, starts_s, bands, opens, fires, bounded, scratch, tested, marked, idle,
    counts, sums, latency_bins, part_bins, exits, right, starts, waited, wait_bins, busy, pool_busy,
    row_i, row_t, member_i, member_t, out_t, out_i,
):  # fmt: skip
    """Run until one of the reasons to return (``columns.OVER`` and what follows it)."""
    single = g[G_SERVICES] == 1
    entry = known(services[0, V_ENTRY])
    # One open load and one queue to join: most arrivals then only join it, and the next one follows at once.
    plain = single and not services[0, V_CLOSED] and not services[0, V_WINDOWED] and stations[entry, S_SHARED]
    plain = plain and stations[entry, S_CAPACITY] < 0
    while True:
        if g[G_STAGE] == NEXT:
            if g[G_URGENT]:
                return MORE_CLIENTS
            if short_of_room(g, out_i):
                return GROW
            if plain:
                soonest = clock[T_CONTROL]
                if g[G_HEAP] and heap_t[0] < soonest:
                    soonest = heap_t[0]
                join_ahead(
                    g, clock, lists, free, requests, times, dues, numbers, queues, waits, lines, timers, stations,
                    services, coming_t, coming_i, bands, counts, entry, soonest,
                )  # fmt: skip
                if g[G_DIRTY]:
                    g[G_STAGE] = APPLY
                    continue
            now = clock[T_CONTROL]
            if g[G_HEAP] and heap_t[0] < now:
                now = heap_t[0]
            if not plain or services[0, V_AT] >= services[0, V_COUNT]:  # else no arrival comes before
                service = next_arrival(g, services, coming_t)
                if service == -2:
                    return MORE_ARRIVALS
                if service >= 0 and coming_t[ARRIVAL, service, services[service, V_AT]] <= now:
                    now = coming_t[ARRIVAL, service, services[service, V_AT]]
                elif now > clock[T_LIMIT] or (now > clock[T_DURATION] and g[G_HEAP] == 0 and is_empty(stations)):
                    return OVER
            pass_time(g, clock, now)
            g[G_STAGE] = APPLY
        now = clock[T_NOW]
        if g[G_STAGE] == APPLY:
            arrivals_done = False
            while True:
                if g[G_HEAP] and heap_t[0] == now and (arrivals_done or heap_i[0, 0] < ARRIVAL_KEY):
                    what = heap_i[0, 2]
                    kind = what & 7
                    remove_first(g, heap_t, heap_i)
                    if kind == WAKE:
                        touch(g, lists, lines, what >> 3)
                    elif kind == SEND:
                        r = new_request(
                            g, free, requests, times, numbers, services, statics, starts_s, limits, clients, ahead,
                            what >> 3, now,
                        )  # fmt: skip
                        admit(
                            g, clock, lists, requests, times, dues, numbers, queues, waits, lines, stations, services,
                            replicas, batches, bands, opens, statics, counts, timers, r, now,
                        )  # fmt: skip
                    else:
                        b = known((what >> 3) & 0x1FFFFFFF)
                        arrives = kind == ARRIVE
                        if batches[b, B_ABORTED]:
                            arrives = False
                            free_batch(g, free_batches, batches, b)
                        elif kind == COMPLETE:
                            arrives = complete(
                                g, clock, heap_t, heap_i, lists, free, requests, times, dues, queues, waits, lines,
                                stations, services, clients, ahead, replicas, link_free, batches, spans, free_batches,
                                phases, tables, statics, idle, counts, sums, latency_bins, part_bins, exits, right,
                                busy, pool_busy, row_t, out_t, out_i, b, now,
                            )  # fmt: skip
                        elif kind == ANSWER:
                            r = what >> 32
                            if times[r, F_FINISH] != times[r, F_FINISH]:
                                times[r, F_FINISH] = now
                                plan_client(
                                    g, clock, heap_t, heap_i, lists, services, clients, ahead, requests[r, R_CLIENT],
                                    now,
                                )  # fmt: skip
                            free_batch(g, free_batches, batches, b)
                        if arrives:
                            arrive(
                                g, clock, lists, free, requests, times, dues, numbers, queues, waits, lines, stations,
                                services, replicas, batches, spans, free_batches, phases, bands, opens, statics, fires,
                                idle, busy, pool_busy, row_t, out_t, out_i, b, now,
                            )  # fmt: skip
                    continue
                if arrivals_done:
                    break
                service = 0 if single else next_arrival(g, services, coming_t)
                at = services[service, V_AT] if service >= 0 else 0
                if service < 0 or at >= services[service, V_COUNT] or coming_t[ARRIVAL, service, at] != now:
                    if service == -2 or (single and at >= services[0, V_COUNT] and services[0, V_MORE]):
                        return MORE_ARRIVALS
                    arrivals_done = True
                    continue
                services[service, V_AT] = at + 1
                r = next_request(g, free, requests, times, numbers, coming_t, coming_i, service, at)
                admit(
                    g, clock, lists, requests, times, dues, numbers, queues, waits, lines, stations, services,
                    replicas, batches, bands, opens, statics, counts, timers, r, now,
                )  # fmt: skip
            if g[G_UNSETTLED]:
                return SETTLE
            if clock[T_CONTROL] == now:
                return CONTROL
            g[G_STAGE] = DISPATCH
        if g[G_STAGE] == DISPATCH:
            if g[G_DIRTY]:
                if short_of_batches(g, requests, row_i, member_i):
                    return GROW
                if g[G_LINGERING]:
                    start_lingering(g, lists, lines, stations, marked)
                if g[G_DIRTY] > 1:
                    sort_dirty(g, lists)
                count = g[G_DIRTY]
                g[G_DIRTY] = 0
                for i in range(count):
                    line = known(lists[DIRTY, i])
                    lines[line, L_DIRTY] = 0
                    if lines[line, L_IDLE]:
                        serve(
                            g, clock, heap_t, heap_i, lists, free, requests, times, dues, numbers, queues, lines,
                            timers, stations, services, clients, ahead, replicas, batches, spans, free_batches, phases,
                            floors, tables, statics, scratch, tested, idle, counts, starts, waited, wait_bins, row_i,
                            row_t, member_i, member_t, out_t, out_i, line, now,
                        )  # fmt: skip
                for i in range(g[G_BOUNDED]):
                    reject_beyond_capacity(
                        g, clock, heap_t, heap_i, lists, free, requests, times, dues, queues, lines, stations,
                        services, clients, ahead, statics, counts, out_t, out_i, bounded[i],
                    )  # fmt: skip
                g[G_STAGE] = AGAIN
                if g[G_UNSETTLED]:
                    return SETTLE
            g[G_STAGE] = AGAIN
        if g[G_STAGE] == AGAIN:
            if g[G_DIRTY]:
                g[G_STAGE] = DISPATCH
                continue
            g[G_STAGE] = NEXT
            g[G_ROUNDS] += 1
            if g[G_ROUNDS] % CHECK_EVERY == 0:
                g[G_STANDING] = g[G_STANDING] + 1 if now == clock[T_CHECKED] else 0
                clock[T_CHECKED] = now
                if g[G_STANDING] > MOST_STANDING:
                    return STUCK
            if g[G_ROUNDS] >= g[G_TICK]:
                return TICK
