"""Queues with general service times, priorities and a rate that varies over time."""

from __future__ import annotations

import cmath
import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from tests.oracles.markov import erlang_c


def mg1_wait(rate: float, service_s: float, cv: float) -> float:
    """Mean wait [s] in M/G/1: rho S (1 + cv^2) / (2 (1 - rho)) (Pollaczek 1930, Khinchine 1932).

    >>> round(mg1_wait(8.0, 0.1, 0.0), 6), round(mg1_wait(8.0, 0.1, 1.0), 6)
    (0.2, 0.4)
    """
    load = rate * service_s
    return load * service_s * (1.0 + cv * cv) / (2.0 * (1.0 - load))


def mdc_wait(rate: float, service_s: float, servers: int) -> float:
    """Mean wait [s] in M/D/c, exact, from the roots of z^c = exp(a (z - 1)) (Crommelin 1932).

    The number in system one service time later is max(N - c, 0) + Poisson(a). With K(z) = exp(a (z - 1)) its
    generating function is P(z) = K(z) (c - a) (z - 1) prod_k (z - z_k)/(1 - z_k) / (z^c - K(z)), over the c - 1
    roots inside the unit disc (Franx 2001 works with the same chain), so that the mean number waiting is

    .. math:: L_q = (a^2 - c (c - 1)) / (2 (c - a)) + \\sum_k 1 / (1 - z_k)

    Each root solves z = w_k exp(a (z - 1) / c), w_k a c-th root of one: a contraction, since a < c.
    """
    load = rate * service_s
    waiting = complex((load * load - servers * (servers - 1)) / (2.0 * (servers - load)))
    for k in range(1, servers):
        unit, root = cmath.exp(2j * cmath.pi * k / servers), 0j
        for _ in range(100_000):
            previous, root = root, unit * cmath.exp(load * (root - 1.0) / servers)
            if abs(root - previous) < 1e-15:
                break
        waiting += 1.0 / (1.0 - root)
    return waiting.real / rate


def mdc_wait_by_chain(rate: float, service_s: float, servers: int, states: int = 600) -> float:
    """The same mean wait [s] from Crommelin's equations solved as a truncated linear system.

    Stationary vector of N' = max(N - c, 0) + Poisson(a), truncated at ``states``; second method for the test.
    """
    load = rate * service_s
    arrivals = stats.poisson.pmf(np.arange(states), load)
    move = np.zeros((states, states))
    for n in range(states):
        left = max(n - servers, 0)
        move[n, left:] = arrivals[: states - left]
    move[:, -1] += 1.0 - move.sum(axis=1)
    chances = stationary(move)
    return float(np.maximum(np.arange(states) - servers, 0) @ chances) / rate


def stationary(move: np.ndarray) -> np.ndarray:
    """Stationary row vector of a finite chain with transition matrix ``move`` (rows sum to one)."""
    system = move.T - np.eye(len(move))
    system[-1] = 1.0
    right = np.zeros(len(move))
    right[-1] = 1.0
    return np.linalg.solve(system, right)


def priority_waits(rates: Sequence[float], service_s: float, cv: float = 1.0, servers: int = 1) -> tuple[float, ...]:
    """Mean wait [s] of each class, highest priority first, non-preemptive, one service time for all.

    Cobham (1954): W_k = R / ((1 - s_(k-1)) (1 - s_k)), s_k the load per server of classes 1..k. R is the time
    until a server becomes free as seen by an arrival that finds all busy, times the chance of that:
    rate E[S^2] / 2 for M/G/1, C(c, a) S / c for M/M/c.
    """
    total = sum(rates)
    if servers == 1:
        residual = total * service_s * service_s * (1.0 + cv * cv) / 2.0
    elif cv == 1.0:
        residual = erlang_c(total * service_s, servers) * service_s / servers
    else:
        raise ValueError("several servers: exponential service times only")
    waits, above = [], 0.0
    for rate in rates:
        upto = above + rate * service_s / servers
        waits.append(residual / ((1.0 - above) * (1.0 - upto)))
        above = upto
    return tuple(waits)


def sinusoid_response(service_s: float, period_s: float) -> tuple[float, float]:
    """Gain and lag [s] of the mean number busy in M_t/M/inf behind a sinusoidal arrival rate.

    Eick, Massey & Whitt (1993): with rate r (1 + A cos(g t)) and exponential times the mean number busy is
    r S (1 + A cos(g t - phi) / sqrt(1 + (g S)^2)), tan(phi) = g S; the lag in time is phi / g.
    """
    angular = 2.0 * math.pi / period_s
    return 1.0 / math.sqrt(1.0 + (angular * service_s) ** 2), math.atan(angular * service_s) / angular
