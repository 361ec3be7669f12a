"""The law of training iterations: limits that are known exactly, monotony, writing and reading back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.costs.base.registry import law_from_parameters
from simulator.costs.pipeline.block import Block
from simulator.costs.pipeline.iteration import IterationLaw
from simulator.costs.pipeline.setups import Setups, setups
from simulator.errors import ScenarioError

ONE: dict[str, Any] = {"microbatches": 4, "micro_batch": 2, "hidden": 1024, "heads": 16, "layers": 24, "seq_len": 512}
FULL = IterationLaw(
    flops_per_s=1e14,
    width_half=100.0,
    tokens_half=50.0,
    element_s=1e-11,
    split_element_s=1e-11,
    score_s=1e-11,
    reduce_s=1e-11,
    reduce_latency_s=1e-5,
    launch_s=1e-4,
    rank_launch_s=1e-5,
    sharpness=3.0,
    loss_s=1e-11,
    microbatch_s=1e-4,
    hop_s=1e-11,
    far_hop_s=1e-10,
    hop_latency_s=1e-5,
    optimizer_s=1e-11,
    gradient_s=1e-11,
    far_gradient_s=1e-10,
    iteration_s=1e-3,
    straggle=0.01,
    shapes=((1024.0, 16.0, 512.0, 2.0, 1.0, 0.3),),
    layouts=((1.0, 1.0, 4.0, -0.2),),
)


def at(law: IterationLaw, **changed: float) -> float:
    return float(law.seconds(ONE | changed).item())


def test_products_alone_are_the_flop_of_the_blocks_and_of_the_head() -> None:
    block = Block(hidden=1024, heads=16, seq_len=512, batch=2)
    once = block.forward_flop + block.backward_input_flop + block.backward_weight_flop
    head = 6 * 2 * 512 * 1024 * 51200
    assert at(IterationLaw(1e12), recomputed=0, scores_recomputed=0) == pytest.approx(4 * (24 * once + head) / 1e12)
    assert at(IterationLaw(1e12)) == pytest.approx(4 * (24 * (once + block.forward_flop) + head) / 1e12)


def test_launches_alone_follow_the_schedule() -> None:
    """``(m + p - 1)`` stage times, and the ramp of v chunks is 1/v as long."""
    law = IterationLaw(flops_per_s=1e30, launch_s=1e-3)
    for p, v in ((1, 1), (4, 1), (4, 2), (8, 3)):
        expected = 24 / p * 4e-3 * (4 + (p - 1) / v)
        assert at(law, pp=p, chunks=v) == pytest.approx(expected)


def test_transfers_of_1f1b() -> None:
    """``2 c [(p - 1) + (m - 1) - ceil((m - 1) / p)]``."""
    law = IterationLaw(flops_per_s=1e30, hop_latency_s=1.0)
    assert at(law, pp=4, microbatches=8) == pytest.approx(2 * (3 + 7 - 2))
    assert at(law, pp=1, microbatches=8) == pytest.approx(0.0)


def test_gradients_cross_nodes_when_a_group_is_larger_than_one() -> None:
    near, far = IterationLaw(1e30, gradient_s=1e-9), IterationLaw(1e30, far_gradient_s=1e-9)
    own = 12 * 1024**2 * 24 + 51200 * 1024
    assert at(near, dp=8) == pytest.approx(2 * own * 7 / 8 * 1e-9)
    assert at(far, dp=8) < 1e-9 < at(far, dp=16)


def test_transfers_within_a_node_and_beyond() -> None:
    near, far = IterationLaw(1e30, hop_s=1e-9), IterationLaw(1e30, far_hop_s=1e-9)
    assert at(far, pp=4, dp=2) < 1e-9 < at(near, pp=4, dp=2)
    assert at(near, pp=4, dp=8) < 1e-9 < at(far, pp=4, dp=8)


def test_half_the_rate_is_reached_at_the_half_width() -> None:
    wide = IterationLaw(1e12, width_half=1024.0)
    narrow = {"vocabulary": 1}  # hardly a head: its products are taken as wide
    assert at(wide, **narrow) == pytest.approx(2 * at(IterationLaw(1e12), **narrow), rel=1e-3)


def test_factors_apply_to_their_shape_and_layout_only() -> None:
    bare = IterationLaw(1e12)
    shaped = IterationLaw(1e12, shapes=((1024, 16, 512, 2, 1, np.log(2.0)),))
    laid = IterationLaw(1e12, layouts=((1, 1, 2, np.log(2.0)),))
    assert at(shaped) > at(bare)
    assert at(shaped, micro_batch=1) == at(bare, micro_batch=1)
    assert at(laid, pp=2) == pytest.approx(2 * at(bare, pp=2))
    assert at(laid) == at(bare)


@given(
    name=st.sampled_from(["microbatches", "micro_batch", "hidden", "layers", "seq_len"]),
    factor=st.integers(2, 4),
    pp=st.sampled_from([1, 2, 4]),
    tp=st.sampled_from([1, 2, 8]),
)
def test_more_work_never_takes_less_time(name: str, factor: int, pp: int, tp: int) -> None:
    law = replace(FULL, shapes=(), layouts=())
    assert at(law, pp=pp, tp=tp, **{name: ONE[name] * factor}) > at(law, pp=pp, tp=tp)


@given(factor=st.floats(1e-3, 1e3), pp=st.sampled_from([1, 4]), dp=st.sampled_from([1, 16]))
def test_scaled(factor: float, pp: int, dp: int) -> None:
    assert at(FULL.scaled(factor), pp=pp, dp=dp) == pytest.approx(factor * at(FULL, pp=pp, dp=dp), rel=1e-12)


def test_parameters_are_read_back() -> None:
    assert law_from_parameters("pipeline-iteration", FULL.parameters()) == FULL
    assert set(IterationLaw(1e12).parameters()) == {"flops_per_s", "sharpness"}


@pytest.mark.parametrize(
    "wrong",
    [{"flops_per_s": 0.0}, {"launch_s": -1.0}, {"sharpness": 0.5}, {"loss_s": float("nan")}, {"shapes": [[1.0, 2.0]]}],
)
def test_bad_parameters_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ScenarioError):
        IterationLaw(**({"flops_per_s": 1e12} | wrong))


def test_columns() -> None:
    both = setups(ONE | {"dp": [1, 2]})
    assert len(both) == 2
    assert setups(both) is both
    ready = {k: v for k, v in ONE.items() if k != "microbatches"} | {"global_batch": 20, "dp": 2}
    assert setups(ready).microbatches.tolist() == [5.0]
    assert isinstance(both.where(np.array([1])), Setups)
    with pytest.raises(ScenarioError, match="need hidden"):
        setups({"microbatches": 1, "micro_batch": 1, "layers": 1, "seq_len": 1})
    with pytest.raises(ScenarioError, match="at least 1"):
        setups(ONE | {"tp": 0})
