"""Streamed portions on the parameter server's link as events: alone they are the table, together they share truly."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.cluster import loads, simulate
from simulator.cluster.engine import Engine
from simulator.cluster.faults import _fail, _repair
from simulator.cluster.lower import lower
from simulator.cluster.streaming.served import SlotLoads
from simulator.cluster.streaming.sharing import FairLink
from simulator.errors import ScenarioError
from simulator.results import RunRecord, check_conservation
from tests.support import Node, layer, poisson, portion

DEVICE: Node = {"memory": "16GB", "memory_bandwidth": "100GB/s", "peak": {"fp16": "10TFLOPS"}}
NEVER: Node = {"mtbf": "1000000h", "mttr": "1s"}
"""Failures that make loads events and never come."""
HEAVY = [layer((0.0, 1e-6), repeat=4, weights="250MB")]
"""A pass is a second of loading at 1 GB/s, and next to no computing."""


def service(portions: list[Node], rate: float = 5.0, **more: Any) -> Node:
    deployment = {"portions": portions, **more.pop("deployment", {})}
    return {"model": "m", "workload": poisson(rate), "deployment": deployment, **more}


def tree(services: Node | dict[str, Node], layers: list[Node] = HEAVY, server: Node | None = None, **more: Any) -> Node:
    pool = {"device": DEVICE, "count": 60, "price_per_hour": 1.0, **more.pop("pool", {})}
    model = {"layers": layers, **more.pop("model", {})}
    run = {"duration": "30s", **more.pop("run", {})}
    return {
        "version": 1,
        "name": "served",
        "seed": more.pop("seed", 1),
        "run": run,
        "cluster": {
            "pools": {"pool": pool},
            "parameter_server": {"bandwidth": "1GB/s", "latency": 0, "memory": "640GB", **(server or {})},
        },
        "models": {"m": model},
        "services": services,
        **more,
    }


def engine_of(node: Node) -> Engine:
    scenario = loads(json.dumps(node))
    return Engine(lower(scenario), 0, scenario.source.folder)


def recorded(node: Node) -> RunRecord:
    record = engine_of(node).run()
    check_conservation(record)
    return record


def same_instants(one: RunRecord, other: RunRecord) -> None:
    np.testing.assert_array_equal(one.requests.finish_s, other.requests.finish_s)
    np.testing.assert_array_equal(one.requests.outcome, other.requests.outcome)
    np.testing.assert_array_equal(one.batches.start_s, other.batches.start_s)
    np.testing.assert_array_equal(one.batches.end_s, other.batches.end_s)
    np.testing.assert_array_equal(one.batches.free_s, other.batches.free_s)


@contextmanager
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Looks at every link whenever its shares change: what is on it, and how much of it is taken."""
    plan, seen = FairLink._plan, list[float]()

    def checked(link: FairLink) -> None:
        plan(link)
        shares = [copy.rate * copy.need for copy in link._active]
        seen.append(sum(shares))
        assert sum(shares) <= 1.0 + 1e-12
        assert link.up or not shares
        assert link.taken <= link.clock.now * (1 + 1e-9) + 1e-9
        assert len({copy.number for copy in link._active}) == len(shares), "one load of a device at a time"
        wanting = [share for share, copy in zip(shares, link._active) if copy.rate < 1.0]
        assert all(share == pytest.approx(max(shares)) for share in wanting), "who waits has as much as anybody"
        for copy in link._active:
            batch = copy.done.__self__._way.batch if isinstance(_owner(copy), SlotLoads) else None
            assert batch is None or not batch.aborted, "nobody loads for a batch that was taken back"

    with monkeypatch.context() as patch:
        patch.setattr(FairLink, "_plan", checked)
        yield seen


def _owner(copy: Any) -> object:
    return getattr(copy.done, "__self__", None)


# -- alone ---------------------------------------------------------------------------------------------------------

LAYERS = st.lists(
    st.tuples(
        st.sampled_from([0, 20, 70, 130]),
        st.floats(0.0, 0.2).map(lambda t: round(t, 3)),
        st.sampled_from([0.0, 0.01, 0.033]),
    ),
    min_size=2,
    max_size=5,
).filter(lambda layers: any(fixed or each for _, fixed, each in layers))


