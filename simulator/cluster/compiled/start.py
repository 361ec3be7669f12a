"""A replica starts a batch: members leave their queue, the end is known, answers by ramps are planned."""

from __future__ import annotations

from simulator.cluster.compiled.columns import (
    ANSWER,
    ANSWER_EARLY,
    B_ABORTED,
    B_DONE,
    B_END,
    B_EVENTS,
    B_HEAD,
    B_NEXT,
    B_PHASE,
    B_REPLICA,
    B_ROW,
    B_SIZE,
    B_START,
    B_TAIL,
    B_WAITS,
    COMPACT,
    COMPLETE,
    F_ANSWER,
    F_ENTERED,
    F_FILL,
    F_FINISH,
    F_QUEUE,
    G_BATCH_ROWS,
    G_FREE_BATCHES,
    G_MEMBER_ROWS,
    G_TABLES,
    H_BATCH,
    H_COUNT,
    H_ELAPSED,
    H_JITTER,
    H_PORTION,
    H_RAMPS,
    H_STEPS,
    H_TIMES,
    L_BANDS,
    L_QUEUE,
    L_SIZE,
    P_BATCH,
    P_BUFFERED,
    P_IDENT,
    P_KEY,
    P_KIND,
    P_NUMBER,
    PORTION_SHIFT,
    Q_HEAD,
    Q_MIXED,
    Q_SIZE,
    Q_TAIL,
    Q_WAITS,
    R_LEAVE,
    R_NEXT,
    R_SEQ,
    S_MODE,
    S_SERVICE,
    S_WAITING,
    SERVICE_SHIFT,
    T_DURATION,
    T_WARMUP,
    V_CLOSED,
)
from simulator.cluster.compiled.events import schedule
from simulator.cluster.compiled.jit import cold, hot, known
from simulator.cluster.compiled.measure import bin_of
from simulator.cluster.compiled.queues import earliest_due, queue_due

NAN = float("nan")
INFINITY = float("inf")


@hot
def cut(queues, requests, times, q, k):
    """Take the first ``k`` requests off a queue that has them; the last of them, and when the newest entered."""
    last = known(queues[q, Q_HEAD])
    newest = times[last, F_ENTERED]
    for _ in range(k - 1):
        last = known(requests[last, R_NEXT])
        if times[last, F_ENTERED] > newest:
            newest = times[last, F_ENTERED]
    close_cut(queues, requests, q, last, k)
    return last, newest


@hot
def close_cut(queues, requests, q, last, k):
    """The queue goes on behind request ``last``, the ``k``-th, with which what was taken ends."""
    queues[q, Q_HEAD] = requests[last, R_NEXT]
    requests[last, R_NEXT] = -1
    queues[q, Q_SIZE] -= k
    if queues[q, Q_MIXED]:
        queues[q, Q_MIXED] = max(queues[q, Q_MIXED] - k, 0)
    if queues[q, Q_SIZE] == 0:
        queues[q, Q_MIXED] = 0
        queues[q, Q_TAIL] = -1


@hot
def note_wait(times, waited, wait_bins, counted, portion, ready, r, now):
    """A member of a batch has waited: until its batch was ready (``ready`` [s]) for that, and then in the queue."""
    entered = times[r, F_ENTERED]
    wait = now - entered
    if times[r, F_FINISH] != times[r, F_FINISH]:
        if ready > entered:
            fill = min(ready - entered, wait)
            times[r, F_FILL] += fill
            times[r, F_QUEUE] += wait - fill
        else:
            times[r, F_QUEUE] += wait
    if counted:
        waited[portion] += wait
        wait_bins[portion, known(bin_of(wait))] += 1


@hot
def take(lines, queues, requests, times, batches, line, q, b, k):
    """Fill batch ``b`` from queue ``q``, or where that is -1 from the bands of a line; when the newest entered."""
    batches[b, B_SIZE] = k
    if q < 0 and lines[line, L_BANDS] == 1:
        q = known(lines[line, L_QUEUE])
    if q >= 0:
        batches[b, B_HEAD] = queues[q, Q_HEAD]
        last, newest = cut(queues, requests, times, q, k)
        batches[b, B_TAIL] = last
        return newest
    return _take_bands(lines, queues, requests, times, batches, line, b, k)


