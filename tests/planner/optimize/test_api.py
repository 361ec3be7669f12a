"""The whole call: plans whose answer is known, rounds of verification, objectives, and what is returned."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulator.cluster import loads
from simulator.errors import ScenarioError
from simulator.planner.optimize import Progress, optimize
from simulator.planner.optimize.api import Optimized
from simulator.planner.optimize.certificate import Bounds, gap
from simulator.planner.optimize.objectives import solvers
from simulator.planner.optimize.problem import Ask, Judgement, PlannedLoad, Window
from simulator.planner.optimize.ready import ready
from simulator.planner.optimize.search.found import Limit
from simulator.planner.optimize.verify.plan import ServiceVerification, Verification, verify
from simulator.scenario import Scenario, load
from tests.oracles.markov import erlang_c

SERVICE_S, SLO_S, SHARE = 0.01, 0.05, 0.96
TEXT = """\
version: 1
name: station
seed: 11
run: {duration: 300s}
cluster:
  pools:
    dear: {device: v100-16gb, count: 40, price_per_hour: 3}
    cheap: {device: t4, count: 40, price_per_hour: 1}
models:
  m: {layers: [{name: l, time: 10ms}]}
services:
  s:
    model: m
    slo: {latency: 50ms, attainment: 96%}
    workload: {process: poisson, rate: 500/s}
    jitter: {distribution: exponential}
planner:
  objective: cost
  window: 100s
  search: {batch: [1], max_cuts: 0}
  verification: {replications: 4}
