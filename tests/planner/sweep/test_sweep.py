"""Every combination, the same table whoever computes it, and what fails is a row."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import simulator
from simulator.cluster import evaluate, loads, simulate, vary
from simulator.errors import ScenarioError
from simulator.planner.sweep import SweepResult, points, sweep
from tests.planner.sweep.case import AXES, BATCH, RATE, REPLICAS, base, node

SCENARIOS = Path(__file__).resolve().parents[3] / "scenarios"


@pytest.fixture(scope="module")
def found() -> SweepResult:
    return sweep(base(), AXES, workers=1)


def test_every_combination_is_a_row(found: SweepResult) -> None:
    assert found.points == len(found.rows) == 6
    assert [(row[RATE], row[BATCH]) for row in found.rows] == [
        (rate, batch) for rate in ("50/s", "200/s", "600/s") for batch in (1, 4)
    ]
    assert [row["point"] for row in found.rows] == list(range(6))
    assert not found.failed


def test_figures_are_those_of_evaluate(found: SweepResult) -> None:
    candidates = [vary(base(), [f"{RATE}={row[RATE]}", f"{BATCH}={row[BATCH]}"]) for row in found.rows]
    for row, one in zip(found.rows, evaluate(candidates, replications=2, workers=1)):
        tree = one.metrics["services"]["s"]
        assert (row["p99"], row["goodput"], row["attainment"]) == (
            tree["latency"]["p99"],
            tree["goodput"],
            tree["attainment"],
        )
        assert [row["p99_lo"], row["p99_hi"]] == tree["ci95"]["p99"]
        assert row["utilization"] == tree["portions"][0]["utilization"]
        assert row["holds"] == one.holds
        assert row["engine"] == one.engine == "compiled"


def test_a_point_is_the_scenario_loaded_with_its_values() -> None:
    text = json.dumps(node())
    one = loads(text, sets=[f"{RATE}=77/s", f"{BATCH}=2"])
    other = vary(loads(text), [f"{RATE}=77/s", f"{BATCH}=2"])
    assert one == other
    assert one.source.tree == other.source.tree
    assert one.source.sets == other.source.sets


def test_points_meet_the_same_arrivals() -> None:
    found = sweep(vary(base(), [f"{RATE}=900/s"]), {REPLICAS: [1, 2, 3]}, workers=1)
    assert len({row["arrived"] for row in found.rows}) == 1
    assert len({row["p99"] for row in found.rows}) == 3


def test_workers_make_the_same_table(found: SweepResult) -> None:
    assert sweep(base(), AXES, workers=2).to_json() == found.to_json()
    with ThreadPoolExecutor(2) as executor:
        assert sweep(base(), AXES, executor=executor).to_json() == found.to_json()


def test_many_points_are_handed_out_in_parts(found: SweepResult, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulator.planner.sweep.run.AT_A_TIME", 4)
    assert sweep(base(), AXES, workers=2).to_json() == found.to_json()


def test_an_invalid_value_is_a_row_with_the_reason() -> None:
    found = sweep(base(), {BATCH: [0, 4]}, workers=1)
    failed, good = found.rows
    assert "must be at least 1, got 0" in failed["error"]
    assert (failed["service"], failed["holds"], failed.get("p99")) == ("s", None, None)
    assert good["error"] is None
    assert good["p99"] > 0
    assert list(found.failed) == [0]
    assert found.frame.p99.isna().tolist() == [True, False]


def test_what_does_not_fit_is_a_row_with_the_reason() -> None:
    found = sweep(base(), {"models.m.layers.0.weights": ["1GiB", "100GiB"]}, workers=1)
    assert [row["error"] is None for row in found.rows] == [True, False]
    assert "pool" in found.rows[1]["error"]


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("services.s.workload.rte", "unknown key 'rte', did you mean 'rate'?"),
        ("services.t.workload.rate", "unknown name in services: 't'"),
        ("services.s.deployment.portions.1.batch", "it has no entry '1'"),
        ("variants.x", "variants cannot be changed"),
    ],
)
def test_a_bad_key_is_the_end(key: str, said: str) -> None:
    with pytest.raises(ScenarioError) as told:
        sweep(base(), {RATE: ["50/s", "100/s"], key: ["100/s", "200/s"]}, workers=1)
    assert said in str(told.value)
    assert len(told.value.problems) == 1


def test_a_key_that_only_some_points_have_is_a_row() -> None:
    axes = {"services.s.workload.process": ["poisson", "gamma"], "services.s.workload.cv": [2]}
    found = sweep(base(), axes, workers=1)
    assert "unknown key 'cv'" in found.rows[0]["error"]
    assert found.rows[1]["error"] is None


class Losing(Executor):
    """Whose process ends whenever it is to simulate batches of three."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        if f"{BATCH}=3".encode() in args[0]:
            future.set_exception(BrokenExecutor("the process is gone"))
        else:
            future.set_result(fn(*args, **kwargs))
        return future


def test_a_point_that_ends_its_process_is_a_row() -> None:
    found = sweep(base(), {BATCH: [1, 3, 4]}, executor=Losing(), workers=1)
    assert [row["error"] for row in found.rows] == [None, points.DIED, None]
    assert found.faults == 1


def test_replications_are_those_of_each_point_unless_said() -> None:
    own = sweep(base(), {"run.replications": [1, "auto", 5]}, workers=1)
    arrived = [row["arrived"] for row in own.rows]
    assert arrived == [simulate(base(), replications=n).to_dict()["services"]["s"]["arrived"] for n in (1, 3, 5)]
    said = sweep(base(), {"run.replications": [1, 5]}, replications=2, workers=1)
    assert len({row["arrived"] for row in said.rows}) == 1
    assert own.rows[0].get("p99_lo") is None


