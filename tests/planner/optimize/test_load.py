"""What is planned for: rates by window from written loads and from forecasts."""

from __future__ import annotations

import csv
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.errors import ScenarioError
from simulator.planner.optimize.load import planned_load, workload_at, workload_over
from simulator.planner.optimize.windows import highest_rates, windows_of
from simulator.scenario import load, loads
from simulator.scenario.workload import Gamma, Mmpp, Poisson, Rates, Trace
from simulator.workload import arrival_times, mean_rate
from simulator.workload.forecast import forecast
from tests.planner.optimize.benches import steady, written
from tests.support import trace

HOUR_S = 3600.0


def of(kind, **keys):
    return kind.model_validate(keys)


def test_windows_cover_the_run_without_gap():
    found = windows_of(written(duration_s=7200.0, planner={"window": "10min"}))
    assert len(found) == 12
    assert [w.start_s for w in found[1:]] == [w.end_s for w in found[:-1]]
    assert (found[0].start_s, found[-1].end_s) == (0.0, 7200.0)
    assert windows_of(written(duration_s=77.0)) == windows_of(written(duration_s=77.0, planner={"window": "77s"}))


@pytest.mark.parametrize("window", ["7min", "2h"])
def test_a_window_that_does_not_divide_the_run_is_told(window):
    with pytest.raises(ScenarioError, match=r"planner.window.*does not divide run.duration, 3600s"):
        planned_load(written(duration_s=3600.0, planner={"window": window}))


def test_the_highest_rate_of_a_wave_is_that_of_its_crest():
    shape = {"kind": "diurnal", "period": "24h", "amplitude": "50%", "peak": "14h"}
    found = planned_load(written(200.0, duration_s=24 * HOUR_S, planner={"window": "1h"}, shape=shape))
    hours = np.arange(25)
    ends = 200 * (1 + 0.5 * np.cos(2 * np.pi * (hours - 14) / 24))
    exact = np.maximum(ends[1:], ends[:-1])
    assert np.allclose(found.rates["s"], exact, rtol=0.005)
    assert (found.rates["s"] <= exact * (1 + 1e-9)).all()
    assert found.own == {"s"}


def test_a_spike_is_the_rate_of_its_window_and_of_no_other():
    shape = {"kind": "spike", "at": "70s", "length": "5s", "factor": 4}
    found = planned_load(written(100.0, duration_s=180.0, planner={"window": "60s"}, shape=shape)).rates["s"]
    assert found == pytest.approx([100, 400, 100])


def test_rates_of_a_series_are_its_highest_bins(tmp_path):
    (tmp_path / "load.csv").write_text("requests\n" + "\n".join(map(str, range(1, 25))) + "\n")
    scenario = written(service={"workload": {"rates": str(tmp_path / "load.csv"), "interval": "10s", "repeat": True}},
                       duration_s=480.0, planner={"window": "60s"})  # fmt: skip
    assert highest_rates(scenario, "s", windows_of(scenario)) == pytest.approx([0.6, 1.2, 1.8, 2.4] * 2)


def test_a_modulated_load_counts_with_its_mean_and_a_replay_with_its_arrivals(tmp_path):
    states = [{"rate": "10/s", "mean_duration": "1s"}, {"rate": "100/s", "mean_duration": "2s"}]
    body = {"workload": {"states": states, "scale": 2}}
    assert planned_load(written(service=body)).rates["s"] == pytest.approx([140.0])
    node = trace(tmp_path, [1.0, 2.0, 3.0, 70.0])
    node["trace"] = str(tmp_path / node["trace"])
    scenario = written(service={"workload": node}, duration_s=120.0, planner={"window": "60s"})
    assert planned_load(scenario).rates["s"] == pytest.approx([3 / 60, 1 / 60])


def test_a_closed_load_cannot_be_planned():
    with pytest.raises(ScenarioError, match=r"services.s.workload.*no rate to plan for"):
        planned_load(written(service={"workload": {"clients": 3, "think": "1s"}}))


# -- forecasts --------------------------------------------------------------------------------------------------------


def history(folder, days=10, step_s=600.0, level=100.0, name="load.csv"):
    """A daily wave with noise, in counts per bin."""
    t = np.arange(int(days * 86_400 / step_s)) * step_s
    rng = np.random.default_rng(1)
    mean = level * (1.5 + np.cos(2 * np.pi * t / 86_400)) * step_s / 600
    with (folder / name).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["t_s", "requests"])
        writer.writerows(zip(t.tolist(), rng.poisson(mean).tolist()))
    return name


def planning(folder, duration_s=86_400.0, window="1h", quantile=0.9, **more):
    name = history(folder)
    node = json.loads(json.dumps(written(duration_s=duration_s).source.tree.plain()))
    node["planner"] = {
        "window": window, "quantile": quantile,
        "forecast": {"series": name, "interval": "10min", "at": "8d", **more},
    }  # fmt: skip
    path = folder / "scenario.yaml"
    path.write_text(json.dumps(node))
    return load(path)


