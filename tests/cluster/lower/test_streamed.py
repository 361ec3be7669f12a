"""Portions with streamed weights: batch times of the recurrence, memory of the slots, start-up, and what is told."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.cluster import loads, simulate
from simulator.cluster.lower import lower
from simulator.cluster.lower.streamed import demands, ends_with_loads, waits_for_first, with_loads
from simulator.costs.streaming import Layer, Link, Streamed, run, step_seconds
from simulator.errors import ScenarioError
from tests.cluster.lower.made import lowered, node, phase, service
from tests.support import Node, layer, poisson, portion

SERVER: Node = {"parameter_server": {"bandwidth": "1GB/s", "latency": "1ms", "memory": "64GB"}}
LAYERS = [layer((0.010, 0.002), weights="50MB"), layer((0.040, 0.004), weights="20MB"), layer((0.0, 0.1), weights=0)]
STREAMED: Node = {"weights": "streamed", "prefetch": 2}


def made(portions: list[Node], layers: list[Node] | None = None, **more: Any) -> Node:
    cluster = {**SERVER, **more.pop("cluster", {})}
    return node(layers or LAYERS, portions, cluster=cluster, **more)


def problem_of(tree: Node) -> str:
    with pytest.raises(ScenarioError) as caught:
        lowered(tree)
    return str(caught.value)


# -- batch times ---------------------------------------------------------------------------------------------------


@settings(max_examples=100)
@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.5, 2.0, 3.5]), st.floats(0.0, 3.0)), min_size=1, max_size=6),
    st.integers(1, 4),
)
def test_steps_add_up_to_the_step_of_the_cost_model(layers: list[tuple[float, float]], slots: int) -> None:
    batches = np.arange(5.0)
    link = Link(1.5, 0.01)
    seconds = np.array([work * batches for _, work in layers])
    elapsed = ends_with_loads(seconds, [0] * len(layers), [size for size, _ in layers], slots, link)
    found = with_loads(elapsed)
    model = Streamed(tuple(Layer(size, work) for size, work in layers), link, slots=slots)
    np.testing.assert_allclose(found.sum(axis=0)[1:], step_seconds(model, batches[1:]), rtol=1e-12)
    ends = run(model.visits(batches[1:]), slots).compute_end
    np.testing.assert_array_equal(elapsed[:, 1:], ends)
    np.testing.assert_allclose(np.cumsum(found[:, 1:], axis=0), ends, rtol=1e-12)
    assert not found[:, 0].any(), "nobody takes no time"
    assert (found[:, 1:] >= seconds[:, 1:] - 1e-12).all()


def test_a_batch_takes_a_streamed_pass() -> None:
    """Loads of 51 and 21 ms: the second arrives at 72 ms, when the first has computed since 51."""
    found = phase(made([portion("1-3", batch=4, **STREAMED)]))
    resident = phase(made([portion("1-3", batch=4)]))
    for batch in range(1, 5):
        first = 0.051 + 0.010 + 0.002 * batch
        second = max(first, 0.072) + 0.040 + 0.004 * batch
        assert found.elapsed_s[:, batch].tolist() == pytest.approx([first, second, second + 0.1 * batch])
    assert (found.time_s[1:] > resident.time_s[1:]).all()
    assert found.time_s[0] == 0


def test_one_slot_takes_turns() -> None:
    found = phase(made([portion("1-3", batch=2, weights="streamed", prefetch=1)]))
    assert found.time_s[1] == pytest.approx(0.051 + 0.012 + 0.021 + 0.044 + 0.1)


def test_ramps_are_there_while_layers_come() -> None:
    """A ramp needs no load, and its layer's slot is free before it runs."""
    model = {"ramps": {"after": [1], "time": "30ms"}, "exits": {"profile": [0.5]}}
    found = phase(
        made([portion("1-3", batch=1, weights="streamed", prefetch=1)], exit_mode="answer_early", model=model)
    )
    assert found.step_ramp.tolist() == [0, 1, 0, 0]
    assert found.elapsed_s[:, 1].tolist() == pytest.approx([0.063, 0.093, 0.137, 0.237])


