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
    "autoscale": {None: False, "planned": True, "both": True, "fixed": True, "queue": False, "surprise": False},
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
    "own-hardware": {None: True, "unbatched": False},
    "pipeline-1f1b": {
        None: True,
        "gpipe": True,
        "interleaved": True,
        "blocking": True,
        "more-microbatches": True,
        "slow-stage": True,
        "jitter": True,
        "two-copies": True,
        "failing": True,
    },
    "pipeline-zero-bubble": {None: True, "1f1b": True, "zb-1p": True, "zb-h1": True, "zb-h2": True, "zb-v": True},
    "stream-70b-laptop": dict.fromkeys((None, "k2", "k3", "k4", "k8", "k16", "found", "drives"), True),
    "stream-training-l2l": dict.fromkeys((None, "ungrouped", "constant", "deep", "fifty-billion"), True),
    "stream-shared-server": dict.fromkeys((None, "alone", "small", "own-links", "beside", "faulty"), True),
    "stream-service": {None: True, "small": False, "one-slot": False, "two": False, "resident": True},
    "bubble-fill-second-instance": {
        None: True,
        "seven": True,
        "no-barrier": True,
        "smaller": True,
        "gpipe": True,
        "switching": True,
        "jitter": True,
    },
    "bubble-fill-serving": {
        None: True,
        "two-replicas": True,
        "busier": True,
        "small-batches": True,
        "more-microbatches": True,
        "jitter": True,
    },
    "pipefill-scale-out": {
        None: True,
        "four-ki": True,
        "two-ki": True,
        "one-ki": True,
        "one-f-one-b": True,
        "first-fit": True,
        "deadline": True,
        "jitter": True,
    },
    "mm1": {None: False},
    "mmc": {None: False},
}
"""Whether the objective is met, by scenario and variant (None: as written; textbook objectives are only measured).

Trainings have no objective, which nothing misses.
"""

Variants = dict[str | None, dict[str, Any]]
"""JSON results by variant."""


def only_service(result: dict[str, Any]) -> dict[str, Any]:
    """The figures of the only service of a scenario."""
    (figures,) = result["services"].values()
    found: dict[str, Any] = figures
    return found


def only_training(result: dict[str, Any]) -> dict[str, Any]:
    """The figures of the only training of a scenario."""
    (figures,) = result["trainings"].values()
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


def check_autoscale(runs: Variants) -> None:
    """A plan is cheapest while it is right; an autoscaler is late, cheaper than the peak, and mends a plan."""
    found = {variant: only_service(run) for variant, run in runs.items()}
    hours = {variant: figures["device_hours"] for variant, figures in found.items()}
    assert hours["planned"] < hours[None] < 0.8 * hours["fixed"]
    assert hours["planned"] < hours["both"] < 0.9 * hours["fixed"]
    assert found[None]["attainment"] < 0.98 < 0.999 < min(found["planned"]["attainment"], found["both"]["attainment"])
    assert found["queue"]["attainment"] < found[None]["attainment"]
    assert hours["queue"] > hours["fixed"]
    kept = {None: found["surprise"]["attainment"]}
    for variant in ("planned", "both"):
        run = simulate(load(FOLDER / "autoscale.yaml", variants=[variant, "surprise"]))
        kept[variant] = only_service(run.to_dict())["attainment"]
    assert kept["planned"] < 0.5 < kept[None] < 0.95 < kept["both"] < 0.99


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