def written(layers: list[tuple[int, float, float]]) -> list[Node]:
    return [layer((fixed, each), weights=f"{size}MB") for size, fixed, each in layers]


@settings(max_examples=40, deadline=None)
@given(LAYERS, st.integers(1, 4), st.integers(1, 5), st.sampled_from([0.0, 0.05]), st.sampled_from([0, "3ms"]))
def test_alone_a_batch_ends_when_the_table_says_to_the_last_bit(
    layers: list[tuple[int, float, float]], prefetch: int, batch: int, wait: float, latency: Any
) -> None:
    """One replica on a link that never fails, as events and by the table."""
    part = portion(f"1-{len(layers)}", batch=batch, max_wait=wait, weights="streamed", prefetch=prefetch)
    nodes = [
        tree({"s": service([part])}, written(layers), {"latency": latency, **more}, run={"duration": "20s"})
        for more in ({}, {"faults": NEVER})
    ]
    table, events = map(engine_of, nodes)
    assert table.server is None
    assert events.server is not None
    same_instants(table.run(), events.run())


@settings(max_examples=15, deadline=None)
@given(LAYERS, st.sampled_from(["answer_early", "at_cut", "none"]), st.sampled_from(["parallel", "serial"]))
def test_replicas_with_links_of_their_own_meet_nobody(
    layers: list[tuple[int, float, float]], exit_mode: str, execution: str
) -> None:
    """Ramps, cuts, several replicas, other queues: the same instants as by the table."""
    last = len(layers)
    model = {"ramps": {"after": [1], "time": "7ms"}, "exits": {"profile": [0.4]}}
    serial = execution == "serial"
    parts = [
        portion(part, None if serial else 2, batch=3, max_wait=0.02, weights="streamed")
        for part in ("1", f"2-{last}" if last > 2 else "2")
    ]
    deployment: Node = {"exit_mode": exit_mode, "execution": execution} | ({"replicas": 3} if serial else {})
    nodes = [
        tree(
            {"s": service(parts, 8.0, deployment=deployment)},
            written(layers),
            {"shared": False, **more},
            model=model,
            run={"duration": "20s"},
        )
        for more in ({}, {"faults": NEVER})
    ]
    table, events = map(recorded, nodes)
    same_instants(table, events)
    np.testing.assert_array_equal(table.requests.exit_layer, events.requests.exit_layer)


def test_jitter_is_that_of_the_computations() -> None:
    """Loads take no longer because a batch computes longer: the link gives what it gives."""
    part = portion("1-4", batch=1, weights="streamed", prefetch=1)
    node = tree(
        {"s": service([part], 0.2, jitter={"distribution": "exponential"})},
        server={"faults": NEVER},
        run={"duration": "200s"},
    )
    batches = recorded(node).batches
    assert len(batches.start_s) > 20
    np.testing.assert_allclose(batches.end_s - batches.start_s, 1.0, rtol=1e-4)


def test_jitter_stretches_what_is_computed() -> None:
    """Where loads take next to no time events and table agree, though the table's factor is that of the whole batch."""
    layers = [layer((0.2, 0.0), repeat=4, weights="1KB")]
    part = portion("1-4", batch=1, weights="streamed")
    jitter = {"distribution": "lognormal", "cv": 0.5}
    table, events = (
        recorded(tree({"s": service([part], 0.8, jitter=jitter)}, layers, server, run={"duration": "60s"}))
        for server in ({}, {"faults": NEVER})
    )
    took = events.batches.end_s - events.batches.start_s
    assert took.std() > 0.2
    np.testing.assert_allclose(events.requests.finish_s, table.requests.finish_s, atol=1e-3)


# -- together ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [2, 3, 7])
def test_equal_replicas_have_equal_shares(count: int) -> None:
    """As services and as replicas of one: all busy, each pass takes as many times as long, and all the link is used."""
    parts = [portion("1-4", batch=1, weights="streamed")]
    several: Node = {f"s{i}": service(parts, 4.0) for i in range(count)}
    one = {"s": service([portion("1-4", count, batch=1, weights="streamed")], 4.0 * count)}
    for services in (several, one):
        record = recorded(tree(services, run={"duration": "60s", "drain": "1s"}))
        batches = record.batches
        full = (batches.start_s > 5.0) & ~batches.aborted
        took = batches.end_s[full] - batches.start_s[full]
        np.testing.assert_allclose(took, count, rtol=1e-3)
        served = np.bincount(batches.replica[~batches.aborted])
        assert served.max() - served.min() <= 1
        assert served.sum() == pytest.approx(61, abs=count + 1), "a second of the link for each"


