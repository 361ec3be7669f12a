"""Fits of the laws of quantized products on rows whose truth is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from simulator.calibration.gemm import choose
from simulator.calibration.gemm_choice import Case, _parts, _predicted, value_of_calibration
from simulator.calibration.gemm_laws import Products
from simulator.calibration.gemm_tiles import _Grid, _Problem, fit_quantize, fit_tiles, fit_utilization
from simulator.costs.base import GemmRoofline
from simulator.costs.quantized import GemmTiles, QuantizeInput

LAW = GemmTiles(3.0, 3e8, 64.0, 4e-7, 8e-7, 4e-7, 2.5, 0.9, 128.0, 256.0, 132.0)


def products(noise: float = 0.0) -> Products:
    side = np.array([256.0, 768, 1024, 2048, 3072, 4096, 5120, 8192])
    m, n, k = (axis.ravel() for axis in np.meshgrid([1.0, 16, 128, 257, 512, 1025, 2048, 8192], side, side))
    error = np.exp(noise * np.random.default_rng(5).normal(size=len(m)))
    return Products(m, n, k, LAW.seconds(m, n, k) * error)


def test_tiles_and_processors_are_found_in_their_rows() -> None:
    rows = products()
    found = fit_tiles(rows)
    assert (found.tile_m, found.tile_n) == (128, 256)
    assert found.units in (128, 132)  # 4 of 132 processors change the waves of few shapes
    # The prior costs at most a per cent where rows determine everything.
    assert np.mean(np.abs(rows.predicted(found) / rows.t - 1)) < 0.01


def test_slopes_are_the_derivatives_of_the_errors() -> None:
    problem, grid = _Problem(products(noise=0.1)), _Grid(128.0, 256.0, 132.0)
    x, step = problem.start + 0.1, 1e-6
    wanted = [(problem.errors(x + d, grid) - problem.errors(x - d, grid)) / (2 * step) for d in step * np.eye(8)]
    assert problem.slopes(x, grid) == pytest.approx(np.array(wanted).T, abs=1e-7)


def test_noise_does_not_hide_the_law() -> None:
    found = fit_tiles(products(noise=0.05))
    truth = products()
    assert np.mean(np.abs(truth.predicted(found) / truth.t - 1)) < 0.03


def test_sixteen_rows_do_not_run_away() -> None:
    """Eleven values are sought: without the prior, some of them would go anywhere."""
    everywhere = products()
    errors = []
    for draw in range(8):
        picked = np.sort(np.random.default_rng(draw).choice(len(everywhere), 16, replace=False))
        found = fit_tiles(everywhere.where(picked))
        errors.append(np.mean(np.abs(everywhere.predicted(found) / everywhere.t - 1)))
    assert np.median(errors) < 0.25
    assert max(errors) < 1.0


def test_utilization_is_exact_at_its_rows_and_at_most_the_fastest() -> None:
    """Speed of light is what two per cent of the rows reach in FLOP/s, and two per cent in elements moved."""
    rows = products()
    law = fit_utilization(rows)
    assert rows.predicted(law) == pytest.approx(rows.t, rel=1e-9)
    assert np.sum(np.array(law.share) > 1) <= 2 * np.ceil(0.02 * len(rows))


def test_waves_are_recovered_by_the_choice() -> None:
    """Stairs that no smooth law follows: the chosen law errs less than half of the best smooth one beside it."""
    rows = products(noise=0.02)
    known = np.arange(len(rows)) % 4 > 0
    law = choose(rows.where(known), 5)
    out = rows.where(~known)
    assert np.mean(np.abs(out.predicted(law) / out.t - 1)) < 0.04


def test_quantization_of_inputs_is_recovered() -> None:
    truth = QuantizeInput(7.0, 4e-7, 1.6e-6, 2e7, 2.0)
    m, k = (axis.ravel() for axis in np.meshgrid(2.0 ** np.arange(16), 2.0 ** np.arange(5, 17)))
    found = fit_quantize(m, k, truth.seconds(m, k))
    assert found.seconds(m, k) == pytest.approx(truth.seconds(m, k), rel=0.05)
    assert found.cache_elements == pytest.approx(2e7, rel=0.2)


def test_value_of_calibration_on_known_laws() -> None:
    """Quantizing costs 10 and doubles the speed, which the data sheet does not know."""
    shape = products()
    plain, fast = GemmRoofline(3.0, 3e8, 4e-7), GemmRoofline(13.0, 6e8, 2e-7)
    sheets = GemmRoofline(0.0, 3e8, 4e-7), GemmRoofline(0.0, 6e8, 2e-7)
    tables = [Products(shape.m, shape.n, shape.k, law.seconds(shape.m, shape.n, shape.k)) for law in (plain, fast)]
    shuffled = tables[1].where(np.random.default_rng(1).permutation(len(shape)))
    (found,) = value_of_calibration([Case("made up", tables[0], shuffled, *sheets)], held_out=1)
    assert 0.2 < found.quantized_faster < 0.8
    assert found.sheet.right == pytest.approx(found.quantized_faster)
    assert found.sheet.regret > 0.2
    assert found.fitted.right > 0.98
    assert found.fitted.regret < 0.005
    assert found.plain_mape < 0.01


def test_choices_are_judged_on_layers_that_taught_nothing() -> None:
    """Whatever the held-out times are, every prediction of them is the same to the bit."""
    rows = products(noise=0.05)
    rows = rows.where(np.random.default_rng(7).permutation(len(rows))[:160])
    (part,) = _parts(rows)
    other = replace(rows, t=np.where(part == 0, 3 * rows.t[::-1], rows.t))
    before, after = (_predicted(table, part, 1) for table in (rows, other))
    assert np.array_equal(before, after, equal_nan=True)
    assert np.array_equal(np.isfinite(before), part == 0)
    pairs = [{*zip(rows.n[inside], rows.k[inside])} for inside in (part == 0, part != 0)]
    assert not pairs[0] & pairs[1]
