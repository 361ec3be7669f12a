"""The parts: seasonal naives against their library, weights, corrections, reading between levels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtri

from simulator.workload.forecast import members
from simulator.workload.forecast.combine import Past, averaged, losses, pinball, weights
from simulator.workload.forecast.conformal import Correction, correction, dependence
from simulator.workload.forecast.levels import MIDDLE, NORMAL, TABLE, at_scores, scores_of
from tests.workload.forecast.made import daily

ROOM = np.random.default_rng(0)


def test_levels_are_those_of_a_normal_law() -> None:
    np.testing.assert_allclose(NORMAL, ndtri(TABLE), atol=1e-14)
    assert TABLE[MIDDLE] == 0.5


@pytest.mark.parametrize("days", [1, 7])
def test_seasonal_naive_is_that_of_the_library(days: int) -> None:
    """Mean and 80 % interval as in statsforecast's SeasonalNaive, also beyond one season."""
    with members.quiet():
        from statsforecast.models import SeasonalNaive

        history = daily(16)
        theirs = SeasonalNaive(season_length=24 * days).forecast(history, 60, level=[80])
    ours = members.seasonal_naive(days)(history, 24, 60)
    np.testing.assert_allclose(ours[:, MIDDLE], theirs["mean"])
    np.testing.assert_allclose(ours[:, np.searchsorted(TABLE, 0.9)], theirs["hi-80"], rtol=1e-9)


def test_climatology_is_the_spread_of_the_hour() -> None:
    history = np.arange(20 * 24.0)
    table = members.climatology(history, 24, 30)
    rows = history[-14 * 24 :].reshape(14, 24)
    np.testing.assert_allclose(table[:24, MIDDLE], np.median(rows, axis=0))
    np.testing.assert_allclose(table[24:], table[:6])


def test_every_member_speaks_of_a_usual_load() -> None:
    found = members.predictions(daily(21), 24, 24)
    assert not found.failed
    assert set(found.tables) == {member.name for member in members.MEMBERS}
    for table in found.tables.values():
        assert (np.diff(table, axis=1) >= 0).all()
        assert 0.3 < table[:, MIDDLE].mean() / daily(21).mean() < 2


def test_a_member_that_fails_is_told_and_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(history: np.ndarray, season: int, horizon: int) -> np.ndarray:
        raise RuntimeError("did not converge")

    def endless(history: np.ndarray, season: int, horizon: int) -> np.ndarray:
        return np.full((horizon, TABLE.size), np.inf)

    kept = members.MEMBERS[:2]
    extra = (members.Member("broken", broken, 1), members.Member("endless", endless, 1))
    monkeypatch.setattr(members, "MEMBERS", (*kept, *extra))
    found = members.predictions(daily(10), 24, 24)
    assert set(found.tables) == {member.name for member in kept}
    assert found.failed == {"broken": "RuntimeError: did not converge", "endless": "no finite forecast"}


def test_warnings_are_silenced_here_only() -> None:
    import warnings

    with members.quiet():
        warnings.warn("inside", stacklevel=1)
    with pytest.raises(UserWarning, match="outside"):
        warnings.warn("outside", stacklevel=1)


@given(st.integers(1, 7), st.integers(1, 6), st.integers(0, 2**32))
def test_weights_are_shares_that_fall_with_the_loss(origins: int, models: int, seed: int) -> None:
    loss = np.random.default_rng(seed).gamma(2.0, size=(origins, models))
    share = weights(loss)
    assert share.sum() == pytest.approx(1.0)
    assert (share > 0).all()
    order = np.argsort(loss.sum(axis=0))
    assert (np.diff(share[order]) <= 1e-12).all()


def test_weights_of_models_without_a_past() -> None:
    np.testing.assert_allclose(weights(np.empty((0, 4))), 0.25)
    np.testing.assert_allclose(weights(np.full((2, 4), np.nan)), 0.25)
    share = weights(np.array([[1.0, 2.0, np.nan], [1.0, 2.0, np.nan]]))
    np.testing.assert_allclose(share, np.array([8, 1, 1]) / 10)
    # judged at one origin only, where it did as well as the best
    half = weights(np.array([[10.0, 20.0, np.nan], [1.0, 2.0, 1.0]]))
    assert half[0] > half[2] > half[1]


def test_perfect_models_take_all() -> None:
    share = weights(np.array([[0.0, 0.0, 5.0]]))
    np.testing.assert_allclose(share, [0.5, 0.5, 0.0], atol=1e-9)


