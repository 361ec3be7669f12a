"""What calibration error does: factors follow the errors, all consumers see them, and nothing else changes."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.calibration import fit
from simulator.cli.main import run
from simulator.cluster import simulate
from simulator.cluster.lower import lower
from simulator.costs.base.measured import read_measured
from simulator.errors import ScenarioError
from simulator.planner.uncertainty import HIGH, LOW, quantiles, uncertainty
from simulator.planner.uncertainty_draws import Fit, at_scores, fits_of, scores, spread_of
from simulator.planner.uncertainty_sources import cost_figures
from simulator.scenario import Scenario, load

ROOT = Path(__file__).resolve().parent.parent.parent
SCENARIOS = ROOT / "scenarios"
SMALL = ("run.duration=1s", "run.warmup=100ms", "run.replications=1")
INT8_ERROR = 0.0965800143311507
"""Held-out error of the group that the scenario uses, as its costs file tells it."""


def quantized(*sets: str) -> Scenario:
    return load(SCENARIOS / "quantized-bert.yaml", sets=[*SMALL, *sets])


@given(st.floats(1e-4, 2.0))
def test_factors_are_off_by_the_error_on_average(error: float) -> None:
    """E|X - 1| by integration over the normal density, which the closed form has to equal."""
    spread = spread_of(error)
    grid = np.linspace(-12.0, 12.0, 240_001)
    density = np.exp(-(grid**2) / 2.0) / math.sqrt(2.0 * math.pi)
    off = np.trapezoid(np.abs(np.exp(spread * grid) - 1.0) * density, grid)
    assert off == pytest.approx(error, rel=1e-6)


@given(st.integers(0, 2**31), st.integers(1, 200))
def test_scores_fill_every_range_once(seed: int, draws: int) -> None:
    found = np.sort(scores(seed, "costs.yaml", draws))
    shares = 0.5 * (1.0 + np.array([math.erf(one / math.sqrt(2.0)) for one in found]))
    assert np.allclose(shares, (np.arange(draws) + 0.5) / draws)


def test_other_files_have_other_orders() -> None:
    assert scores(1, "a", 40).tolist() != scores(1, "b", 40).tolist()
    assert scores(1, "a", 40).tolist() == scores(1, "a", 40).tolist()


def test_a_band_of_a_monotone_figure_is_that_of_the_score() -> None:
    """The ends are the 5th and the 95th percentile of the normal distribution itself, not of a sample of it."""
    low, high = quantiles(scores(3, "a", 200).tolist())
    assert (low, high) == (pytest.approx(-1.6449, abs=0.01), pytest.approx(1.6449, abs=0.01))
    assert (LOW, HIGH) == (0.05, 0.95)


def test_the_fit_of_a_scenario_and_its_error_are_found() -> None:
    figures = cost_figures(quantized())
    assert [(one.kind, one.error) for one in figures] == [("fit", INT8_ERROR), ("written", None)]
    (found,) = fits_of(figures)
    assert (found.model, found.file) == ("bert", "data/gemm-a100.yaml")
    assert list(found.errors.values()) == [INT8_ERROR]


@pytest.mark.parametrize(
    ("scenario", "kinds"),
    [
        ("early-exit-e3.yaml", {"curve"}),
        ("stream-training-l2l.yaml", {"data sheet"}),
        ("stream-service.yaml", {"written"}),
        ("bubble-fill-second-instance.yaml", {"written"}),
        ("precision-by-batch.yaml", {"fit"}),
    ],
)
def test_every_time_has_an_origin_and_says_whether_its_error_is_known(scenario: str, kinds: set[str]) -> None:
    figures = cost_figures(load(SCENARIOS / scenario))
    assert {one.kind for one in figures} == kinds
    for one in figures:
        assert one.source
        assert one.users
        assert (one.error is None) == bool(one.note)


@settings(max_examples=5)
@given(st.floats(-3.0, 3.0))
def test_the_measured_part_of_every_batch_is_multiplied(score: float) -> None:
    """Products take the factor; what is written beside them stays."""
    scenario = quantized()
    fits = fits_of(cost_figures(scenario))
    before = lower(scenario).services[0].stations[0].kinds[0].phases[0]
    with at_scores(scenario, fits, {fits[0].file: score}) as changed:
        after = lower(changed).services[0].stations[0].kinds[0].phases[0]
    batch = np.arange(before.batch + 1)
    written = np.where(before.step_ramp == 0, 1.0, 0.0)[:, None] * np.where(batch > 0, 20e-6 + 5e-6 * batch, 0.0)
    written[-1] = 0.0  # the head has products alone
    factor = math.exp(spread_of(INT8_ERROR) * score)
    expected = (before.steps_s - written) * factor + written
    assert np.allclose(after.steps_s[:, 1:], expected[:, 1:], rtol=1e-12)
    assert after.batch == before.batch


def test_the_scenario_as_told_is_the_scenario() -> None:
    """The run with every factor 1 is the plain simulation, digit for digit."""
    scenario = quantized()
    told = uncertainty(scenario, draws=10).to_dict()["services"]["answers"]
    plain = simulate(scenario).to_dict()["services"]["answers"]
    assert told["latency.p99"]["told"] == plain["latency"]["p99"]
    assert told["attainment"]["told"] == plain["attainment"]
    assert told["cost_per_million"]["told"] == plain["cost_per_million"]


def test_slower_costs_mean_later_answers_and_the_draws_share_their_load() -> None:
    found = uncertainty(quantized(), draws=10)
    order = np.argsort(scores(found.seed, "data/gemm-a100.yaml", 10))
    bands = found.to_dict()["services"]["answers"]
    means = [bands["latency.mean"]["draws"][place] for place in order]
    assert means == sorted(means)
    assert means[0] < bands["latency.mean"]["told"] < means[-1]
    assert bands["latency.mean"]["low"] < bands["latency.mean"]["told"] < bands["latency.mean"]["high"]
    assert len(set(bands["cost_per_hour"]["draws"])) == 1  # devices are held whatever they do
    assert uncertainty(quantized(), draws=10).to_dict() == found.to_dict()


def test_without_an_error_there_is_nothing_to_draw() -> None:
    found = uncertainty(load(SCENARIOS / "early-exit-e3.yaml", sets=SMALL)).to_dict()
    assert found["draws"] == 0
    assert found["services"] == {}
    assert len(found["exact"]) == 1
    assert "no held-out error" in found["exact"][0]


def test_a_fit_of_ones_own_moves_services_and_streams(tmp_path: Path) -> None:
    """Rows are fitted, the fit times a service and a stream, and the error of the fit reaches both."""
    rows = tmp_path / "rows.csv"
    lines = [
        f"block,own,fp16,{b},{0.001 * (1 + 0.3 * b) * (1.25 if b in (4, 32) else 1.0)!r}" for b in (1, 2, 4, 8, 16, 32)
    ]
    rows.write_text("layer,device,precision,batch,seconds\n" + "\n".join(lines) + "\n")
    fitted = fit(rows, time="seconds", group=["layer", "device", "precision"])
    fitted.write(tmp_path / "costs.yaml")
    assert fitted.mape is not None
    assert fitted.mape > 0.01
    (tmp_path / "s.yaml").write_text(
        """
