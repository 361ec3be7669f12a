"""One device alone meets the instants of the recurrence; several share; a failing server loses and repeats nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from simulator.cluster.clock import Clock
from simulator.cluster.streaming.executor import COMPUTE, LOAD, READ, RETURN, UPDATE, Device, Executor, Links, drive
from simulator.cluster.streaming.sharing import Copy, FairLink
from simulator.cluster.streaming.work import work_of
from simulator.costs.streaming import Layer, Link, Server, Streamed, moved_bytes, run, step_seconds
from tests.cluster.streaming.made import execute, streamed, timeline_of

EQUAL = Streamed(
    tuple(Layer(2.0, 0.5, 1.0, gradient_bytes=2.0) for _ in range(6)), Link(1.0, duplex=1.0), training=True
)
FIELDS = ("load_start", "load_end", "compute_start", "compute_end", "return_end", "finish")


def same_to_the_last_bit(device: Device, model: Streamed, group: int) -> None:
    expected = run(model.visits(group), model.slots, host_slots=model.host_slots)
    found = timeline_of(device)
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)


@settings(max_examples=300)
@given(streamed(), st.integers(1, 5))
@example(EQUAL, 1)
def test_alone_it_is_the_recurrence_to_the_last_bit(model: Streamed, group: int) -> None:
    (device,) = execute(model, group).devices
    same_to_the_last_bit(device, model, group)


@settings(max_examples=60)
@given(streamed(), st.integers(1, 4), st.integers(2, 4))
def test_devices_with_links_of_their_own_do_not_meet(model: Streamed, group: int, devices: int) -> None:
    for device in execute(model, group, devices=devices, shared=False).devices:
        same_to_the_last_bit(device, model, group)


@settings(max_examples=60)
@given(streamed(), st.integers(1, 4))
def test_a_link_that_two_slow_devices_do_not_fill_slows_neither(model: Streamed, group: int) -> None:
    """Each side is half as fast as the server's link: together they fill it and wait for nobody."""
    for device in execute(model, group, devices=2, bandwidth=2 * model.link.bandwidth).devices:
        same_to_the_last_bit(device, model, group)


@settings(max_examples=60)
@given(streamed(), st.integers(1, 4), st.integers(1, 4))
def test_every_copy_carries_its_bytes(model: Streamed, group: int, steps: int) -> None:
    executor = execute(model, group, steps=steps)
    (device,) = executor.devices
    work, (loaded, returned) = device.work, moved_bytes(model, group)
    assert sum(copy.size for copy in work.near) == pytest.approx(float(loaded))
    assert sum(copy.size for copy in work.back) == pytest.approx(float(returned))
    seconds = [end - begin for begin, end in executor.step_s]
    assert seconds == pytest.approx([float(step_seconds(model, group))] * steps)


@settings(max_examples=60)
@given(streamed(), st.integers(1, 3), st.integers(2, 5))
def test_side_by_side_takes_between_one_and_all(model: Streamed, group: int, devices: int) -> None:
    executor = execute(model, group, devices=devices)
    alone = float(step_seconds(model, group))
    ends = [end for _, end in executor.step_s]
    assert min(ends) >= alone * (1 - 1e-12)
    assert max(ends) <= devices * alone * (1 + 1e-9) + 1e-9
    assert ends == pytest.approx([ends[0]] * devices), "equals have equal shares"
    near = executor.devices[0].links.near
    full = sum(copy.need * (copy.seconds - copy.latency) for copy in executor.devices[0].work.near)
    assert near.taken == pytest.approx(devices * full), "what the link gave is what the copies needed"
    assert near.taken <= max(ends) * (1 + 1e-12), "never more than there is"


@pytest.mark.parametrize("devices", [2, 3, 8])
def test_a_full_link_is_divided_equally(devices: int) -> None:
    """Nothing but loads: n devices at one link take n times as long, all of them."""
    model = Streamed(tuple(Layer(2.0, 0.0) for _ in range(5)), Link(4.0))
    executor = execute(model, 1, devices=devices)
    assert [end for _, end in executor.step_s] == pytest.approx([5 * 2.0 / 4.0 * devices] * devices)


# -- failures ------------------------------------------------------------------------------------------------------


OUTAGES = st.lists(st.tuples(st.floats(0.01, 3.0), st.floats(0.01, 2.0)), min_size=1, max_size=6)


