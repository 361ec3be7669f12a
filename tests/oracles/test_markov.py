"""The Markovian formulas against values worked out by hand and published tables."""

import math

import pytest

from tests.oracles import markov


@pytest.mark.parametrize(
    ("load", "servers", "published"),
    [
        (1.0, 1, 1 / 2),
        (2.0, 2, 2 / 5),
        (3.0, 3, 9 / 26),
        (10.0, 10, 0.2146),
        (20.0, 20, 0.1589),
        (4.461, 10, 0.01),
    ],
)
def test_erlang_b_matches_the_traffic_tables(load: float, servers: int, published: float) -> None:
    """Fractions by hand; 10 and 20 erlangs and the 1 % loss load of ten lines as in every Erlang B table."""
    assert markov.erlang_b(load, servers) == pytest.approx(published, abs=5e-5)


def test_erlang_b_is_the_truncated_poisson_law() -> None:
    weights = [7.0**n / math.factorial(n) for n in range(10)]
    assert markov.erlang_b(7.0, 9) == pytest.approx(weights[-1] / sum(weights), rel=1e-12)


@pytest.mark.parametrize(("load", "servers", "by_hand"), [(0.3, 1, 0.3), (1.0, 2, 1 / 3), (2.0, 3, 4 / 9)])
def test_erlang_c_by_hand(load: float, servers: int, by_hand: float) -> None:
    """rho; for c = 2, a = 1: (1/2)(2) / (1 + 1 + 1) = 1/3; for c = 3, a = 2: (8/6)(3) / (1 + 2 + 2 + 4) =
    4/9.
    """
    assert markov.erlang_c(load, servers) == pytest.approx(by_hand, rel=1e-12)


def test_mmc_wait_by_hand() -> None:
    """M/M/1 at rho = 0.8: rho S / (1 - rho) = 4 S. M/M/2 at rho = 0.5: C S / (2 - 1) = S / 3."""
    assert markov.mmc_wait(8.0, 0.1, 1) == pytest.approx(0.4)
    assert markov.mmc_wait(10.0, 0.1, 2) == pytest.approx(0.1 / 3)


def test_wait_quantiles_invert_the_tail() -> None:
    quantile = markov.mmc_wait_quantile(30.0, 0.1, 4, 0.99)
    assert markov.erlang_c(3.0, 4) * math.exp(-quantile / 0.1) == pytest.approx(0.01)
    assert markov.mmc_wait_quantile(30.0, 0.1, 4, 0.2) == 0.0
    assert markov.mm1_sojourn_quantile(0.5, 1.0, 0.99) == pytest.approx(2 * math.log(100))


def test_finite_queue_by_hand() -> None:
    """rho = 1/2, K = 2: weights 1, 1/2, 1/4, so 4/7, 2/7, 1/7; M/M/2/3 at a = 1: 1, 1, 1/2, 1/4 over 11/4."""
    assert markov.mm1k_distribution(0.5, 2) == pytest.approx([4 / 7, 2 / 7, 1 / 7])
    assert markov.mmck_distribution(1.0, 2, 3) == pytest.approx([4 / 11, 4 / 11, 2 / 11, 1 / 11])
    assert markov.mmck_distribution(0.5, 1, 2) == pytest.approx(markov.mm1k_distribution(0.5, 2))
    assert markov.mmck_distribution(4.0, 5, 5)[-1] == pytest.approx(markov.erlang_b(4.0, 5))


def test_machine_repair_by_hand() -> None:
    """N = 2, Z = S = 1: weights 1, 2, 2; busy 4/5; X = 4/5; R = 2 / 0.8 - 1 = 3/2."""
    assert markov.machine_repair(2, 1.0, 1.0) == pytest.approx((0.8, 1.5))


def test_machine_repair_limits() -> None:
    """One client never waits; as many servers as clients neither; many clients saturate the server."""
    assert markov.machine_repair(1, 3.0, 1.0) == pytest.approx((0.25, 1.0))
    assert markov.machine_repair(5, 3.0, 1.0, servers=5)[1] == pytest.approx(1.0)
    assert markov.machine_repair(200, 3.0, 1.0)[0] == pytest.approx(1.0)


def test_tandem_by_hand() -> None:
    """Two M/M/1, rate 0.5, S = 1: 2 s each; when half leave after the first: 2 + 0.5 / 0.75 = 2 + 2/3."""
    assert markov.tandem_sojourn(0.5, [1.0, 1.0], [1, 1], [0.0, 0.0]) == pytest.approx(4.0)
    assert markov.tandem_sojourn(0.5, [1.0, 1.0], [1, 1], [0.5, 0.0]) == pytest.approx(2 + 2 / 3)


def test_erlang_arrivals_wait() -> None:
    """k = 1 is M/M/1. k = 2 at rho = 1/2: sigma (2 - sigma)^2 = 1, (sigma - 1)(sigma^2 - 3 sigma + 1) = 0."""
    assert markov.erlang_arrivals_wait(0.8, 1.0, 1) == pytest.approx(markov.mmc_wait(0.8, 1.0, 1))
    sigma = (3 - math.sqrt(5)) / 2
    assert markov.erlang_arrivals_wait(0.5, 1.0, 2) == pytest.approx(sigma / (1 - sigma))


def test_breakdowns_by_hand() -> None:
    """All rates 1: up 1/2, busy = idle / 2 = 1/6, idle 1/3; lost 2/3, aborted 1/6."""
    assert markov.breakdown_loss(1.0, 1.0, 1.0, 1.0) == pytest.approx((2 / 3, 1 / 6))
    assert markov.breakdown_loss(3.0, 1.0, 1e12, 1.0) == pytest.approx((markov.erlang_b(3.0, 1), 0.0), abs=1e-9)


def test_two_choices_by_hand() -> None:
    """1 + rho^2 + rho^6 + rho^14 + ...: at rho = 1/2, 1 + 1/4 + 1/64 + 1/16384 + 2^-30."""
    assert markov.two_choices_sojourn(0.5, 2.0) == pytest.approx(2 * (1 + 1 / 4 + 1 / 64 + 1 / 16384 + 2**-30))
