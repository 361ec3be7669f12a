"""Draws of closed loads, by client and ordinal."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from simulator.streams import stream
from simulator.workload import ClientDraws, think_times

NAME = {"seed": 4, "replication": 1, "service": "chat"}


def uniform(rng, shape):
    return rng.random(shape)


@given(st.permutations([(client, k) for client in range(3) for k in (0, 1, 63, 64, 65, 200, 1000)]))
def test_value_does_not_depend_on_the_order_of_asking(order):
    draws = ClientDraws(4, 1, "chat", "think", 3, uniform)
    found = {place: draws.value(*place) for place in order}
    for client, k in order:
        block = stream(4, 1, "chat", "think", k // 64).random((3, 64))
        assert found[client, k] == block[client, k % 64]


def test_names_are_separate():
    first = {
        ClientDraws(*name, 2, uniform).value(0, 0)
        for name in [
            (0, 0, "a", "think"),
            (1, 0, "a", "think"),
            (0, 1, "a", "think"),
            (0, 0, "b", "think"),
            (0, 0, "a", "exit"),
        ]
    }
    assert len(first) == 5


def test_blocks_are_dropped_once_every_client_has_passed():
    draws = ClientDraws(0, 0, "s", "think", 10, uniform)
    for k in range(64 * 20):
        for client in range(10):
            draws.value(client, k)
    assert len(draws._blocks) <= 1


def test_whole_numbers_stay_whole():
    draws = ClientDraws(0, 0, "s", "exit", 4, lambda rng, shape: rng.integers(0, 9, shape))
    assert type(draws.value(3, 70)) is int


@pytest.mark.parametrize(
    ("think", "law"),
    [
        ("2s", ("expon", (0, 2.0))),
        ({"mean": "2s", "distribution": "exponential"}, ("expon", (0, 2.0))),
        (
            {"mean": "2s", "distribution": "lognormal", "cv": 0.5},
            ("lognorm", (np.sqrt(np.log(1.25)), 0, 2.0 / np.sqrt(1.25))),
        ),
    ],
)
def test_think_times_have_their_law(make, think, law):
    draws = think_times(make(clients=50, think=think), **NAME)
    values = np.array([draws.value(client, k) for client in range(50) for k in range(400)])
    assert stats.kstest(values, law[0], args=law[1]).pvalue > 1e-4
    name, (*shape, scale) = law
    assert stats.kstest(values, name, args=(*shape, 1.05 * scale)).pvalue < 1e-4  # 5 % off would be seen


def test_deterministic_think_times(make):
    draws = think_times(make(clients=2, think={"mean": "3s", "distribution": "deterministic"}), **NAME)
    assert {draws.value(client, k) for client in range(2) for k in range(200)} == {3.0}


def test_think_times_scale_exactly(make):
    for keys in ({"distribution": "exponential"}, {"distribution": "lognormal", "cv": 2.0}):
        one, two = (think_times(make(clients=3, think={"mean": mean, **keys}), **NAME) for mean in ("0.3s", "1.2s"))
        assert all(4 * one.value(1, k) == two.value(1, k) for k in range(200))
