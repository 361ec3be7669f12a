"""The arrays of a run: what stands fast from the start, and what grows with the requests inside."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.cluster.compiled import columns as c
from simulator.cluster.compiled.entry import ARRAYS
from simulator.cluster.compiled.feed import chunk_of
from simulator.cluster.compiled.loop import FIRST_NUMBER
from simulator.cluster.compiled.shape import Shape
from simulator.cluster.lowered import MOST_INSIDE, Lowered
from simulator.errors import Problem, ScenarioError
from simulator.results.sketch import BINS

Array = NDArray[Any]
INFINITY = float("inf")


class Arrays:
    """All arrays that the kernel works on, by the names of ``entry.ARRAYS``."""

    g: Array
    clock: Array
    heap_t: Array
    heap_i: Array
    lists: Array
    free: Array
    requests: Array
    times: Array
    dues: Array
    numbers: Array
    queues: Array
    waits: Array
    lines: Array
    timers: Array
    stations: Array
    services: Array
    coming_t: Array
    coming_i: Array
    clients: Array
    ahead: Array
    limits: Array
    replicas: Array
    link_free: Array
    batches: Array
    spans: Array
    free_batches: Array
    phases: Array
    floors: Array
    tables: Array
    statics: Array
    starts_s: Array
    bands: Array
    opens: Array
    fires: Array
    bounded: Array
    scratch: Array
    tested: Array
    marked: Array
    idle: Array
    counts: Array
    sums: Array
    latency_bins: Array
    part_bins: Array
    exits: Array
    right: Array
    starts: Array
    waited: Array
    wait_bins: Array
    busy: Array
    pool_busy: Array
    row_i: Array
    row_t: Array
    member_i: Array
    member_t: Array
    out_t: Array
    out_i: Array

    def __init__(self, lowered: Lowered, keep_tables: bool) -> None:
        self.shape = shape = Shape(lowered)
        chunk = chunk_of(shape.open_services)
        self.keeps_tables = keep_tables
        self.most = chunk * shape.open_services + shape.clients
        self._set_up(lowered, chunk)
        self._measures(lowered)
        self._growing()
        self.arguments: tuple[Array, ...] = ()
        self.bind()

    def bind(self) -> None:
        """The arguments of the kernel, after an array has been replaced."""
        self.arguments = tuple(getattr(self, name) for name in ARRAYS)

    def _set_up(self, lowered: Lowered, chunk: int) -> None:
        shape = self.shape
        g = self.g = np.zeros(c.G_INTS, np.int64)
        g[c.G_TABLES], g[c.G_OVERLAP] = self.keeps_tables, lowered.overlap
        g[c.G_SERVICES], g[c.G_NUMBERS] = len(lowered.services), shape.numbers
        g[c.G_MOST_ADMITTED], g[c.G_REPLICAS] = self.most, shape.replicas
        clock = self.clock = np.zeros(c.T_FLOATS)
        clock[c.T_DURATION], clock[c.T_WARMUP] = lowered.duration_s, lowered.warmup_s
        clock[c.T_LIMIT] = lowered.duration_s + lowered.drain_s
        clock[c.T_CONTROL], clock[c.T_CHECKED] = INFINITY, -1.0
        longest = max(shape.lines, 2 * (shape.replicas + shape.stations) + 64, shape.clients)
        self.lists = np.zeros((4, longest), np.int64)
        self.queues = np.full((shape.queues, c.Q_INTS), -1, np.int64)
        self.queues[:, [c.Q_SIZE, c.Q_MIXED, c.Q_SETTLED, c.Q_WAITS]] = 0
        self.waits = np.zeros((shape.queues, shape.kinds))
        self.lines = np.zeros((shape.lines, c.L_INTS), np.int64)
        self.timers = np.full(shape.lines, -INFINITY)
        self.stations = np.zeros((shape.stations, c.S_INTS), np.int64)
        self.services = np.zeros((len(lowered.services), c.V_INTS), np.int64)
        self.coming_t = np.empty(
            (FIRST_NUMBER + shape.numbers, len(lowered.services), chunk if shape.open_services else 1)
        )
        self.coming_i = np.empty((4, *self.coming_t.shape[1:]), np.int64)
        self.clients = np.zeros((shape.clients, c.C_INTS), np.int64)
        self.ahead = np.zeros((shape.clients, c.C_AHEAD, c.C_NUMBERS + shape.numbers))
        self.replicas = np.full((shape.replicas, c.P_INTS), -1, np.int64)
        self.link_free = np.zeros(shape.replicas)
        self.phases, self.floors, self.tables, self.statics = shape.phase_arrays()
        self.fires, self.right, self.starts_s = shape.fires, shape.right, np.array(shape.starts_s)
        self.limits, self.bands = np.array(shape.limits_s), np.array(shape.bands, np.int64)
        self.opens = np.zeros(shape.lines, np.int64)
        self.bounded = np.zeros(len(lowered.services), np.int64)
        self.scratch = np.zeros(shape.layers + 2, np.int64)
        self.tested = np.zeros(shape.kinds, np.int64)
        self.marked = np.zeros(len(lowered.services), np.int64)
        self.idle = np.zeros(shape.words, np.int64)
        shape.fill(self)

    def _measures(self, lowered: Lowered) -> None:
        shape = self.shape
        portions = len(lowered.portions)
        groups, bins = (0, 0) if self.keeps_tables else (shape.groups, BINS)
        self.counts = np.zeros((groups, c.A_INTS), np.int64)
        self.sums = np.zeros((groups, c.A_FLOATS))
        self.latency_bins = np.zeros((groups, bins), np.int64)
        self.part_bins = np.zeros((groups, bins, 5))
        self.exits = np.zeros((groups, shape.layers + 1), np.int64)
        self.starts = np.zeros((portions, 2), np.int64)
        self.waited = np.zeros(portions)
        self.wait_bins = np.zeros((portions, bins), np.int64)
        self.busy = np.zeros(portions)
        self.pool_busy = np.zeros(len(lowered.pools))

    # -- what grows ----------------------------------------------------------------------------------------------------

    def _growing(self) -> None:
        shape = self.shape
        slots = self.most + 64
        self.requests = np.zeros((slots, c.R_INTS), np.int64)
        self.times = np.zeros((slots, c.R_FLOATS))
        self.dues = np.zeros((slots, 2 * shape.kinds))
        self.numbers = np.zeros((slots, shape.numbers))
        self.free = np.arange(slots - 1, -1, -1)
        self.g[c.G_FREE] = slots
        batches = shape.replicas + 16
        self.batches = np.zeros((batches, c.B_INTS), np.int64)
        self.spans = np.zeros((batches, c.B_FLOATS))
        self.free_batches = np.arange(batches - 1, -1, -1)
        self.g[c.G_FREE_BATCHES] = batches
        self.heap_t = np.zeros(64)
        self.heap_i = np.zeros((64, 3), np.int64)
        first = 1024 if self.keeps_tables else 0
        self.row_i, self.row_t = np.zeros((first, 4), np.int64), np.zeros((first, 5))
        self.member_i, self.member_t = np.zeros(first, np.int64), np.zeros(first)
        self.out_t, self.out_i = np.zeros((first, 2)), np.zeros((first, 8), np.int64)
        self.grow()

    def grow(self) -> None:
        """Make room for what the next instant can bring, twice over so that this is rare."""
        g = self.g
        while g[c.G_FREE] < self.most:
            self._more_slots()
        while g[c.G_FREE_BATCHES] < self.shape.replicas:
            self._more_batches()
        inside = len(self.requests) - int(g[c.G_FREE])
        most = self.shape.lines + self.shape.replicas + 2 * (self.most + len(self.requests))
        heap = int(g[c.G_HEAP]) + 1 + most
        self.heap_t, self.heap_i = _longer(self.heap_t, heap), _longer(self.heap_i, heap)
        g[c.G_MOST_EVENTS] = len(self.heap_t) - most
        if self.keeps_tables:
            rows = int(g[c.G_BATCH_ROWS]) + self.shape.replicas
            self.row_i, self.row_t = _longer(self.row_i, rows), _longer(self.row_t, rows)
            members = int(g[c.G_MEMBER_ROWS]) + inside
            self.member_i, self.member_t = _longer(self.member_i, members), _longer(self.member_t, members)
            out = int(g[c.G_SEQ]) + self.most
            self.out_i, self.out_t = _longer(self.out_i, out), _longer(self.out_t, out)
        self.bind()

    def release(self) -> None:
        """Let go of all arrays: views and engine refer to one another, so a collector would find them late."""
        self.__dict__.clear()

    def _more_slots(self) -> None:
        if len(self.requests) - int(self.g[c.G_FREE]) > MOST_INSIDE:
            raise ScenarioError(
                Problem(
                    f"more than {MOST_INSIDE:,} requests are inside at {self.clock[c.T_NOW]:g}s: the load is above "
                    "what is deployed; lower it, shorten run.duration or bound the queue (queue: {capacity: ..})"
                )
            )
        old, free = len(self.requests), int(self.g[c.G_FREE])
        for name in ("requests", "times", "dues", "numbers"):
            setattr(self, name, _longer(getattr(self, name), old + 1))
        new = len(self.requests)
        self.free = np.concatenate((np.arange(new - 1, old - 1, -1), self.free[:free], np.zeros(old - free, np.int64)))
        self.g[c.G_FREE] = free + new - old

    def _more_batches(self) -> None:
        old, free = len(self.batches), int(self.g[c.G_FREE_BATCHES])
        self.batches, self.spans = _longer(self.batches, old + 1), _longer(self.spans, old + 1)
        new = len(self.batches)
        self.free_batches = np.concatenate(
            (np.arange(new - 1, old - 1, -1), self.free_batches[:free], np.zeros(old - free, np.int64))
        )
        self.g[c.G_FREE_BATCHES] = free + new - old


def _longer(array: Array, least: int) -> Array:
    """The array, or where it has fewer than ``least`` rows a copy with at least twice as many as it had."""
    if len(array) >= least:
        return array
    longer = np.zeros((max(least, 2 * len(array)), *array.shape[1:]), array.dtype)
    longer[: len(array)] = array
    return longer