def test_a_batch_that_comes_later_takes_half_from_then_on() -> None:
    """A second of loading each. Where the second begins d later, the first has 1 - d left, which takes twice as long;
    by then the second has as much, and the rest of it alone: it too takes 2 - d.
    """
    parts = [portion("1-4", batch=1, weights="streamed")]
    node = tree({name: service(parts, 0.05) for name in ("a", "b")}, run={"duration": "3000s"})
    batches = recorded(node).batches
    order = np.argsort(batches.start_s)
    start, end = batches.start_s[order], batches.end_s[order]
    pairs = [
        i
        for i in range(1, len(start) - 2)
        if start[i + 1] < end[i] and end[i - 1] < start[i] and start[i + 2] > max(end[i], end[i + 1])
    ]
    assert len(pairs) > 2
    for i in pairs:
        ahead = start[i + 1] - start[i]
        assert end[i] - start[i] == pytest.approx(ahead + 2 * (1 - ahead), rel=1e-4)
        assert end[i + 1] - start[i + 1] == pytest.approx(2 - ahead, rel=1e-4)


@settings(max_examples=25, deadline=None)
@given(
    LAYERS,
    st.integers(1, 3),
    st.integers(1, 3),
    st.booleans(),
    st.booleans(),
    st.sampled_from([None, {"mtbf": "2s", "mttr": "300ms"}]),
    st.sampled_from([None, {"mtbf": "3s", "mttr": "500ms"}]),
)
def test_the_link_is_never_overdrawn_and_nothing_is_lost(
    layers: list[tuple[int, float, float]],
    replicas: int,
    prefetch: int,
    several: bool,
    streams: bool,
    server: Node | None,
    pool: Node | None,
) -> None:
    """Services, streams, failures of replicas and of the server: all checks of every run hold."""
    part = portion(f"1-{len(layers)}", replicas, batch=2, weights="streamed", prefetch=prefetch)
    services = {name: service([part], 6.0) for name in ("a", "b")[: 1 + several]}
    sized = [(max(size, 20), fixed, each) for size, fixed, each in layers]
    stream = {"model": "m", "pool": "pool", "mode": "training", "group": 2, "devices": 2, "steps": 3}
    node = tree(
        services,
        written(sized),
        {} if server is None else {"faults": server},
        pool={} if pool is None else {"faults": pool},
        run={"duration": "10s"},
        **({"streams": {"t": stream}} if streams else {}),
    )
    with watched(pytest.MonkeyPatch()) as seen:
        engine = engine_of(node)
        record = engine.run()
        check_conservation(record)
        runs = engine.streams(record.end_s)
    assert set(runs) == ({"t"} if engine.server is not None and streams else set())
    assert bool(seen) is (engine.server is not None)
    done = record.batches.end_s[~record.batches.aborted]
    assert np.isfinite(done).all()
    for run in runs.values():
        assert run.figures["steps"] == 3


