"""Both engines on what the random scenarios are too small for: borders of chunks and sets, arrays that grow."""

from __future__ import annotations

from itertools import cycle, islice
from time import process_time
from typing import Any

import numpy as np
import pytest

from simulator.cluster.compiled.feed import CHUNK
from tests.differential.compare import assert_same
from tests.differential.strategies import recording
from tests.differential.support import both
from tests.support import DEVICE, Node, layer, poisson, portion, scenario, seconds

EXPONENTIAL: Node = {"jitter": {"distribution": "exponential"}}
LOGNORMAL: Node = {"jitter": {"distribution": "lognormal", "cv": 0.6}}
CLASSES: Node = {
    "classes": [
        {"name": f"c{i}", "share": 1 / 8, "priority": i % 3, "slo": {"latency": seconds(0.05 * (i + 1))}}
        for i in range(8)
    ]
}
RAMPS: Node = {"ramps": {"after": "all", "time": {"relative": 0.2}}, "exits": {"profile": [0.05] * 15}}
LAYERS = [layer((0.0005, 0.00001), f"l{i}", output="8B") for i in range(16)]
MODES = ["none", "at_cut", "compact", "answer_early"]
DROPS = ["never", "expired", "hopeless"]
ROUTINGS = ["shared", "random", "round_robin", "least_outstanding", "two_choices"]


def agree(node: Node, arrivals: Any = None, replication: int = 0) -> int:
    """Both engines say the same; how many requests there were."""
    files = {} if arrivals is None else {"arrivals.csv": recording(arrivals)}
    one, other = both(node, files, replication)
    assert_same(one, other)
    return len(one.requests.arrival_s)


def portions(count: int, replicas: int, **entry: Any) -> list[Node]:
    """The sixteen layers in so many portions."""
    size = 16 // count
    return [portion(f"{i * size + 1}-{i * size + size}", replicas, **entry) for i in range(count)]


def played(**deployment: Any) -> Node:
    return {"workload": {"trace": "arrivals.csv"}, "deployment": deployment}


# -- arrivals ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [CHUNK - 1, CHUNK, CHUNK + 1, 5 * CHUNK])
def test_all_arrive_at_one_instant(count: int) -> None:
    """While a replica is idle: the next chunks belong to the same instant, for which the arrays must grow."""
    node = scenario(played(portions=[portion("1", 3, batch=4)]), [layer(0.0005)], duration_s=64.0)
    assert agree(node, [0.0] * count + [32.0] * count) == 2 * count


@pytest.mark.parametrize("before", [CHUNK - 20, CHUNK, 2 * CHUNK])
def test_an_instant_across_two_chunks(before: int) -> None:
    early = np.sort(np.random.default_rng(before).integers(0, 2000, before - 20)) / 250
    late = 8 + np.sort(np.random.default_rng(1).integers(1, 500, 2000)) / 125
    body = played(portions=[portion("1", 8, batch=8, max_wait=0.01), portion("2", 8, batch=4, max_wait=0.005)])
    node = scenario({**body, **LOGNORMAL, **CLASSES}, [layer(0.01), layer(0.008)], duration_s=20.0)
    agree(node, [*early, *([8.0] * 40), *late])


@pytest.mark.parametrize(
    "load",
    [
        poisson(4000),
        {"process": "gamma", "rate": "4000/s", "cv": 2.0},
        {
            "process": "mmpp",
            "states": [{"rate": "8000/s", "mean_duration": "1s"}, {"rate": "500/s", "mean_duration": "0.5s"}],
        },
    ],
    ids=lambda load: load["process"],
)
def test_numbers_of_chance_go_on_in_the_next_chunk(load: Node) -> None:
    """Arrivals, classes, exit rows and jitter of eight portions."""
    body = {"workload": load, **LOGNORMAL, **CLASSES, "queue": {"drop": "hopeless"}}
    body["deployment"] = {"exit_mode": "at_cut", "portions": portions(8, 6, batch=16, max_wait=0.003)}
    network = {"network": {"bandwidth": "1000000B/s", "latency": "0.001s", "overlap": True}}
    assert agree(scenario(body, LAYERS, duration_s=6.0, model=RAMPS, cluster=network), replication=3) > CHUNK


