"""Ramps, exit rows, floors, transfers, memory and loading of the portions of a deployment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulator import catalogue
from simulator.cluster import loads, simulate
from simulator.cluster.lower.capacity import capacities
from simulator.errors import ScenarioError
from tests.cluster.lower.made import lowered, node, phase, phases, service
from tests.support import Node, layer, poisson, portion, seconds

LAYERS = [layer((0.010, 0.001)), layer((0.020, 0.002)), layer((0.030, 0.003)), layer((0.040, 0.004))]
PROFILE: Node = {"profile": [0.1, 0.2, 0.3]}


def exiting(mode: str, portions: list[Node], *, ramps: Any = None, exits: Any = None, **more: Any) -> Node:
    model = {"ramps": {"after": "all", **(ramps or {})}, "exits": exits or PROFILE}
    return node(LAYERS, portions, exit_mode=mode, model=model, **more)


def halves(**more: Any) -> list[Node]:
    return [portion("1-2", batch=4, **more), portion("3-4", batch=4, **more)]


# -- ramps ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("time", "exact"),
    [
        ({"relative": 0.5}, [0.5 * 0.014, 0.5 * 0.028, 0.5 * 0.042]),
        ("3ms", [0.003] * 3),
        ({"overhead": "1ms", "per_item": "2ms"}, [0.009] * 3),
        ({"per_batch": {"1": "1ms", "2": "3ms"}}, [0.007] * 3),
    ],
)
def test_ramps_follow_their_layers(time: Any, exact: list[float]) -> None:
    made = phase(exiting("compact", [portion("1-4", batch=4)], ramps={"time": time}))
    assert made.step_ramp.tolist() == [0, 1, 0, 2, 0, 3, 0]
    np.testing.assert_allclose(made.steps_s[made.step_ramp > 0, 4], exact, rtol=1e-12)
    assert not made.steps_s[:, 0].any()


def test_a_ramp_beyond_its_rows_is_told() -> None:
    tree = exiting("compact", [portion("1-4", batch=4)], ramps={"time": {"per_batch": {"1": "1ms"}}})
    assert "beyond the measured rows" in " ".join(lowered(tree).warnings)


def test_only_ramps_that_answer_run() -> None:
    assert phase(exiting("none", [portion("1-4")])).step_ramp.tolist() == [0, 0, 0, 0]
    assert [p.step_ramp.tolist() for p in phases(exiting("at_cut", halves()))] == [[0, 0, 2], [0, 0]]
    assert [p.step_ramp.tolist() for p in phases(exiting("answer_early", halves()))] == [[0, 1, 0, 2], [0, 3, 0]]
    few = exiting("answer_early", halves(), ramps={"after": [3]}, exits={"profile": [0.5]})
    assert [p.step_ramp.tolist() for p in phases(few)] == [[0, 0], [0, 3, 0]]


def test_no_ramp_where_the_cut_has_none() -> None:
    few = exiting("at_cut", halves(), ramps={"after": [1, 3]}, exits={"profile": [0.5, 0.5]})
    assert [p.step_ramp.tolist() for p in phases(few)] == [[0, 0], [0, 0]]


# -- exit rows -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "leave"),
    [("none", [4, 4, 4, 4]), ("compact", [1, 2, 3, 4]), ("answer_early", [1, 2, 3, 4]), ("at_cut", [2, 2, 4, 4])],
)
def test_where_each_row_of_a_profile_leaves(mode: str, leave: list[int]) -> None:
    made = service(exiting(mode, halves()))
    assert made.deployments[0].exit_layer.tolist() == leave
    assert made.exits is not None
    assert made.exits.rows.draw(np.array([0.0, 0.1, 0.299, 0.31, 0.61, 0.99]), np.zeros(6), np.arange(6)).tolist() == [
        0,
        1,
        1,
        2,
        3,
        3,
    ]
    assert np.isnan(made.exits.correct).all()


TABLE = """label,conf_1,conf_2,conf_3,conf_4,pred_1,pred_2,pred_3,pred_4
1,0.9,0.6,0.7,0.8,1,1,1,1
0,0.5,0.9,0.5,0.9,1,0,0,0
1,0.5,0.5,0.5,0.6,0,0,0,1
0,0.8,0.5,0.9,0.7,0,0,1,0
"""


@pytest.mark.parametrize(
    ("mode", "rule", "leave"),
    [
        ("compact", {"confidence": 0.8}, [1, 2, 4, 1]),
        ("answer_early", {"confidence": 0.8}, [1, 2, 4, 1]),
        ("at_cut", {"confidence": 0.8}, [4, 2, 4, 4]),
        ("none", {"confidence": 0.8}, [4, 4, 4, 4]),
        ("compact", {"confidence": [0.95, 0.6, 0.9]}, [2, 2, 4, 3]),
        ("compact", {"patience": 1}, [2, 3, 2, 2]),
        ("compact", {"patience": 2}, [3, 4, 3, 4]),
        ("at_cut", {"patience": 1}, [4, 4, 4, 4]),  # one active ramp has none before it to agree with
        ("compact", {"entropy": 0.4}, [1, 2, 4, 3]),
    ],
)
def test_where_each_row_of_a_table_leaves(tmp_path: Path, mode: str, rule: Node, leave: list[int]) -> None:
    (tmp_path / "table.csv").write_text(TABLE)
    made = service(exiting(mode, halves(), exits={"table": "table.csv", "rule": rule}), tmp_path)
    assert made.deployments[0].exit_layer.tolist() == leave
    assert made.exits is not None
    assert made.exits.correct.tolist() == [[1, 1, 1, 1], [0, 1, 1, 1], [0, 0, 0, 1], [1, 1, 0, 1]]
    assert made.info.accuracy_full == 1.0


def test_patience_asks_active_ramps_only(tmp_path: Path) -> None:
    """With ramps at the cuts after 1 and 3 the second agrees with the first, whatever the one between says."""
    (tmp_path / "table.csv").write_text("pred_1,pred_2,pred_3,pred_4\n1,0,1,0\n1,1,0,1\n")
    cuts = [portion("1"), portion("2-3"), portion("4")]
    tree = exiting("at_cut", cuts, exits={"table": "table.csv", "rule": {"patience": 1}})
    assert service(tree, tmp_path).deployments[0].exit_layer.tolist() == [3, 4]


def test_correct_answers_stand_at_the_layers_of_the_ramps(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("label,pred_1,pred_2\n1,1,0\n0,1,0\n")
    tree = exiting("compact", halves(), ramps={"after": [3]}, exits={"table": "table.csv", "rule": {"patience": 1}})
    made = service(tree, tmp_path)
    assert made.exits is not None
    np.testing.assert_array_equal(made.exits.correct, [[np.nan, np.nan, 1, 0], [np.nan, np.nan, 0, 1]])
    assert made.info.accuracy_full == 0.5


def test_a_model_of_one_layer_has_no_ramp() -> None:
    tree = node([layer(1.0)], exit_mode="compact", model={"ramps": {"after": "all"}, "exits": {"profile": [1.0]}})
    assert service(tree).deployments[0].exit_layer.tolist() == [1]


# -- floors --------------------------------------------------------------------------------------------------------

NETWORK: Node = {"network": {"bandwidth": "1GB/s", "latency": "1ms"}}


def test_floor_without_exits_is_the_rest_of_the_way() -> None:
    layers = [layer((0.010, 0.001), output="1MB"), layer((0.020, 0.002))]
    first, second = phases(node(layers, [portion("1", batch=4), portion("2", batch=4)], cluster=NETWORK))
    assert second.floor_s == pytest.approx(0.022)
    assert first.floor_s == pytest.approx(0.011 + 0.002 + 0.022)


@pytest.mark.parametrize(
    ("mode", "floors"),
    [
        ("none", [0.011 + 0.022 + 0.033 + 0.044, 0.033 + 0.044]),
        ("at_cut", [1.5 * 0.022 + 0.011, 0.033 + 0.044]),
        ("compact", [1.5 * 0.011, 1.5 * 0.033]),
        ("answer_early", [1.5 * 0.011, 1.5 * 0.033]),
    ],
)
@pytest.mark.parametrize("serial", [False, True])
def test_floor_ends_at_the_first_ramp(mode: str, floors: list[float], serial: bool) -> None:
    cuts = halves()
    more: Node = {}
    if serial:
        cuts, more = (
            [{k: v for k, v in p.items() if k != "replicas"} for p in cuts],
            {"execution": "serial", "replicas": 1},
        )
    made = phases(exiting(mode, cuts, ramps={"time": {"relative": 0.5}}, **more))
    assert [p.floor_s for p in made] == pytest.approx(floors)


def test_floor_is_that_of_the_fastest_kind() -> None:
    slow = {"device": {"memory": "16GB", "memory_bandwidth": "1GB/s", "peak": {"fp16": "1TFLOPS"}}, "count": 9}
    layers: list[Node] = [{"name": "a", "work": {"flops": "10GFLOP"}}]
    kinds = [portion("1", pool="slow"), portion("1")]
    made = service(node(layers, kinds, cluster={"pools": {"slow": slow}}))
    assert [kind.phases[0].floor_s for kind in made.stations[0].kinds] == pytest.approx([0.00102, 0.00102])


def test_a_rest_without_time_still_has_its_transfer() -> None:
    layers = [layer(0.010, output="1MB"), layer(0.0)]
    first, second = phases(node(layers, [portion("1"), portion("2")], cluster=NETWORK))
    assert second.floor_s == 0.0
    assert first.floor_s == pytest.approx(0.012)


# -- transfers -----------------------------------------------------------------------------------------------------


def sent(precision: str, output: Any = "2MB") -> list[float]:
    layers = [layer(0.01), layer(0.01, output=output), layer(0.01, output="9GB")]
    cuts = [portion("1-2", batch=3, precision=precision), portion("3", batch=3, precision=precision)]
    first, last = phases(node(layers, cuts, cluster=NETWORK, pool={"devices_per_replica": 4}))
    assert not last.transfer_s.any()
    return [float(t) for t in first.transfer_s]


def test_a_transfer_is_latency_and_bytes() -> None:
    assert sent("fp16") == pytest.approx([0.0, 0.003, 0.005, 0.007])


def test_bytes_scale_with_the_precision() -> None:
    assert sent("int8") == pytest.approx([0.0, 0.002, 0.003, 0.004])
    assert sent("fp32") == pytest.approx([0.0, 0.005, 0.009, 0.013])
    assert sent("int8", {"fp16": "2MB", "int8": "3MB"}) == pytest.approx([0.0, 0.004, 0.007, 0.010])


def test_without_a_network_transfers_take_no_time() -> None:
    first, _ = phases(node([layer(0.01, output="2MB"), layer(0.01)], [portion("1"), portion("2")]))
    assert not first.transfer_s.any()


def test_pairs_of_pools_override_what_they_say() -> None:
    pairs = [{"from": "pool", "to": "far", "bandwidth": "100MB/s"}, {"from": "far", "to": "pool", "latency": "5ms"}]
    cluster = {
        "network": {"bandwidth": "1GB/s", "latency": "1ms", "pairs": pairs},
        "pools": {"far": {"device": "t4", "count": 9}},
    }
    layers = [layer(0.01, output="1MB") for _ in range(4)]
    cuts = [portion("1"), portion("2", pool="far"), portion("3"), portion("4")]
    made = phases(node(layers, cuts, cluster=cluster))
    assert [float(p.transfer_s[1]) for p in made] == pytest.approx([0.011, 0.006, 0.002, 0.0])


def test_shared_links_by_pair() -> None:
    pairs = [{"from": "pool", "to": "far", "bandwidth": "100MB/s"}]
    cluster = {
        "network": {"bandwidth": "1GB/s", "latency": "1ms", "shared": True, "pairs": pairs},
        "pools": {"far": {"device": "t4", "count": 9}},
    }
    cuts = [portion("1"), portion("2", pool="far"), portion("3")]
    made = lowered(node([layer(0.01, output="1MB") for _ in range(3)], cuts, cluster=cluster))
    assert [(link.name, link.bandwidth, link.latency_s) for link in made.links] == [
        ("network", 1e9, 0.001),
        ("pool -> far", 1e8, 0.001),
    ]
    assert [station.kinds[0].phases[-1].link for station in made.services[0].stations] == [1, 0, -1]


def test_links_that_are_not_shared_are_none() -> None:
    made = lowered(node([layer(0.01), layer(0.01)], [portion("1"), portion("2")], cluster=NETWORK))
    assert made.links == ()
    assert [station.kinds[0].phases[-1].link for station in made.services[0].stations] == [-1, -1]


# -- memory and loading --------------------------------------------------------------------------------------------


def heavy(weights: Any, batch: int = 1, output: Any = None, devices: int = 1, **more: Any) -> Node:
    layers = [layer(0.01, weights=weights, **({"output": output} if output else {})) for _ in range(2)]
    return node(layers, [portion("1-2", batch=batch, **more)], pool={"devices_per_replica": devices})


def test_what_does_not_fit_is_refused_at_its_portion() -> None:
    with pytest.raises(ScenarioError) as caught:
        lowered(heavy("9GB"))
    (problem,) = caught.value.problems
    assert problem.path == "services.s.deployment.portions.0"
    assert problem.line == 1
    assert "needs 18.00 GB at fp16" in problem.message
    assert "16.00 GB" in problem.message


@pytest.mark.parametrize(
    "tree",
    [
        heavy("8GB"),
        heavy("9GB", devices=2),
        heavy("9GB", precision="int8"),
        heavy({"fp16": "9GB", "int8": "8GB"}, precision="int8"),
        heavy("7GB", batch=20, output="100MB"),
    ],
)
def test_what_fits(tree: Node) -> None:
    lowered(tree)


@pytest.mark.parametrize(
    "tree",
    [
        heavy("7GB", batch=21, output="100MB"),
        heavy("7GB", batch=11, output="100MB", precision="fp32"),
        heavy(None, 2, "9GB"),
    ],
)
def test_what_does_not_fit(tree: Node) -> None:
    with pytest.raises(ScenarioError, match="does not fit"):
        lowered(tree)


def test_known_weights_count_beside_unknown_ones() -> None:
    with pytest.raises(ScenarioError, match=r"needs 17\.00 GB"):
        lowered(node([layer(0.01, weights="17GB"), layer(0.01)]))


def test_serial_replicas_hold_all_portions() -> None:
    layers = [layer(0.01, weights="9GB"), layer(0.01, weights="9GB")]
    lowered(node(layers, [portion("1"), portion("2")]))
    with pytest.raises(ScenarioError, match=r"portion 1-2 needs 18\.00 GB"):
        lowered(node(layers, [portion("1", None), portion("2", None)], execution="serial", replicas=1))


def test_loading_takes_weights_over_bandwidth_and_the_start_up() -> None:
    def load_s(pool: Node, **more: Any) -> float:
        tree = node([layer(0.01, weights="3GB"), layer(0.01)], [portion("1-2", **more)], pool=pool)
        return service(tree).stations[0].kinds[0].load_s

    assert load_s({}) == 0.0
    assert load_s({"start_up": "5s"}) == 5.0
    assert load_s({"load_bandwidth": "2GB/s", "start_up": "5s"}) == 6.5
    assert load_s({"load_bandwidth": "2GB/s"}, precision="int8") == 0.75
    assert load_s({"device": "t4"}) == pytest.approx(3e9 / catalogue.device("t4").link_bandwidth)


def test_devices_faults_and_prices_of_a_kind() -> None:
    made = lowered(node([layer(0.01)], pool={"devices_per_replica": 4, "faults": {"mtbf": "1h", "mttr": "1min"}}))
    kind = made.services[0].stations[0].kinds[0]
    assert (kind.devices, kind.mtbf_s, kind.mttr_s) == (4, 3600.0, 60.0)
    assert [(pool.name, pool.count, pool.price_per_hour) for pool in made.pools] == [("pool", 100, 1.0)]
    assert service(node([layer(0.01)])).stations[0].kinds[0].mtbf_s == float("inf")


def test_the_price_of_the_catalogue_is_the_default() -> None:
    made = lowered(node([layer(0.01)], pool={"device": "t4", "price_per_hour": None}))
    assert made.pools[0].price_per_hour == catalogue.device("t4").price_per_hour


# -- what the reader must know -------------------------------------------------------------------------------------


def told(tree: Node) -> list[str]:
    return [w for w in lowered(tree).warnings if "can carry" in w]


@pytest.mark.parametrize(("rate", "warned"), [(199.0, False), (201.0, True)])
def test_a_load_above_capacity_is_told_with_its_figure(rate: float, warned: bool) -> None:
    """Two replicas of batch 4 in 40 ms: 200/s, at the best batch size, which is the largest."""
    portions = [portion("1", 2, batch=4)]
    found = told(node([layer((0.02, 0.005))], portions, service={"workload": poisson(rate)}))
    assert bool(found) is warned
    if warned:
        assert found == [
            "service s, portion 1: the load of 201/s is 100% of the 200/s that it can carry; the rest waits, "
            "is dropped or rejected"
        ]


def test_later_portions_carry_survivors_only() -> None:
    tree = exiting("at_cut", [portion("1-2"), portion("3-4")])
    made = service(tree)
    first, second = capacities(made, made.deployments[0])
    assert (first.layers, second.layers) == ("1-2", "3-4")
    assert (first.survival, second.survival) == pytest.approx((1.0, 0.7), abs=0.001)
    assert first.rate == pytest.approx(1 / (0.011 + 0.022))
    assert second.rate == pytest.approx(1 / (0.033 + 0.044) / 0.7, rel=0.001)


@pytest.mark.parametrize("mode", ["none", "at_cut", "answer_early"])
def test_serial_replicas_carry_all_portions(mode: str) -> None:
    made = service(exiting(mode, [portion("1-2", None), portion("3-4", None)], execution="serial", replicas=3))
    (only,) = capacities(made, made.deployments[0])
    share = 0.7 if mode == "at_cut" else 1.0  # answered requests keep their slots under answer_early
    assert only.rate == pytest.approx(3 / (0.033 + share * 0.077), rel=0.001)


def test_what_the_planner_searches_changes_nothing_of_a_run() -> None:
    tree = node([layer(0.01)])
    bare = simulate(loads(json.dumps(tree))).to_dict()
    tree["planner"] = {"objective": "cost"}
    planned = simulate(loads(json.dumps(tree))).to_dict()
    assert planned["warnings"] == []
    assert planned["services"] == bare["services"]


# -- windows -------------------------------------------------------------------------------------------------------


def windows(*deployments: list[Node], **more: Any) -> Node:
    tree = node(LAYERS, service={"deployment": None})
    timeline = [{"from": seconds(10.0 * i), "portions": portions, **more} for i, portions in enumerate(deployments)]
    tree["services"]["s"]["deployments"] = timeline
    tree["cluster"]["pools"]["other"] = dict(tree["cluster"]["pools"]["pool"])
    return tree


def test_equal_portions_are_one_station_over_the_windows() -> None:
    made = service(
        windows(
            [portion("1-2", 1, batch=4), portion("3-4", 2)],
            [portion("1-2", 3, batch=4, max_wait=0.5), portion("3-4", 2, batch=8)],
            [portion("1-4", 1)],
        )
    )
    assert [d.from_s for d in made.deployments] == [0.0, 10.0, 20.0]
    assert [d.stations for d in made.deployments] == [(0, 1), (0, 2), (3,)]
    assert [d.replicas for d in made.deployments] == [((1,), (2,)), ((3,), (2,)), ((1,),)]
    assert [d.waits_s for d in made.deployments[:2]] == [(((0.0,),), ((0.0,),)), (((0.5,),), ((0.0,),))]
    assert len({station.name for station in made.stations}) == 4


@pytest.mark.parametrize("change", [{"pool": "other"}, {"precision": "int8"}, {"batch": 8}])
def test_a_portion_that_differs_is_a_new_one(change: Node) -> None:
    made = service(windows([portion("1-4", batch=4)], [portion("1-4", **{"batch": 4, **change})]))
    assert [d.stations for d in made.deployments] == [(0,), (1,)]


def test_a_kind_that_joins_later() -> None:
    made = service(
        windows([portion("1-4", 2)], [portion("1-4", 2), portion("1-4", 1, "other")], [portion("1-4", 1, "other")])
    )
    assert [d.stations for d in made.deployments] == [(0,), (0,), (0,)]
    assert [d.replicas for d in made.deployments] == [((2, 0),), ((2, 1),), ((0, 1),)]
    assert [kind.pool for kind in made.stations[0].kinds] == [0, 1]


def test_entries_that_differ_in_their_wait_alone_are_kinds() -> None:
    made = service(node(LAYERS, [portion("1-4", 2, max_wait=0.5), portion("1-4", 3, max_wait=0.1)]))
    (deployment,) = made.deployments
    assert deployment.replicas == ((2, 3),)
    assert deployment.waits_s == (((0.5,), (0.1,)),)


def test_replicas_are_numbered_as_written() -> None:
    tree = node(LAYERS, [portion("1-4", 1), portion("1-4", 1, "other"), portion("1-4", 1)])
    tree["cluster"]["pools"]["other"] = dict(tree["cluster"]["pools"]["pool"])
    assert [kind.pool for kind in service(tree).stations[0].kinds] == [0, 1, 0]
