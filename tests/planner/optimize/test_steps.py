"""The load shape of steps: one factor for every interval."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.cluster import simulate
from simulator.errors import ScenarioError
from simulator.scenario import loads
from simulator.workload.clock import Clock
from simulator.workload.shapes import Diurnal, Steps
from tests.support import layer, poisson, portion, scenario

FACTORS = st.lists(st.just(0.0) | st.floats(1e-6, 20.0), min_size=1, max_size=12).filter(any)


def node(**shape):
    service = {
        "workload": poisson(200.0, shape={"kind": "steps", **shape}),
        "slo": {"latency": "20ms"},
        "deployment": {"portions": [portion("1", 4)]},
    }
    return scenario(service, [layer(0.004)], duration_s=12.0)


def test_a_step_holds_from_its_beginning_and_the_last_one_stays():
    shape = Steps(every_s=2.0, factors=(0.5, 3.0, 1.0))
    assert shape.factor(np.array([0.0, 1.999, 2.0, 3.999, 4.0, 5.999, 6.0, 99.0])).tolist() == [
        0.5, 0.5, 3.0, 3.0, 1.0, 1.0, 1.0, 1.0,
    ]  # fmt: skip
    clock = Clock([shape], 100.0)
    assert clock.forward(np.array([0.0, 1.0, 2.0, 3.0, 4.0, 10.0, 100.0])).tolist() == [0, 0.5, 1, 4, 7, 13, 103]


def test_repeated_steps_begin_anew():
    shape = Steps(every_s=2.0, factors=(0.5, 3.0), repeat=True)
    t = np.array([0.0, 2.0, 4.0, 7.0, 401.0])
    assert np.allclose(Clock([shape], 500.0).forward(t), [0, 1, 7, 11, 700.5], rtol=1e-14)


@settings(max_examples=60, deadline=None)
@given(factors=FACTORS, every=st.floats(0.01, 50.0), repeat=st.booleans(), wave=st.booleans(), seed=st.integers(0, 99))
def test_the_integral_is_the_sum_of_the_steps_and_the_inverse_inverts(factors, every, repeat, wave, seed):
    shape, until = Steps(every, tuple(factors), repeat), 200.0
    clock = Clock([shape], until)
    edges = np.arange(0.0, until, every)
    held = np.array(
        [factors[k % len(factors)] if repeat else factors[min(k, len(factors) - 1)] for k in range(len(edges))]
    )
    exact = np.concatenate([[0.0], np.cumsum(held[:-1] * np.diff(edges))])
    assert np.allclose(clock.forward(edges), exact, rtol=1e-11, atol=1e-11 * max(exact[-1], 1e-300))
    both = Clock([shape, *([Diurnal(30.0, 0.7, 3.0)] if wave else [])], until)
    end = float(both.forward(np.array([until]))[0])
    s = np.sort(np.random.default_rng(seed).random(200)) * end
    assert np.allclose(both.forward(both.inverse(s)), s, rtol=1e-12, atol=1e-12 * end)


def test_a_longer_run_has_the_same_arrivals(draw_steps):
    for repeat in (False, True):
        shape = {"kind": "steps", "every": "3s", "factors": [1, 0, 4, 0.5], "repeat": repeat}
        short, long = draw_steps(20.0, shape), draw_steps(200.0, shape)
        assert np.array_equal(short, long[: short.size])


def test_counts_follow_the_steps(draw_steps):
    """Sums over 400 turns; 4.5 standard deviations of a Poisson count."""
    found = draw_steps(400 * 8.0, {"kind": "steps", "every": "2s", "factors": [1, 0, 4, 0.5], "repeat": True})
    counts = np.bincount(((found % 8.0) // 2.0).astype(int), minlength=4)
    expected = np.array([1, 0, 4, 0.5]) * 400 * 2 * 100.0
    assert (np.abs(counts - expected) <= 4.5 * np.sqrt(expected)).all()


def test_both_engines_see_the_same():
    text = json.dumps(node(every="3s", factors=[1, 0, 4, 0.5]))
    one, two = (simulate(loads(text), engine=engine, tables=True).requests for engine in ("simpy", "compiled"))
    assert one[["arrival_s", "finish_s"]].equals(two[["arrival_s", "finish_s"]])
    assert not one["arrival_s"].between(3.0, 6.0, inclusive="neither").any()


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ({"every": "1s", "factors": []}, "factors"),
        ({"every": "1s", "factors": [0, 0]}, "factor greater than 0"),
        ({"every": "0s", "factors": [1]}, "every"),
        ({"every": "1s", "factors": [1, -1]}, "factors"),
        ({"every": 1, "factors": [1]}, "unit"),
    ],
)
def test_wrong_steps_are_told(shape, said):
    with pytest.raises(ScenarioError, match=said):
        loads(json.dumps(node(**shape)))


def test_too_many_repeated_steps_are_told():
    text = json.dumps(node(every="1us", factors=[1.0] * 1000, repeat=True))
    with pytest.raises(ScenarioError, match="at most 10,000,000 steps"):
        simulate(loads(text))


@pytest.fixture
def draw_steps(tmp_path):
    from simulator.scenario.shapes import Steps as Written
    from simulator.scenario.workload import Poisson
    from simulator.workload import arrival_times

    def draw(until, shape):
        one = Poisson.model_validate({"rate": "100/s", "shape": Written.model_validate(shape)})
        return arrival_times(one, seed=3, replication=0, service="s", until_s=until, folder=tmp_path)

    return draw
