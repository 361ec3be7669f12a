"""Service of a batch ends, its survivors travel on, its replica is free again."""

from __future__ import annotations

from simulator.cluster.compiled.clients import plan_client
from simulator.cluster.compiled.columns import (
    ANSWER_EARLY,
    ARRIVE,
    AT_CUT,
    B_DONE,
    B_END,
    B_EVENTS,
    B_HEAD,
    B_NEXT,
    B_PHASE,
    B_REPLICA,
    B_START,
    B_TAIL,
    F_ANSWER,
    F_ENTERED,
    F_FINISH,
    F_SERVICE,
    G_FREE,
    G_FREE_BATCHES,
    G_OVERLAP,
    G_TABLES,
    G_UNSETTLED,
    H_IS_LAST,
    H_LAST_LAYER,
    H_ORDINAL,
    H_PORTION,
    H_TRANSFERS,
    L_BANDS,
    L_IDLE,
    L_QUEUE,
    L_SIZE,
    L_STATION,
    P_BATCH,
    P_BUFFER,
    P_BUFFERED,
    P_KIND,
    P_LEAVING,
    P_LINE,
    P_NUMBER,
    P_STATION,
    P_UNDER,
    P_UNDER_HEAD,
    P_UNDER_TAIL,
    PORTION_SHIFT,
    Q_HEAD,
    Q_SIZE,
    Q_TAIL,
    Q_WAITS,
    R_CLIENT,
    R_LEAVE,
    R_LIVE,
    R_NEXT,
    R_OUTCOME,
    R_PREV,
    R_SERVICE,
    S_AT_ONCE,
    S_BITS,
    S_CLOSED,
    S_KINDS,
    S_LINE,
    S_MODE,
    S_SERIAL,
    S_SERVICE,
    S_SET,
    S_SHARED,
    S_SUCCESSOR,
    S_WAITING,
    S_WINDOWED,
    SERVICE_SHIFT,
    T_NOW,
    TRANSFER_KEY,
    V_CLOSED,
)
from simulator.cluster.compiled.enter import UNSETTLED, advance, leave_path, line_for, redirect, touch
from simulator.cluster.compiled.events import schedule
from simulator.cluster.compiled.jit import cold, hot, known
from simulator.cluster.compiled.measure import (
    COMPLETED,
    INSIDE,
    note_answer,
    note_batch,
    note_end,
    note_request,
    note_transfer,
)
from simulator.cluster.compiled.queues import join, push
from simulator.cluster.compiled.sets import add

NAN = float("nan")


@hot
def free_slot(g, free, requests, times, out_t, out_i, r):
    """A request is gone for good."""
    if g[G_TABLES]:
        note_request(requests, times, out_t, out_i, r)
    requests[r, R_LIVE] = 0
    free[known(g[G_FREE])] = r
    g[G_FREE] += 1


@hot
def free_batch(g, free_batches, batches, b):
    """An event of a batch is past; its slot is free again when nothing names it any more."""
    batches[b, B_EVENTS] -= 1
    if batches[b, B_EVENTS] == 0:
        free_batches[known(g[G_FREE_BATCHES])] = b
        g[G_FREE_BATCHES] += 1


@hot
def set_idle(lines, stations, replicas, idle, replica):
    """A replica may take batches: it stands in the set of its kind, or of those with requests in their buffers."""
    s, line = known(replicas[replica, P_STATION]), known(replicas[replica, P_LINE])
    group = stations[s, S_KINDS] if replicas[replica, P_BUFFERED] > 0 else replicas[replica, P_KIND]
    size = stations[s, S_SET]
    add(idle, stations[s, S_BITS] + group * size, size, replicas[replica, P_NUMBER])
    lines[line, L_IDLE] += 1


@hot
def release(g, lists, lines, stations, replicas, idle, replica):
    """A replica has nothing in service any more: it becomes idle, or goes if it is leaving."""
    replicas[replica, P_BATCH] = -1
    if replicas[replica, P_LEAVING]:
        if replicas[replica, P_UNDER] == 0:
            lists[UNSETTLED, g[G_UNSETTLED]] = 2 * replica
            g[G_UNSETTLED] += 1
        return
    set_idle(lines, stations, replicas, idle, replica)
    touch(g, lists, lines, known(replicas[replica, P_LINE]))


@cold
def end_request(
    g, clock, heap_t, heap_i, lists, free, requests, times, stations, services, clients, ahead, statics, counts,
    out_t, out_i, r, outcome, windowed,
):  # fmt: skip
    """A request ends now without an answer."""
    times[r, F_FINISH] = clock[T_NOW]
    requests[r, R_OUTCOME] = outcome
    service = requests[r, R_SERVICE]
    if not g[G_TABLES]:
        note_end(g, clock, requests, times, counts, r)
    if services[service, V_CLOSED]:
        plan_client(g, clock, heap_t, heap_i, lists, services, clients, ahead, requests[r, R_CLIENT], clock[T_NOW])
    if windowed:
        leave_path(g, lists, requests, services, stations, statics, r)
    free_slot(g, free, requests, times, out_t, out_i, r)