@cold
def _take_bands(lines, queues, requests, times, batches, line, b, k):
    newest, tail = -INFINITY, -1
    for band in range(lines[line, L_BANDS]):
        q = lines[line, L_QUEUE] + band
        n = min(k, queues[q, Q_SIZE])
        if n == 0:
            continue
        head = queues[q, Q_HEAD]
        last, entered = cut(queues, requests, times, q, n)
        newest = max(newest, entered)
        if tail < 0:
            batches[b, B_HEAD] = head
        else:
            requests[tail, R_NEXT] = head
        tail = last
        k -= n
    batches[b, B_TAIL] = tail
    return newest


@cold
def compact_time(phases, tables, statics, requests, times, scratch, h, head, k):
    """Time of a batch that shrinks at every ramp, and by request the time so far at which its answer leaves.

    ``scratch`` counts, by layer, who leaves after it; a batch that is empty ends.
    """
    width = phases[h, H_BATCH] + 1
    steps = phases[h, H_STEPS]
    total = 0.0
    inside = k
    low = 0  # those that leave after a layer up to this one have left
    r = head
    while r >= 0:
        scratch[requests[r, R_LEAVE]] += 1
        r = requests[r, R_NEXT]
    for step in range(phases[h, H_COUNT]):
        total += tables[steps + step * width + inside]
        ramp = statics[phases[h, H_RAMPS] + step]
        if ramp == 0:
            continue
        leaving = 0
        for layer in range(low, ramp + 1):
            leaving += scratch[layer]
        low = ramp + 1
        if leaving:
            r = head
            while r >= 0:
                if requests[r, R_LEAVE] == ramp:
                    times[r, F_ANSWER] = total
                r = requests[r, R_NEXT]
            inside -= leaving
            if inside == 0:
                break
    r = head
    while r >= 0:
        scratch[requests[r, R_LEAVE]] = 0
        r = requests[r, R_NEXT]
    return total


@cold
def plan_early(phases, tables, statics, requests, times, h, head, k):
    """By request that has no answer yet, the time so far at which a ramp of this phase gives it one."""
    width = phases[h, H_BATCH] + 1
    r = head
    while r >= 0:
        if times[r, F_FINISH] != times[r, F_FINISH]:
            for step in range(phases[h, H_COUNT]):
                if statics[phases[h, H_RAMPS] + step] == requests[r, R_LEAVE]:
                    times[r, F_ANSWER] = tables[phases[h, H_ELAPSED] + step * width + k]
        r = requests[r, R_NEXT]


@cold
def fix_answers(g, heap_t, heap_i, services, phases, replicas, batches, requests, times, stations, s, b, start, factor):
    """Planned answers as instants; a closed load must hear of each when it leaves, so they become events."""
    service = stations[s, S_SERVICE]
    h, replica = batches[b, B_PHASE], batches[b, B_REPLICA]
    key = (service << SERVICE_SHIFT) + (phases[h, H_PORTION] << PORTION_SHIFT) + replicas[replica, P_NUMBER]
    r = batches[b, B_HEAD]
    while r >= 0:
        answer = times[r, F_ANSWER]
        if answer == answer:
            times[r, F_ANSWER] = start + factor * answer
            if services[service, V_CLOSED]:
                schedule(g, heap_t, heap_i, times[r, F_ANSWER], key, (r << 32) | (b << 3) | ANSWER)
                batches[b, B_EVENTS] += 1
        r = requests[r, R_NEXT]