def check_pipeline_1f1b(runs: Variants) -> None:
    """Closed forms of 1F1B, GPipe and interleaved 1F1B, and which way each variant goes."""
    found = {variant: only_training(run) for variant, run in runs.items()}
    stage, transfer, ending = 0.0459, 0.0006, 0.068
    assert found[None]["makespan"] == pytest.approx(31 * stage + 2 * transfer * (7 + 23 - 3))
    assert found[None]["iteration"] == pytest.approx(found[None]["makespan"] + ending)
    assert found["gpipe"]["makespan"] == pytest.approx(31 * stage + 14 * transfer)
    assert found["interleaved"]["makespan"] == pytest.approx((24 + 7 / 2) * stage + 2 * 15 * transfer)
    peak = {variant: max(stage["peak_memory"] for stage in tree["stages"]) for variant, tree in found.items()}
    assert peak == pytest.approx(
        dict.fromkeys(found, 3.4e9 + 8 * 1.1e9)
        | {"gpipe": 3.4e9 + 24 * 1.1e9, "interleaved": 3.4e9 + (8 + 7 / 2) * 1.1e9}
    )
    slower = ("blocking", "slow-stage", "jitter")
    assert all(found[variant]["iteration"] > found[None]["iteration"] for variant in slower)
    assert found["two-copies"]["breakdown"]["all_reduce"] > found["jitter"]["breakdown"]["all_reduce"]
    assert runs["two-copies"]["pools"]["a100"]["used"] == 16
    assert found["more-microbatches"]["bubble_fraction"]["makespan"] < 0.4 * found[None]["bubble_fraction"]["makespan"]
    assert found["failing"]["failures"] > 0
    assert found["failing"]["makespan"] == pytest.approx(found[None]["makespan"]), "those that are finished are whole"
    assert found["failing"]["utilization"] < 0.6 * found[None]["utilization"]


def check_pipeline_zero_bubble(runs: Variants) -> None:
    """Bubbles by stage span as in the paper's Table 5; those that are searched are not worse."""
    span = {v: only_training(run)["bubble_fraction"]["span"] for v, run in runs.items()}
    paper = {"1f1b": 0.2347, "zb-h1": 0.1323, "zb-h2": 0.0698}
    assert {variant: round(span[variant], 4) for variant in paper} == paper
    assert span["zb-1p"] <= 0.1323 + 5e-5
    assert span[None] <= 0.0029 + 5e-5
    peak = {v: max(stage["peak_memory"] for stage in only_training(run)["stages"]) for v, run in runs.items()}
    assert peak["zb-1p"] <= peak["1f1b"] * (1 + 1e-9)
    assert peak["zb-v"] <= peak["1f1b"] * (1 + 1e-9)
    assert peak["1f1b"] < peak["zb-h2"] <= peak[None] * (1 + 1e-9)
    # where ranks end askew the optimizer step of one runs beside the last passes of another
    assert only_training(runs[None])["bubble_fraction"]["makespan"] > 0.05


def only_stream(result: dict[str, Any]) -> dict[str, Any]:
    """The figures of the first stream of a scenario."""
    found: dict[str, Any] = next(iter(result["streams"].values()))
    return found


def check_stream_70b_laptop(runs: Variants) -> None:
    """Steps as measured, also at the groups that nothing was calibrated on; loads and bytes of a step likewise."""
    found = {variant: only_stream(run) for variant, run in runs.items()}
    measured = {None: 17.16, "k2": 18.01, "k3": 22.62, "k4": 28.06, "k8": 55.89, "k16": 111.80}
    assert {variant: found[variant]["step"] for variant in measured} == pytest.approx(measured, rel=0.03)
    assert {tree["layer_loads"] for tree in found.values()} == {159}
    inputs = 2 * 79 * 8.389e6  # of the 79 layers that are loaded again, there and back
    assert found["k8"]["bytes_moved"] - 8 * inputs == pytest.approx(70.378e9, rel=1e-4)
    pace = {variant: tree["step"] / tree["group"] for variant, tree in found.items()}
    assert pace["k3"] * 3 < 1.4 * pace[None]
    assert pace["found"] <= 1.01 * pace["k16"]
    assert found["drives"]["group"] < found["found"]["group"]
    assert found[None]["bound"] == "transfer"
    assert found["k4"]["bound"] == "compute"


