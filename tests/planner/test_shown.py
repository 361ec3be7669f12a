"""What the planner's answers show in a notebook: well-formed tables with the figures of ``to_dict()``, and frames."""

from __future__ import annotations

from pathlib import Path

import pytest

import simulator
from simulator.planner.backtest.replay import Replayed
from simulator.planner.compare.figures import MAIN
from simulator.scenario import Scenario
from tests.html import Page, Table, figure

FOLDER = Path(__file__).resolve().parents[2] / "scenarios"
DIGITS = 6e-4
"""Four digits are shown."""
SHORT = ["run.duration=4s", "run.warmup=1s", "run.replications=2"]


def loaded(name: str, *sets: str, variant: str | None = None) -> Scenario:
    return simulator.load(FOLDER / f"{name}.yaml", sets=sets, variants=[variant] if variant else [])


def marked(table: Table) -> list[int]:
    """The places of the rows with an asterisk."""
    return [place for place, row in enumerate(table.rows) if row[0].startswith("* ")]


def test_saturation() -> None:
    found = simulator.saturate(loaded("mmc", *SHORT))
    told = found.to_dict()["services"]["queue"]
    table = Page(found._repr_html_()).tables[0]
    assert table.numbers("load factor") == [pytest.approx(told["load_factor"], rel=DIGITS)]
    low, high = told["ci95"]
    assert table.numbers("highest rate") == [pytest.approx(told["max_rate"], abs=high - low)]
    assert found.frame["max_rate"].tolist() == [told["max_rate"]]


def test_exit_modes() -> None:
    found = simulator.compare_exits(loaded("early-exit-e3", "run.duration=300ms", "run.warmup=50ms"))
    told = found.to_dict()
    page = Page(found._repr_html_())
    table = page.tables[0]
    for title, key in (("capacity", "capacity"), ("p99", "p99"), ("accuracy", "accuracy")):
        assert table.numbers(title) == pytest.approx([mode[key] for mode in told["modes"]], rel=DIGITS)
    assert marked(table) == [told["modes"].index(told["recommended"])]
    assert f"* {told['reason']}" in page.said
    assert found.frame["recommended"].sum() == 1
    assert found.frame["capacity"].tolist() == [mode["capacity"] for mode in told["modes"]]


def test_pipelines_side_by_side_and_searched() -> None:
    scenario = loaded("pipeline-1f1b")
    found = simulator.compare_pipelines(scenario, schedules=["1f1b", "gpipe"])
    told = found.to_dict()
    table = Page(found._repr_html_()).tables[0]
    assert table.numbers("iteration") == pytest.approx([row["iteration"] for row in told["rows"]], rel=DIGITS)
    assert table.numbers("memory") == pytest.approx([row["memory"] for row in told["rows"]], rel=DIGITS)
    assert marked(table) == [told["rows"].index(told["best"])]
    assert found.frame["bubble_fraction.makespan"].tolist() == [
        row["bubble_fraction"]["makespan"] for row in told["rows"]
    ]

    best = simulator.search_pipelines(scenario, schedules=["1f1b"], microbatches=[12, 24], memory_limit=12e9)
    told, page = best.to_dict(), Page(best._repr_html_())
    assert page.tables[0].numbers("iteration") == pytest.approx([row["iteration"] for row in told["front"]], rel=DIGITS)
    assert len(best.frame) == len(told["rows"])
    assert best.best is not None
    assert best.best.activations is not None
    assert best.best.activations <= 12e9


def test_groups() -> None:
    found = simulator.compare_groups(loaded("stream-70b-laptop"), groups=[1, 4, 16])
    told = found.to_dict()
    table = Page(found._repr_html_()).tables[0]
    for title, key in (("step", "step"), ("per sample", "per_sample"), ("memory", "memory"), ("loads", "layer_loads")):
        assert table.numbers(title) == pytest.approx([row[key] for row in told["rows"]], rel=DIGITS)
    assert marked(table) == [told["rows"].index(told["recommended"])]
    assert found.frame["group"].tolist() == [1, 4, 16]


def test_a_sweep() -> None:
    key = "services.queue.deployment.portions.0.replicas"
    found = simulator.sweep(loaded("mmc", *SHORT), {key: [2, 4], "services.queue.workload.scale": [0.5, 1]}, workers=1)
    table = Page(found._repr_html_()).tables[0]
    assert table.column("replicas") == [str(value) for value in found.frame[key]]
    shown, known = table.numbers("p99"), found.frame["p99"].tolist()
    spread = (found.frame["p99_hi"] - found.frame["p99_lo"]).tolist()
    assert all(a == pytest.approx(b, abs=c + DIGITS * b) for a, b, c in zip(shown, known, spread))
    assert table.column("holds") == ["yes" if holds else "no" for holds in found.frame["holds"]]


