"""An inference service in the windows of a training."""

from __future__ import annotations

import copy
import json
from typing import Any

import numpy as np
import pytest

from simulator.cluster import loads, simulate
from simulator.cluster.clock import Clock
from simulator.cluster.fill.build import fill_plan
from simulator.cluster.fill.serving import ServicesFiller, record_of
from simulator.cluster.lower.hardware import pools_of
from simulator.cluster.training.setup import setup_of
from simulator.errors import ScenarioError
from tests.cluster.fill.made import check_places, filled, same_to_the_bit
from tests.cluster.training.made import node

SERVICE: dict[str, Any] = {
    "model": "net",
    "slo": {"latency": "2s", "attainment": "90%"},
    "workload": {"process": "poisson", "rate": "30/s"},
    "deployment": {"portions": [{"layers": "1-2", "pool": "g", "replicas": 4, "batch": 8, "max_wait": "20ms"}]},
}
MODEL = {"layers": [{"name": "a", "repeat": 2, "time": {"overhead": "5ms", "per_item": "5ms"}, "weights": "1GB"}]}
TIMES = {"forward": "0.3s", "backward_input": "0.3s", "backward_weight": "0.3s"}


def tree(service=None, **more):
    fill = {"services": ["s"], "switch": "1ms", **more.pop("fill", {})}
    return node(
        fill=fill,
        times=TIMES,
        models={"net": MODEL},
        services={"s": service or SERVICE},
        run={"duration": "60s", "warmup": "5s", "replications": 1},
        iterations=more.pop("iterations", 10),
        **more,
    )


def served(text, replication=0):
    scenario = loads(json.dumps(text))
    pools = pools_of(scenario)
    setup = setup_of(scenario, "t", pools)
    clock = Clock()
    plan = fill_plan(scenario, setup, pools)
    assert plan is not None
    filler = plan.filler(clock, setup, replication)
    executor, alone = filled(setup, filler, clock, replication)
    assert isinstance(filler, ServicesFiller)
    return filler, executor, alone


def test_requests_are_served_in_windows_and_the_training_is_not_delayed():
    filler, executor, alone = served(tree())
    assert same_to_the_bit(executor.lines, alone)
    check_places(filler, executor)
    record = record_of(filler.counters[0], 0, 100.0)
    done = record.requests.outcome == 0
    assert done.all()
    assert len(done) == pytest.approx(1800, abs=4 * np.sqrt(1800))  # a Poisson number
    sizes = np.diff(record.batches.offset)
    lengths = record.batches.end_s - record.batches.start_s
    for size, length in zip(sizes.tolist(), lengths.tolist()):
        work = 2 * (0.005 + 0.005 * size)
        assert length == pytest.approx(work, abs=1e-9) or length == pytest.approx(work + 0.001, abs=1e-9)
    assert sizes.max() <= 8


def test_requests_are_served_first_come_first_served():
    filler, *_ = served(tree())
    batches = record_of(filler.counters[0], 0, 100.0).batches
    begun = np.empty(len(batches.member))
    begun[batches.member] = np.repeat(batches.start_s, np.diff(batches.offset))
    assert (np.diff(begun) >= 0.0).all()


def test_figures_are_those_of_a_service():
    result = simulate(loads(json.dumps(tree()))).to_dict()
    assert result["services"] == {}
    figures = result["trainings"]["t"]["fill"]
    service = figures["services"]["s"]
    parts = [service[key] for key in ("completed", "dropped", "rejected", "failed", "inside")]
    assert service["arrived"] == sum(parts)
    requests = record_of(served(tree())[0].counters[0], 0, 100.0).requests
    cohort = requests.arrival_s >= 5.0
    in_time = (requests.finish_s - requests.arrival_s)[cohort] <= 2.0
    assert 0.0 < service["attainment"] < 1.0  # now and then all stages are busy for longer than that
    assert service["attainment"] == pytest.approx(in_time.mean())
    assert service["cost_per_hour"] == 0.0
    assert 0.0 < figures["recovered"] < figures["idle"]
    assert figures["slowdown"] == 0.0
    assert sum(service["breakdown"]["mean"].values()) == pytest.approx(service["latency"]["mean"])


def test_an_overloaded_queue_drops_rejects_and_counts_what_is_left():
    busy = copy.deepcopy(SERVICE)
    busy["workload"]["rate"] = "2000/s"
    busy["queue"] = {"capacity": 40, "drop": "expired"}
    figures = simulate(loads(json.dumps(tree(busy)))).to_dict()["trainings"]["t"]["fill"]["services"]["s"]
    assert figures["rejected"] > 0
    assert figures["attainment"] < 0.9
    assert figures["arrived"] == figures["completed"] + figures["dropped"] + figures["rejected"] + figures["inside"]
    late = copy.deepcopy(SERVICE)
    late["slo"]["latency"] = "50ms"
    late["queue"] = {"drop": "expired"}
    figures = simulate(loads(json.dumps(tree(late)))).to_dict()["trainings"]["t"]["fill"]["services"]["s"]
    assert figures["dropped"] > 0


