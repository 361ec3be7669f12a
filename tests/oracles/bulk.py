"""Batch service: one server that takes whatever waits, up to a limit, the moment it is free."""

from __future__ import annotations

import cmath
from collections.abc import Callable

import numpy as np
from scipy import stats

from tests.oracles.general import stationary


def bulk_wait(rate: float, seconds: Callable[[int], float], limit: int, states: int = 400) -> tuple[float, float]:
    """Mean wait [s] and mean batch of M/D^[1,b]/1 whose time ``seconds(n)`` may depend on the batch n.

    Bailey's rule (1954) with a server that starts with one: the chain is embedded at batch ends, n' =
    max(n - b, 0) + Poisson(rate T(min(n, b))), from n = 0 first an idle time 1/rate and a batch of one (Neuts
    1967, Downton 1955). Between batch ends the number waiting integrates to (n - taken) T + rate T^2 / 2;
    the mean over a cycle gives the time average, and Little's law the wait. Truncated at ``states``.
    """
    counts = np.arange(states)
    move = np.zeros((states, states))
    length, area, taken = np.zeros(states), np.zeros(states), np.zeros(states)
    for n in range(states):
        batch = min(max(n, 1), limit)
        time, left = seconds(batch), max(n - batch, 0)
        move[n, left:] = stats.poisson.pmf(counts[: states - left], rate * time)
        length[n] = time + (1.0 / rate if n == 0 else 0.0)
        area[n] = left * time + rate * time * time / 2.0
        taken[n] = batch
    move[:, -1] += 1.0 - move.sum(axis=1)
    chances = stationary(move)
    return float(area @ chances / (length @ chances) / rate), float(taken @ chances)


def constant_bulk_wait(rate: float, service_s: float, limit: int) -> float:
    """The same mean wait [s] for a constant time, from the roots of z^b = exp(a (z - 1)), a = rate T.

    The number left n at batch ends follows n' = max(n - b, 0) + Poisson(a), whether or not an idle time comes
    between, so with K(z) = exp(a (z - 1)) its generating function is (Bailey 1954; Chaudhry & Templeton 1983)

    .. math:: P(z) = K(z) (b - a) (z - 1) \\prod_k (z - z_k) / (1 - z_k) / (z^b - K(z))

    over the b - 1 roots inside the unit disc. Its mean gives E[max(n - b, 0)] = E[n] - a, its value at 0 the
    chance of an idle time; a cycle lasts T + P(0) / rate, over which the number waiting integrates to
    E[max(n - b, 0)] T + a T / 2. Little's law gives the wait.
    """
    load = rate * service_s
    if limit <= load:
        raise ValueError("the queue has no steady state")
    left = complex((load * load - limit * (limit - 1)) / (2.0 * (limit - load)))
    empty = complex(limit - load)
    for k in range(1, limit):
        unit, root = cmath.exp(2j * cmath.pi * k / limit), 0j
        for _ in range(100_000):
            previous, root = root, unit * cmath.exp(load * (root - 1.0) / limit)
            if abs(root - previous) < 1e-15:
                break
        left += 1.0 / (1.0 - root)
        empty *= root / (root - 1.0)  # P(0) = (b - a) prod z_k / (z_k - 1): K(0) cancels
    area = left.real * service_s + load * service_s / 2.0
    return area / (service_s + empty.real / rate) / rate


def timer_fill(rate: float, max_wait_s: float, limit: int) -> tuple[float, float]:
    """Mean wait [s] and mean batch when a replica is always free and a batch starts full or at its first due.

    The first request opens a batch; N(t) is the number of further arrivals, Poisson(rate t). The batch starts at
    max_wait or at the (b - 1)-th further arrival, so by hand: mean batch = 1 + E[min(N(max_wait), b - 1)],
    and the waits of a batch sum to the integral over [0, max_wait] of E[(1 + N(t)); N(t) < b - 1].
    """
    further = np.arange(limit - 1)
    open_chance = stats.poisson.pmf(further, rate * max_wait_s)
    mean_batch = limit - float((limit - 1 - further) @ open_chance)
    # integral of P(N(t) = j) over [0, w] = P(N(w) > j) / rate
    summed = float((1 + further) @ stats.poisson.sf(further, rate * max_wait_s)) / rate
    return summed / mean_batch, mean_batch
