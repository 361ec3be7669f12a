"""Every shipped scenario, as written and in every variant: valid, runs, sane, and as its comments say."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from simulator import load, simulate
from simulator.results import Result
from simulator.scenario.schema import SCHEMA_LINE, json_schema
from tests.oracles.markov import erlang_c, machine_repair, mm1_sojourn_quantile, mmc_wait

FOLDER = Path(__file__).resolve().parent.parent.parent / "scenarios"
FILES = sorted(FOLDER.glob("*.yaml"))
SCHEMA = FOLDER / "scenario.schema.json"

EXPECTED: dict[str, dict[str | None, bool]] = {
    "quickstart": {None: True, "fewer": False, "unbatched": False},
    "bursty-code": {None: False, "middle": True, "peak": True, "steady": True},
    "heterogeneous": {None: True, "v100-first": True, "impatient": True, "v100-only": True},
    "faults": {None: False, "spare": False, "no-retry": False, "healthy": True},
    "routing": {
        None: True,
        "random": False,
        "round-robin": True,
        "least-outstanding": True,
        "two-choices": True,
    },
    "windows": {None: True, "constant": True},
    "closed": {None: True, "few": True, "office": True},
    "mm1": {None: False},
    "mmc": {None: False},
}
"""Whether the objective is met, by scenario and variant (None: as written; textbook objectives are only measured)."""
CASES = [(name, variant) for name, variants in EXPECTED.items() for variant in variants]


@cache
def outcome(name: str, variant: str | None = None) -> Result:
    """The result of a shipped scenario; each is simulated once."""
    return simulate(load(FOLDER / f"{name}.yaml", variants=[variant] if variant else []))


def service(name: str, variant: str | None = None) -> dict[str, Any]:
    """The figures of the only service of a scenario."""
    (figures,) = outcome(name, variant).to_dict()["services"].values()
    found: dict[str, Any] = figures
    return found


def within(figures: dict[str, Any], figure: str, theory: float, sees: float = 0.1) -> None:
    """The 99.9 % interval (1.9 times the 95 % one for 8 to 12 replications) covers theory and could see an error."""
    low, high = figures["ci95"][figure]
    middle, half = (low + high) / 2, (high - low) / 2 * 2.1
    assert half < sees * theory, f"{figure}: +- {half:.3g} cannot see {sees:.0%} of {theory:.4g}"
    assert abs(middle - theory) <= half, f"{figure}: {middle:.5g} +- {half:.2g} is not {theory:.5g}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_is_valid_and_says_where_its_schema_is(path: Path) -> None:
    first, second = path.read_text(encoding="utf-8").splitlines()[:2]
    assert first == f"{SCHEMA_LINE}{SCHEMA.name}"
    assert second.startswith("# "), "the second line tells what the scenario shows"
    assert load(path).name == path.stem


def test_the_schema_beside_them_is_the_one_of_the_program() -> None:
    assert json.loads(SCHEMA.read_text(encoding="utf-8")) == json_schema()


def test_every_scenario_and_variant_is_expected() -> None:
    known = {path.stem: {None, *load(path).variants} for path in FILES}
    known.pop("sentiment-early-exit", None)
    assert known == {name: set(variants) for name, variants in EXPECTED.items()}
    table = (FOLDER / "README.md").read_text(encoding="utf-8")
    for path in FILES:
        assert f"({path.name})" in table, f"scenarios/README.md does not name {path.name}"
        assert all(f"`{variant}`" in table for variant in load(path).variants)


@pytest.mark.parametrize(("name", "variant"), CASES, ids=[f"{n}-{v or 'as-written'}" for n, v in CASES])
def test_runs_and_is_sane(name: str, variant: str | None) -> None:
    result = outcome(name, variant)
    for figures in result.to_dict()["services"].values():
        ends = ("completed", "dropped", "rejected", "failed", "inside")
        assert figures["arrived"] == sum(figures[end] for end in ends) > 10_000
        latency = figures["latency"]
        assert 0 < latency["p50"] <= latency["p99"] <= latency["p999"] <= latency["max"]
        assert sum(figures["exits"].values()) == pytest.approx(1)
        for portion in figures["portions"]:
            assert 0 < portion["utilization"] <= 1 + 1e-9
    met = not [miss for miss in result.misses() if miss.attainment < miss.target]
    assert met is EXPECTED[name][variant]


def test_mm1_is_the_textbook() -> None:
    figures = service("mm1")
    within(figures, "mean", 1 / (100 - 80))
    within(figures, "p99", mm1_sojourn_quantile(80, 0.01, 0.99), sees=0.15)
    within(figures, "attainment", 0.8647)
    within(figures["portions"][0], "utilization", 0.8)
    within(figures["portions"][0], "queue_wait.mean", 0.8 / (100 - 80), sees=0.15)


def test_mmc_is_the_textbook() -> None:
    figures = service("mmc")
    assert erlang_c(3.4, 4) == pytest.approx(0.6893, abs=1e-4)
    within(figures, "mean", mmc_wait(340, 0.01, 4) + 0.01)
    within(figures["portions"][0], "queue_wait.mean", mmc_wait(340, 0.01, 4), sees=0.2)
    within(figures["portions"][0], "utilization", 0.85)


def test_closed_is_the_textbook() -> None:
    figures = service("closed")
    throughput, latency = machine_repair(60, 1.0, 0.02)
    assert (throughput, latency) == pytest.approx((48.92, 0.2266), rel=1e-3)
    within(figures, "throughput", throughput)
    within(figures, "mean", latency, sees=0.2)


def test_bursts_cost_devices_that_their_mean_does_not_show() -> None:
    bursty, steady = service("bursty-code"), service("bursty-code", "steady")
    assert bursty["arrived"] == pytest.approx(steady["arrived"], rel=0.02)
    assert bursty["cost_per_hour"] == steady["cost_per_hour"]
    assert bursty["attainment"] < 0.85
    assert steady["attainment"] > 0.99


def test_the_order_of_kinds_is_a_preference() -> None:
    used = {v: outcome("heterogeneous", v).to_dict()["pools"] for v in (None, "v100-first", "impatient")}
    assert used[None]["a100"]["utilization"] > used[None]["v100"]["utilization"]
    assert used["v100-first"]["a100"]["utilization"] < used["v100-first"]["v100"]["utilization"]
    assert used["impatient"]["a100"]["utilization"] < used[None]["a100"]["utilization"]


def test_faults_cost_the_share_of_time_that_is_down() -> None:
    healthy, spare, three = (service("faults", v)["attainment"] for v in ("healthy", "spare", None))
    assert healthy > spare > three
    assert service("faults", "no-retry")["failed"] > 0
    assert service("faults")["failed"] == 0


def test_a_queue_per_replica_waits_longer_than_a_shared_one() -> None:
    waits = {v: service("routing", v)["portions"][0]["queue_wait"]["mean"] for v in EXPECTED["routing"]}
    shared = waits.pop(None)
    assert all(wait > shared for wait in waits.values())
    assert waits["least-outstanding"] < waits["two-choices"] < waits["random"]


def test_windows_save_devices_and_keep_the_objective() -> None:
    timeline, constant = service("windows"), service("windows", "constant")
    assert timeline["arrived"] == constant["arrived"]
    assert timeline["cost_per_hour"] < 0.7 * constant["cost_per_hour"]
    assert timeline["attainment"] > 0.99
