"""MSER-5 against examples computed by hand."""

import numpy as np
import pytest

from simulator.results import mser5, warmup_end_s
from tests.results.builders import Ask, alone, record, service

# groups of five with means 10, 4, 1, 3, 1, 3: with d groups cut, sum of squares / (6 - d)^2 is
# d=0: (136 - 22^2/6)/36 = 1.537, d=1: (36 - 12^2/5)/25 = 0.288, d=2: (20 - 8^2/4)/16 = 0.25,
# d=3: (19 - 7^2/3)/9 = 0.296; the second half is never cut
GROUPS = [10.0, 4.0, 1.0, 3.0, 1.0, 3.0]


def series(groups: list[float]) -> np.ndarray:  # type: ignore[type-arg]
    return np.add.outer(groups, [-1.0, 1.0, 0.0, -2.0, 2.0]).ravel()


def test_by_hand() -> None:
    assert mser5(series(GROUPS)) == 10


def test_groups_hide_what_is_inside_them_and_a_rest_is_left_out() -> None:
    assert mser5(np.append(series(GROUPS), [500.0] * 4)) == 10


def test_a_steady_series_keeps_everything() -> None:
    assert mser5(np.ones(500)) == 0


@pytest.mark.parametrize("count", [0, 4, 9])
def test_too_short(count: int) -> None:
    assert mser5(np.arange(count, dtype=float)) == 0


def test_never_more_than_half() -> None:
    assert mser5(np.arange(100, 0, -1.0)) <= 50


def test_brute_force() -> None:
    values = np.random.default_rng(1).exponential(1.0, 203) + np.exp(-np.arange(203) / 20) * 8
    groups = values[:200].reshape(40, 5).mean(axis=1)
    scores = [((groups[d:] - groups[d:].mean()) ** 2).sum() / (40 - d) ** 2 for d in range(21)]
    assert mser5(values) == 5 * int(np.argmin(scores))
    assert mser5(values) > 0


def test_the_instant_is_the_arrival_of_the_first_request_kept() -> None:
    asks = [Ask(float(row), row + latency) for row, latency in enumerate(series(GROUPS) + 2.0)]
    assert warmup_end_s(alone(asks, duration=100.0, end=200.0)) == 10.0


def test_the_slowest_service_decides() -> None:
    slow = [Ask(float(row), row + latency) for row, latency in enumerate(series(GROUPS) + 2.0)]
    steady = [Ask(row + 0.5, row + 1.5, service=1) for row in range(30)]
    asks = sorted(slow + steady, key=lambda ask: ask.arrival)
    facts = record(asks, services=[service("a"), service("b")], duration=100.0, end=200.0)
    assert warmup_end_s(facts) == 10.0


def test_nothing_completed() -> None:
    assert warmup_end_s(record([])) == 0.0
