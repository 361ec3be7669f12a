"""A sinusoidal rate of arrivals into a station that never fills (M_t/M/inf)."""

from __future__ import annotations

import math

import numpy as np

from simulator.results.record import RunRecord
from tests.estimates import assert_agrees, interval
from tests.oracles import general
from tests.support import Floats, records, station

SERVICE, PERIOD, RATE, AMPLITUDE, PEAK = 2.0, 20.0, 30.0, 0.6, 7.0


def busy_by_phase(rec: RunRecord) -> tuple[Floats, Floats]:
    """Phase of 40 instants in each whole period after warm-up, and the number in service then."""
    instants = np.arange(rec.warmup_s, rec.duration_s, PERIOD / 40)
    started = np.searchsorted(np.sort(rec.requests.arrival_s), instants, side="right")
    ended = np.searchsorted(np.sort(rec.requests.finish_s), instants, side="right")
    return instants, (started - ended).astype(np.float64)


def test_amplitude_and_lag_of_the_number_busy() -> None:
    """M_t/M/inf (Eick, Massey & Whitt 1993): amplitude damped by 1 / sqrt(1 + (g S)^2), lag atan(g S) / g."""
    node = station(RATE, SERVICE, 400, requests=36_000, warm=3_000, replications=16, seed=43)
    node["services"]["s"]["workload"]["shape"] = {
        "kind": "diurnal",
        "period": f"{PERIOD}s",
        "amplitude": AMPLITUDE,
        "peak": f"{PEAK}s",
    }
    angular = 2 * math.pi / PERIOD
    fits, spreads = [], []
    for rec in records(node):
        assert np.all(rec.batches.start_s == rec.batches.entered_s)  # 400 replicas: nobody ever waits
        instants, busy = busy_by_phase(rec)
        waves = [np.ones_like(instants), np.cos(angular * instants), np.sin(angular * instants)]
        mean, cosine, sine = np.linalg.lstsq(np.column_stack(waves), busy, rcond=None)[0]
        fits.append((mean, math.hypot(cosine, sine), math.atan2(sine, cosine) / angular))
        by_phase = busy.reshape(-1, 40)
        spreads.append(float(np.mean(by_phase.var(axis=0, ddof=1) / by_phase.mean(axis=0))))
    gain, lag = general.sinusoid_response(SERVICE, PERIOD)
    means, amplitudes, peaks = (np.array(column) for column in zip(*fits))
    assert_agrees(interval(means), RATE * SERVICE, sees=0.02)
    assert_agrees(interval(amplitudes), RATE * SERVICE * AMPLITUDE * gain, sees=0.05)
    assert_agrees(interval(np.mod(peaks - PEAK, PERIOD)), lag, sees=0.05)
    assert_agrees(interval(spreads), 1.0, sees=0.1)  # the number busy is Poisson at every instant