def test_trainings_and_streams_have_rows() -> None:
    scenario = simulator.load(SCENARIOS / "pipeline-1f1b.yaml", sets=["run.replications=1"])
    key = "trainings.pretrain.pipeline.microbatches"
    found = sweep(scenario, {key: [8, 24]}, workers=1)
    assert [(row["service"], row["training"]) for row in found.rows] == [(None, "pretrain")] * 2
    asked = simulator.load(SCENARIOS / "pipeline-1f1b.yaml", sets=[f"{key}=8"])
    tree = simulate(asked, replications=1).to_dict()["trainings"]["pretrain"]
    assert found.rows[0]["iteration"] == tree["iteration"]
    assert found.rows[0]["bubble_fraction.makespan"] == tree["bubble_fraction"]["makespan"]
    assert found.rows[0]["holds"] is None


def test_warnings_say_for_how_many_points(found: SweepResult) -> None:
    heavy = sweep(base(), {RATE: ["100/s", "9000/s"]}, workers=1)
    assert any("can carry" in text and text.endswith("(1 of 2 points)") for text in heavy.warnings)


def test_the_engine_is_compiled_once_for_all_points() -> None:
    """Batches, replicas, queues, routing, jitter, exits of whatever number: the types of the arrays are the same."""
    from numba.core import event

    axes = {
        BATCH: [1, 16],
        REPLICAS: [1, 5],
        "services.s.queue": ["{capacity: 3}", "{drop: expired}"],
        "services.s.deployment.routing": ["shared", "random"],
        "services.s.jitter": ["{distribution: exponential}", "{distribution: deterministic}"],
    }
    sweep(base(0.2), {BATCH: [2]}, workers=1)
    with event.install_recorder("numba:compile") as heard:
        found = sweep(base(0.2), axes, workers=1)
    assert heard.buffer == []
    assert {row["engine"] for row in found.rows} == {"compiled"}
    assert found.points == 32


def test_a_thousand_points_take_a_minute_on_two_cores() -> None:
    """A tenth of them in a tenth of the processor time; benchmarks/sweep.py has the figure."""
    scenario = simulator.load(SCENARIOS / "mmc.yaml", sets=["run={duration: 2s, warmup: 0.2s}"])
    axes = {
        "services.queue.workload.rate": [f"{rate}/s" for rate in range(120, 320, 8)],
        "services.queue.deployment.portions.0.batch": [1, 2, 3, 4],
    }
    sweep(scenario, {"seed": [1]}, workers=1)
    start = time.process_time()
    found = sweep(scenario, axes, replications=1, workers=1)
    assert time.process_time() - start < 60 * 2 / 10
    assert (found.points, found.failed) == (100, {})


# -- the table ---------------------------------------------------------------------------------------------------------


def test_formats_hold_the_same_table(found: SweepResult, tmp_path: Path) -> None:
    for name in ("a.csv", "a.json", "a.parquet"):
        found.write(tmp_path / name)
    frame = found.frame
    again = pd.read_parquet(tmp_path / "a.parquet")
    pd.testing.assert_frame_equal(again, frame)
    read = pd.read_csv(io.StringIO(found.to_csv()), float_precision="round_trip")
    numbers = [name for name in frame if name not in ("service", "engine", "error", RATE, "holds")]
    assert (read[numbers].fillna(-1.0) == frame[numbers].astype("float64").fillna(-1.0)).all(axis=None)
    tree = json.loads((tmp_path / "a.json").read_text())
    assert tree == found.to_dict()
    assert tree["axes"] == {key: list(values) for key, values in AXES.items()}


def test_columns_have_the_same_types_whatever_is_missing(found: SweepResult) -> None:
    partly = sweep(base(), {BATCH: [0, 1]}, workers=1).frame
    for name in partly.columns.intersection(found.frame.columns):
        assert partly[name].dtype == found.frame[name].dtype, name
    assert str(found.frame["arrived"].dtype) == "Int64"


def test_a_name_must_say_its_format(found: SweepResult, tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="must end in"):
        found.write(tmp_path / "a.xlsx")


def test_it_shows_itself(found: SweepResult) -> None:
    assert repr(found) == "<SweepResult 'case', 6 points>"
    assert "<table" in found._repr_html_()


def test_it_is_part_of_the_package() -> None:
    assert simulator.sweep is sweep
    assert simulator.SweepResult is SweepResult


def test_only_scenarios_and_numbers_are_taken() -> None:
    with pytest.raises(TypeError, match="takes a scenario"):
        sweep("scenario.yaml", AXES)  # type: ignore[arg-type]
    for wrong in ({"replications": 0}, {"workers": True}):
        with pytest.raises(ScenarioError, match="whole number"):
            sweep(base(), AXES, **wrong)  # type: ignore[arg-type]


def test_progress_ends_at_one() -> None:
    told: list[float] = []
    sweep(base(), {BATCH: [1, 2, 3]}, workers=1, progress=told.append)
    assert told[0] == 0.0
    assert told == sorted(told)
    assert told[-1] == 1.0


# -- a cluster: last, because its threads keep processes from being forked ---------------------------------------------


@pytest.fixture
def dask() -> Iterator[Executor]:
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=1,
            threads_per_worker=2,
            processes=False,
            dashboard_address=":0",
            protocol="tcp://",
            host="127.0.0.1",
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client.get_executor()


def test_dask_makes_the_same_table(dask: Executor, found: SweepResult) -> None:
    assert sweep(base(), AXES, executor=dask, workers=2).to_json() == found.to_json()
