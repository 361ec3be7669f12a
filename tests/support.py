"""Small scenarios, and what tests read off the records of their runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.cluster import simulate
from simulator.results.record import RunRecord
from simulator.scenario import load, loads

Floats = NDArray[np.float64]
Node = dict[str, Any]

DEVICE: Node = {"memory": "64GiB", "memory_bandwidth": "1000GB/s", "peak": {"fp16": "100TFLOPS"}}


def seconds(value: float) -> str:
    """A duration as a scenario writes it; ``repr`` of the float, so that nothing is rounded."""
    return f"{float(value)!r}s"


def per_second(value: float) -> str:
    """A rate as a scenario writes it, not rounded."""
    return f"{float(value)!r}/s"


def layer(time: float | tuple[float, float] | dict[int, float], name: str = "layer", **more: Any) -> Node:
    """A layer with a constant time, ``(overhead, per_item)`` or a table by batch [s]."""
    written: Any
    if isinstance(time, dict):
        written = {"per_batch": {batch: seconds(value) for batch, value in time.items()}}
    elif isinstance(time, tuple):
        written = {"overhead": seconds(time[0]), "per_item": seconds(time[1])}
    else:
        written = seconds(time)
    return {"name": name, "time": written, **more}


def portion(layers: str, replicas: int | None = 1, pool: str = "pool", max_wait: float = 0.0, **more: Any) -> Node:
    """A portion of a deployment; ``max_wait`` in seconds."""
    node: Node = {"layers": layers, "pool": pool, "max_wait": seconds(max_wait), **more}
    return node if replicas is None else {**node, "replicas": replicas}


def poisson(rate: float, **more: Any) -> Node:
    """Poisson arrivals at ``rate`` per second."""
    return {"process": "poisson", "rate": per_second(rate), **more}


def scenario(
    service: Node,
    layers: Sequence[Node],
    *,
    duration_s: float,
    warmup_s: float = 0.0,
    replications: int = 1,
    seed: int = 0,
    model: Node | None = None,
    cluster: Node | None = None,
    count: int = 1000,
    run: Node | None = None,
) -> Node:
    """A scenario with one service ``s`` on one model ``m`` and, unless ``cluster`` says more, one pool
    ``pool``.
    """
    return {
        "version": 1,
        "name": "case",
        "seed": seed,
        "run": {
            "duration": seconds(duration_s),
            "warmup": seconds(warmup_s),
            "replications": replications,
            **(run or {}),
        },
        "cluster": {
            "pools": {"pool": {"device": DEVICE, "count": count, "price_per_hour": 1.0}},
            **(cluster or {}),
        },
        "models": {"m": {"layers": list(layers), **(model or {})}},
        "services": {"s": {"model": "m", **service}},
    }


def station(
    rate: float,
    service_s: float,
    servers: int = 1,
    *,
    requests: int,
    warm: int = 0,
    replications: int = 16,
    seed: int = 0,
    jitter: str | Node = "exponential",
    service: Node | None = None,
    **entry: Any,
) -> Node:
    """One portion with Poisson arrivals: about ``requests`` in the cohort after about ``warm`` of warm-up.

    ``entry`` goes to the portion (batch, max_wait), ``service`` to the service (queue, classes, ...).
    """
    body: Node = {
        "workload": poisson(rate),
        "jitter": {"distribution": jitter} if isinstance(jitter, str) else jitter,
        "deployment": {"portions": [portion("1", servers, **entry)]},
        **(service or {}),
    }
    return scenario(
        body,
        [layer(service_s)],
        duration_s=(warm + requests) / rate,
        warmup_s=warm / rate,
        replications=replications,
        seed=seed,
    )


def run(node: Node, folder: Path | None = None) -> Any:
    """Simulate a scenario given as a dict; files that it names lie in ``folder``."""
    text = json.dumps(node)  # YAML 1.2 contains JSON
    if folder is None:
        return simulate(loads(text))
    path = folder / "scenario.yaml"
    path.write_text(text, encoding="utf-8")
    return simulate(load(path))


def records(node: Node, folder: Path | None = None) -> list[RunRecord]:
    """The records of a scenario's replications."""
    return list(run(node, folder).records)


def record(node: Node, folder: Path | None = None) -> RunRecord:
    """The record of a scenario with one replication."""
    (only,) = records(node, folder)
    return only


def trace(folder: Path, arrivals_s: Sequence[float], name: str = "arrivals.csv") -> Node:
    """A workload that replays ``arrivals_s`` from a file written to ``folder``."""
    (folder / name).write_text("\n".join(["arrival_s", *(repr(float(t)) for t in arrivals_s), ""]), encoding="utf-8")
    return {"process": "trace", "trace": name}


def cohort(rec: RunRecord) -> NDArray[np.bool_]:
    """Rows of the requests that count: arrivals in [warm-up, duration)."""
    arrival = rec.requests.arrival_s
    return (arrival >= rec.warmup_s) & (arrival < rec.duration_s)


def members(rec: RunRecord) -> NDArray[np.int64]:
    """Row of ``batches`` for each entry of ``batches.member``."""
    return np.repeat(np.arange(len(rec.batches.start_s)), np.diff(rec.batches.offset))


def waits(rec: RunRecord, portion_index: int = 0, class_index: int | None = None) -> Floats:
    """Time between entering a portion's queue and the start of service of each request of the cohort [s]."""
    batch = members(rec)
    keep = cohort(rec)[rec.batches.member] & (rec.batches.portion[batch] == portion_index)
    if class_index is not None:
        keep &= rec.requests.class_index[rec.batches.member] == class_index
    waited: Floats = (rec.batches.start_s[batch] - rec.batches.entered_s)[keep]
    return waited


def served(rec: RunRecord, portion_index: int = 0) -> Floats:
    """Service time of each request in a portion [s], by row; NaN where it was not served there."""
    batch = members(rec)
    here = (rec.batches.portion[batch] == portion_index) & ~rec.batches.aborted[batch]
    times = np.full(len(rec.requests.arrival_s), np.nan)
    times[rec.batches.member[here]] = (rec.batches.end_s - rec.batches.start_s)[batch[here]]
    return times


def sojourns(rec: RunRecord) -> Floats:
    """Time from arrival to the end of each ended request of the cohort [s]."""
    spent = (rec.requests.finish_s - rec.requests.arrival_s)[cohort(rec)]
    return spent[~np.isnan(spent)]


def mean_inside(rec: RunRecord) -> float:
    """Time average, over [warm-up, duration), of the number of requests in the system."""
    finish = np.where(np.isnan(rec.requests.finish_s), rec.end_s, rec.requests.finish_s)
    inside = np.minimum(finish, rec.duration_s) - np.maximum(rec.requests.arrival_s, rec.warmup_s)
    return float(np.maximum(inside, 0.0).sum()) / (rec.duration_s - rec.warmup_s)


def share(rec: RunRecord, outcome: int) -> float:
    """Share of the cohort that ended with ``outcome``."""
    return float(np.mean(rec.requests.outcome[cohort(rec)] == outcome))