CLIENTS: Node = {"process": "closed", "clients": 6, "think": "200ms"}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("what", ["closed", "windows", "autoscale", "twin", "early", "overlap", "own queues", "drop"])
def test_everything_else_goes_on_beside_shared_loads(what: str, seed: int) -> None:
    """Conservation, fair links and finite ends with each of what else there is; failures of replicas and server too."""
    layers = [layer((0.01, 0.004), repeat=4, weights="60MB", output="1MB")]
    part = portion("1-4", 2, batch=3, max_wait=0.05, weights="streamed")
    other = service([portion("1-2", 1, batch=2, weights="streamed"), portion("3-4", 1, batch=2)], 3.0)
    one = service([part], 12.0)
    if what == "closed":
        one["workload"] = CLIENTS
        one["deployment"] |= {"exit_mode": "answer_early"}
    elif what == "windows":
        windows = [{"from": at, "portions": [part | {"replicas": n}]} for at, n in (("0s", 2), ("3s", 4), ("6s", 1))]
        one = {"model": "m", "workload": poisson(12.0), "deployments": windows}
    elif what == "autoscale":
        part |= {"autoscale": {"min": 1, "max": 5, "period": "1s", "target": 0.3}}
    elif what == "twin":
        one["twin"] = {"model": "m", "share": 0.5, "deployment": {"portions": [dict(part, replicas=1)]}}
    elif what == "early":
        one["deployment"] |= {"exit_mode": "answer_early"}
    elif what == "own queues":
        one["deployment"] |= {"routing": "least_outstanding"}
    elif what == "drop":
        one |= {"queue": {"drop": "hopeless", "capacity": 20}, "slo": {"latency": "600ms", "attainment": "90%"}}
    model = {"ramps": {"after": [2], "time": "3ms"}, "exits": {"profile": [0.4]}}
    node = tree(
        {"a": one, "b": other},
        layers,
        {"faults": {"mtbf": "5s", "mttr": "200ms"}},
        pool={"faults": {"mtbf": "6s", "mttr": "500ms"}, "load_bandwidth": "1GB/s"},
        model=model,
        run={"duration": "10s"},
        seed=seed,
    )
    if what == "overlap":
        node["cluster"]["network"] = {"bandwidth": "50MB/s", "overlap": True}
    with watched(pytest.MonkeyPatch()) as seen:
        record = recorded(node)
    assert len(seen) > 100
    assert record.batches.aborted.any()
    assert np.isfinite(record.batches.end_s).all()
    assert (record.batches.end_s >= record.batches.start_s).all()


def test_the_bytes_of_the_batches_came_over_the_link() -> None:
    """Nine replicas and a link: a second for each batch, less what was cut off."""
    node = tree({"s": service([portion("1-4", 9, batch=1, weights="streamed")], 20.0)}, run={"drain": "0s"})
    engine = engine_of(node)
    record = engine.run()
    assert engine.server is not None
    done = int((~record.batches.aborted).sum())
    taken = engine.server.at_server.to_all.taken
    assert done * 1.0 <= taken * (1 + 1e-9) <= 30.0 * (1 + 1e-9)
    assert taken > 29.0


# -- failures ------------------------------------------------------------------------------------------------------


def test_a_replica_that_fails_gives_up_its_loads() -> None:
    """Two load all the time, 2 s a batch; from the first failure on the other has the link to itself until it fails."""
    pool = {"faults": {"mtbf": "15s", "mttr": "10000s"}}
    seen = 0
    for seed in range(6):
        node = tree({"s": service([portion("1-4", 2, batch=1, weights="streamed")], 4.0)}, pool=pool, seed=seed)
        with watched(pytest.MonkeyPatch()):
            batches = recorded(node).batches
        if not batches.aborted.any():
            continue
        failed = batches.end_s[batches.aborted].min()
        took, whole = batches.end_s - batches.start_s, ~batches.aborted
        both, alone = whole & (batches.end_s < failed), whole & (batches.start_s > failed)
        both &= batches.start_s > 3.0
        np.testing.assert_allclose(took[both], 2.0, rtol=1e-4)
        np.testing.assert_allclose(took[alone], 1.0, rtol=1e-4)
        seen += int(both.any() and alone.any())
    assert seen > 1


def test_loads_begin_again_when_the_server_is_repaired() -> None:
    node = tree({"s": service([portion("1-4", batch=1, weights="streamed")], 1.0)}, run={"duration": "100s"})
    node["cluster"]["parameter_server"]["faults"] = {"mtbf": "5s", "mttr": "1s"}
    plain = tree({"s": service([portion("1-4", batch=1, weights="streamed")], 1.0)}, run={"duration": "100s"})
    failing, calm = recorded(node).batches, recorded(plain).batches
    assert (failing.end_s - failing.start_s).max() > 1.5
    took = failing.end_s - failing.start_s
    assert took[~failing.aborted].min() == pytest.approx((calm.end_s - calm.start_s).min())


def test_links_of_their_own_fail_with_the_server() -> None:
    """Also those that are first used while it is down: nothing arrives in an outage."""
    faults = {"shared": False, "faults": {"mtbf": "1s", "mttr": "3s"}}
    node = tree({"s": service([portion("1-4", 60, batch=1, weights="streamed")], 3.0)}, server=faults)
    engine = engine_of(node)
    batches = engine.run().batches
    assert engine.server is not None
    assert engine.server.at_server._breakdowns is not None
    outages = [one for one in engine.server.at_server._breakdowns.happened if one[1] < 30.0]
    assert len(outages) > 3
    for failed, repaired in outages:
        assert ((batches.start_s > failed) & (batches.start_s < repaired)).any()
        assert not ((batches.end_s > failed + 1e-4) & (batches.end_s < repaired)).any()