version: 1
name: own
seed: 1
run: {duration: 2s, replications: 1}
cluster:
  pools:
    own: {device: {memory: 8GiB, memory_bandwidth: 100GB/s, peak: {fp16: 1TFLOPS}}, count: 4, price_per_hour: 1}
  parameter_server: {bandwidth: 12GB/s, latency: 20us, memory: 64GB}
models:
  net: {measured: costs.yaml}
  big: {measured: costs.yaml, layers: [{name: block, repeat: 4, weights: 100MB, output: 1MB}]}
services:
  s:
    model: net
    slo: {latency: 50ms, attainment: 99%}
    workload: {process: poisson, rate: 300/s}
    deployment: {portions: [{layers: 1, pool: own, replicas: 1, batch: 8}]}
streams:
  t: {model: big, pool: own, mode: inference, group: 4, microbatch: 2}
"""
    )
    scenario = load(tmp_path / "s.yaml")
    assert {one.users for one in cost_figures(scenario)} == {("s",), ("t",)}
    found = uncertainty(scenario, draws=10).to_dict()
    assert {one["error"] for one in found["varied"]} == {fitted.groups[0].mape}
    for section, name, figure in (("services", "s", "latency.mean"), ("streams", "t", "step")):
        band = found[section][name][figure]
        assert band["low"] < band["told"] < band["high"]


def test_a_rewritten_file_holds_the_same_laws() -> None:
    scenario = quantized()
    groups = read_measured(SCENARIOS / "data" / "gemm-a100.yaml")
    with at_scores(scenario, (Fit("bert", "data/gemm-a100.yaml", {}),), {"data/gemm-a100.yaml": 1.0}) as changed:
        again = read_measured(Path(str(changed.models["bert"].measured)))
        assert [(one.group, one.span) for one in again] == [(one.group, one.span) for one in groups]
        m, n, k = np.array([1.0, 37.0, 4096.0]), np.full(3, 1024.0), np.full(3, 4096.0)
        for before, after in zip(groups, again):
            assert np.array_equal(before.law.seconds(m, n, k), after.law.seconds(m, n, k))
    assert not Path(str(changed.models["bert"].measured)).exists()


@pytest.mark.parametrize("draws", [0, -1, 9, 1001, 12.5, True])
def test_numbers_of_draws_that_make_no_sense_are_refused(draws: object) -> None:
    with pytest.raises(ScenarioError, match="whole number from 10 to 1000"):
        uncertainty(quantized(), draws=draws)  # type: ignore[arg-type]


def test_the_command_shows_bands_in_every_format(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["simulate", str(SCENARIOS / "quantized-bert.yaml"), "-q", "--uncertainty", "--draws", "10"]
    command += [word for one in SMALL for word in ("--set", one)]
    assert run([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["uncertainty"]["draws"] == 10
    band = told["uncertainty"]["services"]["answers"]["latency.p99"]
    assert band["told"] == told["services"]["answers"]["latency"]["p99"]
    assert run([*command, "--format", "csv"]) == 0
    rows = [line.split(",") for line in capsys.readouterr().out.splitlines()]
    (row,) = [row for row in rows if row[3] == "uncertainty.latency.p99"]
    assert [float(cell) for cell in row[4:]] == [band["told"], band["low"], band["high"]]
    assert {len(row) for row in rows} == {7}
    assert run(command) == 0
    text = capsys.readouterr().out
    assert "10 draws of the held-out errors" in text
    assert "exact: bert, layers 1-24, all else on a100 at int8" in text


def test_draws_without_uncertainty_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["simulate", str(SCENARIOS / "mm1.yaml"), "--draws", "10"]) == 2
    assert "--uncertainty" in capsys.readouterr().err
