"""A sweep and a comparison as text, and the numbers behind the picture."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg

from simulator.cluster import load
from simulator.errors import ScenarioError
from simulator.planner.compare import Comparison, Difference, Pair
from simulator.planner.sweep import SweepResult, sweep
from simulator.planner.sweep.axes import axes_of
from simulator.planner.sweep.columns import short_names
from simulator.reporting.comparison import comparison_table
from simulator.reporting.sweep import sweep_table
from simulator.reporting.sweepcurves import Asked, parse_plot, positions, sweep_plot
from simulator.reporting.sweepplot import draw_sweep, sweep_figure
from tests.planner.sweep.case import BATCH, RATE, REPLICAS, base

SCENARIOS = Path(__file__).resolve().parents[2] / "scenarios"
THREE: Any = {RATE: ["50/s", "600/s", "200/s"], BATCH: [1, 4], REPLICAS: [1, 2]}


@pytest.fixture(scope="module")
def found() -> SweepResult:
    return sweep(base(), THREE, workers=1)


def test_the_table_has_a_line_for_each_point(found: SweepResult) -> None:
    lines = sweep_table(found, 200).splitlines()
    assert lines[0] == "case · 12 points · seed 3"
    header = lines[2].split()
    assert header[:4] == ["point", "rate", "batch", "replicas"]
    rows = [line.split() for line in lines[3:15]]
    assert [row[:4] for row in rows if "missed" not in row] == [
        [str(row["point"]), row[RATE], str(row[BATCH]), str(row[REPLICAS])] for row in found.rows if row["holds"]
    ]


def test_several_services_are_named_in_every_block() -> None:
    scenario = load(SCENARIOS / "precision-by-batch.yaml", sets=["run={duration: 0.5s, warmup: 0s}"])
    text = sweep_table(sweep(scenario, {"services.bulk.workload.rate": ["500/s", "900/s"]}, workers=1), 60)
    blocks = [block for block in text.split("\n\n") if block.lstrip().startswith("point, service")]
    assert len(blocks) > 1
    for block in blocks:
        labels = [line.split()[:2] for line in block.splitlines()[1:5]]
        assert labels == [["0", "interactive"], ["0", "bulk"], ["1", "interactive"], ["1", "bulk"]]


def test_a_long_table_is_cut(found: SweepResult) -> None:
    assert sweep_table(found, 200, 5).splitlines()[8] == "  ... and 7 more rows"


def test_many_warnings_are_cut() -> None:
    rates = [f"{rate}/s" for rate in range(3000, 3008)]
    found = sweep(base(0.2), {RATE: rates}, workers=1)
    assert len(found.warnings) == 8
    text = sweep_table(found, 300)
    assert text.count("can carry") == 5
    assert text.splitlines()[-1] == "warning: ... and 3 more warnings, see --json"


def test_constant_keys_stand_in_the_heading() -> None:
    text = sweep_table(sweep(base(), {BATCH: [2], "seed": [1, 2]}, workers=1), 100)
    assert text.splitlines()[0] == f"case · 2 points · {BATCH}=2"


def test_failures_are_told_once_with_their_points() -> None:
    text = sweep_table(sweep(base(), {BATCH: [0, 1], "seed": [1, 2, 3]}, workers=1), 200)
    assert "failed: 3 of 6 points" in text
    assert text.count("must be at least 1") == 1
    assert "  0, 1, 2: " in text


@given(st.lists(st.text("ab.", min_size=1, max_size=8).filter(lambda text: all(text.split("."))), unique=True))
def test_short_names_differ_and_end_their_keys(keys: list[str]) -> None:
    found = short_names(keys)
    assert len(set(found.values())) == len(keys)
    assert all(f".{key}".endswith(f".{short}") for key, short in found.items())


# -- the picture -------------------------------------------------------------------------------------------------------

AXES = axes_of(THREE)


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        ([], Asked(RATE, "p99", BATCH)),
        (["x=batch"], Asked(BATCH, "p99", RATE)),
        (["hue=rate"], Asked(BATCH, "p99", RATE)),
        (["x=workload.rate y=goodput", f"hue={REPLICAS}"], Asked(RATE, "goodput", REPLICAS)),
    ],
)
def test_what_is_drawn(words: list[str], asked: Asked) -> None:
    assert parse_plot(words, AXES) == asked


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["z=1"], "must be x=KEY y=FIGURE hue=KEY"),
        (["x"], "must be x=KEY"),
        (["x=rate", "x=batch"], "each once"),
        (["x=slo"], "'slo' is not swept: name one of"),
        (["x=rate hue=rate"], "x and hue are both"),
    ],
)
def test_what_cannot_be_drawn(words: list[str], said: str) -> None:
    with pytest.raises(ScenarioError, match=said):
        parse_plot(words, AXES)


def test_one_key_has_no_hue() -> None:
    assert parse_plot([], axes_of({"seed": [1, 2]})) == Asked("seed", "p99", None)


def test_lines_hold_the_figures_of_their_points(found: SweepResult) -> None:
    shown = sweep_plot(found, Asked(RATE, "p99", BATCH))
    lines = shown.panels["s"]
    assert [(line.label, line.hue, line.rest) for line in lines] == [
        ("1, 1", 0, 0),
        ("1, 2", 0, 1),
        ("4, 1", 1, 0),
        ("4, 2", 1, 1),
    ]
    assert shown.legend == "batch, replicas"
    for line, (batch, replicas) in zip(lines, [(1, 1), (1, 2), (4, 1), (4, 2)]):
        rows = [row for row in found.rows if (row[BATCH], row[REPLICAS]) == (batch, replicas)]
        rows.sort(key=lambda row: float(row[RATE][:-2]))
        assert line.x == (50.0, 200.0, 600.0)
        assert line.y == tuple(row["p99"] for row in rows)
        assert line.low == tuple(row["p99_lo"] for row in rows)
        assert line.high == tuple(row["p99_hi"] for row in rows)


def test_failed_points_are_left_out_of_their_line() -> None:
    partly = sweep(base(), {REPLICAS: [1, 2000, 2]}, workers=1)
    (line,) = sweep_plot(partly, Asked(REPLICAS, "p99", None)).panels["s"]
    assert line.x == (1.0, 2.0)


def test_a_figure_that_nobody_has(found: SweepResult) -> None:
    with pytest.raises(ScenarioError, match="no point has a figure 'p98', did you mean 'p99'"):
        sweep_plot(found, Asked(RATE, "p98", None))


@pytest.mark.parametrize(
    ("texts", "places", "numeric"),
    [
        (["1", "10"], [1.0, 10.0], True),
        (["250ms", "1s"], [0.25, 1.0], True),
        (["16KiB", "1MB"], [16384.0, 1e6], True),
        (["10%", "50%"], [0.1, 0.5], True),
        (["12GB/s", "8Gbps"], [12e9, 1e9], True),
        (["shared", "random"], [0.0, 1.0], False),
        (["1s", "1MB"], [0.0, 1.0], False),
        (["true", "false"], [0.0, 1.0], False),
    ],
)
def test_values_with_units_are_numbers_along(texts: list[str], places: list[float], numeric: bool) -> None:
    found, along = positions(axes_of({"k": texts})[0])
    assert (list(found.values()), along) == (places, numeric)


def test_the_same_sweep_gives_the_same_bytes(found: SweepResult, tmp_path: Path) -> None:
    asked = Asked(RATE, "p99", BATCH)
    for name in ("a.svg", "b.svg", "a.png", "b.png"):
        draw_sweep(found, asked, tmp_path / name)
    for kind in ("svg", "png"):
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()
    text = (tmp_path / "a.svg").read_text()
    ET.fromstring(text)
    assert "4 lines with 95 % intervals" in text


def test_every_line_is_in_the_legend_and_no_label_is_cut(found: SweepResult) -> None:
    """The texts of the finished figure lie within it and do not cover the panel."""
    many = sweep(base(0.05), {RATE: ["50/s", "100/s"], BATCH: range(1, 33)}, workers=1)
    for one, asked, count in ((found, Asked(RATE, "p99", BATCH), 4), (many, Asked(RATE, "attainment", BATCH), 32)):
        figure = sweep_figure(sweep_plot(one, asked), "a title")
        FigureCanvasAgg(figure).draw()
        legend = figure.legends[0]
        box, whole = legend.get_window_extent(), figure.bbox
        assert len(legend.get_texts()) == count
        assert whole.x0 <= box.x0 <= box.x1 <= whole.x1
        assert whole.y0 <= box.y0 <= box.y1 <= whole.y1
        assert box.x0 >= figure.axes[0].get_window_extent().x1
        for label in figure.axes[0].get_xticklabels():
            assert whole.x0 <= label.get_window_extent().x0
        ends = [label.get_window_extent() for label in figure.axes[0].get_xticklabels()]
        ends.sort(key=lambda extent: extent.x0)
        assert all(left.x1 <= right.x0 for left, right in zip(ends, ends[1:]))  # noqa: RUF007


# -- a comparison ------------------------------------------------------------------------------------------------------


def test_a_comparison_as_text() -> None:
    figures = {
        "attainment": Difference(0.9, 0.95, 0.05, 0.04, 0.06, 3),
        "p99": Difference(0.2, 0.1, -0.1, -0.25, 0.05, 3),
        "dropped": Difference(0.0, 0.0, 0.0, 0.0, 0.0, 3),
        "cost_per_hour": Difference(4.0, 4.0, 0.0, 0.0, 0.0, 3),
        "p999": Difference(0.3, None, None),
    }
    sides = tuple(
        {"name": name, "kind": "scenario", "scenario": "case", "seed": 1, "replications": 3} for name in ("a.y", "b.y")
    )
    sections = {"services": {"s": figures}, "trainings": {}, "streams": {}}
    found = Comparison(sides, (Pair("a.y", "b.y", True, 3, 3, sections, ("services.t",)),), ("be told",))
    lines = comparison_table(found, 100).splitlines()
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in lines if line.startswith("  ")}
    assert rows["attainment"] == "90.00 % 95.00 % +5.00 pts ± 1.00 * +5.56 %"
    assert rows["p99"] == "200.0 ms 100.0 ms -100 ms ± 150 -50.0 %"
    assert rows["cost_per_hour"] == "4.000 4.000 0 0 %"
    assert "dropped" not in rows
    assert "s, B against A, paired over 3 replications" in lines
    assert "only in one of A and B: services.t" in lines
    assert lines[-1] == "note: be told"
    assert "p999" in comparison_table(found, 100, ["p999"])