def test_services_and_streams_notice_the_same_failures() -> None:
    stream = {"model": "m", "pool": "pool", "mode": "inference", "group": 1, "steps": 30}
    faults = {"faults": {"mtbf": "4s", "mttr": "1s"}}
    node = tree({"s": service([portion("1-4", batch=1, weights="streamed")], 0.3)}, server=faults)
    node["streams"] = {"t": stream}
    found = simulate(loads(json.dumps(node)))
    run: Any = found.jobs["streams"].runs[0]["t"]
    assert len(run.failures) > 3
    batches = found.batches
    for failed, repaired in run.failures:
        assert not ((batches["end_s"] > failed + 1e-4) & (batches["end_s"] < repaired)).any()


# -- starts --------------------------------------------------------------------------------------------------------


def joining(server: Node | None = None, **more: Any) -> Node:
    """A second replica joins at 10 s; its 1 GB come at 0.5 GB/s while it may serve, 2 s less what is computed."""
    layers = [layer((0.1, 0.0), repeat=4, weights="250MB")]
    windows = [
        {"from": at, "portions": [portion("1-4", count, batch=1, start_up="streamed")]}
        for at, count in (("0s", 1), ("10s", 2))
    ]
    node = tree({"s": {"model": "m", "workload": poisson(4.5), "deployments": windows}}, layers, server, **more)
    node["cluster"]["pools"]["pool"] |= {"load_bandwidth": "500MB/s", "start_up": "1s"}
    return node


def test_a_start_that_meets_nobody_is_that_of_the_table() -> None:
    table, events = recorded(joining()), recorded(joining({"faults": NEVER}))
    np.testing.assert_allclose(table.requests.finish_s, events.requests.finish_s, rtol=1e-12)
    np.testing.assert_allclose(table.replicas.ready_s, events.replicas.ready_s, rtol=1e-12)


def test_layers_of_a_start_share_the_link_with_a_stream() -> None:
    """The stream asks for all of it, the start for half: both get half. Four such streams leave a fifth."""
    stream = {"model": "big", "pool": "pool", "mode": "inference", "group": 1, "steps": 40}

    def slowest(devices: int) -> float:
        node = joining()
        if devices:
            node["models"]["big"] = {"layers": [layer(1e-6, repeat=4, weights="250MB")]}
            node["streams"] = {"t": stream | {"devices": devices}}
        with watched(pytest.MonkeyPatch()):
            batches = recorded(node).batches
        return float((batches.end_s - batches.start_s).max())

    assert slowest(0) == pytest.approx(0.4)
    assert slowest(1) == pytest.approx(0.4)
    begun = 10.0 - (2.0 + 0.1 - 0.4 + 0.3)
    last = begun + 4 * 0.25 / 0.2
    assert slowest(4) == pytest.approx(last + 0.1 - 10.0, abs=0.3), "the first batch waits for its last layer"


def test_a_replica_that_fails_while_it_starts_loads_on_after_the_repair() -> None:
    """Four layers of 4 s from 1 s on: ready at 16.7 s, where the last comes at 17 s and a first batch would not wait.

    It fails at 16.8 s for 1.2 s; the last layer begins again and comes at 22 s.
    """
    node = joining({"faults": NEVER})
    node["models"]["m"]["layers"][0]["weights"] = "2GB"
    engine = engine_of(node)
    at: list[tuple[float, Any]] = [(16.8, _fail), (18.0, _repair)]
    for instant, happens in at:
        engine.clock.control_at(instant, (0, 0, 0, 1), lambda _, call=happens: call(engine, engine.replicas[1]))
    record = engine.run()
    check_conservation(record)
    assert record.replicas.ready_s[1] == pytest.approx(16.7)
    mine = record.batches.replica == 1
    ends, aborted = record.batches.end_s[mine], record.batches.aborted[mine]
    assert ends[aborted].tolist() == [16.8]
    assert ends[~aborted][0] == pytest.approx(22.1)
    assert ends[~aborted][1] == pytest.approx(22.5)


