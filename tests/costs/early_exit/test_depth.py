"""From exits to layers, on cases small enough to count by hand, and laws on random ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.costs.early_exit import (
    active_ramps,
    exit_columns,
    exit_layers,
    held,
    leave_at_cuts,
    portions,
    profile_fires,
    reach,
    survival,
)
from simulator.costs.early_exit.profiles import ProfileTable
from simulator.errors import ScenarioError

LEAVING = st.lists(st.integers(1, 8), min_size=1, max_size=40)


def test_exits_are_mapped_to_the_layers_that_they_follow() -> None:
    assert exit_columns(6, [2, 4, 6, 8, 10], 12) == (0, 1, 2, 3, 4)
    assert exit_columns(12, range(1, 12), 12) == tuple(range(11))
    assert exit_columns(12, [2, 4, 7], 12) == (1, 3, 6)
    assert exit_columns(6, [4, 10], 12, after=[2, 4, 6, 8, 10]) == (1, 4)
    assert exit_columns(1, [], 12) == ()
    assert exit_layers([0, 5, 2], [2, 4, 6, 8, 10, 12]).tolist() == [2, 12, 6]


@pytest.mark.parametrize(
    ("exits", "ramps", "after", "message"),
    [
        (6, [1, 2], None, "has 6 exits, the model 2 ramps and its end"),
        (6, [1, 2], [2, 4], "has 6 exits, but `exits: after` names 2 layers"),
        (3, [2], [2, 12], "names layer 12, the model's end is layer 12"),
        (4, [3, 5], [2, 4, 6], r"no exit after layer 3 \(its exits follow layers 2, 4, 6\)"),
    ],
)
def test_exits_without_a_layer_are_refused(exits: int, ramps: list[int], after: list[int] | None, message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        exit_columns(exits, ramps, 12, after)


def test_layers_of_exits_ascend() -> None:
    with pytest.raises(ScenarioError, match="ascending layers, got 2, 2, 4"):
        exit_layers([0], [2, 2, 4])


@given(LEAVING)
def test_the_share_that_needs_a_layer_is_the_share_that_did_not_leave_before(leaving: list[int]) -> None:
    share = reach(leaving, 8)
    assert share[0] == 1.0
    assert (np.diff(share) <= 0.0).all()
    assert share.tolist() == [np.mean([leave >= layer for leave in leaving]) for layer in range(1, 9)]
    assert share[1:] == pytest.approx(survival(np.array(leaving) - 1, 8)[:-1], abs=1e-12)
    assert float(share.sum()) == pytest.approx(np.mean(leaving))


def test_rows_can_have_weights() -> None:
    profile = ProfileTable([0.5, 0.25])
    assert profile.weights().tolist() == [0.5, 0.25, 0.25]
    leaving = exit_layers(profile_fires(profile.profile, np.arange(3)).argmax(axis=1), [2, 3, 4])
    assert reach(leaving, 4, profile.weights()).tolist() == [1.0, 1.0, 0.5, 0.25]
    assert ProfileTable([0.1] * 10).weights()[-1] == 0.0
    assert ProfileTable([0.1] * 10).weights().sum() == 1.0


@pytest.mark.parametrize("leaving", [[], [0, 1], [1, 9]])
def test_layers_that_do_not_exist_are_refused(leaving: list[int]) -> None:
    with pytest.raises(ScenarioError, match=r"within 1\.\.8"):
        reach(leaving, 8)


def test_portions_lie_between_cuts() -> None:
    assert portions(12, []) == [(1, 12)]
    assert portions(12, [2, 4, 7]) == [(1, 2), (3, 4), (5, 7), (8, 12)]
    for wrong in ([4, 2], [0], [12], [3, 3]):
        with pytest.raises(ScenarioError, match=r"cuts must ascend within 1\.\.11"):
            portions(12, wrong)


def test_ramps_that_run_under_both_conventions() -> None:
    assert active_ramps(range(1, 12), [2, 5], "cuts") == (2, 5)
    assert active_ramps(range(1, 12), [2, 5], "tag") == (1, 2, 3, 4, 5)
    assert active_ramps([2, 4, 6], [3, 4], "cuts") == (4,)
    assert active_ramps([2, 4, 6], [], "tag") == ()


@given(LEAVING, st.lists(st.integers(1, 7), unique=True).map(sorted))
def test_marked_requests_leave_at_the_next_cut(leaving: list[int], cuts: list[int]) -> None:
    """Tagging: what enters a portion is what needs its first layer, whatever the other cuts."""
    freed = leave_at_cuts(leaving, cuts, 8)
    assert (freed >= leaving).all()
    share, cut_share = reach(leaving, 8), reach(freed, 8)
    for first, _ in portions(8, cuts):
        assert cut_share[first - 1] == share[first - 1]
    assert cut_share.tolist() == held(share, cuts).tolist()


@pytest.mark.parametrize("survival_", [[], [0.9, 0.5], [1.0, 0.5, 0.6], [1.0, -0.1], [1.0, float("nan")]])
def test_a_survival_starts_at_one_and_never_grows(survival_: list[float]) -> None:
    with pytest.raises(ScenarioError, match="survival"):
        held(survival_, [])