@hot
def start(
    g, clock, heap_t, heap_i, requests, times, dues, numbers, queues, lines, stations, services, replicas,
    batches, spans, free_batches, phases, tables, statics, scratch, row_i, row_t, member_i, member_t,
    starts, waited, wait_bins, s, line, replica, h, q, k, now,
):  # fmt: skip
    """An idle replica takes the first ``k`` requests of queue ``q``, or where that is -1 of the line."""
    free = g[G_FREE_BATCHES] - 1
    g[G_FREE_BATCHES] = free
    b = known(free_batches[known(free)])
    due = -INFINITY
    if q >= 0:
        has_dues = queues[q, Q_WAITS]
        if has_dues:
            due = queue_due(queues, requests, times, dues, q, 0)
        replicas[replica, P_BUFFERED] -= k
    else:
        has_dues = queues[known(lines[line, L_QUEUE]), Q_WAITS]
        if has_dues:
            due = earliest_due(lines, queues, requests, times, dues, line, replicas[replica, P_KIND])
        lines[line, L_SIZE] -= k
        stations[s, S_WAITING] -= k
    portion, batch = known(phases[h, H_PORTION]), phases[h, H_BATCH]
    counting = not g[G_TABLES]
    counted = counting and clock[T_WARMUP] <= now < clock[T_DURATION]
    if counted:
        starts[portion, 0] += 1
        starts[portion, 1] += k
    queue = known(q if q >= 0 else lines[line, L_QUEUE])
    whole = k == queues[queue, Q_SIZE] and not queues[queue, Q_MIXED]
    if counting and (q >= 0 or lines[line, L_BANDS] == 1) and (not has_dues or k < batch or whole):
        # Nothing must be known of the members beforehand: they are taken and noted in one pass.
        ready = due
        if k >= batch and has_dues:
            ready = min(due, times[known(queues[queue, Q_TAIL]), F_ENTERED])
        r = last = known(queues[queue, Q_HEAD])
        batches[b, B_HEAD] = r
        for _ in range(k):
            note_wait(times, waited, wait_bins, counted, portion, ready, r, now)
            last = r
            r = requests[r, R_NEXT]
        close_cut(queues, requests, queue, last, k)
        batches[b, B_TAIL] = last
        batches[b, B_SIZE] = k
    else:
        newest = take(lines, queues, requests, times, batches, line, q, b, k)
        if counting:
            ready = due
            if k >= batch and newest < due:
                ready = newest
            r = batches[b, B_HEAD]
            while r >= 0:
                note_wait(times, waited, wait_bins, counted, portion, ready, r, now)
                r = requests[r, R_NEXT]
    head = known(batches[b, B_HEAD])
    batches[b, B_REPLICA] = replica
    batches[b, B_PHASE] = h
    batches[b, B_DONE] = 0
    batches[b, B_ABORTED] = 0
    batches[b, B_EVENTS] = 1
    batches[b, B_NEXT] = -1
    batches[b, B_WAITS] = has_dues
    mode = stations[s, S_MODE]
    if mode == COMPACT:
        total = compact_time(phases, tables, statics, requests, times, scratch, h, head, k)
    else:
        total = tables[phases[h, H_TIMES] + k]
        if mode == ANSWER_EARLY:
            plan_early(phases, tables, statics, requests, times, h, head, k)
    end = now + total
    factor = 1.0
    if phases[h, H_JITTER] >= 0:
        factor = numbers[head, phases[h, H_JITTER]]
        end = now + factor * total
    spans[b, B_START] = now
    spans[b, B_END] = end
    if mode >= COMPACT:
        fix_answers(
            g, heap_t, heap_i, services, phases, replicas, batches, requests, times, stations, s, b, now, factor
        )
    if g[G_TABLES]:
        row = g[G_BATCH_ROWS]
        g[G_BATCH_ROWS] = row + 1
        batches[b, B_ROW] = row
        row_t[row, 0] = now
        row_t[row, 1] = end
        row_t[row, 2] = end
        row_t[row, 3] = end
        row_t[row, 4] = due
        row_i[row, 0] = phases[h, H_PORTION]
        row_i[row, 1] = replicas[replica, P_IDENT]
        row_i[row, 2] = phases[h, H_BATCH]
        row_i[row, 3] = k
        place = g[G_MEMBER_ROWS]
        r = head
        while r >= 0:
            member_i[place] = requests[r, R_SEQ]
            member_t[place] = times[r, F_ENTERED]
            place += 1
            r = requests[r, R_NEXT]
        g[G_MEMBER_ROWS] = place
    replicas[replica, P_BATCH] = b
    schedule(g, heap_t, heap_i, end, replicas[replica, P_KEY], (b << 3) | COMPLETE)
