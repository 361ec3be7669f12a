"""Streams of a scenario: their figures, the group that is found, what is refused, and what runs beside."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from simulator.cluster import loads, simulate
from simulator.cluster.clock import Clock
from simulator.cluster.lower.hardware import pools_of
from simulator.cluster.streaming.run import prepare
from simulator.cluster.streaming.server import AtServer
from simulator.cluster.streaming.setup import setup_of
from simulator.costs.streaming import device_bytes, step, step_seconds
from simulator.errors import ScenarioError
from simulator.reporting.streamtrace import stream_events, streams_of
from simulator.results import Result
from simulator.results.stream import KINDS, StreamRun
from tests.support import Node, portion

DEVICE: Node = {"memory": "1GB", "memory_bandwidth": "100GB/s", "peak": {"fp16": "1TFLOPS"}}
BLOCK: Node = {"name": "block", "repeat": 8, "time": {"per_item": "10ms"}, "weights": "100MB", "output": "1MB"}


def tree(stream: Node, server: Node | None = None, layers: list[Node] | None = None, **more: Any) -> Node:
    """One stream ``s`` of model ``m`` on pool ``edge``; ``more`` are other sections."""
    return {
        "version": 1,
        "name": "test",
        "run": {"duration": "10s"},
        "cluster": {
            "pools": {"edge": {"device": DEVICE, "count": 8, "price_per_hour": 3.6}},
            "parameter_server": {"bandwidth": "1GB/s", "latency": "1ms", "memory": "20GB", **(server or {})},
        },
        "models": {"m": {"layers": layers or [BLOCK]}},
        "streams": {"s": {"model": "m", "pool": "edge", "mode": "training", **stream}},
        **more,
    }


def result_of(node: Node) -> Result:
    return simulate(loads(json.dumps(node)))


def figures_of(node: Node, name: str = "s") -> Node:
    found: Node = result_of(node).to_dict()["streams"][name]
    return found


def refused(node: Node) -> str:
    with pytest.raises(ScenarioError) as caught:
        result_of(node)
    return str(caught.value)


def test_figures_are_those_of_the_cost_model() -> None:
    """Eight layers of 100 MB at 1 GB/s, 10 ms forward: loads of 101 ms, gradients of 200 MB at the same rate."""
    node = tree({"group": 4, "steps": 2})
    scenario = loads(json.dumps(node))
    setup = setup_of(scenario, "s", pools_of(scenario), 1)
    known, found = step(setup.streamed, 4), figures_of(node)
    assert found["step"] == pytest.approx(known.seconds)
    assert found["step_alone"] == known.seconds
    assert found["layer_loads"] == 2 * 8 - 2
    assert found["naive_loads"] == 2 * 8 * 4
    assert found["bytes_loaded"] == 14 * 100e6
    assert found["bytes_returned"] == 8 * 100e6
    assert found["compute"] == pytest.approx(8 * 4 * 4 * 0.010)
    assert found["stall"] == pytest.approx(known.seconds - found["compute"])
    assert found["peak_memory"] == known.peak_memory == 2 * 100e6 + 2 * 100e6 + 4 * (8 + 1) * 1e6
    assert found["server_memory"] == 8 * 50e6 * 10
    assert found["server_bytes_per_parameter"] == 10
    assert found["throughput"] == pytest.approx(4 / known.seconds)
    assert found["cost_per_step"] == pytest.approx(known.seconds * 3.6 / 3600)
    assert found["link_share"] == pytest.approx(14 * 0.1 / known.seconds)
    assert found["ci95"] is None


def test_of_inference_the_server_keeps_the_weights_alone() -> None:
    found = figures_of(tree({"mode": "inference", "group": 2, "precision": "fp16"}))
    assert found["server_memory"] == 8 * 100e6
    assert found["server_bytes_per_parameter"] is None
    assert found["layer_loads"] == 8
    assert found["bytes_returned"] == 0


def test_frozen_weights_return_nothing_and_cost_less() -> None:
    plain, frozen = figures_of(tree({"group": 2})), figures_of(tree({"group": 2, "frozen": True}))
    assert frozen["bytes_returned"] == 0
    assert frozen["compute"] == pytest.approx(plain["compute"] * 3 / 4)
    assert figures_of(tree({"group": 2, "backward": 1.0}))["compute"] == pytest.approx(plain["compute"] / 2)


def test_options_reach_the_cost_model() -> None:
    """Each with the figure that it changes."""
    plain = figures_of(tree({"group": 2}))
    assert figures_of(tree({"group": 2, "kept": 0}))["layer_loads"] == 16
    assert figures_of(tree({"group": 2, "grouped_layers": 2}))["layer_loads"] == 2 * 4 - 2
    assert figures_of(tree({"group": 2, "dequantize": "5ms"}))["compute"] == pytest.approx(
        plain["compute"] + 16 * 0.005
    )
    assert figures_of(tree({"group": 2, "precision": "int8", "backward": 3.0}))["bytes_loaded"] == 14 * 50e6
    assert figures_of(tree({"group": 2, "pageable": True}))["step"] > plain["step"]
    assert figures_of(tree({"group": 2, "bandwidth": "500MB/s"}))["step"] > plain["step"]
    assert figures_of(tree({"group": 2, "storage": {"bandwidth": "200MB/s"}}))["step"] >= 14 * 0.5
    disk: Node = {"bandwidth": "200MB/s", "slots": 1}
    read = figures_of(tree({"group": 2, "storage": disk}))
    late = figures_of(tree({"group": 2, "storage": disk | {"latency": "50ms"}}))
    assert late["step"] == pytest.approx(read["step"] + 14 * 0.050)
    assert figures_of(tree({"group": 2, "storage": disk | {"slots": 2}}))["step"] < read["step"]
    given = [BLOCK | {"weights": {"fp16": "100MB", "int8": "60MB"}}]
    assert figures_of(tree({"group": 2, "precision": "int8"}, layers=given))["bytes_loaded"] == 14 * 60e6
    assert figures_of(tree({"group": 2, "work": "300MB"}))["peak_memory"] == plain["peak_memory"] + 300e6
    assert figures_of(tree({"group": 2, "optimizer": {"bytes_per_parameter": 16}}))["server_memory"] == 8 * 50e6 * 16
    slow = figures_of(tree({"group": 2, "optimizer": {"bytes_per_parameter": 10, "rate": "50000000/s"}}))
    assert slow["step"] >= 8 * 1.0, "a second for the update of each layer"
    spilled = figures_of(tree({"group": 2, "spill": True}))
    assert spilled["bytes_moved"] - plain["bytes_moved"] == 2 * 2 * 6 * 1e6
    assert figures_of(tree({"group": 2}, {"duplex": 1.0}))["step"] < plain["step"]


def test_a_microbatch_of_several_samples_is_that_batch_of_the_model() -> None:
    """Times at a batch of four, inputs of four; the input of a layer is the output of the layer before."""
    timed = {"time": {"overhead": "7ms", "per_item": "10ms"}, "weights": "100MB"}
    layers: list[Node] = [
        {"name": "a", **timed, "output": "1MB"},
        {"name": "b", **timed, "output": "5MB"},
        {"name": "c", **timed, "output": "2MB"},
    ]
    found = figures_of(tree({"group": 3, "microbatch": 4}, layers=layers))
    assert found["compute"] == pytest.approx(3 * 4 * 3 * 0.047)
    assert found["peak_memory"] == 4 * 100e6 + 3 * 4 * (1e6 + 1e6 + 5e6 + 5e6)
    assert found["throughput"] == pytest.approx(3 * 4 / found["step"]), "in samples"
    scores = [*layers[:2], layers[2] | {"output": "20MB"}]
    wide = figures_of(tree({"group": 3, "microbatch": 4}, layers=scores))
    assert wide["peak_memory"] == 4 * 100e6 + 3 * 4 * (1e6 + 1e6 + 5e6 + 20e6), "scores of the last layer count"


def test_packed_weights_are_there_beside_their_16_bit_copy() -> None:
    """8 bits: two slots of 50 MB, one layer unpacked, two gradients of 16 bits."""
    node = tree({"group": 4, "precision": "int8"}, layers=[BLOCK | {"output": 0}])
    assert figures_of(node)["peak_memory"] == 2 * 50e6 + 100e6 + 2 * 100e6
    wide = figures_of(tree({"group": 4, "precision": "fp32"}, layers=[BLOCK | {"output": 0}]))
    assert wide["peak_memory"] == 2 * 200e6 + 2 * 200e6
    assert wide["bytes_returned"] == 8 * 200e6, "gradients are as wide as the weights"
    packed = tree({"group": 4, "precision": "int8", "grouped_layers": 2}, layers=[BLOCK | {"output": 0}])
    assert figures_of(packed)["peak_memory"] == 2 * 100e6 + 100e6 + 2 * 200e6, "unpacked one layer at a time"


@pytest.mark.parametrize("devices", [1, 4])
def test_auto_is_the_best_of_all_groups_at_the_fair_share(devices: int) -> None:
    node = tree({"devices": devices, "mode": "inference"})
    scenario = loads(json.dumps(node))
    setup = setup_of(scenario, "s", pools_of(scenario), devices)
    assert setup.shared.link.bandwidth == 1e9 / devices
    groups = np.arange(1, setup.largest + 1)
    assert device_bytes(setup.shared, setup.largest) <= 1e9 < device_bytes(setup.shared, setup.largest + 1)
    pace = step_seconds(setup.shared, groups) / groups
    assert setup.group == groups[np.argmax(pace <= 1.01 * pace.min())]
    assert figures_of(node)["group"] == setup.group


def test_spill_auto_takes_what_is_faster() -> None:
    """Inputs of 60 MB: kept, few microbatches fit; spilled, more do, and hide the loads."""
    big = BLOCK | {"output": "30MB"}
    kept, best = (figures_of(tree({"spill": spill}, layers=[big])) for spill in (False, "auto"))
    assert best["spilled"]
    assert not kept["spilled"]
    assert best["throughput"] > kept["throughput"]
    small = figures_of(tree({"spill": "auto", "group": 2}))
    assert not small["spilled"]
    only = figures_of(tree({"spill": "auto", "group": 4}, layers=[big]))
    assert only["spilled"], "kept, four do not fit"


def test_eight_devices_share_and_none_starves() -> None:
    """All loads, no compute to speak of: eight take eight times as long, and the link is full."""
    light = BLOCK | {"time": {"per_item": "1us"}}
    node = tree({"mode": "inference", "group": 1, "devices": 8, "steps": 2}, {"latency": 0}, layers=[light])
    found = figures_of(node)
    assert found["step"] == pytest.approx(8 * found["step_alone"], rel=1e-3)
    assert found["link_share"] == pytest.approx(1.0, rel=1e-3)
    assert found["step_max"] == pytest.approx(found["step"], rel=1e-3)
    own = figures_of(tree(node["streams"]["s"], {"latency": 0, "shared": False}, layers=[light]))
    assert own["step"] == pytest.approx(own["step_alone"])


def test_streams_side_by_side_share_the_link() -> None:
    light = BLOCK | {"time": {"per_item": "1us"}}
    stream = {"mode": "inference", "group": 1, "steps": 3}
    node = tree(stream, {"latency": 0}, layers=[light])
    node["streams"]["other"] = {"model": "m", "pool": "edge", **stream}
    found = result_of(node).to_dict()
    both = [found["streams"][name]["step"] for name in ("s", "other")]
    assert both == pytest.approx([2 * found["streams"]["s"]["step_alone"]] * 2, rel=1e-3)
    assert found["pools"]["edge"]["used"] == 2


def test_services_and_streams_share_the_link() -> None:
    """A service that loads all the time leaves the stream half of the link, and gets half; one without load leaves all.

    Both loads and little else: 800 MB a pass over 1 GB/s, 1.6 s with half of it.
    """
    light = BLOCK | {"time": {"per_item": "1us"}}
    stream = {"mode": "inference", "group": 1, "steps": 20}
    service: Node = {
        "model": "m",
        "workload": {"process": "poisson", "rate": "50/s"},
        "deployment": {"portions": [portion("1-8", pool="edge", batch=8, weights="streamed")]},
    }
    alone = figures_of(tree(stream, {"latency": 0}, layers=[light]))
    node = tree(stream, {"latency": 0}, layers=[light], services={"web": service})
    node["run"]["drain"] = "40s"
    found = result_of(node)
    told = found.to_dict()
    assert "share the parameter server's link" in told["engine_reason"]
    assert told["streams"]["s"]["step"] == pytest.approx(2 * alone["step"], rel=0.02)
    batches = found.batches
    shared = batches[batches["end_s"] < told["streams"]["s"]["elapsed"]]
    assert (shared["end_s"] - shared["start_s"]).median() == pytest.approx(1.6, rel=1e-2)
    assert told["services"]["web"]["latency"]["mean"] > 1.6
    service["workload"]["rate"] = "0.000001/s"
    idle = result_of(node).to_dict()
    assert idle["streams"]["s"]["step"] == alone["step"]


def test_streams_go_on_when_the_services_are_over() -> None:
    """A run of 10 s, 1 s of drain, and a stream of 40 s: it has the link to itself from then on."""
    stream = {"mode": "inference", "group": 1, "steps": 50}
    light = BLOCK | {"time": {"per_item": "1us"}}
    service: Node = {
        "model": "m",
        "workload": {"process": "poisson", "rate": "100/s"},
        "deployment": {"portions": [portion("1-8", pool="edge", batch=8, weights="streamed")]},
    }
    node = tree(stream, {"latency": 0}, layers=[light], services={"web": service})
    node["run"]["drain"] = "1s"
    result = result_of(node)
    ends = result.jobs["streams"].runs[0]["s"].timeline.query("kind == 'compute'").groupby("step")["end_s"].max()
    steps = np.diff(ends.to_numpy())
    over = ends.to_numpy()[:-1] >= 11.0  # batches that were cut off take their loads along
    assert steps[over].tolist() == pytest.approx([0.8] * int(over.sum()), rel=1e-4)
    assert over.sum() > 30
    assert steps[:5].tolist() == pytest.approx([1.6] * 5, rel=2e-2)


@pytest.mark.parametrize("steps", range(1, 8))
def test_a_step_without_loads_waits_for_nothing(steps: int) -> None:
    """To the last bit: sums that are rounded otherwise must not show as less than none."""
    light = BLOCK | {"weights": 0, "repeat": 4}
    found = figures_of(tree({"mode": "inference", "group": 2, "steps": steps}, layers=[light]))
    assert found["step"] == pytest.approx(4 * 2 * 0.01)
    assert 0.0 <= found["stall"] < 1e-12


def test_failures_are_counted_and_cost_time() -> None:
    node = tree({"group": 2, "steps": 20}, {"faults": {"mtbf": "5s", "mttr": "1s"}}, seed=3)
    node["run"]["replications"] = 2
    found, plain = figures_of(node), figures_of(tree({"group": 2, "steps": 20}))
    assert found["failures"] > 2
    assert 0 < found["down"] < found["elapsed"]
    assert found["step"] > plain["step"]
    assert found["bytes_moved"] == plain["bytes_moved"]
    assert found["ci95"]["step"][0] < found["step"] < found["ci95"]["step"][1]
    assert figures_of(node) == found, "the same seed, the same failures"


def test_a_run_of_services_does_not_wait_for_streams() -> None:
    """The last request comes before 10 s; a stream of 80 s goes on, and adds nothing to what devices cost."""
    service: Node = {
        "model": "m",
        "workload": {"process": "poisson", "rate": "0.2/s"},
        "deployment": {"portions": [portion("1-8", pool="edge", batch=8, weights="streamed")]},
    }
    stream = {"mode": "inference", "group": 1, "steps": 100}
    node = tree(stream, layers=[BLOCK | {"time": {"per_item": "1us"}}], services={"web": service})
    result = result_of(node)
    (run,) = result.runs
    assert run.end_s < 12.0
    assert result.to_dict()["streams"]["s"]["elapsed"] > 80.0


def test_auto_repeats_until_the_time_of_a_step_is_known() -> None:
    """Three replications where nothing is random; more where the server fails, until half of the interval is 5 %."""
    calm = tree({"group": 2, "steps": 5})
    failing = tree({"group": 2, "steps": 5}, {"faults": {"mtbf": "10s", "mttr": "1s"}})
    for node in (calm, failing):
        node["run"]["replications"] = "auto"
    found = result_of(failing).to_dict()
    count, step = found["replications"], found["streams"]["s"]
    assert result_of(calm).to_dict()["replications"] == 3
    assert 3 < count < 64
    low, high = step["ci95"]["step"]
    assert (high - low) / 2 <= 0.05 * step["step"]
    failing["run"]["target"] = {"max_replications": count - 1}
    short = result_of(failing).to_dict()
    low, high = short["streams"]["s"]["ci95"]["step"]
    assert short["replications"] == count - 1
    assert (high - low) / 2 > 0.05 * short["streams"]["s"]["step"]
    assert any("the time of an iteration or step is not known to 0.05" in text for text in short["warnings"])


def test_every_link_of_a_device_fails_with_the_server() -> None:
    scenario = loads(json.dumps(tree({"group": 2, "devices": 2, "storage": {"bandwidth": "1GB/s"}})))
    running = AtServer(Clock(), {"s": setup_of(scenario, "s", pools_of(scenario), 2)})
    used = {
        link
        for device in running.executors["s"].devices
        for link in (device.links.far, device.links.near, device.links.back, device.links.server)
    }
    assert used <= set(running.links)
    assert len({device.links.far for device in running.executors["s"].devices}) == 1, "one disk"


def test_every_action_is_in_the_timeline() -> None:
    scenario = loads(json.dumps(tree({"group": 2, "steps": 2, "devices": 2})))
    run = prepare(scenario, pools_of(scenario))(0)["s"]
    assert isinstance(run, StreamRun)
    frame = run.timeline
    assert frame.groupby("kind").size().to_dict() == {"compute": 2 * 2 * 16, "load": 2 * 2 * 14, "return": 2 * 2 * 8}
    assert set(frame["kind"]) <= set(KINDS)
    assert (frame["end_s"] >= frame["start_s"]).all()
    assert frame["end_s"].max() == run.figures["elapsed"]


# -- what is refused -----------------------------------------------------------------------------------------------


def test_a_model_of_which_no_layer_fits_is_refused_with_the_figure() -> None:
    text = refused(tree({"group": 1}, layers=[BLOCK | {"weights": "700MB"}]))
    assert "streams.s" in text
    assert "needs 2.809 GB on the device for one microbatch" in text
    assert "the device has 1 GB" in text


def test_a_group_that_does_not_fit_is_refused_with_the_largest_that_does() -> None:
    text = refused(tree({"group": 100}))
    assert "streams.s.group: needs 1.3 GB on the device, which has 1 GB: at most 66 fit" in text


def test_devices_of_one_replica_put_their_memory_together() -> None:
    node = tree({"group": 100, "devices": 2})
    node["cluster"]["pools"]["edge"]["devices_per_replica"] = 2
    found = result_of(node).to_dict()
    assert found["streams"]["s"]["peak_memory"] == 1.3e9
    assert found["pools"]["edge"]["used"] == 4
    stream = found["streams"]["s"]
    assert stream["cost_per_step"] == pytest.approx(4 * 3.6 * stream["elapsed"] / 3 / 3600)


def test_a_server_that_is_too_small_is_refused() -> None:
    assert "needs 4 GB at the parameter server, which has 3 GB" in refused(tree({"group": 1}, {"memory": "3GB"}))
    node = tree({"group": 1}, {"memory": "7GB"})
    node["streams"]["other"] = {"model": "m", "pool": "edge", "mode": "training", "group": 1}
    text = refused(node)
    assert "cluster.parameter_server.memory: streams need 8 GB at the server (s 4 GB, other 4 GB), it has 7 GB" in text


def test_the_server_holds_streams_and_services() -> None:
    """4 GB of state for the stream, and 800 MB for the layers of a streamed portion beside it."""
    service = {
        "model": "m",
        "workload": {"process": "poisson", "rate": "1/s"},
        "deployment": {"portions": [portion("1-8", pool="edge", weights="streamed")]},
    }
    text = refused(tree({"group": 1}, {"memory": "4.7GB"}, services={"web": service}))
    assert "streams need 4.8 GB at the server (s 4 GB, services 0.8 GB), it has 4.7 GB" in text
    assert figures_of(tree({"group": 1}, {"memory": "4.8GB"}, services={"web": service}))["server_memory"] == 4e9


def test_every_device_has_its_part_of_the_server_for_spilled_inputs() -> None:
    """State of 4 GB on 4.4 GB: 400 MB for inputs, 6 MB for each microbatch of each device."""
    alone, four = (figures_of(tree({"spill": True, "devices": n}, {"memory": "4.4GB"})) for n in (1, 4))
    assert alone["largest_group"] == 66
    assert four["largest_group"] == 16
    assert four["server_memory"] == 4e9 + 4 * four["group"] * 6e6 <= 4.4e9


def test_layers_without_weights_cannot_be_streamed() -> None:
    text = refused(tree({}, layers=[{"name": "head", "time": "1ms"}]))
    assert "streams.s.model: layer head of 'm' says no `weights`" in text


def test_a_precision_that_the_device_lacks_is_refused_in_its_place() -> None:
    layer = {"name": "block", "work": {"flops": "1GFLOP"}, "weights": "1MB"}
    assert "streams.s.precision" in refused(tree({"precision": "int8"}, layers=[layer]))


def test_a_replication_without_end_is_refused() -> None:
    assert "streams.s.steps" in refused(tree({"group": 1, "steps": 100_000, "devices": 8}))
    text = refused(tree({"group": 1}, {"faults": {"mtbf": "10ms", "mttr": "1s"}}))
    assert "cluster.parameter_server.faults: a load of up to" in text


# -- timeline ------------------------------------------------------------------------------------------------------


def test_a_trace_shows_every_action_once() -> None:
    """Of each device; neighbours on a thread do not overlap, and the server's failures are there."""
    node = tree({"group": 1, "steps": 2, "devices": 2}, {"faults": {"mtbf": "2s", "mttr": "500ms"}})
    runs = streams_of(result_of(node))
    events = list(stream_events(runs))
    spans = [event for event in events if event["ph"] == "X"]
    assert sum(event["cat"] != "failure" for event in spans) == len(runs[0].timeline)
    assert sum(event["cat"] == "failure" for event in spans) == len(runs[0].failures) > 0
    named = {(event["pid"], event["tid"]) for event in events if event["name"] == "thread_name"}
    for place in named:
        mine = sorted((one["ts"], one["dur"]) for one in spans if (one["pid"], one["tid"]) == place)
        assert all(start + length <= after + 1e-3 for (start, length), (after, _) in pairwise(mine))
    assert {event["name"] for event in spans} >= {"F0", "B7"}
