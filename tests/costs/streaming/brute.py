"""An event-by-event execution of a streamed step, written from the rules alone; and random models."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, field

from simulator.costs.streaming import Layer, Link, Server, Streamed

RETURN_BUFFERS = 2


@dataclass
class Job:
    """One visit: durations, and what it needs and frees."""

    compute: float
    load: float | None = None
    storage: float | None = None
    back: float | None = None
    update: float | None = None
    frees_slot: bool = False
    after: int | None = None


@dataclass
class Machine:
    """Resources and how far each has come in the order of visits."""

    jobs: list[Job]
    slots: int
    host_slots: int
    buffers: int = RETURN_BUFFERS
    now: float = 0.0
    events: list[tuple[float, int, str, int]] = field(default_factory=list)
    busy: set[str] = field(default_factory=set)
    done: dict[str, set[int]] = field(default_factory=lambda: {k: set() for k in ("far", "near", "run", "back", "srv")})
    begun: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("far", "near", "run", "back", "srv"), 0))

    def finish(self) -> float:
        self.dispatch()
        while self.events:
            self.now = self.events[0][0]
            while self.events and self.events[0][0] == self.now:
                _, _, what, v = heapq.heappop(self.events)
                self.complete(what, v)
            self.dispatch()
        assert len(self.done["run"]) == len(self.jobs), "deadlock"
        return self.now

    def complete(self, what: str, v: int) -> None:
        self.busy.discard(what)
        self.done[what].add(v)
        if what == "run" and self.jobs[v].frees_slot:
            self.slots += 1
        if what == "near" and self.jobs[v].storage is not None:
            self.host_slots += 1
        if what == "back":
            self.buffers += 1

    def dispatch(self) -> None:
        while any(self.start(what) for what in ("far", "near", "run", "back", "srv")):
            pass

    def start(self, what: str) -> bool:
        durations = {"far": "storage", "near": "load", "run": "compute", "back": "back", "srv": "update"}
        v = self.begun[what]
        while v < len(self.jobs) and getattr(self.jobs[v], durations[what]) is None:
            v += 1
        if what in self.busy or v == len(self.jobs) or not self.ready(what, v, self.jobs[v]):
            return False
        self.begun[what] = v + 1
        self.busy.add(what)
        heapq.heappush(self.events, (self.now + getattr(self.jobs[v], durations[what]), len(self.events), what, v))
        return True

    def ready(self, what: str, v: int, job: Job) -> bool:
        if what == "far":
            if not self.host_slots:
                return False
            self.host_slots -= 1
            return True
        if what == "near":
            arrived = job.storage is None or v in self.done["far"]
            if not (arrived and self.slots and (job.after is None or job.after in self.done["back"])):
                return False
            self.slots -= 1
            return True
        if what == "run":
            if job.load is not None and v not in self.done["near"]:
                return False
            if job.back is not None:
                if not self.buffers:
                    return False
                self.buffers -= 1
            return True
        return v in self.done["run" if what == "back" else "back"]


def jobs_of(model: Streamed, k: int) -> list[Job]:
    """The visits of a step, from the layers and the rules in words."""
    link, layers = model.link, model.layers
    keep = model.slots if model.kept is None else model.kept
    weighty = [i for i, layer in enumerate(layers) if layer.weight_bytes > 0]
    kept = set(weighty[::-1][:keep]) if model.training else set()
    jobs = []
    for i, layer in enumerate(layers):
        spill = _spill(model, layer, k) if model.training and i in weighty and i not in kept else None
        load = _load(link, layer) if i in weighty else None
        job = Job(layer.visit_s + k * layer.forward_s, load, frees_slot=i in weighty and i not in kept, back=spill)
        if spill is not None and load is not None:
            job.load, job.back = _beside(load, spill, link.duplex), _beside(spill, load, link.duplex)
        jobs.append(job)
    for i, layer in reversed(list(enumerate(layers)) if model.training else []):
        loads = i in weighty and i not in kept
        spill = _spill(model, layer, k) if loads else None
        load = (_load(link, layer) + (spill or 0.0)) if loads else None
        back = _gradient(link, layer)
        job = Job(layer.visit_s + k * layer.backward_s, load, back=back, frees_slot=i in weighty)
        if load is not None and back is not None:
            job.load, job.back = _beside(load, back, link.duplex), _beside(back, load, link.duplex)
        job.after = i if spill is not None else None
        if back is not None and model.server.update_rate is not None:
            job.update = layer.parameters / model.server.update_rate
        jobs.append(job)
    for number, job in enumerate(jobs):
        layer = layers[number if number < len(layers) else 2 * len(layers) - 1 - number]
        if job.load is not None and model.storage is not None:
            job.storage = _load(model.storage, layer)
    return jobs


def brute_seconds(model: Streamed, k: int) -> float:
    return Machine(jobs_of(model, k), model.slots, model.host_slots).finish()


def _load(link: Link, layer: Layer) -> float:
    return layer.copies * link.latency_s + layer.weight_bytes / link.bandwidth


def _gradient(link: Link, layer: Layer) -> float | None:
    return link.latency_s + layer.gradient_bytes / link.bandwidth if layer.gradient_bytes else None


def _spill(model: Streamed, layer: Layer, k: int) -> float | None:
    if not (model.spilled and layer.activation_bytes):
        return None
    return model.link.latency_s + k * layer.activation_bytes / model.link.bandwidth


def _beside(one: float, other: float, duplex: float) -> float:
    return one + min(one, other) * (1.0 / duplex - 1.0)


def random_layer(rng: random.Random) -> Layer:
    def some(chance: float, top: float) -> float:
        return rng.uniform(0.0, top) if rng.random() < chance else 0.0

    return Layer(
        weight_bytes=some(0.9, 4.0),
        forward_s=rng.choice([0.0, 0.5, 1.0, rng.uniform(0.0, 2.0)]),
        backward_s=rng.uniform(0.0, 3.0),
        activation_bytes=some(0.8, 1.0),
        gradient_bytes=some(0.7, 4.0),
        parameters=rng.uniform(0.0, 2.0),
        visit_s=some(0.3, 0.5),
        copies=rng.randint(1, 3),
    )


def random_model(rng: random.Random) -> Streamed:
    training = rng.random() < 0.7
    slots = rng.randint(1, 4)
    return Streamed(
        layers=tuple(random_layer(rng) for _ in range(rng.randint(1, 7))),
        link=Link(rng.choice([1.0, 2.0]), rng.choice([0.0, 0.1]), rng.choice([1.0, 0.72, 0.5])),
        training=training,
        slots=slots,
        kept=rng.choice([None, rng.randint(0, slots)]),
        spilled=training and rng.random() < 0.5,
        storage=Link(rng.uniform(0.5, 3.0), 0.05) if rng.random() < 0.3 else None,
        host_slots=rng.randint(1, 3),
        server=Server(update_rate=rng.choice([None, 1.0])),
    )