def check_stream_training_l2l(runs: Variants) -> None:
    """The headline cases fit; grouping loads a model twice; spilled inputs make memory constant in the layers."""
    found = {variant: only_stream(run) for variant, run in runs.items()}
    assert found[None]["group"] * found[None]["microbatch"] == 256
    assert all(tree["peak_memory"] < 16e9 and tree["server_memory"] < 512e9 for tree in found.values())
    assert found[None]["server_bytes_per_parameter"] == 10
    assert found[None]["layer_loads"] == 2 * 25 - 2
    assert found[None]["naive_loads"] == 2 * 25 * 64
    assert found[None]["throughput"] > 2 * found["ungrouped"]["throughput"]
    assert found["constant"]["peak_memory"] < found[None]["peak_memory"] / 2
    assert found["deep"]["peak_memory"] == found["constant"]["peak_memory"]
    assert found["fifty-billion"]["server_memory"] > 10 * 50e9


def check_stream_shared_server(runs: Variants) -> None:
    """The link is never overdrawn; groups for a fair share of it hide the loads, and those for one device do not."""
    found = {variant: only_stream(run) for variant, run in runs.items()}
    for run in runs.values():
        assert sum(tree["link_share"] for tree in run["streams"].values()) <= 1 + 1e-9
    assert found[None]["group"] > 5 * found["alone"]["group"]
    assert found[None]["throughput"] > 0.95 * 8 * found["alone"]["throughput"]
    assert found["small"]["link_share"] > 0.99
    assert found["small"]["step"] > 7 * found["small"]["step_alone"]
    assert found["own-links"]["step"] == pytest.approx(found["alone"]["step"])
    assert len(runs["beside"]["streams"]) == 2
    assert found["faulty"]["failures"] > 0
    assert found["faulty"]["step"] > found[None]["step"]
    assert found["faulty"]["bytes_moved"] == found[None]["bytes_moved"]


def check_stream_service(runs: Variants) -> None:
    """One device does what takes two, a good deal later."""
    found = {variant: run["services"]["batchwise"] for variant, run in runs.items()}
    assert found[None]["cost_per_hour"] == pytest.approx(found["resident"]["cost_per_hour"] / 2)
    assert found["resident"]["latency"]["mean"] < 0.1 * found[None]["latency"]["mean"]
    assert found["small"]["goodput"] < 0.2 * found[None]["goodput"]
    assert any("135% of the parameter server's link" in text for text in runs["two"]["warnings"])
    both = [runs["two"]["services"][name] for name in ("batchwise", "again")]
    full = 128 / (40 * 650e6 / (12e9 / 2))  # requests a second of batches that have half of the link
    assert [one["throughput"] for one in both] == pytest.approx([full] * 2, rel=0.02)
    assert "share the parameter server's link" in runs["two"]["engine_reason"]
    assert not runs[None]["warnings"]


def filled(runs: Variants) -> dict[str | None, dict[str, Any]]:
    """What became of the idle windows of the only training, by variant; its slowdown is within the budget."""
    found = {}
    for variant, run in runs.items():
        (training,) = run["trainings"].values()
        found[variant] = training["fill"]
        assert 0.0 <= found[variant]["slowdown"] <= found[variant]["slowdown_budget"]
        assert 0.0 < found[variant]["recovered"] < found[variant]["idle"]
    return found


def check_bubble_fill_second_instance(runs: Variants) -> None:
    """The proven maximum with a barrier and eight microbatches, no idle time with seven or without one."""
    found = {variant: figures["second"] for variant, figures in filled(runs).items()}
    for variant in (None, "gpipe"):
        assert found[variant]["utilization"] == pytest.approx(0.8)
        assert found[variant]["is_proven_maximum"]
    for variant in ("seven", "no-barrier"):
        assert found[variant]["utilization"] >= 0.95 * min(1.0, 2 * 8 / 15)
    assert found["switching"]["utilization"] < found[None]["utilization"]
    assert not found["jitter"]["is_proven_maximum"]


def check_bubble_fill_serving(runs: Variants) -> None:
    """The service meets its objective in the bubbles, and no longer when these shrink."""
    found = {variant: figures["services"]["tags"] for variant, figures in filled(runs).items()}
    for variant in (None, "busier", "jitter"):
        assert found[variant]["attainment"] >= 0.99
    assert found["more-microbatches"]["attainment"] < 0.9
    assert found["two-replicas"]["latency"]["mean"] > found[None]["latency"]["mean"]
    assert found["small-batches"]["latency"]["mean"] > found[None]["latency"]["mean"]
    assert all(figures["cost_per_hour"] == 0.0 for figures in found.values())