def test_the_forecast_at_the_planning_quantile_is_what_is_planned_for(tmp_path):
    found = planned_load(planning(tmp_path, scale=3.0))
    made = forecast(tmp_path / "load.csv", interval=600.0, to="1h", horizon="24h", at=8 * 86_400.0)
    assert np.array_equal(found.rates["s"], made.quantile(0.9) / HOUR_S * 3.0)
    assert np.array_equal(found.samples["s"][:5], made.samples(5, 0) / HOUR_S * 3.0)
    assert found.forecast.quantile == 0.9
    assert found.own == frozenset()


def test_longer_windows_take_the_highest_bin_inside(tmp_path):
    found = planned_load(planning(tmp_path, window="12h"))
    made = forecast(tmp_path / "load.csv", interval=600.0, to="1h", horizon="24h", at=8 * 86_400.0)
    assert found.rates["s"] == pytest.approx(made.quantile(0.9).reshape(2, 12).max(axis=1) / HOUR_S)
    assert found.samples["s"].shape[1] == 2


def test_a_forecast_in_hand_is_used_as_it_is(tmp_path):
    made = forecast(tmp_path / history(tmp_path), interval=600.0, to="1h", horizon="24h")
    scenario = written(duration_s=86_400.0, planner={"window": "1h", "quantile": 0.99})
    found = planned_load(scenario, {"s": made})
    assert found.rates["s"] == pytest.approx(made.quantile(0.99) / HOUR_S)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"window": "432min"}, "planner.window.*no multiple of 10min"),
        ({"column": "reqs"}, "no column 'reqs'"),
        ({"series": "nothing.csv"}, "no such file"),
        ({"at": "20d"}, r"planner.forecast.at.*outside the series"),
        ({"at": "500s"}, r"planner.forecast.at.*no multiple"),
    ],
)
def test_what_cannot_be_forecast_is_told_at_its_key(tmp_path, change, said):
    with pytest.raises(ScenarioError, match=said):
        planned_load(planning(tmp_path, **{"duration_s": 86_400.0 * 0.9 if "window" in change else 86_400.0, **change}))


def test_a_load_of_nothing_is_told(tmp_path):
    (tmp_path / "none.csv").write_text("t_s,requests\n" + "".join(f"{600 * n},0\n" for n in range(1000)))
    scenario = planning(tmp_path)
    node = json.loads((tmp_path / "scenario.yaml").read_text())
    node["planner"]["forecast"] = {"series": "none.csv", "interval": "10min"}
    (tmp_path / "scenario.yaml").write_text(json.dumps(node))
    with pytest.raises(ScenarioError, match="nothing is expected to come in any window"):
        planned_load(load(tmp_path / "scenario.yaml"))
    assert scenario.planner is not None


# -- the same process at another rate ---------------------------------------------------------------------------------

WORKLOADS = [
    of(Poisson, rate="7/s", scale=2.0, shape={"kind": "ramp", "to_factor": 3, "over": "5s"}),
    of(Gamma, rate="7/s", cv=2.5),
    of(Rates, rates="unread.csv", interval="1s", cv=1.5),
    of(Mmpp, states=[{"rate": "1/s", "mean_duration": "1s"}, {"rate": "9/s", "mean_duration": "2s"}], scale=3.0),
    of(Trace, trace="unread.csv"),
]


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda one: one.process)
@settings(max_examples=10, deadline=None)
@given(rate=st.floats(1e-3, 1e5))
def test_a_load_at_a_rate_has_that_rate(workload, rate, tmp_path_factory):
    assert mean_rate(workload_at(workload, rate), 10.0, tmp_path_factory.getbasetemp()) == pytest.approx(rate)


def test_burstiness_stays():
    assert workload_at(WORKLOADS[1], 50.0).cv == 2.5
    assert workload_at(WORKLOADS[2], 50.0).cv == 1.5
    assert workload_at(WORKLOADS[4], 50.0, cv=0.4).cv == 0.4
    assert [state.mean_duration for state in workload_at(WORKLOADS[3], 50.0).states] == [1.0, 2.0]


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda one: one.process)
def test_a_load_over_all_windows_has_the_rate_of_each(workload, tmp_path):
    rates = np.array([3.0, 0.0, 40.0, 11.0])
    over = workload_over(workload, steady(rates, 200.0), rates)
    until = np.cumsum(rates * 200.0)
    for number, expected in enumerate(until, start=1):
        assert mean_rate(over, 200.0 * number, tmp_path) * 200 * number == pytest.approx(expected)
    instants = arrival_times(over, seed=1, replication=0, service="s", until_s=800.0, folder=tmp_path)
    counts = np.histogram(instants, np.arange(5) * 200.0)[0]
    assert counts[1] == 0
    if workload.process != "mmpp":
        assert (np.abs(counts - rates * 200) <= 4.5 * 2.6 * np.sqrt(rates * 200)).all()


def test_a_plain_scenario_is_planned_for_every_service_that_has_no_deployment():
    node = written().source.tree.plain()
    node["services"]["t"] = {
        **node["services"]["s"],
        "deployment": {"portions": [{"layers": 1, "pool": "pool", "replicas": 1}]},
    }
    scenario = loads(json.dumps(node))
    assert list(planned_load(scenario).rates) == ["s"]
    assert list(planned_load(scenario, services=["t"]).rates) == ["t"]
    assert math.isclose(planned_load(scenario).rates["s"][0], 1000.0)
