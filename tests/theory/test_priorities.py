"""Classes with non-preemptive priority (Cobham 1954); the higher number is served first."""

from __future__ import annotations

import pytest

from tests.estimates import assert_agrees, interval
from tests.oracles import general
from tests.support import Node, records, station, waits

SERVICE = 0.1
SHARES = {"low": 0.3, "high": 0.25, "middle": 0.45}
PRIORITY = {"low": -1, "high": 5, "middle": 2}


@pytest.mark.parametrize(
    ("load", "servers", "jitter"),
    [
        (0.75, 1, {"distribution": "exponential"}),
        (0.75, 1, {"distribution": "deterministic"}),
        (0.7, 1, {"distribution": "lognormal", "cv": 1.3}),
        (2.25, 3, {"distribution": "exponential"}),
    ],
    ids=["mm1", "md1", "mg1", "mm3"],
)
def test_wait_by_class(load: float, servers: int, jitter: Node) -> None:
    """Mean wait of each of three classes, written in no particular order."""
    rate = load / SERVICE
    classes = [{"name": name, "share": SHARES[name], "priority": PRIORITY[name]} for name in SHARES]
    node = station(
        rate,
        SERVICE,
        servers,
        requests=60_000,
        warm=2_000,
        replications=24,
        seed=51,
        jitter=jitter,
        service={"classes": classes},
    )
    runs = records(node)
    order = ["high", "middle", "low"]
    cv = {"exponential": 1.0, "deterministic": 0.0}.get(jitter["distribution"], jitter.get("cv", 0.0))
    wanted = general.priority_waits([rate * SHARES[name] for name in order], SERVICE, cv, servers)
    for name, theory in zip(order, wanted):
        index = [info.name for info in runs[0].services[0].classes].index(name)
        assert_agrees(interval([waits(r, class_index=index).mean() for r in runs]), theory, sees=0.06)
