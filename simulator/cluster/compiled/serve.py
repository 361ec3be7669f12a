"""Which idle replica starts what, once an instant has settled: the batching disciplines of ``dispatch``."""

from __future__ import annotations

from simulator.cluster.compiled.columns import (
    F_DEADLINE,
    F_FINISH,
    G_LINGERING,
    H_BATCH,
    L_BANDS,
    L_IDLE,
    L_LINGERS,
    L_NUMBER,
    L_QUEUE,
    L_SIZE,
    L_STATION,
    P_BUFFER,
    P_BUFFERED,
    P_KIND,
    Q_HEAD,
    Q_SIZE,
    Q_WAITS,
    R_NEXT,
    S_BITS,
    S_DROPS,
    S_KINDS,
    S_PHASE,
    S_PLACES,
    S_REPLICA,
    S_SERIAL,
    S_SET,
    S_SHARED,
    S_WAITING,
    S_WINDOWED,
    TIMER_KEY,
    WAKE,
)
from simulator.cluster.compiled.enter import LINGERING
from simulator.cluster.compiled.events import schedule
from simulator.cluster.compiled.finish import end_request
from simulator.cluster.compiled.jit import cold, hot, known
from simulator.cluster.compiled.queues import earliest_due, queue_due, unlink
from simulator.cluster.compiled.sets import contains, discard, least
from simulator.cluster.compiled.start import start
from simulator.results.record import Outcome

DROPPED = int(Outcome.DROPPED)
INFINITY = float("inf")


@hot
def idle_from(lines, stations, idle, s, line, group, number):
    """Least idle replica of a group that draws from a line, not below ``number``; -1 without."""
    size = stations[s, S_SET]
    base = stations[s, S_BITS] + group * size
    if stations[s, S_SHARED]:
        return least(idle, base, size, number)
    own = lines[line, L_NUMBER]
    if own >= number and contains(idle, base, size, own):
        return own
    return -1


@hot
def ready(waiting, has_dues, due, now):
    """How many of fewer requests than a batch a replica starts with now; 0 when it is not ready."""
    if not has_dues or due <= now:
        return waiting
    return 0


@cold
def drop_stale(
    g, clock, heap_t, heap_i, lists, free, requests, times, dues, queues, lines, stations, services, clients, ahead,
    statics, counts, out_t, out_i, s, line, q, most, latest,
):  # fmt: skip
    """Drop, of the first ``most`` of queue ``q`` (-1: of the line), those past their deadline; the next ones move up.

    How many were dropped.
    """
    first = lines[line, L_QUEUE] if q < 0 else q
    bands = lines[line, L_BANDS] if q < 0 else 1
    kept, dropped = 0, 0
    for queue in range(first, first + bands):
        r = queues[queue, Q_HEAD] if queues[queue, Q_SIZE] else -1
        before = kept
        while r >= 0 and kept < most:
            after = requests[r, R_NEXT]
            if latest > times[r, F_DEADLINE] and times[r, F_FINISH] != times[r, F_FINISH]:
                unlink(queues, requests, dues, queue, r, kept - before)
                if q < 0:
                    lines[line, L_SIZE] -= 1
                    stations[s, S_WAITING] -= 1
                end_request(
                    g, clock, heap_t, heap_i, lists, free, requests, times, stations, services, clients, ahead,
                    statics, counts, out_t, out_i, r, DROPPED, stations[s, S_WINDOWED],
                )  # fmt: skip
                dropped += 1
            else:
                kept += 1
            r = after
    return dropped


@hot
def await_due(g, heap_t, heap_i, lists, lines, timers, line, due, drops, now):
    """Nobody is ready: dispatch again when the oldest is due, and with a drop policy whenever the service does."""
    if drops and not lines[line, L_LINGERS]:
        lines[line, L_LINGERS] = 1
        lists[LINGERING, g[G_LINGERING]] = line
        g[G_LINGERING] += 1
    if due < timers[line] or timers[line] <= now:
        timers[line] = due
        if due < INFINITY:
            schedule(g, heap_t, heap_i, due, TIMER_KEY + line, (line << 3) | WAKE)


