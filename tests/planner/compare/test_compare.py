"""Scenarios, plans and results against the first of them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

import simulator
from simulator.cluster import load, loads, simulate, vary
from simulator.errors import ScenarioError
from simulator.planner.compare import Comparison, compare, paired, read_side
from tests.planner.sweep.case import REPLICAS, node

SCENARIOS = Path(__file__).resolve().parents[3] / "scenarios"


def written(folder: Path, name: str = "s.json", **more: Any) -> Path:
    path = folder / name
    path.write_text(json.dumps(node(replications=4, **more)))
    return path


def plan(folder: Path, replicas: int, scenario: str | None = "s.json") -> Path:
    """A plan for the scenario in the same folder."""
    text = (folder / "s.json").read_bytes()
    named = [f"  path: {scenario}"] if scenario else []
    lines = [
        "version: 1",
        "scenario:",
        *named,
        f"  sha256: {hashlib.sha256(text).hexdigest()}",
        "windows:",
        "  - start: 0",
        "    end: 1s",
        "    services:",
        "      s:",
        f"        portions: [{{layers: '1', pool: pool, replicas: {replicas}, batch: 4, max_wait: 2ms}}]",
    ]
    path = folder / f"plan{replicas}.yaml"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def scenarios() -> list[Any]:
    base = loads(json.dumps(node(replications=4)))
    return [vary(base, [f"{REPLICAS}={count}"]) for count in (1, 2, 3)]


@pytest.fixture(scope="module")
def found(scenarios: list[Any]) -> Comparison:
    return compare(*scenarios, workers=1)


def test_every_figure_is_paired_over_replications(found: Comparison, scenarios: list[Any]) -> None:
    results = [simulate(one, replications=4) for one in scenarios]
    assert [pair.paired for pair in found.pairs] == [True, True]
    for place, pair in enumerate(found.pairs, start=1):
        figures = pair.sections["services"]["s"]
        for metric in ("mean", "p50", "p99"):
            a, b = ([run["services"]["s"]["latency"][metric] for run in results[at].metrics] for at in (0, place))
            assert figures[metric] == paired(a, b)
        assert figures["arrived"].difference == 0
        assert figures["cost_per_hour"].difference == place


def test_pairs_are_narrower_than_independent_means(scenarios: list[Any]) -> None:
    """Under load the arrivals decide the waiting; they are the same for both."""
    busy = [vary(one, ["services.s.workload.rate=900/s"]) for one in scenarios[:2]]
    together = compare(*busy, replications=8, workers=1)
    apart = compare(*(_saved(simulate(one, replications=8)) for one in busy))
    one, other = (pair.sections["services"]["s"]["p50"] for pair in (*together.pairs, *apart.pairs))
    assert one.difference == pytest.approx(other.difference)
    assert (one.high - one.low) < (other.high - other.low)  # type: ignore[operator]


def _saved(result: Any) -> Any:
    """A result as it comes back from its JSON text."""
    from simulator.planner.compare.sides import Side

    return Side("saved", "result", saved=json.loads(result.to_json()))


def test_workers_make_the_same_comparison(found: Comparison, scenarios: list[Any]) -> None:
    assert compare(*scenarios, workers=2).to_json() == found.to_json()


def test_all_are_simulated_with_one_seed_and_equally_often(scenarios: list[Any]) -> None:
    other = vary(scenarios[0], ["seed=11", "run.replications=6"])
    found = compare(scenarios[0], other, workers=1)
    assert [side["seed"] for side in found.sides] == [3, 3]
    assert [side["replications"] for side in found.sides] == [6, 6]
    assert all(one.difference in (0, None) for one in found.pairs[0].sections["services"]["s"].values())
    assert "all are simulated with the seed 3" in found.notes[0]
    assert [side["seed"] for side in compare(scenarios[0], other, seed=11, workers=1).sides] == [11, 11]


def test_few_replications_are_raised_to_three_unless_said(scenarios: list[Any]) -> None:
    few = vary(scenarios[0], ["run.replications=1"])
    assert compare(few, few, workers=1).sides[0]["replications"] == 3
    found = compare(few, few, replications=1, workers=1)
    assert found.pairs[0].sections["services"]["s"]["p99"].low is None


def test_plans_come_with_their_scenario(tmp_path: Path) -> None:
    scenario = written(tmp_path)
    found = compare(plan(tmp_path, 2), plan(tmp_path, 3), workers=1)
    assert [side["kind"] for side in found.sides] == ["plan", "plan"]
    direct = compare(
        load(scenario, plan=tmp_path / "plan2.yaml"), load(scenario, plan=tmp_path / "plan3.yaml"), workers=1
    )
    assert found.pairs[0].sections == direct.pairs[0].sections
    assert found.pairs[0].sections["services"]["s"]["cost_per_hour"].difference == 1


def test_a_plan_without_its_scenario_is_told(tmp_path: Path) -> None:
    scenario = written(tmp_path)
    for name in (None, "elsewhere.yaml"):
        with pytest.raises(ScenarioError, match="say which it is for"):
            read_side(plan(tmp_path, 2, name))
    assert read_side(plan(tmp_path, 2, None), scenario=scenario).kind == "plan"


def test_saved_results_are_independent_means(tmp_path: Path) -> None:
    scenario = written(tmp_path)
    for count in (1, 2):
        text = simulate(load(scenario, sets=[f"{REPLICAS}={count}"])).to_json()
        (tmp_path / f"r{count}.json").write_text(text)
    found = compare(tmp_path / "r1.json", tmp_path / "r2.json")
    pair = found.pairs[0]
    assert not pair.paired
    assert "narrower" in found.notes[0]
    figures = pair.sections["services"]["s"]
    trees = [json.loads((tmp_path / f"r{count}.json").read_text())["services"]["s"] for count in (1, 2)]
    assert figures["p99"].difference == trees[1]["latency"]["p99"] - trees[0]["latency"]["p99"]
    assert figures["p99"].low is not None
    assert figures["arrived"].a == trees[0]["arrived"] / 4
    assert "max" not in figures
    mixed = compare(tmp_path / "r1.json", scenario, workers=1)
    assert not mixed.pairs[0].paired


def test_a_scenario_may_be_named_with_its_variants(tmp_path: Path) -> None:
    variants = {"more": {REPLICAS: 3}, "small": {"services.s.deployment.portions.0.batch": 1}}
    path = tmp_path / "s.json"
    path.write_text(json.dumps({**node(), "variants": variants}))
    assert read_side(f"{path}@more").scenario == load(path, variants=["more"])
    assert read_side(f"{path}@more,small").scenario == load(path, variants=["more", "small"])
    assert read_side(f"{path}@more", variants=["small"]).scenario == load(path, variants=["more", "small"])
    with pytest.raises(ScenarioError, match="did you mean 'more'"):
        read_side(f"{path}@mroe")
    (tmp_path / "s.json@more").write_text(json.dumps(node()))
    assert read_side(f"{path}@more").scenario == load(tmp_path / "s.json@more")


def test_a_folder_of_tables_is_a_result(tmp_path: Path) -> None:
    from simulator.reporting import write_frames

    result = simulate(load(written(tmp_path)))
    write_frames(result, tmp_path / "out")
    assert read_side(tmp_path / "out").saved == result.to_dict()


def test_results_in_memory_are_paired_when_their_seeds_are_equal(scenarios: list[Any], found: Comparison) -> None:
    results = [simulate(one) for one in scenarios[:2]]
    assert compare(*results).pairs[0].sections == found.pairs[0].sections
    other = compare(results[0], simulate(scenarios[1], seed=8))
    assert not other.pairs[0].paired


def test_trainings_and_streams_are_compared() -> None:
    one = simulator.load(SCENARIOS / "pipeline-1f1b.yaml")
    other = vary(one, ["trainings.pretrain.pipeline.microbatches=8"])
    figures = compare(one, other, workers=1).pairs[0].sections["trainings"]["pretrain"]
    assert figures["iteration"].difference < 0  # type: ignore[operator]
    assert figures["bubble_fraction.makespan"].clear


def test_what_only_one_has_is_named() -> None:
    one = simulator.load(SCENARIOS / "mm1.yaml", sets=["run.duration=5s", "run.warmup=0s"])
    other = simulator.load(SCENARIOS / "pipeline-1f1b.yaml")
    assert compare(one, other, replications=1, workers=1).pairs[0].alone == ("services.queue", "trainings.pretrain")


def test_what_cannot_be_simulated_is_told(scenarios: list[Any]) -> None:
    with pytest.raises(ScenarioError, match="pool"):
        compare(scenarios[0], vary(scenarios[0], ["models.m.layers.0.weights=100GiB"]), workers=1)
    with pytest.raises(ScenarioError, match="two scenarios"):
        compare(scenarios[0])
    for wrong in ({"replications": 0}, {"seed": -1}, {"workers": 0}):
        with pytest.raises(ScenarioError, match="whole number"):
            compare(*scenarios, **wrong)


def test_what_is_no_result_is_told(tmp_path: Path) -> None:
    good = json.loads(simulate(loads(json.dumps(node()))).to_json())
    for change in ({"replications": 0}, {"replications": "3"}, {"services": []}, {"services": {"s": 3}}):
        (tmp_path / "r.json").write_text(json.dumps({**good, **change}))
        with pytest.raises(ScenarioError):
            read_side(tmp_path / "r.json")
    (tmp_path / "r.json").write_text(json.dumps(good)[:-5])
    with pytest.raises(ScenarioError):
        read_side(tmp_path / "r.json")
    with pytest.raises(ScenarioError, match="no such file"):
        read_side(tmp_path / "missing.yaml")


def test_it_tells_itself(found: Comparison) -> None:
    tree = json.loads(found.to_json())
    one = tree["comparisons"][0]["services"]["s"]["p99"]
    assert set(one) == {"a", "b", "difference", "ci95", "relative", "pairs"}
    frame = found.frame
    assert len(frame) == sum(len(pair.sections["services"]["s"]) for pair in found.pairs)
    assert "<table" in found._repr_html_()
    assert found.to_csv().startswith("a,b,section,name,metric,value_a,value_b,difference,lo,hi,relative,pairs\n")


def test_it_is_part_of_the_package() -> None:
    assert simulator.compare is compare
    assert simulator.Comparison is Comparison
