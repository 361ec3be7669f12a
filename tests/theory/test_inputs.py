"""Inputs: Poisson arrivals at the asked rate, service times with the asked mean and spread.

The queueing tests take the luck of these inputs out (``tests.estimates``), so they are tested here on their own.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from tests.estimates import TAIL
from tests.support import Node, record, served, station


@pytest.mark.parametrize("rate", [7.0, 123_456.7])
def test_rate_of_poisson_arrivals(rate: float) -> None:
    """400,000 expected arrivals: the count is Poisson, so its own 99.9 % interval is +- 0.52 %."""
    arrivals = record(station(rate, 0.1 / rate, requests=400_000, replications=1, seed=41)).requests.arrival_s
    half = stats.norm.ppf(1 - TAIL) * math.sqrt(400_000)
    assert half < 0.006 * 400_000
    assert abs(len(arrivals) - 400_000) < half


def test_gaps_are_exponential_and_independent() -> None:
    """Kolmogorov-Smirnov of the gaps, the variance of counts in bins, and no correlation of neighbours."""
    rate = 50.0
    arrivals = record(station(rate, 1e-4, requests=400_000, replications=1, seed=42)).requests.arrival_s
    gaps = np.diff(arrivals) * rate
    assert stats.kstest(gaps, "expon").pvalue > 2 * TAIL
    counts = np.histogram(arrivals, bins=np.arange(0.0, arrivals[-1], 1.0))[0]
    dispersion = counts.var(ddof=1) / counts.mean() * (len(counts) - 1)
    assert stats.chi2.ppf(TAIL, len(counts) - 1) < dispersion < stats.chi2.ppf(1 - TAIL, len(counts) - 1)
    lag = np.corrcoef(gaps[:-1], gaps[1:])[0, 1]
    assert abs(lag) < stats.norm.ppf(1 - TAIL) / math.sqrt(len(gaps) - 1)


@pytest.mark.parametrize(("distribution", "cv"), [("exponential", 1.0), ("lognormal", 0.5), ("lognormal", 1.5)])
def test_service_times_have_the_asked_mean_and_distribution(distribution: str, cv: float) -> None:
    """200,000 factors: mean within its own 99.9 % interval, Kolmogorov-Smirnov, no correlation of neighbours."""
    jitter: Node = {"distribution": distribution} | ({"cv": cv} if distribution == "lognormal" else {})
    rec = record(station(1.0, 0.125, 40, requests=200_000, replications=1, seed=44, jitter=jitter))
    factors = served(rec) / 0.125
    half = stats.norm.ppf(1 - TAIL) * cv / math.sqrt(len(factors))
    assert half < 0.012
    assert abs(factors.mean() - 1.0) < half
    sigma = math.sqrt(math.log1p(cv * cv))
    law = stats.expon() if distribution == "exponential" else stats.lognorm(sigma, scale=math.exp(-sigma * sigma / 2))
    assert stats.kstest(factors, law.cdf).pvalue > 2 * TAIL
    lag = np.corrcoef(np.log(factors[:-1] + 1e-12), np.log(factors[1:] + 1e-12))[0, 1]
    assert abs(lag) < stats.norm.ppf(1 - TAIL) / math.sqrt(len(factors) - 1)
