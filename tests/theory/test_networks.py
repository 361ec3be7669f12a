"""Several portions in a row with early leaving (Jackson), and closed loops (machine repair)."""

from __future__ import annotations

import numpy as np
import pytest

from simulator.results.record import RunRecord
from tests.estimates import assert_agrees, controlled, interval, with_luck
from tests.oracles import markov
from tests.support import Node, layer, poisson, portion, records, scenario, served, sojourns, waits

SERVICES = [0.1, 0.15, 0.05]
SERVERS = [3, 3, 1]


def tandem(rate: float, leave: list[float], requests: int, warm: int) -> Node:
    """Three portions of one layer; share ``leave[i]`` of those who reach ramp i leave there."""
    survival = np.cumprod([1.0, *(1.0 - gone for gone in leave[:2])])
    profile = [float(survival[0] * leave[0]), float(survival[1] * leave[1]), 0.0]
    profile[2] = 1.0 - profile[0] - profile[1]
    service: Node = {
        "workload": poisson(rate),
        "jitter": {"distribution": "exponential"},
        "deployment": {
            "exit_mode": "at_cut",
            "portions": [portion(str(i + 1), SERVERS[i]) for i in range(3)],
        },
    }
    return scenario(
        service,
        [layer(time, f"layer{i}") for i, time in enumerate(SERVICES)],
        model={"ramps": {"after": "all", "time": {"relative": 0.0}}, "exits": {"profile": profile}},
        duration_s=(warm + requests) / rate,
        warmup_s=warm / rate,
        replications=16,
        seed=31,
    )


@pytest.mark.parametrize(("rate", "leave"), [(20.0, [0.4, 0.5, 0.0]), (14.0, [0.0, 0.0, 0.0])])
def test_tandem_with_early_leaving(rate: float, leave: list[float]) -> None:
    """Every portion is M/M/c at the rate that survives to it (Jackson, Burke): each wait, and the whole time."""
    runs = records(tandem(rate, leave, requests=20_000, warm=1_000))
    reaching = rate
    for index in range(3):
        wanted = markov.mmc_wait(reaching, SERVICES[index], SERVERS[index])
        samples = [waits(r, index).mean() for r in runs]
        luck = [[float(np.isfinite(served(r, index)).sum()) / r.duration_s for r in runs]]
        luck.append([float(np.nanmean(served(r, index))) for r in runs])
        assert_agrees(controlled(samples, luck, [reaching, SERVICES[index]]), wanted, sees=0.08)
        left = [float(np.mean(r.requests.exit_layer == index + 1)) for r in runs]
        gone = (leave[index] if index < 2 else 1.0) * reaching / rate
        if 0.0 < gone < 1.0:
            assert_agrees(interval(left), gone, sees=0.03)
        else:
            assert set(left) == {gone}
        reaching *= 1.0 - leave[index]
    whole = markov.tandem_sojourn(rate, SERVICES, SERVERS, leave)
    assert_agrees(with_luck(runs, [sojourns(r).mean() for r in runs], rate, SERVICES[0]), whole, sees=0.03)


def closed(clients: int, think: Node, servers: int = 1) -> Node:
    service: Node = {
        "workload": {"process": "closed", "clients": clients, "think": think},
        "jitter": {"distribution": "exponential"},
        "deployment": {"portions": [portion("1", servers)]},
    }
    return scenario(service, [layer(0.1)], duration_s=850.0, warmup_s=50.0, replications=16, seed=32)


def throughput(rec: RunRecord) -> float:
    finish = rec.requests.finish_s
    inside = (finish >= rec.warmup_s) & (finish < rec.duration_s)
    return float(inside.sum()) / (rec.duration_s - rec.warmup_s)


@pytest.mark.parametrize(
    ("clients", "think", "servers"),
    [
        (8, {"mean": "0.6s", "distribution": "exponential"}, 1),
        (8, {"mean": "0.6s", "distribution": "deterministic"}, 1),
        (8, {"mean": "0.6s", "distribution": "lognormal", "cv": 1.5}, 1),
        (12, {"mean": "0.4s", "distribution": "exponential"}, 3),
    ],
    ids=["exponential", "deterministic", "lognormal", "three-servers"],
)
def test_machine_repair(clients: int, think: Node, servers: int) -> None:
    """Closed M/M/c//N: throughput and response; insensitive to the think-time distribution (BCMP)."""
    runs = records(closed(clients, think, servers))
    rate, response = markov.machine_repair(clients, float(think["mean"][:-1]), 0.1, servers)
    assert_agrees(interval([throughput(r) for r in runs]), rate, sees=0.02)
    assert_agrees(interval([sojourns(r).mean() for r in runs]), response, sees=0.04)
