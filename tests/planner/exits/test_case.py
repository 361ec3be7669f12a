"""From a scenario to the split problem and back: devices, limits, exits of every kind, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulator.cluster.lower import lower
from simulator.costs.early_exit import load_table, reach
from simulator.errors import ScenarioError
from simulator.planner.exits import ExitCase, compare_exits, deployed, exit_case
from simulator.planner.exits.whose import held
from simulator.planner.split import ModePlan, recommend
from simulator.scenario import load
from tests.planner.exits.cases import DRIFT, E3, MIXED, MODES, SCENARIOS, plans, written
from tests.support import Node

TABLE = "data/own_sst2_minilm_6exit.csv"
EXITS = (
    "confidence: 0.8",
    "entropy: 0.3",
    "patience: 2",
    "confidence: [0.99, 0.9, 0.8, 0.7, 0.6]",
    "entropy: [0.05, 0.2, 0.3, 0.4, 0.5, 0.6]",
)


def shares(case: ExitCase, plan: ModePlan) -> tuple[list[float], float]:
    """Survival by layer and accuracy of the deployed plan, as the engines read them."""
    service = lower(deployed(case, plan)).services[0]
    assert service.exits is not None
    leave, weights = service.deployments[0].exit_layer, case.weights
    right = service.exits.correct[np.arange(len(leave)), leave - 1] if len(leave) > 1 else service.exits.correct[:, -1]
    whole = np.broadcast_to(leave, weights.shape)
    return reach(whole, service.layers, weights).tolist(), float(weights @ right)


RAMPS = [("[2, 4, 6, 8, 10]", rule) for rule in EXITS]
RAMPS += [("[4, 8]", rule) for rule in EXITS if "[" not in rule]


@pytest.mark.parametrize(("after", "rule"), RAMPS)
def test_the_simulation_sees_the_exits_of_the_plan(after: str, rule: str) -> None:
    """Whatever ramps a plan runs, the deployed scenario has them: same accuracy, same survival at the cuts."""
    exits = f"{{rule: {{{rule}}}, table: {TABLE}, split: dev, after: [2, 4, 6, 8, 10]}}"
    case = exit_case(load(E3, sets=[f"models.bert.ramps.after={after}", f"models.bert.exits={exits}"]))
    for name, plan in plans(case).items():
        survival, accuracy = shares(case, plan)
        assert accuracy == pytest.approx(plan.accuracy), name
        if plan.exit_mode == "at_cut":
            assert [survival[cut] for cut in plan.cuts] == pytest.approx(plan.survival[1:]), name


INT8: Node = {"by_precision": {"fp16": "10ms", "int8": "6ms"}}


@pytest.mark.parametrize(
    ("precisions", "times"),
    [
        (["int8", "fp16"], [6, 6, 10, 10]),
        (["fp16", "int8"], [10, 10, 6, 6]),
        ([{"1": "int8", "2": "fp16"}, {"3-4": "int8"}], [6, 10, 6, 6]),
        ([{"1-3": "int8", "4": "fp16"}, "fp16"], [6, 6, 6, 10]),
        (["int8", {"1-2": "fp16", "3-4": "int8"}], [6, 6, 6, 6]),
    ],
)
def test_every_layer_keeps_the_precision_of_its_portion(precisions: list[Any], times: list[int]) -> None:
    portions = [
        {"layers": layers, "pool": "gpu", "replicas": 1, "batch": 4, "precision": precision}
        for layers, precision in zip(("1-2", "3-4"), precisions)
    ]
    layers = {"layers": [{"name": "l", "repeat": 4, "time": INT8}]}
    case = exit_case(written(layers, {"deployment": {"portions": portions}}))
    assert case.problem.devices[0].layer_s[:, 4].tolist() == pytest.approx([time / 1000 for time in times])
    for plan in plans(case).values():
        (service,) = lower(deployed(case, plan)).services
        assert service.stations


def test_a_layer_that_a_pool_does_not_run_has_the_precision_of_the_pool() -> None:
    pools = {name: {"device": "v100-16gb", "count": 2} for name in ("gpu", "other")}
    layers = {"layers": [{"name": "l", "repeat": 4, "time": INT8}]}
    portions = [
        {"layers": "1-2", "pool": "gpu", "replicas": 1, "precision": "int8"},
        {"layers": "3-4", "pool": "other", "replicas": 1, "precision": {"3": "fp16", "4": "int8"}},
    ]
    case = exit_case(written(layers, {"deployment": {"portions": portions}}, cluster={"pools": pools}))
    found = {one.name: (1000 * one.layer_s[:, 1]).tolist() for one in case.problem.devices}
    assert found["gpu"] == pytest.approx([6, 6, 6, 6])
    assert found["other"] == pytest.approx([6, 6, 10, 6])


def test_accuracy_counts_what_number_formats_cost() -> None:
    """Two of twelve layers have 8 bits, which would lose a tenth together; every request runs through these two."""
    sets = ["models.bert.accuracy={loss: {int8: 10%}}"]
    plain, lossy = (
        plans(exit_case(load(E3, sets=[*sets, f"services.sentiment.deployment.portions.0.precision={name}"])))
        for name in ("fp16", "int8")
    )
    full = plain["none"].accuracy
    assert lossy["none"].accuracy == pytest.approx(full - 0.1 * 2 / 12)
    same = [name for name in plain if plain[name].ramps == lossy[name].ramps]
    assert len(same) > 1
    for name in same:
        assert lossy[name].accuracy == pytest.approx(plain[name].accuracy * (1 - 0.1 * 2 / 12 / full)), name


def test_exits_that_say_nothing_of_their_layers() -> None:
    """The table's exits are the ramps: with fewer ramps they are named, in a mix too."""
    for path in (E3, DRIFT):
        case = exit_case(load(path))
        plan = plans(case)["compact"]
        survival, accuracy = shares(case, plan)
        assert accuracy == pytest.approx(plan.accuracy)
        assert survival[0] == pytest.approx(1.0)


