"""How fast pipelines are evaluated, asked for their idle windows, and searched."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.costs.pipeline import back_to_back, evaluate, idle_windows, make, memory_of, times_of
from simulator.planner.pipeline import search
from tests.planner.pipeline.cases import case, of_model

ROUNDS = 3


def timed(benchmark: Any, what: str, run: Any, rounds: int = ROUNDS) -> Any:
    benchmark.extra_info["what"] = what
    return benchmark.pedantic(run, rounds=rounds, iterations=1, warmup_rounds=1)


def test_make_and_evaluate(benchmark: Any) -> None:
    """49,152 passes, the schedule made and wired anew every time."""
    times = times_of(64, 1.0, 1.0, 1.0, 0.05)
    line = timed(
        benchmark,
        "32 stages, 256 microbatches, 2 chunks",
        lambda: evaluate(make("interleaved-1f1b", 32, 256, 2), times),
    )
    assert line.finish.max() > 256 * 6.0


def test_idle_window_query(benchmark: Any) -> None:
    """The first window that takes a piece, on every stage of the same pipeline, over three iterations."""
    times = times_of(64, 1.0, 1.0, 1.0, 0.05)
    windows = idle_windows(back_to_back(make("interleaved-1f1b", 32, 256, 2), times, 3))
    end = float(windows.end_s.max())
    benchmark.extra_info["what"] = "32 queries"
    found = benchmark(lambda: [windows.first_fit(rank, 2.5, since_s=end / 2) for rank in range(32)])
    assert any(window is not None for window in found)


@pytest.mark.parametrize("name", ["zb-1p", "zb-2p"])
def test_own_schedule(benchmark: Any, name: str) -> None:
    times, memory = times_of(8, 29.7, 29.4, 19.9, 0.5), memory_of(8, 1.0, 0.43)
    what = f"{name}, 8 stages, 24 microbatches"
    schedule = timed(benchmark, what, lambda: make(name, 8, 24, times=times, memory=memory))
    assert schedule.ranks == 8


def test_search_of_sixteen_stages(benchmark: Any) -> None:
    """All schedules, 1 to 4 chunks, all nine numbers of microbatches of 96 layers."""
    asked = case(of_model({"stages": 16, "microbatches": 64}, layers=96))
    found = timed(benchmark, "everything on 16 stages", lambda: search(asked), rounds=1)
    assert found.best is not None
