"""Queues of requests as linked lists, with the instants of entry and the dues in the columns of the requests.

The same meaning as ``fifo.Fifo``: a due is computed once, on entry; a queue is mixed once a request came back or moved
in, and then its earliest due need not stand at the head. ``Q_MIXED`` counts those up to the last that did so: whoever
stands behind them entered in order, and the first of those is due first. Of the mixed ones each keeps, in the second
half of the columns of dues, how soon one of those from itself to the last mixed one is due: that of the head is asked.
"""

from __future__ import annotations

from simulator.cluster.compiled.columns import (
    F_ENTERED,
    L_BANDS,
    L_QUEUE,
    L_SIZE,
    L_STATION,
    Q_HEAD,
    Q_LAST,
    Q_MIXED,
    Q_SETTLED,
    Q_SIZE,
    Q_TAIL,
    Q_WAITS,
    R_GROUP,
    R_NEXT,
    R_NUMBER,
    R_PREV,
    S_WAITING,
)
from simulator.cluster.compiled.jit import cold, hot, known

INFINITY = float("inf")


@hot
def push(queues, waits, requests, times, dues, q, r, now):
    """Request ``r`` enters queue ``q`` at ``now`` [s]."""
    tail = queues[q, Q_TAIL]
    requests[r, R_NEXT] = -1
    requests[r, R_PREV] = tail
    if queues[q, Q_SIZE] == 0:
        queues[q, Q_HEAD] = r
    else:
        requests[tail, R_NEXT] = r
    queues[q, Q_TAIL] = r
    queues[q, Q_SIZE] += 1
    times[r, F_ENTERED] = now
    if queues[q, Q_WAITS]:
        for kind in range(waits.shape[1]):
            dues[r, kind] = now + waits[q, kind]


@hot
def join(lines, stations, bands, queues, waits, requests, times, dues, line, r, now):
    """Request ``r`` joins a line at ``now`` [s], in the queue of its priority."""
    q = known(lines[line, L_QUEUE])
    if lines[line, L_BANDS] > 1:
        q += bands[requests[r, R_GROUP]]
    push(queues, waits, requests, times, dues, q, r, now)
    lines[line, L_SIZE] += 1
    stations[known(lines[line, L_STATION]), S_WAITING] += 1
    return q


@hot
def unlink(queues, requests, dues, q, r, place):
    """Take a request out of the middle of its queue, where ``place`` requests stand before it."""
    prev, after = requests[r, R_PREV], requests[r, R_NEXT]
    if queues[q, Q_HEAD] == r:
        queues[q, Q_HEAD] = after
    else:
        requests[prev, R_NEXT] = after
    if queues[q, Q_TAIL] == r:
        queues[q, Q_TAIL] = prev
    else:
        requests[after, R_PREV] = prev
    queues[q, Q_SIZE] -= 1
    if queues[q, Q_SIZE] == 0:
        queues[q, Q_TAIL] = -1
        queues[q, Q_HEAD] = -1
    if place < queues[q, Q_MIXED]:
        queues[q, Q_MIXED] -= 1
        if queues[q, Q_LAST] == r:
            queues[q, Q_LAST] = prev
        if place and queues[q, Q_SETTLED]:
            settle(queues, requests, dues, q, prev, 0)


# -- the earliest due --------------------------------------------------------------------------------------------------


@cold
def mix(queues, requests, dues, q):
    """Whoever waits in a queue may be out of the order of the dues: the last one has moved in."""
    fresh = queues[q, Q_SIZE]
    if queues[q, Q_SETTLED]:
        fresh -= queues[q, Q_MIXED]
    queues[q, Q_MIXED] = queues[q, Q_SIZE]
    queues[q, Q_LAST] = queues[q, Q_TAIL]
    queues[q, Q_SETTLED] = 1
    settle(queues, requests, dues, q, queues[q, Q_TAIL], fresh)


@cold
def settle(queues, requests, dues, q, r, fresh):
    """From the mixed request ``r`` back to the head: how soon one of those from each on is due.

    Nothing is known of the first ``fresh`` of them; beyond, whoever finds its own unchanged ends the walk. So a request
    that moves in is mostly looked at once.
    """
    if not queues[q, Q_WAITS]:
        return
    kinds = dues.shape[1] // 2
    for kind in range(kinds):
        at, left = r, fresh
        due = INFINITY
        if r != queues[q, Q_LAST]:
            due = dues[requests[r, R_NEXT], kinds + kind]
        while True:
            due = min(due, dues[at, kind])
            if left <= 0 and dues[at, kinds + kind] == due:
                break
            dues[at, kinds + kind] = due
            if at == queues[q, Q_HEAD]:
                break
            at = requests[at, R_PREV]
            left -= 1


@hot
def queue_due(queues, requests, times, dues, q, kind):
    """Earliest due over a queue that is not empty [s]."""
    head = known(queues[q, Q_HEAD])
    if not queues[q, Q_WAITS]:
        return times[head, F_ENTERED]
    if not queues[q, Q_MIXED]:
        return dues[head, kind]
    return _mixed_due(queues, requests, dues, q, kind)


@cold
def _mixed_due(queues, requests, dues, q, kind):
    last = queues[q, Q_LAST]
    if not queues[q, Q_SETTLED]:
        queues[q, Q_SETTLED] = 1
        settle(queues, requests, dues, q, last, queues[q, Q_MIXED])
    due = dues[queues[q, Q_HEAD], dues.shape[1] // 2 + kind]
    if queues[q, Q_MIXED] < queues[q, Q_SIZE]:
        due = min(due, dues[requests[last, R_NEXT], kind])
    return due


@hot
def earliest_due(lines, queues, requests, times, dues, line, kind):
    """Earliest due over all bands of a line that is not empty [s]."""
    q = known(lines[line, L_QUEUE])
    if lines[line, L_BANDS] == 1:
        return queue_due(queues, requests, times, dues, q, kind)
    due = INFINITY
    for band in range(lines[line, L_BANDS]):
        if queues[q + band, Q_SIZE]:
            due = min(due, queue_due(queues, requests, times, dues, q + band, kind))
    return due


@cold
def newest_queue(lines, queues, requests, line):
    """The queue of a line whose last request has the highest number; -1 when the line is empty."""
    found, number = -1, -1
    for band in range(lines[line, L_BANDS]):
        q = lines[line, L_QUEUE] + band
        if queues[q, Q_SIZE] and requests[queues[q, Q_TAIL], R_NUMBER] > number:
            found, number = q, requests[queues[q, Q_TAIL], R_NUMBER]
    return found
