"""Partitions equal brute force; FLOP and bytes of a block equal the published table."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.costs.pipeline.block import Block, training_layers
from simulator.costs.pipeline.stages import Layer, partition
from simulator.errors import ScenarioError


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[Layer], int, list[float], list[float]]:
    whole = st.integers(0, 12)  # whole numbers: sums are exact, ties are frequent
    rows = draw(st.lists(st.tuples(*[whole] * 5), min_size=1, max_size=8))
    stages = draw(st.integers(1, len(rows)))
    memory = draw(st.lists(st.integers(5, 120), min_size=stages, max_size=stages))
    in_flight = draw(st.lists(st.integers(0, 4), min_size=stages, max_size=stages))
    return [Layer(*(float(x) for x in row)) for row in rows], stages, [float(x) for x in memory], in_flight


def brute_force(
    layers: list[Layer], stages: int, memory: list[float], in_flight: list[float]
) -> tuple[float, float] | None:
    """Least (largest time, sum of squares) over all ways to cut."""
    best = None
    for cuts in itertools.combinations(range(1, len(layers)), stages - 1):
        runs = [layers[i:j] for i, j in itertools.pairwise([0, *cuts, len(layers)])]
        held = [
            sum(one.state_bytes + many * one.activation_bytes for one in run)
            for run, many in zip(runs, in_flight, strict=True)
        ]
        if all(one <= most for one, most in zip(held, memory, strict=True)):
            times = [sum(one.seconds for one in run) for run in runs]
            score = (max(times), sum(time**2 for time in times))
            best = score if best is None else min(best, score)
    return best


@given(cases())
def test_partition_equals_brute_force(case: tuple[list[Layer], int, list[float], list[float]]) -> None:
    layers, stages, memory, in_flight = case
    expected = brute_force(layers, stages, memory, in_flight)
    if expected is None:
        with pytest.raises(ScenarioError, match="no partition"):
            partition(layers, stages, memory_bytes=memory, in_flight=in_flight)
        return
    found = partition(layers, stages, memory_bytes=memory, in_flight=in_flight)
    times = found.total("seconds")
    assert (times.max(), (times**2).sum()) == expected
    held = found.total("state_bytes") + np.array(in_flight) * found.total("activation_bytes")
    assert (held <= memory).all()
    assert [one for k in range(stages) for one in found.members(k)] == layers


@given(st.lists(st.floats(1e-6, 1.0), min_size=3, max_size=9), st.integers(1, 3))
def test_partition_of_any_times_equals_brute_force(times: list[float], stages: int) -> None:
    layers = [Layer(time) for time in times]
    expected = brute_force(layers, stages, [np.inf] * stages, [1.0] * stages)
    assert expected is not None
    found = partition(layers, stages).total("seconds")
    assert found.max() == pytest.approx(expected[0], rel=1e-11)
    assert (found**2).sum() == pytest.approx(expected[1], rel=1e-9)


def test_equal_layers_are_dealt_out_evenly() -> None:
    assert partition([Layer(0.1, 0.1, 0.1)] * 24, 8).ends == tuple(range(3, 25, 3))


def test_memory_moves_a_cut() -> None:
    """1F1B: the first stage holds two microbatches, so it gets fewer layers."""
    layers = [Layer(1.0, state_bytes=1.0, activation_bytes=1.0)] * 4
    assert partition(layers, 2).ends == (2, 4)
    assert partition(layers, 2, memory_bytes=6.0, in_flight=[4.0, 1.0]).ends == (1, 4)


def test_many_layers_and_stages() -> None:
    layers = [Layer(1.0 + (7 * i) % 13) for i in range(400)]
    found = partition(layers, 64)
    assert found.stages == 64
    assert found.total("seconds").sum() == sum(layer.seconds for layer in layers)


def test_transfers_by_bytes() -> None:
    found = partition([Layer(1.0, output_bytes=2e9), Layer(1.0, output_bytes=9e9)], 2)
    assert found.transfer_s(1e10, 1e-3).tolist() == [pytest.approx(0.201)]


@pytest.mark.parametrize("stages", [0, 3])
def test_as_many_stages_as_layers_at_most(stages: int) -> None:
    with pytest.raises(ScenarioError, match="from 1 to the number of layers"):
        partition([Layer(1.0)] * 2, stages)


def test_bad_limits_and_layers_are_refused() -> None:
    with pytest.raises(ScenarioError, match="memory_bytes"):
        partition([Layer(1.0)] * 2, 2, memory_bytes=[1.0, 2.0, 3.0])
    with pytest.raises(ScenarioError, match="in_flight"):
        partition([Layer(1.0)] * 2, 2, in_flight=np.inf)
    with pytest.raises(ScenarioError, match="forward_s"):
        Layer(-1.0)
    with pytest.raises(ScenarioError, match="heads"):
        Block(hidden=4, heads=0, seq_len=1)


@given(st.integers(1, 4096), st.integers(1, 64), st.integers(1, 4096), st.integers(1, 8))
def test_block_equals_the_published_table(h: int, a: int, s: int, b: int) -> None:
    """Zero Bubble, Table 1; B + W is twice F."""
    block = Block(h, a, s, b)
    assert block.forward_flop == s * b * h * (24 * h + 4 * s)
    assert block.backward_input_flop == s * b * h * (24 * h + 8 * s)
    assert block.backward_weight_flop == 24 * s * b * h * h
    assert block.activation_bytes == s * b * (34 * h + 5 * a * s)
    assert block.kept_bytes == 32 * s * b * h
    assert block.backward_input_flop + block.backward_weight_flop == 2 * block.forward_flop


def test_layers_from_forward_times_agree_with_the_block() -> None:
    block = Block(hidden=1024, heads=16, seq_len=2048, batch=2)
    exact = block.layer(1e14)
    [found] = training_layers([exact.forward_s], attention_share=block.attention_share)
    assert found.backward_input_s == pytest.approx(exact.backward_input_s)
    assert found.backward_weight_s == pytest.approx(exact.backward_weight_s)
    [again] = training_layers([exact.forward_s], attention_share=block.attention_share, recompute=True)
    assert again.seconds == pytest.approx(exact.seconds + exact.forward_s)
    with pytest.raises(ScenarioError, match="attention_share"):
        training_layers([1.0], attention_share=2.0)
