"""BERT-base with the measured exits of SST-2 on 16 V100: what to recommend, and the figures behind it."""

from __future__ import annotations

import json

import pytest

from simulator.planner.exits import ExitComparison, ModeFigures, compare_exits
from tests.planner.exits.cases import MEASURED, MODES, swapped

pytestmark = pytest.mark.skipif(not MEASURED.is_file(), reason="the measured exit table is not here")


def mode(answer: ExitComparison, name: str) -> ModeFigures:
    found = answer.mode(name)
    assert found is not None
    return found


def test_split_at_batch_8() -> None:
    answer = compare_exits(swapped(8))
    chosen, naive = answer.recommended.plan, answer.every_ramp
    assert naive is not None
    assert (chosen.exit_mode, chosen.execution) == ("at_cut", "parallel")
    assert (chosen.cuts, chosen.replicas) == ((2, 4, 7), (6, 4, 3, 3))
    assert naive.ramps == tuple(range(1, 12))
    assert chosen.capacity / mode(answer, "none").plan.capacity == pytest.approx(1.89, abs=0.005)
    assert chosen.capacity / naive.capacity == pytest.approx(1.43, abs=0.005)
    assert chosen.capacity == pytest.approx(29113, rel=1e-3)
    assert mode(answer, "compact").plan.capacity > naive.capacity  # at its own best set of ramps
    assert chosen.accuracy == pytest.approx(0.8842, abs=5e-5)
    assert mode(answer, "compact").plan.accuracy == pytest.approx(0.8796, abs=5e-5)
    assert mode(answer, "none").plan.accuracy == pytest.approx(0.9025, abs=5e-5)
    assert "splitting wins at batch sizes 2 to 51" in answer.reason
    assert answer.intervals == ((2, 51),)


@pytest.mark.parametrize(("batch", "precision", "ends"), [(1, "fp16", (2, 51)), (32, "fp32", (2, 13))])
def test_when_not_to_split(batch: int, precision: str, ends: tuple[int, int]) -> None:
    """Below the interval batches empty early, above it shrinking them is free: both ends are said."""
    answer = compare_exits(swapped(batch, precision))
    assert answer.recommended.plan.exit_mode == "compact"
    assert answer.recommended.plan.capacity > mode(answer, "at_cut (parallel)").plan.capacity
    assert answer.intervals == (ends,)
    assert f"batch sizes {ends[0]} to {ends[1]}" in answer.reason


def test_json() -> None:
    tree = json.loads(json.dumps(compare_exits(swapped(8)).to_dict()))
    asked = {"exit_mode", "execution", "cuts", "replicas", "batch", "capacity", "goodput", "p99", "accuracy"}
    assert all({*asked, "cost_per_million"} <= set(found) for found in tree["modes"])
    assert tree["recommended"] in tree["modes"]
    assert len(tree["modes"]) == len(MODES)
    assert isinstance(tree["reason"], str)
    assert any("872 rows" in note for note in tree["notes"])


def test_the_simulation_turns_away_what_is_too_much() -> None:
    """At 32,000/s with room for 1,000 waiting, goodput is the capacity where that is less than the load."""
    answer = compare_exits(swapped(8))
    for name in ("none", "compact", "answer_early"):
        found = mode(answer, name)
        assert found.load is not None
        assert found.load > 1
        assert found.goodput == pytest.approx(found.plan.capacity, rel=0.02)
