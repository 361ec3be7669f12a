"""Scores of a rule: the figures are those of the table, the intervals those of resampled rows."""

from __future__ import annotations

import numpy as np
import pytest

from simulator.costs.early_exit import (
    ExitTable,
    agreement,
    correct,
    fires,
    first_exit,
    reach,
    resampled_reach,
    score,
    survival,
)
from simulator.errors import ScenarioError
from simulator.streams import stream

ROWS = 400
RULE = {"confidence": 0.8}


def made(rows: int = ROWS, labels: bool = True) -> ExitTable:
    """A table whose answers become better with depth."""
    rng = stream(5, "table")
    label = rng.integers(0, 2, rows)
    right = rng.random((rows, 4)) < np.array([0.6, 0.75, 0.85, 0.9])
    prediction = np.where(right, label[:, None], 1 - label[:, None])
    return ExitTable(rng.random((rows, 4)), prediction, label if labels else None, "made")


def test_figures_are_those_of_the_table() -> None:
    table = made()
    one = score(table, RULE, at=[2, 4, 6, 12])
    left = first_exit(fires(table, RULE))
    assert one.accuracy is not None
    assert one.agreement is not None
    assert one.accuracy.value == pytest.approx(correct(table, left).mean())
    assert one.agreement.value == pytest.approx(agreement(table, left).mean())
    assert one.mean_layers.value == pytest.approx(np.array([2, 4, 6, 12])[left].mean())
    assert [part.value for part in one.leaving] == pytest.approx(np.bincount(left, minlength=4) / ROWS)
    assert [part.value for part in one.running] == pytest.approx(survival(left, 4))
    assert (one.rows, one.at, one.running[-1].high) == (ROWS, (2, 4, 6, 12), 0.0)
    for figure in (one.accuracy, one.agreement, one.mean_layers, *one.leaving, *one.running):
        assert figure.low <= figure.value <= figure.high


def test_only_active_exits_answer() -> None:
    one = score(made(), RULE, active=[1])
    assert [part.value > 0 for part in one.leaving] == [False, True, False, True]


def test_intervals_are_those_of_resampled_rows() -> None:
    """The multinomial draw has the distribution of rows drawn with replacement, made here in the plain way."""
    table = made()
    left = first_exit(fires(table, RULE))
    right = correct(table, left)
    picks = stream(9, "plain").integers(0, ROWS, (4000, ROWS))
    plain = np.quantile(right[picks].mean(axis=1), [0.025, 0.975])
    one = score(table, RULE, resamples=4000).accuracy
    assert one is not None
    # A quantile near 2.5 % of 4,000 samples has an error of about 2.7 sd/sqrt(4000); the shares are whole rows.
    spread = right.std() / np.sqrt(ROWS)
    assert [one.low, one.high] == pytest.approx(plain, abs=4 * np.sqrt(2) * 2.7 * spread / np.sqrt(4000) + 1 / ROWS)
    assert one.half_width == pytest.approx(1.96 * spread, rel=0.12)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """600 tables of known accuracy: the 90 % interval misses within what 99.9 % of binomial counts do."""
    truth, rows, tries = 0.8, 300, 600
    held = 0
    for number in range(tries):
        right = stream(1, "coverage", number).random(rows) < truth
        table = ExitTable(None, right[:, None].astype(np.int64), np.ones(rows, dtype=np.int64))
        one = score(table, {"patience": 1}, level=0.9, resamples=400, seed=number).accuracy
        assert one is not None
        held += one.low <= truth <= one.high
    # 2 points for the bootstrap itself: percentiles of a binomial share of 300 rows cover about 89 %.
    assert abs(held / tries - 0.9) < 3.3 * np.sqrt(0.9 * 0.1 / tries) + 0.02


def test_equal_seeds_give_equal_intervals() -> None:
    assert score(made(), RULE, seed=3) == score(made(), RULE, seed=3)
    assert score(made(), RULE, seed=3) != score(made(), RULE, seed=4)
    assert score(made(), RULE, seed=3).mean_layers.value == score(made(), RULE, seed=4).mean_layers.value


def test_it_says_how_many_rows_it_rests_on() -> None:
    one = score(made(), RULE)
    assert one.accuracy is not None
    wanted = f"400 rows: accuracy {one.accuracy.value:.1%} within +-{100 * one.accuracy.half_width:.1f} points (95%)"
    assert one.basis == wanted
    assert score(made(labels=False), RULE).accuracy is None
    assert score(made(labels=False), RULE).basis.startswith("400 rows: agreement")
    bare = score(ExitTable(np.full((1, 2), 0.9), None, None), RULE)
    assert (bare.accuracy, bare.agreement) == (None, None)
    assert bare.basis == "1 row: 1.00 layers within +-0.00 (95%)"


def test_more_rows_make_narrower_intervals() -> None:
    few, many = score(made(100), RULE).mean_layers, score(made(10_000), RULE).mean_layers
    assert few.half_width / many.half_width == pytest.approx(10, rel=0.25)


def test_resampled_survival_spreads_as_shares_do() -> None:
    leaving = first_exit(fires(made(), RULE)) + 1
    share, drawn = reach(leaving, 4), resampled_reach(leaving, 4, resamples=4000)
    assert drawn.shape == (4000, 4)
    assert (drawn[:, 0] == 1.0).all()
    assert (np.diff(drawn, axis=1) <= 0.0).all()
    error = np.sqrt(share * (1 - share) / ROWS)
    assert drawn.std(axis=0)[1:] == pytest.approx(error[1:], rel=0.06)
    assert np.abs(drawn.mean(axis=0) - share)[1:] == pytest.approx(0, abs=3.3 * error[1:].max() / np.sqrt(4000))


def test_as_many_layers_as_exits() -> None:
    with pytest.raises(ScenarioError, match="has 4 exits, but 2 layers were named"):
        score(made(), RULE, at=[1, 2])