def test_a_serial_start_of_which_a_portion_has_nothing_to_load() -> None:
    """Layers 3-4 come at a fifth of the link, 5 s from 7.05 s on; 1-2 have no weights and wait for nobody."""
    layers = [layer((0.05, 0.0), repeat=2, weights=0), layer((0.05, 0.0), repeat=2, weights="500MB")]
    parts = [portion(one, None, batch=1, start_up="streamed") for one in ("1-2", "3-4")]
    windows = [
        {"from": at, "execution": "serial", "replicas": count, "portions": parts}
        for at, count in (("0s", 1), ("9s", 2))
    ]
    node = tree({"s": {"model": "m", "workload": poisson(4.5), "deployments": windows}}, layers)
    node["cluster"]["pools"]["pool"] |= {"load_bandwidth": "500MB/s"}
    node["models"]["big"] = {"layers": [layer(1e-6, repeat=4, weights="250MB")]}
    stream = {"model": "big", "pool": "pool", "mode": "inference", "group": 1, "steps": 20, "devices": 4}
    batches = recorded(node | {"streams": {"t": stream}}).batches
    mine = batches.replica == 1
    start, end = batches.start_s[mine], batches.end_s[mine]
    assert 9.0 < start[0] < 11.0
    assert end[0] - start[0] == pytest.approx(0.1)
    assert end[1] == pytest.approx(7.05 + 5.0 + 0.05, abs=1e-3)


def test_a_replica_that_goes_while_it_starts_takes_its_loads_along() -> None:
    """It joins at 10 s, leaves at 10.5 s, and its layers would come until 18 s: the stream has the link again."""
    node = joining()
    node["cluster"]["pools"]["pool"]["load_bandwidth"] = "1GB/s"
    node["models"]["m"]["layers"][0]["weights"] = "2GB"
    node["services"]["s"]["workload"] = poisson(0.001)
    windows = node["services"]["s"]["deployments"]
    node["services"]["s"]["deployments"] = [*windows, {**windows[0], "from": "10.5s"}]
    node["models"]["big"] = {"layers": [layer(1e-6, repeat=4, weights="250MB")]}
    node["streams"] = {"t": {"model": "big", "pool": "pool", "mode": "inference", "group": 1, "steps": 30}}
    engine = engine_of(node)
    record = engine.run()
    assert record.replicas.released_s[1] == 10.5
    frame = engine.streams(record.end_s)["t"].timeline
    ends = frame[frame["kind"] == "compute"].groupby("step")["end_s"].max().to_numpy()
    steps, begins = np.diff(ends), ends[:-1]
    assert steps[(begins > 4.0) & (ends[1:] < 10.0)].min() == pytest.approx(2.0, rel=1e-3), "half while it loads"
    np.testing.assert_allclose(steps[begins > 10.5], 1.0, rtol=1e-4)
    assert (begins > 10.5).sum() > 10


@pytest.mark.parametrize("start_up", ["0s", "5s"])
def test_nobody_loads_for_services_that_are_over(start_up: str) -> None:
    """The autoscaler adds replicas at 8 s; the run ends at 10 s, while 12 GB come or before they begin to."""
    scaled = {"min": 1, "max": 3, "period": "8s", "target": {"queue": 1}}
    node = tree(
        {"s": service([portion("1-4", batch=1, start_up="streamed", autoscale=scaled)], 20.0)},
        [layer((0.1, 0.0), repeat=4, weights="3GB")],
        run={"duration": "10s", "drain": "0s"},
    )
    node["cluster"]["pools"]["pool"] |= {"load_bandwidth": "1GB/s", "start_up": start_up}
    node["models"]["big"] = {"layers": [layer(1e-6, repeat=4, weights="250MB")]}
    node["streams"] = {"t": {"model": "big", "pool": "pool", "mode": "inference", "group": 1, "steps": 40}}
    engine = engine_of(node)
    record = engine.run()
    assert (record.replicas.held_s == 8.0).any()
    frame = engine.streams(record.end_s)["t"].timeline
    ends = frame[frame["kind"] == "compute"].groupby("step")["end_s"].max().to_numpy()
    steps, begins = np.diff(ends), ends[:-1]
    slowed = steps[(begins < 9.9) & (ends[1:] > 8.1)] > 1.05
    assert slowed.all() if start_up == "0s" else not slowed.any()
    np.testing.assert_allclose(steps[begins >= 10.0], 1.0, rtol=1e-4)
    assert (begins >= 10.0).sum() > 20


