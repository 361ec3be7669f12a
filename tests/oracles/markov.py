"""Markovian queues: Erlang's loss and delay formulas, M/M/1/K, machine repair, tandem networks.

``rate`` is in requests/s, ``service_s`` the mean service time [s], ``servers`` the number of servers;
waits are times in the queue without service [s] unless the name says sojourn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence


def erlang_b(load: float, servers: int) -> float:
    """Share of requests lost in M/G/c/c offered ``load`` erlangs (Erlang 1917).

    Recursion of Jagerman (1974): B(0) = 1, B(n) = a B(n-1) / (n + a B(n-1)). Holds for every service-time
    distribution of the same mean (insensitivity, Sevastyanov 1957).

    >>> round(erlang_b(2.0, 2), 6)
    0.4
    """
    blocked = 1.0
    for n in range(1, servers + 1):
        blocked = load * blocked / (n + load * blocked)
    return blocked


def erlang_c(load: float, servers: int) -> float:
    """Share of requests that wait in M/M/c (Erlang 1917): C = c B / (c - a (1 - B)).

    >>> round(erlang_c(1.0, 2), 6)
    0.333333
    """
    blocked = erlang_b(load, servers)
    return servers * blocked / (servers - load * (1.0 - blocked))


def mmc_wait(rate: float, service_s: float, servers: int) -> float:
    """Mean wait [s] in M/M/c: C(c, a) S / (c - a); Kleinrock, Queueing Systems I (1975), section 3.5."""
    load = rate * service_s
    return erlang_c(load, servers) * service_s / (servers - load)


def mmc_wait_quantile(rate: float, service_s: float, servers: int, share: float) -> float:
    """Quantile [s] of the wait in FIFO M/M/c: P(W > t) = C exp(-(c - a) t / S); Kleinrock I, section 3.5."""
    load = rate * service_s
    waits = erlang_c(load, servers)
    return max(0.0, math.log(waits / (1.0 - share)) * service_s / (servers - load))


def mm1_sojourn_quantile(rate: float, service_s: float, share: float) -> float:
    """Quantile [s] of the time in an M/M/1 system, exponential with mean S / (1 - rho); Kleinrock I, 5.7.

    >>> round(mm1_sojourn_quantile(8.0, 0.1, 0.99), 6)
    2.302585
    """
    return -math.log(1.0 - share) * service_s / (1.0 - rate * service_s)


def mm1k_distribution(load: float, size: int) -> list[float]:
    """P(n in system), n = 0..K, of M/M/1/K with K = ``size``; Gross & Harris (1998), section 2.4.

    p(n) = rho^n / sum_k rho^k; the share lost is p(K) (Poisson arrivals see time averages).
    """
    weights = [load**n for n in range(size + 1)]
    total = math.fsum(weights)
    return [weight / total for weight in weights]


def mmck_distribution(load: float, servers: int, size: int) -> list[float]:
    """P(n in system), n = 0..K, of M/M/c/K (birth and death); Gross & Harris (1998), section 2.4."""
    weights = [1.0]
    for n in range(1, size + 1):
        weights.append(weights[-1] * load / min(n, servers))
    total = math.fsum(weights)
    return [weight / total for weight in weights]


def machine_repair(clients: int, think_s: float, service_s: float, servers: int = 1) -> tuple[float, float]:
    """Throughput [1/s] and mean response [s] of the closed M/M/c//N; Gross & Harris (1998), section 2.7.

    Birth and death: N - n clients think, min(n, c) are served. The response follows from the response-time
    law R = N / X - Z. Any think-time distribution of the same mean gives the same (BCMP 1975).
    """
    weights = [1.0]
    for n in range(1, clients + 1):
        weights.append(weights[-1] * (clients - n + 1) * service_s / (think_s * min(n, servers)))
    total = math.fsum(weights)
    busy = math.fsum(min(n, servers) * weight for n, weight in enumerate(weights)) / total
    throughput = busy / service_s
    return throughput, clients / throughput - think_s


def tandem_sojourn(rate: float, services_s: Sequence[float], servers: Sequence[int], leave: Sequence[float]) -> float:
    """Mean time in a row of M/M/c stations where share ``leave[i]`` goes home after station i [s].

    A feed-forward Jackson network (Jackson 1957): station i is M/M/c at the rate that survives to it, so the
    mean over requests is the sum over stations of survival_i (wait_i + service_i).
    """
    survival, total = 1.0, 0.0
    for service_s, count, gone in zip(services_s, servers, leave, strict=True):
        total += survival * (mmc_wait(rate * survival, service_s, count) + service_s)
        survival *= 1.0 - gone
    return total


def erlang_arrivals_wait(rate: float, service_s: float, stages: int) -> float:
    """Mean wait [s] in E_k/M/1 with ``rate`` arrivals per second; Kleinrock I, chapter 6 (G/M/1).

    sigma is the root in (0, 1) of sigma = A*((1 - sigma) / S), A* the transform of the Erlang-k gap; W = S
    sigma / (1 - sigma).
    """
    phase_rate = stages * rate
    sigma = 0.5
    for _ in range(100_000):
        previous, sigma = sigma, (phase_rate / (phase_rate + (1.0 - sigma) / service_s)) ** stages
        if abs(sigma - previous) < 1e-15:
            break
    return service_s * sigma / (1.0 - sigma)


def breakdown_loss(rate: float, service_s: float, mtbf_s: float, mttr_s: float) -> tuple[float, float]:
    """Shares of requests rejected and aborted by a single loss server that breaks down, busy or not.

    Three states, idle, busy and down, all times exponential: idle -> busy at ``rate``, busy -> idle at 1/S, up -> down
    at 1/mtbf, down -> idle at 1/mttr. Balance: up = mtbf / (mtbf + mttr), idle rate = busy (1/S + 1/mtbf). A
    breakdown aborts what is in service; an arrival that finds the server busy or down is lost.
    """
    up = mtbf_s / (mtbf_s + mttr_s)
    leave_busy = 1.0 / service_s + 1.0 / mtbf_s
    busy = up * rate / (rate + leave_busy)
    return 1.0 - (up - busy), busy / mtbf_s / rate


def two_choices_sojourn(load: float, service_s: float) -> float:
    """Mean time in system [s] of many M/M/1 queues, each request joining the shorter of two at random.

    Mean-field limit: sum over i >= 1 of rho^(2^i - 2), times S (Vvedenskaya, Dobrushin & Karpelevich 1996,
    Mitzenmacher 1996).
    """
    return service_s * math.fsum(load ** (2**i - 2) for i in range(1, 12))
