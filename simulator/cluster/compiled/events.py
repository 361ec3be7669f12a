"""The heap of events: ordered by instant, then key, then order of creation."""

from __future__ import annotations

from simulator.cluster.compiled.columns import G_EVENTS, G_HEAP
from simulator.cluster.compiled.jit import hot, known


@hot
def schedule(g, heap_t, heap_i, instant, key, what):
    """Put an event on the heap."""
    i = known(g[G_HEAP])
    g[G_HEAP] = i + 1
    order = g[G_EVENTS]
    g[G_EVENTS] = order + 1
    while i > 0:
        above = (i - 1) >> 1
        t = heap_t[above]
        if t < instant or (t == instant and heap_i[above, 0] <= key):
            break  # of equal instant and key, the one above is the older
        heap_t[i] = t
        heap_i[i, 0] = heap_i[above, 0]
        heap_i[i, 1] = heap_i[above, 1]
        heap_i[i, 2] = heap_i[above, 2]
        i = above
    heap_t[i] = instant
    heap_i[i, 0] = key
    heap_i[i, 1] = order
    heap_i[i, 2] = what


@hot
def before(heap_t, heap_i, one, other):
    """Whether the event in one place of the heap comes before that in another."""
    a, b = heap_t[one], heap_t[other]
    if a != b:
        return a < b
    if heap_i[one, 0] != heap_i[other, 0]:
        return heap_i[one, 0] < heap_i[other, 0]
    return heap_i[one, 1] < heap_i[other, 1]


@hot
def remove_first(g, heap_t, heap_i):
    """Take the first event off the heap; the caller has read it."""
    last = known(g[G_HEAP] - 1)
    g[G_HEAP] = last
    if last == 0:
        return
    # The hole sinks to the bottom along the smaller children, then the last event rises from there: it mostly belongs
    # low, so this compares less than sinking it from the top.
    i = 0
    child = 1
    while child < last:
        if child + 1 < last and before(heap_t, heap_i, child + 1, child):
            child += 1
        heap_t[i] = heap_t[child]
        heap_i[i, 0] = heap_i[child, 0]
        heap_i[i, 1] = heap_i[child, 1]
        heap_i[i, 2] = heap_i[child, 2]
        i = child
        child = 2 * i + 1
    while i > 0 and before(heap_t, heap_i, last, (i - 1) >> 1):
        above = (i - 1) >> 1
        heap_t[i] = heap_t[above]
        heap_i[i, 0] = heap_i[above, 0]
        heap_i[i, 1] = heap_i[above, 1]
        heap_i[i, 2] = heap_i[above, 2]
        i = above
    heap_t[i] = heap_t[last]
    heap_i[i, 0] = heap_i[last, 0]
    heap_i[i, 1] = heap_i[last, 1]
    heap_i[i, 2] = heap_i[last, 2]
