"""Autoscalers: the rule against one written pod by pod, timelines by hand, fixed points, and laws of random runs."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.cluster import simulate
from simulator.cluster.autoscaler import Autoscaler, Meter
from simulator.cluster.engine import Engine
from simulator.cluster.hpa import History, Reading, recommended
from simulator.cluster.lower import lower
from simulator.cluster.state import Replica, State
from simulator.cluster.windows import staying
from simulator.errors import ScenarioError
from simulator.results import check_conservation
from simulator.results.record import RunRecord
from simulator.scenario import loads
from simulator.scenario.autoscale import Autoscale, Policies, QueueTarget, ScalePolicy, Select, Stabilization
from tests.laws.invariants import check_all
from tests.laws.strategies import scenarios, stretched, windows_of
from tests.laws.test_laws import assert_scaled
from tests.support import DEVICE, Node, layer, per_second, portion, record, scenario, seconds, trace
from tests.theory.story import Served, story

# -- the rule ----------------------------------------------------------------------------------------------------------


def by_pods(used: Sequence[Fraction], unready: int, down: int, target: Fraction, tolerance: Fraction) -> int:
    """The documented algorithm on a list of pods: usage of each ready one as a share of its request."""
    current = len(used) + unready + down
    ratio = sum(used) / len(used) / target
    pods = list(used)
    if down and ratio < 1:
        pods += [Fraction(1)] * down  # no metrics: 100 % of the request on the way down
    elif down and ratio > 1:
        pods += [Fraction(0)] * down  # and 0 % on the way up
    if unready and ratio > 1:
        pods += [Fraction(0)] * unready
    again = sum(pods) / len(pods) / target
    if abs(1 - again) <= tolerance or (ratio < 1 < again) or (again < 1 < ratio):
        return current
    count = math.ceil(again * len(pods))
    if len(pods) > len(used) and ((again < 1 and count > current) or (again > 1 and count < current)):
        return current
    return count


@settings(max_examples=400)
@given(
    st.lists(st.integers(0, 20), min_size=1, max_size=8),
    st.integers(0, 4),
    st.integers(0, 4),
    st.integers(1, 20),
    st.sampled_from([0, 1, 2, 5]),
)
def test_utilization_is_judged_as_pod_by_pod(
    used: list[int], unready: int, down: int, target: int, tolerance: int
) -> None:
    exact = [Fraction(n, 20) for n in used]
    rule = Autoscale(max=1000, target=target / 20, tolerance=tolerance / 20)
    seen = Reading(len(used) + unready + down, len(used), unready, sum(used) / 20 * 15.0, len(used) * 15.0, 0)
    assert recommended(rule, seen) == by_pods(exact, unready, down, Fraction(target, 20), Fraction(tolerance, 20))


@settings(max_examples=200)
@given(st.integers(0, 300), st.integers(1, 30), st.integers(1, 40), st.sampled_from([0, 1, 2]))
def test_a_queue_is_judged_by_what_waits_alone(waiting: int, replicas: int, tenths: int, tolerance: int) -> None:
    rule = Autoscale(max=1000, target=QueueTarget(queue=tenths / 10), tolerance=tolerance / 10)
    target = Fraction(tenths, 10)
    near = abs(1 - Fraction(waiting) / (target * replicas)) <= Fraction(tolerance, 10)
    expected = replicas if near else math.ceil(waiting / target)
    assert recommended(rule, Reading(replicas, 1, 0, 0.0, 0.0, waiting)) == expected


def test_without_a_ready_replica_nothing_is_recommended() -> None:
    assert recommended(Autoscale(max=9, target=0.5), Reading(3, 0, 2, 0.0, 0.0, 50)) is None


def paced(rule: Autoscale, looks: Sequence[tuple[float, int]], start: int) -> list[int]:
    """Numbers of replicas after looks at which so many are recommended."""
    history, current, found = History(0.0, start), start, []
    for now, asked in looks:
        after = history.paced(rule, now, current, history.stable(rule, now, current, asked))
        if after != current:
            history.note(rule, now, after - current)
        current = after
        found.append(current)
    return found


def test_by_default_it_doubles_or_adds_four_in_a_period() -> None:
    rule = Autoscale(max=1000, target=0.5)
    assert paced(rule, [(15.0 * n, 900) for n in range(1, 7)], 1) == [5, 10, 20, 40, 80, 160]


def test_policies_count_from_the_start_of_their_period() -> None:
    """Two within 30 s, or half as many again: the number before the last 30 s counts, not the present one."""
    policies = Policies(up=[ScalePolicy(replicas=2, period="30s"), ScalePolicy(percent=50.0, period="30s")])
    looks = [(15.0 * n, 100) for n in range(1, 6)]
    assert paced(Autoscale(max=100, target=0.5, policies=policies), looks, 2) == [4, 4, 6, 6, 9]
    least = Autoscale(max=100, target=0.5, policies=policies, select=Select(up="min"))
    assert paced(least, looks, 2) == [3, 3, 5, 5, 7]
    off = Autoscale(max=100, target=0.5, policies=policies, select=Select(up="disabled"))
    assert paced(off, looks, 2) == [2] * 5


def test_on_the_way_down_percentages_are_rounded_down() -> None:
    policies = Policies(down=[ScalePolicy(percent=30.0, period="10s"), ScalePolicy(replicas=1, period="10s")])
    rule = Autoscale(max=100, target=0.5, policies=policies, stabilization=Stabilization(down=0))
    assert paced(rule, [(10.0 * n, 0) for n in range(1, 7)], 10) == [7, 4, 2, 1, 0, 0]
    slow = rule.model_copy(update={"select": Select(down="min")})
    assert paced(slow, [(10.0 * n, 0) for n in range(1, 4)], 10) == [9, 8, 7]


def test_stabilization_takes_the_safest_of_the_recent_past() -> None:
    """Up: the least of 30 s; down: the most of 45 s. What is exactly as old counts no more."""
    rule = Autoscale(max=100, target=0.5, stabilization=Stabilization(up="30s", down="45s"))
    looks = [(15.0, 6), (30.0, 8), (45.0, 7), (60.0, 2), (75.0, 1), (90.0, 1), (105.0, 1), (120.0, 1)]
    # Up at 30 s, when the 2 of the start are 30 s old; then down as the 8, the 7 and the 2 become 45 s old.
    assert paced(rule, looks, 2) == [2, 6, 7, 7, 7, 2, 1, 1]


# -- timelines by hand -------------------------------------------------------------------------------------------------


def case(
    folder: Path,
    arrivals_s: Sequence[float],
    deployment: Node | list[Node],
    layers: Sequence[Node] | None = None,
    duration_s: float = 400.0,
    count: int = 20,
    **service: Any,
) -> Node:
    """A trace over one pool in which a replica starts in 2 s."""
    key = "deployments" if isinstance(deployment, list) else "deployment"
    pool = {"device": DEVICE, "count": count, "price_per_hour": 3600.0, "start_up": "2s"}
    return scenario(
        {"workload": trace(folder, arrivals_s), key: deployment, **service},
        layers or [layer(1.0)],
        duration_s=duration_s,
        cluster={"pools": {"pool": pool}},
    )


def held(rec: RunRecord) -> list[tuple[int, float, float, float]]:
    """(number, held, ready, released) of each replica."""
    r = rec.replicas
    return [(int(n), *map(float, times)) for n, *times in zip(r.number, r.held_s, r.ready_s, r.released_s)]


def one(replicas: int = 1, **rule: Any) -> Node:
    return {"portions": [portion("1", replicas, autoscale={"max": 10, "target": "50%", **rule})]}


INF = math.inf
EVERY_SECOND = [float(t) for t in range(400)]


def test_utilization_is_busy_over_ready_time(tmp_path: Path) -> None:
    """One request a second, of one second, until 30: one replica is busy, the other idle.

    At 4: 4 s of 4 s, twice the target: 2, of which the second is ready at 6. At 8 it has not been there for a whole
    period, and counts as idle: (1 + 0)/2 is the target. So it stays until 32, when 2 of 8 s ask for one; but 8 s have
    to agree, and the 2 of 28 is that old at 36.
    """
    rule = {"period": "4s", "stabilization": {"down": "8s"}}
    rec = record(case(tmp_path, EVERY_SECOND[:30], one(**rule), duration_s=60.0), tmp_path)
    assert held(rec) == [(0, 0.0, 0.0, INF), (1, 4.0, 6.0, 36.0)]
    assert story(rec) == [Served(0, 0, t, t + 1.0, (int(t),)) for t in EVERY_SECOND[:30]]


def test_a_batch_under_way_counts_up_to_the_look(tmp_path: Path) -> None:
    """Batches of 10 s from 1 on, looks every 4 s: 3/4 busy, then all of the time.

    0.75/0.7 is within the tolerance; 1/0.7 asks for ceil(1.43) = 2. At 12 the second counts as idle: 0.5/0.7 would
    remove, and what is assumed never turns the direction. At 16, 4 of 8 s ask for ceil(0.71 x 2) = 2.
    """
    rule = {"period": "4s", "target": "70%"}
    node = case(tmp_path, [1.0, 11.0], one(**rule), [layer(10.0)], duration_s=21.0)
    assert held(record(node, tmp_path)) == [(0, 0.0, 0.0, INF), (1, 8.0, 10.0, INF)]


def test_sending_is_busy_unless_it_overlaps(tmp_path: Path) -> None:
    """1 s of service and 3 s of sending in every 4 s: full with the sender waiting, a quarter busy without."""
    portions = [portion("1", 1, autoscale={"max": 4, "target": "90%", "period": "8s"}), portion("2", 1)]
    layers = [layer(1.0, "one", output="3MB"), layer(0.0, "two")]
    for overlap, expected in ((False, 2), (True, 1)):
        node = case(tmp_path, [0.0, 4.0, 8.0], {"portions": portions}, layers, duration_s=12.0)
        node["cluster"]["network"] = {"bandwidth": "1MB/s", "overlap": overlap}
        rec = record(node, tmp_path)
        assert len(rec.replicas.number) == expected + 1


def test_by_default_nothing_is_removed_for_five_minutes(tmp_path: Path) -> None:
    """No load at all: the number at the start stays a recommendation for 300 s, to the look."""
    rec = record(case(tmp_path, [399.0], one(3, min=1)), tmp_path)
    assert held(rec) == [(0, 0.0, 0.0, INF), (1, 0.0, 0.0, 300.0), (2, 0.0, 0.0, 300.0)]


def test_policies_slow_the_way_down(tmp_path: Path) -> None:
    """One in 20 s, looks every 10 s, 40 s have to agree: 40, 60."""
    slow = {"policies": {"down": [{"replicas": 1, "period": "20s"}]}, "stabilization": {"down": "40s"}}
    rec = record(case(tmp_path, [399.0], one(3, min=1, period="10s", **slow)), tmp_path)
    assert held(rec) == [(0, 0.0, 0.0, INF), (1, 0.0, 0.0, 60.0), (2, 0.0, 0.0, 40.0)]


def test_who_joins_serves_when_it_has_started(tmp_path: Path) -> None:
    """Ten requests of 100 s at 0.5: nine wait at 10, two per replica ask for five, four start with batches at 12."""
    node = case(tmp_path, [0.5] * 10, one(target={"queue": 2}, period="10s"), [layer(100.0)], duration_s=20.0)
    rec = record(node, tmp_path)
    assert held(rec) == [(0, 0.0, 0.0, INF), *[(n, 10.0, 12.0, INF) for n in range(1, 5)]]
    starts = [(batch.replica, batch.start) for batch in story(rec)[:5]]
    assert starts == [(0, 0.5), (1, 12.0), (2, 12.0), (3, 12.0), (4, 12.0)]


def test_a_look_comes_after_the_other_events_of_its_instant(tmp_path: Path) -> None:
    """The request that arrives at 10 waits already; what ends at 10 has ended."""
    rule = {"target": {"queue": 1}, "period": "10s"}
    arrives = record(case(tmp_path, [5.0, 10.0], one(**rule), [layer(100.0)], duration_s=11.0), tmp_path)
    assert len(arrives.replicas.number) == 1  # one waits for one replica
    more = record(case(tmp_path, [5.0, 10.0, 10.0], one(**rule), [layer(100.0)], duration_s=11.0), tmp_path)
    assert held(more)[1:] == [(1, 10.0, 12.0, INF)]


def test_what_still_loads_counts_as_idle(tmp_path: Path) -> None:
    """Full at 1: twice the target asks for 2. At 2 the second loads, at 3 it has just loaded: (1 + 0)/2 is enough."""
    rec = record(case(tmp_path, [0.0], one(period="1s"), [layer(100.0)], duration_s=4.0), tmp_path)
    assert held(rec)[:2] == [(0, 0.0, 0.0, INF), (1, 1.0, 3.0, INF)]
    assert len(held(rec)) == 2


def test_a_wish_waits_for_a_device_and_is_the_first_to_go(tmp_path: Path) -> None:
    """Three devices, one of them another service's; nine requests of 4 s at 0.5.

    At 10 six wait and three replicas are asked for: one more loads, one waits for a device. At 20 two wait, at 30
    nobody, and the 3 is 20 s old: the wish and the second replica go, and its device is not taken for the wish.
    """
    rule = {"max": 3, "target": {"queue": 2}, "period": "10s", "stabilization": {"down": "20s"}}
    node = case(tmp_path, [0.5] * 9, one(**rule), [layer(4.0)], count=3)
    other = {"workload": trace(tmp_path, [1.0], "other.csv"), "deployment": {"portions": [portion("1", 1)]}}
    node["services"]["t"] = {"model": "m", **other}
    rec = record(node, tmp_path)
    mine = [row for row, at in zip(held(rec), rec.replicas.portion) if at == 0]
    assert mine == [(0, 0.0, 0.0, INF), (1, 10.0, 12.0, 30.0)]


# -- windows -----------------------------------------------------------------------------------------------------------


def window(start: float, replicas: int, rule: Node | None = None, **entry: Any) -> Node:
    more = {} if rule is None else {"autoscale": {"max": 6, "target": "50%", "period": "10s", **rule}}
    return {"from": seconds(start), "portions": [portion("1", replicas, **more, **entry)]}


QUICK: Node = {"stabilization": {"down": 0}}


def test_a_window_is_the_floor_of_its_autoscaler(tmp_path: Path) -> None:
    """Nothing to do: one, three planned from 25 on (loaded from 23 on), one again, at the first look of the window."""
    plan = [window(0, 1, QUICK), window(25, 3, QUICK), window(55, 1, QUICK)]
    rec = record(case(tmp_path, [99.0], plan, duration_s=100.0), tmp_path)
    assert held(rec) == [(0, 0.0, 0.0, INF), (1, 23.0, 25.0, 60.0), (2, 23.0, 25.0, 60.0)]


def test_an_autoscaler_goes_above_the_plan(tmp_path: Path) -> None:
    """Ten wait from 1 on: more at 10 than the plan has. The plan of 25 loads none, for its number is there already."""
    rule = {"target": {"queue": 3}, "stabilization": {"down": "1h"}}
    rec = record(case(tmp_path, [1.0] * 11, [window(0, 1, rule), window(25, 3, rule)], [layer(50.0)]), tmp_path)
    assert held(rec) == [(0, 0.0, 0.0, INF), *[(n, 10.0, 12.0, INF) for n in range(1, 4)]]


def test_a_window_without_an_autoscaler_has_what_is_written(tmp_path: Path) -> None:
    """Four by 10, two from 25 on; the highest idle ones go, and nothing is looked at any more."""
    rule = {"target": {"queue": 3}, "stabilization": {"down": "1h"}}
    plan = [window(0, 1, rule), window(25, 2), window(45, 3)]
    rec = record(case(tmp_path, [1.0] * 11, plan, [layer(20.0)]), tmp_path)
    # 0 serves 1-21-41, the others 12-32: all four are busy at 25, so 3 and 2 go as soon as they are through.
    assert held(rec)[:4] == [(0, 0.0, 0.0, INF), (1, 10.0, 12.0, INF), (2, 10.0, 12.0, 32.0), (3, 10.0, 12.0, 32.0)]
    assert held(rec)[4:] == [(4, 43.0, 45.0, INF)]


def test_an_autoscaler_that_begins_in_a_window_counts_its_periods_from_there(tmp_path: Path) -> None:
    """Looks at 35, 45, ...; the smaller limit takes the fourth replica away at once."""
    plan = [window(0, 4), window(25, 2, {"min": 1, "max": 3, **QUICK})]
    rec = record(case(tmp_path, [99.0], plan, duration_s=100.0), tmp_path)
    released = {number: gone for number, _, _, gone in held(rec)}
    assert released == {0: INF, 1: 35.0, 2: 35.0, 3: 25.0}


def test_a_portion_that_is_new_begins_with_what_is_written(tmp_path: Path) -> None:
    """Another batch size is another portion: its two replicas load from 23 on, though one would do."""
    plan = [window(0, 1, QUICK), window(25, 2, {"min": 1, **QUICK}, batch=2)]
    rec = record(case(tmp_path, [99.0], plan, duration_s=100.0), tmp_path)
    assert held(rec) == [(0, 0.0, 0.0, 25.0), (0, 23.0, 25.0, INF), (1, 23.0, 25.0, 35.0)]


# -- serial ------------------------------------------------------------------------------------------------------------


def test_serial_replicas_follow_as_well(tmp_path: Path) -> None:
    """Ten requests through two layers of 5 s each: eight wait at 10, four join; later all but one go."""
    rule = {"max": 5, "min": 1, "target": {"queue": 2}, "period": "10s", "stabilization": {"down": "20s"}}
    deployment = {
        "execution": "serial",
        "replicas": 1,
        "autoscale": rule,
        "portions": [portion("1", None), portion("2", None)],
    }
    node = case(tmp_path, [0.5] * 10, deployment, [layer(5.0, "one"), layer(5.0, "two")], duration_s=200.0)
    rec = record(node, tmp_path)
    assert [row[:3] for row in held(rec)] == [(0, 0.0, 0.0), *[(n, 10.0, 12.0) for n in range(1, 5)]]
    assert sum(gone == INF for *_, gone in held(rec)) == 1
    assert np.all(rec.requests.finish_s > 0)
    check_all(rec)


# -- the fixed point ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", [0.5, 0.6, 0.8])
@pytest.mark.parametrize("load", [0.7, 2.3, 5.0, 7.9])
@pytest.mark.parametrize("start", [1, 14])
def test_a_steady_load_settles_at_the_target(tmp_path: Path, load: float, target: float, start: int) -> None:
    """Load a keeps n replicas a/n busy: n stays if that is the target to 10 %, else it becomes ceil(a / target)."""
    rate, service_s = 12.0, load / 12.0
    arrivals = [n / rate for n in range(int(rate * 1500))]
    rule = {"min": 1, "max": 30, "target": target}
    node = case(tmp_path, arrivals, one(start, **rule), [layer(service_s)], duration_s=1500.0, count=40)
    rec = record(node, tmp_path)
    settled = {n for n in range(1, 31) if abs(load / (n * target) - 1) <= 0.1} | {math.ceil(load / target)}
    count = {int(np.sum((rec.replicas.held_s <= t) & (rec.replicas.released_s > t))) for t in (1000.0, 1250.0, 1499.0)}
    assert len(count) == 1
    assert count <= settled


# -- laws of random runs -----------------------------------------------------------------------------------------------


@st.composite
def rules(draw: st.DrawFn, replicas: int) -> Node:
    """An autoscaler of a portion that starts with ``replicas``; short periods, for the runs are short."""
    made: Node = {
        "max": replicas + draw(st.integers(0, 3)),
        "target": draw(st.sampled_from(["30%", "60%", "95%", {"queue": 0.5}, {"queue": 3}])),
        "period": seconds(draw(st.sampled_from([0.125, 0.3, 1.0]))),
        "stabilization": {"down": seconds(draw(st.sampled_from([0.0, 0.5])))},
    }
    if draw(st.booleans()):
        made["min"] = draw(st.integers(1, replicas))
    if draw(st.booleans()):
        made["policies"] = {"up": [{"replicas": 1, "period": "0.5s"}], "down": [{"percent": 50, "period": "0.3s"}]}
    if draw(st.booleans()):
        made["stabilization"]["up"] = "0.25s"
        made["tolerance"] = draw(st.sampled_from([0.0, 0.3]))
    return made


@st.composite
def autoscaled(draw: st.DrawFn) -> Node:
    """A random scenario, most of whose portions have an autoscaler."""
    node = draw(scenarios())
    for service in node["services"].values():
        for deployment in windows_of(service):
            serial = deployment["execution"] == "serial"
            for entry in [deployment] if serial else deployment["portions"]:
                if draw(st.sampled_from([True, True, False])):
                    rule = entry["autoscale"] = draw(rules(entry["replicas"]))
                    pool = node["cluster"]["pools"][(deployment["portions"][0] if serial else entry)["pool"]]
                    pool["count"] = max(pool["count"], rule["max"] * pool["devices_per_replica"])
    return node


def same(one_run: RunRecord, other: RunRecord) -> None:
    """To the last bit."""
    assert_scaled(one_run, other, 1.0)


@settings(max_examples=80)
@given(autoscaled())
def test_every_run_keeps_the_invariants(node: Node) -> None:
    """Conservation, order of instants, batches, replicas, devices, bills; the same seed gives the same run."""
    result = simulate(loads(json.dumps(node)))
    (rec,) = result.records
    check_all(rec)
    same(rec, record(node))
    r = rec.replicas
    owner = np.array([p.service for p in rec.portions])[r.portion]
    span = np.clip(r.released_s, rec.warmup_s, rec.duration_s) - np.clip(r.held_s, rec.warmup_s, rec.duration_s)
    for number, figures in enumerate(result.to_dict()["services"].values()):
        billed = float(np.sum((span * r.devices)[owner == number])) / 3600
        assert figures["device_hours"] == pytest.approx(billed, rel=1e-9, abs=1e-12)


@settings(max_examples=120)
@given(autoscaled())
def test_the_number_stays_within_its_limits_and_the_pool(node: Node) -> None:
    """Looked at between all looks: asked for are never fewer than the window's least nor more than its most."""
    found = loads(json.dumps(node))
    lowered = lower(found)
    engine = Engine(lowered, 0, Path())
    seen = []

    def probe(_: None) -> None:
        for free, pool in zip(engine.pools.free, lowered.pools):
            assert 0 <= free <= pool.count
        for table in engine.tables:
            deployment = table.spec.deployments[table.current]
            for (index, kind), scaler in table.autoscalers.items():
                if index in deployment.stations:
                    scaling, replicas = deployment.of(index, kind)
                    ahead = [n for window, n in scaler._ahead.items() if window > table.current]
                    least = max([replicas if scaling is None else scaling.least, *ahead])
                    most = max(replicas if scaling is None else scaling.most, least)
                    assert least <= scaler.replicas <= most
                    seen.append(scaler.replicas)

    for step in range(1, 60):
        engine.clock.control_at(lowered.duration_s * step / 60, (9,), probe)
    check_conservation(engine.run())
    assert seen or not any(table.autoscalers for table in engine.tables)


