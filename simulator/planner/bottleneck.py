"""What binds a service at a given load: one of its portions, a link, or the pool that several portions fill."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from simulator.results import RunRecord

BALANCED = 0.02
"""Portions whose utilization differs by less than this bind together."""


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """The busiest resource of a service.

    ``kind`` is ``portion``; ``link`` when its replicas spend more time sending than serving; ``pool`` when several
    portions are equally busy and together fill their pool, so that replicas can only be moved, not added.
    """

    kind: str
    name: str
    portion: str
    pool: str
    utilization: float

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Use:
    portion: int
    pool: int
    utilization: float
    sending: float
    """Share of the busy time that goes into transfers."""


def bottleneck_of(record: RunRecord, service: str) -> Bottleneck | None:
    """The bottleneck of one run; None when no replica of the service was busy at all."""
    uses = _uses(record, service)
    if not uses:
        return None
    busiest = max(uses, key=lambda use: use.utilization)
    layers, pool = record.portions[busiest.portion].layers, record.pools[busiest.pool].name
    if busiest.sending > 0.5:
        return Bottleneck("link", f"from {layers}", layers, pool, busiest.utilization)
    level = [use for use in uses if use.utilization > busiest.utilization - BALANCED]
    together = len({use.portion for use in level}) > 1 and len({use.pool for use in level}) == 1
    if together and _held(record, busiest.pool) >= record.pools[busiest.pool].count:
        return Bottleneck("pool", pool, layers, pool, busiest.utilization)
    return Bottleneck("portion", layers, layers, pool, busiest.utilization)


def _uses(record: RunRecord, service: str) -> list[_Use]:
    batches, replicas = record.batches, record.replicas
    low, high = record.warmup_s, record.duration_s

    def clipped(start: Any, end: Any) -> Any:
        return np.maximum(np.minimum(end, high) - np.maximum(start, low), 0.0)

    busy = np.bincount(batches.replica, clipped(batches.start_s, batches.idle_s), len(replicas.pool))
    sending = np.bincount(batches.replica, clipped(batches.end_s, batches.idle_s), len(replicas.pool))
    ready = clipped(replicas.ready_s, replicas.released_s)
    uses = []
    for portion, info in enumerate(record.portions):
        if record.services[info.service].name != service:
            continue
        for pool in range(len(record.pools)):
            mine = (replicas.portion == portion) & (replicas.pool == pool)
            if ready[mine].sum() > 0 and busy[mine].sum() > 0:
                total = float(busy[mine].sum())
                uses.append(_Use(portion, pool, total / float(ready[mine].sum()), float(sending[mine].sum()) / total))
    return uses


def _held(record: RunRecord, pool: int) -> int:
    replicas = record.replicas
    present = (replicas.pool == pool) & (replicas.held_s <= record.warmup_s) & (replicas.released_s > record.warmup_s)
    return int(replicas.devices[present].sum())