@hot
def serve(
    g, clock, heap_t, heap_i, lists, free, requests, times, dues, numbers, queues, lines, timers, stations,
    services, clients, ahead, replicas, batches, spans, free_batches, phases, floors, tables, statics, scratch,
    tested, idle, counts, starts, waited, wait_bins, row_i, row_t, member_i, member_t, out_t, out_i, line, now,
):  # fmt: skip
    """Each idle replica of a line, by ascending number, starts iff waiting >= batch or now >= due.

    A serial one serves its deepest ready buffer, else the line. Replicas of a kind with nothing in their buffers are
    ready together, so of each kind only the first is asked until something has changed.
    """
    s = known(lines[line, L_STATION])
    drops, kinds, serial = stations[s, S_DROPS], stations[s, S_KINDS], stations[s, S_SERIAL]
    places, size, base = stations[s, S_PLACES], stations[s, S_SET], stations[s, S_BITS]
    alike = kinds == 1 and not serial
    groups = kinds + 1 if serial else kinds
    version = 0
    if not alike:
        for kind in range(kinds):
            tested[kind] = -1
    last = -1
    while serial or lines[line, L_SIZE]:
        k, q, kind, number = 0, -1, 0, -1
        if alike:
            number = idle_from(lines, stations, idle, s, line, 0, 0)
        else:
            for group in range(groups):
                if group == kinds or tested[group] != version:
                    found = idle_from(lines, stations, idle, s, line, group, last + 1)
                    if found >= 0 and (number < 0 or found < number):
                        number = found
        if number < 0:
            break
        last = number
        replica = known(stations[s, S_REPLICA] + number)
        h = known(stations[s, S_PHASE])
        depth = 0
        if not alike:
            kind = known(replicas[replica, P_KIND])
            h = known(h + kind * places)
            depth = places - 1
        while True:
            waiting = lines[line, L_SIZE]
            if depth:
                q = known(replicas[replica, P_BUFFER] + depth - 1)
                waiting = queues[q, Q_SIZE]
            if waiting and drops:
                latest = now + floors[h + depth] if drops == 2 else now
                gone = drop_stale(
                    g, clock, heap_t, heap_i, lists, free, requests, times, dues, queues, lines, stations,
                    services, clients, ahead, statics, counts, out_t, out_i, s, line, q,
                    phases[h + depth, H_BATCH], latest,
                )  # fmt: skip
                version += gone
                waiting -= gone
                if q >= 0:
                    replicas[replica, P_BUFFERED] -= gone
            if waiting:
                batch = phases[h + depth, H_BATCH]
                if waiting >= batch:
                    k = batch
                elif q >= 0:
                    k = ready(waiting, queues[q, Q_WAITS], queue_due(queues, requests, times, dues, q, 0), now)
                else:
                    due = earliest_due(lines, queues, requests, times, dues, line, kind)
                    k = ready(waiting, queues[known(lines[line, L_QUEUE]), Q_WAITS], due, now)
            if k or depth == 0:
                break
            depth -= 1
            q = -1
        if k == 0:
            if alike:
                if waiting:
                    await_due(g, heap_t, heap_i, lists, lines, timers, line, due, drops, now)
                return
            if replicas[replica, P_BUFFERED] == 0:
                tested[kind] = version
            continue
        version += 1
        discard(idle, base + kind * size, size, number)
        if serial:
            discard(idle, base + kinds * size, size, number)
        lines[line, L_IDLE] -= 1
        start(
            g, clock, heap_t, heap_i, requests, times, dues, numbers, queues, lines, stations, services, replicas,
            batches, spans, free_batches, phases, tables, statics, scratch, row_i, row_t, member_i, member_t,
            starts, waited, wait_bins, s, line, replica, h + depth, q, k, now,
        )  # fmt: skip
    if alike or lines[line, L_IDLE] == 0:
        return
    due = INFINITY
    waiting = False
    if lines[line, L_SIZE]:
        for group in range(groups):
            number = idle_from(lines, stations, idle, s, line, group, 0)
            while number >= 0:
                waiting = True
                kind = replicas[stations[s, S_REPLICA] + number, P_KIND]
                due = min(due, earliest_due(lines, queues, requests, times, dues, line, kind))
                if group < kinds:
                    break
                number = idle_from(lines, stations, idle, s, line, group, number + 1)
    if serial:
        number = idle_from(lines, stations, idle, s, line, kinds, 0)
        while number >= 0:
            for place in range(places - 1):
                q = replicas[stations[s, S_REPLICA] + number, P_BUFFER] + place
                if queues[q, Q_SIZE]:
                    waiting = True
                    due = min(due, queue_due(queues, requests, times, dues, q, 0))
            number = idle_from(lines, stations, idle, s, line, kinds, number + 1)
    if waiting:
        await_due(g, heap_t, heap_i, lists, lines, timers, line, due, drops, now)