class Watched(Meter):
    """Notes what it reads, and of whom."""

    noted: ClassVar[list[tuple[float, float, list[Replica], Reading]]] = []

    def read(self, now: float, replicas: int) -> Reading:
        present, since = staying(self.station, self.kind), self._since
        ready = [r for r in present if r.state in (State.IDLE, State.BUSY) and r.ready <= since]
        seen = super().read(now, replicas)
        self.noted.append((since, now, ready, seen))
        return seen


@settings(max_examples=60)
@given(autoscaled())
def test_what_is_measured_is_what_the_record_says(node: Node) -> None:
    """Busy time at every look, from the batches of the finished run; ready time is all of it where nothing fails."""
    Watched.noted.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("simulator.cluster.autoscaler.Meter", Watched)
        rec = record(node)
    for since, now, ready, seen in Watched.noted:
        mine = np.isin(rec.batches.replica, [replica.ident for replica in ready])
        busy = np.clip(rec.batches.idle_s[mine], since, now) - np.clip(rec.batches.start_s[mine], since, now)
        assert seen.busy_s == pytest.approx(float(busy.sum()), abs=1e-9)
        whole = len(ready) * (now - since)
        assert seen.busy_s <= seen.ready_s + 1e-9
        assert seen.ready_s <= whole + 1e-9
        if not any(replica.spec.mtbf_s < INF for replica in ready):
            assert seen.ready_s == pytest.approx(whole)


