"""What holds for every arrival process: same seed same bytes, own streams, exact scaling, order, chunks."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator.errors import InternalError
from simulator.workload import PROCESSES, arrival_times, open_arrivals, scaled

ROOT = Path(__file__).parents[2]
STATES = [{"rate": "40/s", "mean_duration": "3s"}, {"rate": "2/s", "mean_duration": "9s"}]
OPEN: dict[str, dict[str, Any]] = {
    "poisson": {"rate": "25/s"},
    "gamma": {"rate": "25/s", "cv": 2.5},
    "mmpp": {"states": STATES},
    "trace": {"trace": "good.csv", "repeat": True},
    "rates": {"rates": "good_rates.csv", "interval": "10s", "repeat": True, "scale": 40.0, "cv": 1.5},
}
SHAPE = [
    {"kind": "diurnal", "period": "37s", "amplitude": 0.7, "peak": "5s"},
    {"kind": "ramp", "from_factor": 0.3, "to_factor": 2, "over": "31s"},
    {"kind": "spike", "at": "20s", "length": "3s", "factor": 6},
]


def test_every_process_is_tested_here():
    assert set(OPEN) | {"closed"} == set(PROCESSES)


@pytest.mark.parametrize("shape", [(), SHAPE], ids=["plain", "shaped"])
@pytest.mark.parametrize("process", OPEN)
class TestEveryOpenProcess:
    def test_ascending_inside_the_run(self, draw, corpus, process, shape):
        arrivals = draw(200.0, folder=corpus, shape=shape, **OPEN[process])
        assert arrivals.dtype == np.float64
        assert arrivals.size > 50
        assert (np.diff(arrivals) >= 0).all()
        assert arrivals[0] >= 0
        assert arrivals[-1] < 200

    def test_same_seed_same_bytes(self, draw, corpus, process, shape):
        one, two = (draw(200.0, folder=corpus, shape=shape, **OPEN[process]).tobytes() for _ in range(2))
        assert one == two

    def test_seed_replication_and_service_each_have_their_stream(self, make, corpus, process, shape):
        workload = make(shape=shape, **OPEN[process])

        def first(seed, replication, service):
            named = {"seed": seed, "replication": replication, "service": service}
            return arrival_times(workload, until_s=60.0, folder=corpus, **named).tobytes()

        several = {first(0, 0, "a"), first(1, 0, "a"), first(0, 1, "a"), first(0, 0, "b")}
        assert len(several) == (1 if process == "trace" else 4)

    def test_a_longer_run_continues_a_shorter_one(self, draw, corpus, process, shape):
        long = draw(300.0, folder=corpus, shape=shape, **OPEN[process])
        for until_s in (33.3, 111.1):
            short = draw(until_s, folder=corpus, shape=shape, **OPEN[process])
            assert np.array_equal(short, long[: short.size])
            assert long[short.size] >= until_s

    def test_chunk_size_changes_nothing(self, make, corpus, process, shape):
        workload = make(shape=shape, **OPEN[process])
        run = {"seed": 3, "replication": 1, "service": "s", "until_s": 120.0, "folder": corpus}
        one, two, three = (np.concatenate(list(open_arrivals(workload, chunk=c, **run))) for c in (7, 129, 65_536))
        assert one.tobytes() == two.tobytes() == three.tobytes()

    def test_nothing_in_a_run_of_no_length(self, draw, corpus, process, shape):
        assert draw(0.0, folder=corpus, shape=shape, **OPEN[process]).size == 0

    def test_more_load_by_a_factor(self, make, corpus, process, shape):
        """Twice the expected load; renewal processes and traces come twice as fast to the last bit."""
        from simulator.workload import mean_rate

        workload = make(**OPEN[process])
        double = scaled(workload, 2.0)
        assert double is not workload
        assert type(double) is type(workload)
        until_s = 250.0 if process == "trace" else 500.0
        one, two = mean_rate(workload, 500.0, corpus), mean_rate(double, until_s, corpus)
        assert two == pytest.approx(2 * one, rel=1e-12)
        if process in ("poisson", "gamma", "trace"):
            run = {"seed": 0, "replication": 0, "service": "s", "folder": corpus}
            slow, fast = (
                arrival_times(workload, until_s=100.0, **run),
                arrival_times(double, until_s=50.0, **run),
            )
            assert np.array_equal(slow, 2 * fast)


durations = st.floats(0.01, 1000.0)
factors = st.just(0.0) | st.floats(1e-9, 20.0)


def shape_of(k, diurnal, ramp, spike):
    """Every duration times ``k``."""
    shape = []
    if diurnal:
        period, amplitude, peak = diurnal
        shape.append({"kind": "diurnal", "period": f"{period * k}s", "amplitude": amplitude, "peak": f"{peak * k}s"})
    if ramp:
        first, last, over = ramp
        shape.append({"kind": "ramp", "from_factor": first, "to_factor": last, "over": f"{over * k}s"})
    if spike:
        at, length, factor = spike
        shape.append({"kind": "spike", "at": f"{at * k}s", "length": f"{length * k}s", "factor": factor})
    return shape


def load_of(k, process, rate, cv, sojourns):
    """Every duration times ``k``, every rate divided by it."""
    on, off = (f"{length * k}s" for length in sojourns)
    return {
        "poisson": {"rate": f"{rate / k}/s"},
        "gamma": {"rate": f"{rate / k}/s", "cv": cv},
        "mmpp": {"states": [{"rate": f"{rate / k}/s", "mean_duration": on}, {"rate": 0, "mean_duration": off}]},
        "trace": {"trace": "good.csv", "repeat": True, "scale": 0.7 / k},
        "rates": {"rates": "good_counts.csv", "interval": f"{10 * k}s", "repeat": True, "cv": cv},
    }[process]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    process=st.sampled_from(sorted(OPEN)),
    power=st.integers(-6, 6),
    rate=st.floats(0.1, 50.0),
    cv=st.floats(0.2, 5.0),
    sojourns=st.tuples(durations, durations),
    diurnal=st.none() | st.tuples(st.floats(1.0, 500.0), st.floats(0, 1), st.floats(0, 500)),
    ramp=st.none() | st.tuples(factors, factors, durations),
    spike=st.none() | st.tuples(durations, durations, factors),
    seed=st.integers(0, 1000),
)
def test_every_duration_times_a_power_of_two_moves_every_arrival_by_it(
    draw, corpus, process, power, rate, cv, sojourns, diurnal, ramp, spike, seed
):
    """Bit for bit, for every process under every shape."""

    def arrivals(k):
        shape, load = shape_of(k, diurnal, ramp, spike), load_of(k, process, rate, cv, sojourns)
        return draw(100.0 * k, seed=seed, folder=corpus, shape=shape, **load)

    k = 2.0**power
    assert np.array_equal(arrivals(k), k * arrivals(1.0))


def test_scaled_keeps_what_it_does_not_scale(make):
    assert scaled(make(rate="5/s", scale=3.0), 1.0) == make(rate="5/s", scale=3.0)
    assert scaled(make(rate="5/s", scale=3.0), 2.0) == make(rate="10/s", scale=3.0)
    assert scaled(make(trace="x.csv", scale=3.0), 0.5) == make(trace="x.csv", scale=1.5)
    assert scaled(make(rates="x.csv", interval="1s"), 2.0) == make(rates="x.csv", interval="1s", scale=2.0)
    assert [state.rate for state in scaled(make(states=STATES), 2.0).states] == [80.0, 4.0]
    assert [scaled(make(clients=50, think="1s"), f).clients for f in (1.1, 1.11, 0.001, 3)] == [
        55,
        56,
        1,
        150,
    ]


def test_closed_loads_have_no_open_arrivals(make):
    with pytest.raises(InternalError):
        arrival_times(make(clients=3, think="1s"), seed=0, replication=0, service="s", until_s=1.0, folder=Path())


def test_memory_stays_small(make):
    """Chunks are made as they are taken: a day of 1e5/s begins at once."""
    run = {"seed": 0, "replication": 0, "service": "s", "until_s": 86_400.0, "folder": Path()}
    chunks = open_arrivals(make(rate="100000/s"), **run)
    assert next(chunks).size == 65_536


def test_same_bytes_in_another_process():
    code = (
        "import hashlib, sys; from pathlib import Path; from pydantic import TypeAdapter\n"
        "from simulator.scenario.workload import Workload; from simulator.workload import arrival_times\n"
        "w = TypeAdapter(Workload).validate_python({'rate': '100/s', 'cv': 2.0, 'shape': {'kind': 'diurnal', "
        "'period': '9s', 'amplitude': 0.5}})\n"
        "a = arrival_times(w, seed=5, replication=2, service='chat', until_s=60.0, folder=Path())\n"
        "sys.stdout.write(hashlib.sha256(a.tobytes()).hexdigest())"
    )
    found = set()
    for hash_seed in ("1", "2"):
        env = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
        run = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
        found.add(run.stdout)
    assert len(found) == 1
    assert len(found.pop()) == len(hashlib.sha256().hexdigest())
