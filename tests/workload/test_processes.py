"""Poisson, gamma and modulated arrivals against their theory; tolerances of 99.9 % from statistics."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from simulator.workload.mmpp import Modulated

Z = stats.norm.ppf(0.9995)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_poisson_rate_lies_in_its_own_interval(draw, seed):
    """A generator that cuts its gaps at three means is 5 % off; this test sees 1 %."""
    until_s, rate = 100.0, 2000.0
    count = draw(until_s, rate="2000/s", seed=seed).size
    half = Z * np.sqrt(rate * until_s)
    assert half < 0.01 * rate * until_s
    assert abs(count - rate * until_s) < half


def test_poisson_gaps_are_exponential(draw):
    gaps = np.diff(draw(100.0, rate="500/s"), prepend=0.0)
    assert stats.kstest(gaps, "expon", args=(0, 1 / 500)).pvalue > 1e-4
    assert stats.kstest(np.minimum(gaps, 3 / 500), "expon", args=(0, 1 / 500)).pvalue < 1e-4  # it would see the cut


def test_poisson_gaps_are_independent(draw):
    gaps = np.diff(draw(100.0, rate="1000/s"))
    correlation = np.corrcoef(gaps[:-1], gaps[1:])[0, 1]
    assert abs(correlation) < Z / np.sqrt(gaps.size)


def gamma_fits(gaps, rate, cv):
    """Share of gaps above a nanosecond, and their law: below, a running sum of seconds has no digits left."""
    law = stats.gamma(1 / cv**2, scale=cv**2 / rate)
    visible = gaps > 1e-9
    share = law.sf(1e-9)
    share_fits = abs(visible.sum() - share * gaps.size) <= Z * np.sqrt(gaps.size * share * (1 - share)) + 1e-6
    uniform = law.sf(gaps[visible]) / share
    return bool(share_fits and stats.kstest(uniform, "uniform").pvalue > 1e-4)


@pytest.mark.parametrize("cv", [0.25, 0.7, 2.0, 5.0])
def test_gamma_gaps_have_their_law(draw, cv):
    """Mean within its interval, and the whole law by Kolmogorov-Smirnov (shape 1/cv^2)."""
    gaps = np.diff(draw(200.0, rate="1000/s", cv=cv), prepend=0.0)
    half = Z * cv / np.sqrt(gaps.size)
    assert half < 0.05
    assert abs(gaps.mean() * 1000 - 1) < half
    assert gamma_fits(gaps, 1000.0, cv)
    assert not gamma_fits(gaps, 1000.0, 1.05 * cv)  # 5 % in cv is seen


def test_gamma_of_cv_1_is_poisson(draw):
    assert np.array_equal(draw(50.0, rate="100/s", cv=1.0), draw(50.0, rate="100/s"))


ON_OFF = Modulated(rates_per_s=(200.0, 5.0), sojourns_s=(2.0, 6.0))
STATES = [{"rate": "200/s", "mean_duration": "2s"}, {"rate": "5/s", "mean_duration": "6s"}]


def test_mmpp_mean_rate_and_dispersion_match_theory(draw):
    """Over independent runs: mean count, and index of dispersion of counts at 1 s and 60 s."""
    until_s, runs = 6000.0, 24
    arrivals = [draw(until_s, states=STATES, seed=seed) for seed in range(runs)]
    rates = np.array([a.size / until_s for a in arrivals])
    half = stats.t.ppf(0.9995, runs - 1) * stats.sem(rates)
    assert half < 0.05 * ON_OFF.mean_rate_per_s
    assert abs(rates.mean() - ON_OFF.mean_rate_per_s) < half
    for window_s in (1.0, 60.0):
        counts = [np.histogram(a, np.arange(0, until_s + 1, window_s))[0] for a in arrivals]
        # About the known mean: about the sample mean the variance would be biased by the correlation.
        spread = np.array([np.mean((c - ON_OFF.mean_rate_per_s * window_s) ** 2) for c in counts])
        idc = spread / (ON_OFF.mean_rate_per_s * window_s)
        half = stats.t.ppf(0.9995, runs - 1) * stats.sem(idc)
        assert half < 0.15 * ON_OFF.dispersion(window_s)
        assert abs(idc.mean() - ON_OFF.dispersion(window_s)) < half


def test_mmpp_starts_stationary(draw):
    """The first second has the long-run mean rate, over 2,000 runs; starting on would give four times it."""
    counts = np.array([draw(1.0, states=STATES, seed=seed).size for seed in range(2000)])
    half = Z * counts.std(ddof=1) / np.sqrt(counts.size)
    assert half < 0.2 * ON_OFF.mean_rate_per_s
    assert abs(counts.mean() - ON_OFF.mean_rate_per_s) < half


def test_mmpp_of_equal_rates_is_poisson(draw):
    states = [{"rate": "64/s", "mean_duration": "1s"}, {"rate": "64/s", "mean_duration": "3s"}]
    assert np.allclose(draw(100.0, states=states), draw(100.0, rate="64/s"), rtol=1e-12, atol=0)


def test_mmpp_off_means_off(draw):
    """With a rate of 0 in one state, the gaps over the off times are as long as these."""
    states = [{"rate": "1000/s", "mean_duration": "1s"}, {"rate": "0/s", "mean_duration": "9s"}]
    gaps = np.diff(draw(20_000.0, states=states))
    off = gaps[gaps > 0.1]  # the chance of such a gap while on is exp(-100)
    assert stats.kstest(off - 0.1, "expon", args=(0, 9.0)).pvalue > 1e-4  # memoryless beyond 0.1 s


def test_superposition_of_services_is_poisson(draw):
    """Services draw from streams of their own names, so their sum is Poisson with the sum of the rates."""
    both = np.sort(np.concatenate([draw(100.0, rate="300/s", service=name) for name in ("chat", "code")]))
    assert stats.kstest(np.diff(both, prepend=0.0), "expon", args=(0, 1 / 600)).pvalue > 1e-4
    counts = np.histogram(both, 1000)[0]
    dispersion = counts.var(ddof=1) / counts.mean() * (counts.size - 1)
    assert stats.chi2.ppf(0.0005, 999) < dispersion < stats.chi2.ppf(0.9995, 999)