def test_both_engines_meet_the_same_instants() -> None:
    tree = made([portion("1-2", batch=4, max_wait=0.01, **STREAMED), portion("3", batch=2)])
    tree["services"]["s"]["workload"] = poisson(20.0)
    tree["run"] |= {"duration": "60s", "warmup": "5s"}
    simpy, compiled = (simulate(loads(json.dumps(tree)), engine=name, tables=True) for name in ("simpy", "compiled"))
    one, other = (result.requests for result in (simpy, compiled))
    assert len(one) > 1000
    np.testing.assert_array_equal(one["finish_s"].to_numpy(), other["finish_s"].to_numpy())


# -- memory and loading --------------------------------------------------------------------------------------------


def test_memory_is_that_of_the_slots() -> None:
    """Ten layers of 4 GB on 16 GB: two fit, four do not with the outputs, ten do not at all."""
    layers = [layer(0.01, repeat=10, weights="4GB", output="1GB")]
    assert lowered(made([portion("1-10", **STREAMED)], layers))
    assert "needs 17.00 GB" in problem_of(made([portion("1-10", weights="streamed", prefetch=4)], layers))
    assert "needs 41.00 GB" in problem_of(made([portion("1-10")], layers))


def test_the_largest_neighbours_count() -> None:
    layers = [layer(0.01, weights=size) for size in ("9GB", "1GB", "8GB", "8GB", "1GB")]
    assert "needs 16.00 GB" in problem_of(made([portion("1-5", **STREAMED)], layers, pool={"device": small(15.5)}))
    assert lowered(made([portion("1-5", **STREAMED)], layers))


def small(gigabytes: float) -> Node:
    device = {"memory_bandwidth": "100GB/s", "peak": {"fp16": "10TFLOPS"}}
    return {**device, "memory": f"{gigabytes}GB"}


def test_streamed_and_resident_portions_share_a_serial_replica() -> None:
    layers = [layer(0.01, repeat=10, weights="2GB")]
    parts = [portion("1-8", None, **STREAMED), portion("9-10", None)]
    assert lowered(made(parts, layers, execution="serial", replicas=1))
    parts[1] = portion("9-10", None, weights="resident", batch=1)
    parts[0] = portion("1-8", None)
    assert "needs 20.00 GB" in problem_of(made(parts, layers, execution="serial", replicas=1))


def test_streamed_weights_are_not_loaded_before() -> None:
    pool = {"load_bandwidth": "1GB/s", "start_up": "2s"}
    (kind,) = service(made([portion("1-3", **STREAMED)], pool=pool)).stations[0].kinds
    assert kind.load_s == 2.0
    (kind,) = service(made([portion("1-3")], pool=pool)).stations[0].kinds
    assert kind.load_s == 2.0 + 0.07


def test_a_start_while_weights_come_ends_its_first_batch_when_they_let_it() -> None:
    """50 ms, then 12 of compute beside 20 of loading, then 44 and 100: 70 + 144 ms, of which 156 are the batch."""
    pool = {"load_bandwidth": "1GB/s"}
    (kind,) = service(made([portion("1-3", start_up="streamed")], pool=pool)).stations[0].kinds
    assert kind.load_s == pytest.approx(0.070 + 0.144 - 0.156)
    assert kind.load_s + kind.phases[0].time_s[1] == pytest.approx(0.214)


