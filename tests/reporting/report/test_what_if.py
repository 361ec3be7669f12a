"""What-ifs are simulations of the changed scenario, and say so where they are of a part of it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from simulator.cluster import simulate
from simulator.planner.saturate import saturate
from simulator.reporting.report import html_page, make_report, markdown
from simulator.reporting.report.bench import LONG, MOST, bench_of
from simulator.reporting.report.content import Picture, Table
from simulator.scenario import Scenario, load, loads
from simulator.scenario.planfile import read_plan
from tests.reporting.report.cases import SCENARIOS, one, report, three

HETEROGENEOUS = ("run.duration=3s", "run.warmup=500ms", "run.replications=1")
DAY = """
version: 1
name: day
run: {duration: 24h, warmup: 10min}
cluster: {pools: {v100: {device: v100-16gb, count: 9, price_per_hour: 3.06}}}
models: {bert: {catalogue: bert-base}}
services:
  chat:
    model: bert
    slo: {latency: 100ms, attainment: 99%}
    workload: {process: poisson, rate: 1000/s, shape: {kind: diurnal, period: 24h, amplitude: 60%, peak: 14h}}
    DEPLOYED
"""
STANDING = "deployment: {portions: [{layers: 1-12, pool: v100, replicas: 4, batch: 8, max_wait: 5ms}]}"
FOLLOWING = """deployments:
      - {from: 0s, portions: [{layers: 1-12, pool: v100, replicas: 1, batch: 8, max_wait: 5ms}]}
      - {from: 8h, portions: [{layers: 1-12, pool: v100, replicas: 6, batch: 8, max_wait: 5ms}]}
      - {from: 20h, portions: [{layers: 1-12, pool: v100, replicas: 2, batch: 8, max_wait: 5ms}]}"""


def heterogeneous(*sets: str) -> Scenario:
    return load(SCENARIOS / "heterogeneous.yaml", sets=[*HETEROGENEOUS, *sets])


def figures(scenario: Scenario) -> Any:
    return simulate(scenario, replications=1).to_dict()["services"]


def test_the_simulated_load_is_the_first_replication_of_the_scenario() -> None:
    numbers = report("one").numbers["growth"]
    (row,) = [row for row in numbers["rows"] if row["factor"] == 1.0]
    found = figures(one())["sentiment"]
    told = row["services"]["sentiment"]
    assert told["attainment"] == found["attainment"]
    assert told["p99"] == pytest.approx(found["latency"]["p99"], rel=2e-3)  # from a sketch
    assert numbers["note"] == ""


def test_more_load_is_the_scenario_with_more_load() -> None:
    rows = report("three").numbers["growth"]["rows"]
    (row,) = [row for row in rows if row["factor"] == 2.0]
    louder = three()
    services = dict(louder.services)
    for name, rate in (("chat", 1800.0), ("search", 600.0)):
        workload = services[name].workload.model_copy(update={"rate": rate})
        services[name] = services[name].model_copy(update={"workload": workload})
    closed = services["batch"].workload.model_copy(update={"clients": 16})
    services["batch"] = services["batch"].model_copy(update={"workload": closed})
    found = figures(louder.model_copy(update={"services": services}))
    for name in services:
        assert row["services"][name]["throughput"] == found[name]["throughput"]
        assert row["services"][name]["attainment"] == found[name]["attainment"]


def test_where_it_breaks_is_what_saturate_says() -> None:
    told = report("one").numbers["growth"]["breaks"]
    found = saturate(one(), together=True).services["sentiment"]
    assert told["factor"] == found.load_factor
    assert told["bottleneck"] == (None if found.bottleneck is None else found.bottleneck.to_dict())


def test_prices_are_those_of_a_scenario_with_that_price() -> None:
    numbers = make_report(heterogeneous(), draws=10).numbers["prices"]
    for pool, price in (("a100", 4.1), ("v100", 3.06)):
        for factor in ("0.5", "2"):
            changed = heterogeneous(f"cluster.pools.{pool}.price_per_hour={price * float(factor)}")
            pools = simulate(changed).to_dict()["pools"]
            cost = sum(tree["cost_per_hour"] for tree in pools.values())
            assert numbers["pools"][pool]["cost_per_hour"][factor] == pytest.approx(cost, rel=1e-12)


def test_a_type_that_is_gone_leaves_its_work_to_free_devices() -> None:
    """Three V100 go: the A100 have two devices free, which take over two replicas."""
    rows = make_report(heterogeneous(), draws=10).numbers["gone"]["rows"]
    alone = "[{layers: 1-12, pool: a100, replicas: 4, batch: 8, max_wait: 3ms}]"
    found = figures(heterogeneous(f"services.search.deployment.portions={alone}"))["search"]
    without = rows["v100-16gb"]
    assert without["moved"] == 2
    assert without["services"]["search"]["attainment"] == found["attainment"]
    assert rows["a100-40gb"]["moved"] == 2  # of eight V100 five are free
    assert rows["a100-40gb"]["stopped"] == []


def test_the_only_type_gone_stops_everything() -> None:
    (row,) = report("one").numbers["gone"]["rows"].values()
    assert (row["stopped"], row["moved"], row["holds"]) == (["sentiment"], 0, False)


def test_tighter_objectives_are_met_by_fewer() -> None:
    for name in ("one", "three", "calibrated"):
        rows = report(name).numbers["tighter"]["rows"]
        for service in rows[0]["services"]:
            shares = [row["services"][service]["attainment"] for row in rows]
            assert shares == sorted(shares, reverse=True)


def test_the_ranking_is_by_effect_and_names_every_input() -> None:
    rows = report("three").numbers["sensitivity"]["rows"]
    assert [row["effect"] for row in rows] == sorted((row["effect"] for row in rows), reverse=True)
    inputs = {row["input"] for row in rows}
    assert {"load of chat", "load of search", "load of batch", "times on fast", "times on slow", "transfers"} <= inputs
    (slower,) = [row for row in rows if row["input"] == "times on slow"]
    assert slower["less"]["p99"] < 0 < slower["more"]["p99"]


@pytest.mark.parametrize("deployed", [STANDING, FOLLOWING])
def test_a_day_is_tried_at_its_busiest(deployed: str) -> None:
    scenario = loads(DAY.replace("DEPLOYED", deployed))
    bench = bench_of(scenario)
    assert bench is not None
    assert "busiest stretch" in bench.note
    found = bench.try_out(bench.scenario).metrics["services"]["chat"]
    assert 0.5 * MOST["compiled"] < found["arrived"] < LONG * MOST["compiled"]
    rate = bench.scenario.services["chat"].workload.rate  # type: ignore[union-attr]
    if deployed == STANDING:
        assert 1590 < rate <= 1600  # the peak of the wave, at 14 h
    else:  # one replica carries 963/s, and the wave is at about 720/s on average until 8 h: nearer than at the peak
        spans = {"(0:00 h to 8:00 h)": 1, "(8:00 h to 20:00 h)": 6, "(20:00 h to 24:00 h)": 2}
        (replicas,) = [count for span, count in spans.items() if span in bench.note]
        assert bench.scenario.services["chat"].timeline[0][1].portions[0].replicas == replicas
        pressures = {1: _mean(0, 8) / 1, 6: _mean(8, 20) / 6, 2: _mean(20, 24) / 2}
        assert replicas == max(pressures, key=lambda count: pressures[count])


def _mean(begin_h: float, end_h: float) -> float:
    """Mean of the wave in a part of the day, to a promille."""
    from math import cos, pi

    hours = [begin_h + (end_h - begin_h) * (n + 0.5) / 1000 for n in range(1000)]
    return sum(1000 * (1 + 0.6 * cos(2 * pi * (hour - 14) / 24)) for hour in hours) / len(hours)


PLAN = """
version: 1
scenario: {path: heterogeneous.yaml}
windows:
- start: 0
  end: 3s
  rate: {search: 2600/s}
  services:
    search:
      portions:
      - {layers: 1-12, pool: a100, replicas: 4, batch: 8, max_wait: 3ms}
  predicted: {search: {p99: 0.02, attainment: 0.995, cost_per_hour: 16.4}}