# -- replicas ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("replicas", [63, 64, 65, 128])
@pytest.mark.parametrize("how", ["kinds", "serial", "faults"])
def test_words_of_the_sets_of_idle_replicas(how: str, replicas: int) -> None:
    body: Node = {"workload": poisson(replicas * 20.0), **EXPONENTIAL, "on_fault": {"retries": 2}}
    first = portion("1-2", replicas // 2, batch=2, max_wait=0.01)
    if how == "serial":
        chain = [portion("1", None, batch=2, max_wait=0.01), portion("2", None, batch=4, max_wait=0.02)]
        body["deployment"] = {"execution": "serial", "replicas": replicas, "portions": chain}
    elif how == "kinds":
        body["deployment"] = {"portions": [first, portion("1-2", (replicas + 1) // 2, batch=3, max_wait=0.02)]}
    else:
        body["deployment"] = {"portions": [portion("1-2", replicas, batch=2, max_wait=0.01)]}
    node = scenario(body, [layer(0.05), layer(0.04)], duration_s=3000 / (replicas * 20.0), count=20_000)
    if how == "faults":
        node["cluster"]["pools"]["pool"]["faults"] = {"mtbf": "0.5s", "mttr": "0.2s"}
    agree(node)


@pytest.mark.parametrize("routing", ROUTINGS)
def test_thousands_of_replicas(routing: str) -> None:
    """The sets have three levels, and but for one routing each replica has its queue."""
    deployment = {"routing": routing, "portions": [portion("1", 4200, batch=2, max_wait=0.01)]}
    body = {"workload": poisson(30_000), **LOGNORMAL, "deployment": deployment}
    agree(scenario(body, [layer(0.1)], duration_s=0.05 if routing == "least_outstanding" else 0.2, count=20_000))


@pytest.mark.parametrize("how", ["waits", "portion"])
def test_windows_of_an_overloaded_service(how: str) -> None:
    """A hundred thousand requests wait while windows change what they wait for, or take their portion away.

    Whoever looked through all of them before each batch would compute for minutes.
    """
    waits = {"waits": [0.01, 0.002, 0.05, 0.05, 0.0], "portion": [0.01] * 3}[how]
    windows = [
        {"from": seconds(at), "portions": [portion("1", 2, batch=4 + (how == "portion") * i, max_wait=wait)]}
        for i, (at, wait) in enumerate(zip([0.0, 12.0, 24.0, 36.0, 38.0], waits))
    ]
    body: Node = {"workload": poisson(4000), "deployments": windows}
    node = scenario(body, [layer(0.008)], duration_s=40.0, count=2)
    first = {"s": {**body, "model": "m", "deployments": windows[:1]}}
    both({**node, "run": {**node["run"], "duration": "1s"}, "services": first})  # compiles, where nobody has yet
    before = process_time()
    assert agree(node) > 150_000
    assert process_time() - before < 60


# -- loads and services ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["compact", "answer_early"])
def test_large_batches_whose_transfers_pile_up(mode: str) -> None:
    """Eight portions, batches of 512, and a link so slow that batches outlive their service: their array grows."""
    body = {"workload": poisson(4000), **EXPONENTIAL, **CLASSES}
    body["deployment"] = {"exit_mode": mode, "portions": portions(8, 8, batch=512, max_wait=0.1)}
    network = {"network": {"bandwidth": "8000B/s", "latency": "0.01s", "overlap": True}}
    agree(scenario(body, LAYERS, duration_s=4.0, model=RAMPS, cluster=network), replication=1)


def test_clients_use_up_what_is_kept_ready_for_them() -> None:
    """Hundreds of requests of each client: blocks of 64 ordinals, of which 32 are ready at a time."""
    load = {"process": "closed", "clients": 150, "think": {"mean": "0.001s", "distribution": "exponential"}}
    body = {"workload": load, **EXPONENTIAL, **CLASSES, "queue": {"drop": "expired", "capacity": 100}}
    body["deployment"] = {"exit_mode": "compact", "portions": portions(4, 10, batch=32, max_wait=0.005)}
    assert agree(scenario(body, LAYERS, duration_s=2.5, model=RAMPS)) > 150 * 100


@pytest.mark.parametrize("overlap", [False, True])
def test_fourteen_services(overlap: bool) -> None:
    """Open and closed loads, every routing, mode and policy, three windows each, failures, pools that are short."""
    ramps = {"ramps": {"after": "all", "time": "0.001s"}, "exits": {"profile": [0.2, 0.2, 0.1]}}
    layers = [layer(0.01, f"l{j}", output="8B", weights="8B") for j in range(4)]
    think = {"mean": "0.2s", "distribution": "exponential"}
    services = {}
    for i, (mode, drop) in enumerate(islice(zip(cycle(MODES), cycle(DROPS)), 14)):
        windows = [
            {
                "from": start,
                "routing": ROUTINGS[routing % 5],
                "exit_mode": mode,
                "portions": [portion(layers, replicas, batch=batch, max_wait=0.01) for layers in ("1-2", "3-4")],
            }
            for start, replicas, batch, routing in (("0s", 3, 4, i), ("2s", 5, 4, i), ("4s", 2, 8, i + 1))
        ]
        closed = {"process": "closed", "clients": 100, "think": think}
        services[f"s{i}"] = {
            "model": "m",
            "workload": poisson(200) if i % 2 else closed,
            **EXPONENTIAL,
            "on_fault": {"retries": 2},
            "queue": {"drop": drop},
            "slo": {"latency": "0.3s"},
            "deployments": windows,
        }
    faults = {"mtbf": "1s", "mttr": "0.1s"}
    pool = {"device": DEVICE, "count": 150, "price_per_hour": 1.0, "start_up": "0.2s", "faults": faults}
    node: Node = {
        "version": 1,
        "name": "case",
        "seed": 1,
        "run": {"duration": "6s", "warmup": "1s"},
        "cluster": {
            "pools": {"pool": pool},
            "network": {"bandwidth": "10000B/s", "latency": "0.001s", "overlap": overlap},
        },
        "models": {"m": {"layers": layers, **ramps}},
        "services": services,
    }
    agree(node, replication=int(overlap))


@pytest.mark.parametrize("routing", ["shared", "two_choices"])
def test_failures_under_a_growing_queue(routing: str) -> None:
    """Who comes back is due before those who entered since, of whom thousands wait."""
    deployment = {"routing": routing, "portions": [portion("1", 8, batch=8, max_wait=0.2)]}
    body = {"workload": poisson(6000), **EXPONENTIAL, "on_fault": {"retries": 3}, "deployment": deployment}
    node = scenario(body, [layer(0.02)], duration_s=3.0)
    node["cluster"]["pools"]["pool"]["faults"] = {"mtbf": "0.3s", "mttr": "0.05s"}
    agree(node)
