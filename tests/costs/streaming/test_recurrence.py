"""The recurrence against an execution event by event, its bounds, and the closed forms of equal layers."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.costs.streaming import Layer, Link, Streamed, StreamingLaw, run, step, step_seconds, totals
from tests.costs.streaming.brute import brute_seconds, random_layer, random_model

CASES = 10_000


def test_equals_execution_event_by_event() -> None:
    """To the last bit: unequal layers, 1 to 4 slots, forward and backward, spills, gradients, storage, updates."""
    rng = random.Random(20260)
    seen: set[tuple[int, bool]] = set()
    for _ in range(CASES):
        model, k = random_model(rng), rng.randint(1, 5)
        seen.add((model.slots, model.training))
        assert float(step_seconds(model, k)) == brute_seconds(model, k), (model, k)
    assert seen == {(slots, training) for slots in (1, 2, 3, 4) for training in (False, True)}


def test_many_groups_at_once_are_the_same_numbers() -> None:
    rng = random.Random(5)
    for _ in range(100):
        model = random_model(rng)
        together = step_seconds(model, np.arange(1, 9))
        assert together.tolist() == [float(step_seconds(model, k)) for k in range(1, 9)]


@given(st.integers(0, 10**9), st.integers(1, 6))
def test_between_the_busiest_resource_and_the_sum(seed: int, k: int) -> None:
    model = random_model(random.Random(seed))
    spent = totals(model.visits(k))
    busy = [float(s[0]) for s in (spent.compute_s, spent.load_s, spent.storage_s, spent.return_s, spent.update_s)]
    seconds = float(step_seconds(model, k))
    assert max(busy) * (1 - 1e-12) <= seconds <= sum(busy) * (1 + 1e-12)
    assert step(model, k).stall_s >= -1e-12 * seconds


@given(st.integers(0, 10**9), st.integers(1, 6))
def test_time_scales_and_more_of_anything_is_never_slower(seed: int, k: int) -> None:
    """Twice all durations is twice the time; one more slot or twice the bandwidth never costs time."""
    from dataclasses import replace

    model = replace(random_model(random.Random(seed)), kept=None)
    seconds = float(step_seconds(model, k))
    assert float(step_seconds(replace(model, kept=0, slots=model.slots + 1), k)) <= float(
        step_seconds(replace(model, kept=0), k)
    ) * (1 + 1e-12)
    faster = replace(model, link=replace(model.link, bandwidth=2 * model.link.bandwidth))
    assert float(step_seconds(faster, k)) <= seconds * (1 + 1e-12)
    assert float(step_seconds(model, k + 1)) >= seconds * (1 - 1e-12)


@given(st.lists(st.tuples(st.floats(0.01, 9.0), st.floats(0.0, 9.0)), min_size=1, max_size=12), st.integers(1, 9))
def test_double_buffer_in_closed_form(pairs: list[tuple[float, float]], k: int) -> None:
    """Two slots, one pass: ``x_0 + sum max(k c_i, x_{i+1}) + k c_last``."""
    x = [transfer for transfer, _ in pairs]
    c = [k * compute for _, compute in pairs]
    closed = x[0] + sum(max(now, following) for now, following in zip(c[:-1], x[1:], strict=True)) + c[-1]
    model = Streamed(tuple(Layer(one, compute) for one, compute in pairs), Link(1.0))
    assert float(step_seconds(model, k)) == pytest.approx(closed, rel=1e-12)


@given(st.lists(st.tuples(st.floats(0.01, 9.0), st.floats(0.0, 9.0)), min_size=1, max_size=12))
def test_no_limit_of_slots_in_closed_form(pairs: list[tuple[float, float]]) -> None:
    """Loads never wait: the longest of "loads up to layer i, then compute from i on"."""
    x, c = np.array(pairs).T
    closed = max(x[: i + 1].sum() + c[i:].sum() for i in range(len(x)))
    model = Streamed(tuple(Layer(one, compute) for one, compute in pairs), Link(1.0), slots=len(pairs))
    assert float(step_seconds(model, 1)) == pytest.approx(closed, rel=1e-12)


def test_one_slot_is_serial() -> None:
    layers = [random_layer(random.Random(seed)) for seed in range(12)]
    model = Streamed(tuple(layer for layer in layers if layer.weight_bytes > 0.0), Link(1.0), slots=1)
    spent = totals(model.visits(3))
    assert float(step_seconds(model, 3)) == pytest.approx(float(spent.compute_s[0] + spent.load_s[0]))


def test_phases_bind_one_by_one() -> None:
    """Between the knees of forward and backward neither maximum over the whole step holds: the sum of phases does."""
    layers = tuple(Layer(1.0, 1 / 3, 2 / 3) for _ in range(200))
    found = step(Streamed(layers, Link(1.0), training=True), 2)
    assert found.phase_bounds == ("transfer", "compute")
    assert found.seconds == pytest.approx(200 * 1.0 + 200 * 4 / 3, rel=0.01)
    assert found.seconds > 1.1 * max(found.compute_s, found.transfer_s)


@pytest.mark.parametrize(
    ("layers", "slots", "kept", "loads"), [(80, 2, 1, 159), (80, 1, None, 159), (32, 3, None, 61), (32, 4, 3, 61)]
)
def test_loads_of_a_step_as_measured(layers: int, slots: int, kept: int | None, loads: int) -> None:
    """Two measured runs: 159 of 160 and 61 of 64. One and three layers were still there at the turn."""
    model = Streamed((Layer(1.0, 1.0, 2.0),) * layers, Link(1.0), training=True, slots=slots, kept=kept)
    found = step(model, 4)
    assert (found.layer_loads, found.naive_loads) == (loads, 2 * layers * 4)
    started = run(model.visits(4), model.slots).load_start
    assert int(np.isfinite(started).sum()) == loads
    assert found.bytes_loaded == loads * 1.0


@given(st.integers(2, 12), st.integers(1, 4), st.floats(0.1, 5.0), st.integers(1, 9), st.booleans())
def test_the_law_of_equal_layers_is_the_model(layers: int, slots: int, item: float, k: int, training: bool) -> None:
    loads = 2 * layers - min(slots, layers) if training else layers
    share = 0.25 if training else 1.0
    law = StreamingLaw(layers, loads, item, 0.5, 10.0, 2.0, 0.01, float(loads), slots, share)
    model = Streamed((law.layer(),) * layers, law.link(), training=training, slots=slots)
    assert float(law.seconds(k)) == pytest.approx(float(step_seconds(model, k)), rel=1e-12)
    assert float(law.scaled(2.0).seconds(k)) == pytest.approx(2 * float(law.seconds(k)), rel=1e-12)
