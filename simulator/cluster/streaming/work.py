"""What a device does in one step: its visits with seconds, and what each copy needs of the shared links."""

from __future__ import annotations

from dataclasses import dataclass

from simulator.costs.streaming import Link, Streamed, Visit


@dataclass(frozen=True, slots=True)
class Carried:
    """A copy: ``seconds`` alone, ``latency`` of them without the link, its ``size`` [B], its ``need`` of the link."""

    seconds: float
    latency: float
    size: float
    need: float


@dataclass(frozen=True, slots=True)
class Task:
    """One visit of a layer. ``index`` of its load among the loads, of its return among the returns; -1: none.

    ``after``: the return that must have ended before its load; -1: none.
    """

    layer: int
    backward: bool
    compute_s: float
    load: int
    back: int
    after: int
    releases: bool


@dataclass(frozen=True, slots=True)
class StepWork:
    """A step of a group of so many microbatches: visits in order, their copies in the same order."""

    group: int
    slots: int
    host_slots: int
    tasks: tuple[Task, ...]
    far: tuple[Carried, ...]
    """Reads of the disk, one for each load; empty without a disk."""
    near: tuple[Carried, ...]
    back: tuple[Carried, ...]
    update_s: tuple[float | None, ...]
    """Of each return: time of the server's update."""

    @property
    def loads(self) -> tuple[int, ...]:
        """The visit of each load."""
        return tuple(number for number, task in enumerate(self.tasks) if task.load >= 0)

    @property
    def backs(self) -> tuple[int, ...]:
        """The visit of each return."""
        return tuple(number for number, task in enumerate(self.tasks) if task.back >= 0)


def work_of(streamed: Streamed, group: int, bandwidth: float) -> StepWork:
    """The work of one step; ``bandwidth`` [B/s] of the shared link, of which a slower device needs only a part."""
    visits = streamed.visits(group)
    loads = [number for number, visit in enumerate(visits) if visit.load_s]
    backs = [number for number, visit in enumerate(visits) if visit.return_s is not None]
    load_of = {number: index for index, number in enumerate(loads)}
    back_of = {number: index for index, number in enumerate(backs)}
    tasks = tuple(
        Task(
            layer=visit.layer,
            backward=visit.backward,
            compute_s=float(visit.compute_s[0]),
            load=load_of.get(number, -1),
            back=back_of.get(number, -1),
            after=-1 if visit.after is None else back_of[visit.after],
            releases=visit.releases,
        )
        for number, visit in enumerate(visits)
    )
    spills = set(streamed.spills())
    return StepWork(
        group=group,
        slots=streamed.slots,
        host_slots=streamed.host_slots,
        tasks=tasks,
        far=tuple(_read(streamed, visits[number]) for number in loads) if streamed.storage is not None else (),
        near=tuple(_near(streamed, visits[number], spills, group, bandwidth) for number in loads),
        back=tuple(_back(streamed, visits[number], spills, group, bandwidth) for number in backs),
        update_s=tuple(_update(visits[number]) for number in backs),
    )


def _read(streamed: Streamed, visit: Visit) -> Carried:
    assert streamed.storage is not None
    layer, link = streamed.layers[visit.layer], streamed.storage
    return carried(float(visit.load_s[0][0]), layer.copies * link.latency_s, layer.weight_bytes, link.bandwidth)


def _near(streamed: Streamed, visit: Visit, spills: set[int], group: int, bandwidth: float) -> Carried:
    layer, link = streamed.layers[visit.layer], streamed.link
    fetches = visit.backward and visit.layer in spills
    size = layer.weight_bytes + (group * layer.activation_bytes if fetches else 0.0)
    latency = (layer.copies + fetches) * link.latency_s
    return carried(float(visit.load_s[-1][0]), latency, size, bandwidth)


def _back(streamed: Streamed, visit: Visit, spills: set[int], group: int, bandwidth: float) -> Carried:
    layer, link = streamed.layers[visit.layer], streamed.link
    assert visit.return_s is not None
    size = layer.gradient_bytes if visit.backward else group * layer.activation_bytes
    return carried(float(visit.return_s[0]), link.latency_s, size, bandwidth)


def carried(seconds: float, latency: float, size: float, bandwidth: float) -> Carried:
    """A copy that takes a link of ``bandwidth`` [B/s] for all but its latency, in which it moves its ``size`` [B]."""
    moving = seconds - latency
    return Carried(seconds, latency, size, min(size / bandwidth / moving, 1.0) if moving > 0.0 else 1.0)


def _update(visit: Visit) -> float | None:
    return None if visit.update_s is None else float(visit.update_s[0])


def at_share(streamed: Streamed, devices: int, bandwidth: float) -> Link:
    """The link of one of so many devices that all copy at once over a link of ``bandwidth`` [B/s]."""
    link = streamed.link
    return Link(min(link.bandwidth, bandwidth / devices), link.latency_s, link.duplex)
