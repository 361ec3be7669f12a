"""Judged by simulation: the same as queueing theory, monotone, and independent of who computes it."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.planner.optimize.judge import trial as trials
from simulator.planner.optimize.judge.ledger import Ledger
from simulator.planner.optimize.judge.simulated import SimulationJudge
from simulator.planner.optimize.judge.survive import left_after
from simulator.planner.optimize.load import planned_load
from simulator.planner.optimize.problem import Ask, Group, PlannedLoad, Shape, Window
from simulator.scenario import load
from simulator.scenario.deployment import Deployment
from simulator.scenario.planning import SurviveDevices
from tests.planner.optimize.benches import deploy, group, shape, space, steady, written
from tests.support import layer, portion, trace


def in_time(rate: float, service_s: float, servers: int, slo_s: float) -> float:
    """P(sojourn <= slo) of M/M/c, first come first served; 0 where the queue is unstable.

    The wait is 0 with 1 - C (Erlang's C) and else exponential of rate theta = c mu - lambda; the sojourn adds an
    exponential of rate mu: for theta != mu

        P(T > t) = e^(-mu t) (1 - C) + C (mu e^(-theta t) - theta e^(-mu t)) / (mu - theta)
    """
    mu, load = 1.0 / service_s, rate * service_s
    if load >= servers:
        return 0.0
    blocked = 1.0
    for count in range(1, servers + 1):
        blocked = load * blocked / (count + load * blocked)
    waits = blocked / (1 - load / servers * (1 - blocked))
    theta = servers * mu - rate
    late, served = math.exp(-theta * slo_s), math.exp(-mu * slo_s)
    return 1 - ((1 - waits) * served + waits * (mu * late - theta * served) / (mu - theta))


def deviation(share: float, rate: float, service_s: float, servers: int, requests: float) -> float:
    """Standard deviation of a share of so many requests, of which those within a relaxation time count as one.

    That of M/M/c is 1 / (sqrt(c mu) - sqrt(lambda))^2 (Morse, Queues, Inventories and Maintenance, 1958).
    """
    apart = math.sqrt(servers / service_s) - math.sqrt(rate)
    together = 1 + 2 * rate / apart**2 if rate * service_s < servers else requests
    return math.sqrt(share * (1 - share) * together / requests)


def judge_of(scenario, shapes, load, served=0.99, **more):
    return SimulationJudge(scenario, [space(shapes, served)], load, deploy, workers=1, **more)


CASES = [
    (rate, service_s, slo, served)
    for rate in (53.0, 210.0, 790.0)
    for service_s, slo, served in ((0.02, 0.1, 0.97), (0.05, 0.2, 0.95), (0.01, 0.06, 0.99))
]


@pytest.mark.parametrize(("rate", "service_s", "slo", "served"), CASES)
def test_exponential_servers_are_as_many_as_erlang_says(rate, service_s, slo, served):
    """The least number that holds is that of the closed form, where that is further from the limit than chance is."""
    needed = next(c for c in range(1, 200) if in_time(rate, service_s, c, slo) >= served)
    scenario = written(
        rate,
        slo={"latency": f"{slo}s", "attainment": served},
        layers=[layer(service_s)],
        service={"jitter": {"distribution": "exponential"}},
        duration_s=36_000.0,
    )
    one = Shape("m", "none", "parallel", 1, (Group((1, 1), 0, 1, service_s, 1.0, 0.0, ()),), service_s)
    judge = judge_of(scenario, [one], steady([rate], 36_000.0), served)
    counts = [needed + more for more in (-4, -2, -1, 0, 1, 2, 4, 8) if needed + more > 0]
    found = judge.judge([Ask(0, 0, 0, (count,)) for count in counts])
    decided = 0
    for count, answer in zip(counts, found):
        exact = in_time(rate, service_s, count, slo)
        asked = trials.Trial(rate, None, served, judge.load.windows[0])
        noise = 4.5 * deviation(exact, rate, service_s, count, trials.requests_of(asked, count / service_s))
        if answer.attainment is not None:
            assert answer.attainment == pytest.approx(exact, abs=noise)
        if abs(exact - served) > noise:
            assert answer.holds == (exact >= served), (count, exact, answer)
            decided += 1
    assert decided >= 2


@settings(max_examples=15, deadline=None)
@given(rate=st.floats(50, 3000), batch=st.sampled_from([1, 4, 16]), more=st.floats(1.0, 1.5))
def test_more_replicas_and_less_load_keep_a_yes(rate, batch, more):
    judge = judge_of(written(), [shape(batch)], steady([rate, rate / more]))
    least = int(judge.spaces[0].least(rate)[0, 0])
    counts = range(least, least + 5)
    full = [found.holds for found in judge.judge([Ask(0, 0, 0, (n,)) for n in counts])]
    less = [found.holds for found in judge.judge([Ask(0, 1, 0, (n,)) for n in counts])]
    assert full == sorted(full)
    assert less == sorted(less)
    assert all(b or not a for a, b in zip(full, less))


def test_a_load_above_capacity_is_refuted_without_a_run(monkeypatch):
    def never(*args):
        raise AssertionError("it was simulated")

    monkeypatch.setattr(trials, "_run", never)
    (found,) = judge_of(written(), [shape(8)], steady([3000.0])).judge([Ask(0, 0, 0, (2,))])
    assert not found.holds
    assert "more than the 1778/s" in found.reason


def test_answers_depend_neither_on_workers_nor_on_what_else_is_asked():
    asks = [Ask(0, window, number, (count,)) for window in (0, 1) for number in (0, 1) for count in (3, 5, 9)]
    load, shapes = steady([2000.0, 900.0]), [shape(8), shape(1)]
    together = judge_of(written(), shapes, load).judge(asks)
    with SimulationJudge(written(), [space(shapes)], load, deploy, workers=2) as judge:
        assert judge.judge(asks) == together
    for ask, answer in list(zip(asks, together))[::-1]:
        assert judge_of(written(), shapes, load).judge([ask]) == [answer]


def test_windows_of_equal_load_and_repeated_asks_are_one_simulation():
    judge = judge_of(written(), [shape(8)], steady([900.0, 900.0, 500.0]))
    judge.judge([Ask(0, 0, 0, (3,)), Ask(0, 1, 0, (3,)), Ask(0, 0, 0, (3,))])
    judge.judge([Ask(0, 1, 0, (3,)), Ask(0, 2, 0, (3,), 1.8)])
    assert (judge.asked, judge.simulated) == (5, 1)


def test_groups_find_their_replicas_whatever_their_order():
    """Two portions of which the second needs thrice as much: only one way round is enough."""
    layers = [layer(0.001, name="a"), layer(0.003, name="b")]
    groups = [Group((1, 1), 1, 1, 0.001, 1.0, 0.0, ()), Group((2, 2), 0, 1, 0.003, 1.0, 0.0, ())]
    one = Shape("cut", "none", "parallel", 1, tuple(groups), 0.004)
    judge = judge_of(written(layers=layers), [one], steady([900.0]))
    right, wrong = judge.judge([Ask(0, 0, 0, (2, 5)), Ask(0, 0, 0, (5, 2))])
    assert right.holds
    assert not wrong.holds


def test_a_failed_candidate_is_an_answer():
    def broken(space, number, replicas):
        if number == 0:
            raise RuntimeError("no")
        return deploy(space, number, replicas)

    heavy = written(layers=[layer(0.001, weights="100GB")])
    for scenario, said in ((heavy, "does not fit"),):
        (found,) = judge_of(scenario, [shape(1)], steady([10.0])).judge([Ask(0, 0, 0, (1,))])
        assert not found.holds
        assert said in found.reason
    judge = SimulationJudge(written(), [space([shape(1), shape(8)])], steady([10.0]), broken, workers=1)
    bad, good = judge.judge([Ask(0, 0, 0, (1,)), Ask(0, 0, 1, (1,))])
    assert "RuntimeError: no" in bad.reason
    assert good.holds


def test_classes_have_to_hold_too():
    service = {
        "classes": [
            {"name": "paid", "share": "10%", "slo": {"latency": "6ms", "attainment": "99%"}},
            {"name": "free", "share": "90%"},
        ]
    }
    (found,) = judge_of(written(service=service), [shape(1)], steady([400.0]), 0.9).judge([Ask(0, 0, 0, (3,))])
    assert not found.holds
    assert "class paid" in found.reason
    (found,) = judge_of(written(), [shape(1)], steady([400.0]), 0.9).judge([Ask(0, 0, 0, (3,))])
    assert found.holds


def test_what_has_to_survive_a_loss_needs_as_much_more():
    load = steady([1500.0])
    plain = judge_of(written(), [shape(8)], load)
    asks = [Ask(0, 0, 0, (count,)) for count in range(1, 8)]
    without = [found.holds for found in plain.judge(asks)]
    for lost in (1, 2):
        surviving = judge_of(written(planner={"survive": {"devices": lost}}), [shape(8)], load)
        found = surviving.judge(asks)
        assert [one.holds for one in found] == [False] * lost + without[:-lost]


def test_a_lost_pool_leaves_the_other():
    two = shape(8, [group(8), group(8, pool=1)])
    judge = judge_of(written(planner={"survive": {"pool": "any"}}), [two, shape(8)], steady([1500.0]))
    both, one, alone = judge.judge([Ask(0, 0, 0, (3, 3)), Ask(0, 0, 0, (5, 1)), Ask(0, 0, 1, (9,))])
    assert both.holds
    assert not one.holds
    assert "after a loss nobody serves layers 1-1" in alone.reason


@given(counts=st.lists(st.integers(1, 5), min_size=1, max_size=4), lost=st.integers(1, 4))
def test_every_loss_of_some_devices_is_met_once(counts, lost):
    one = shape(8, [group(8, (n + 1, n + 1)) for n in range(len(counts))])
    found = list(left_after(SurviveDevices.model_construct(devices=lost), one, tuple(counts)))
    assert len(found) == len(set(found))
    assert {sum(left) for left in found} == {max(sum(counts) - lost, 0)}
    assert all(0 <= left <= count for row in found for left, count in zip(row, counts))


def test_a_replay_plays_the_instants_of_the_window(tmp_path):
    """One burst in the second of three windows: the same mean rate, and only the burst needs more replicas."""
    rng = np.random.default_rng(5)
    calm = np.sort(rng.uniform(0, 180, 18_000))
    calm = calm[(calm < 60) | (calm >= 120)]
    burst = np.sort(60 + rng.uniform(0, 4, 6000))
    node = trace(tmp_path, np.sort(np.concatenate([calm, burst])))
    node["trace"] = str(tmp_path / node["trace"])
    scenario = written(duration_s=180.0, service={"workload": node}, planner={"window": "60s"})
    planned = planned_load(scenario)
    assert planned.rates["s"][1] == pytest.approx(100.0)
    judge = judge_of(scenario, [shape(1)], planned)
    found = judge.judge([Ask(0, window, 0, (3,)) for window in range(3)])
    assert [one.holds for one in found] == [True, False, True]
    assert not judge.by_rate
    assert judge_of(written(), [shape(1)], steady([100.0] * 3)).by_rate


def test_a_ledger_answers_what_was_asked_before():
    ledger = Ledger()
    asks = [Ask(0, 0, 0, (count,)) for count in (2, 3, 4)]
    first = judge_of(written(), [shape(8)], steady([900.0]), ledger=ledger)
    again = judge_of(written(), [shape(8)], steady([900.0]), ledger=ledger)
    assert first.judge(asks) == again.judge(asks)
    assert (first.simulated, again.simulated) == (3, 0)
    assert judge_of(written(), [shape(8)], steady([901.0]), ledger=ledger).judge(asks[:1]) is not None
    assert len(ledger.entries) == 4


DRIFT = Path(__file__).resolve().parents[3] / "scenarios/early-exit-drift.yaml"


@pytest.mark.parametrize("turned", [False, True], ids=["harder", "easier"])
def test_exits_that_drift_are_those_of_the_window(turned):
    """What is cut for the mix of the start holds there and drowns at the end; turned round, the other way."""
    shares = [{"easy": 0.8, "hard": 0.2}, {"easy": 0.2, "hard": 0.8}]
    mix = [{"at": "0s", "shares": shares[turned]}, {"at": "18s", "shares": shares[not turned]}]
    scenario = load(DRIFT, sets=[f"models.bert.exits.mix={json.dumps(mix)}", "run.warmup=0s"])
    layers = [(1, 2), (3, 4), (5, 12)]
    one = shape(8, [Group(part, 0, 1, 0.01, 1.0, 0.0, ()) for part in layers])

    def cut(space, number, replicas):
        portions = [portion(f"{a}-{b}", n, "v100", batch=8) for (a, b), n in zip(layers, replicas)]
        return Deployment.model_validate({"exit_mode": "at_cut", "portions": portions})

    windows = tuple(Window(6.0 * n, 6.0 * n + 6.0) for n in range(3))
    planned = PlannedLoad(windows, {"sentiment": np.full(3, 18_000.0)})
    judge = SimulationJudge(scenario, [space([one], service="sentiment")], planned, cut, workers=1)
    found = [answer.holds for answer in judge.judge([Ask(0, n, 0, (10, 3, 6)) for n in range(3)])]
    assert (found[0], found[2]) == (not turned, turned)
    assert judge.simulated == 3
