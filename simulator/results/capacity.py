"""What the hardware did: replicas, batches, pools and their cost, clipped to the window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulator.results.cohort import Json
from simulator.results.record import Floats, Ints, RunFrame

HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Work:
    """What the batches of a run did in its window: by portion (P), and by pool (Q)."""

    busy_s: Floats
    """Batch start until the replica was idle again, clipped to the window [s] (P)."""
    pool_busy_s: Floats
    """The same by pool, times the devices of the replica [device-seconds] (Q)."""
    batches: Ints
    """Batches that start in the window, aborted ones too, since they occupied a device (P)."""
    members: Ints
    """Their members (P)."""
    wait_s: Floats
    """Their members' waits from entry to start, added up [s] (P)."""
    wait_p99_s: Sequence[float | None]
    """The 99th percentile of those waits [s]; None without any (P)."""


def service_cost(frame: RunFrame, service: int, completed: int) -> Json:
    """Cost of the devices that a service holds, per hour of the window and per million completed.

    Every device is billed from ``held_s`` to ``released_s``, loading and idle time included, at its pool's
    price.
    """
    held_s = _device_seconds(frame) * (_service_of_replica(frame) == service)
    prices = np.array([pool.price_per_hour for pool in frame.pools], dtype=float)
    window_s = frame.duration_s - frame.warmup_s
    per_hour = None
    if window_s > 0:  # shares of the window first: a replica held throughout counts exactly once
        per_hour = float((held_s / window_s * prices[frame.replicas.pool]).sum())
    return {
        "cost_per_hour": per_hour,
        "cost_per_million": per_hour * window_s / HOUR_S / completed * 1e6
        if per_hour is not None and completed
        else None,
        "device_hours": float(held_s.sum()) / HOUR_S,
    }


def portion_figures(frame: RunFrame, service: int, work: Work, twin: bool = False) -> list[Json]:
    """Replicas, utilization, batches and waits of each portion of a service, or of its twin, in the frame's order.

    - ``replicas``: time average of those ready to serve;
    - ``utilization``: busy time (batch start until idle again, sending included) over ready time;
    - ``mean_batch``: size of the batches that start in the window;
    - ``queue_wait``: entry to start, of all members of those batches [s].

    A portion without replicas of its own (serial execution, where a replica carries a batch through all
    portions) is measured against the replicas of its deployment's first portion.
    """
    numbers = [
        number for number, portion in enumerate(frame.portions) if portion.service == service and portion.twin == twin
    ]
    several = len({frame.portions[number].from_s for number in numbers}) > 1
    found = []
    for number in numbers:
        portion = frame.portions[number]
        figures: Json = {"layers": portion.layers}
        if several:
            figures["from"] = portion.from_s
        found.append(figures | _ready_figures(frame, number, work) | _batch_figures(work, number))
    return found


def pool_figures(frame: RunFrame, work: Work) -> Json:
    """Use and cost of each pool in the window; ``used`` is the most devices held at one time."""
    held_s = _device_seconds(frame)
    window_s = frame.duration_s - frame.warmup_s
    figures = {}
    for number, pool in enumerate(frame.pools):
        held = float(held_s[frame.replicas.pool == number].sum())
        figures[pool.name] = {
            "count": pool.count,
            "used": _peak_devices(frame, number),
            "utilization": float(work.pool_busy_s[number]) / held if held > 0 else None,
            "cost_per_hour": held / window_s * pool.price_per_hour if window_s > 0 else None,
        }
    return figures


def clipped(frame: RunFrame, start_s: Floats, end_s: Floats) -> Floats:
    """Length of each [start, end) inside the window [warmup, duration) [s]."""
    low, high = frame.warmup_s, frame.duration_s
    return np.maximum(np.clip(end_s, low, high) - np.clip(start_s, low, high), 0.0)


def service_names(frame: RunFrame) -> list[str]:
    """Name of the service of each portion."""
    return [frame.services[portion.service].name for portion in frame.portions]


def _ready_figures(frame: RunFrame, number: int, work: Work) -> Json:
    replicas = frame.replicas
    mine = replicas.portion == _home_portion(frame, number)
    ready_s = float(clipped(frame, replicas.ready_s[mine], replicas.released_s[mine]).sum())
    window_s = frame.duration_s - frame.warmup_s
    average = ready_s / window_s if window_s > 0 else 0.0
    whole = round(average)
    return {
        "replicas": whole if abs(average - whole) < 1e-9 else average,
        "utilization": float(work.busy_s[number]) / ready_s if ready_s > 0 else None,
    }


def _batch_figures(work: Work, number: int) -> Json:
    batches, members = int(work.batches[number]), int(work.members[number])
    if not batches:
        return {"mean_batch": None, "queue_wait": {"mean": None, "p99": None}}
    wait = {"mean": float(work.wait_s[number]) / members, "p99": work.wait_p99_s[number]}
    return {"mean_batch": members / batches, "queue_wait": wait}


def _home_portion(frame: RunFrame, number: int) -> int:
    """The portion that owns the replicas on which portion ``number`` runs."""
    owners = set(frame.replicas.portion.tolist())
    if number in owners:
        return number
    mine = frame.portions[number]
    homes = [
        other
        for other, portion in enumerate(frame.portions)
        if other in owners and portion.service == mine.service and portion.from_s <= mine.from_s
    ]
    return max(homes, key=lambda other: frame.portions[other].from_s, default=number)


def _service_of_replica(frame: RunFrame) -> Ints:
    services = np.array([portion.service for portion in frame.portions], dtype=np.int64)
    return services[frame.replicas.portion]


def _device_seconds(frame: RunFrame) -> Floats:
    """Device-seconds held in the window, by replica."""
    replicas = frame.replicas
    return clipped(frame, replicas.held_s, replicas.released_s) * replicas.devices


def _peak_devices(frame: RunFrame, pool: int) -> int:
    """Most devices of a pool held at one instant of the window; a release at an instant comes first."""
    replicas = frame.replicas
    mine = (replicas.pool == pool) & (replicas.held_s < frame.duration_s) & (replicas.released_s > frame.warmup_s)
    mine &= replicas.released_s > replicas.held_s
    devices = replicas.devices[mine]
    times = np.concatenate((replicas.released_s[mine], np.maximum(replicas.held_s[mine], frame.warmup_s)))
    change = np.concatenate((-devices, devices))
    order = np.argsort(times, kind="stable")
    return int(change[order].cumsum().max(initial=0))