def test_a_profile_passes_on_whom_a_missing_ramp_would_answer() -> None:
    case = exit_case(
        written({"exits": {"profile": [0.01, 0.6]}, "ramps": {"after": [1, 3], "time": {"relative": 0.2}}})
    )
    plan = plans(case)["compact"]
    assert plan.ramps == (3,)
    model = deployed(case, plan).models["m"]
    assert model.exits.profile == pytest.approx((0.61,))  # type: ignore[union-attr]  # a profile
    assert np.isnan(plan.accuracy)


def test_no_ramp_is_worth_its_time() -> None:
    """Compact without ramps is the whole model, and runs as such; splitting finds no cut either."""
    case = exit_case(
        written({"exits": {"profile": [0.0, 0.01]}, "ramps": {"after": [1, 3], "time": {"relative": 0.5}}})
    )
    found = plans(case)
    assert found["compact"].ramps == ()
    assert deployed(case, found["compact"]).services["s"].deployment.exit_mode == "none"  # type: ignore[union-attr]  # there
    answer = compare_exits(written({"exits": {"profile": [0.0, 0.01]}, "ramps": {"after": [1, 3], "time": "5ms"}}))
    assert answer.recommended.plan.exit_mode == "none"
    assert "splitting wins at no batch size" in answer.reason


def test_devices_are_what_others_leave() -> None:
    other = {"model": "m", "workload": {"process": "poisson", "rate": "1/s"}}
    placed = {"deployment": {"portions": [{"layers": "1-4", "pool": "gpu", "replicas": 1}]}}
    scenario = written()
    node = json.loads(json.dumps({"t": {**other, **placed}}))
    both = written(services={**_services(), **node})
    assert exit_case(scenario).devices == {"gpu": 4}
    assert exit_case(both, "s").devices == {"gpu": 3}
    assert exit_case(scenario, devices=2).devices == {"gpu": 2}
    assert exit_case(scenario, devices={"gpu": 40}).problem.counts.tolist() == [40]
    with pytest.raises(ScenarioError, match="name one of s, t"):
        exit_case(both)