certificate:
  objective: cost
  value: 16.4
  bounds: {any_plan: 12.3, search: 16.4}
  proven: true
  stopped: null
  headroom: {factor: 1.2, services: {search: {factor: 1.2, reason: "p99 <50 ms>"}}}
  rejected: [{plan: 3 x a100, why: misses}, {plan: 6 x v100, why: dearer, by: 0.12}]
  empty: []
  PARETO
verification: {replications: 3, p99: {search: 0.02}}
"""
FRONT = "pareto: [{cost: 16.4, p99: 0.02, replicas: 4}, {cost: 20.5, p99: 0.015, replicas: 5}]"


@pytest.mark.parametrize("front", ["", FRONT])
def test_a_plan_is_shown_with_its_proof(front: str, tmp_path: Any) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(PLAN.replace("PARETO", front))
    scenario = load(SCENARIOS / "heterogeneous.yaml", sets=HETEROGENEOUS, plan=file)
    made = make_report(scenario, read_plan(file).plan, plan_name="plan.yaml", draws=10)
    (window,) = made.numbers["load"]["services"]["search"]
    assert (window["planned"], window["devices"]) == (2600.0, 4)
    assert window["cost_per_hour"] == pytest.approx(16.4)
    assert window["predicted"]["attainment"] == 0.995
    assert made.numbers["certificate"]["certificate"]["bounds"]["any_plan"] == 12.3
    page = html_page(made)
    for text in ("any plan", "6 x v100", "p99 &lt;50 ms&gt;", "replications"):
        assert text in page
    (section,) = [one for one in made.sections if one.name == "front"]
    pictures = [block for block in section.blocks if isinstance(block, Picture)]
    assert len(pictures) == bool(front)
    if front:
        assert [point["chosen"] for point in made.numbers["front"]["points"]] == [True, False]


TRADED = """pareto:
  - {service: a, mode: none, cost_per_hour: 2.0, p99: 0.03, accuracy: 0.9, holds: true, chosen: true}
  - {service: a, mode: compact, cost_per_hour: 1.0, p99: 0.06, accuracy: 0.8, holds: false, chosen: false}
  - {service: b, mode: none, cost_per_hour: 4.0, p99: 0.01, accuracy: null, holds: true, chosen: true}"""


def test_every_service_has_its_own_trade_off(tmp_path: Any) -> None:
    """As `plan optimize --pareto -o` writes it: points of several services are not one front."""
    file = tmp_path / "plan.yaml"
    file.write_text(PLAN.replace("PARETO", TRADED))
    scenario = load(SCENARIOS / "heterogeneous.yaml", sets=HETEROGENEOUS, plan=file)
    made = make_report(scenario, read_plan(file).plan, plan_name="plan.yaml", draws=10)
    (section,) = [one for one in made.sections if one.name == "front"]
    first, second = (block.alt for block in section.blocks if isinstance(block, Picture))
    assert first.startswith("a: 2 ways to deploy, those that no other betters in cost per hour and p99 and accuracy")
    assert first.endswith("and the chosen one: 2 and 30 ms.")
    assert second.startswith("b: 1 ways to deploy")
    (table,) = [block for block in section.blocks if isinstance(block, Table)]
    assert table.marked == {0, 2}
    assert [cell.text for cell in table.rows[1] if not isinstance(cell, str)][3:5] == ["60.00 ms", "80.00 %"]


WINDOWS = """
version: 1
name: two halves
seed: 1
run: {duration: 20min, replications: 1}
cluster:
  pools:
    a: {device: v100-16gb, count: 4, price_per_hour: 3}
    b: {device: a100-40gb, count: 4, price_per_hour: 4}
