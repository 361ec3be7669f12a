"""The sets of idle replicas against Python's own, on all three levels, from compiled code and from the control code."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.cluster.compiled import columns as c
from simulator.cluster.compiled import sets
from simulator.cluster.compiled.jit import OPTIONS, njit
from simulator.cluster.compiled.queue_views import add_idle, drop_idle

SIZES = [1, 2, 63, 64, 65, 127, 128, 4095, 4096, 4097, 8192, 10_000, sets.MOST]
"""Around the borders of the levels."""
BASE = 5
"""Words before the set, which belong to others."""


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def act(words, size, what, number):  # type: ignore[no-untyped-def]
    if what == 0:
        sets.add(words, BASE, size, number)
    elif what == 1:
        sets.discard(words, BASE, size, number)
    elif what == 2:
        return int(sets.contains(words, BASE, size, number))
    else:
        return sets.least(words, BASE, size, number)
    return 0


class Pair:
    """A set and Python's, kept alike."""

    def __init__(self, most: int) -> None:
        self.most, self.size = most, sets.words_of(most)
        self.words = np.zeros(BASE + self.size + 5, np.int64)
        self.words[:BASE] = self.words[-5:] = -1
        self.members: set[int] = set()

    def check(self, start: int) -> None:
        expected = min((number for number in self.members if number >= start), default=-1)
        assert act(self.words, self.size, 3, start) == expected
        if start < self.most:
            assert act(self.words, self.size, 2, start) == (start in self.members)
        assert (self.words[:BASE] == -1).all()
        assert (self.words[-5:] == -1).all()


def numbers(most: int) -> st.SearchStrategy[int]:
    """Members, more often than not near a border of a word."""
    near = [n for border in (0, 64, 4096, 8192, most) for n in range(border - 2, border + 2) if 0 <= n < most]
    return st.sampled_from(near) | st.integers(0, most - 1)


@pytest.mark.parametrize("most", SIZES)
def test_as_a_set(most: int) -> None:
    @settings(max_examples=60)
    @given(st.lists(st.tuples(st.booleans(), numbers(most), numbers(most + 1)), max_size=60))
    def check(steps: list[tuple[bool, int, int]]) -> None:
        pair = Pair(most)
        for adds, number, start in steps:
            act(pair.words, pair.size, 0 if adds else 1, number)
            (pair.members.add if adds else pair.members.discard)(number)
            pair.check(start)
            pair.check(0)
        for number in sorted(pair.members):
            act(pair.words, pair.size, 1, number)
        assert not pair.words[BASE:-5].any()

    check()


@pytest.mark.parametrize("most", SIZES)
def test_a_full_set_is_walked_in_order(most: int) -> None:
    """From each member to the next, and past the last of them there is none."""
    pair = Pair(most)
    members = range(most) if most < 20_000 else range(0, most, 61)
    for number in members:
        act(pair.words, pair.size, 0, number)
    found, start = [], 0
    while (number := act(pair.words, pair.size, 3, start)) >= 0:
        found.append(number)
        start = number + 1
    assert found == list(members)
    assert act(pair.words, pair.size, 3, most) == -1


@pytest.mark.parametrize("most", SIZES)
def test_the_control_code_writes_the_same_words(most: int) -> None:
    """``add_idle`` and ``drop_idle`` on the levels of one set among three."""
    size, group = sets.words_of(most), 1
    station = np.zeros((1, c.S_INTS), np.int64)
    station[0, [c.S_BITS, c.S_SET, c.S_KINDS]] = BASE - size * group if size * group <= BASE else 0, size, 3
    base = int(station[0, c.S_BITS]) + group * size
    replicas = np.zeros((1, c.P_INTS), np.int64)
    replicas[0, c.P_KIND] = group
    arrays: Any = SimpleNamespace(stations=station, replicas=replicas, idle=np.zeros(base + 3 * size, np.int64))
    words = np.zeros(BASE + size, np.int64)
    chosen = sorted({n for n in (0, 1, 63, 64, 65, 4095, 4096, 4159, most // 2, most - 1) if n < most})
    for number in chosen:
        replicas[0, c.P_NUMBER] = number
        add_idle(arrays, 0, 0)
        act(words, size, 0, number)
        assert (arrays.idle[base : base + size] == words[BASE:]).all()
    for number in chosen[::2] + chosen[1::2]:
        assert drop_idle(arrays, 0, number)
        assert not drop_idle(arrays, 0, number)
        act(words, size, 1, number)
        assert (arrays.idle[base : base + size] == words[BASE:]).all()
    assert not arrays.idle.any()
