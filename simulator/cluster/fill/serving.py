"""Inference services in the idle windows of a training.

Every replica lives on a device of the training and serves only in its windows. Queue, drop and capacity are those of
the cluster model; one thing differs: a batch takes no more requests than fit, in time, what is left of the window. Let
k be the most that fit, up to the batch size: an idle replica in an open window starts iff k >= 1 and k requests wait,
or one waits that is due.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from simulator.cluster.clock import ARRIVAL, TIMER, Clock
from simulator.cluster.draws import Draws
from simulator.cluster.fill.filler import Bay, Filler, Piece, Rules
from simulator.cluster.fill.tenants import Tenant
from simulator.cluster.training.executor import Executor
from simulator.cluster.training.setup import TrainingSetup
from simulator.costs.pipeline import Timeline
from simulator.results.record import Batches, Outcome, Replicas, Requests, RunRecord


class Counter:
    """One service while it runs: its queue, its requests and its batches."""

    def __init__(self, tenant: Tenant, index: int, replication: int) -> None:
        self.tenant, self.index = tenant, index
        lowered = tenant.lowered
        arrival = Draws(tenant.service, lowered.seed, replication, lowered.duration_s, tenant.folder).arrival_s
        slo = tenant.service.info.classes[0].slo_s
        self.arrival: list[float] = arrival.tolist()
        self.deadline: list[float] = (arrival + slo).tolist()
        self.due: list[float] = (arrival + tenant.max_wait_s).tolist()
        self.finish = [float("nan")] * len(self.arrival)
        self.outcome = [int(Outcome.INSIDE)] * len(self.arrival)
        self.queue: deque[int] = deque()
        self.seconds: list[float] = tenant.phase.time_s.tolist()
        self.least: list[float] = np.minimum.accumulate(tenant.phase.time_s[::-1])[::-1].tolist()
        """The shortest time of all batches of at least so many: does not fall with their size."""
        self.rows = array("d")
        """Replica, start, end and earliest due of each batch, one after another."""
        self.members: list[list[int]] = []

    def end(self, request: int, outcome: Outcome, now: float) -> None:
        """A request has ended."""
        self.outcome[request], self.finish[request] = int(outcome), now

    def drop(self, now: float) -> None:
        """Take requests out of the head of the queue that come too late."""
        policy = self.tenant.service.drop
        if policy == "never":
            return
        floor = self.tenant.phase.floor_s if policy == "hopeless" else 0.0
        while self.queue and now + floor > self.deadline[self.queue[0]]:
            self.end(self.queue.popleft(), Outcome.DROPPED, now)

    def reject(self, now: float) -> None:
        """The newest beyond the capacity of the queue go."""
        capacity = self.tenant.service.capacity
        while capacity is not None and len(self.queue) > capacity:
            self.end(self.queue.pop(), Outcome.REJECTED, now)


class ServicesFiller(Filler):
    """Serves requests in windows."""

    def __init__(
        self, clock: Clock, setup: TrainingSetup, rules: Rules, tenants: Sequence[Tenant], replication: int
    ) -> None:
        super().__init__(clock, setup, rules)
        self.replication = replication
        self.counters = [Counter(tenant, index, replication) for index, tenant in enumerate(tenants)]
        self._at: list[list[Counter]] = [[] for _ in self.bays]
        for counter in self.counters:
            for device in counter.tenant.devices:
                self._at[device].append(counter)

    def attach(self, executor: Executor, undisturbed: Sequence[Sequence[Timeline]]) -> None:
        """The first requests are on their way."""
        super().attach(executor, undisturbed)
        for counter in self.counters:
            self._next(counter, 0)

    def _next(self, counter: Counter, request: int) -> None:
        if request < len(counter.arrival):
            key = (ARRIVAL, counter.index, request)
            self.clock.schedule_at(counter.arrival[request], key, self._arrived, (counter, request))

    def _arrived(self, call: tuple[Counter, int]) -> None:
        counter, request = call
        counter.queue.append(request)
        self._look(counter)
        if counter.tenant.max_wait_s > 0.0:
            key = (TIMER, counter.index, request)
            self.clock.schedule_at(counter.due[request], key, self._look, counter)
        self._next(counter, request + 1)

    def _look(self, counter: Counter) -> None:
        """Something may start in any open window; there is a decision even if none is open, for the capacity."""
        for device in counter.tenant.devices:
            self.look(self.bays[device])

    def offer(self, bay: Bay, now: float) -> Piece | None:
        """A batch of the first service that is ready."""
        for counter in self._at[bay.number]:
            counter.drop(now)
            if not counter.queue:
                continue
            most = self._most(bay, counter, now)
            if most and (len(counter.queue) >= most or now >= counter.due[counter.queue[0]]):
                return self._batch(bay, counter, min(most, len(counter.queue)), now)
        return None

    def _most(self, bay: Bay, counter: Counter, now: float) -> int:
        """The largest batch that fits and that the budget allows."""
        change, least = counter.index != bay.owner, counter.least
        fitting = _largest(
            counter.tenant.phase.batch, lambda size: self.fits(bay, now, counter.index, least[size], 0.0)
        )
        allowed = _largest(fitting, lambda size: self.ledger.allows(now, self.worst_s(least[size], change)))
        if fitting and not allowed:
            self.ledger.refused += 1
        return allowed

    def _batch(self, bay: Bay, counter: Counter, size: int, now: float) -> Piece | None:
        change = counter.index != bay.owner
        seconds = counter.seconds[size]
        if not self.fits(bay, now, counter.index, seconds, 0.0) or not self.ledger.allows(
            now, self.worst_s(seconds, change)
        ):
            return None  # a smaller batch may take longer than a larger one
        requests = [counter.queue.popleft() for _ in range(size)]
        return Piece(counter.index, seconds, 0.0, requests)

    def through(self, bay: Bay, piece: Piece, now: float) -> None:
        """The answers of a batch leave."""
        counter = self.counters[piece.owner]
        requests: list[int] = piece.what
        for request in requests:
            counter.end(request, Outcome.COMPLETED, now)
        due = min(counter.due[request] for request in requests) if counter.tenant.max_wait_s > 0.0 else -np.inf
        replica = counter.tenant.devices.index(bay.number)
        counter.rows.extend((replica, bay.start, bay.end, due))
        counter.members.append(requests)

    def settled(self) -> None:
        """After the decisions of an instant, queues keep to their capacity."""
        for counter in self.counters:
            counter.reject(self.clock.now)


def _largest(most: int, holds: Callable[[int], bool]) -> int:
    """The largest of 1 to ``most`` for which a condition holds that, once false, stays so; 0: it never does."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if holds(middle) else (low, middle - 1)
    return low