def check_pipefill_scale_out(runs: Variants) -> None:
    """Bubbles as published, and the more of them the more is recovered."""
    sizes = {"one-ki": 19, "two-ki": 32, "four-ki": 48, None: 65}
    for variant, percent in sizes.items():
        assert round(100 * runs[variant]["trainings"]["pretrain"]["bubble_fraction"]["makespan"]) == percent
    found = filled(runs)
    saved = [found[variant]["devices_saved"] for variant in sizes]
    assert saved == sorted(saved)
    assert found["one-f-one-b"]["efficiency"] < found[None]["efficiency"]
    assert found[None]["jobs"]["nightly"]["in_time"]
    assert not found["first-fit"]["jobs"]["nightly"]["in_time"]
    gaps = found[None]["policy"]["gap"]
    assert 0.0 <= gaps["utilization"] < min(gaps["first_fit"], gaps["best_fit"])


CHECKS: dict[str, Callable[[Variants], None]] = {
    "autoscale": check_autoscale,
    "bursty-code": check_bursty_code,
    "early-exit-drift": check_early_exit_drift,
    "early-exit-e3": check_early_exit_e3,
    "early-exit-router": check_early_exit_router,
    "early-exit-twin": check_early_exit_twin,
    "bubble-fill-second-instance": check_bubble_fill_second_instance,
    "bubble-fill-serving": check_bubble_fill_serving,
    "closed": check_closed,
    "faults": check_faults,
    "heterogeneous": check_heterogeneous,
    "mm1": check_mm1,
    "precision-by-batch": check_precision_by_batch,
    "quantized-bert": check_quantized_bert,
    "mmc": check_mmc,
    "pipefill-scale-out": check_pipefill_scale_out,
    "pipeline-1f1b": check_pipeline_1f1b,
    "pipeline-zero-bubble": check_pipeline_zero_bubble,
    "routing": check_routing,
    "stream-70b-laptop": check_stream_70b_laptop,
    "stream-service": check_stream_service,
    "stream-shared-server": check_stream_shared_server,
    "stream-training-l2l": check_stream_training_l2l,
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
    known = {path.stem: {None, *load(path).variants} for path in FILES if not load(path).undeployed}
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
        for figures in runs[variant]["trainings"].values():
            check_sane_training(figures)
        for figures in runs[variant]["streams"].values():
            check_sane_stream(figures)
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


def check_sane_training(figures: dict[str, Any]) -> None:
    """What holds of every training."""
    assert figures["ideal"] > 0
    assert 0 < max(stage["busy"] for stage in figures["stages"]) <= figures["span"] * (1 + 1e-9)
    assert figures["span"] <= figures["makespan"] * (1 + 1e-9)
    assert figures["makespan"] <= figures["elapsed"] * (1 + 1e-9)
    assert 0 < figures["utilization"] <= 1
    for stage in figures["stages"]:
        assert all(length > 0 for _, length in stage["idle_windows"])
        assert stage["busy"] + stage["idle"] == pytest.approx(figures["elapsed"] / figures["iterations"])


def check_sane_stream(figures: dict[str, Any]) -> None:
    """What holds of every stream."""
    assert figures["step_alone"] <= figures["step"] * (1 + 1e-9) <= figures["elapsed"] * (1 + 2e-9)
    assert figures["compute"] <= figures["step_alone"] <= figures["naive"] * (1 + 1e-9)
    assert figures["stall"] == pytest.approx(figures["step"] - figures["compute"])
    assert 0 < figures["utilization"] <= 1
    assert 0 < figures["link_share"] <= 1 + 1e-9
    assert figures["layer_loads"] <= figures["naive_loads"]
    assert 1 <= figures["group"] <= figures["largest_group"]
