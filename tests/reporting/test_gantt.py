"""Bars, charts and plots of pipelines: they show what the timeline says, and the same bytes every time."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.costs.pipeline import (
    SCHEDULES,
    Ending,
    Timeline,
    back_to_back,
    evaluate,
    make,
    measure,
    memory_of,
    peaks,
    rank_times,
    refusal,
)
from simulator.reporting.gantt import IDLE, KINDS, LETTERS, Bars, bars, draw_gantt, gantt_figure, gantt_text
from simulator.reporting.memoryplot import draw_memory, memory_curves, memory_figure
from simulator.reporting.pipelinetrace import write_pipeline_trace

ALL = list(SCHEDULES)


def line(name: str = "1f1b", ranks: int = 4, microbatches: int = 8, *, ending: float = 0.5) -> Timeline:
    schedule = make(name, ranks, microbatches)
    backward = (0.0, 0.0) if name == "inference" else (1.2, 0.7)
    return evaluate(schedule, rank_times(schedule, 1.0, *backward, 0.1), ending=Ending(ending, ending / 2))


def by_rank(found: Bars) -> list[list[tuple[float, float, int]]]:
    rows = list(zip(found.rank.tolist(), found.start_s.tolist(), found.length_s.tolist(), found.kind.tolist()))
    return [[(start, length, kind) for rank, start, length, kind in rows if rank == one] for one in range(found.ranks)]


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=8)
@given(data=st.data())
def test_bars_are_the_timeline(name: str, data: st.DataObject) -> None:
    """Those of a rank never overlap; together they are as long as it is busy, all-reduce and optimizer included."""
    ranks, rounds = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 3))
    if refusal(name, ranks, ranks * rounds) is not None:
        ranks, rounds = 4, 2
    one = line(name, ranks, ranks * rounds, ending=data.draw(st.sampled_from([0.0, 0.5])))
    found = bars(one)
    busy = measure(one).busy_s + (one.reduced - one.compute_end) + (one.finish - one.step)
    for rank, row in enumerate(by_rank(found)):
        assert all(length > 0.0 for _, length, _ in row)
        assert all(start + length <= later[0] + 1e-9 for (start, length, _), later in pairwise(row))
        assert sum(length for _, length, _ in row) == pytest.approx(busy[rank])
    assert found.end_s == pytest.approx(float(one.finish.max()))
    assert ((found.microbatch < 0) == (found.kind >= KINDS.index("all-reduce"))).all()


def test_several_iterations_follow_one_another() -> None:
    schedule = make("1f1b", 4, 8)
    lines = back_to_back(schedule, rank_times(schedule, 1.0, 1.0, 1.0), 3)
    assert len(bars(lines).rank) == 3 * len(bars(lines[0]).rank)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("width", [20, 40, 80, 160])
def test_the_text_fits_and_shows_every_rank(name: str, width: int) -> None:
    found = bars(line(name))
    rows = gantt_text(found, width).splitlines()
    assert all(len(row) <= width for row in rows if "forward + backward" not in row)
    assert [row.split()[0] for row in rows[:4]] == ["0", "1", "2", "3"]
    assert {len(row) for row in rows[:4]} == {width}
    assert set("".join(row.split()[1] for row in rows[:4])) <= {*LETTERS, IDLE}


def test_every_column_is_its_instant() -> None:
    """GPipe of 2 stages and 2 microbatches, F = B + W = 1: one column for each unit."""
    schedule = make("gpipe", 2, 2)
    text = gantt_text(bars(evaluate(schedule, rank_times(schedule, 1.0, 0.5, 0.5))), 14)
    assert text.splitlines()[:2] == ["0 FFFF....BBBB", "1 ..FFFFBBBB.."]


def test_text_has_many_ranks_and_says_what_letters_mean() -> None:
    rows = gantt_text(bars(line("zb-h1", 16, 64)), 80).splitlines()
    assert rows[15].startswith("15 .")
    assert rows[9].startswith(" 9 .")
    assert rows[17] == "F forward   b backward, input   w backward, weight   r all-reduce   o optimizer"
    assert rows[18] == ". idle"
    assert rows[16].endswith("s")


@pytest.mark.parametrize("kind", ["svg", "png", "txt"])
def test_same_bytes_twice(kind: str, tmp_path: Path) -> None:
    one, other = (tmp_path / f"{name}.{kind}" for name in "ab")
    for path in (one, other):
        draw_gantt(bars(line("zb-v")), path, "a title")
    assert one.read_bytes() == other.read_bytes()
    if kind == "svg":
        text = one.read_text(encoding="utf-8")
        assert "<dc:date>" not in text
        assert "One row per stage, 4 of them" in text
    if kind != "txt":
        for path in (one, other):
            draw_memory(memory_curves(line(), None), path, "a title")
        assert one.read_bytes() == other.read_bytes()


def test_the_picture_has_units_rows_and_a_key() -> None:
    figure = gantt_figure(bars(line("dualpipe", 8, 16)), "dualpipe")
    (axes,) = figure.axes
    assert axes.get_xlabel() == "time [s]"
    assert axes.get_ylabel() == "stage (device)"
    assert [text.get_text() for text in axes.get_yticklabels()] == [str(rank) for rank in range(8)]
    said = [text.get_text() for text in figure.legends[0].get_texts()]
    assert {"forward", "backward", "forward + backward", "optimizer", "idle"} <= set(said)
    colours = [handle.get_facecolor() for handle in figure.legends[0].get_patches()]
    assert len(set(colours)) == len(colours)


def test_numbers_are_where_there_is_room() -> None:
    (few,) = gantt_figure(bars(line("1f1b", 4, 4))).axes
    assert sorted(text.get_text() for text in few.texts) == sorted([*"0123"] * 8)
    (many,) = gantt_figure(bars(line("1f1b", 8, 256))).axes
    assert not many.texts


@pytest.mark.parametrize("name", [name for name in ALL if name != "inference"])
def test_memory_curves_are_what_is_held(name: str) -> None:
    one = line(name)
    memory = memory_of(one.schedule.stages, 2e9, 1e9)
    held = np.arange(4) * 1e9
    found = memory_curves(one, memory, held, np.full(4, 80e9))
    assert found.peaks == pytest.approx(peaks(one.schedule, memory) + held)
    for rank, (instants, values) in enumerate(zip(found.instant_s, found.value)):
        assert (np.diff(instants) >= 0.0).all()
        assert (instants[0], instants[-1]) == (0.0, float(one.finish.max()))
        assert (values[0], values[-1]) == (held[rank], pytest.approx(held[rank]))


@pytest.mark.parametrize(("ranks", "named"), [(4, True), (16, False)])
def test_memory_picture(ranks: int, named: bool) -> None:
    one = line("1f1b", ranks, 2 * ranks)
    figure = memory_figure(memory_curves(one, memory_of(ranks, 2e9), None, np.full(ranks, 50e9)), "1f1b")
    axes = figure.axes[0]
    assert axes.get_ylabel() == "memory [GB]"
    assert axes.get_xlabel() == "time [s]"
    said = [text.get_text() for text in figure.legends[0].get_texts()] if figure.legends else []
    assert ("stage 0" in said) == named
    assert ("limit" in said) == (float(peaks(one.schedule, memory_of(ranks, 2e9)).max()) >= 25e9)
    assert len(figure.axes) == (1 if named else 2)
    assert memory_figure(memory_curves(one, None)).axes[0].get_ylabel() == "activations [microbatches of one stage]"


def test_trace(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    one = line("zb-h1")
    write_pipeline_trace("pretrain", [one], path)
    events = json.loads(path.read_text(encoding="utf-8"))["traceEvents"]
    shown = [event for event in events if event["ph"] == "X"]
    assert len(shown) == len(bars(one).rank)
    assert sum(event["dur"] for event in shown) == pytest.approx(bars(one).length_s.sum() * 1e6, abs=1.0)
    assert {"name": "training pretrain"} in [event["args"] for event in events if event["ph"] == "M"]
