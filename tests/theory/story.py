"""A run told as a list of batches, for tests that work out every instant by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from simulator.results.record import Outcome, RunRecord
from tests.support import Node, layer, record, scenario, trace


class Served(NamedTuple):
    """One batch: instants in seconds, members by number of request."""

    portion: int
    replica: int
    start: float
    end: float
    members: tuple[int, ...]


def story(rec: RunRecord) -> list[Served]:
    """Batches by start, portion and replica."""
    batches = rec.batches
    told = [
        Served(
            int(batches.portion[i]),
            int(rec.replicas.number[batches.replica[i]]),
            float(batches.start_s[i]),
            float(batches.end_s[i]),
            tuple(int(rec.requests.number[m]) for m in batches.member[batches.offset[i] : batches.offset[i + 1]]),
        )
        for i in range(len(batches.start_s))
    ]
    return sorted(told, key=lambda batch: (batch.start, batch.portion, batch.replica))


def finishes(rec: RunRecord) -> list[float]:
    """Instant at which each request ended [s], by number."""
    return [float(t) for t in rec.requests.finish_s]


def outcomes(rec: RunRecord) -> str:
    """One letter per request: Completed, Dropped, Rejected, Failed, Inside."""
    letters = {Outcome.COMPLETED: "C", Outcome.DROPPED: "D", Outcome.REJECTED: "R", Outcome.FAILED: "F"}
    return "".join(letters.get(Outcome(value), "I") for value in rec.requests.outcome)


def played(
    folder: Path,
    arrivals_s: Sequence[float],
    layers: Sequence[Node],
    deployment: Node,
    *,
    service: Node | None = None,
    model: Node | None = None,
    cluster: Node | None = None,
    duration_s: float = 64.0,
    seed: int = 0,
    **more: Any,
) -> RunRecord:
    """Run a few arrivals through one deployment."""
    node = scenario(
        {"workload": trace(folder, arrivals_s), "deployment": deployment, **(service or {})},
        layers,
        duration_s=duration_s,
        model=model,
        cluster=cluster,
        seed=seed,
        **more,
    )
    return record(node, folder)


def affine(overhead: float, per_item: float, name: str = "layer", **more: Any) -> Node:
    """A layer of ``overhead + per_item x batch`` seconds."""
    return layer((overhead, per_item), name, **more)
