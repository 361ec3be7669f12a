"""Fair shares, and a link whose copies come and go."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.cluster.clock import Clock
from simulator.cluster.streaming.sharing import Copy, FairLink, fair
from tests.cluster.streaming.made import to_the_end

NEEDS = st.lists(st.floats(1e-3, 1.0), min_size=1, max_size=8)


@given(NEEDS)
def test_shares_are_max_min_fair(needs: list[float]) -> None:
    given_ = fair(needs)
    assert math.fsum(given_) <= 1 + 1e-12
    assert all(0 < share <= need for share, need in zip(given_, needs))
    assert math.fsum(given_) == pytest.approx(min(1.0, math.fsum(needs))), "nothing is left that somebody needs"
    most = max(given_)
    for share, need in zip(given_, needs):
        assert share == need or share == pytest.approx(most), "who has less than it needs has as much as anybody"


Arrival = tuple[float, float, float]


def ends_of(arrivals: list[Arrival], given_up: dict[int, float] | None = None) -> list[float]:
    """When copies (start, seconds alone, need) end on a link; some are given up at an instant."""
    clock, ends = Clock(), [math.nan] * len(arrivals)
    link, copies = FairLink(clock, 0), list[Copy]()

    def done(copy: Copy, now: float) -> None:
        ends[copy.number[0]] = now

    for number, (start, seconds, need) in enumerate(arrivals):
        copy = Copy(seconds, 0.0, need, (number,), done)
        copies.append(copy)
        clock.schedule_at(start, (0, number), link.send, copy)
    for number, instant in (given_up or {}).items():
        clock.schedule_at(instant, (1, number), link.remove, copies[number])
    to_the_end(clock)
    assert not link._active
    assert not link._latent
    return ends


def fluid(arrivals: list[Arrival], given_up: dict[int, float] | None = None) -> list[float]:
    """The same by a plain event loop over what is left of each, written without the link's bookkeeping."""
    left = {i: seconds * need for i, (_, seconds, need) in enumerate(arrivals)}
    ends, now, gone = [math.nan] * len(arrivals), 0.0, dict(given_up or {})
    while left:
        for i in [i for i, instant in gone.items() if instant <= now]:
            left.pop(i, None)
            del gone[i]
        active = [i for i in left if arrivals[i][0] <= now]
        coming = [arrivals[i][0] for i in left if arrivals[i][0] > now] + [at for at in gone.values() if at > now]
        if not active:
            now = min(coming, default=math.inf)
            continue
        rate = dict(zip(active, fair([arrivals[i][2] for i in active])))
        step = min(left[i] / rate[i] for i in active)
        if coming and min(coming) - now < step:
            step, over = min(coming) - now, min(coming)
        else:
            over = now + step
        for i in active:
            left[i] -= rate[i] * step
            if left[i] <= 1e-12:
                ends[i] = over
                del left[i]
        now = over
    return ends


ARRIVALS = st.lists(
    st.tuples(st.integers(0, 20).map(lambda n: n / 4), st.integers(1, 20).map(lambda n: n / 8), st.floats(0.05, 1.0)),
    min_size=1,
    max_size=8,
)


@settings(max_examples=200)
@given(ARRIVALS)
def test_copies_end_when_a_fluid_would(arrivals: list[Arrival]) -> None:
    assert ends_of(arrivals) == pytest.approx(fluid(arrivals), rel=1e-9)


@settings(max_examples=200)
@given(ARRIVALS, st.dictionaries(st.integers(0, 7), st.floats(0.03, 8.0).map(lambda t: t // 0.25 * 0.25 + 0.1)))
def test_who_gives_up_leaves_its_share_to_the_others(arrivals: list[Arrival], gone: dict[int, float]) -> None:
    """At any time from its arrival on; one that has ended by then is not affected."""
    gone = {i: instant for i, instant in gone.items() if i < len(arrivals) and instant >= arrivals[i][0]}
    assert ends_of(arrivals, gone) == pytest.approx(fluid(arrivals, gone), rel=1e-9, nan_ok=True)


def test_who_is_alone_ends_at_the_very_sum() -> None:
    arrivals = [(0.1, 0.2, 1.0), (0.1 + 0.2, 0.7, 1.0), (3.3, 0.1, 0.4), (3.35, 0.2, 0.5)]
    assert ends_of(arrivals) == [start + seconds for start, seconds, _ in arrivals]


def test_latency_takes_nothing_from_the_link() -> None:
    """One byte-second each after latencies of 2 s that overlap: the link is theirs from 2 s on, half each."""
    clock = Clock()
    link, ends = FairLink(clock, 0), list[float]()
    for number in range(2):
        link.send(Copy(3.0, 2.0, 1.0, (number,), lambda copy, now: ends.append(now)))
    to_the_end(clock)
    assert ends == [4.0, 4.0]
