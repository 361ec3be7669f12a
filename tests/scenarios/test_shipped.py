"""Every shipped scenario, as written and in every variant: valid, runs, sane, and as its comments say."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from simulator import load, simulate
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
    "early-exit-e3": {None: True, "whole": False, "compact": False, "serial": True, "answer-early": False},
    "early-exit-drift": {None: False, "mean": False, "replanned": True, "compact": False, "serial": True},
    "early-exit-twin": {
        None: True,
        "hasty": True,
        "alone": False,
        "alone-four": True,
        "strict": True,
        "by-chance": True,
    },
    "early-exit-router": {
        None: True,
        "matrix": True,
        "rule": False,
        "lower": True,
        "perfect": False,
        "uniform": False,
        "free-ramps": True,
        "whole": False,
    },
    "early-exit-mixed-gpus": {None: True, "compact": False, "by-depth": False},
    "quantized-bert": {
        None: True,
        "sixteen-bits": False,
        "four-devices": True,
        "mixed": True,
        "single": True,
        "single-sixteen": True,
    },
    "precision-by-batch": {None: True, "all-int8": False, "all-int4": False, "all-bf16": False},
    "mm1": {None: False},
    "mmc": {None: False},
}
"""Whether the objective is met, by scenario and variant (None: as written; textbook objectives are only measured)."""

Variants = dict[str | None, dict[str, Any]]
"""JSON results by variant."""


def only_service(result: dict[str, Any]) -> dict[str, Any]:
    """The figures of the only service of a scenario."""
    (figures,) = result["services"].values()
    found: dict[str, Any] = figures
    return found


def within(result: dict[str, Any], path: str, theory: float, sees: float = 0.1) -> None:
    """The 99.9 % interval of a figure covers theory, and is narrow enough to see a relative error of ``sees``."""
    tree, freedom = only_service(result), result["replications"] - 1
    figure = path.removeprefix("portion.")
    low, high = (tree["portions"][0] if path != figure else tree)["ci95"][figure]
    wider = float(stats.t.ppf(0.9995, freedom) / stats.t.ppf(0.975, freedom))
    middle, half = (low + high) / 2, (high - low) / 2 * wider
    assert half < sees * theory, f"{figure}: +- {half:.3g} cannot see {sees:.0%} of {theory:.4g}"
    assert abs(middle - theory) <= half, f"{figure}: {middle:.5g} +- {half:.2g} is not {theory:.5g}"


def check_mm1(runs: Variants) -> None:
    within(runs[None], "mean", 1 / (100 - 80))
    within(runs[None], "p99", mm1_sojourn_quantile(80, 0.01, 0.99), sees=0.25)
    within(runs[None], "attainment", 0.8647)
    within(runs[None], "portion.utilization", 0.8)
    within(runs[None], "portion.queue_wait.mean", 0.8 / (100 - 80), sees=0.15)


def check_mmc(runs: Variants) -> None:
    assert erlang_c(3.4, 4) == pytest.approx(0.6893, abs=1e-4)
    assert mmc_wait(340, 0.01, 4) == pytest.approx(0.01149, abs=1e-5)
    within(runs[None], "mean", mmc_wait(340, 0.01, 4) + 0.01)
    within(runs[None], "portion.queue_wait.mean", mmc_wait(340, 0.01, 4), sees=0.2)
    within(runs[None], "portion.utilization", 0.85)


def check_closed(runs: Variants) -> None:
    throughput, latency = machine_repair(60, 1.0, 0.02)
    assert (throughput, latency) == pytest.approx((48.92, 0.2266), rel=1e-3)
    within(runs[None], "throughput", throughput)
    within(runs[None], "mean", latency, sees=0.2)


def check_bursty_code(runs: Variants) -> None:
    """Bursts cost devices that their mean does not show."""
    bursty, steady = only_service(runs[None]), only_service(runs["steady"])
    assert bursty["arrived"] == pytest.approx(steady["arrived"], rel=0.02)
    assert bursty["cost_per_hour"] == steady["cost_per_hour"]
    assert bursty["attainment"] < 0.85
    assert steady["attainment"] > 0.99


def check_heterogeneous(runs: Variants) -> None:
    """The order of kinds is a preference; a smaller batch takes the work all the same."""
    used = {v: {pool: tree["utilization"] for pool, tree in run["pools"].items()} for v, run in runs.items()}
    assert used[None]["a100"] > used[None]["v100"]
    assert used["v100-first"]["a100"] < used["v100-first"]["v100"]
    assert used["impatient"]["a100"] < used["impatient"]["v100"]


def check_faults(runs: Variants) -> None:
    """Faults cost attainment, a spare replica buys most of it back, retries save the requests."""
    healthy, spare, three = (only_service(runs[v])["attainment"] for v in ("healthy", "spare", None))
    assert healthy > spare > three
    assert only_service(runs["no-retry"])["failed"] > 0
    assert only_service(runs[None])["failed"] == 0


def check_routing(runs: Variants) -> None:
    """Nobody waits less behind a queue per replica than behind a shared one."""
    waits = {v: only_service(run)["portions"][0]["queue_wait"]["mean"] for v, run in runs.items()}
    shared = waits.pop(None)
    assert all(wait > shared for wait in waits.values())
    assert waits["least-outstanding"] < waits["two-choices"] < waits["random"]


def check_windows(runs: Variants) -> None:
    """The timeline saves devices and keeps the objective."""
    timeline, constant = only_service(runs[None]), only_service(runs["constant"])
    assert timeline["arrived"] == constant["arrived"]
    assert timeline["cost_per_hour"] < 0.7 * constant["cost_per_hour"]
    assert timeline["attainment"] > 0.99


def check_early_exit_e3(runs: Variants) -> None:
    """Twice the load of the whole model on the same devices; who answers early saves nothing but latency."""
    goodput = {variant: only_service(run)["goodput"] for variant, run in runs.items()}
    assert goodput[None] > 2 * goodput["whole"]
    assert goodput[None] > 1.1 * goodput["compact"]
    assert goodput["answer-early"] < goodput["whole"]
    assert only_service(runs[None])["accuracy"] > only_service(runs["whole"])["accuracy"]


def check_early_exit_drift(runs: Variants) -> None:
    """The same devices: cut for the start, for the mean, and anew in every window."""
    kept = {variant: only_service(run)["attainment"] for variant, run in runs.items()}
    assert kept[None] < 0.8 < kept["mean"] < 0.99 < kept["replanned"]
    costs = {only_service(run)["cost_per_hour"] for run in runs.values()}
    assert max(costs) == pytest.approx(min(costs), rel=0.01)


def check_early_exit_twin(runs: Variants) -> None:
    """Half the price of four devices at the same accuracy or better; waiting for a batch spares wasted work."""
    found = {variant: only_service(run) for variant, run in runs.items()}
    assert found[None]["cost_per_hour"] < 0.6 * found["alone-four"]["cost_per_hour"]
    assert found[None]["accuracy"] >= found["alone-four"]["accuracy"]
    assert found[None]["exits"]["0"] == pytest.approx(0.74, abs=0.01)
    assert found["hasty"]["twin"]["wasted_device_hours"] > 1.5 * found[None]["twin"]["wasted_device_hours"]
    assert found["strict"]["twin"]["answered"] < 0.9 * found[None]["twin"]["answered"]
    assert found["strict"]["accuracy"] > found[None]["accuracy"]
    assert "twin" not in found["alone"]


def check_early_exit_router(runs: Variants) -> None:
    """A router saves layers and loses answers; a lower threshold saves nearly as many and loses fewer."""
    found = {variant: only_service(run) for variant, run in runs.items()}
    routed, lower, rule = found[None], found["lower"], found["rule"]
    assert routed["mean_layers"] < lower["mean_layers"] < rule["mean_layers"]
    assert routed["accuracy"] + 0.03 < lower["accuracy"] < rule["accuracy"]
    assert found["matrix"]["accuracy"] == pytest.approx(routed["accuracy"], abs=0.01)
    assert found["perfect"]["accuracy"] == pytest.approx(rule["accuracy"], abs=0.005)
    assert found["perfect"]["goodput"] < rule["goodput"], "it answers alike and takes the router's time"
    assert found["uniform"]["accuracy"] < rule["accuracy"] < found["whole"]["accuracy"]
    assert found["uniform"]["goodput"] < rule["goodput"]
    assert found["free-ramps"]["latency"]["p99"] < routed["latency"]["p99"]


def check_quantized_bert(runs: Variants) -> None:
    """8 bits save a device at large batches and cost accuracy; alone a request is served faster in 16."""
    found = {variant: only_service(run) for variant, run in runs.items()}
    assert found[None]["goodput"] > 1.1 * found["sixteen-bits"]["throughput"]
    assert found["four-devices"]["cost_per_million"] > 1.3 * found[None]["cost_per_million"]
    losses = {variant: 0.9316 - figures["accuracy"] for variant, figures in found.items()}
    assert losses["sixteen-bits"] == pytest.approx(0, abs=1e-9)
    assert 0 < losses["mixed"] < losses[None] / 2
    assert losses[None] == pytest.approx(0.9316 - 0.9229, abs=1e-9)
    assert found["single-sixteen"]["latency"]["mean"] < found["single"]["latency"]["mean"]


def check_precision_by_batch(runs: Variants) -> None:
    """Each service misses its objective at the precision that suits the other."""
    met = {v: {name: tree["attainment"] > 0.99 for name, tree in run["services"].items()} for v, run in runs.items()}
    assert met[None] == {"interactive": True, "bulk": True}
    assert met["all-int8"] == {"interactive": False, "bulk": True}
    assert met["all-int4"] == {"interactive": True, "bulk": False}
    assert met["all-bf16"] == {"interactive": False, "bulk": False}


CHECKS: dict[str, Callable[[Variants], None]] = {
    "bursty-code": check_bursty_code,
    "early-exit-drift": check_early_exit_drift,
    "early-exit-e3": check_early_exit_e3,
    "early-exit-router": check_early_exit_router,
    "early-exit-twin": check_early_exit_twin,
    "closed": check_closed,
    "faults": check_faults,
    "heterogeneous": check_heterogeneous,
    "mm1": check_mm1,
    "precision-by-batch": check_precision_by_batch,
    "quantized-bert": check_quantized_bert,
    "mmc": check_mmc,
    "routing": check_routing,
    "windows": check_windows,
}
"""What the comments of a scenario promise."""


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


@pytest.mark.parametrize("name", EXPECTED)
def test_runs_and_does_what_it_says(name: str) -> None:
    runs: Variants = {}
    for variant, met in EXPECTED[name].items():
        result = simulate(load(FOLDER / f"{name}.yaml", variants=[variant] if variant else []))
        runs[variant] = result.to_dict()
        for figures in runs[variant]["services"].values():
            check_sane(figures)
        assert (not result.misses()) is met, variant
    CHECKS.get(name, lambda runs: None)(runs)


def test_early_exits_run_shortened() -> None:
    """Ten minutes five times over would be six million requests: a few seconds show the same."""
    short = ["run.duration=8s", "run.warmup=2s", "run.replications=2"]
    result = simulate(load(FOLDER / "sentiment-early-exit.yaml", sets=short))
    figures = only_service(result.to_dict())
    check_sane(figures)
    assert len(figures["exits"]) > 1
    assert set(figures["classes"]) == {"paid", "free"}


def check_sane(figures: dict[str, Any]) -> None:
    """What holds of every run of this size."""
    ends = ("completed", "dropped", "rejected", "failed", "inside")
    assert figures["arrived"] == sum(figures[end] for end in ends) > 10_000
    latency = figures["latency"]
    assert 0 < latency["p50"] <= latency["p99"] <= latency["p999"] <= latency["max"]
    assert sum(figures["exits"].values()) == pytest.approx(1)
    for portion in figures["portions"]:
        assert 0 < portion["utilization"] <= 1 + 1e-9
