"""Exit rules and profiles on tables small enough to work out by hand, and laws on random ones."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from simulator.costs.early_exit import (
    RULES,
    Confidence,
    Entropy,
    ExitTable,
    Patience,
    ProfileTable,
    agreement,
    binary_entropy,
    correct,
    fires,
    first_exit,
    make_rule,
    profile_fires,
    survival,
)
from simulator.errors import ScenarioError

CONFIDENCE = np.array([[0.9, 0.6, 0.7], [0.6, 0.8, 0.5], [0.5, 0.6, 0.7]])
PREDICTION = np.array([[1, 1, 0], [0, 1, 1], [0, 0, 0]])
LABEL = np.array([0, 1, 0])
TABLE = ExitTable(CONFIDENCE, PREDICTION, LABEL)
EXAMPLES: dict[str, object] = {"confidence": 0.8, "entropy": 0.5, "patience": 1}


def bits(array: np.ndarray) -> list[list[int]]:
    return array.astype(int).tolist()  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", RULES)
def test_every_rule_is_covered_and_the_last_exit_always_answers(name: str) -> None:
    fired = fires(TABLE, {name: EXAMPLES[name]})
    assert fired.shape == (3, 3)
    assert fired.dtype == np.bool_
    assert fired[:, -1].all()


def test_confidence_reaches_its_threshold() -> None:
    assert bits(fires(TABLE, Confidence(0.8))) == [[1, 0, 1], [0, 1, 1], [0, 0, 1]]
    assert bits(fires(TABLE, Confidence(0.6))) == [[1, 1, 1], [1, 1, 1], [0, 1, 1]]
    assert bits(fires(TABLE, {"confidence": 0})) == [[1, 1, 1]] * 3


@pytest.mark.parametrize("thresholds", [[0.95, 0.6], [0.95, 0.6, 1.0]])
def test_each_exit_can_have_its_threshold(thresholds: list[float]) -> None:
    assert bits(fires(TABLE, {"confidence": thresholds})) == [[0, 1, 1], [0, 1, 1], [0, 1, 1]]


def test_entropy_of_two_classes() -> None:
    assert binary_entropy(np.array([0.5, 0.9, 1.0, 0.0])) == pytest.approx(
        [math.log(2), -0.9 * math.log(0.9) - 0.1 * math.log(0.1), 0, 0]
    )
    limit = float(binary_entropy(np.array([0.7]))[0])
    assert bits(fires(TABLE, Entropy(limit))) == [[1, 0, 1], [0, 1, 1], [0, 0, 1]]
    assert not fires(TABLE, Entropy(0.0))[:, :-1].any()


def test_entropy_is_the_same_from_either_class() -> None:
    other = fires(ExitTable(1 - CONFIDENCE, PREDICTION, LABEL), Entropy(0.55))
    assert bits(other) == bits(fires(TABLE, Entropy(0.55)))


def test_entropy_is_refused_where_it_does_not_follow() -> None:
    three = ExitTable(CONFIDENCE, PREDICTION + np.array([[0, 1, 2]]), LABEL)
    with pytest.raises(ScenarioError, match="needs two classes, found 4"):
        fires(three, {"entropy": 0.3})
    with pytest.raises(ScenarioError, match="show two classes"):
        fires(ExitTable(CONFIDENCE, None, None), {"entropy": 0.3})
    with pytest.raises(ScenarioError, match="needs columns conf_1"):
        fires(ExitTable(None, PREDICTION, LABEL), {"entropy": 0.3})


def test_patience_counts_agreements_in_a_row() -> None:
    table = ExitTable(None, np.array([[1, 1, 0, 0, 0, 1], [0, 0, 0, 0, 0, 0]]), None)
    assert bits(fires(table, Patience(1))) == [[0, 1, 0, 1, 1, 1], [0, 1, 1, 1, 1, 1]]
    assert bits(fires(table, Patience(2))) == [[0, 0, 0, 0, 1, 1], [0, 0, 1, 1, 1, 1]]
    assert first_exit(fires(table, {"patience": 3})).tolist() == [5, 3]


def test_patience_compares_only_the_exits_that_run() -> None:
    table = ExitTable(None, np.array([[1, 0, 1, 0, 1]]), None)
    assert bits(fires(table, Patience(1))) == [[0, 0, 0, 0, 1]]
    assert bits(fires(table, Patience(1), active=[0, 2])) == [[0, 0, 1, 0, 1]]


def test_the_first_active_exit_that_fires() -> None:
    fired = fires(TABLE, {"confidence": 0.8})
    assert first_exit(fired).tolist() == [0, 1, 2]
    assert first_exit(fired, active=[1]).tolist() == [2, 1, 2]
    assert first_exit(fired, active=[]).tolist() == [2, 2, 2]
    assert first_exit(fired, active=[2, 0, 0]).tolist() == [0, 2, 2]
    assert first_exit(np.zeros((1, 2), dtype=np.bool_)).tolist() == [1]
    with pytest.raises(ScenarioError, match="exit 3 does not exist"):
        first_exit(fired, active=[3])


def test_answers_are_scored_against_labels_and_against_the_whole_model() -> None:
    left = np.array([0, 1, 2])
    assert correct(TABLE, left).tolist() == [0.0, 1.0, 1.0]
    assert correct(TABLE).tolist() == [[0, 0, 1], [0, 1, 1], [1, 1, 1]]
    assert agreement(TABLE, left).tolist() == [0.0, 1.0, 1.0]
    unknown = ExitTable(CONFIDENCE, PREDICTION, None)
    assert np.isnan(correct(unknown, left)).all()
    assert agreement(unknown, left).tolist() == [0.0, 1.0, 1.0]
    assert np.isnan(agreement(ExitTable(CONFIDENCE, None, None))).all()


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({}, "exactly one of: confidence, entropy, patience; got none"),
        ({"confidence": 0.5, "patience": 2}, "exactly one"),
        ({"confidence": None, "entropy": None, "patience": None}, "exactly one"),
        ({"margin": 0.5}, r"unknown rule 'margin' \(known: confidence"),
    ],
)
def test_a_rule_is_one_known_entry(rule: Mapping[str, object], message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        make_rule(rule)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"confidence": 1.5}, r"within 0\.\.1, got 1\.5"),
        ({"confidence": math.nan}, "got nan"),
        ({"confidence": [0.5]}, "1 thresholds for 3 exits, expected 2"),
        ({"confidence": [0.5] * 4}, "4 thresholds for 3 exits"),
        ({"entropy": -1.0}, "at least 0, got -1"),
        ({"patience": 0}, "whole number of at least 1, got 0"),
        ({"patience": 1.5}, "whole number of at least 1"),
    ],
)
def test_thresholds_out_of_range_are_refused(rule: Mapping[str, object], message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        fires(TABLE, rule)


def test_rules_need_their_columns() -> None:
    with pytest.raises(ScenarioError, match="rule confidence needs columns conf_1"):
        fires(ExitTable(None, PREDICTION, LABEL), {"confidence": 0.5})
    with pytest.raises(ScenarioError, match="rule patience needs columns pred_1"):
        fires(ExitTable(CONFIDENCE, None, None), {"patience": 2})


def test_a_profile_is_drawn_by_its_shares() -> None:
    table = ProfileTable([0.5, 0.0, 0.25])
    assert (table.rows, table.exits) == (4, 4)
    assert table.draw(np.array([0.0, 0.49, 0.5, 0.74, 0.75, 0.99])).tolist() == [0, 0, 2, 2, 3, 3]
    grid = (np.arange(1000) + 0.5) / 1000
    assert np.bincount(table.draw(grid), minlength=4).tolist() == [500, 0, 250, 250]
    assert bits(table.fires) == [[1, 1, 1, 1], [0, 1, 1, 1], [0, 0, 1, 1], [0, 0, 0, 1]]
    assert bits(profile_fires(table.profile, np.array([3, 0]))) == [[0, 0, 0, 1], [1, 1, 1, 1]]
    assert first_exit(table.fires).tolist() == [0, 1, 2, 3]
    assert first_exit(table.fires, active=[1]).tolist() == [1, 1, 3, 3]
    assert np.isnan(table.correct).all()


def test_shares_that_add_up_to_one_leave_nobody_to_the_end() -> None:
    table = ProfileTable([0.1] * 10)
    assert math.fsum(table.profile) == 1.0
    assert sum(table.profile) < 1.0
    assert table.draw(np.array([np.nextafter(1.0, 0.0)])).tolist() == [9]


@pytest.mark.parametrize(
    ("profile", "message"),
    [
        ([], "at least one share"),
        ([0.5, 0.6], r"add up to 1\.1"),
        ([0.5, -0.1], "share 2 must be within"),
        ([math.nan], "share 1 must be within"),
        ([1.5], "share 1 must be within"),
    ],
)
def test_impossible_profiles_are_refused(profile: list[float], message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        ProfileTable(profile)


UNIT = st.floats(0, 1)
TABLES = st.tuples(st.integers(1, 20), st.integers(1, 6)).flatmap(
    lambda shape: st.builds(
        ExitTable,
        arrays(np.float64, shape, elements=UNIT),
        arrays(np.int64, shape, elements=st.integers(0, 2)),
        arrays(np.int64, shape[:1], elements=st.integers(0, 2)),
    )
)


@given(TABLES, st.tuples(UNIT, UNIT))
def test_a_higher_threshold_never_exits_earlier(table: ExitTable, pair: tuple[float, float]) -> None:
    low, high = sorted(pair)
    assert (first_exit(fires(table, Confidence(low))) <= first_exit(fires(table, Confidence(high)))).all()


@given(TABLES, st.integers(1, 4))
def test_more_patience_never_exits_earlier(table: ExitTable, agreements: int) -> None:
    assert (first_exit(fires(table, Patience(agreements))) <= first_exit(fires(table, Patience(agreements + 1)))).all()


@given(TABLES, UNIT, st.sets(st.integers(0, 5)))
def test_fewer_exits_never_exit_earlier_and_survival_falls(
    table: ExitTable, threshold: float, chosen: set[int]
) -> None:
    fired = fires(table, Confidence(threshold))
    active = {k for k in chosen if k < table.exits}
    left = first_exit(fired, active)
    assert (left >= first_exit(fired)).all()
    assert set(left.tolist()) <= active | {table.exits - 1}
    remaining = survival(left, table.exits)
    assert (np.diff(remaining) <= 0).all()
    assert remaining[-1] == 0
    assert 1 + remaining[:-1].sum() == pytest.approx(1 + left.mean())


@given(st.lists(st.floats(0, 0.2), min_size=1, max_size=5), st.integers(0, 2**32 - 1))
def test_a_drawn_profile_has_its_shares(profile: list[float], seed: int) -> None:
    """Within 5.5 standard deviations of a binomial share: fails for about 1 seed in 10 million."""
    table = ProfileTable(profile)
    draws = 20_000
    rows = table.draw(np.random.default_rng(seed).random(draws))
    shares = np.bincount(rows, minlength=table.rows) / draws
    wanted = np.array([*profile, 1 - math.fsum(profile)]).clip(0, 1)
    assert (np.abs(shares - wanted) <= 5.5 * np.sqrt(wanted * (1 - wanted) / draws) + 2 / draws).all()
