"""One station with Poisson arrivals: the mean wait, its chance and its quantiles against queueing theory.

Every test is two-sided at 99.9 % over independent replications: a correct simulator fails it for 1 in 1000 seed sets.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from tests.estimates import assert_agrees, fifo_wait, interval, with_luck
from tests.oracles import general, markov
from tests.support import Node, records, sojourns, station, waits

SERVICE = 0.1


@pytest.mark.parametrize(("load", "servers"), [(0.5, 1), (0.7, 1), (1.4, 2), (2.8, 4), (8.0, 10)])
def test_mmc_mean_wait(load: float, servers: int) -> None:
    """M/M/1 and M/M/c mean wait (Erlang C)."""
    rate = load / SERVICE
    runs = records(station(rate, SERVICE, servers, requests=15_000, warm=1_000, replications=24, seed=11))
    assert_agrees(fifo_wait(runs, rate, SERVICE), markov.mmc_wait(rate, SERVICE, servers))


def test_mmc_chance_and_tail_of_the_wait() -> None:
    """Erlang C itself, and the 95th percentile of the wait in M/M/3 at 60 % load."""
    rate = 1.8 / SERVICE
    runs = records(station(rate, SERVICE, 3, requests=40_000, warm=1_000, seed=12))
    found = [waits(r) for r in runs]
    chance = [np.mean(w > 0) for w in found]
    assert_agrees(with_luck(runs, chance, rate, SERVICE), markov.erlang_c(1.8, 3), sees=0.02)
    tail_s = markov.mmc_wait_quantile(rate, SERVICE, 3, 0.95)
    quantiles = [np.quantile(w, 0.95) for w in found]
    assert_agrees(with_luck(runs, quantiles, rate, SERVICE), tail_s)


def test_mm1_sojourn_percentiles() -> None:
    """The time in an M/M/1 system is exponential: P50, P90 and P99 at 60 % load."""
    rate = 0.6 / SERVICE
    found = [sojourns(r) for r in records(station(rate, SERVICE, requests=40_000, warm=1_000, seed=13))]
    for chance in (0.5, 0.9, 0.99):
        quantiles = [np.quantile(spent, chance) for spent in found]
        assert_agrees(interval(quantiles), markov.mm1_sojourn_quantile(rate, SERVICE, chance))


@pytest.mark.parametrize(("load", "servers"), [(0.5, 1), (0.8, 1), (1.5, 2), (3.2, 4), (9.0, 12)])
def test_mdc_mean_wait(load: float, servers: int) -> None:
    """M/D/1 and M/D/c mean wait (Crommelin, exact)."""
    rate = load / SERVICE
    node = station(
        rate, SERVICE, servers, requests=15_000, warm=1_000, replications=24, seed=14, jitter="deterministic"
    )
    estimate = fifo_wait(records(node), rate, SERVICE, exact=True)
    assert_agrees(estimate, general.mdc_wait(rate, SERVICE, servers))


@pytest.mark.parametrize(("load", "cv"), [(0.7, 0.5), (0.6, 1.5)])
def test_mg1_mean_wait(load: float, cv: float) -> None:
    """M/G/1 with lognormal times (Pollaczek-Khinchine)."""
    rate, jitter = load / SERVICE, {"distribution": "lognormal", "cv": cv}
    node = station(rate, SERVICE, requests=25_000, warm=1_000, replications=24, seed=15, jitter=jitter)
    assert_agrees(fifo_wait(records(node), rate, SERVICE), general.mg1_wait(rate, SERVICE, cv))


def routed(routing: str, load: float, servers: int, requests: int, seed: int) -> Node:
    node = station(load * servers / SERVICE, SERVICE, servers, requests=requests, warm=2_000, seed=seed)
    node["services"]["s"]["deployment"]["routing"] = routing
    return node


def test_random_routing_splits_into_mm1_queues() -> None:
    """Poisson arrivals thinned at random: every replica is M/M/1 at its share of the rate."""
    runs = records(routed("random", 0.6, 4, 20_000, seed=16))
    estimate = with_luck(runs, [waits(r).mean() for r in runs], 2.4 / SERVICE, SERVICE)
    assert_agrees(estimate, markov.mmc_wait(0.6 / SERVICE, SERVICE, 1))


def test_round_robin_routing_makes_erlang_gaps() -> None:
    """Every fourth Poisson arrival: each replica is E_4/M/1."""
    runs = records(routed("round_robin", 0.6, 4, 36_000, seed=17))
    estimate = with_luck(runs, [waits(r).mean() for r in runs], 2.4 / SERVICE, SERVICE)
    assert_agrees(estimate, markov.erlang_arrivals_wait(0.6 / SERVICE, SERVICE, 4))


def test_two_choices_nears_its_mean_field_limit() -> None:
    """100 replicas at 70 % load: within 2 % of the limit of infinitely many."""
    runs = records(routed("two_choices", 0.7, 100, 12_000, seed=18))
    mean, half = with_luck(runs, [sojourns(r).mean() for r in runs], 70.0 / SERVICE, SERVICE)
    limit = markov.two_choices_sojourn(0.7, SERVICE)
    assert half < 0.015 * limit
    assert math.isclose(mean, limit, rel_tol=0.02)


def test_routings_are_ordered() -> None:
    """More knowledge, less wait: shared, least_outstanding, two_choices, round_robin, random, clearly apart."""
    order = ["shared", "least_outstanding", "two_choices", "round_robin", "random"]
    means = [[waits(r).mean() for r in records(routed(name, 0.8, 8, 5_000, seed=19))] for name in order]
    for better, worse in itertools.pairwise(means):
        mean, half = interval(np.subtract(worse, better))
        assert mean - half > 0
