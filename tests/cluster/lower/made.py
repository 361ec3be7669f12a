"""Lowering small scenarios."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from simulator.cluster import load, loads
from simulator.cluster.lower import lower
from simulator.cluster.lowered import Lowered, Phase, Service
from tests.support import Node, poisson, portion, scenario

INLINE: Node = {
    "memory": "16GB",
    "memory_bandwidth": "100GB/s",
    "peak": {"fp16": "10TFLOPS", "int8": "20TOPS"},
    "overhead": "20us",
}


def node(layers: Sequence[Node], portions: Sequence[Node] | None = None, **more: Any) -> Node:
    """One service on pool ``pool``; ``more`` goes to the deployment, but model, cluster, service and pool elsewhere."""
    model, cluster, service = (more.pop(key, {}) for key in ("model", "cluster", "service"))
    pool = more.pop("pool", {})
    repeats = sum(layer.get("repeat", 1) for layer in layers)
    whole = "1" if repeats == 1 else f"1-{repeats}"
    deployment = {"portions": list(portions or [portion(whole)]), **more}
    pools = {"pool": {"device": INLINE, "count": 100, "price_per_hour": 1.0, **pool}}
    written = {"workload": poisson(1.0), "deployment": deployment, **service}
    return scenario(
        {key: value for key, value in written.items() if value is not None},
        layers,
        duration_s=10.0,
        model=model,
        cluster={**cluster, "pools": pools | cluster.get("pools", {})},
    )


def lowered(tree: Node, folder: Path | None = None) -> Lowered:
    """The scenario as arrays; files that it names lie in ``folder``."""
    if folder is None:
        return lower(loads(json.dumps(tree)))
    path = folder / "scenario.yaml"
    path.write_text(json.dumps(tree), encoding="utf-8")
    return lower(load(path))


def service(tree: Node, folder: Path | None = None) -> Service:
    """The only service of a scenario, lowered."""
    (only,) = lowered(tree, folder).services
    return only


def phases(tree: Node, folder: Path | None = None) -> list[Phase]:
    """The phases of the first kind of every station."""
    return [phase for station in service(tree, folder).stations for phase in station.kinds[0].phases]


def phase(tree: Node, folder: Path | None = None) -> Phase:
    """The only phase."""
    (only,) = phases(tree, folder)
    return only
