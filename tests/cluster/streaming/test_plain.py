"""Services and streams at one server against a plain event loop that shares no code with the simulator."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.cluster import loads
from simulator.cluster.engine import Engine
from simulator.cluster.faults import _fail, _repair
from simulator.cluster.lower import lower
from simulator.results import RunRecord, check_conservation
from tests.cluster.streaming.plain import Served, Step, Streaming, World
from tests.cluster.streaming.test_served import service, tree
from tests.support import Node, layer, portion

RAMP_S = 0.007
SAME_S = 1e-6
"""Instants that are the same: who begins later by some rounding may end later by twice that, again and again."""
Written = list[tuple[float, float, float]]
"""Megabytes, overhead and seconds per item of the layers of a model."""

LAYERS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 17.3, 71.9, 131.7]),
        st.sampled_from([0.0, 0.0113, 0.0737, 0.1931]),
        st.sampled_from([0.0013, 0.0117, 0.0331]),
    ),
    min_size=2,
    max_size=5,
)
SERVED = st.fixed_dictionaries(
    {
        "replicas": st.integers(1, 3),
        "batch": st.integers(1, 4),
        "prefetch": st.integers(1, 3),
        "rate": st.sampled_from([0.5, 3.0, 9.0]),
        "jitter": st.booleans(),
        "early": st.booleans(),
    }
).map(lambda one: one | {"jitter": one["jitter"] or one["replicas"] > 1})
"""Replicas that an outage has brought into step stay there without jitter, and rounding says who takes which batch."""
STREAM = st.fixed_dictionaries(
    {
        "group": st.integers(1, 3),
        "prefetch": st.integers(1, 3),
        "devices": st.integers(1, 2),
        "steps": st.integers(1, 4),
        "bandwidth": st.sampled_from([None, 0.3e9]),
    }
)
DOWN = st.none() | st.tuples(st.floats(0.05, 4.0), st.floats(0.05, 2.0)).map(lambda pair: (pair[0], sum(pair)))


def steps_of(layers: Written, count: int, factor: float = 1.0, ramp: bool = False) -> list[Step]:
    """What a batch of so many does: the ramp is after the first layer."""
    found = [(size * 1e6, factor * (fixed + count * each)) for size, fixed, each in layers]
    return [found[0], (0.0, factor * RAMP_S), *found[1:]] if ramp else found


def node_of(layers: Written, served: list[Node], streams: list[Node], server: Node) -> Node:
    """The scenario of a case."""
    services = {
        f"s{number}": service(
            [portion(f"1-{len(layers)}", one["replicas"], batch=one["batch"], weights="streamed")
             | {"prefetch": one["prefetch"]}],
            one["rate"],
            deployment={"exit_mode": "answer_early" if one["early"] else "none"},
            jitter={"distribution": "exponential" if one["jitter"] else "deterministic"},
            on_fault={"retries": 100},
        )
        for number, one in enumerate(served)
    }  # fmt: skip
    model = {"ramps": {"after": [1], "time": f"{RAMP_S}s"}, "exits": {"profile": [0.4]}}
    written = [layer((fixed, each), weights=f"{size}MB") for size, fixed, each in layers]
    node = tree(services, written, server, model=model, run={"duration": "3s", "drain": "10000s"})
    node["streams"] = {
        f"t{number}": {
            "model": "m",
            "pool": "pool",
            "mode": "inference",
            **{key: one[key] for key in ("group", "prefetch", "devices", "steps")},
            **({"bandwidth": f"{one['bandwidth']}B/s"} if one["bandwidth"] else {}),
        }
        for number, one in enumerate(streams)
    }
    return node


def world_of(
    layers: Written, served: list[Node], streams: list[Node], engine: Engine, down: Any, latency: float
) -> World:
    """The same case for the plain loop: arrivals, exits and jitter are those of the run, all else is of the case."""
    services = []
    for number, (one, table) in enumerate(zip(served, engine.tables)):
        factors = table.stations[0].phases[0][0].factors

        def steps(requests: list[int], one: Node = one, factors: Any = factors) -> list[Step]:
            return steps_of(layers, len(requests), factors(requests[0]) if one["jitter"] else 1.0, one["early"])

        arrivals = [float(instant) for instant in table.arrival]
        hit = {0: down} if number == 0 and down is not None else {}
        early = {request for request, last in enumerate(table.leave) if last == 1} if one["early"] else set[int]()
        services.append(Served(arrivals, steps, one["batch"], one["replicas"], one["prefetch"], hit, early))
    devices = []
    for one in streams:
        visits = [(size, one["group"] * seconds) for size, seconds in steps_of(layers, 1)]
        devices += [
            Streaming(visits, one["prefetch"], one["bandwidth"] or np.inf, one["steps"]) for _ in range(one["devices"])
        ]
    assert engine.server is not None
    broken = engine.server.at_server._breakdowns
    return World(1e9, latency, services, devices, broken.happened if broken is not None else [])


def compared(record: RunRecord, runs: Any, world: World, streams: list[Node]) -> None:
    """Batches, answers and steps are the same."""
    batches, requests = record.batches, record.requests
    for number, own in enumerate(world.services):
        ended = (batches.portion == number) & ~batches.aborted
        found = sorted(zip(batches.start_s[ended], batches.end_s[ended]))
        np.testing.assert_allclose(found, sorted(own.batches), rtol=0, atol=SAME_S)
        finish = requests.finish_s[requests.service == number]
        np.testing.assert_allclose(finish, [own.answered[i] for i in range(len(finish))], rtol=0, atol=SAME_S)
    ends = iter(world.streams)
    for number, one in enumerate(streams):
        frame = runs[f"t{number}"].timeline.query("kind == 'compute'")
        for device in range(one["devices"]):
            last = frame[frame["device"] == device].groupby("step")["end_s"].max()
            np.testing.assert_allclose(last, next(ends).ends, rtol=0, atol=SAME_S)


@settings(max_examples=60, deadline=None)
@given(
    LAYERS.filter(lambda layers: sum(size > 0 for size, _, _ in layers) > 0),
    st.lists(SERVED, min_size=1, max_size=3),
    st.lists(STREAM, max_size=2),
    st.sampled_from([0.0, 0.0021]),
    st.sampled_from([None, {"mtbf": "2s", "mttr": "300ms"}]),
    DOWN,
    st.integers(0, 1000),
)
def test_every_batch_answer_and_step_is_that_of_a_plain_event_loop(
    layers: Written, served: list[Node], streams: list[Node], latency: float, faults: Any, down: Any, seed: int
) -> None:
    """Unequal layers, slots, jitter, ramps, slower devices, failures of the server and of a replica in mid load."""
    server: Node = {"latency": f"{latency}s", "faults": faults or {"mtbf": "1000000h", "mttr": "1s"}}
    scenario = loads(json.dumps(node_of(layers, served, streams, server) | {"seed": seed}))
    engine = Engine(lower(scenario), 0, scenario.source.folder)
    if down is not None:
        for instant, happens in zip(down, (_fail, _repair)):
            call: Any = lambda _, happens=happens: happens(engine, engine.replicas[0])  # noqa: E731 # bound here
            engine.clock.control_at(instant, (0, 0, 0, 0), call)
    record = engine.run()
    check_conservation(record)
    runs = engine.streams(record.end_s)
    world = world_of(layers, served, streams, engine, down, latency)
    world.run()
    assert world.most_moved <= 1e9 * (1 + 1e-12)
    compared(record, runs, world, streams)


def test_the_plain_loop_shares_a_link_by_hand() -> None:
    """A pass of 1 GB alone takes 1 s; the second begins 0.5 s later: 1.5 s each, as half is left of one at 0.5 s."""
    steps = [(1e9, 0.25)]
    both = [Served([start], lambda _: steps, batch=1, replicas=1, slots=1) for start in (0.0, 0.5)]
    world = World(1e9, 0.0, both, [], [])
    world.run()
    assert [one.batches[0][1] for one in both] == pytest.approx([1.5 + 0.25, 2.0 + 0.25])