"""


def scenario(*changes: tuple[str, str]) -> Scenario:
    text = TEXT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return loads(text)


def in_time(servers: int, rate: float) -> float:
    """Share of the sojourns in M/M/c that end within the objective."""
    mu = 1 / SERVICE_S
    offered = rate / mu
    waits, spare = erlang_c(offered, servers), servers - 1 - offered
    more = mu * SLO_S if abs(spare) < 1e-9 else (1 - exp(-mu * SLO_S * spare)) / spare
    return 1 - exp(-mu * SLO_S) * (1 + waits * more)


def fewest(rate: float) -> int:
    """Servers from which on the objective holds; one fewer misses it, and neither is close."""
    servers = int(rate * SERVICE_S) + 1
    while in_time(servers, rate) < SHARE:
        servers += 1
    assert in_time(servers, rate) > SHARE + 0.003
    if servers - 1 > rate * SERVICE_S:
        assert in_time(servers - 1, rate) < SHARE - 0.003
    return servers


def steady(rates: Sequence[float]) -> PlannedLoad:
    windows = tuple(Window(100.0 * number, 100.0 * (number + 1)) for number in range(len(rates)))
    return PlannedLoad(windows, {"s": np.array(rates)})


def replicas(found: Optimized) -> list[int]:
    assert found.plan is not None
    return [window.services["s"].portions[0].replicas or 0 for window in found.plan.windows]


def test_servers_of_erlang() -> None:
    """The fewest servers of M/M/c in every window, on the cheaper of two equal devices."""
    rates = [150.0, 560.0, 300.0]
    found = optimize(scenario(), load=steady(rates), workers=1)
    assert found.holds, found.reason
    assert replicas(found) == [fewest(rate) for rate in rates]
    assert found.plan is not None
    assert {one.services["s"].portions[0].pool for one in found.plan.windows} == {"cheap"}
    assert found.certificate["proven"]
    assert found.cost is not None
    assert found.cost["total"] == pytest.approx(sum(fewest(rate) for rate in rates) * 100 / 3600)
    for window, rate, servers in zip(found.plan.windows, rates, replicas(found)):
        assert window.predicted["s"].attainment == pytest.approx(in_time(servers, rate), abs=0.01)


def test_bounds_are_on_their_side() -> None:
    found = optimize(scenario(), load=steady([560.0] * 3), workers=1)
    bounds, value = found.certificate["bounds"], found.certificate["value"]
    assert 0 < bounds["any_plan"] <= bounds["search"] <= bounds["program"] * (1 + 1e-9) <= value * (1 + 2e-9)
    hours = 300 / 3600
    assert bounds["any_plan"] == pytest.approx(np.ceil(560 * SERVICE_S * SHARE) * hours)  # no plan serves fewer


def test_goodput_is_the_load_that_the_pool_carries() -> None:
    """M/M/c with all servers of the pool; the other pool is left out."""
    small = scenario(
        ("objective: cost\n  window: 100s", "objective: goodput"), ("count: 40, price_per_hour: 1", "count: 6"),
        ("max_cuts: 0", "max_cuts: 0, pools: [cheap]"), ("duration: 300s", "duration: 100s"),
    )  # fmt: skip
    found = optimize(small, workers=1)
    assert found.holds, found.reason
    assert replicas(found) == [6]
    carried = max(rate for rate in range(100, 600, 5) if in_time(6, rate) >= SHARE)
    assert found.certificate["value"] == pytest.approx(carried, rel=0.03)
    assert found.certificate["bounds"]["search"] >= found.certificate["value"]
    assert found.plan is not None
    assert found.plan.windows[0].rate["s"] == pytest.approx(found.certificate["value"])


def test_attainment_for_a_budget() -> None:
    spent = []
    for budget in (4, 7):
        found = optimize(
            scenario(("objective: cost", f"objective: attainment\n  budget_per_hour: {budget}")), workers=1
        )
        assert found.holds, found.reason
        assert found.cost is not None
        assert found.cost["per_hour"] <= budget * (1 + 1e-9)
        spent.append(found.certificate["value"])
    assert spent[0] < spent[1] <= 1


def test_a_miss_of_the_verification_is_answered_with_more_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """A judge who accepts everything that is stable: the verification alone is left to say no."""
    from simulator.planner.optimize import api

    class Kind(api.SimulationJudge):
        def judge(self, asks: Sequence[Ask]) -> list[Judgement]:
            return [Judgement(True, attainment=1.0, p99_s=0.01) for _ in asks]

    monkeypatch.setattr(api, "SimulationJudge", Kind)
    found = optimize(scenario(), load=steady([560.0, 560.0, 560.0]), workers=1)
    assert found.holds, found.reason
    assert found.certificate["rounds"] > 1
    assert len(found.certificate["refuted"]) == found.certificate["rounds"] - 1
    assert all(count >= fewest(560.0) for count in replicas(found))
    assert not found.certificate["proven"]
    assert found.verification is not None
    assert found.verification["first_replication"] > 0  # other random numbers than those that refused


def test_a_window_that_goes_on_missing_gets_more_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """One replica more is no answer to every miss; bounds stay those of the load itself, whatever room is asked for."""
    monkeypatch.setattr(solvers, "MORE_ROOM", 4.0)
    here = ready(scenario(), steady([560.0, 300.0]))
    solver = solvers.CostSolver(here, Stable())
    seen = []
    for _ in range(solvers.CLOSE + 1):
        last = solver.attempt(Limit(), None)
        assert last.choices is not None
        assert last.bounds.search is not None
        assert last.bounds.search <= last.value * (1 + 1e-9)
        seen.append((last.choices[0][0].replicas[0], last.bounds.search))
        assert solver.miss(last, missing(0))
    (before, _), (after, bound) = seen[-2:]
    assert before < np.ceil(4 * 560 * SERVICE_S * SHARE) <= after
    assert bound < after * 100 / 3600
    assert last.choices[0][1].replicas == (3,)  # this window never missed


def test_room_that_the_pools_do_not_have_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solvers, "MORE_ROOM", 100.0)
    solver = solvers.CostSolver(ready(scenario(), steady([560.0])), Stable())
    for _ in range(solvers.CLOSE + 3):
        last = solver.attempt(Limit(), None)
        assert last.choices is not None
        assert solver.miss(last, missing(0))


class Stable:
    """A judge who accepts whatever is stable."""

    def judge(self, asks: Sequence[Ask]) -> list[Judgement]:
        return [Judgement(True) for _ in asks]


def missing(*windows: int) -> Verification:
    """A verification that these windows miss."""
    seen = ServiceVerification(SHARE, 0.5, None, 0.4, (), (), windows, 1.0, 1.0, reason="missed")
    return Verification(False, 4, 0, {"s": seen}, reason="missed")


def test_predictions_are_the_figures_of_the_verification() -> None:
    here = scenario()
    found = optimize(here, load=steady([150.0, 560.0]), workers=1)
    assert found.plan is not None
    assert found.verification is not None
    deployments = {"s": [window.services["s"] for window in found.plan.windows]}
    again = verify(here, deployments, found.load, replications=4, workers=1)
    assert again.to_dict()["services"]["s"]["runs"] == tuple(found.verification["services"]["s"]["runs"])
    for window, seen in zip(found.plan.windows, again.services["s"].windows):
        told = window.predicted["s"]
        assert (told.p99, told.attainment, told.goodput) == (seen.p99_s, seen.attainment, seen.goodput)


def test_what_binds_is_what_one_replica_fewer_would_miss() -> None:
    found = optimize(scenario(), load=steady([560.0]), workers=1)
    servers = fewest(560.0)
    assert servers - 1 > 560 * SERVICE_S  # stable, but late
    (told,) = found.certificate["binding"]
    assert told.startswith(f"objective: s at 560.0 /s with {servers - 1} cheap instead of {servers}: ")
    assert "96 % asked" in told


def test_windows_of_a_replay_are_not_told_by_their_rates(tmp_path: Path) -> None:
    """Calm at the highest rate, then bursts at a lower one: each window gets what it needs, and that is proved."""
    calm = np.linspace(0.0, 100.0, 10_000, endpoint=False)
    bursts = 100.0 + np.repeat(np.arange(0.0, 100.0, 0.5), 40) + np.tile(np.arange(40) * 1e-4, 200)
    lines = "\n".join(f"{instant:.6f}" for instant in np.concatenate([calm, bursts]))
    (tmp_path / "t.csv").write_text(f"arrival_s\n{lines}\n")
    text = TEXT.replace("{process: poisson, rate: 500/s}", "{process: trace, trace: t.csv}")
    text = text.replace("duration: 300s", "duration: 200s").replace("    jitter: {distribution: exponential}\n", "")
    (tmp_path / "s.yaml").write_text(text)
    found = optimize(load(tmp_path / "s.yaml"), workers=1)
    assert found.holds, found.reason
    assert replicas(found) == [1, 8]  # 40 at once, five rounds of 10 ms in 50 ms; the calm ones come every 10 ms
    assert found.certificate["proven"]
    assert found.certificate["rounds"] == 1


def test_nothing_fits() -> None:
    found = optimize(scenario(("count: 40", "count: 2")), workers=1)
    assert not found.holds
    assert found.plan is None
    assert found.cost is None
    assert found.reason is not None
    assert "no pool has the devices" in found.reason
    assert found.to_dict()["windows"] == []


def test_what_is_returned(tmp_path: Path) -> None:
    told: list[Progress] = []
    found = optimize(scenario(), workers=1, progress=told.append, pareto=True, ledger=tmp_path / "tried")
    tree = found.to_dict()
    assert {"searching", "verifying"} <= {one.phase for one in told}
    assert tree["tried"] == len(found.tried) >= found.certificate["evaluations"] > 0
    assert set(found.tried["holds"]) == {True, False} or len(found.tried) < 3
    assert tree["pareto"]
    assert sum(row["chosen"] for row in tree["pareto"]) == 1
    assert found.plan is not None
    assert (found.plan.certificate or {})["pareto"] == tree["pareto"]  # so that the file of the plan can show them
    assert tree["verification"]["services"]["s"]["target"] == SHARE


def test_what_stays_as_it_is() -> None:
    """A service with a deployment beside one without is not planned, and keeps its devices."""
    fixed = """\
  other:
    model: m
    workload: {process: poisson, rate: 10/s}
    deployment: {portions: [{layers: 1, pool: cheap, replicas: 38}]}
planner:
"""
    here = ready(scenario(("planner:\n", fixed)))
    assert here.services == ("s",)
    assert [(pool.name, pool.devices) for pool in here.pools] == [("dear", 40), ("cheap", 2)]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"time_limit": 0.0}, "time_limit"),
        ({"evaluations": 0}, "evaluations"),
        ({"workers": True}, "workers"),
        ({"workers": 1.5}, "workers"),
    ],
)
def test_bad_options(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ScenarioError, match=says):
        optimize(scenario(), **options)


def test_gaps() -> None:
    assert gap(3.0, 2.0) == 0.5
    assert gap(float("inf"), 2.0) is None
    assert gap(1.0, None) is None
    bounds = Bounds(None, 8.0, float("inf"))
    assert bounds.to_dict() == {"any_plan": None, "search": 8.0, "program": None}
    assert bounds.gaps(10.0) == {"any_plan": None, "search": 0.25, "program": None}
    assert bounds.gaps(4.0, most=True) == {"any_plan": None, "search": 1.0, "program": None}
