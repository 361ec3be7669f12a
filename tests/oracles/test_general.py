"""Pollaczek-Khinchine, M/D/c, Cobham and M_t/M/inf against hand values and second methods."""

import math

import numpy as np
import pytest
from scipy import integrate, special

from tests.oracles import general, markov


def test_pollaczek_khinchine_by_hand() -> None:
    """rho = 0.8, S = 1: constant times 2, exponential 4, cv = 2 gives 10."""
    assert [general.mg1_wait(0.8, 1.0, cv) for cv in (0.0, 1.0, 2.0)] == pytest.approx([2.0, 4.0, 10.0])
    assert general.mg1_wait(0.8, 1.0, 1.0) == pytest.approx(markov.mmc_wait(0.8, 1.0, 1))


@pytest.mark.parametrize("load", [0.2, 0.8, 0.95])
def test_md1_is_pollaczek_khinchine(load: float) -> None:
    assert general.mdc_wait(load, 1.0, 1) == pytest.approx(general.mg1_wait(load, 1.0, 0.0))


@pytest.mark.parametrize("load", [0.3, 1.0, 1.9])
def test_md2_in_terms_of_lambert_w(load: float) -> None:
    """The one root of z = -exp(a (z - 1) / 2) is z = -(2/a) W(a/2 exp(-a/2))."""
    root = -2 / load * special.lambertw(load / 2 * math.exp(-load / 2)).real
    waiting = (load * load - 2) / (2 * (2 - load)) + 1 / (1 - root)
    assert general.mdc_wait(load, 1.0, 2) == pytest.approx(waiting / load, rel=1e-9)


@pytest.mark.parametrize(("load", "servers"), [(0.6, 1), (1.4, 2), (2.4, 4), (3.8, 4), (9.0, 12)])
def test_mdc_by_two_methods(load: float, servers: int) -> None:
    by_chain = general.mdc_wait_by_chain(load / 0.1, 0.1, servers)
    assert general.mdc_wait(load / 0.1, 0.1, servers) == pytest.approx(by_chain, rel=1e-8)


@pytest.mark.parametrize(("share", "servers"), [(0.7, 2), (0.8, 4), (0.9, 8), (0.95, 4)])
def test_mdc_near_the_approximation_of_cosmetatos(share: float, servers: int) -> None:
    """Half of M/M/c times 1 + (1 - rho)(c - 1)(sqrt(4 + 5c) - 2)/(16 c rho) (Cosmetatos 1975), good to 2 %."""
    rate = share * servers
    bend = (1 - share) * (servers - 1) * (math.sqrt(4 + 5 * servers) - 2) / (16 * servers * share)
    near = 0.5 * markov.mmc_wait(rate, 1.0, servers) * (1 + bend)
    assert general.mdc_wait(rate, 1.0, servers) == pytest.approx(near, rel=0.02)


def test_cobham_by_hand() -> None:
    """Rates 0.3 and 0.5, S = 1, exponential: R = 0.8; 0.8 / 0.7 and 0.8 / (0.7 x 0.2)."""
    assert general.priority_waits([0.3, 0.5], 1.0) == pytest.approx([0.8 / 0.7, 0.8 / 0.14])


@pytest.mark.parametrize(("cv", "servers"), [(0.0, 1), (1.0, 1), (1.5, 1), (1.0, 3)])
def test_cobham_conserves_the_mean_wait(cv: float, servers: int) -> None:
    """Kleinrock's conservation law: equal service times, so the mean over classes is the FIFO wait."""
    rates = [0.2 * servers, 0.25 * servers, 0.3 * servers]
    waits = general.priority_waits(rates, 1.0, cv, servers)
    mean = float(np.dot(rates, waits)) / sum(rates)
    fifo = markov.mmc_wait(sum(rates), 1.0, servers) if servers > 1 else general.mg1_wait(sum(rates), 1.0, cv)
    assert mean == pytest.approx(fifo)
    assert waits[0] < waits[1] < waits[2]


def test_cobham_with_general_times_needs_one_server() -> None:
    with pytest.raises(ValueError, match="exponential"):
        general.priority_waits([1.0], 0.1, 0.5, 2)


def test_sinusoid_solves_the_differential_equation() -> None:
    """m' = rate(t) - m / S (Eick, Massey & Whitt 1993), integrated numerically."""
    service_s, period_s, amplitude, rate = 2.0, 10.0, 0.8, 30.0
    angular = 2 * math.pi / period_s
    gain, lag_s = general.sinusoid_response(service_s, period_s)
    assert gain == pytest.approx(1 / math.sqrt(1 + (0.4 * math.pi) ** 2))
    solution = integrate.solve_ivp(
        lambda t, m: rate * (1 + amplitude * math.cos(angular * t)) - m / service_s,
        (0.0, 60.0),
        [rate * service_s],
        rtol=1e-9,
        atol=1e-9,
        t_eval=np.linspace(50.0, 60.0, 21),
    )
    wanted = rate * service_s * (1 + amplitude * gain * np.cos(angular * (solution.t - lag_s)))
    assert solution.y[0] == pytest.approx(wanted, rel=1e-6)
