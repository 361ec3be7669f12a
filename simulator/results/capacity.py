"""What the hardware did: replicas, batches, pools and their cost, clipped to the window."""

from __future__ import annotations

import numpy as np

from simulator.results.cohort import Json
from simulator.results.quantiles import percentiles
from simulator.results.record import Floats, Ints, RunRecord

HOUR_S = 3600.0


def service_cost(record: RunRecord, service: int, completed: int) -> Json:
    """Cost of the devices that a service holds, per hour of the window and per million completed.

    Every device is billed from ``held_s`` to ``released_s``, loading and idle time included, at its pool's
    price.
    """
    held_s = _device_seconds(record) * (_service_of_replica(record) == service)
    prices = np.array([pool.price_per_hour for pool in record.pools], dtype=float)
    window_s = record.duration_s - record.warmup_s
    per_hour = None
    if window_s > 0:  # shares of the window first: a replica held throughout counts exactly once
        per_hour = float((held_s / window_s * prices[record.replicas.pool]).sum())
    return {
        "cost_per_hour": per_hour,
        "cost_per_million": per_hour * window_s / HOUR_S / completed * 1e6
        if per_hour is not None and completed
        else None,
        "device_hours": float(held_s.sum()) / HOUR_S,
    }


def portion_figures(record: RunRecord, service: int) -> list[Json]:
    """Replicas, utilization, batches and waits of each portion of a service, in the record's order.

    - ``replicas``: time average of those ready to serve;
    - ``utilization``: busy time (batch start until idle again, sending included) over ready time;
    - ``mean_batch``: size of the batches that start in the window, aborted ones too, since they occupied a
      device;
    - ``queue_wait``: entry to start, of all members of those batches [s].

    A portion without replicas of its own (serial execution, where a replica carries a batch through all
    portions) is measured against the replicas of its deployment's first portion.
    """
    numbers = [number for number, portion in enumerate(record.portions) if portion.service == service]
    several = len({record.portions[number].from_s for number in numbers}) > 1
    found = []
    for number in numbers:
        portion = record.portions[number]
        figures: Json = {"layers": portion.layers}
        if several:
            figures["from"] = portion.from_s
        found.append(figures | _ready_figures(record, number) | _batch_figures(record, number))
    return found


def pool_figures(record: RunRecord) -> Json:
    """Use and cost of each pool in the window; ``used`` is the most devices held at one time."""
    busy_s, held_s = _busy_device_seconds(record), _device_seconds(record)
    window_s = record.duration_s - record.warmup_s
    figures = {}
    for number, pool in enumerate(record.pools):
        mine = record.replicas.pool == number
        held = float(held_s[mine].sum())
        figures[pool.name] = {
            "count": pool.count,
            "used": _peak_devices(record, number),
            "utilization": float(busy_s[mine].sum()) / held if held > 0 else None,
            "cost_per_hour": held / window_s * pool.price_per_hour if window_s > 0 else None,
        }
    return figures


def clipped(record: RunRecord, start_s: Floats, end_s: Floats) -> Floats:
    """Length of each [start, end) inside the window [warmup, duration) [s]."""
    low, high = record.warmup_s, record.duration_s
    return np.maximum(np.clip(end_s, low, high) - np.clip(start_s, low, high), 0.0)


def service_names(record: RunRecord) -> list[str]:
    """Name of the service of each portion."""
    return [record.services[portion.service].name for portion in record.portions]


def _ready_figures(record: RunRecord, number: int) -> Json:
    replicas, batches = record.replicas, record.batches
    mine = replicas.portion == _home_portion(record, number)
    ready_s = float(clipped(record, replicas.ready_s[mine], replicas.released_s[mine]).sum())
    ours = batches.portion == number
    busy_s = float(clipped(record, batches.start_s[ours], batches.idle_s[ours]).sum())
    window_s = record.duration_s - record.warmup_s
    average = ready_s / window_s if window_s > 0 else 0.0
    whole = round(average)
    return {
        "replicas": whole if abs(average - whole) < 1e-9 else average,
        "utilization": busy_s / ready_s if ready_s > 0 else None,
    }


def _batch_figures(record: RunRecord, number: int) -> Json:
    batches = record.batches
    start_s, size = batches.start_s, np.diff(batches.offset)
    ours = (batches.portion == number) & (start_s >= record.warmup_s) & (start_s < record.duration_s)
    if not ours.any():
        return {"mean_batch": None, "queue_wait": {"mean": None, "p99": None}}
    entered_s = batches.entered_s[np.repeat(ours, size)]
    wait_s = np.repeat(start_s[ours], size[ours]) - entered_s
    wait = {"mean": float(wait_s.mean()), **percentiles(wait_s, ("p99",))}
    return {"mean_batch": float(size[ours].mean()), "queue_wait": wait}


def _home_portion(record: RunRecord, number: int) -> int:
    """The portion that owns the replicas on which portion ``number`` runs."""
    owners = set(record.replicas.portion.tolist())
    if number in owners:
        return number
    mine = record.portions[number]
    homes = [
        other
        for other, portion in enumerate(record.portions)
        if other in owners and portion.service == mine.service and portion.from_s <= mine.from_s
    ]
    return max(homes, key=lambda other: record.portions[other].from_s, default=number)


def _service_of_replica(record: RunRecord) -> Ints:
    services = np.array([portion.service for portion in record.portions], dtype=np.int64)
    return services[record.replicas.portion]


def _device_seconds(record: RunRecord) -> Floats:
    """Device-seconds held in the window, by replica."""
    replicas = record.replicas
    return clipped(record, replicas.held_s, replicas.released_s) * replicas.devices


def _busy_device_seconds(record: RunRecord) -> Floats:
    """Device-seconds with a batch in the window, by replica."""
    batches, replicas = record.batches, record.replicas
    busy_s = clipped(record, batches.start_s, batches.idle_s)
    busy: Floats = np.bincount(batches.replica, weights=busy_s, minlength=len(replicas.pool)).astype(float)
    return busy * replicas.devices


def _peak_devices(record: RunRecord, pool: int) -> int:
    """Most devices of a pool held at one instant of the window; a release at an instant comes first."""
    replicas = record.replicas
    mine = (replicas.pool == pool) & (replicas.held_s < record.duration_s) & (replicas.released_s > record.warmup_s)
    mine &= replicas.released_s > replicas.held_s
    devices = replicas.devices[mine]
    times = np.concatenate((replicas.released_s[mine], np.maximum(replicas.held_s[mine], record.warmup_s)))
    change = np.concatenate((-devices, devices))
    order = np.argsort(times, kind="stable")
    return int(change[order].cumsum().max(initial=0))