def test_layers_that_have_come_stay_at_a_start() -> None:
    """While the first computes for 10 s the others come: only its own load of 1 s is waited for."""
    seconds = np.array([[0.0, 10.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
    assert waits_for_first(seconds, [0] * 4, [1.0] * 4, 1.0) == pytest.approx(1.0)


@given(st.lists(st.tuples(st.floats(0.0, 4.0), st.floats(0.0, 3.0)), min_size=1, max_size=8))
def test_a_streamed_start_is_never_later_than_a_whole_one(layers: list[tuple[float, float]]) -> None:
    sizes = [size for size, _ in layers]
    seconds = np.array([[0.0, work, 2 * work] for _, work in layers])
    wait = waits_for_first(seconds, [0] * len(layers), sizes, 1.0)
    compute = float(seconds[:, 1].sum())
    assert 0 <= wait <= sum(sizes) * (1 + 1e-12) + 1e-12
    assert wait + compute >= max(sum(sizes), compute) * (1 - 1e-12)


def test_a_kind_that_streams_is_another_kind() -> None:
    """A window that streams what was resident has new replicas."""
    tree = made([portion("1-3")])
    tree["services"]["s"].pop("deployment")
    windows = [{"from": "0s", "portions": [portion("1-3")]}, {"from": "5s", "portions": [portion("1-3", **STREAMED)]}]
    tree["services"]["s"]["deployments"] = windows
    assert sum(len(station.kinds) for station in service(tree).stations) == 2


# -- what is told --------------------------------------------------------------------------------------------------


def test_layers_of_unknown_size_cannot_be_streamed() -> None:
    text = problem_of(made([portion("1", **STREAMED)], [layer(0.01, name="head")]))
    assert "services.s.deployment.portions.0.weights: layer head says no `weights`" in text


def test_the_server_holds_what_is_streamed() -> None:
    """70 MB in 16 bits; a second precision is another copy, a second window of the same is none."""
    for memory, parts, fits in (
        ("69MB", [portion("1-3", **STREAMED)], False),
        ("70MB", [portion("1-3", **STREAMED)], True),
        ("60MB", [portion("1", **STREAMED), portion("2-3")], True),
        ("60MB", [portion("1", **STREAMED, precision="int8"), portion("2-3", **STREAMED)], True),
    ):
        tree = made(parts, cluster={"parameter_server": {**SERVER["parameter_server"], "memory": memory}})
        tree["services"]["s"].pop("deployment")
        tree["services"]["s"]["deployments"] = [{"from": at, "portions": parts} for at in ("0s", "5s")]
        if fits:
            assert lowered(tree)
        else:
            assert "streamed portions need 0.07 GB at the server, it has 0.069 GB" in problem_of(tree)


def warned(rate: float, replicas: int = 1, **more: Any) -> list[str]:
    tree = made([portion("1-3", replicas, batch=4, **STREAMED)], **more)
    tree["services"]["s"]["workload"] = poisson(rate)
    return [text for text in lowered(tree).warnings if "parameter server" in text]


def test_more_than_the_link_has_is_told() -> None:
    """70 MB a batch on 1 GB/s, a full one in 0.528 s: twenty replicas ask at most 20 x 0.07 / 0.528 of it."""
    assert not warned(1.0)
    assert not warned(1000.0), "one replica cannot overdraw it"
    assert warned(0.1, 20) == [
        "streamed portions ask up to 265% of the parameter server's link at once: batches that load together share it "
        "and take longer than alone"
    ]
    (text,) = warned(1000.0, 20)
    assert text.startswith("streamed portions ask 265% of the parameter server's link even with full batches")
    own = {"parameter_server": {**SERVER["parameter_server"], "shared": False}}
    assert not warned(1000.0, 20, cluster=own)


def test_only_requests_that_get_there_count() -> None:
    """Half of them leave before the streamed portion: two batches of four a second, 20 MB each."""
    model = {"ramps": {"after": [1]}, "exits": {"profile": [0.5]}}
    parts = [portion("1", batch=4), portion("2-3", 4, batch=4, **STREAMED)]
    tree = made(parts, exit_mode="at_cut", model=model)
    tree["services"]["s"]["workload"] = poisson(16.0)
    scenario = loads(json.dumps(tree))
    (found,) = demands(scenario, lower(scenario).services)
    assert found.mean == pytest.approx(16.0 / 2 / 4 * 0.02)
    assert found.replicas == 4