def _services() -> Node:
    deployment = {"portions": [{"layers": "1-4", "pool": "gpu", "replicas": 1, "batch": 4}]}
    return {"s": {"model": "m", "workload": {"process": "poisson", "rate": "1/s"}, "deployment": deployment}}


def test_replicas_of_several_devices() -> None:
    """Two devices for each replica: half as many replicas, at twice the price each."""
    pool = {"device": "v100-16gb", "count": 4, "price_per_hour": 3.0, "devices_per_replica": 2}
    case = exit_case(written(cluster={"pools": {"gpu": pool}}))
    assert case.problem.counts.tolist() == [2]
    assert case.problem.prices.tolist() == [6.0]
    assert lower(deployed(case, plans(case)["at_cut (parallel)"])).services


def test_limits_of_the_scenario() -> None:
    service = {"slo": {"latency": "50ms"}, "classes": [{"name": "a", "share": 1.0, "slo": {"latency": "20ms"}}]}
    limits = exit_case(written(None, service, planner={"search": {"max_cuts": 1}})).problem
    assert (limits.limits.max_cuts, limits.limits.service_s) == (1, 0.02)


def test_the_batch_of_the_deployment() -> None:
    assert exit_case(written()).batch == 4
    assert exit_case(written(), batch=9).batch == 9
    assert exit_case(written(), batch=200).problem.largest_batch == 200


def test_a_closed_load_and_no_objective() -> None:
    answer = compare_exits(written(None, {"workload": {"process": "closed", "clients": 20, "think": "10ms"}}))
    assert answer.offered is None
    assert all(mode.load is None for mode in answer.modes)
    assert all(mode.p99 for mode in answer.modes)


def test_a_timeline_is_replaced() -> None:
    portions = [{"layers": "1-4", "pool": "gpu", "replicas": 1, "batch": 2}]
    windows = [{"from": "0s", "portions": portions}, {"from": "500ms", "portions": portions}]
    answer = compare_exits(written(None, {"deployment": None, "deployments": windows}))
    assert answer.recommended.plan.batch == 2


def test_serial_replicas_are_of_one_type() -> None:
    answer = compare_exits(load(MIXED, sets=["run={duration: 300ms}"]))
    serial = answer.mode("at_cut (serial)")
    assert serial is not None
    assert len(serial.plan.devices) == 1
    assert "in serial" not in answer.reason
    assert any("one type" in note for note in answer.notes)
    assert {mode.plan.name for mode in answer.modes} == set(MODES)


def test_drift_is_said() -> None:
    """The plan for the mean mix carries less than the load at the end, and misses the objective."""
    answer = compare_exits(load(DRIFT, sets=["run.replications=1"]))
    assert any("the mix drifts" in note for note in answer.notes)
    assert "misses the objective" in answer.notes[0]
    assert "at_cut (serial)" in answer.notes[0]


REFUSED: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"model": {"ramps": None, "exits": None}}, {}, "has no `ramps`"),
    ({"model": {"exits": None}}, {}, "has no `exits`"),
    ({"model": {"ramps": {"after": [4]}, "exits": {"profile": [1.0]}}}, {}, "no ramp before the model's end"),
    ({}, {"service": "t"}, "unknown service 't'"),
    ({}, {"batch": 0}, "batch: must be at least 1"),
    ({}, {"batch": 65_537}, "batch: must be at most 65,536"),
    ({}, {"devices": 0}, "devices: must be at least 1"),
    ({}, {"devices": {"cpu": 3}}, "unknown pool of the service 'cpu'"),
    ({"planner": {"accuracy_floor": 0.9}}, {}, "an accuracy to keep needs exits"),
    ({"service": {"slo": {"latency": "1us"}}}, {}, "no mode respects the limits"),
]


