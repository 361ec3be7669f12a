"""The search finds what trying everything finds, says how good it is, and keeps what it has when it is stopped."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import pytest

from simulator.cluster import loads, simulate
from simulator.planner.pipeline import build, search, settings, steady_s
from simulator.planner.pipeline.rows import Candidate, row_of, try_out
from simulator.planner.pipeline.space import candidates
from tests.planner.pipeline import cases
from tests.planner.pipeline.cases import case, of_model, written

SEARCH = sys.modules["simulator.planner.pipeline.search"]
"""The module: the package shows the function of that name."""


@pytest.mark.parametrize("limit", [None, 4e9, 8e9, 16e9])
def test_finds_the_best_of_all(limit: float | None) -> None:
    one = case(limit=limit)
    found = search(one)
    tried = [try_out(one, candidate) for candidate in candidates(one, None, None, None)]
    best = min((row.iteration_s for row in tried if row.fits and row.iteration_s), default=None)
    assert len(found.rows) == len(tried)
    assert (found.best.iteration_s if found.best else None) == best
    assert found.stopped is None
    if found.best is not None:
        assert found.gap is not None
        assert found.bound_s is not None
        assert found.best.iteration_s == pytest.approx(found.bound_s * (1 + found.gap))
        assert found.bound_s >= (found.ideal_s or 0.0) * (1 - 1e-9)


def test_the_front_trades_time_for_memory() -> None:
    found = search(case(of_model()))
    times = [row.iteration_s or 0.0 for row in found.front]
    held = [row.memory or 0.0 for row in found.front]
    assert times == sorted(times, reverse=True)
    assert held == sorted(held)
    assert found.best in found.front
    for row in found.rows:
        if row.fits and row.iteration_s and row.memory:
            assert any(t <= row.iteration_s * (1 + 1e-8) and m <= row.memory for t, m in zip(times, held))


def test_the_batch_stays() -> None:
    rows = [row for row in search(case(of_model())).rows if row.batch is not None]
    assert {row.candidate.microbatches for row in rows} == {1, 2, 4, 8, 16, 32}
    assert {row.batch * row.candidate.microbatches for row in rows if row.batch} == {32}
    assert {row.candidate.microbatches for row in search(case()).rows} == {8}
    asked = search(case(), ["1f1b"], microbatches=[4, 16])
    assert [row.candidate.microbatches for row in asked.rows] == [16, 4]
    assert any("proportional" in note for note in asked.notes)


def test_the_winner_is_confirmed_by_simulation() -> None:
    """The settings that the search prints, in the scenario: the same time to the last bit, the cut apart."""
    tree = of_model()
    one = case(tree)
    found = search(one)
    assert found.best is not None
    sets = [f"{key}={value}" for key, value in settings(one, found.best).items()]
    simulated = simulate(loads(json.dumps(tree), sets=[*sets, "trainings.t.iterations=2"])).to_dict()["trainings"]["t"]
    schedule, stages, _ = build(one, found.best.candidate._replace(bounds=None))
    took, measures = steady_s(schedule, stages.times, stages.ending)
    assert simulated["makespan"] == pytest.approx(measures.makespan_s, rel=1e-12)
    assert found.best.iteration_s is not None
    assert found.best.iteration_s <= took


def test_a_better_cut_is_found() -> None:
    """The search moves boundaries of the best one until no single move of a layer helps."""
    one = case(of_model())
    found = search(one, ["1f1b"], microbatches=[8])
    assert found.best is not None
    balanced = found.rows[0]
    assert found.best.iteration_s is not None
    assert balanced.iteration_s is not None
    assert found.best.iteration_s <= balanced.iteration_s
    from simulator.planner.pipeline.space import neighbours

    for bounds in neighbours(found.best.bounds or ()):
        moved = found.best.candidate._replace(bounds=bounds)
        row = row_of(one, moved, build(one, moved))
        assert not row.fits or (row.iteration_s or 0.0) >= found.best.iteration_s * (1 - 1e-9)


def test_what_does_not_fit_is_cut_anew() -> None:
    """The balanced cut gives the first stages of 1F1B more weights than their activations leave."""
    tree = of_model({"stages": 4, "microbatches": 8}, memory={"activation": "5GB"})
    device = tree["cluster"]["pools"]["g"]["device"]
    tree["cluster"]["pools"]["g"]["device"] = device | {"memory": "20.55GB"}
    found = search(case(tree), ["1f1b"], microbatches=[8])
    assert [row.status for row in found.rows[:2]] == ["too big", "fits"]
    assert found.best is not None
    sizes = [b - a for a, b in zip((found.best.bounds or ())[:-1], (found.best.bounds or ())[1:])]
    assert sizes[0] <= 5
    assert sum(sizes) == 24


def test_out_of_time_keeps_the_best_so_far() -> None:
    found = search(case(of_model()), time_limit_s=1e-6)
    assert (found.stopped, len(found.rows)) == ("time limit", 1)
    assert found.left > 50
    assert found.best is not None


def test_ctrl_c_keeps_the_best_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Candidate] = []

    def pressed(*given: Any) -> Any:
        calls.append(given[1])
        if len(calls) == 4:
            raise KeyboardInterrupt
        return try_out(*given)

    monkeypatch.setattr(SEARCH, "try_out", pressed)
    found = search(case())
    assert (found.stopped, len(found.rows)) == ("interrupted", 3)
    assert found.left == len(list(candidates(case(), None, None, None))) - 3
    assert found.best is not None


def test_a_candidate_that_fails_is_a_row() -> None:
    found = search(case(written({"stages": 5, "microbatches": 7})))
    assert {row.status for row in found.rows} >= {"fits", "refused"}
    assert found.best is not None
    nothing = search(case(), memory_limit=1e9)
    assert nothing.best is None
    assert nothing.gap is None
    assert nothing.shown is not None
    assert nothing.front == ()


def test_same_question_same_answer() -> None:
    one, other = search(case(of_model())), search(case(of_model()))
    assert one.to_dict() == other.to_dict()


def test_sixteen_stages_in_half_a_minute() -> None:
    """All schedules, 1 to 4 chunks, every number of microbatches up to 256, and the cuts of 96 layers."""
    one = cases.case(of_model({"stages": 16, "microbatches": 64}, layers=96))
    started = time.process_time()
    found = search(one)
    assert time.process_time() - started < 30.0
    assert found.stopped is None
    assert len({(row.candidate.schedule, row.candidate.chunks) for row in found.rows}) >= 20
    assert {row.candidate.microbatches for row in found.rows} == {1, 2, 4, 8, 16, 32, 64, 128, 256}
    assert found.gap is not None
