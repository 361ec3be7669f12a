"""Replications: totals, means and Student-t intervals."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from simulator.results import Outcome, combine, metrics, precise_enough
from simulator.results.intervals import half_width, interval, reached
from tests.results.builders import Ask, ClassInfo, alone, service, tandem


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=40))
def test_interval_is_student_t(values: list[float]) -> None:
    low, high = interval(values) or (math.nan, math.nan)
    error = float(stats.sem(values))
    if error < 1e-9:
        assert high - low < 1e-6
        return
    expected = stats.t.interval(0.95, len(values) - 1, loc=np.mean(values), scale=error)
    assert (low, high) == pytest.approx(tuple(expected), rel=1e-7, abs=1e-7)


def test_interval_of_equal_values_is_a_point() -> None:
    assert interval([2.0, 2.0, 2.0]) == [2.0, 2.0]


def test_one_value_has_no_interval() -> None:
    assert interval([1.0]) is None
    assert half_width([]) is None


def test_half_width_reached() -> None:
    close, wide = [10.0, 10.1, 9.9], [10.0, 14.0, 6.0]
    assert reached(close, 0.05)
    assert not reached(wide, 0.05)
    assert not reached(close[:2], 0.05)
    assert not reached([*close, None], 0.05)
    limit = (half_width(close) or 0.0) / 10.0
    assert reached(close, limit * 1.0001)
    assert not reached(close, limit * 0.9999)


def runs(*finishes: float, slo: float = 2.0) -> list[dict]:  # type: ignore[type-arg]
    info = service("chat", ClassInfo("x", 0, slo), ClassInfo("y", 0, math.inf))
    found = []
    for number, finish in enumerate(finishes):
        asks = [Ask(1.0, 1.0 + finish), Ask(2.0, 2.0 + finish, kind=1), Ask(3.0, 3.0, Outcome.DROPPED)]
        found.append(metrics(alone(asks, services=[info], replication=number, end=1e4)))
    return found


def test_counts_are_totals_and_others_means() -> None:
    chat = combine(runs(1.0, 2.0, 6.0))["services"]["chat"]
    assert [chat[name] for name in ("arrived", "completed", "dropped", "inside")] == [9, 6, 3, 0]
    assert chat["latency"]["mean"] == pytest.approx(3.0)
    assert chat["latency"]["max"] == 6.0
    assert chat["attainment"] == pytest.approx(1 / 3)  # of class x: 1/2, 1/2, 0
    assert chat["classes"]["y"]["arrived"] == 3
    assert chat["portions"][0]["replicas"] == 1
    assert isinstance(chat["portions"][0]["replicas"], int)


def test_intervals_are_named_like_the_figures() -> None:
    chat = combine(runs(1.0, 2.0, 6.0))["services"]["chat"]
    assert chat["ci95"]["p99"] == interval([1.0, 2.0, 6.0])
    assert chat["ci95"]["goodput"] == interval([0.1, 0.1, 0.0])
    assert chat["ci95"]["breakdown.mean.service"] == interval([1.0, 2.0, 6.0])
    assert not {"arrived", "max", "accuracy"} & set(chat["ci95"])
    assert "p99" in chat["classes"]["x"]["ci95"]
    assert chat["classes"]["y"]["attainment"] is None
    assert "attainment" not in chat["classes"]["y"]["ci95"]
    assert "utilization" in chat["portions"][0]["ci95"]
    assert "queue_wait.mean" in chat["portions"][0]["ci95"]


def test_one_replication_has_no_intervals() -> None:
    combined = combine(runs(1.0))
    chat = combined["services"]["chat"]
    assert chat["ci95"] is None
    assert chat["portions"][0]["ci95"] is None
    assert combined["pools"]["v100"]["ci95"] is None
    assert chat["latency"]["p99"] == 1.0


def test_replications_without_data_do_not_spoil_the_mean() -> None:
    empty = metrics(alone([]))
    full = metrics(alone([Ask(1.0, 3.0, exit_layer=2)]))
    chat = combine([empty, full, full])["services"]["chat"]
    assert chat["latency"]["p99"] == 2.0
    assert chat["ci95"]["p99"] == [2.0, 2.0]
    assert chat["exits"] == {"2": pytest.approx(2 / 3)}
    assert combine([empty, empty])["services"]["chat"]["latency"]["p99"] is None


def test_sums_of_counts_stay_exact() -> None:
    chat = combine([metrics(tandem(seed, 60, faults=True)) for seed in range(4)])["services"]["chat"]
    parts = ("completed", "dropped", "rejected", "failed", "inside")
    assert chat["arrived"] == sum(chat[name] for name in parts)
    assert sum(chat["breakdown"]["mean"].values()) == pytest.approx(chat["latency"]["mean"], rel=1e-9)


def test_precise_enough() -> None:
    assert precise_enough(runs(1.0, 1.01, 0.99), "p99", 0.05)
    assert not precise_enough(runs(1.0, 2.0, 6.0), "p99", 0.05)
    assert not precise_enough(runs(1.0, 1.0), "p99", 0.05)
    assert precise_enough(runs(1.0, 1.01, 0.99), "goodput", 0.05)
    no_objective = [metrics(alone([Ask(1.0, 2.0)])) for _ in range(3)]
    assert precise_enough(no_objective, "goodput", 0.05)
