"""Shipped scenarios that leave open what is deployed: the planner finds it, and what their comments say of it holds."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import pytest
from jsonschema import Draft7Validator

from simulator import load, optimize, simulate
from simulator.cli.main import run
from simulator.planner.optimize.api import Optimized
from simulator.scenario.planfile import read_plan
from simulator.scenario.schema import plan_schema
from simulator.scenario.yamltext import read_tree

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "scenarios"
PLANS = sorted((FOLDER / "plans").glob("*.yaml"))
MEASURED = ROOT.parent / "shared" / "data" / "early_exit" / "sst2_bert_base_12exit.csv"
SHORT = ("run.duration=1s", "run.warmup=100ms", "planner.verification.replications=3")


@cache
def fixed(variant: str | None = None, *sets: str) -> Optimized:
    variants = [variant] if variant else []
    return optimize(load(FOLDER / "plan-fixed-cluster.yaml", variants=variants, sets=[*SHORT, *sets]), workers=1)


def replicas(found: Optimized, window: int = 0) -> int:
    assert found.plan is not None
    return sum(one.devices for said in found.plan.windows[window].stated.values() for one in said.resources)


def mode(found: Optimized) -> str:
    assert found.plan is not None
    return found.plan.windows[0].services["sentiment"].exit_mode


def test_a_fixed_cluster_is_cut_where_batches_pay() -> None:
    cut, whole = fixed(), fixed("vanilla")
    assert cut.holds
    assert whole.holds
    assert (mode(cut), mode(whole)) == ("at_cut", "none")
    assert cut.certificate["value"] >= 1.89 * whole.certificate["value"]


@pytest.mark.parametrize("variant", ["b1", "b32-fp32"])
def test_a_fixed_cluster_stays_whole_where_they_do_not(variant: str) -> None:
    found = fixed(variant)
    assert found.holds
    assert mode(found) == "compact"


def test_the_least_for_a_steady_load() -> None:
    """In the steady state: batch / time of a batch, measured; 21 V100 without exits."""
    vanilla = fixed("steady-vanilla")
    assert vanilla.holds
    assert replicas(vanilla) == 21
    assert replicas(fixed("steady")) < replicas(fixed("steady", "planner.search.exit_mode=[compact]")) < 21


@pytest.mark.skipif(not MEASURED.exists(), reason="the measured exits are not part of the distribution")
def test_with_twelve_measured_exits() -> None:
    """The published figures: 29,113/s against 15,405/s, which is 1.89 times as much, cut after layers 2, 4 and 7."""
    swap = (
        "models.bert.ramps.after=all",
        f"models.bert.exits={{table: {MEASURED}, rule: {{confidence: 0.8}}}}",
    )
    cut = fixed(None, *swap)
    assert mode(cut) == "at_cut"
    assert round(cut.certificate["value"] / fixed("vanilla").certificate["value"], 2) >= 1.89
    assert cut.plan is not None
    assert cut.plan.windows[0].stated["sentiment"].splits == (2, 4, 7)
    assert [one.replicas for one in cut.plan.windows[0].stated["sentiment"].resources] == [6, 4, 3, 3]
    assert [mode(fixed(variant, *swap)) for variant in ("b1", "b32-fp32")] == ["compact", "compact"]
    assert replicas(fixed("steady", *swap)) == 12


def test_services_and_a_training_share_a_cluster(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, plan = FOLDER / "plan-shared-cluster.yaml", tmp_path / "plan.yaml"
    quick = ["--set", "planner.verification.replications=3", "--workers", "1", "--quiet"]
    assert run(["optimize", str(file), *quick, "-o", str(plan)]) == 0
    capsys.readouterr()
    written = read_plan(plan).plan
    assert set(written.windows[0].services) == {"search", "chat"}
    peak = [max(written.windows, key=lambda one: one.rate[name]).start for name in ("search", "chat")]
    assert peak == [20.0, 80.0]
    held = [sum(one.devices for said in window.stated.values() for one in said.resources) for window in written.windows]
    alone = sum(
        max(sum(one.devices for one in window.stated[name].resources) for window in written.windows)
        for name in ("search", "chat")
    )
    assert max(held) < alone  # what one gives back the other takes
    result = simulate(load(file, plan=plan), replications=1).to_dict()
    assert all(figures["attainment"] >= 0.99 for figures in result["services"].values())


def test_number_formats_by_device() -> None:
    """Old devices in 16 bits, new ones in 8; 16 bits for everything cost more."""
    mixed, plain = (
        optimize(load(FOLDER / "plan-precision-mix.yaml", variants=variants, sets=SHORT[2:]), workers=1)
        for variants in ([], ["sixteen-bits"])
    )
    assert mixed.holds
    assert mixed.plan is not None
    portions = [one.portions[0] for one in mixed.plan.windows[0].services.values()]
    assert {portion.pool: portion.precision for portion in portions} == {"a100": "int8", "v100": "fp16"}
    assert mixed.cost is not None
    assert plain.cost is not None
    assert mixed.cost["total"] < plain.cost["total"]


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_shipped_plans_are_those_of_their_scenarios(path: Path) -> None:
    plan = read_plan(path).plan
    scenario = FOLDER / path.name
    made = "write it again: plan optimize"
    assert plan.scenario.sha256 == hashlib.sha256(scenario.read_bytes()).hexdigest(), made
    root = read_tree(path.read_text(encoding="utf-8")).root
    assert root is not None
    assert not list(Draft7Validator(plan_schema()).iter_errors(root.plain()))
    assert plan.verification is not None
    assert plan.verification["holds"]
    loaded = load(scenario, plan=path)
    assert loaded.source.notes == ()


def test_the_shipped_day_under_the_load_that_came() -> None:
    plan = FOLDER / "plans" / "plan-day-sentiment.yaml"
    quarter = load(FOLDER / "plan-day-sentiment.yaml", plan=plan, sets=["run.duration=15min"])
    assert len(read_plan(plan).plan.windows) == 24
    result = simulate(quarter)
    assert not result.misses()
    assert result.to_dict()["services"]["sentiment"]["arrived"] > 10_000
