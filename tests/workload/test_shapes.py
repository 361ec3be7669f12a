"""Shapes over time: the time change itself, and the arrivals that come out of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from simulator.workload import SHAPES
from simulator.workload.clock import Clock
from simulator.workload.shapes import Diurnal, Ramp, Spike

Z = stats.norm.ppf(0.9995)
DAY = Diurnal(period_s=86_400.0, amplitude=0.6, peak_s=50_000.0)
SEVERAL = (
    DAY,
    Diurnal(604_800.0, 0.5, 3.0),
    Ramp(0.2, 4.0, 300_000.0),
    Spike(10_000.0, 500.0, 0.0),
    Spike(2e5, 60.0, 30.0),
)


FACTORS = st.just(0.0) | st.floats(1e-9, 50.0)


def at(clock, *instants):
    return clock.forward(np.array(instants, dtype=float)).tolist()


def test_every_kind_is_tested_here():
    assert set(SHAPES) == {"diurnal", "spike", "ramp", "steps"}


def test_diurnal_integral_is_the_closed_form():
    t = np.linspace(0, 3 * 86_400, 1001)
    turn = 2 * np.pi / DAY.period_s
    exact = t + DAY.amplitude / turn * (np.sin(turn * (t - DAY.peak_s)) + np.sin(turn * DAY.peak_s))
    assert np.allclose(Clock([DAY], 3 * 86_400).forward(t), exact, rtol=2e-15, atol=1e-10)


def test_ramp_integral_is_the_closed_form():
    clock = Clock([Ramp(first=0.5, last=3.0, over_s=100.0)], 400.0)
    assert at(clock, 0, 50, 100, 300) == pytest.approx([0, 50 * 0.5 + 2.5 * 50**2 / 200, 175, 175 + 600], rel=1e-15)


def test_before_a_spike_nothing_moves():
    """To the last bit: a replayed trace keeps its instants up to the spike."""
    t = np.random.default_rng(0).uniform(0, 1000, 10_000)
    clock = Clock([Spike(at_s=1000.0, length_s=7.0, factor_in=3.3)], 2000.0)
    assert np.array_equal(clock.inverse(t), t)


def test_product_of_all_kinds_against_adaptive_quadrature():
    from scipy.integrate import quad

    clock = Clock(SEVERAL, 4e5)

    def factor(t):
        return float(np.prod([shape.factor(np.array([t]))[0] for shape in SEVERAL]))

    for low, high in [
        (0, 9_000),
        (10_100, 10_400),
        (100_000, 140_000),
        (199_990, 200_060),
        (290_000, 310_000),
    ]:
        cuts = [cut for cut in (200_000.0, 300_000.0) if low < cut < high]
        expected = quad(factor, low, high, points=cuts or None, epsabs=0, epsrel=1e-13, limit=400)[0]
        first, last = at(clock, low, high)
        assert last - first == pytest.approx(expected, rel=1e-11, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(
    amplitude=st.floats(0, 1),
    peak=st.floats(0, 100),
    first=FACTORS,
    last=FACTORS,
    factor=FACTORS,
    start=st.floats(0, 200),
    seed=st.integers(0, 2**32),
)
def test_inverse_inverts(amplitude, peak, first, last, factor, start, seed):
    shapes = [Diurnal(100.0, amplitude, peak), Ramp(first, last, 150.0), Spike(start, 20.0, factor)]
    clock = Clock(shapes, 300.0)
    end = at(clock, 300.0)[0]
    s = np.sort(np.random.default_rng(seed).random(500)) * end
    t = clock.inverse(s)
    assert np.allclose(clock.forward(t), s, rtol=1e-13, atol=1e-13 * end)
    assert (np.diff(t) >= -1e-9).all()


def test_a_longer_run_has_the_same_arrivals(draw):
    shape = [
        {"kind": "diurnal", "period": "60s", "amplitude": 0.9},
        {"kind": "spike", "at": "50s", "length": "9s", "factor": 4},
    ]
    for keys in (
        {"rate": "100/s"},
        {"states": [{"rate": "9/s", "mean_duration": "1s"}, {"rate": "99/s", "mean_duration": "2s"}]},
    ):
        short, long = draw(47.3, shape=shape, **keys), draw(300.0, shape=shape, **keys)
        assert np.array_equal(short, long[: short.size])
        assert long[short.size] >= 47.3


def chi_square(arrivals, edges, expected):
    counts = np.histogram(arrivals, edges)[0]
    return stats.chi2.sf(np.sum((counts - expected) ** 2 / expected), counts.size)


def test_counts_per_bin_follow_the_integral_of_the_rate(draw):
    """Chi-square over 60 bins of a Poisson process under all three shapes; it sees 0.75 for 0.8."""
    shape = [
        {"kind": "diurnal", "period": "100s", "amplitude": 0.8, "peak": "30s"},
        {"kind": "ramp", "from_factor": 0.5, "to_factor": 2, "over": "200s"},
        {"kind": "spike", "at": "120s", "length": "20s", "factor": 3},
    ]
    arrivals = draw(300.0, rate="200/s", shape=shape)
    edges = np.linspace(0, 300, 61)

    def expected(amplitude):
        shapes = [Diurnal(100.0, amplitude, 30.0), Ramp(0.5, 2.0, 200.0), Spike(120.0, 20.0, 3.0)]
        return 200 * np.diff(Clock(shapes, 300.0).forward(edges))

    assert chi_square(arrivals, edges, expected(0.8)) > 1e-4
    assert chi_square(arrivals, edges, expected(0.75)) < 1e-4


def test_diurnal_amplitude_and_phase(draw):
    """First Fourier coefficient of the arrivals: n a / 2 at the phase of the peak, error sqrt(n / 2)."""
    shape = {"kind": "diurnal", "period": "1h", "amplitude": "40%", "peak": "20min"}
    arrivals = draw(10 * 3600.0, rate="20/s", shape=shape)
    wave = np.sum(np.exp(2j * np.pi * arrivals / 3600)) * 2 / arrivals.size
    error = Z * np.sqrt(2 / arrivals.size)
    assert error < 0.01
    assert abs(abs(wave) - 0.4) < error
    assert abs(np.angle(wave) - 2 * np.pi / 3) < error / 0.4


def test_spike_multiplies_only_inside(draw):
    shape = {"kind": "spike", "at": "100s", "length": "50s", "factor": 4}
    counts = np.histogram(draw(300.0, rate="400/s", shape=shape), [0, 100, 150, 300])[0]
    expected = np.array([40_000, 80_000, 60_000])
    assert (np.abs(counts - expected) < Z * np.sqrt(expected)).all()


def test_spike_of_factor_0_is_silence(draw):
    shape = {"kind": "spike", "at": "10s", "length": "5s", "factor": 0}
    arrivals = draw(30.0, rate="100/s", shape=shape)
    assert not ((arrivals > 10) & (arrivals < 15)).any()
    assert abs(arrivals.size - 2500) < Z * 50


def test_load_that_ends_ends(draw, make, tmp_path):
    """A ramp to 0: there is a last arrival, for every process, also where the record repeats without end."""
    (tmp_path / "r.csv").write_text("requests\n50\n10\n")
    (tmp_path / "t.csv").write_text("arrival_s\n0\n1\n")
    shape = {"kind": "ramp", "to_factor": 0, "over": "20s"}
    states = [{"rate": "9/s", "mean_duration": "1s"}, {"rate": "99/s", "mean_duration": "2s"}]
    loads = ({"rate": "50/s"}, {"states": states}, {"rates": "r.csv", "interval": "1s", "repeat": True})
    for keys in (*loads, {"trace": "t.csv", "repeat": True}):
        arrivals = draw(1e5, shape=shape, folder=tmp_path, **keys)
        assert arrivals.size >= 9
        assert arrivals[-1] <= 20


def test_gaps_keep_their_cv_in_operational_time(draw):
    shape = [
        {"kind": "diurnal", "period": "50s", "amplitude": 0.9},
        {"kind": "ramp", "to_factor": 5, "over": "200s"},
    ]
    arrivals = draw(200.0, rate="200/s", cv=0.5, shape=shape)
    s = Clock([Diurnal(50.0, 0.9, 0.0), Ramp(1.0, 5.0, 200.0)], 200.0).forward(arrivals)
    gaps = np.diff(s, prepend=0.0)
    assert stats.kstest(gaps, "gamma", args=(4.0, 0, 1 / 800)).pvalue > 1e-4


def test_shape_of_a_series_multiplies_its_rate(draw, tmp_path):
    """Rates keep their instants: after the spike the series is where it would have been without it."""
    (tmp_path / "r.csv").write_text("requests\n1000\n3000\n1000\n3000\n")
    shape = {"kind": "spike", "at": "5s", "length": "10s", "factor": 2}
    arrivals = draw(40.0, rates="r.csv", interval="10s", shape=shape, folder=tmp_path)
    counts = np.histogram(arrivals, [0, 5, 10, 15, 20, 30, 40])[0]
    expected = np.array([500, 1000, 3000, 1500, 1000, 3000])
    assert (np.abs(counts - expected) < Z * np.sqrt(expected)).all()