def test_repair_is_not_ready_time(tmp_path: Path) -> None:
    """What is lost to repairs between two looks, from the calendar of one replica that serves all the time."""
    Watched.noted.clear()
    node = case(
        tmp_path, [0.0] * 400, one(max=1, period="7s"), [layer(1.0)], duration_s=300.0, on_fault={"retries": 99}
    )
    node["cluster"]["pools"]["pool"]["faults"] = {"mtbf": "9s", "mttr": "3s"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("simulator.cluster.autoscaler.Meter", Watched)
        record(node, tmp_path)
    up = [seen for *_, seen in Watched.noted if seen.ready]
    assert len(up) > 20
    assert all(seen.busy_s == pytest.approx(seen.ready_s) for seen in up)  # a backlog: busy whenever it is up
    assert any(seen.ready_s < 6.9 for seen in up)
    assert any(not seen.ready and not seen.unready for *_, seen in Watched.noted)


@settings(max_examples=50)
@given(autoscaled(), st.sampled_from([-3, 1, 5]))
def test_scaling_every_duration_scales_every_instant(node: Node, power: int) -> None:
    """Nothing in the rule knows a second: by a power of two the runs agree bit for bit."""
    assert_scaled(record(node), record(stretched(node, 2.0**power)), 2.0**power)


@settings(max_examples=100)
@given(scenarios(), st.data())
def test_an_autoscaler_without_room_changes_nothing(node: Node, data: st.DataObject) -> None:
    """Least and most are the written number in every window: the run is the one without, to the last bit."""
    for pool in node["cluster"]["pools"].values():
        pool["count"] += 1000  # a window that finds too few devices has its own order of loading
    held_fast = copy.deepcopy(node)
    for service in held_fast["services"].values():
        for deployment in windows_of(service):
            entries = [deployment] if deployment["execution"] == "serial" else deployment["portions"]
            for entry in entries:
                if data.draw(st.booleans()):
                    entry["autoscale"] = {"max": entry["replicas"], "target": "50%", "period": "0.3s"}
    plain = copy.deepcopy(node)
    plain["run"]["engine"] = "simpy"
    same(record(plain), record(held_fast))


# -- engines -----------------------------------------------------------------------------------------------------------


def test_the_reference_engine_runs_it(tmp_path: Path) -> None:
    node = case(tmp_path, EVERY_SECOND[:9], one(), duration_s=9.0)
    found = simulate(loads(json.dumps(node), folder=tmp_path)).to_dict()
    assert (found["engine"], found["engine_reason"]) == ("simpy", "the compiled engine does not cover an autoscaler")
    with pytest.raises(ScenarioError, match="does not cover an autoscaler; take simpy or auto"):
        simulate(loads(json.dumps(node), folder=tmp_path), engine="compiled")


def test_overload_is_judged_by_the_most_there_may_be(tmp_path: Path) -> None:
    """Three a second on replicas that serve one each: ten may be there, so nothing is wrong; with two there is."""
    for most, wrong in ((10, False), (2, True)):
        node = case(tmp_path, [], one(max=most), duration_s=60.0)
        node["services"]["s"]["workload"] = {"process": "poisson", "rate": per_second(3.0)}
        warnings = simulate(loads(json.dumps(node))).to_dict()["warnings"]
        assert any("is 150% of the" in warning for warning in warnings) is wrong


def test_looks_do_not_keep_an_empty_run_going(tmp_path: Path) -> None:
    node = case(tmp_path, [1.0], one(), duration_s=20.0)
    node["run"]["drain"] = "1000s"
    assert record(node, tmp_path).end_s == 20.0


def test_an_autoscaler_is_told_apart_by_station_and_kind(tmp_path: Path) -> None:
    """Two kinds behind one queue: only the one with an autoscaler grows."""
    kinds = [
        portion("1", 1, batch=1, autoscale={"max": 4, "target": {"queue": 1}, "period": "5s"}),
        portion("1", 2, batch=2),
    ]
    node = case(tmp_path, [0.5] * 12, {"portions": kinds}, [layer(50.0)], duration_s=20.0)
    engine = Engine(lower(loads(json.dumps(node), folder=tmp_path)), 0, tmp_path)
    assert [type(one_scaler) for one_scaler in engine.tables[0].autoscalers.values()] == [Autoscaler]
    rec = engine.run()
    joined = rec.replicas.number[rec.replicas.held_s > 0]
    assert len(joined) == 3
    assert all(engine.replicas[3 + n].kind == 0 for n in range(3))
