"""Outages, gaps, constants, zeros, and histories of hours."""

from __future__ import annotations

import numpy as np
import pytest

from simulator.errors import ScenarioError
from simulator.workload.forecast import forecast, read_series, regular_series
from simulator.workload.forecast.regular import filled, outages
from tests.workload.forecast.made import HOUR, daily


def test_an_outage_changes_little() -> None:
    """Twelve hours at zero in a fortnight: masked, and the forecast stays that of a load that was there."""
    whole = daily(14)
    hit = whole.copy()
    hit[250:262] = 0.0
    one, other = forecast(whole, interval=HOUR), forecast(hit, interval=HOUR)
    assert one.masked_s == ()
    assert other.masked_s == tuple(np.arange(250, 262) * HOUR)
    np.testing.assert_allclose(other.quantile(0.5), one.quantile(0.5), rtol=0.15)
    assert other.quantile(0.95).max() < 1.5 * one.quantile(0.95).max()
    assert other.quantile(0.1).min() > 0.5 * one.quantile(0.1).min()


def test_a_gap_changes_little() -> None:
    """82 hours between two Sundays, as a well-known web log has it."""
    whole = daily(14)
    hit = whole.copy()
    hit[180:262] = np.nan
    found = forecast(hit, interval=HOUR)
    assert found.missing_s == tuple(np.arange(180, 262) * HOUR)
    plain = forecast(whole, interval=HOUR)
    assert np.abs(found.quantile(0.5) - plain.quantile(0.5)).sum() < 0.1 * plain.quantile(0.5).sum()
    assert found.quantile(0.95).max() < 1.5 * plain.quantile(0.95).max()


def test_a_history_that_ends_in_an_outage_is_that_of_a_load_that_came_back() -> None:
    hit = daily(10)
    hit[-8:] = 0.0
    found = forecast(hit, interval=HOUR)
    assert len(found.masked_s) == 8
    assert any("ends in an outage" in note for note in found.notes)
    assert found.quantile(0.5).min() > 0.5 * daily(10)[-24:].min()


def test_quiet_nights_are_no_outages() -> None:
    hours = np.arange(20 * 24)
    load = np.where(hours % 24 < 5, 1.0, 400.0)
    assert not outages(load, 24)[24:].any()
    load[300:310] = 0.0  # with a night in them
    assert outages(load, 24)[300:310].sum() >= 5
    assert not outages(load, 24)[310:].any()


def test_outages_look_back_only() -> None:
    load = daily(12)
    load[200:210] = 0.0
    hidden = outages(load, 24)
    for end in (205, 240):
        np.testing.assert_array_equal(outages(load[:end], 24), hidden[:end])


def test_a_service_that_stopped_for_good_is_believed_in_time() -> None:
    load = np.concatenate([daily(7), np.zeros(10 * 24)])
    hidden = outages(load, 24)
    assert hidden[7 * 24 : 10 * 24].all()
    assert not hidden[11 * 24 :].any()
    found = forecast(load, interval=HOUR)
    assert found.quantile(0.5).max() < 0.05 * daily(7).max()


def test_holes_are_filled_from_the_same_hour() -> None:
    load = np.tile(np.arange(1.0, 25.0), 6)
    holed = load.copy()
    holed[[30, 31, 100]] = np.nan
    hidden = np.zeros(load.size, dtype=bool)
    hidden[60] = True
    np.testing.assert_array_equal(filled(holed, hidden, 24), load)
    short = filled(np.array([1.0, np.nan, 3.0]), np.zeros(3, dtype=bool), 24)
    np.testing.assert_array_equal(short, [1.0, 2.0, 3.0])


@pytest.mark.parametrize("value", [0.0, 7.5])
def test_a_constant_history(value: float) -> None:
    found = forecast(np.full(100, value), interval=HOUR)
    np.testing.assert_array_equal(found.values, value)
    np.testing.assert_array_equal(found.samples(5), value)
    assert any("constant" in note for note in found.notes)


def test_mostly_zeros() -> None:
    load = np.zeros(10 * 24)
    load[::24] = 3.0
    load[5] = 1.0
    found = forecast(load, interval=HOUR)
    assert np.isfinite(found.values).all()
    assert found.quantile(0.99).max() <= 30.0
    assert found.quantile(0.5)[0] > found.quantile(0.5)[12]


@pytest.mark.parametrize(
    ("hours", "says"), [(1, "constant"), (5, "the mean"), (30, "the last day"), (47, "the last day")]
)
def test_short_histories_fall_back_with_a_note(hours: int, says: str) -> None:
    history = daily(2)[:hours]
    found = forecast(history, interval=HOUR)
    assert any(says in note for note in found.notes)
    assert sum(found.weights.values()) == 1.0
    if hours >= 24:
        np.testing.assert_array_equal(found.quantile(0.5), history[-24:])
        assert (found.quantile(0.95) > found.quantile(0.5)).all()


def test_from_two_days_on_models_take_part() -> None:
    found = forecast(daily(2), interval=HOUR)
    assert len(found.weights) > 4
    assert any("too short for past origins" in note for note in found.notes)
    assert forecast(daily(4), interval=HOUR).past_origins == 2


def test_bins_recorded_in_part_are_scaled(tmp_path) -> None:
    """Ten-minute counts of 60: an hour with two missing ones still says 360, with four missing it says nothing."""
    lines = [f"{600 * k},60,{0 if k != 40 else 300}" for k in range(72) if k not in (6, 7, 12, 13, 14, 15)]
    lines[lines.index("12000,60,0")] = "12000,,0"  # an empty cell is a gap as well
    lines[lines.index("24000,60,300")] = "24000,30,300"  # half of the bin, half of the count
    file = tmp_path / "load.csv"
    file.write_text("t_s,requests,lost_s\n" + "\n".join(lines))
    counts = regular_series(read_series(file, gaps="lost_s"))
    expected = np.full(12, 360.0)
    expected[2] = np.nan
    np.testing.assert_allclose(counts.values, expected)
    levels = regular_series(read_series(file), levels=True)
    assert levels.values[1] == 60.0
    assert np.isnan(levels.values[2])


def test_incomplete_hours_at_the_ends_are_left_out() -> None:
    counts = np.ones(20)
    read = read_series(counts, interval="10min")
    shifted = type(read)(read.name, read.column, 1200.0, 600.0, read.values, read.observed)
    found = regular_series(shifted)
    assert (found.start_s, found.values.size) == (3600.0, 2)
    np.testing.assert_array_equal(found.values, 6.0)


def test_nothing_recorded() -> None:
    load = np.full(50, np.nan)
    with pytest.raises(ScenarioError, match="nothing was recorded"):
        forecast(load, interval=HOUR)
