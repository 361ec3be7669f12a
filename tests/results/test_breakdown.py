"""Where the time goes: every part by hand, and the sum for any record."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.errors import InternalError
from simulator.results import ClassInfo, PortionInfo, metrics
from simulator.results.breakdown import PARTS
from tests.results.builders import Ask, Batch, record, service, tandem

TWO_PORTIONS = [PortionInfo(0, 1, 2, 0.0), PortionInfo(0, 3, 4, 0.0)]


def parts(asks: list[Ask], visits: list[Batch], which: str = "mean") -> list[float]:
    figures = metrics(record(asks, visits, portions=TWO_PORTIONS))["services"]["chat"]
    return [figures["breakdown"][which][part] for part in PARTS]


def test_a_partial_batch_fills_until_it_is_due_and_queues_after() -> None:
    assert parts([Ask(0.0, 4.0)], [Batch(3.0, 4.0, [(0, 0.0)], due=2.0)]) == [2.0, 1.0, 1.0, 0.0, 0.0]


def test_a_full_batch_fills_until_its_last_member_came() -> None:
    asks = [Ask(0.0, 4.0), Ask(1.0, 4.0)]
    visits = [Batch(3.0, 4.0, [(0, 0.0), (1, 1.0)], due=9.0, capacity=2)]
    assert parts(asks, visits) == [0.5, 2.0, 1.0, 0.0, 0.0]  # fill 1 and 0, queue 2 and 2


def test_a_full_batch_that_was_due_earlier_fills_until_due() -> None:
    asks = [Ask(0.0, 4.0), Ask(2.0, 4.0)]
    visits = [Batch(3.0, 4.0, [(0, 0.0), (1, 2.0)], due=1.0, capacity=2)]
    assert parts(asks, visits) == [0.5, 1.5, 1.0, 0.0, 0.0]


def test_a_member_that_came_after_the_due_instant_has_no_fill() -> None:
    assert parts([Ask(2.0, 4.0)], [Batch(3.0, 4.0, [(0, 2.0)], due=1.0)]) == [0.0, 1.0, 1.0, 0.0, 0.0]


def test_a_portion_that_never_waits_has_no_fill() -> None:
    assert parts([Ask(0.0, 4.0)], [Batch(3.0, 4.0, [(0, 0.0)], due=-math.inf)]) == [0.0, 3.0, 1.0, 0.0, 0.0]


def test_transfers_count_for_those_that_go_on() -> None:
    asks = [Ask(0.0, 7.0), Ask(0.0, 2.0, exit_layer=2)]
    visits = [
        Batch(1.0, 2.0, [(0, 0.0), (1, 0.0)], free=4.0),
        Batch(5.0, 7.0, [(0, 4.0)], portion=1),
    ]
    # queue 1+1 and 1; service 1+2 and 1; transfer 2 and 0
    assert parts(asks, visits) == [0.0, 1.5, 2.0, 1.0, 0.0]


def test_an_answer_that_leaves_before_its_batch_ends_stops_counting() -> None:
    asks = [Ask(0.0, 1.5, exit_layer=1)]
    visits = [Batch(1.0, 3.0, [(0, 0.0)], free=4.0), Batch(5.0, 6.0, [(0, 4.0)], portion=1)]
    assert parts(asks, visits) == [0.0, 1.0, 0.5, 0.0, 0.0]


def test_a_batch_that_a_fault_took_back_is_retry() -> None:
    visits = [Batch(1.0, 3.0, [(0, 0.0)], aborted=True, due=0.0), Batch(4.0, 6.0, [(0, 3.0)], due=0.0)]
    assert parts([Ask(0.0, 6.0, attempts=2)], visits) == [0.0, 2.0, 2.0, 0.0, 2.0]


def test_an_answer_given_before_the_fault_stands() -> None:
    visits = [Batch(1.0, 3.0, [(0, 0.0)], aborted=True)]
    assert parts([Ask(0.0, 2.0, exit_layer=1)], visits) == [0.0, 1.0, 1.0, 0.0, 0.0]


def test_an_instant_service_still_counts_its_wait() -> None:
    assert parts([Ask(0.0, 3.0)], [Batch(3.0, 3.0, [(0, 0.0)])]) == [0.0, 3.0, 0.0, 0.0, 0.0]


def test_the_tail_is_the_slowest_hundredth() -> None:
    asks = [Ask(float(row), row + 0.5 + (row == 7)) for row in range(100)]
    visits = [Batch(ask.arrival + 0.25, ask.finish or 0.0, [(row, ask.arrival)]) for row, ask in enumerate(asks)]
    facts = record(asks, visits, duration=100.0, end=200.0)
    chat = metrics(facts)["services"]["chat"]
    # 100 requests: p99 is the 99th value, 0.5, so that all are at least as slow
    assert chat["breakdown"]["p99"] == chat["breakdown"]["mean"]
    facts = record(asks[:10] + asks[10:60], visits[:60], duration=100.0, end=200.0)
    tail = metrics(facts)["services"]["chat"]["breakdown"]["p99"]
    assert (tail["queue"], tail["service"]) == (0.25, 1.25)  # of 60 the p99 is the slowest


def test_a_record_whose_parts_do_not_add_up_is_our_fault() -> None:
    with pytest.raises(InternalError, match="parts sum to"):
        parts([Ask(0.0, 4.0)], [Batch(3.0, 4.0, [(0, 1.0)])])


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    count=st.integers(1, 150),
    max_wait=st.sampled_from([0.0, 0.02, 0.2]),
    faults=st.booleans(),
    classes=st.integers(1, 3),
)
def test_parts_add_up_for_any_record(seed: int, count: int, max_wait: float, faults: bool, classes: int) -> None:
    facts = tandem(seed, count, max_wait=max_wait, faults=faults, classes=classes)
    chat = metrics(facts)["services"]["chat"]
    for tree in (chat, *chat.get("classes", {}).values()):
        if not tree["completed"]:
            assert set(tree["breakdown"]["mean"].values()) == {None}
            continue
        mean = tree["breakdown"]["mean"]
        assert sum(mean.values()) == pytest.approx(tree["latency"]["mean"], rel=1e-9)
        assert min(mean.values()) >= 0
        assert sum(tree["breakdown"]["p99"].values()) >= tree["latency"]["p99"] * (1 - 1e-9)
        assert (mean["fill"] > 0) <= (max_wait > 0)
        assert (mean["retry"] > 0) <= faults


def test_many_batches_are_added_up_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = tandem(5, 150, max_wait=0.02, faults=True, classes=2)
    whole = metrics(facts)["services"]["chat"]["breakdown"]
    monkeypatch.setattr("simulator.results.breakdown._BLOCK", 7)
    pieces = metrics(facts)["services"]["chat"]["breakdown"]
    for which in ("mean", "p99"):
        assert pieces[which] == pytest.approx(whole[which])


def test_times_late_in_a_long_run_still_add_up() -> None:
    day = 86400.0
    asks = [Ask(day + row * 0.01, day + row * 0.01 + 0.003) for row in range(200)]
    visits = [Batch(a.arrival + 0.001, a.finish or 0.0, [(row, a.arrival)]) for row, a in enumerate(asks)]
    info = service("chat", ClassInfo("x", 0, 0.005))
    facts = record(asks, visits, services=[info], duration=day + 10, end=day + 20)
    chat = metrics(facts)["services"]["chat"]
    assert math.isclose(sum(chat["breakdown"]["mean"].values()), chat["latency"]["mean"], rel_tol=1e-9)
