"""Laws over random scenarios: what holds for every scenario, without any expected number."""

from __future__ import annotations

import copy

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from simulator.results.record import Outcome, RunRecord
from tests.laws.invariants import check_all
from tests.laws.rules import check_rules
from tests.laws.strategies import Wanted, deployments, scenarios, stretched
from tests.support import Node, layer, members, portion, record, scenario, served


@settings(max_examples=250)
@given(scenarios())
def test_every_run_keeps_the_invariants(node: Node) -> None:
    """Conservation (which the engine asserts too), order of instants, batches, replicas, devices."""
    check_all(record(node))


@settings(max_examples=200)
@given(scenarios(Wanted(faults=False, windows=False)))
def test_every_run_keeps_the_rules(node: Node) -> None:
    """Times, causes of starts, order of service, no idling, drops, capacity: read back from the record."""
    check_rules(node, record(node))


def assert_scaled(one: RunRecord, other: RunRecord, factor: float) -> None:
    """Every instant of ``other`` is ``factor`` times that of ``one``, to the last bit; everything else is
    equal.
    """
    for name in ("arrival_s", "finish_s"):
        assert np.array_equal(getattr(one.requests, name) * factor, getattr(other.requests, name), equal_nan=True)
    for name in ("outcome", "exit_layer", "class_index", "attempts"):
        assert np.array_equal(getattr(one.requests, name), getattr(other.requests, name))
    for name in ("start_s", "end_s", "free_s", "idle_s", "due_s", "entered_s"):
        assert np.array_equal(getattr(one.batches, name) * factor, getattr(other.batches, name))
    for name in ("portion", "replica", "offset", "member", "aborted"):
        assert np.array_equal(getattr(one.batches, name), getattr(other.batches, name))
    for name in ("held_s", "ready_s", "released_s"):
        assert np.array_equal(getattr(one.replicas, name) * factor, getattr(other.replicas, name))


@settings(max_examples=120)
@given(scenarios(), st.sampled_from([-20, -3, 1, 5, 13]))
def test_scaling_every_duration_scales_every_instant(node: Node, power: int) -> None:
    """By a power of two nothing rounds differently, so the runs agree bit for bit."""
    factor = 2.0**power
    assert_scaled(record(node), record(stretched(node, factor)), factor)


OPEN = Wanted(closed=False, windows=False, services=1)


@settings(max_examples=80)
@given(scenarios(Wanted(closed=False, windows=False, services=1, faults=False)), st.integers(1, 4), st.integers(1, 3))
def test_a_replica_more_delays_nobody(node: Node, replicas: int, more: int) -> None:
    """One portion, batch 1, one class, open load, one shared queue, nobody turned away: each finish is no
    later.
    """
    service = next(iter(node["services"].values()))
    for key in ("classes", "queue"):
        service.pop(key, None)
    layers = len(next(iter(node["models"].values()))["layers"])
    finish = []
    for count in (replicas, replicas + more):
        service["deployment"] = {"portions": [portion(f"1-{layers}", count)]}
        node["cluster"]["pools"]["pool"]["count"] = 100
        node["run"]["drain"] = "1000s"
        rec = record(node)
        assert set(rec.requests.outcome) <= {Outcome.COMPLETED}
        finish.append(rec.requests.finish_s)
    assert np.all(finish[1] <= finish[0])


@settings(max_examples=80)
@given(scenarios(OPEN), st.data())
def test_two_deployments_see_identical_arrivals(node: Node, data: st.DataObject) -> None:
    """The load does not know who serves it: arrivals and classes are the same bits."""
    other = copy.deepcopy(node)
    (service,), (model,) = other["services"].values(), other["models"].values()
    service["deployment"] = data.draw(deployments(len(model["layers"]), "ramps" in model))
    for pool in other["cluster"]["pools"].values():
        pool["count"] = 100
    one, two = record(node).requests, record(other).requests
    assert np.array_equal(one.arrival_s, two.arrival_s)
    assert np.array_equal(one.class_index, two.class_index)


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.sampled_from(["shared", "random", "least_outstanding"]), st.integers(1, 4))
def test_two_deployments_see_identical_jitter_and_exits(seed: int, routing: str, batch: int) -> None:
    """The factor of the first of a batch is the one it has alone; the exit of a request is the same
    everywhere.
    """
    runs = []
    for replicas, size, how in ((4, 1, "shared"), (2, batch, routing)):
        node = scenario(
            {
                "workload": {"process": "poisson", "rate": "40/s"},
                "jitter": {"distribution": "lognormal", "cv": 0.7},
                "deployment": {
                    "exit_mode": "at_cut",
                    "routing": how,
                    "portions": [portion("1", replicas, batch=size, max_wait=0.02), portion("2", replicas, batch=size)],
                },
            },
            [layer(0.05, "one"), layer(0.02, "two")],
            model={"ramps": {"after": [1]}, "exits": {"profile": [0.4]}},
            duration_s=3.0,
            seed=seed,
            run={"drain": "1000s"},
        )
        runs.append(record(node))
    alone, grouped = runs
    assume(len(alone.requests.arrival_s) > 0)
    assert np.array_equal(alone.requests.exit_layer, grouped.requests.exit_layer)
    leaders = grouped.batches.member[grouped.batches.offset[:-1]]
    for index in (0, 1):
        here = grouped.batches.portion == index
        lasted = (grouped.batches.end_s - grouped.batches.start_s)[here]
        assert np.allclose(served(alone, index)[leaders[here]], lasted, rtol=1e-9, atol=1e-12)


@settings(max_examples=40)
@given(scenarios(Wanted(closed=False, windows=False)))
def test_a_shorter_run_is_the_beginning_of_a_longer_one(node: Node) -> None:
    """Requests that arrive before the shorter one ends arrive at the same instants in the longer one."""
    short = copy.deepcopy(node)
    duration = float(node["run"]["duration"][:-1])
    short["run"] |= {"duration": f"{duration * 0.75!r}s", "warmup": "0s"}
    long = record(node).requests
    for index in range(len(node["services"])):
        cut, whole = record(short).requests, long.arrival_s[long.service == index]
        mine = cut.arrival_s[cut.service == index]
        assert np.array_equal(mine, whole[: len(mine)])
        assert len(mine) == np.count_nonzero(whole < duration * 0.75)


def test_random_scenarios_reach_every_feature() -> None:
    """The strategy is worth its name: drops, rejections, failures, leftovers, several windows and kinds all
    occur.
    """
    seen: set[str] = set()

    @settings(max_examples=120)
    @given(scenarios())
    def look(node: Node) -> None:
        rec = record(node)
        seen.update(Outcome(value).name for value in np.unique(rec.requests.outcome))
        seen.update(
            window["exit_mode"]
            for service in node["services"].values()
            for window in [service.get("deployment", service.get("deployments", [{}])[0])]
        )
        if rec.batches.aborted.any():
            seen.add("abort")
        if np.isfinite(rec.replicas.released_s).any():
            seen.add("release")
        if len(np.unique(rec.batches.portion[members(rec)])) > 1:
            seen.add("portions")

    look()
    assert seen >= {outcome.name for outcome in Outcome} | {"none", "compact", "at_cut", "answer_early"}
    assert seen >= {"abort", "release", "portions"}
