"""Plans over their whole horizon: the figures of a plain simulation, and what one more run reaches."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.cluster import simulate
from simulator.cluster.lower import lower
from simulator.planner.optimize.load import planned_load
from simulator.planner.optimize.verify.horizon import Horizon, Seen, horizon_of, run_horizon
from simulator.planner.optimize.verify.plan import verify
from simulator.planner.optimize.verify.prediction import counting_bound, prediction_bound, ranked_bound, student_bound
from simulator.planner.optimize.verify.transitions import transitions
from simulator.planner.optimize.verify.verified import Target, summed
from tests.planner.optimize.benches import deploy, group, shape, space, steady, written
from tests.support import layer

WAVE = {"kind": "diurnal", "period": "6s", "amplitude": "80%", "peak": "3s"}
SPACE = space([shape(8), shape(1), shape(8, [group(8), group(8, pool=1)])])
CLASSES = {"classes": [{"name": "a", "share": "30%", "priority": 1}, {"name": "b", "share": "70%"}]}


def case(service=None, rate=1500.0, **more):
    scenario = written(rate, duration_s=6.0, planner={"window": "1s"}, shape=WAVE, service=service, **more)
    return scenario, planned_load(scenario)


def plan(load, *counts, number=0):
    """A deployment for each window."""
    picked = counts * len(load.windows) if len(counts) == 1 else counts
    return {"s": [deploy(SPACE, number, (count,)) for count in picked]}


def runs(scenario, load, deployments, engine, replication=0):
    whole = horizon_of(scenario, deployments, load)
    starts = tuple(window.start_s for window in load.windows)
    return whole, run_horizon(Horizon(lower(whole), engine, whole.source.folder, starts), replication, {})


# -- the figures ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("service", [None, CLASSES], ids=["plain", "classes"])
@pytest.mark.parametrize("counts", [(1, 1, 2, 3, 2, 1), (2,)])
def test_windows_add_up_to_a_plain_simulation_in_both_engines(service, counts):
    scenario, load = case(service)
    deployments = plan(load, *counts)
    whole, found = runs(scenario, load, deployments, "compiled")
    result = simulate(whole, engine="compiled", tables=True)
    figures, seen, rows = result.to_dict()["services"]["s"], found.services["s"], result.requests
    assert seen.arrived.sum() == figures["arrived"]
    assert seen.in_time.sum() / seen.arrived.sum() == figures["attainment"]
    assert seen.device_hours.sum() == pytest.approx(figures["device_hours"])
    assert seen.cost.sum() == pytest.approx(figures["cost_per_hour"] * 6 / 3600)
    for number, window in enumerate(load.windows):
        inside = rows[(rows.arrival_s >= window.start_s) & (rows.arrival_s < window.end_s)]
        assert seen.arrived[number].sum() == len(inside)
        assert seen.in_time[number].sum() == (inside.finish_s - inside.arrival_s <= 0.05).sum()
        assert seen.latencies[number][1].sum() == inside.finish_s.notna().sum()
    assert found.peaks["pool"] == figures_peak(result)
    _, slow = runs(scenario, load, deployments, "simpy")
    for one, other in zip(dataclasses.astuple(seen), dataclasses.astuple(slow.services["s"])):
        assert all(map(np.allclose, one, other)) if isinstance(one, np.ndarray) else str(one) == str(other)


def figures_peak(result):
    return result.to_dict()["pools"]["pool"]["used"]


def test_many_windows_count_together(monkeypatch):
    scenario, load = case()
    _, apart = runs(scenario, load, plan(load, 2), "compiled")
    monkeypatch.setattr("simulator.planner.optimize.verify.horizon.MOST_GROUPS", 3)
    _, found = runs(scenario, load, plan(load, 2), "compiled")
    assert found.services["s"].arrived.shape == (3, 1)
    pairs = apart.services["s"].arrived.reshape(3, 2).sum(axis=1)
    assert found.services["s"].arrived[:, 0].tolist() == pairs.tolist()
    verified = verify(scenario, plan(load, 2), load, replications=2, workers=1)
    assert len(verified.services["s"].windows) == 6


def test_predicted_figures_of_a_window_are_those_of_its_requests():
    scenario, load = case()
    found = verify(scenario, plan(load, 1, 1, 2, 3, 2, 1), load, replications=3, workers=1).services["s"]
    whole = horizon_of(scenario, plan(load, 1, 1, 2, 3, 2, 1), load)
    tables = [simulate(whole.model_copy(update={"run": whole.run.model_copy(update={"replications": 3})})).requests]
    rows = tables[0]
    latency = (rows.finish_s - rows.arrival_s)[rows.arrival_s.between(2.0, 3.0, inclusive="left")]
    window = found.windows[2]
    assert window.requests == pytest.approx(len(latency) / 3)
    assert window.attainment == pytest.approx((latency <= 0.05).mean())
    assert window.p99_s == pytest.approx(np.sort(latency)[int(np.ceil(0.99 * len(latency))) - 1], rel=1e-3)
    assert window.goodput == pytest.approx((latency <= 0.05).sum() / 3)
    assert window.cost_per_hour == pytest.approx(2.0, rel=0.2)  # old replicas finish their batch


def test_workers_change_nothing():
    scenario, load = case()
    one, two = (verify(scenario, plan(load, 2), load, replications=4, workers=workers) for workers in (1, 2))
    assert one == two


def test_other_replications_are_other_numbers_and_the_plan_stands():
    scenario, load = case()
    one, two = (verify(scenario, plan(load, 2), load, replications=4, first=first, workers=1) for first in (0, 4))
    assert one.services["s"].runs != two.services["s"].runs
    assert one.first_replication == 0
    assert two.first_replication == 4


# -- the verdict ------------------------------------------------------------------------------------------------------


def test_a_plan_with_room_holds_and_one_without_names_its_windows():
    scenario, load = case()
    good = verify(scenario, plan(load, 5), load, replications=5, workers=1)
    assert good.holds
    assert good.missed == {"s": ()}
    assert good.reason is None
    bad = verify(scenario, plan(load, 2, 4, 5, 1, 5, 3), load, replications=5, workers=1)
    assert not bad.holds
    assert 3 in bad.missed["s"]
    assert {0, 1, 2}.isdisjoint(bad.missed["s"])
    assert bad.services["s"].bound < 0.99 <= good.services["s"].bound
    assert "99 % asked" in bad.reason


def test_a_mean_that_meets_the_target_is_not_enough():
    """What one more run reaches decides: runs that differ much are no proof, however good they are in the mean."""

    def run(good):
        one = np.array([[1000]]), np.array([[good]]), ((np.array([5]), np.array([1000])),)
        return Seen(*one, np.array([1.0]), np.array([1.0]))

    target = [Target("s", None, 0.95)]
    for goods, holds in (((1000, 940, 1000, 990), False), ((981, 980, 982, 980), True)):
        assert np.mean(goods) > 980
        found = summed([run(good) for good in goods], [], steady([1.0]).windows, target, 0.0)
        assert (found.reason is None) is holds
        assert found.missed == (() if holds else (0,))
        assert (found.bound >= 0.95) is holds


def test_a_class_that_misses_fails_the_plan():
    paid = {"name": "paid", "share": "20%", "slo": {"latency": "7ms", "attainment": "99%"}}
    scenario, load = case({"classes": [paid, {"name": "free", "share": "80%"}]})
    found = verify(scenario, plan(load, 4), load, replications=3, workers=1)
    assert not found.holds
    assert "class paid: " in found.reason
    assert "class free" not in found.reason


def test_rates_that_are_given_are_what_is_simulated():
    """Without a load of its own every window has its rate, and paths of the forecast run beside."""
    scenario, _ = case()
    load = steady([400.0, 2500.0, 400.0], 2.0)
    paths = np.array([[400.0, 100.0, 400.0], [400.0, 3000.0, 400.0], [100.0, 100.0, 100.0]])
    load = dataclasses.replace(load, samples={"s": paths})
    found = verify(scenario, plan(load, 2), load, replications=3, workers=1)
    seen = found.services["s"]
    for window, rate in zip(seen.windows, load.rates["s"]):
        assert window.requests == pytest.approx(rate * 2, abs=4.5 * np.sqrt(rate * 2 / 3))
    assert found.sampled
    assert 1 in seen.missed
    assert seen.sampled_runs[0] == seen.sampled_runs[2] == 1.0
    assert seen.sampled_runs[1] < 0.9


def test_what_cannot_be_simulated_is_a_verification_that_does_not_hold():
    scenario = written(duration_s=6.0, planner={"window": "1s"}, layers=[layer(0.001, weights="100GB")])
    load = planned_load(scenario)
    found = verify(scenario, plan(load, 2), load, workers=1)
    assert not found.holds
    assert "does not fit" in found.reason
    assert found.replications == 10


# -- transitions ------------------------------------------------------------------------------------------------------


def test_what_stays_is_held_once_and_what_changes_twice():
    scenario, load = case()
    counts = [(0, 3), (0, 5), (1, 4), (1, 1), (1, 1), (0, 2)]
    deployments = {"s": [deploy(SPACE, number, (count,)) for number, count in counts]}
    found = transitions(lower(horizon_of(scenario, deployments, load)), load)
    assert [one.at_s for one in found] == [1.0, 2.0, 3.0, 5.0]
    assert [one.together["pool"] for one in found] == [5, 9, 4, 3]
    assert all(one.fits for one in found)
    taken = load.rates["s"][3] * (0.005 + 0.0005)
    assert found[2].shrinks == {"s": pytest.approx(taken)}
    assert not found[2].carried
    assert found[0].shrinks == {}


def test_old_and_new_that_find_no_room_together_are_told():
    scenario, load = case()
    pools = {name: pool.model_copy(update={"count": 6}) for name, pool in scenario.cluster.pools.items()}
    scenario = scenario.model_copy(update={"cluster": scenario.cluster.model_copy(update={"pools": pools})})
    deployments = {"s": [deploy(SPACE, number, (4,)) for number in (0, 0, 1, 1, 1, 1)]}
    found = verify(scenario, deployments, load, replications=2, workers=1)
    assert [one.fits for one in found.transitions] == [False]
    assert found.peaks["pool"] <= 6


# -- the bound --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [5, 10, 30])
def test_the_bound_covers_a_further_normal_value(count):
    """Exact for normal values: 95 % of 20,000, three standard deviations of the count allowed; never less with all."""
    values = np.random.default_rng(count).normal(0.9, 0.01, (20_000, count + 1))
    bounds = np.array([student_bound(row[:-1]) for row in values.tolist()])
    covered = (values[:, -1] >= bounds).mean()
    assert abs(covered - 0.95) <= 3 * np.sqrt(0.95 * 0.05 / 20_000)


@pytest.mark.parametrize(
    ("shape", "least"), [((50.0, 0.5), 0.95), ((200.0, 2.0), 0.95), ((30.0, 1.0), 0.95), ((3.0, 0.2), 10 / 11)]
)
@pytest.mark.parametrize("requests", [30, 1000, 100_000])
def test_the_bound_covers_a_further_run(shape, least, requests):
    """Runs whose share varies (beta) and counts by chance: at least 95 %, less three standard deviations.

    Where runs are either perfect or lost (the last), all that holds of any distribution is n / (n + 1).
    """
    rng = np.random.default_rng(requests)
    shares = rng.beta(*shape, (3000, 11))
    good = rng.binomial(requests, shares)
    covered = [row[-1] / requests >= prediction_bound(row[:-1], [requests] * 10) for row in good.tolist()]
    assert np.mean(covered) >= least - 3 * np.sqrt(least * (1 - least) / 3000)


@settings(max_examples=60, deadline=None)
@given(
    good=st.lists(st.integers(0, 50), min_size=2, max_size=30),
    more=st.integers(0, 10),
)
def test_the_bound_is_never_above_what_was_seen(good, more):
    seen = [50 + more] * len(good)
    bound = prediction_bound(good, seen)
    assert 0 <= bound <= np.mean(good) / (50 + more) + 1e-12
    if len(good) < 19:
        assert bound <= min(good) / (50 + more)


def test_ten_perfect_runs_of_few_requests_do_not_prove_perfection():
    """Of 10 x 20 without a miss a further one misses with up to a few per cent; of 10 x 1 nobody knows much."""
    assert prediction_bound([1] * 10, [1] * 10) == 1.0 or prediction_bound([1] * 10, [1] * 10) == 0.0
    exact = 1 - _one_more_is_perfect(10 * 300, 300)
    assert (prediction_bound([300] * 10, [300] * 10) < 1) == (exact > 0.05)
    assert prediction_bound([20] * 3, [20] * 3) < 1.0
    assert prediction_bound([5], [5]) is None
    assert prediction_bound([0, 0], [0, 0]) is None
    assert prediction_bound([5, 0, 5], [5, 0, 5]) == prediction_bound([5, 5], [5, 5])


def _one_more_is_perfect(seen, count):
    """Beta(1/2, seen + 1/2): the mean of (1 - p)^count."""
    k = np.arange(count)
    return float(np.prod((seen + 0.5 + k) / (seen + 1.0 + k)))


@pytest.mark.parametrize("missed", [0, 3, 200, 20_000])
def test_the_counting_bound_is_the_quantile_of_the_beta_binomial(missed):
    from scipy.stats import betabinom

    seen, count = 100_000, 10_000
    exact = 1 - betabinom(count, missed + 0.5, seen - missed + 0.5).ppf(0.95) / count
    assert counting_bound(missed, seen, count) == pytest.approx(exact, abs=1e-12)


def test_the_normal_approximation_joins_where_it_takes_over(monkeypatch):
    exact = counting_bound(20_000, 1_000_000, 400_000)
    approximate = counting_bound(26_000, 1_300_000, 520_000)
    assert 1 - approximate == pytest.approx(1 - exact, rel=0.01)


def test_the_ranked_bound_is_a_low_rank():
    assert ranked_bound(list(np.arange(18))) == 0
    assert ranked_bound(list(np.arange(19))) == 0
    assert ranked_bound(list(np.arange(39))) == 1
    assert ranked_bound(list(np.arange(99))) == 4