@settings(max_examples=150)
@given(streamed(), st.integers(1, 3), st.integers(1, 3), st.integers(1, 2), OUTAGES)
def test_a_failure_loses_and_repeats_no_microbatch(
    model: Streamed, group: int, devices: int, steps: int, gaps: list[tuple[float, float]]
) -> None:
    outages, now = [], 0.0
    for up, down in gaps:
        outages.append((now + up, now + up + down))
        now += up + down
    executor = execute(model, group, devices=devices, steps=steps, outages=outages)
    undisturbed = execute(model, group, devices=devices, steps=steps)
    for device, other in zip(executor.devices, undisturbed.devices):
        done = Counter((row.step, row.visit, row.kind) for row in device.rows)
        assert done == Counter((row.step, row.visit, row.kind) for row in other.rows)
        assert set(done.values()) == {1}
        for kind in (LOAD, COMPUTE, RETURN, UPDATE, READ):
            starts = [row.start_s for row in device.rows if row.kind == kind]
            assert starts == sorted(starts), "in the order of visits"
    ended, plain = (max(end for _, end in one.step_s) for one in (executor, undisturbed))
    assert ended >= plain * (1 - 1e-12)
    for row in (row for device in executor.devices for row in device.rows):
        inside = any(failed < row.end_s < repaired for failed, repaired in outages)
        assert row.kind == COMPUTE or not inside, "nothing arrives while the server is down"


def test_a_load_under_way_begins_again_at_the_repair() -> None:
    """Two layers of 2 s each. It fails 0.5 s into the second load, is repaired 3 s later, and loads for 2 s again."""
    model = Streamed((Layer(2.0, 1.0), Layer(2.0, 1.0)), Link(1.0))
    (device,) = execute(model, 1, outages=[(2.5, 5.5)]).devices
    line = timeline_of(device)
    assert line.load_end[:, 0].tolist() == [2.0, 7.5]
    assert line.compute_end[:, 0].tolist() == [3.0, 8.5], "it computes on with what it has"


def test_copies_that_shared_the_link_begin_again_from_nothing() -> None:
    """Two devices load 2 s each, together 4 s. It fails after 1 s for 1 s: what had come of either is lost."""
    model = Streamed((Layer(2.0, 0.0),), Link(1.0))
    executor = execute(model, 1, devices=2, outages=[(1.0, 2.0)])
    assert [end for _, end in executor.step_s] == [6.0, 6.0]


def test_an_arrival_at_the_instant_of_the_failure_counts() -> None:
    model = Streamed((Layer(2.0, 1.0), Layer(2.0, 1.0)), Link(1.0))
    (device,) = execute(model, 1, outages=[(2.0, 3.0)]).devices
    assert timeline_of(device).load_end[:, 0].tolist() == [2.0, 5.0]


def test_an_update_under_way_begins_again() -> None:
    model = Streamed(
        (Layer(1.0, 0.0, 0.0, gradient_bytes=1.0, parameters=4.0),),
        Link(1.0, duplex=1.0),
        training=True,
        server=Server(update_rate=2.0),
    )
    assert float(step_seconds(model, 1)) == 4.0  # load 1, return 1, update 2
    executor = execute(model, 1, outages=[(3.0, 3.5)])
    assert executor.step_s == [(0.0, 5.5)]


# -- steps and needs -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("training", [False, True])
def test_devices_of_a_training_begin_every_step_together(training: bool) -> None:
    """One of two devices has half a link, as it has an endless copy beside: the other waits for it only in training."""
    model = Streamed((Layer(2.0, 0.5, 0.5, gradient_bytes=1.0),), Link(1.0), training=training)
    clock = Clock()
    own = [Links(*(FairLink(clock, 4 * device + i) for i in range(4))) for device in range(2)]
    own[1].near.send(Copy(1e6, 0.0, 1.0, (9,), lambda copy, now: None))
    executor = Executor(clock, work_of(model, 1, 1.0), own, 2, together=training)
    executor.begin()
    drive(clock, [executor])
    begins = sorted(begin for begin, _ in executor.step_s)
    assert (begins[2] == begins[3]) is training
    assert begins[3] == max(end for _, end in executor.step_s[:3] if end <= begins[3])


@settings(max_examples=60)
@given(streamed(), st.integers(1, 4))
def test_a_copy_that_nothing_slows_needs_the_whole_link(model: Streamed, group: int) -> None:
    """Its latencies, those of spilled inputs included, need none of it."""
    free = replace(model, link=replace(model.link, duplex=1.0))
    work = work_of(free, group, free.link.bandwidth)
    assert [copy.need for copy in (*work.near, *work.back)] == pytest.approx([1.0] * (len(work.near) + len(work.back)))
    half = work_of(free, group, 2 * free.link.bandwidth)
    assert [copy.need for copy in half.near] == pytest.approx([0.5] * len(half.near))
