"""A case cuts a training as the simulation does, and shares times that are written for another number of stages."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.cluster.lower.hardware import pools_of
from simulator.cluster.training.setup import setup_of
from simulator.costs.pipeline import SCHEDULES
from simulator.errors import ScenarioError
from simulator.planner.pipeline import Candidate, build, pipeline_case
from simulator.planner.pipeline.resample import shared
from tests.cluster.training.made import scenario
from tests.planner.pipeline.cases import case, of_model, written
from tests.support import Node

TRAINED = [name for name in SCHEDULES if name != "inference"]
LISTED: Node = {
    "forward": ["1s", "2s", "3s", "1s"],
    "backward_input": ["1s", "3s", "1s", "1s"],
    "backward_weight": "1s",
    "transfer": ["1ms", "2ms", "3ms"],
    "optimizer": ["1ms", "2ms", "3ms", "4ms"],
}


@pytest.mark.parametrize("name", TRAINED)
@pytest.mark.parametrize("tree", [written(), of_model()], ids=["written", "model"])
def test_same_stages_as_the_simulation(name: str, tree: Node) -> None:
    """To the last bit: every time, memory and weight that `plan simulate` takes for this schedule."""
    tree["trainings"]["t"]["pipeline"] |= {"schedule": name}
    made = scenario(tree)
    setup = setup_of(made, "t", pools_of(made))
    chosen = pipeline_case(made)
    schedule, stages, _ = build(chosen, Candidate(name, 8, SCHEDULES[name].default_chunks))
    assert schedule.orders == setup.schedule.orders
    for field in fields(setup.times):
        assert np.array_equal(getattr(stages.times, field.name), getattr(setup.times, field.name)), field.name
    assert stages.memory is not None
    assert setup.memory is not None
    assert np.array_equal(stages.memory.activation, setup.memory.activation)
    assert np.array_equal(stages.memory.kept, setup.memory.kept)
    assert np.array_equal(stages.held(schedule), setup.weights)
    assert chosen.capacity == setup.capacity


def test_lists_are_taken_as_they_stand_and_shared_among_chunks() -> None:
    one = case(written(times=LISTED))
    assert one.stages(4).times.forward.tolist() == [1.0, 2.0, 3.0, 1.0]
    assert one.stages(8).times.forward.tolist() == [0.5, 0.5, 1.0, 1.0, 1.5, 1.5, 0.5, 0.5]
    assert one.stages(8).times.backward_weight.tolist() == [0.5] * 8
    assert one.stages(4).times.transfer.tolist() == [0.001, 0.002, 0.003]
    assert one.stages(8).times.transfer.tolist() == pytest.approx([0.001, 0.001, 0.0015, 0.002, 0.0025, 0.003, 0.003])


@given(st.lists(st.floats(0.0, 1e3), min_size=1, max_size=12), st.integers(1, 24))
def test_sharing_keeps_the_sum(values: list[float], count: int) -> None:
    found = shared(np.array(values), count)
    assert len(found) == count
    assert found.sum() == pytest.approx(sum(values), abs=1e-9)
    assert (found >= -1e-9).all()


def test_the_batch_stays() -> None:
    """Half as many microbatches are twice as large: times follow the model, activations the size."""
    one = case(of_model())
    wide, usual = one.stages(4, 4), one.stages(4)
    assert one.samples(4) == 8
    assert one.samples(5) is None
    assert wide.times.forward[0] == pytest.approx(6 * (0.001 + 8 * 0.002))
    assert usual.times.forward[0] == pytest.approx(6 * (0.001 + 4 * 0.002))
    assert wide.memory is not None
    assert wide.memory.activation.tolist() == [4e9] * 4
    with pytest.raises(ScenarioError, match="32 samples cannot be cut into 5"):
        one.stages(4, 5)
    assert case().stages(4, 16).times.forward[0] == pytest.approx(0.0185 / 2)


def test_which_training() -> None:
    tree = written()
    tree["trainings"]["u"] = tree["trainings"]["t"]
    with pytest.raises(ScenarioError, match="there are several: name one of t, u"):
        pipeline_case(scenario(tree))
    with pytest.raises(ScenarioError, match="unknown training 'v'"):
        pipeline_case(scenario(tree), "v")
    assert pipeline_case(scenario(tree), "u").name == "u"


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("times", {**LISTED, "forward": ["1s", "2s"]}, "trainings.t.times.forward: needs 4 entries"),
        ("times", {**LISTED, "transfer": ["1ms"]}, "trainings.t.times.transfer: needs 3 entries"),
        ("times", {**LISTED, "all_reduce": ["1ms"]}, "trainings.t.times.all_reduce: needs 4 entries"),
        ("memory", {"activation": ["1GB", "2GB"]}, "trainings.t.memory.activation: needs 4 entries"),
        ("memory", {"activation": "1GB", "kept": "2GB"}, "must be at most `activation`"),
    ],
)
def test_refused(part: str, value: Node, message: str) -> None:
    tree = written()
    tree["trainings"]["t"][part] = value
    with pytest.raises(ScenarioError, match=message):
        case(tree)
