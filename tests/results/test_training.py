"""What people see of a training, and its frame."""

from __future__ import annotations

import numpy as np

from simulator.reporting import html_table, result_table
from simulator.results.jobs import DeviceUse, Jobs
from simulator.results.shown_training import MOST_STAGES, training_blocks
from simulator.results.training import KINDS, Ops, TrainingRun

STAGE = {
    "busy": 2.0,
    "idle": 1.0,
    "peak_activations": 4.0,
    "peak_memory": None,
    "idle_windows": [[-0.5, 0.5], [1.0, 0.25]],
}
FIGURES = {
    "schedule": "1f1b",
    "iterations": 4,
    "iteration": 3.0,
    "makespan": 2.9,
    "span": 2.8,
    "ideal": 2.0,
    "bubble_fraction": {"makespan": 0.31, "span": 0.28},
    "elapsed": 12.0,
    "utilization": 0.6667,
    "failures": 0,
    "down": 0.0,
    "devices": 2,
    "cost_per_iteration": 0.0,
    "breakdown": {"compute": 2.0, "warm_up": 0.5, "steady": 0.0, "cool_down": 0.5},
    "stages": [STAGE, STAGE],
}
OPS = Ops(
    iteration=np.array([0, 0, 0]),
    copy=np.zeros(3, dtype=np.int64),
    stage=np.array([0, 1, 1]),
    chunk=np.array([0, 0, -1]),
    kind=np.array([0, 3, 4]),
    microbatch=np.array([0, 0, -1]),
    fused=np.array([False, False, False]),
    start_s=np.array([0.0, 1.0, 3.0]),
    end_s=np.array([1.0, 3.0, 3.5]),
)


def run(**figures: object) -> TrainingRun:
    """A run with these figures."""
    return TrainingRun("t", FIGURES | figures, OPS, (DeviceUse("g", 2, 0.5),), ("slow",))


def rows(**figures: object) -> dict[str, str]:
    """The first table, by the words of its rows."""
    first, *_ = training_blocks("t", FIGURES | {"ci95": None} | figures)
    return {row[0]: row[1] for row in first.rows}


def test_the_figures_of_a_training() -> None:
    found = rows()
    assert found["time per iteration"] == "3.000 s"
    assert found["bubbles, by stage span"] == "28.00 %"
    assert not {"failures", "down", "cost per iteration"} & set(found), "what is 0 is left out"
    with_all = rows(failures=2, down=30.0, cost_per_iteration=0.5, ci95={"iteration": [2.9, 3.1]})
    assert with_all["failures"] == "2"
    assert with_all["down"] == "30.00 s"
    assert with_all["time per iteration"] == "3.00 s ± 0.10"


def test_where_an_iteration_goes() -> None:
    _, parts, _ = training_blocks("t", FIGURES | {"ci95": None})
    assert parts.rows == [
        ["compute", "2.000 s", "66.67 %"],
        ["warm-up", "500.0 ms", "16.67 %"],
        ["cool-down", "500.0 ms", "16.67 %"],
    ]


def test_stages() -> None:
    *_, stages = training_blocks("t", FIGURES | {"ci95": None})
    assert stages.rows[1] == ["1", "2.000 s", "1.000 s", "2", "500.0 ms", "4.000 microbatches"]
    known = STAGE | {"peak_activations": 4e9, "peak_memory": 9e9, "idle_windows": []}
    *_, stages = training_blocks("t", FIGURES | {"ci95": None, "stages": [known] * 100})
    assert len(stages.rows) == MOST_STAGES
    assert [row[0] for row in stages.rows[-2:]] == ["98", "99"]
    assert stages.rows[0][3:] == ["0", "0 s", "4.000 GB"]


def test_text_and_html_show_it() -> None:
    tree = {
        "scenario": "s", "seed": 1, "replications": 2, "engine": "simpy", "quantiles": "exact", "variants": [],
        "services": {}, "streams": {}, "pools": {}, "warnings": [], "trainings": Jobs([{"t": run()}] * 2).figures(),
    }  # fmt: skip
    assert "t, 1f1b" in result_table(tree)
    assert "<caption>t, 1f1b</caption>" in html_table(tree)


def test_replications_are_combined() -> None:
    jobs = Jobs([{"t": run()}, {"t": run(iteration=5.0)}])
    found = jobs.figures()["t"]
    assert found["iteration"] == 4.0
    assert found["ci95"]["iteration"][0] < 4.0 < found["ci95"]["iteration"][1]
    assert found["stages"] == [STAGE, STAGE]
    assert jobs.warnings() == ["slow"]


def test_the_frame_names_kinds() -> None:
    frame = run().timeline
    assert list(frame["kind"]) == ["F", "BW", "all-reduce"]
    assert list(frame.columns[:6]) == ["iteration", "copy", "stage", "chunk", "kind", "microbatch"]
    assert len(KINDS) == 6