def test_a_batch_that_is_cut_off_loads_until_then() -> None:
    """The stream has all of the link until the batch starts at a, half until the run ends at 10 s, and all again: its
    first 8 GB have come when a + (10 - a) / 2 + (t - 10) = 8.
    """
    node = tree(
        {"s": service([portion("1-2", batch=9, weights="streamed", prefetch=1)], 0.3)},
        [layer(1e-6, repeat=2, weights="8GB")],
        run={"duration": "10s", "drain": "0s"},
        seed=4,
    )
    node["streams"] = {"t": {"model": "m", "pool": "pool", "mode": "inference", "group": 1, "steps": 1, "prefetch": 1}}
    engine = engine_of(node)
    record = engine.run()
    start = record.batches.start_s[0]
    assert start < 6.0
    assert record.requests.arrival_s[-1] < 9.0, "the last that happens before the end is not at the end"
    frame = engine.streams(record.end_s)["t"].timeline
    assert frame[frame["kind"] == "load"]["end_s"].min() == pytest.approx(13.0 - start / 2)


# -- engines -------------------------------------------------------------------------------------------------------


def test_auto_takes_the_reference_and_the_compiled_engine_is_refused() -> None:
    node = tree({"s": service([portion("1-4", 2, batch=1, weights="streamed")], 1.0)})
    told = simulate(loads(json.dumps(node))).to_dict()
    reason = "streamed weights that share the parameter server's link"
    assert told["engine"] == "simpy"
    assert told["engine_reason"] == f"the compiled engine does not cover {reason}"
    with pytest.raises(ScenarioError, match=rf"does not cover {reason}; take simpy or auto"):
        simulate(loads(json.dumps(node)), engine="compiled")


@pytest.mark.parametrize(
    ("change", "engine"),
    [
        ({}, "compiled"),
        ({"replicas": 2}, "simpy"),
        ({"shared": False, "replicas": 2}, "compiled"),
        ({"shared": False, "faults": NEVER}, "simpy"),
        ({"resident": True, "replicas": 2}, "compiled"),
        ({"stream": True}, "simpy"),
        ({"stream": True, "shared": False}, "compiled"),
        ({"stream": True, "resident": True}, "compiled"),
        ({"faults": NEVER}, "simpy"),
        ({"autoscale": True}, "simpy"),
        ({"twin": True}, "simpy"),
    ],
)
def test_events_only_where_something_can_meet(change: Node, engine: str) -> None:
    weights = "resident" if change.get("resident") else "streamed"
    part = portion("1-4", change.get("replicas", 1), batch=1, weights=weights)
    server = {key: change[key] for key in ("shared", "faults") if key in change}
    node = tree({"s": service([part], 0.1)}, server=server, run={"duration": "10s"})
    if change.get("stream"):
        node["streams"] = {"t": {"model": "m", "pool": "pool", "mode": "inference", "group": 1, "steps": 1}}
    if change.get("twin"):
        node["services"]["s"]["twin"] = {"model": "m", "share": 0.5, "deployment": {"portions": [part]}}
    missing = lower(loads(json.dumps(node))).server
    if change.get("autoscale"):
        part["autoscale"] = {"min": 1, "max": 2, "target": 0.5}
        missing = lower(loads(json.dumps(node))).server
    assert (missing is not None) is (engine == "simpy")


@pytest.mark.parametrize("scaled", [None, {"min": 1, "max": 3, "target": 0.5}])
def test_an_autoscaler_may_start_anew_those_that_were_there(scaled: Node | None) -> None:
    """Three replicas, never more: two of them may be taken away, and start side by side when they are wanted again."""
    part = portion("1-4", 3, batch=1, start_up="streamed", **({"autoscale": scaled} if scaled else {}))
    node = tree({"s": service([part], 1.0)})
    node["cluster"]["pools"]["pool"] |= {"load_bandwidth": "1GB/s"}
    assert (lower(loads(json.dumps(node))).server is None) is (scaled is None)
