"""What results show in a notebook: well-formed, escaped, figures as they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import simulator
from simulator.results.html import html_page
from simulator.results.shown import Block
from simulator.results.shown_table import MOST_ROWS, Column, block_of, frame_of
from tests.html import Page

SCENARIOS = Path(__file__).resolve().parents[2] / "scenarios"
ANY_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=40)


@given(st.lists(st.lists(ANY_TEXT, min_size=3, max_size=3), min_size=1, max_size=5), ANY_TEXT, ANY_TEXT)
def test_any_text_comes_back_as_it_was(rows: list[list[str]], title: str, said: str) -> None:
    page = Page(html_page(said, [Block(title, ["a", "b", "c"], rows)], [said]))
    assert page.said == [said, said]
    assert page.tables[0].caption == title
    assert page.tables[0].rows == rows


@given(st.lists(st.floats(1e-7, 1e5), min_size=1, max_size=20))
def test_figures_come_back_to_four_digits(values: list[float]) -> None:
    rows = [{"n": place, "tree": {"t": value}} for place, value in enumerate(values)]
    table = Page(html_page("", [block_of("", [Column("n", "n", "plain"), Column("t", "tree.t", "seconds")], rows)]))
    assert table.tables[0].numbers("t") == pytest.approx(values, rel=6e-4, abs=1e-15)


def test_columns_without_a_value_are_left_out_and_long_tables_are_cut() -> None:
    rows = [{"a": place, "b": None} for place in range(MOST_ROWS + 5)]
    block = block_of("", [Column("a", "a", "plain"), Column("b", "b", "share")], rows, chosen=rows[1])
    assert block.header == ["a"]
    assert [row[0] for row in block.rows[:3]] == ["0", "* 1", "2"]
    assert block.rows[-1] == ["... and 5 more"]
    assert len(block.rows) == MOST_ROWS + 1


def test_an_interval_stands_behind_its_figure() -> None:
    row = {"p99": 0.02, "p99_lo": 0.019, "p99_hi": 0.021}
    block = block_of("", [Column("p99", "p99", "seconds")], [row])
    assert block.rows == [["20.0 ms ± 1.0"]]


def test_a_frame_names_figures_by_their_way() -> None:
    frame = frame_of([{"group": 2, "latency": {"p99": 0.5}}, {"group": 4}])
    assert list(frame.columns) == ["group", "latency.p99"]
    assert np.isnan(frame["latency.p99"][1])


def test_a_simulation() -> None:
    result = simulator.simulate(simulator.load(SCENARIOS / "mmc.yaml", sets=["run.duration=5s", "run.warmup=1s"]))
    told = result.to_dict()["services"]["queue"]
    page = Page(result._repr_html_())
    figures = dict(page.tables[0].rows)
    assert page.tables[0].caption == "queue"
    assert figures["arrived"] == f"{told['arrived']:,}"
    assert Page(html_page("", [Block("", ["", "v"], [["p99", figures["latency, p99"]]])])).tables[0].numbers("v") == [
        pytest.approx(told["latency"]["p99"], rel=0.06)  # as many digits as its interval leaves
    ]


def test_an_evaluation_and_one_that_failed() -> None:
    short = ["run.duration=5s", "run.warmup=1s"]
    good = simulator.load(SCENARIOS / "mmc.yaml", sets=short)
    bad = simulator.load(SCENARIOS / "quickstart.yaml", sets=[*short, "services.chat.workload.trace=nowhere.csv"])
    fine, failed = simulator.evaluate([good, bad], workers=1)
    told = fine.metrics["services"]["queue"]
    table = Page(fine._repr_html_()).tables[0]
    assert dict(table.rows)["completed"] == f"{told['completed']:,}"
    assert failed.error is not None
    assert Page(failed._repr_html_()).said == [failed.error]


def test_a_forecast() -> None:
    series = [100.0 + 50.0 * np.sin(2 * np.pi * hour / 24) for hour in range(24 * 8)]
    found = simulator.forecast(series, interval="1h", horizon="6h", quantiles=[0.5, 0.95])
    table = Page(found._repr_html_()).tables[0]
    assert table.header == ["from", "q0.5", "q0.95"]
    assert table.numbers("q0.95") == pytest.approx(found.frame["q0.95"].tolist(), rel=6e-4)
    assert found.frame["t_s"].tolist() == found.times_s.tolist()
