"""The comparison says what the simulation says, row by row, and every failure is a row."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulator.cluster import simulate
from simulator.costs.pipeline import SCHEDULES, make, to_csv
from simulator.errors import ScenarioError
from simulator.planner.pipeline import compare
from tests.cluster.training.made import scenario
from tests.planner.pipeline.cases import MEMORY, case, of_model, written
from tests.support import Node

TRAINED = [name for name in SCHEDULES if name != "inference"]


@pytest.mark.parametrize("tree", [written(), of_model()], ids=["written", "model"])
def test_rows_are_what_the_simulation_says(tree: Node) -> None:
    tree["trainings"]["t"] |= {"iterations": 8}
    rows = compare(case(tree)).rows
    assert [row.candidate.schedule for row in rows] == TRAINED
    for row in rows:
        tree["trainings"]["t"]["pipeline"] |= {"schedule": row.candidate.schedule}
        found = simulate(scenario(tree)).to_dict()["trainings"]["t"]
        assert row.fits
        # the simulation's mean takes the first iterations in, too, where some schedules still settle
        assert row.iteration_s == pytest.approx(found["iteration"], rel=1e-2)
        assert row.bubble_makespan is not None
        assert row.activations == max(stage["peak_activations"] for stage in found["stages"])
        assert row.memory == max(stage["peak_memory"] for stage in found["stages"])
        assert row.ideal_s is not None
        assert row.iteration_s is not None
        assert row.least_s is not None
        assert row.ideal_s <= row.least_s * (1 + 1e-9) <= row.iteration_s * (1 + 2e-9)


def test_steady_state_is_that_of_many_iterations() -> None:
    tree = written({"schedule": "zb-h2"})
    tree["trainings"]["t"] |= {"iterations": 40}
    row = compare(case(tree), ["zb-h2"]).rows[0]
    found = simulate(scenario(tree)).to_dict()["trainings"]["t"]
    assert row.iteration_s == pytest.approx(found["iteration"], rel=1e-3)


def test_the_fastest_that_fits_is_best() -> None:
    found = compare(case())
    assert found.best is not None
    assert found.best.iteration_s == min(row.iteration_s for row in found.rows if row.iteration_s)
    few = compare(case(limit=8e9))
    assert few.best is not None
    assert few.best.activations is not None
    assert few.best.activations <= 8e9
    assert {row.status for row in few.rows} == {"fits", "too big"}
    assert all(row.why for row in few.rows if not row.fits)


def test_nothing_fits() -> None:
    found = compare(case(limit=1e9))
    assert found.best is None
    assert found.shown is not None
    assert "the limit is 1 GB" in found.shown.why
    assert [row.status for row in found.rows if row.candidate.schedule.endswith("1p")] == ["refused"]
    assert found.to_dict()["best"] is None


def test_weights_count_and_both_directions_hold_them() -> None:
    found = compare(case(written(memory=MEMORY | {"weights": "40GB"})))
    status = {row.candidate.schedule: row.status for row in found.rows}
    assert status["chimera"] == status["dualpipe"] == "too big"
    assert status["1f1b"] == "fits"


def test_what_cannot_be_made_is_a_row() -> None:
    found = compare(case(written({"stages": 5, "microbatches": 7})))
    status = {row.candidate.schedule: row.status for row in found.rows}
    assert status["chimera"] == status["interleaved-1f1b"] == "refused"
    assert "even number of ranks" in next(row.why for row in found.rows if row.candidate.schedule == "chimera")
    assert status["zb-h1"] == "fits"


def test_more_layers_than_a_schedule_cuts_are_a_row() -> None:
    found = compare(case(of_model(layers=4)))
    row = next(row for row in found.rows if row.candidate.schedule == "zb-v")
    assert (row.status, row.why) == ("refused", "4 layers cannot be cut into 8 stages")


def test_numbers_asked_for() -> None:
    rows = compare(case(), ["interleaved-1f1b", "1f1b"], chunks=4, microbatches=16).rows
    assert [(row.candidate.chunks, row.candidate.microbatches) for row in rows] == [(4, 16), (1, 16)]
    with pytest.raises(ScenarioError, match="unknown schedule '1f2b'"):
        compare(case(), ["1f2b"])


def test_without_sizes_activations_are_in_microbatches() -> None:
    tree = written()
    del tree["trainings"]["t"]["memory"]
    found = compare(case(tree, limit=4.0), ["1f1b", "gpipe"])
    assert [(row.activations, row.memory, row.status) for row in found.rows] == [
        (4, None, "fits"),
        (8, None, "too big"),
    ]
    assert any("microbatches of one stage" in note for note in found.notes)


def test_an_order_of_its_own_is_a_row(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text(to_csv(make("zb-h1", 4, 8)), encoding="utf-8")
    tree = written()
    tree["trainings"]["t"]["pipeline"] |= {"order": "mine.csv"}
    from simulator.planner.pipeline import pipeline_case

    found = compare(pipeline_case(scenario(tree, tmp_path)))
    rows = {row.candidate.schedule: row for row in found.rows}
    assert found.rows[0].candidate.order
    assert rows["mine"].iteration_s == rows["zb-h1"].iteration_s
    assert len(found.rows) == 1 + len(TRAINED)


def test_an_inference_pipeline_has_one_schedule() -> None:
    tree = written({"schedule": "inference"}, {"forward": "10ms"})
    rows = compare(case(tree)).rows
    assert [row.candidate.schedule for row in rows] == ["inference"]
    assert rows[0].fits


def test_far_too_many_passes_are_left_out() -> None:
    row = compare(case(), ["1f1b"], microbatches=1_000_000).rows[0]
    assert row.status == "left out"
    assert row.iteration_s is None