def test_absent_members_leave_their_weight_to_the_others() -> None:
    ones, threes = np.full((2, TABLE.size), 1.0), np.full((2, TABLE.size), 3.0)
    share = np.array([0.25, 0.25, 0.5])
    np.testing.assert_allclose(averaged({"a": ones, "b": threes}, ["a", "b", "c"], share), 2.0)
    np.testing.assert_allclose(averaged({"a": ones, "c": threes}, ["a", "b", "c"], share), 1 / 3 + 2)


def test_pinball_is_least_at_the_quantile() -> None:
    actual = ROOM.gamma(2.0, size=4001)
    for level in (0.1, 0.5, 0.95):
        grid = np.linspace(0.05, 8, 300)
        loss = [pinball(np.full((actual.size, 1), x), np.array([level]), actual).mean() for x in grid]
        assert grid[int(np.argmin(loss))] == pytest.approx(np.quantile(actual, level), abs=0.03)


def normal_past(spread: float, days: int, seed: int = 3) -> list[Past]:
    """Models that say N(0, 1) about errors of N(0, spread), on a level far above 0."""
    rng = np.random.default_rng(seed)
    table = np.tile(1000.0 + NORMAL, (24, 1))
    return [Past({"a": table, "b": table}, 1000.0 + spread * rng.standard_normal(24)) for _ in range(days)]


def test_intervals_grow_when_past_errors_were_larger() -> None:
    wide, fair = correction(normal_past(2.0, 7), ["a", "b"]), correction(normal_past(1.0, 7), ["a", "b"])
    assert wide.above == pytest.approx(2.0**0.7, rel=0.15)  # 7 days of evidence beside 3 of the models' own word
    assert wide.below == pytest.approx(2.0**0.7, rel=0.15)
    assert fair.above == pytest.approx(1.0, abs=0.15)
    calm = correction(normal_past(0.2, 7), ["a", "b"])
    assert calm.below == pytest.approx(0.5**0.7)  # the least that is believed
    assert calm.above == 1.0


def test_without_past_origins_the_tails_are_the_fattest() -> None:
    table = np.tile(1000.0 + NORMAL, (24, 1))
    none, some = correction([], ["a"]), correction(normal_past(1.0, 7), ["a", "b"])
    assert (none.below, none.above, none.days) == (1.0, 1.0, 3.0)
    assert some.days == 10.0
    assert none.apply(table)[0, -1] > some.apply(table)[0, -1] > table[0, -1]
    np.testing.assert_array_equal(none.apply(table)[:, MIDDLE], table[:, MIDDLE])
    np.testing.assert_array_equal(Correction().apply(table), table)


def test_the_median_model_is_the_unit_of_the_loss() -> None:
    past = normal_past(1.0, 2)
    loss = losses([*past, Past(past[0].tables, np.full(24, np.nan))], ["a", "b", "c"])
    assert loss.shape == (3, 3)
    assert np.isnan(loss[:, 2]).all()
    assert np.isnan(loss[2]).all()
    np.testing.assert_array_equal(loss[:2, 0], loss[:2, 1])


def test_dependence_of_known_paths() -> None:
    """Paths of scores with a shared part of 0.4 and a decay of 0.7 per hour."""
    rng = np.random.default_rng(1)
    paths = 4000
    walk = np.empty((paths, 24))
    walk[:, 0] = rng.standard_normal(paths)
    for k in range(1, 24):
        walk[:, k] = 0.7 * walk[:, k - 1] + np.sqrt(1 - 0.49) * rng.standard_normal(paths)
    scores = np.sqrt(0.4) * rng.standard_normal((paths, 1)) + np.sqrt(0.6) * walk
    shared, decay = dependence(scores)
    assert shared == pytest.approx(0.4, abs=0.05)
    assert decay == pytest.approx(0.7, abs=0.05)
    assert dependence(scores[:, :1]) == (0.0, 0.0)


@given(st.lists(st.floats(-2.5, 2.5), min_size=5, max_size=5))
def test_scores_and_values_are_inverse(scores: list[float]) -> None:
    table = np.cumsum(np.random.default_rng(2).gamma(1.0, size=(5, TABLE.size)), axis=1) + 10
    values = at_scores(table, np.array([scores]))[0]
    np.testing.assert_allclose(scores_of(table, values), scores, atol=1e-9)


def test_scores_of_degenerate_quantiles() -> None:
    flat = np.full((2, TABLE.size), 3.0)
    assert np.isnan(scores_of(flat, np.array([1.0, 3.0]))).all()
    step = flat.copy()
    step[:, MIDDLE:] = 5.0
    scores = scores_of(step, np.array([4.0, np.nan]))
    assert NORMAL[MIDDLE - 1] < scores[0] < 0
    assert np.isnan(scores[1])
    far = np.tile(np.arange(TABLE.size, dtype=float), (1, 1))
    assert np.abs(scores_of(far, np.array([1e12]))).max() == 8.0
