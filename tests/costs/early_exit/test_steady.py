"""Capacity of every exit mode on cases worked by hand, and its laws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.costs.early_exit import (
    Costs,
    busy_seconds,
    capacity,
    compact_batch,
    expected_compact,
    layer_times,
    relative_ramps,
    transfer_times,
)
from simulator.costs.early_exit.steady import MODES
from simulator.errors import ScenarioError
from simulator.streams import stream
from tests.estimates import assert_agrees, interval

LAYERS = layer_times(1.0, 0.0, batch=4, layers=4)
"""Four layers of one second, whatever the batch."""
RAMPS = 0.1 * LAYERS
SENDING = transfer_times(4, item_bytes=1.0, bandwidth=100.0, latency_s=0.04)
COSTS = Costs(LAYERS, RAMPS, transfer=SENDING)
"""Transfers of 0.05 s for one survivor to 0.08 s for four."""
SHARE = [1.0, 0.5, 0.5, 0.25]


def rate(mode: Any, replicas: int | list[int], **more: Any) -> float:
    return capacity(COSTS, SHARE, replicas, exit_mode=mode, **more).rate


def test_none_runs_every_layer_and_no_ramp() -> None:
    assert rate("none", [2]) == pytest.approx(2 * 4 / 4)
    assert rate("none", [2, 1], cuts=[2]) == pytest.approx(min(2 * 4 / 2.08, 4 / 2))
    assert rate("none", 2, cuts=[2], execution="serial") == pytest.approx(2 * 4 / 4)


def test_answer_early_keeps_the_batch_and_adds_the_ramps() -> None:
    assert rate("answer_early", [2]) == pytest.approx(2 * 4 / 4.3)
    found = capacity(COSTS, SHARE, [1, 1], exit_mode="answer_early", cuts=[2])
    assert [one.busy_s for one in found.portions] == pytest.approx([2.2 + 0.08, 2.1])
    assert [one.survival for one in found.portions] == [1.0, 1.0]


def test_at_cut_runs_the_ramp_at_the_cut_and_hands_survivors_on() -> None:
    found = capacity(COSTS, SHARE, [3, 2], exit_mode="at_cut", cuts=[1])
    sending = 0.04 * (1 - 0.5**4) + 2 * 0.01
    assert [one.busy_s for one in found.portions] == pytest.approx([1.1 + sending, 3.0])
    assert [one.rate for one in found.portions] == pytest.approx([3 * 4 / (1.1 + sending), 2 * 4 / (0.5 * 3)])
    assert found.rate == found.portions[1].rate
    assert found.bottleneck == found.portions[1]
    assert found.service_s == pytest.approx(4.1 + sending)


def test_tagging_runs_every_ramp_but_those_of_the_last_portion() -> None:
    one, other = (busy_seconds("at_cut", COSTS, SHARE, 1, 2, 4, convention=c, serial=True) for c in ("cuts", "tag"))
    assert (one, other) == pytest.approx((2.1, 2.2))
    assert busy_seconds("at_cut", COSTS, SHARE, 3, 4, 4, convention="tag") == pytest.approx(2.0)


def test_compact_shrinks_inside_its_portion() -> None:
    ramps, gather = relative_ramps(LAYERS, 0.1), 0.2 * LAYERS
    costs = Costs(LAYERS, ramps, gather)
    whole = expected_compact(SHARE, 4, LAYERS, ramps, gather)
    assert capacity(costs, SHARE, [1], exit_mode="compact").rate == pytest.approx(4 / whole)
    last = capacity(costs, SHARE, [1, 1], exit_mode="compact", cuts=[2]).portions[1]
    assert last.busy_s == pytest.approx(expected_compact([1.0, 0.5], 4, LAYERS[2:], ramps[2:], gather[2:]))
    assert last.rate == pytest.approx(4 / (0.5 * last.busy_s))


def test_transfers_overlap_or_add_up() -> None:
    slow = Costs(LAYERS, transfer=transfer_times(4, 1.0, 1.0))
    apart, together = (
        capacity(slow, SHARE, [1, 1], exit_mode="at_cut", cuts=[1], overlap=overlap).portions[0].busy_s
        for overlap in (False, True)
    )
    assert (apart, together) == pytest.approx((1.0 + 2.0, 2.0))


def test_serial_replicas_share_their_time() -> None:
    found = capacity(COSTS, SHARE, 3, exit_mode="at_cut", execution="serial", cuts=[1], batch=[4, 2])
    assert found.rate == pytest.approx(3 / (1.1 / 4 + 0.5 * 3 / 2))
    assert found.bottleneck.first == 2


def test_answers_of_an_overloaded_deployment() -> None:
    """The second portion binds: half of the requests are answered before it whatever it does."""
    found = capacity(COSTS, SHARE, [9, 1], exit_mode="at_cut", cuts=[1])
    assert [one.answered for one in found.portions] == [0.5, 0.5]
    assert found.bottleneck is found.portions[1]
    assert found.throughput(0.9 * found.rate) == pytest.approx(0.9 * found.rate)
    assert found.throughput(2 * found.rate) == pytest.approx(0.5 * 2 * found.rate + 0.5 * found.rate)
    whole = capacity(COSTS, SHARE, [1, 9], exit_mode="none", cuts=[1])
    assert [one.answered for one in whole.portions] == [0.0, 1.0]
    assert whole.throughput(100.0) == whole.rate
    serial = capacity(COSTS, SHARE, 2, exit_mode="at_cut", execution="serial", cuts=[1])
    assert serial.throughput(100.0) == pytest.approx(serial.rate)


def test_each_portion_can_have_its_device_and_its_batch() -> None:
    fast = Costs(LAYERS / 10)
    found = capacity([COSTS, fast], SHARE, [1, 1], exit_mode="at_cut", cuts=[1], batch=[2, 4])
    assert [one.batch for one in found.portions] == [2, 4]
    assert found.portions[1].rate == pytest.approx(4 / (0.5 * 0.3))
    assert found.portions[0].busy_s == pytest.approx(1.1 + 0.04 * 0.75 + 0.01)


def test_a_portion_that_nobody_reaches_carries_anything() -> None:
    for mode in ("at_cut", "compact"):
        found = capacity(COSTS, [1.0, 1.0, 0.0, 0.0], [1, 1], exit_mode=mode, cuts=[2])
        assert found.portions[1].rate == float("inf")
        assert found.rate == found.portions[0].rate < 10


SURVIVAL = st.lists(st.floats(0.0, 1.0), min_size=3, max_size=3).map(lambda leaves: [1.0, *np.cumprod(leaves).tolist()])


@given(SURVIVAL, st.integers(1, 4), st.sampled_from([[], [1], [2], [1, 3], [1, 2, 3]]))
def test_exits_never_cost_layers(survival: list[float], batch: int, cuts: list[int]) -> None:
    """Without ramps and transfers, modes that use exits carry at least what the whole model carries."""
    costs = Costs(layer_times(1.0, 0.3, batch=4, layers=4))
    replicas = [2] * (len(cuts) + 1)
    rates = {mode: capacity(costs, survival, replicas, exit_mode=mode, cuts=cuts, batch=batch).rate for mode in MODES}
    assert rates["at_cut"] >= rates["none"] * (1 - 1e-12)
    assert rates["compact"] >= rates["at_cut"] * (1 - 1e-12)
    assert rates["answer_early"] == rates["none"]


@given(SURVIVAL, st.integers(1, 4), st.floats(0.1, 10.0), st.sampled_from(MODES))
def test_capacity_scales_with_time_and_replicas(survival: list[float], batch: int, factor: float, mode: Any) -> None:
    slow = Costs(LAYERS * factor, RAMPS * factor, None, SENDING * factor)
    one = capacity(COSTS, survival, [1, 2], exit_mode=mode, cuts=[2], batch=batch).rate
    assert capacity(slow, survival, [1, 2], exit_mode=mode, cuts=[2], batch=batch).rate == pytest.approx(one / factor)
    assert capacity(COSTS, survival, [3, 6], exit_mode=mode, cuts=[2], batch=batch).rate == pytest.approx(3 * one)


def test_shrinking_portions_agree_with_sampled_batches() -> None:
    """A replica that works off 20,000 full batches of replayed rows, portion by portion."""
    rows = stream(4, "rows").integers(1, 13, 200)
    layers = layer_times(0.36e-3, 0.042e-3, 8, 12)
    costs = Costs(layers, relative_ramps(layers, 0.19), 0.05 * layers, transfer_times(8, 196_608, 12e9, 5e-5))
    share = np.array([(rows >= layer).mean() for layer in range(1, 13)])
    found = capacity(costs, share, [2, 3], exit_mode="compact", cuts=[4])
    for portion in found.portions:
        inside = rows[rows >= portion.first]
        batches = inside[stream(4, "batches", portion.first).integers(0, len(inside), (20_000, 8))]
        part = slice(portion.first - 1, portion.last)
        assert costs.ramps is not None
        assert costs.gather is not None
        assert costs.transfer is not None
        busy = compact_batch(batches, layers[part], costs.ramps[part], costs.gather[part], portion.first)
        if portion.last < 12:
            busy = busy + costs.transfer[(batches > portion.last).sum(axis=1)]
        assert_agrees(interval(busy), portion.busy_s, sees=0.01)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"exit_mode": "early"}, "unknown exit mode 'early' \\(known: none, compact"),
        ({"cuts": [1], "replicas": [1]}, "replicas: 1 given for 2 portions"),
        ({"cuts": [1], "replicas": 2}, "2 portions in parallel need one number each"),
        ({"cuts": [1], "replicas": [1, 1], "execution": "serial"}, "serial replicas run all portions"),
        ({"batch": 5}, "batch: must be within 1\\.\\.4, got 5"),
        ({"batch": 0}, "batch: must be within"),
        ({"replicas": [0]}, "replicas: must be at least 1, got 0"),
        ({"survival": [1.0, 0.5]}, "survival: 2 shares for 4 layers"),
        ({"costs": [COSTS, COSTS]}, "costs: 2 given for 1 portions"),
        ({"cuts": [4], "replicas": [1, 1]}, "cuts must ascend"),
    ],
)
def test_what_cannot_be_is_refused(more: dict[str, Any], message: str) -> None:
    given_ = {"costs": COSTS, "survival": SHARE, "replicas": [1], "exit_mode": "at_cut", **more}
    with pytest.raises(ScenarioError, match=message):
        capacity(given_.pop("costs"), given_.pop("survival"), given_.pop("replicas"), **given_)


def test_arrays_have_one_shape() -> None:
    for more in ({"ramps": LAYERS[:, :3]}, {"gather": LAYERS[:2]}, {"transfer": LAYERS}):
        with pytest.raises(ScenarioError, match="times: have shape"):
            Costs(LAYERS, **more)
    with pytest.raises(ScenarioError, match="need shape"):
        Costs(LAYERS[:, :1])
