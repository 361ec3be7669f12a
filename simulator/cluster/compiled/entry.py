"""The one function that Python calls, compiled once and kept on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from simulator.cluster.compiled.clients import plan_client
from simulator.cluster.compiled.enter import route
from simulator.cluster.compiled.finish import end_request, free_slot
from simulator.cluster.compiled.jit import OPTIONS, njit
from simulator.cluster.compiled.loop import advance
from simulator.cluster.compiled.measure import note_taken_back

ADVANCE, END, TAKE_BACK, ROUTE, FREE, PLAN = range(6)
"""What is asked of ``act``: to go on, end a request, take a batch back, choose a line, free a slot, plan a client."""

ARRAYS = (
    "g", "clock", "heap_t", "heap_i", "lists", "free", "requests", "times", "dues", "numbers", "queues", "waits",
    "lines", "timers", "stations", "services", "coming_t", "coming_i", "clients", "ahead", "limits", "replicas",
    "link_free", "batches", "spans", "free_batches", "phases", "floors", "tables", "statics", "starts_s", "bands",
    "opens", "fires", "bounded", "scratch", "tested", "marked", "idle", "counts", "sums", "latency_bins", "part_bins",
    "exits", "right", "starts", "waited", "wait_bins", "busy", "pool_busy", "row_i", "row_t", "member_i", "member_t",
    "out_t", "out_i",
)  # fmt: skip
"""Arrays of the run in the order in which :func:`act` takes them."""


@cache
def act() -> Callable[..., int]:
    """The compiled entry.

    It is kept beside this file, or in the user's cache; where neither can be written it lives in memory only.
    """
    try:
        compiled: Callable[..., int] = njit(_with_sources(_digest()), cache=True, **OPTIONS)
    except RuntimeError:  # no folder for the cache can be written
        return in_memory()
    return compiled


@cache
def in_memory() -> Callable[..., int]:
    """The same without a cache on disk."""
    compiled: Callable[..., int] = njit(_with_sources(_digest()), **OPTIONS)
    return compiled


def _digest() -> str:
    """Digest of every source that is compiled in: Numba itself only looks whether *this* file has changed."""
    folder = Path(__file__).parent
    results = folder.parents[1] / "results"
    sources = [*sorted(folder.glob("*.py")), results / "record.py", results / "sketch.py"]
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()


def _with_sources(digest: str) -> Callable[..., Any]:
    def act(
        what, one, two, at, g, clock, heap_t, heap_i, lists, free, requests, times, dues, numbers, queues, waits,
        lines, timers, stations, services, coming_t, coming_i, clients, ahead, limits, replicas, link_free, batches,
        spans, free_batches, phases, floors, tables, statics, starts_s, bands, opens, fires, bounded, scratch, tested,
        marked, idle, counts, sums, latency_bins, part_bins, exits, right, starts, waited, wait_bins, busy, pool_busy,
        row_i, row_t, member_i, member_t, out_t, out_i,
    ):  # fmt: skip
        """Do ``what``, of ``one`` and ``two``, at an instant where it needs one; why it returned, or what it chose."""
        if what == END:
            end_request(
                g, clock, heap_t, heap_i, lists, free, requests, times, stations, services, clients, ahead, statics,
                counts, out_t, out_i, one, two, False,
            )  # fmt: skip
            return 0
        if what == TAKE_BACK:
            note_taken_back(
                g, clock, requests, times, services, counts, sums, latency_bins, part_bins, exits, right, replicas,
                batches, spans, phases, row_t, busy, pool_busy, one, clock[0], at,
            )  # fmt: skip
            return 0
        if what == ROUTE:
            return route(lines, stations, replicas, batches, numbers, opens, one, two)
        if what == FREE:
            free_slot(g, free, requests, times, out_t, out_i, one)
            return 0
        if what == PLAN:
            plan_client(g, clock, heap_t, heap_i, lists, services, clients, ahead, one, at)
            return 0
        if digest == "":  # never so: named here, it becomes part of the key under which the code is kept
            return -1
        return advance(
            g, clock, heap_t, heap_i, lists, free, requests, times, dues, numbers, queues, waits, lines, timers,
            stations, services, coming_t, coming_i, clients, ahead, limits, replicas, link_free, batches, spans,
            free_batches, phases, floors, tables, statics, starts_s, bands, opens, fires, bounded, scratch, tested,
            marked, idle, counts, sums, latency_bins, part_bins, exits, right, starts, waited, wait_bins, busy,
            pool_busy, row_i, row_t, member_i, member_t, out_t, out_i,
        )  # fmt: skip

    return act
