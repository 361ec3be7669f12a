"""Measured training iterations: bounds from published simulators of the same rows."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from simulator.calibration import Calibration
from simulator.calibration.pipeline import Iterations, calibrate, fit_rows, understand
from simulator.calibration.pipeline.trend import FEW
from simulator.calibration.rows import Rows, read_rows

DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "pipelines"


@lru_cache
def rows(name: str) -> Rows:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"measured data {name} is not here")
    return read_rows(path)


def vtrain() -> Iterations:
    meaning = understand(rows("vtrain_a100_iterations_single.csv"))
    return Iterations(meaning.setups, meaning.seconds)


def mape(found: Calibration) -> float:
    assert found.mape is not None
    return found.mape


def error(iterations: Iterations, seed: int) -> float:
    held_out = calibrate(iterations, 5, seed=seed).held_out
    return float(np.mean(np.abs(held_out / iterations.seconds - 1.0)))


def test_vtrains_single_node_iterations_beat_its_simulator() -> None:
    """8.37 % is what vTrain's own simulator, which profiles every kernel, reaches on these rows."""
    errors = [mape(fit_rows(rows("vtrain_a100_iterations_single.csv"), 5, seed=seed)) for seed in range(5)]
    assert np.mean(errors) <= 0.0837
    assert len(set(errors)) == 5  # five different foldings


def test_as_few_rows_as_a_small_sweep_has_are_enough() -> None:
    everything = vtrain()
    errors = []
    for seed in range(3):
        few = everything.where(np.sort(np.random.default_rng(seed).permutation(len(everything))[:109]))
        errors.append(error(few, seed))
    assert np.mean(errors) <= 0.084


def test_shapes_that_were_never_measured_stay_within_the_trend_of_the_others() -> None:
    """No bar is published for this: it must beat a law of one rate, ``t = work / rate``, on the same rows."""
    everything = vtrain()
    found = fit_rows(rows("vtrain_a100_iterations_single.csv"), 5, hold_out="shapes")
    c = everything.setups
    flop = c.microbatches * c.layers * 4 * c.seq_len * c.micro_batch * c.hidden * (24 * c.hidden) / c.tp / c.pp
    rate = np.median(flop / everything.seconds)
    assert mape(found) < 0.5 * np.mean(np.abs(flop / rate / everything.seconds - 1.0))


def test_megatrons_iterations_with_three_parameters_beat_calculon() -> None:
    """3.65 % and 8.87 % are the mean and the worst error of Calculon, an analytic model, on the same points."""
    found = fit_rows(rows("megatron_a100_iterations.csv"), 5)
    only = found.groups[0]
    assert only.held_out == 8  # each left out once: no fold holds two
    assert set(only.law.parameters()) - {"sharpness"} <= set(FEW)
    assert mape(found) <= 0.0365
    assert only.worst is not None
    assert abs(only.worst.error) <= 0.0887


def test_the_time_column_of_a_file_with_predictions_is_the_measured_one() -> None:
    assert understand(rows("megatron_a100_iterations.csv")).time == "measured_s"
