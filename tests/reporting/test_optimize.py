"""Plans as text and as a picture: equal neighbours are one row, and every figure is the one that was given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulator.reporting.optimize import optimized_csv, optimized_table, span
from simulator.reporting.optimizeplot import draw_pareto, front_of

Json = dict[str, Any]


def row(replicas: int = 2, rate: float = 10.0, **more: Any) -> Json:
    resources = [{"layers": "1-4", "pool": "a", "replicas": replicas, "devices": replicas}]
    return {
        "rate": rate, "exit_mode": "none", "execution": "parallel", "splits": [], "batch": [4], "max_wait": 0.0,
        "precision": "fp16", "rule": None, "ramps": None, "resources": resources, "survival": [], "p99": 0.02,
        "attainment": 0.995, "goodput": 9.9, "accuracy": 0.9, "cost_per_hour": 1.5 * replicas, **more,
    }  # fmt: skip


def figures(rows: list[Json], length: float = 3600.0, **more: Any) -> Json:
    windows = [
        {"start": length * number, "end": length * (number + 1), "services": {"s": one}}
        for number, one in enumerate(rows)
    ]
    return {
        "scenario": "day", "objective": "cost", "holds": True, "reason": None, "horizon": length * len(rows),
        "cost": {"total": 30.0, "per_hour": 10.0, "switching": 0.5}, "windows": windows, "verification": None,
        "pareto": None, "notes": [],
        "certificate": {
            "value": 30.0, "bounds": {"any_plan": 24.0, "search": 30.0, "program": 30.0},
            "gaps": {"any_plan": 0.25, "search": 0.0, "program": 0.0}, "rejected": [], "binding": [],
        },
        **more,
    }  # fmt: skip


def lines(tree: Json, width: int = 120) -> list[str]:
    return optimized_table(tree, width).splitlines()


def test_equal_neighbours_are_one_row_with_the_worst_of_their_figures() -> None:
    tree = figures([row(rate=10.0), row(rate=20.0, p99=0.03, attainment=0.991), row(3, rate=30.0), row(rate=5.0)])
    table = [line.split() for line in lines(tree) if line.startswith("0")]
    assert [line[0] for line in table] == ["00:00-02:00", "02:00-03:00", "03:00-04:00"]
    assert table[0][2] == "10.00-20.00"
    assert "30.00" in table[0]
    assert "99.10" in table[0]
    assert [line[-1] for line in table] == ["3.000", "4.500", "3.000"]


def test_what_is_proved_and_what_is_not() -> None:
    text = "\n".join(lines(figures([row()] * 3)))
    assert "proved: the cheapest of what was searched" in text
    assert "at most 25.00 % above the cheapest of any plan, which costs 8.000 per hour or more" in text
    assert "30.00 in all, 0.500 of it for changes" in text
    missed = "\n".join(lines(figures([row()] * 3, holds=False, reason="late")))
    assert "proved" not in missed


def test_the_most_is_told_the_other_way_round() -> None:
    tree = figures([row()] * 3, objective="goodput")
    tree["certificate"] |= {"value": 100.0, "bounds": {"search": 110.0}, "gaps": {"search": 0.1}}
    text = "\n".join(lines(tree))
    assert "goodput 100.0 /s" in text
    assert "the most of what was searched is at most 110.0 /s, 10.00 % more" in text


def test_no_plan() -> None:
    tree = figures([row()], cost=None, windows=[], holds=False, reason="nothing fits")
    tree["certificate"] = {"gaps": {}, "bounds": {}, "rejected": []}
    text = optimized_table(tree, 60)
    assert text.splitlines()[0] == "day: no plan"
    assert "no plan passes: nothing fits" in text


def test_many_rejected_are_counted() -> None:
    tree = figures([row()])
    lost = {"service": "s", "alternative": "compact", "reason": "dearer", "price": 2.0}
    tree["certificate"]["rejected"] = [lost] * 9
    text = optimized_table(tree)
    assert text.count("compact, 2.000 per hour: dearer") == 6
    assert "and 3 more; --json has them all" in text


def test_csv_has_a_row_for_every_window() -> None:
    head, *rest = optimized_csv(figures([row(), row(3)])).splitlines()
    assert head.startswith("start,end,service,rate")
    assert [line.split(",")[0] for line in rest] == ["0.0", "3600.0"]
    assert "1-4:a:3" in rest[1]


@pytest.mark.parametrize(
    ("start", "end", "horizon", "says"),
    [
        (0.0, 86400.0, 86400.0, "00:00-24:00"),
        (600.0, 1200.0, 7200.0, "00:10-00:20"),
        (0.0, 0.5, 10.0, "0-0.5 s"),
        (90.0, 180.0, 7200.0, "90-180 s"),
    ],
)
def test_spans(start: float, end: float, horizon: float, says: str) -> None:
    assert span(start, end, horizon) == says


def traded(cost: float, p99: float, accuracy: float | None, mode: str, chosen: bool = False) -> Json:
    return {
        "service": "s", "mode": mode, "deployment": "1-4: 2 x a, batch 4", "cost_per_hour": cost, "p99": p99,
        "accuracy": accuracy, "attainment": 1.0, "holds": True, "chosen": chosen,
    }  # fmt: skip


def test_front_and_its_picture(tmp_path: Path) -> None:
    rows = [traded(1.0, 0.2, 0.9, "compact"), traded(2.0, 0.1, None, "at_cut", chosen=True)]
    tree = figures([row()], pareto=rows)
    front = front_of(tree)
    assert front.cost_per_hour.tolist() == [1.0, 2.0]
    assert front.latency_s.tolist() == [0.2, 0.1]
    assert np.isnan(front.accuracy).tolist() == [False, True]
    assert front.chosen.tolist() == [False, True]
    assert "* at_cut, 1-4: 2 x a, batch 4" in optimized_table(tree, 160)
    for name in ("front.svg", "front.png"):
        draw_pareto(tree, tmp_path / name)
        draw_pareto(tree, tmp_path / f"again-{name}")
        assert (tmp_path / name).read_bytes() == (tmp_path / f"again-{name}").read_bytes()