@hot
def complete(
    g, clock, heap_t, heap_i, lists, free, requests, times, dues, queues, waits, lines, stations, services, clients,
    ahead, replicas, link_free, batches, spans, free_batches, phases, tables, statics, idle, counts, sums, latency_bins,
    part_bins, exits, right, busy, pool_busy, row_t, out_t, out_i, b, now,
):  # fmt: skip
    """Service of batch ``b`` ends at ``now``: answers leave, survivors go on; whether they arrive at once."""
    batches[b, B_DONE] = 1
    replica = known(batches[b, B_REPLICA])
    h = known(batches[b, B_PHASE])
    s = known(replicas[replica, P_STATION])
    service = known(stations[s, S_SERVICE])
    mode, windowed, closed = stations[s, S_MODE], stations[s, S_WINDOWED], services[service, V_CLOSED]
    is_last, last_layer = phases[h, H_IS_LAST], phases[h, H_LAST_LAYER]
    counting = not g[G_TABLES]
    seconds = now - spans[b, B_START]
    serial = stations[s, S_SERIAL]
    head, tail, survivors = -1, -1, 0
    r = batches[b, B_HEAD]
    if mode <= AT_CUT and not windowed and not closed:
        # The plain case, where nobody has an answer yet and no one else hears of it, spelt out for speed.
        served_here = counting and (serial or (stations[s, S_AT_ONCE] and not g[G_OVERLAP]))
        while r >= 0:
            after = requests[r, R_NEXT]
            if is_last or (mode == AT_CUT and requests[r, R_LEAVE] <= last_layer):
                times[r, F_FINISH] = now
                requests[r, R_OUTCOME] = COMPLETED
                if counting:
                    times[r, F_SERVICE] += seconds
                    note_answer(
                        g, clock, requests, times, services, counts, sums, latency_bins, part_bins, exits, right, r
                    )
                free_slot(g, free, requests, times, out_t, out_i, r)
            else:
                survivors += 1
                if tail < 0:
                    head = r
                else:
                    requests[known(tail), R_NEXT] = r
                tail = r
                if served_here:
                    times[r, F_SERVICE] += seconds
            r = after
    while r >= 0:
        after = requests[r, R_NEXT]
        goes_on = not is_last
        if mode == AT_CUT:
            goes_on = goes_on and requests[r, R_LEAVE] > last_layer
        answered = False
        if mode > AT_CUT:
            planned = times[r, F_ANSWER]
            if planned == planned:
                times[r, F_ANSWER] = NAN
                if times[r, F_FINISH] != times[r, F_FINISH]:
                    times[r, F_FINISH] = planned
                    answered = True
                if mode != ANSWER_EARLY:
                    goes_on = False
        if not goes_on and times[r, F_FINISH] != times[r, F_FINISH]:
            times[r, F_FINISH] = now
            answered = True
        if answered and closed:
            plan_client(
                g, clock, heap_t, heap_i, lists, services, clients, ahead, requests[r, R_CLIENT], times[r, F_FINISH]
            )
        if requests[r, R_OUTCOME] == INSIDE:
            if times[r, F_FINISH] == times[r, F_FINISH]:
                requests[r, R_OUTCOME] = COMPLETED
                if counting:
                    times[r, F_SERVICE] += min(times[r, F_FINISH], now) - spans[b, B_START]
                    note_answer(
                        g, clock, requests, times, services, counts, sums, latency_bins, part_bins, exits, right, r
                    )
            elif counting and goes_on and (serial or (stations[s, S_AT_ONCE] and not g[G_OVERLAP])):
                times[r, F_SERVICE] += seconds
        if goes_on:
            survivors += 1
            if tail < 0:
                head = r
            else:
                requests[tail, R_NEXT] = r
            tail = r
        else:
            if windowed:
                leave_path(g, lists, requests, services, stations, statics, r)
            free_slot(g, free, requests, times, out_t, out_i, r)
        r = after
    if survivors == 0:
        note_batch(g, clock, replicas, batches, spans, phases, row_t, busy, pool_busy, b, now, now)
        release(g, lists, lines, stations, replicas, idle, replica)
        free_batch(g, free_batches, batches, b)
        return False
    requests[tail, R_NEXT] = -1
    batches[b, B_HEAD] = head
    batches[b, B_TAIL] = tail
    if serial:
        q = replicas[replica, P_BUFFER] + phases[h, H_ORDINAL]
        r = head
        while r >= 0:
            after = requests[r, R_NEXT]
            push(queues, waits, requests, times, dues, q, r, now)
            r = after
        replicas[replica, P_BUFFERED] += survivors
        note_batch(g, clock, replicas, batches, spans, phases, row_t, busy, pool_busy, b, now, now)
        release(g, lists, lines, stations, replicas, idle, replica)
        free_batch(g, free_batches, batches, b)
        return False
    transfer = tables[phases[h, H_TRANSFERS] + survivors]
    if not g[G_OVERLAP] and stations[s, S_AT_ONCE]:
        return True
    instant = now + transfer
    if g[G_OVERLAP]:
        instant = max(now, link_free[replica]) + transfer
        link_free[replica] = instant
        if replicas[replica, P_UNDER] == 0:
            replicas[replica, P_UNDER_HEAD] = b
        else:
            batches[replicas[replica, P_UNDER_TAIL], B_NEXT] = b
        replicas[replica, P_UNDER_TAIL] = b
        batches[b, B_NEXT] = -1
        replicas[replica, P_UNDER] += 1
    key = (
        TRANSFER_KEY
        + (service << SERVICE_SHIFT)
        + (phases[h, H_PORTION] << PORTION_SHIFT)
        + replicas[replica, P_NUMBER]
    )
    schedule(g, heap_t, heap_i, instant, key, (b << 3) | ARRIVE)
    if g[G_OVERLAP]:
        release(g, lists, lines, stations, replicas, idle, replica)
    return False


