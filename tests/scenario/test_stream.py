"""Section ``streams``, the parameter server and the ways of a portion's weights: what they may say, and what not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from simulator.errors import ScenarioError
from simulator.scenario import loads
from simulator.scenario.stream import Optimizer, Storage
from tests.support import layer, poisson, portion, scenario

Node = dict[str, Any]
SERVER: Node = {"bandwidth": "10GB/s", "memory": "64GB"}


def written(
    stream: Node | None = None, server: Node | None = SERVER, part: Node | None = None, count: int = 4, **more: Any
) -> Node:
    """A stream ``x`` beside a service of one device; None takes the server away."""
    body = {"workload": poisson(10.0), "deployment": {"portions": [portion("1", **(part or {}))], **more}}
    node = scenario(body, [layer(0.01, weights="1MB")], duration_s=1.0, count=count)
    if stream is not None:
        node["streams"] = {"x": {"model": "m", "pool": "pool", "mode": "training", **stream}}
    if server is not None:
        node["cluster"]["parameter_server"] = server
    return node


def problems(node: Node) -> list[tuple[str | None, str, int | None]]:
    with pytest.raises(ScenarioError) as caught:
        loads(json.dumps(node, indent=1))
    return [(problem.path, problem.message, problem.line) for problem in caught.value.problems]


def refused(node: Node) -> tuple[str | None, str]:
    ((path, message, line),) = problems(node)
    assert line is not None
    assert line > 1
    return path, message


def test_what_is_left_out_has_a_default() -> None:
    stream = loads(json.dumps(written({}))).streams["x"]
    assert (stream.group, stream.microbatch, stream.prefetch, stream.devices, stream.steps) == ("auto", 1, 2, 1, 3)
    assert (stream.precision, stream.spill, stream.frozen, stream.grouped_layers) == ("fp16", False, False, 1)
    assert stream.optimizer == Optimizer(bytes_per_parameter=10.0)
    server = loads(json.dumps(written({}))).cluster.parameter_server
    assert server is not None
    assert (server.shared, server.duplex, server.faults) == (True, None, None)


def test_everything_is_read() -> None:
    node = written(
        {
            "group": 8,
            "spill": "auto",
            "kept": 1,
            "storage": {"bandwidth": "2GB/s", "latency": "1ms", "slots": 3},
            "optimizer": {"bytes_per_parameter": 16, "rate": "1000000000/s"},
            "dequantize": "2ms",
            "bandwidth": "3GB/s",
            "work": "1GB",
            "backward": 2.5,
        },
        {**SERVER, "shared": False, "duplex": "72%", "faults": {"mtbf": "1h", "mttr": "1min"}},
    )
    read = loads(json.dumps(node))
    stream, server = read.streams["x"], read.cluster.parameter_server
    assert stream.spill == "auto"
    assert stream.storage == Storage(bandwidth="2GB/s", latency="1ms", slots=3)  # type: ignore[arg-type]  # as written
    assert stream.optimizer.rate == 1e9
    assert (stream.bandwidth, stream.work, stream.backward) == (3e9, 1e9, 2.5)
    assert server is not None
    assert (server.duplex, server.faults and server.faults.mttr) == (0.72, 60.0)


@pytest.mark.parametrize(
    ("stream", "path", "message"),
    [
        ({"prefetch": 2, "kept": 3}, "streams.x.kept", "must be at most the layer slots (`prefetch`, 2), got 3"),
        ({"mode": "inference", "kept": 1}, "streams.x.kept", "goes only with `mode: training`"),
        ({"mode": "inference", "spill": True}, "streams.x.spill", "goes only with `mode: training`"),
        ({"mode": "inference", "frozen": True}, "streams.x.frozen", "goes only with `mode: training`"),
        ({"mode": "inference", "backward": 2.0}, "streams.x.backward", "goes only with `mode: training`"),
        ({"mode": "inference", "optimizer": {"bytes_per_parameter": 12}}, "streams.x.optimizer", "goes only with"),
        ({"spill": "sometimes"}, "streams.x.spill", "must be true, false or auto"),
        ({"group": 0}, "streams.x.group", "must be at least 1"),
        ({"group": "all"}, "streams.x.group", "must be a number of microbatches, or auto"),
        ({"devices": 4}, "streams.x.pool", "needs, with what else runs there, 5 devices, pool 'pool' has 4"),
        ({"devices": 5}, "streams.x.devices", "needs 5 devices, pool 'pool' has 4"),
        ({"pool": "pol"}, "streams.x.pool", "did you mean 'pool'"),
        ({"model": "n"}, "streams.x.model", "unknown model 'n'"),
        ({"storage": {"bandwidth": "2GB"}}, "streams.x.storage.bandwidth", "2GB"),
        ({"prefetched": 2}, "streams.x.prefetched", "did you mean 'prefetch'"),
    ],
)
def test_what_does_not_go_is_refused_in_its_place(stream: Node, path: str, message: str) -> None:
    found = refused(written(stream))
    assert found[0] == path
    assert message in found[1]
    assert found[1].count(", got ") <= 1


def test_two_streams_share_a_pool() -> None:
    node = written({"devices": 2})
    node["streams"]["y"] = dict(node["streams"]["x"])
    path, message = refused(node)
    assert path == "streams.y.pool"
    assert "5 devices" in message


def test_a_training_holds_its_devices() -> None:
    node = written({"devices": 2})
    times = {"forward": "1ms", "backward_input": "1ms"}
    node["trainings"] = {"t": {"pipeline": {"stages": 2, "microbatches": 2, "pool": "pool"}, "times": times}}
    assert refused(node)[0] == "streams.x.pool"
    del node["services"]
    assert loads(json.dumps(node)).streams


def test_without_a_server_nothing_streams() -> None:
    path, message = refused(written({}, server=None))
    assert path == "streams.x"
    assert "needs a parameter server: say `cluster.parameter_server" in message
    path, message = refused(written(server=None, part={"weights": "streamed"}))
    assert path == "services.s.deployment.portions.0.weights"
    assert "needs a parameter server" in message


def test_a_broken_server_is_one_problem() -> None:
    assert refused(written({}, {"bandwidth": "10GB/s"}))[0] == "cluster.parameter_server.memory"


@pytest.mark.parametrize(
    ("part", "key", "message"),
    [
        ({"prefetch": 2}, "prefetch", "goes only with `weights: streamed`"),
        ({"weights": "streamed", "start_up": "streamed"}, "start_up", "goes only with `weights: resident`"),
        ({"weights": "stream"}, "weights", "must be one of resident, streamed"),
    ],
)
def test_ways_of_weights(part: Node, key: str, message: str) -> None:
    path, said = refused(written(part=part))
    assert path == f"services.s.deployment.portions.0.{key}"
    assert message in said


def test_shrinking_batches_are_not_streamed() -> None:
    node = written(part={"weights": "streamed"}, exit_mode="compact")
    node["models"]["m"] |= {"ramps": {"after": "all"}, "exits": {"profile": []}}
    found = {path: message for path, message, _ in problems(node)}
    assert "compact" in found["services.s.deployment.portions.0.weights"]
