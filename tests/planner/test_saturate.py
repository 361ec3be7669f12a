"""Saturation where the highest load is known: closed forms, and what binds."""

from __future__ import annotations

import json
from math import log
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from simulator.cli.main import run as plan
from simulator.errors import ScenarioError
from simulator.planner.saturate import RESOLUTION, ServiceSaturation, saturate
from simulator.scenario import Scenario, load, loads
from tests.support import Node, layer, poisson, portion, scenario, trace

EXPONENTIAL: Node = {"distribution": "exponential"}


def written(node: Node, folder: Path | None = None) -> Scenario:
    if folder is None:
        return loads(json.dumps(node))
    (folder / "scenario.yaml").write_text(json.dumps(node), encoding="utf-8")
    return load(folder / "scenario.yaml")


def found(node: Node, folder: Path | None = None, **more: Any) -> ServiceSaturation:
    return saturate(written(node, folder), **more).services["s"]


def slo(latency: str, attainment: float | None = None) -> Node:
    return {"latency": latency} if attainment is None else {"latency": latency, "attainment": attainment}


def queue(rate: float, objective: Node | None, *, time: float = 0.1, duration_s: float = 400.0, **service: Any) -> Node:
    """One exponential server unless ``jitter`` says otherwise."""
    return scenario(
        {
            "workload": poisson(rate),
            "deployment": {"portions": [portion("1")]},
            "jitter": EXPONENTIAL,
            **({"slo": objective} if objective else {}),
            **service,
        },
        [layer(time)],
        duration_s=duration_s,
    )


def spread(answer: ServiceSaturation, replications: int) -> float:
    """Standard error of the highest rate, from its 95 % interval."""
    assert answer.ci95 is not None
    return float((answer.ci95[1] - answer.max_rate) / stats.t.ppf(0.975, replications - 1))


def test_mm1_has_a_closed_form() -> None:
    """Sojourns are exponential with rate mu - lambda: lambda* = mu + ln(1 - a) / d."""
    mu, latency_s, attainment, replications = 100.0, 0.064, 0.8, 12
    exact = mu + log(1 - attainment) / latency_s
    node = queue(0.98 * exact, slo(f"{latency_s}s", attainment), time=1 / mu, duration_s=110.0)
    node["run"] |= {"replications": replications, "warmup": "10s"}
    answer = found(node)
    half = float(stats.t.ppf(0.9995, replications - 1)) * spread(answer, replications)
    assert half < 0.03 * exact
    assert abs(answer.max_rate - exact) <= half + RESOLUTION * exact
    assert answer.load_factor == pytest.approx(answer.max_rate / (0.98 * exact))
    assert answer.margin == pytest.approx(answer.load_factor - 1)
    assert answer.bottleneck is not None
    assert answer.bottleneck.kind == "portion"
    assert answer.bottleneck.utilization == pytest.approx(exact / mu, abs=0.03)


def test_dd1_saturates_at_the_service_rate(tmp_path: Path) -> None:
    """Arrivals every second, a service of 0.25 s: up to factor 4 nobody waits, beyond the queue grows."""
    service = {
        "workload": trace(tmp_path, range(400)),
        "deployment": {"portions": [portion("1")]},
        "slo": slo("251ms"),
    }
    answer = found(scenario(service, [layer(0.25)], duration_s=400.0), tmp_path)
    assert 4.0 * (1 - RESOLUTION) <= answer.load_factor <= 4.0
    assert answer.max_rate == answer.load_factor
    assert answer.ci95 == (answer.max_rate, answer.max_rate)  # nothing is left to chance


def test_an_objective_that_is_never_met() -> None:
    answer = found(queue(2.0, slo("100ms", 0.5), time=0.2, jitter={"distribution": "deterministic"}))
    assert answer.max_rate == answer.load_factor == 0.0
    assert answer.margin == -1.0
    assert answer.bottleneck is None
    assert "any load" in (answer.note or "")


def test_a_few_lucky_requests_prove_nothing() -> None:
    """One request in ten is too slow even alone; at hardly any load a run of a few shows none of them."""
    answer = found(queue(2.0, slo("230ms", 0.99), time=0.1, duration_s=500.0))
    assert answer.load_factor == 0.0


def test_a_load_that_is_too_much_has_a_negative_margin() -> None:
    answer = found(queue(20.0, slo("1s", 0.9), duration_s=200.0))
    assert -0.75 < answer.margin < -0.5  # mu + ln(1 - a) / d = 7.7/s of 20/s


def test_without_an_objective_the_service_rate_binds() -> None:
    answer = found(queue(5.0, None, duration_s=500.0, jitter={"distribution": "deterministic"}))
    assert answer.max_rate == pytest.approx(10.0, rel=0.03)


def test_classes_have_their_own_objective() -> None:
    """The class with the tighter deadline binds, although it is served first."""
    classes = [
        {"name": "paid", "share": 0.5, "priority": 1, "slo": slo("250ms", 0.9)},
        {"name": "free", "share": 0.5},
    ]
    both = found(queue(1.0, slo("2s", 0.9), duration_s=500.0, classes=classes))
    plain = found(queue(1.0, slo("2s", 0.9), duration_s=500.0))
    assert 0 < both.max_rate < plain.max_rate