@hot
def append(lines, stations, queues, waits, requests, times, dues, batches, line, b, now):
    """The survivors of a batch join a line together: they are linked already, in their order."""
    q = known(lines[line, L_QUEUE])
    r = known(batches[b, B_HEAD])
    before = queues[q, Q_TAIL]
    if queues[q, Q_SIZE] == 0:
        queues[q, Q_HEAD] = r
    else:
        requests[known(before), R_NEXT] = r
    has_dues = queues[q, Q_WAITS]
    count = 0
    while r >= 0:
        requests[r, R_PREV] = before
        times[r, F_ENTERED] = now
        if has_dues:
            for kind in range(waits.shape[1]):
                dues[r, kind] = now + waits[q, kind]
        before = r
        r = requests[r, R_NEXT]
        count += 1
    queues[q, Q_TAIL] = before
    queues[q, Q_SIZE] += count
    lines[line, L_SIZE] += count
    stations[known(lines[line, L_STATION]), S_WAITING] += count


@hot
def arrive(
    g, clock, lists, free, requests, times, dues, numbers, queues, waits, lines, stations, services, replicas, batches,
    spans, free_batches, phases, bands, opens, statics, fires, idle, busy, pool_busy, row_t, out_t, out_i, b, now,
):  # fmt: skip
    """Survivors of batch ``b`` enter the next portion; a sender that waited for that is idle again."""
    replica = known(batches[b, B_REPLICA])
    s = known(replicas[replica, P_STATION])
    if not g[G_TABLES] and (g[G_OVERLAP] or not stations[s, S_AT_ONCE]):
        note_transfer(requests, times, batches, spans, b, now)
    after = stations[s, S_SUCCESSOR]
    if not stations[s, S_WINDOWED] and stations[after, S_SHARED] and lines[stations[after, S_LINE], L_BANDS] == 1:
        line = known(stations[after, S_LINE])
        append(lines, stations, queues, waits, requests, times, dues, batches, line, b, now)
        touch(g, lists, lines, line)
        batches[b, B_HEAD] = -1
    r = batches[b, B_HEAD]
    while r >= 0:
        after = requests[r, R_NEXT]
        if stations[s, S_WINDOWED]:
            target = advance(g, lists, requests, services, stations, statics, r)
        else:
            target = known(stations[s, S_SUCCESSOR])
        if stations[target, S_CLOSED] and times[r, F_FINISH] == times[r, F_FINISH]:
            leave_path(g, lists, requests, services, stations, statics, r)
            free_slot(g, free, requests, times, out_t, out_i, r)
        elif stations[target, S_CLOSED]:
            redirect(
                g, clock, lists, requests, times, dues, numbers, queues, waits, lines, stations, services, replicas,
                batches, bands, opens, statics, fires, target, r, now,
            )  # fmt: skip
        else:
            line = line_for(lines, stations, replicas, batches, numbers, opens, target, r)
            join(lines, stations, bands, queues, waits, requests, times, dues, line, r, now)
            touch(g, lists, lines, line)
        r = after
    if g[G_OVERLAP]:
        note_batch(g, clock, replicas, batches, spans, phases, row_t, busy, pool_busy, b, now, spans[b, B_END])
        replicas[replica, P_UNDER_HEAD] = batches[b, B_NEXT]
        replicas[replica, P_UNDER] -= 1
        if replicas[replica, P_LEAVING] and replicas[replica, P_UNDER] == 0 and replicas[replica, P_BATCH] < 0:
            lists[UNSETTLED, g[G_UNSETTLED]] = 2 * replica
            g[G_UNSETTLED] += 1
    else:
        note_batch(g, clock, replicas, batches, spans, phases, row_t, busy, pool_busy, b, now, now)
        release(g, lists, lines, stations, replicas, idle, replica)
    free_batch(g, free_batches, batches, b)
