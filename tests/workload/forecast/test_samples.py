"""Paths agree with the quantiles and with the dependence of past errors."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from simulator.errors import ScenarioError
from simulator.workload.forecast import forecast
from simulator.workload.forecast.conformal import dependence
from simulator.workload.forecast.levels import scores_of
from tests.workload.forecast.made import HOUR, daily

PATHS = 4000


@pytest.fixture(scope="module")
def found():
    return forecast(daily(10), interval=HOUR)


def test_every_bin_follows_its_quantiles(found) -> None:
    """Paths at or below a quantile are binomial: the bounds fail for one seed in 10,000 over all bins and levels."""
    paths = found.samples(PATHS, seed=5)
    assert paths.shape == (PATHS, 24)
    assert (paths >= 0).all()
    for level in (0.1, 0.5, 0.9, 0.95, 0.99):
        below = (paths <= found.quantile(level)).sum(axis=0)
        low, high = binom.ppf([1e-4 / 240, 1 - 1e-4 / 240], PATHS, level)
        assert (below >= low).all()
        assert (below <= high).all()


def test_errors_of_a_path_belong_together(found) -> None:
    paths = found.samples(PATHS, seed=5)
    scores = np.vstack([scores_of(found.table, path) for path in paths[:2000]])
    shared, decay = dependence(scores)
    assert shared == pytest.approx(found.correction.shared, abs=0.06)
    near = found.correction.shared + (1 - found.correction.shared) * found.correction.decay
    assert shared + (1 - shared) * decay == pytest.approx(near, abs=0.06)


def test_a_seed_is_a_stream_that_goes_on(found) -> None:
    np.testing.assert_array_equal(found.samples(10, seed=1), found.samples(10, seed=1))
    np.testing.assert_array_equal(found.samples(10, seed=1), found.samples(50, seed=1)[:10])
    assert (found.samples(10, seed=1) != found.samples(10, seed=2)).all()


@pytest.mark.parametrize("n", [0, -1, 10**9])
def test_numbers_of_paths(found, n: int) -> None:
    with pytest.raises(ScenarioError, match="n: must be from 1"):
        found.samples(n)