models: {bert: {catalogue: bert-base}}
services:
  chat:
    model: bert
    slo: {latency: 100ms, attainment: 99%}
    workload: {process: poisson, rate: 30/s}
    deployments:
      - {from: 0s, portions: [{layers: 1-12, pool: a, replicas: 3, batch: 8}]}
      - {from: 10min, portions: [{layers: 1-6, pool: b, replicas: 1, batch: 8}, {layers: 7-12, pool: b, replicas: 1}]}
"""


def test_windows_are_told_by_the_clock_and_devices_at_one_time() -> None:
    """Three devices, then two others: five are never held."""
    made = make_report(loads(WINDOWS), draws=10)
    assert made.numbers["answer"]["devices"] == 3
    said = markdown(made)
    assert "It takes up to 3 devices at a time" in said
    assert "chat from 0:00 h on: the model is whole" in said
    assert "chat from 0:10 h on: the model is cut" in said
    assert "layers 1-12 from 0:00 h" in said
    assert not re.search(r"from \d+ s on|@\d", said)
    assert "Used in other windows than the one that is tried here: " in said
    assert re.search(r"\| replications \| 1 \|", said)


FORECAST = """
version: 1
name: forecast
run: {duration: 12h}
cluster: {pools: {v100: {device: v100-16gb, count: 2, price_per_hour: 3.06}}}
models: {bert: {catalogue: bert-base}}
services:
  chat:
    model: bert
    slo: {latency: 100ms, attainment: 99%}
    workload: {process: poisson, rate: 1/s}
    deployment: {portions: [{layers: 1-12, pool: v100, replicas: 1, batch: 8}]}
planner: {window: 2h, quantile: 0.9, forecast: {series: load.csv, interval: 1h, scale: 2}}
"""


def test_the_forecast_of_a_history_is_shown_with_its_quantiles(tmp_path: Any) -> None:
    from simulator.workload.forecast import forecast

    counts = [3600 + 1800 * ((hour % 24) > 8) + 40 * ((7 * hour) % 11) for hour in range(24 * 14)]
    (tmp_path / "load.csv").write_text("requests\n" + "\n".join(map(str, counts)) + "\n")
    (tmp_path / "s.yaml").write_text(FORECAST)
    made = make_report(load(tmp_path / "s.yaml"), draws=10)
    told = made.numbers["load"]["forecast"]["chat"]
    found = forecast(tmp_path / "load.csv", interval="1h", horizon="12h", quantiles=[0.5, 0.9])
    assert (told["quantile"], told["step"]) == (0.9, 3600.0)
    for level in (0.5, 0.9):
        assert told["rates"][f"{level:g}"] == pytest.approx((found.quantile(level) * 2 / 3600).tolist(), rel=1e-12)
    (section,) = [one for one in made.sections if one.name == "load"]
    assert any(isinstance(block, Picture) and "0.9 quantile" in block.alt for block in section.blocks)
    missing = load(tmp_path / "s.yaml", sets=["planner.forecast.series=gone.csv"])
    assert "cannot be shown" in make_report(missing, draws=10).numbers["load"]["notes"][0]