@pytest.mark.parametrize(("changes", "arguments", "message"), REFUSED, ids=[entry[2] for entry in REFUSED])
def test_refused(changes: dict[str, Any], arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ScenarioError, match=message) as error:
        compare_exits(written(**changes), **arguments)
    assert len(error.value.problems) == 1


def test_no_device_is_left() -> None:
    portions = [{"layers": "1-4", "pool": "gpu", "replicas": 4}]
    other = {"model": "m", "workload": {"process": "poisson", "rate": "1/s"}, "deployment": {"portions": portions}}
    own = _services()["s"]
    with pytest.raises(ScenarioError):
        compare_exits(written(services={"s": own, "t": other}), "s")


def test_several_pools_need_several_numbers() -> None:
    with pytest.raises(ScenarioError, match="v100=8 a100=8"):
        exit_case(load(MIXED), devices=8)


def test_nobody_has_exits() -> None:
    scenario = written({"ramps": None, "exits": None}, services={**_services(), "t": _services()["s"]})
    with pytest.raises(ScenarioError, match="none has a model"):
        exit_case(scenario)


def test_scenarios_stay_as_they_are(tmp_path: Path) -> None:
    """Comparing is reading: the scenario is the same afterwards."""
    scenario = written()
    before = scenario.model_dump_json()
    compare_exits(scenario)
    assert scenario.model_dump_json() == before


def test_the_shipped_hardness_is_that_of_the_first_exit() -> None:
    source = load_table(SCENARIOS / TABLE, split="heldout")
    assert source.confidence is not None
    easy = source.confidence[:, 0] >= 0.95
    for split, rows in (("easy", easy), ("hard", ~easy)):
        part = load_table(SCENARIOS / "data/own_sst2_minilm_6exit_hardness.csv.gz", split=split)
        assert part.confidence is not None
        assert np.array_equal(part.confidence, source.confidence[rows])


def test_a_model_that_fits_only_in_portions() -> None:
    """Four layers of 6 GB on devices of 16 GB: only portions on devices of their own can be served."""
    layers = [{"name": "l", "repeat": 4, "time": {"overhead": "1ms", "per_item": "100us"}, "weights": "6GB"}]
    portions = [{"layers": layers, "pool": "gpu", "replicas": 1, "batch": 4} for layers in ("1-2", "3-4")]
    answer = compare_exits(written({"layers": layers}, {"deployment": {"exit_mode": "at_cut", "portions": portions}}))
    assert [mode.plan.name for mode in answer.modes] == ["at_cut (parallel)"]
    assert answer.every_ramp is None
    assert any("none, compact, at_cut (serial), answer_early" in note for note in answer.notes)


def test_what_the_capacity_leaves_out_is_said() -> None:
    pool = {"device": "v100-16gb", "count": 4, "faults": {"mtbf": "1h", "mttr": "1min"}}
    cluster = {"pools": {"gpu": pool}, "network": {"bandwidth": "12GB/s", "shared": True}}
    notes = " ".join(compare_exits(written(cluster=cluster)).notes)
    assert "a link of its own" in notes
    assert "no replica fails" in notes


def test_a_twin_holds_devices_too() -> None:
    """What another service holds in a pool includes the replicas of its twin."""
    scenario = load(SCENARIOS / "early-exit-twin.yaml")
    (spec,) = scenario.services.values()
    assert spec.twin is not None
    portions = [*spec.timeline[0][1].portions, *spec.twin.deployment.portions]
    for pool in scenario.cluster.pools:
        assert held(spec, pool) == sum(portion.replicas or 0 for portion in portions if portion.pool == pool)
    (name,) = scenario.services
    assert exit_case(scenario, name).twin


def test_the_reason_names_a_tight_objective() -> None:
    """Where no split keeps the objective, that is the reason, and nothing about batches."""
    case = exit_case(load(E3, sets=["services.sentiment.slo.latency=8ms"]))
    assert "no split keeps the limits" in recommend(case.problem, case.batch).reason