def two_services() -> Node:
    """Both on replicas of their own, ``a`` at half of what it can carry and ``b`` at a fifth."""
    node = scenario(
        {"workload": poisson(40.0), "slo": slo("100ms", 0.9), "deployment": {"portions": [portion("1")]}},
        [layer(0.01)],
        duration_s=25.0,
    )
    service = node["services"].pop("s")
    node["services"] = {"a": service, "b": {**service, "workload": poisson(16.0)}}
    return node


def test_each_service_alone() -> None:
    answers = saturate(written(two_services())).services
    assert answers["a"].max_rate == pytest.approx(answers["b"].max_rate, rel=0.1)
    assert answers["b"].load_factor == pytest.approx(2.5 * answers["a"].load_factor, rel=0.1)
    one = saturate(written(two_services()), ["b"]).services
    assert list(one) == ["b"]
    assert one["b"] == answers["b"]


def test_all_services_together() -> None:
    """One factor for all: the service that is nearest to its limit decides."""
    alone = saturate(written(two_services()), ["a"]).services
    together = saturate(written(two_services()), together=True).services
    assert together["a"].load_factor == together["b"].load_factor
    assert together["a"].load_factor == pytest.approx(alone["a"].load_factor, rel=0.02)


def test_a_trace_is_compressed(tmp_path: Path) -> None:
    service = {
        "workload": trace(tmp_path, [0.5 * i for i in range(1000)]) | {"scale": 2.0},
        "deployment": {"portions": [portion("1")]},
        "slo": slo("60ms", 0.99),
    }
    answer = found(scenario(service, [layer(0.05)], duration_s=50.0), tmp_path)
    assert answer.load_factor == pytest.approx(5.0, rel=0.05)  # 4/s as written, 20/s at most


def test_clients_are_whole() -> None:
    """D clients without a think time to speak of wait for each other: a latency of k services allows k clients."""
    node = queue(1.0, slo("35ms", 0.95), duration_s=30.0, jitter={"distribution": "deterministic"}, time=0.01)
    node["services"]["s"]["workload"] = {
        "process": "closed",
        "clients": 2,
        "think": {"mean": "1us", "distribution": "deterministic"},
    }
    answer = found(node)
    assert answer.load_factor == 1.5
    assert answer.max_rate == pytest.approx(100.0, rel=0.01)


def test_clients_without_an_objective_always_hold() -> None:
    node = queue(1.0, None)
    node["services"]["s"]["workload"] = {"process": "closed", "clients": 2, "think": "1s"}
    with pytest.raises(ScenarioError, match=r"services\.s: clients wait for their answers"):
        found(node)


def chain(
    times: tuple[float, float], replicas: tuple[int, int], *, output: str = "0B", count: int = 100, **cluster: Any
) -> Node:
    node = scenario(
        {
            "workload": poisson(30.0),
            "slo": slo("500ms", 0.95),
            "deployment": {"portions": [portion("1", replicas[0]), portion("2", replicas[1])]},
        },
        [layer(times[0], output=output), layer(times[1])],
        duration_s=25.0,
        count=count,
    )
    node["cluster"] |= cluster
    return node


@pytest.mark.parametrize(
    ("node", "kind", "name"),
    [
        (chain((0.01, 0.02), (1, 1)), "portion", "2"),
        (chain((0.01, 0.02), (1, 3)), "portion", "1"),
        (chain((0.001, 0.002), (1, 1), output="1MB", network={"bandwidth": "50MB/s"}), "link", "from 1"),
        (chain((0.01, 0.02), (2, 4), count=6), "pool", "pool"),
        (chain((0.01, 0.02), (2, 4), count=7), "portion", "2"),
    ],
)
def test_what_binds(node: Node, kind: str, name: str) -> None:
    bound = found(node).bottleneck
    assert bound is not None
    if (kind, name) == ("portion", "2") and bound.name == "1":
        name = "1"  # both are equally busy
    assert (bound.kind, bound.name) == (kind, name)
    assert bound.utilization > 0.7


def test_same_seed_same_answer() -> None:
    node = queue(5.0, slo("1s", 0.9), duration_s=60.0)
    assert saturate(written(node)) == saturate(written(node))


def test_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "scenario.yaml"
    path.write_text(json.dumps(queue(5.0, slo("1s", 0.9), duration_s=60.0)), encoding="utf-8")
    assert plan(["saturate", str(path), "--json"]) == 0
    tree = json.loads(capsys.readouterr().out)
    assert list(tree) == ["services"]
    figures = tree["services"]["s"]
    assert {"max_rate", "ci95", "load_factor", "bottleneck", "margin"} <= figures.keys()
    assert figures["ci95"][0] <= figures["max_rate"] <= figures["ci95"][1]
    assert figures["bottleneck"]["kind"] == "portion"


def test_progress_ends_at_one() -> None:
    ticks: list[float] = []
    found(queue(5.0, slo("1s", 0.9), duration_s=20.0), progress=ticks.append)
    assert ticks == sorted(ticks)
    assert ticks[-1] == 1.0
