"""Choosing a precision by predicted time, and judging choices."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from simulator.costs.base import GemmRoofline
from simulator.costs.quantized import fastest, judge

TIMES = arrays(np.float64, st.tuples(st.integers(2, 4), st.integers(1, 12)), elements=st.floats(1e-6, 1e-2))


@given(TIMES, st.floats(0, 0.5))
def test_the_truth_is_always_right(times: np.ndarray[tuple[int, int], np.dtype[np.float64]], tie: float) -> None:
    found = judge(times, times, tie)
    assert (found.right, found.regret) == (1.0, 0.0)


@given(TIMES)
def test_judgements_by_hand(times: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> None:
    guess = np.roll(times, 1, axis=0)
    right, regret = [], []
    for column, guessed in zip(times.T, guess.T, strict=True):
        best, second = sorted(column)[:2]
        if second >= 1.05 * best:
            chosen = column[list(guessed).index(min(guessed))]
            right.append(chosen == best)
            regret.append(chosen / best - 1)
    found = judge(times, guess)
    assert found.shapes == len(right)
    if right:
        assert (found.right, found.regret) == pytest.approx((np.mean(right), np.mean(regret)))


def test_the_faster_law_is_chosen_shape_by_shape() -> None:
    laws = {"bf16": GemmRoofline(3e-6, 7e14, 0.0), "fp8": GemmRoofline(13e-6, 1e15, 0.0)}
    m = np.array([[1.0, 16384.0]])
    found = fastest(laws, m, 8192, 8192)
    assert found.names.tolist() == [["bf16", "fp8"]]
    assert (found.seconds == np.minimum(*(law.seconds(m, 8192, 8192) for law in laws.values()))).all()
    assert fastest(dict(reversed(laws.items())), m, 8192, 8192).names.tolist() == [["bf16", "fp8"]]
