"""The picture of group sizes: its numbers without pixels, then the same bytes for the same curve."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from simulator import load
from simulator.costs.streaming import device_bytes, step_seconds
from simulator.planner.stream import Groups, compare_groups
from simulator.reporting.stream import CSV_COLUMNS, stream_csv, stream_table, stream_title
from simulator.reporting.streamplot import draw_stream, stream_curve, stream_figure

SCENARIOS = Path(__file__).resolve().parents[2] / "scenarios"


@pytest.fixture(scope="module")
def found() -> Groups:
    return compare_groups(load(SCENARIOS / "stream-training-l2l.yaml", variants=["fifty-billion"]))


def test_the_curve_is_the_steps(found: Groups) -> None:
    curve = stream_curve(found)
    assert set(curve.group) >= {row.step.group for row in found.rows}
    assert np.all(np.diff(curve.group) > 0)
    for row in found.rows:
        at = int(np.searchsorted(curve.group, row.step.group))
        assert curve.sample_s[at] == pytest.approx(row.sample_s, rel=1e-12)
        assert curve.memory[at] == row.step.peak_memory
        assert curve.fits[at] == (row.why is None)
    assert np.all(curve.sample_s >= np.maximum(curve.compute_s, curve.transfer_s) * (1 - 1e-12))
    assert np.array_equal(curve.memory, device_bytes(found.streamed, curve.group))
    assert curve.naive_s == float(step_seconds(found.streamed, 1)) / found.setup.written.microbatch
    assert curve.group[curve.at] == curve.recommended == found.recommended.step.group
    assert curve.limit == found.memory


def words(figure: Figure) -> str:
    axes = figure.axes
    texts = [one.get_text() for ax in axes for one in ax.get_legend().get_texts()]
    return " | ".join([*texts, *(ax.get_xlabel() + ax.get_ylabel() for ax in axes)])


def test_the_picture_says_what_it_shows(found: Groups) -> None:
    figure = stream_figure(stream_curve(found), "a title")
    said = words(figure)
    assert f"recommended: {found.recommended.step.group}" in said
    for part in ("time per sample [s]", "device memory [GB]", "microbatches per visit", "naive", "no room", "knee"):
        assert part in said
    dots = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert [list(dot.get_xdata()) for dot in dots] == [[found.recommended.step.group]]


def test_one_group_alone_can_be_drawn(tmp_path: Path) -> None:
    alone = compare_groups(load(SCENARIOS / "stream-70b-laptop.yaml"), groups=[1], most=1)
    draw_stream(stream_curve(alone), tmp_path / "a.svg", "one")
    assert (tmp_path / "a.svg").read_text().startswith("<?xml")


@pytest.mark.parametrize("ending", [".svg", ".png"])
def test_same_bytes(found: Groups, tmp_path: Path, ending: str) -> None:
    curve = stream_curve(found)
    for name in "ab":
        draw_stream(curve, tmp_path / f"{name}{ending}", "a title")
    one, two = ((tmp_path / f"{name}{ending}").read_bytes() for name in "ab")
    assert one == two


def test_table_and_csv(found: Groups) -> None:
    figures = found.to_dict()
    wide = stream_table(figures, 120)
    assert stream_title(figures) in wide
    assert f"* group {found.recommended.step.group}" in wide
    assert "10 bytes for each parameter" in wide
    assert "instead of 190" in wide
    narrow = stream_table(figures, 40)
    assert all(len(line) <= 40 for line in narrow.splitlines())
    lines = stream_csv(figures).splitlines()
    assert lines[0] == ",".join(CSV_COLUMNS)
    assert len(lines) == 1 + len(found.rows)
    assert sum(line.split(",")[2] == "1" for line in lines[1:]) == 1