def record_of(counter: Counter, replication: int, end_s: float) -> RunRecord:
    """The record of a service, in the form of the engines'; its devices are paid for by the training."""
    lowered, tenant = counter.tenant.lowered, counter.tenant
    return RunRecord(
        replication=replication,
        warmup_s=lowered.warmup_s,
        duration_s=lowered.duration_s,
        end_s=end_s,
        services=(tenant.service.info,),
        portions=lowered.portions,
        pools=tuple(replace(pool, price_per_hour=0.0) for pool in lowered.pools),
        replicas=_replicas(tenant),
        requests=_requests(counter),
        batches=_batches(counter),
    )


def _requests(counter: Counter) -> Requests:
    count = len(counter.arrival)
    outcome = np.array(counter.outcome, dtype=np.int64)
    service, none = counter.tenant.service, np.zeros(count, dtype=np.int64)
    last = service.layers
    known = service.right_answers(none, none, none + (last - 1)) if service.exits is None else np.full(count, np.nan)
    done = outcome == Outcome.COMPLETED
    return Requests(
        service=none,
        number=np.arange(count),
        class_index=none,
        arrival_s=np.array(counter.arrival),
        finish_s=np.array(counter.finish),
        outcome=outcome,
        exit_layer=np.where(done, last, 0),
        correct=np.where(done, known, np.nan),
        attempts=np.ones(count, dtype=np.int64),
    )


def _batches(counter: Counter) -> Batches:
    rows = np.array(counter.rows).reshape(-1, 4)
    order = np.argsort(rows[:, 1], kind="stable")
    rows, members = rows[order], [counter.members[i] for i in order]
    size = np.array([len(requests) for requests in members], dtype=np.int64)
    member = np.array([request for requests in members for request in requests], dtype=np.int64)
    return Batches(
        portion=np.zeros(len(rows), dtype=np.int64),
        replica=rows[:, 0].astype(np.int64),
        start_s=rows[:, 1],
        end_s=rows[:, 2],
        free_s=rows[:, 2],
        idle_s=rows[:, 2],
        due_s=rows[:, 3],
        capacity=np.full(len(rows), counter.tenant.phase.batch, dtype=np.int64),
        aborted=np.zeros(len(rows), dtype=bool),
        offset=np.concatenate([[0], np.cumsum(size)]).astype(np.int64),
        member=member,
        entered_s=np.array(counter.arrival)[member] if len(member) else np.zeros(0),
    )


def _replicas(tenant: Tenant) -> Replicas:
    count, kind = len(tenant.devices), tenant.service.stations[0].kinds[0]
    return Replicas(
        portion=np.zeros(count, dtype=np.int64),
        number=np.arange(count),
        pool=np.full(count, kind.pool),
        devices=np.full(count, kind.devices),
        held_s=np.zeros(count),
        ready_s=np.zeros(count),
        released_s=np.full(count, np.inf),
    )