def test_small_windows_mean_small_batches():
    """The longest window of 72 ms, less the switch, takes 6 requests: 10 ms each and 10 ms for the batch."""
    wide, narrow = tree(), tree(iterations=400)
    narrow["trainings"]["t"]["times"] = dict.fromkeys(TIMES, "8ms")
    narrow["run"]["duration"] = "20s"
    sizes = []
    for text in (wide, narrow):
        filler, executor, _ = served(text)
        check_places(filler, executor)
        batches = record_of(filler.counters[0], 0, 100.0).batches
        sizes.append(np.diff(batches.offset).max())
    assert sizes[0] == 8
    assert sizes[1] == 6


def watched(text, monkeypatch):
    """A run, with the numbers of decisions for a device and of questions whether a batch fits."""
    count = {"offer": 0, "fits": 0}

    def counted(name):
        asked = getattr(ServicesFiller, name)

        def call(*arguments):
            count[name] += 1
            return asked(*arguments)

        return call

    with monkeypatch.context() as patched:
        for name in count:
            patched.setattr(ServicesFiller, name, counted(name))
        return served(text)[0], count


def test_a_batch_size_beyond_all_windows_changes_nothing_and_costs_little(monkeypatch):
    runs = []
    for batch in (300, 5000):  # the longest window takes fewer
        service = copy.deepcopy(SERVICE)
        service["deployment"]["portions"][0]["batch"] = batch
        runs.append(watched(tree(service), monkeypatch))
    (one, _), (two, count) = runs
    assert one.counters[0].members == two.counters[0].members
    assert max(map(len, one.counters[0].members)) > 8
    assert count["fits"] <= 16 * count["offer"]


def test_the_largest_batch_is_taken_where_larger_ones_take_less_time(monkeypatch):
    """Times of batches that fall and rise again: what fits is found as by trying every size."""
    rng = np.random.default_rng(1)
    filler, _, _ = served(tree())
    counter, bay = filler.counters[0], filler.bays[0]
    for _ in range(200):
        counter.seconds[1:] = (0.01 * rng.integers(1, 12, 8)).tolist()
        counter.least[:] = np.minimum.accumulate(counter.seconds[::-1])[::-1].tolist()
        bay.until = 0.01 * float(rng.integers(0, 13)) + 0.005
        fitting = [size for size in range(1, 9) if filler.fits(bay, 0.0, counter.index, counter.seconds[size], 0.0)]
        assert filler._most(bay, counter, 0.0) == max(fitting, default=0)


def test_the_budget_holds_back_once_for_a_decision(monkeypatch):
    text = tree(jitter={"distribution": "lognormal", "cv": 0.2}, iterations=20, fill={"slowdown_budget": 0.0})
    filler, count = watched(text, monkeypatch)
    assert 0 < filler.ledger.refused <= count["offer"]


@pytest.mark.parametrize("budget", [0.0, 0.01, 0.1])
def test_with_jitter_the_budget_holds(budget):
    text = tree(jitter={"distribution": "lognormal", "cv": 0.2}, iterations=20, fill={"slowdown_budget": budget})
    figures = simulate(loads(json.dumps(text))).to_dict()["trainings"]["t"]["fill"]
    assert 0.0 <= figures["slowdown"] <= budget + 1e-12
    assert (figures["recovered"] > 0.0) == (budget > 0.0)


def test_other_services_are_served_as_ever():
    text = tree()
    other = copy.deepcopy(SERVICE)
    other["deployment"]["portions"][0]["replicas"] = 2
    text["services"]["own"] = other
    both = simulate(loads(json.dumps(text))).to_dict()
    assert set(both["services"]) == {"own"}
    assert both["trainings"]["t"]["fill"]["services"]["s"]["completed"] > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"jitter": {"distribution": "exponential"}}, "service times are exact"),
        ({"workload": {"process": "closed", "clients": 3, "think": {"mean": "1s"}}}, "an open load"),
        ({"classes": [{"name": "a", "share": "100%"}]}, "no classes"),
    ],
)
def test_what_is_not_covered_is_refused(change, message):
    with pytest.raises(ScenarioError, match=message):
        simulate(loads(json.dumps(tree({**SERVICE, **change}))))


def test_a_training_that_ends_too_soon_and_a_service_without_room_are_refused():
    with pytest.raises(ScenarioError, match="at least 8 iterations"):
        simulate(loads(json.dumps(tree(iterations=3))))
    memory = {"activation": "2GB", "weights": "59GB"}
    with pytest.raises(ScenarioError, match="3 of 4 stages have"):
        simulate(loads(json.dumps(tree(memory=memory))))
