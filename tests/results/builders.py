"""Hand-made run records: lists of visits become arrays, a random little cluster a consistent record."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from simulator.results.record import (
    Batches,
    ClassInfo,
    Outcome,
    PoolInfo,
    PortionInfo,
    Replicas,
    Requests,
    RunRecord,
    ServiceInfo,
)

CLASS = ClassInfo("all", 0, math.inf)


@dataclass(frozen=True)
class Ask:
    """One request; ``finish`` None means inside."""

    arrival: float
    finish: float | None
    outcome: Outcome = Outcome.COMPLETED
    exit_layer: int = 4
    correct: float = math.nan
    kind: int = 0
    service: int = 0
    attempts: int = 1


@dataclass(frozen=True)
class Batch:
    """One batch: members as (row of the request, instant of entry)."""

    start: float
    end: float
    members: Sequence[tuple[int, float]]
    free: float | None = None
    idle: float | None = None
    due: float = -math.inf
    capacity: int = 8
    aborted: bool = False
    portion: int = 0
    replica: int = 0


@dataclass(frozen=True)
class Replica:
    """One replica; held and ready from the start unless said otherwise."""

    portion: int = 0
    number: int = 0
    pool: int = 0
    devices: int = 1
    held: float = 0.0
    ready: float = 0.0
    released: float = math.inf


def service(name: str = "chat", *classes: ClassInfo, target: float | None = None) -> ServiceInfo:
    return ServiceInfo(name, classes or (CLASS,), bool(classes), target, None)


def requests(asks: Sequence[Ask]) -> Requests:
    seen: dict[int, int] = {}
    numbers = []
    for ask in asks:
        numbers.append(seen.get(ask.service, 0))
        seen[ask.service] = numbers[-1] + 1
    return Requests(
        service=np.array([ask.service for ask in asks], dtype=np.int64),
        number=np.array(numbers, dtype=np.int64),
        class_index=np.array([ask.kind for ask in asks], dtype=np.int64),
        arrival_s=np.array([ask.arrival for ask in asks], dtype=float),
        finish_s=np.array([math.nan if ask.finish is None else ask.finish for ask in asks], dtype=float),
        outcome=np.array([int(ask.outcome) for ask in asks], dtype=np.int64),
        exit_layer=np.array(
            [ask.exit_layer if ask.outcome is Outcome.COMPLETED else 0 for ask in asks], dtype=np.int64
        ),
        correct=np.array([ask.correct for ask in asks], dtype=float),
        attempts=np.array([ask.attempts for ask in asks], dtype=np.int64),
    )


def batches(rows: Sequence[Batch]) -> Batches:
    def free(row: Batch) -> float:
        return row.end if row.free is None else row.free

    return Batches(
        portion=np.array([row.portion for row in rows], dtype=np.int64),
        replica=np.array([row.replica for row in rows], dtype=np.int64),
        start_s=np.array([row.start for row in rows], dtype=float),
        end_s=np.array([row.end for row in rows], dtype=float),
        free_s=np.array([free(row) for row in rows], dtype=float),
        idle_s=np.array([free(row) if row.idle is None else row.idle for row in rows], dtype=float),
        due_s=np.array([row.due for row in rows], dtype=float),
        capacity=np.array([row.capacity for row in rows], dtype=np.int64),
        aborted=np.array([row.aborted for row in rows], dtype=bool),
        offset=np.cumsum([0, *(len(row.members) for row in rows)], dtype=np.int64),
        member=np.array([number for row in rows for number, _ in row.members], dtype=np.int64),
        entered_s=np.array([entered for row in rows for _, entered in row.members], dtype=float),
    )


def replicas(rows: Sequence[Replica]) -> Replicas:
    return Replicas(
        portion=np.array([row.portion for row in rows], dtype=np.int64),
        number=np.array([row.number for row in rows], dtype=np.int64),
        pool=np.array([row.pool for row in rows], dtype=np.int64),
        devices=np.array([row.devices for row in rows], dtype=np.int64),
        held_s=np.array([row.held for row in rows], dtype=float),
        ready_s=np.array([row.ready for row in rows], dtype=float),
        released_s=np.array([row.released for row in rows], dtype=float),
    )


def record(
    asks: Sequence[Ask],
    visits: Sequence[Batch] = (),
    *,
    machines: Sequence[Replica] = (Replica(),),
    services: Sequence[ServiceInfo] = (service(),),
    portions: Sequence[PortionInfo] = (PortionInfo(0, 1, 4, 0.0),),
    pools: Sequence[PoolInfo] = (PoolInfo("v100", 4, 3.6),),
    warmup: float = 0.0,
    duration: float = 10.0,
    end: float = 20.0,
    replication: int = 0,
    warnings: Sequence[str] = (),
) -> RunRecord:
    return RunRecord(
        replication=replication,
        warmup_s=warmup,
        duration_s=duration,
        end_s=end,
        services=tuple(services),
        portions=tuple(portions),
        pools=tuple(pools),
        requests=requests(asks),
        batches=batches(visits),
        replicas=replicas(machines),
        warnings=tuple(warnings),
    )


def alone(asks: Sequence[Ask], **named: object) -> RunRecord:
    """Every completed request is its own batch, in service for its whole latency."""
    visits = [
        Batch(ask.arrival, ask.finish, [(row, ask.arrival)])
        for row, ask in enumerate(asks)
        if ask.outcome is Outcome.COMPLETED and ask.finish is not None
    ]
    return record(asks, visits, **named)  # type: ignore[arg-type]


def tandem(
    seed: int,
    count: int,
    *,
    max_wait: float = 0.0,
    faults: bool = False,
    classes: int = 1,
    warmup: float = 1.0,
) -> RunRecord:
    """A small two-portion cluster played by hand: one replica each, batches up to 4, transfers, exits.

    Not the product's engine: a plain loop whose record is consistent, for laws that hold of every record.
    """
    draw = np.random.default_rng(seed)
    arrivals = np.cumsum(draw.exponential(0.05, count)).tolist()
    kinds = draw.integers(0, classes, count).tolist()
    early = (draw.random(count) < 0.4).tolist()
    lost = (draw.random(count) < 0.05).tolist()
    asks: list[Ask] = []
    for arrival, kind, gone in zip(arrivals, kinds, lost):
        outcome = Outcome.DROPPED if gone else Outcome.INSIDE
        asks.append(Ask(arrival, arrival + 0.01 if gone else None, outcome, kind=kind))
    first = [(row, entered) for row, entered in enumerate(arrivals) if not lost[row]]
    visits: list[Batch] = []
    survivors = _play(draw, first, asks, visits, max_wait, 0, faults, early)
    _play(draw, survivors, asks, visits, max_wait, 1, False, [True] * count)
    duration = arrivals[-1] + 0.5
    infos = [ClassInfo(f"k{number}", 0, 0.3 + 0.2 * number) for number in range(classes)]
    named = service("chat", *infos) if classes > 1 else replace(service(), classes=(replace(CLASS, slo_s=0.4),))
    return record(
        asks,
        visits,
        machines=[Replica(0), Replica(1)],
        services=[named],
        portions=[PortionInfo(0, 1, 2, 0.0), PortionInfo(0, 3, 4, 0.0)],
        warmup=min(warmup, duration / 2),
        duration=duration,
        end=max([duration, *(batch.end for batch in visits)]) + 1.0,
    )


def _play(
    draw: np.random.Generator,
    queue: list[tuple[int, float]],
    asks: list[Ask],
    visits: list[Batch],
    max_wait: float,
    portion: int,
    faults: bool,
    leaves: list[bool],
) -> list[tuple[int, float]]:
    """One replica serves ``queue`` in order; the answer is who goes on, as (row, entry to the next)."""
    idle, survivors, queue = 0.0, [], list(queue)
    while queue:
        due = queue[0][1] + max_wait
        when = max(idle, due)
        if len(queue) >= 4:
            when = min(when, max(idle, queue[3][1]))
        members = [item for item in queue[:4] if item[1] <= when]
        del queue[: len(members)]
        end = when + 0.02 + 0.01 * len(members)
        options = {
            "due": due if max_wait else -math.inf,
            "capacity": 4,
            "portion": portion,
            "replica": portion,
        }
        if faults and draw.random() < 0.1:
            abort = when + 0.5 * (end - when)
            visits.append(Batch(when, abort, members, aborted=True, **options))  # type: ignore[arg-type]
            queue = [(row, abort) for row, _ in members] + queue
            idle = abort + 0.03
            continue
        stay = [row for row, _ in members if not leaves[row]]
        free = end + (0.003 * len(stay) if stay else 0.0)
        visits.append(Batch(when, end, members, free=free, **options))  # type: ignore[arg-type]
        idle = free
        for row, _ in members:
            if row in stay:
                survivors.append((row, free))
            else:
                exit_layer = 2 if portion == 0 else 4
                asks[row] = replace(asks[row], finish=end, outcome=Outcome.COMPLETED, exit_layer=exit_layer)
    return survivors
