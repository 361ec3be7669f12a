"""The measured case: every reference row, the figures of 16 V100, and when not to split."""

from __future__ import annotations

from dataclasses import replace

import pytest

from simulator.planner.split import (
    ModePlan,
    Recommendation,
    best_at_cuts,
    best_whole,
    compare_at_rate,
    fractional_at_cuts,
    recommend,
)
from tests.planner.split import reference
from tests.planner.split.reference import problem

pytestmark = pytest.mark.skipif(not reference.PRESENT, reason="the measured exit and latency tables are not here")
EVERY_RAMP = tuple(range(1, 12))
TOLERANCE = 1e-3


def numbers(text: object) -> tuple[int, ...]:
    return tuple(int(part) for part in str(text).split("-"))


@pytest.mark.parametrize("row", range(26))
def test_reference_row(row: int) -> None:
    """Vanilla, naive (ramps after layers 1 to 11), fractional and integer split: capacity, cuts, replicas, accuracy."""
    expected = reference.rows().iloc[row]
    batch = int(expected["batch"])
    case = problem(str(expected["precision"]), float(expected["threshold"]), batch)
    vanilla, naive = best_whole(case, "none", batch), best_whole(case, "compact", batch, ramps=EVERY_RAMP)
    split = best_at_cuts(case, batch)
    assert vanilla is not None
    assert naive is not None
    assert split is not None
    fractional, cuts = fractional_at_cuts(case, batch)
    assert vanilla.capacity == pytest.approx(expected["vanilla_per_s"], rel=TOLERANCE)
    assert naive.capacity == pytest.approx(expected["naive_per_s"], rel=TOLERANCE)
    assert fractional == pytest.approx(expected["split_fractional_per_s"], rel=TOLERANCE)
    assert split.capacity == pytest.approx(expected["split_int16_per_s"], rel=TOLERANCE)
    assert cuts == numbers(expected["cuts_fractional"])
    assert split.cuts == numbers(expected["cuts_int16"])
    assert split.replicas == numbers(expected["replicas_int16"])
    assert split.fractional == fractional
    assert split.exact
    assert split.service_s * 1e3 == pytest.approx(expected["service_ms"], rel=TOLERANCE)
    accuracies = vanilla.accuracy, naive.accuracy, split.accuracy
    assert accuracies == pytest.approx(tuple(expected[["acc_full", "acc_naive", "acc_split"]]), abs=6e-5)


def test_there_are_26_rows() -> None:
    assert len(reference.rows()) == 26


def plan(answer: Recommendation, name: str) -> ModePlan:
    found = answer.mode(name)
    assert found is not None
    return found


def test_split_at_batch_8() -> None:
    case = problem("fp16", 0.8, 64)
    answer = recommend(case, 8)
    chosen = answer.recommended
    naive = best_whole(case, "compact", 8, ramps=EVERY_RAMP)
    assert naive is not None
    assert (chosen.exit_mode, chosen.execution) == ("at_cut", "parallel")
    assert (chosen.cuts, chosen.replicas) == ((2, 4, 7), (6, 4, 3, 3))
    assert chosen.capacity / plan(answer, "none").capacity == pytest.approx(1.89, abs=0.005)
    assert chosen.capacity / naive.capacity == pytest.approx(1.43, abs=0.005)
    assert chosen.accuracy == pytest.approx(0.8842, abs=5e-5)
    best = plan(answer, "compact")
    assert best.capacity > naive.capacity
    assert best.accuracy == pytest.approx(0.8796, abs=5e-5)
    assert "split after layers 2, 4, 7: 29,113/s, 1.89x none and 1.37x compact" in answer.reason
    assert "splitting wins at batch sizes 2 to 51" in answer.reason


@pytest.mark.parametrize(
    ("precision", "batch", "interval", "why"),
    [("fp16", 1, (2, 51), "empties early"), ("fp32", 32, (2, 13), "shrinking it is free")],
)
def test_do_not_split(precision: str, batch: int, interval: tuple[int, int], why: str) -> None:
    """Below the interval batches empty early, above it shrinking is free; both ends are printed."""
    answer = recommend(problem(precision, 0.8, 64), batch)
    assert answer.recommended.exit_mode == "compact"
    assert answer.intervals == (interval,)
    for text in ("do not split", why, f"batch sizes {interval[0]} to {interval[1]}"):
        assert text in answer.reason
    assert answer.recommended.capacity > plan(answer, "at_cut (parallel)").capacity


@pytest.mark.parametrize(("precision", "batch", "wins"), [("fp16", 2, True), ("fp16", 51, True), ("fp16", 52, False)])
def test_ends_of_the_interval(precision: str, batch: int, wins: bool) -> None:
    case = problem(precision, 0.8, 64)
    split, compact = best_at_cuts(case, batch), best_whole(case, "compact", batch)
    assert split is not None
    assert compact is not None
    assert (split.capacity > compact.capacity) == wins


def test_exits_that_nobody_takes() -> None:
    """Where hardly anybody leaves early the whole model is best, and the reason says so."""
    answer = recommend(problem("fp16", 0.999, 8), 8)
    assert answer.recommended.exit_mode == "none"
    assert "too few requests leave early" in answer.reason
    assert "splitting wins at no batch size up to 8" in answer.reason


def test_devices_for_a_rate() -> None:
    """20,000/s at batch 8: 21 whole, 16 compact, 12 split (the split of the note, 3-5 on 6-2-4, is one of them)."""
    case = problem("fp16", 0.8, 8, count=40)
    plans = {found.name: found for found in compare_at_rate(case, 8, 20_000.0)}
    devices = {name: found.device_count for name, found in plans.items()}
    assert (devices["none"], devices["compact"], devices["at_cut (parallel)"]) == (21, 16, 12)
    fixed = {found.name: found for found in compare_at_rate(case, 8, 20_000.0, ramps=EVERY_RAMP)}
    assert fixed["compact"].device_count == 16
    note = best_at_cuts(problem("fp16", 0.8, 8, count=12, max_cuts=2), 8)
    assert note is not None
    assert (note.cuts, note.replicas) == ((3, 5), (6, 2, 4))
    assert plans["at_cut (parallel)"].capacity >= note.capacity >= 20_000
    assert best_at_cuts(problem("fp16", 0.8, 8, count=11), 8).capacity < 20_000  # type: ignore[union-attr] # there is one


def test_best_batch_for_every_mode() -> None:
    """Without a batch each mode takes its own best one; a bound on the service time makes it smaller."""
    case = problem("fp16", 0.8, 64)
    free = recommend(case)
    assert {found.batch for found in free.modes} == {64}
    tight = recommend(replace(case, limits=replace(case.limits, service_s=0.009)))
    assert all(found.service_s <= 0.009 for found in tight.modes)
    assert plan(tight, "none").batch == 9
    assert plan(tight, "at_cut (parallel)").batch < 9


def test_accuracy_floor() -> None:
    """Only cut sets that keep the accuracy: it differs by set, because confidence is not monotone in depth."""
    case = problem("fp16", 0.8, 8)
    floor = replace(case, limits=replace(case.limits, accuracy=0.885))
    free, kept = recommend(case, 8), recommend(floor, 8)
    assert all(found.accuracy >= 0.885 for found in kept.modes)
    assert plan(kept, "at_cut (parallel)").capacity < plan(free, "at_cut (parallel)").capacity
    assert all(found.accuracy >= 0.8795 for found in free.modes)
