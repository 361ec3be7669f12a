"""Which row a request replays: drawn, in order, in blocks, from a mix that moves with time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.costs.early_exit import Blocks, Drawn, ExitTable, Mix, ProfileTable, Replay, Replayed, order_of
from simulator.errors import ScenarioError
from simulator.streams import stream

HALF = Mix(np.array([0.0]), np.array([[0.5, 0.5]]))
DRIFT = Mix(np.array([0.0, 100.0]), np.array([[1.0, 0.0, 0.0], [0.0, 0.25, 0.75]]))


def uniform(count: int, seed: int = 1) -> np.ndarray:
    return stream(seed, "rows").random(count)


def test_drawn_rows_are_those_of_the_table_itself() -> None:
    numbers = uniform(1000)
    table = ExitTable(np.full((7, 2), 0.5), None, None)
    assert Replay((7,)).draw(numbers).tolist() == table.draw(numbers).tolist()
    assert Replay((7,)).draw(np.array([np.nextafter(1.0, 0.0)])).tolist() == [6]


def test_a_profile_takes_the_same_arguments() -> None:
    profile = ProfileTable([0.5])
    assert profile.draw(np.array([0.2, 0.7]), np.zeros(2), np.arange(2)).tolist() == [0, 1]


def test_replayed_rows_follow_the_file() -> None:
    replay = Replay((3,), Replayed())
    assert replay.draw(uniform(7)).tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert replay.draw(uniform(2), np.zeros(2), np.array([5, 3_000_000_001])).tolist() == [2, 1]


@given(st.integers(1, 40), st.integers(1, 50), st.integers(0, 5))
def test_blocks_come_once_in_every_pass_and_keep_their_order(rows: int, length: int, seed: int) -> None:
    found = Replay((rows,), Blocks(length).seeded(seed, 0, "chat")).draw(uniform(5 * rows)).reshape(5, rows)
    for turn in found:
        assert sorted(turn.tolist()) == list(range(rows))
        breaks = np.flatnonzero(np.diff(turn) != 1) + 1
        for block in np.split(turn, breaks):
            assert block[0] % length == 0
            assert (block[-1] + 1) % length == 0 or block[-1] == rows - 1


def test_blocks_are_shuffled_anew_and_evenly() -> None:
    """Every block comes first in about a fifth of the passes: 3.3 standard errors."""
    passes = Replay((500,), Blocks(100).seeded(3, 0)).draw(uniform(1_000_000)).reshape(2000, 500)
    first = np.bincount(passes[:, 0] // 100, minlength=5) / 2000
    assert first == pytest.approx(0.2, abs=3.3 * np.sqrt(0.2 * 0.8 / 2000))
    assert len({tuple(turn) for turn in passes[:, ::100].tolist()}) == 120


def test_the_row_follows_from_the_request_not_from_the_order_of_asking() -> None:
    for order in (Drawn(), Replayed(), Blocks(4).seeded(7, 1, "chat")):
        replay = Replay((10, 6, 30_000), order, DRIFT)
        numbers, arrival = uniform(3000), np.linspace(0.0, 120.0, 3000)
        whole = replay.draw(numbers, arrival, np.arange(3000))
        one_by_one = [
            int(replay.draw(numbers[i : i + 1], arrival[i : i + 1], np.array([i]))[0]) for i in range(0, 3000, 37)
        ]
        assert one_by_one == whole[::37].tolist()
        backwards = np.arange(3000)[::-1]
        assert replay.draw(numbers[backwards], arrival[backwards], backwards).tolist() == whole[::-1].tolist()


def test_block_order_has_a_name() -> None:
    replay = Replay((50,), Blocks(5))
    one, again, other = (replay.seeded(7, run, "chat").draw(uniform(50)) for run in (0, 0, 1))
    assert one.tolist() == again.tolist() != other.tolist()
    assert Replay((50,)).seeded(7, 0) == Replay((50,))


def test_few_shuffles_are_kept() -> None:
    order = Blocks(1)
    replay = Replay((50_000,), order)
    for turn in range(40):
        replay.draw(uniform(3), None, np.array([turn * 50_000, 1, 2]))
    assert len(order._turns) <= 8


def test_tables_come_in_their_shares() -> None:
    numbers = (np.arange(100_000) + 0.5) / 100_000
    found = Replay((2, 4), mix=HALF).draw(numbers, np.zeros(100_000))
    assert (np.bincount(found) / 100_000).tolist() == [0.25, 0.25, 0.125, 0.125, 0.125, 0.125]


def test_shares_move_along_straight_lines_or_stay() -> None:
    at = np.array([-5.0, 0.0, 50.0, 100.0, 1e9])
    wanted = [[1, 0, 0], [1, 0, 0], [0.5, 0.125, 0.375], [0, 0.25, 0.75], [0, 0.25, 0.75]]
    assert DRIFT.weights(at).tolist() == wanted
    step = Mix(DRIFT.at_s, DRIFT.shares, "step")
    assert step.weights(at).tolist() == [[1, 0, 0], [1, 0, 0], [1, 0, 0], [0, 0.25, 0.75], [0, 0.25, 0.75]]
    assert Replay((1, 2, 3), mix=DRIFT).weights(50.0) == pytest.approx([0.5, 0.0625, 0.0625, 0.125, 0.125, 0.125])
    assert Replay((4,)).weights(0.0).tolist() == [0.25] * 4


@given(st.integers(0, 100), st.lists(st.floats(0.0, 1.0), min_size=3, max_size=3), st.floats(0, 200))
def test_a_table_without_a_share_is_never_replayed(seed: int, parts: list[float], instant: float) -> None:
    shares = np.array([parts, parts[::-1]]) + np.array([[0.0, 0.0, 0.1]])
    shares /= shares.sum(axis=1, keepdims=True)
    replay = Replay((3, 5, 7), mix=Mix(np.array([0.0, 100.0]), shares))
    numbers = np.concatenate([uniform(200, seed), [0.0, np.nextafter(1.0, 0.0)]])
    found = replay.draw(numbers, np.full(202, instant))
    assert ((found >= 0) & (found < 15)).all()
    weights = replay.weights(instant)
    assert (weights[found] > 0.0).all()
    assert weights.sum() == pytest.approx(1.0)


def test_drift_shows_in_the_rows_drawn() -> None:
    """Shares of the tables among 200,000 requests of each tenth of the time, within 3.5 standard errors."""
    arrival = np.linspace(0.0, 100.0, 200_000)
    found = Replay((2, 3, 4), mix=DRIFT).draw(uniform(200_000), arrival)
    last = np.searchsorted([2, 5], found, side="right") == 2
    for tenth in range(10):
        mine = slice(20_000 * tenth, 20_000 * (tenth + 1))
        share = DRIFT.weights(arrival[mine])[:, 2].mean()
        assert last[mine].mean() == pytest.approx(share, abs=3.5 * np.sqrt(share * (1 - share) / 20_000) + 1e-6)


def test_ordered_tables_of_a_mix_keep_their_place_by_request_number() -> None:
    replay = Replay((3, 2), Replayed(), HALF)
    assert replay.draw(np.array([0.1, 0.9, 0.1, 0.9]), np.zeros(4)).tolist() == [0, 4, 2, 4]


def test_orders_by_name() -> None:
    assert (order_of("drawn"), order_of("replayed"), order_of(5)) == (Drawn(), Replayed(), Blocks(5))
    with pytest.raises(ScenarioError, match="unknown 'sorted' \\(known: drawn, replayed"):
        order_of("sorted")


@pytest.mark.parametrize(
    ("at", "shares", "message"),
    [
        ([0.0], [[0.5, 0.4]], "at 0s do not add up to 1"),
        ([0.0, 5.0], [[1.0, 0.0], [1.5, -0.5]], "at 5s do not add up"),
        ([0.0, 0.0], [[1.0], [1.0]], "instants must ascend"),
        ([0.0], [[1.0], [1.0]], "one row of shares per instant"),
        ([], [], "one row of shares per instant"),
    ],
)
def test_mixes_that_cannot_be_are_refused(at: list[float], shares: list[list[float]], message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        Mix(np.array(at), np.array(shares))


def test_replays_that_cannot_be_are_refused() -> None:
    with pytest.raises(ScenarioError, match="one share for each of the 2 tables"):
        Replay((2, 3))
    with pytest.raises(ScenarioError, match="one share for each of the 1 tables"):
        Replay((2,), mix=HALF)
    with pytest.raises(ScenarioError, match="at least one row"):
        Replay((0,))
    with pytest.raises(ScenarioError, match="length of at least 1"):
        Blocks(0)