def test_a_comparison() -> None:
    found = simulator.compare(
        loaded("mmc", *SHORT), loaded("mmc", *SHORT, "services.queue.workload.scale=0.5"), workers=1
    )
    table = Page(found._repr_html_()).tables[0]
    figures = found.pairs[0].sections["services"]["queue"]
    assert [row[0] for row in table.rows] == [name for name, _ in MAIN if name in figures and figures[name].a]
    for name, first, second, *_ in table.rows:
        assert figure(first) == pytest.approx(figures[name].a, rel=DIGITS)
        assert figure(second) == pytest.approx(figures[name].b, rel=DIGITS)


def test_uncertainty_with_its_units() -> None:
    scenario = loaded("quantized-bert", "run.duration=300ms", "run.warmup=50ms", "run.replications=1")
    found = simulator.uncertainty(scenario, draws=10)
    table = Page(found._repr_html_()).tables[0]
    assert table.numbers("with costs as told") == pytest.approx(found.frame["told"].tolist(), rel=DIGITS)
    assert table.numbers("95 %") == pytest.approx(found.frame["high"].tolist(), rel=DIGITS)
    assert all(cell.endswith("s") for row in table.rows for cell in row[2:] if row[1].startswith("latency"))


def test_a_plan(tmp_path: Path) -> None:
    scenario = loaded("plan-fixed-cluster", "run.duration=500ms", "run.warmup=100ms", variant="steady")
    found = simulator.optimize(scenario, workers=1)
    told, page = found.to_dict(), Page(found._repr_html_())
    window = told["windows"][0]["services"]["sentiment"]
    table = page.tables[0]
    shown = " + ".join(f"{one['replicas']} v100" for one in window["resources"])
    assert table.column("replicas") == [shown]
    assert table.numbers("per hour") == [pytest.approx(window["cost_per_hour"], rel=DIGITS)]
    assert [row[0] for row in page.tables[1].rows] == [
        row["alternative"] for row in told["certificate"]["rejected"][: len(page.tables[1].rows)]
    ]
    assert found.frame["cost_per_hour"].tolist() == [window["cost_per_hour"]]
    assert found.plan is not None
    simulator.write_plan(found.plan, tmp_path / "plan.yaml")
    again = simulator.load(FOLDER / "plan-fixed-cluster.yaml", variants="steady", plan=tmp_path / "plan.yaml")
    assert not again.undeployed


def test_windows_that_are_alike_are_one_row() -> None:
    from simulator.planner.shown import optimized_html

    row = {
        **dict.fromkeys(("resources", "exit_mode", "execution", "splits", "batch", "max_wait", "precision"), "same"),
        "resources": [{"replicas": 2, "pool": "l4"}],
        "cost_per_hour": 1.5,
    }
    rates, slow = (3.0, 9.0, 5.0, 2.0), (0.1, 0.3, None, 0.2)
    windows = [
        {
            "start": 3600.0 * at,
            "end": 3600.0 * (at + 1),
            "services": {"s": {**row, "rate": r, "p99": p, "attainment": 1}},
        }
        for at, (r, p) in enumerate(zip(rates, slow))
    ]
    windows[3]["services"]["s"]["batch"] = "other"  # type: ignore[index]
    page = Page(
        optimized_html(
            {
                "scenario": "day",
                "objective": "cost",
                "holds": True,
                "cost": {"per_hour": 1.5},
                "horizon": 4 * 3600.0,
                "windows": windows,
                "certificate": {"value": 36.0, "gaps": {"search": 0.0, "any_plan": None}},
                "pareto": None,
                "notes": [],
            }
        )
    )
    assert page.tables[0].column("window") == ["00:00 - 03:00", "03:00 - 04:00"]
    assert page.tables[0].numbers("highest rate") == [9.0, 2.0]
    assert page.tables[0].numbers("p99") == [0.3, 0.2]
    assert page.said[1:] == ["equal to the best of everything that was searched"]


def test_a_backtest() -> None:
    def day(cost: float, share: float) -> Replayed:
        return Replayed(
            cost=cost,
            device_hours=2 * cost,
            attainment=share,
            p99_s=0.1,
            changes=3,
            requests=100,
            verified=True,
            reason=None,
        )

    found = simulator.PlanBacktest(
        scenario="day",
        service="s",
        series="load.csv",
        window_s=3600.0,
        quantile=0.95,
        target=0.99,
        starts_s=(0.0, 86400.0),
        days={"planned": (day(10.0, 1.0), day(12.0, 0.98)), "static": (day(20.0, 1.0), day(20.0, 1.0))},
    )
    table = Page(found._repr_html_()).tables[0]
    assert table.column("strategy") == ["planned", "static"]
    assert table.numbers("cost") == [22.0, 40.0]
    assert table.numbers("attainment") == pytest.approx([0.99, 1.0])
    assert table.numbers("days missed") == [1.0, 0.0]
    assert found.frame.groupby("strategy").cost.sum().to_dict() == {"planned": 22.0, "static": 40.0}
