"""From the section ``trainings`` to schedule, times and memory; what is refused, and where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulator.costs.pipeline import make, peaks
from simulator.costs.pipeline.csvformat import to_csv
from simulator.errors import ScenarioError
from tests.cluster.training.made import node, setup
from tests.support import layer

LIST = ["1s", "2s", "3s", "4s"]


def refused(folder: Path | None = None, **more: Any) -> tuple[str | None, str]:
    """Place and message of the problem of a training."""
    with pytest.raises(ScenarioError) as caught:
        setup(node(**more), folder)
    (problem,) = caught.value.problems
    return problem.path, problem.message


def test_single_times_are_those_of_a_whole_device() -> None:
    times = {"forward": "1s", "backward_input": "2s", "backward_weight": "0.5s", "transfer": "0.1s"}
    whole = setup(node(times=times)).times
    halves = setup(node({"chunks": 2}, times))
    assert halves.schedule.name == "interleaved-1f1b"
    assert halves.times.stages == 8
    for key in ("forward", "backward_input", "backward_weight"):
        np.testing.assert_array_equal(getattr(halves.times, key), np.repeat(getattr(whole, key), 2) / 2)
    assert set(halves.times.transfer) == set(whole.transfer) == {0.1}
    both_ways = setup(node({"schedule": "chimera"}, times))
    np.testing.assert_array_equal(both_ways.times.forward, whole.forward)


def test_lists_are_taken_as_they_stand() -> None:
    times = {
        "forward": LIST,
        "backward_input": LIST[::-1],
        "transfer": LIST[:3],
        "transfer_back": LIST[1:],
        "all_reduce": LIST,
        "optimizer": "0.5s",
    }
    found = setup(node(times=times, synchronous=True))
    assert found.times.forward.tolist() == [1, 2, 3, 4]
    assert found.times.backward_input.tolist() == [4, 3, 2, 1]
    assert found.times.transfer.tolist() == [1, 2, 3]
    assert found.times.transfer_back.tolist() == [2, 3, 4]
    assert np.asarray(found.ending.all_reduce).tolist() == [1, 2, 3, 4]
    assert np.asarray(found.ending.optimizer).tolist() == [0.5] * 4
    assert found.ending.synchronous


@pytest.mark.parametrize(
    ("change", "path", "words"),
    [
        ({"times": {"forward": LIST[:3], "backward_input": "1s"}}, "times.forward", "needs 4 entries, one per stage"),
        (
            {"pipeline": {"chunks": 2}, "times": {"forward": LIST, "backward_input": "1s"}},
            "times.forward",
            "needs 8 entries, one per chunk (2 on every stage), has 4",
        ),
        (
            {"times": {"forward": "1s", "backward_input": "1s", "transfer": LIST}},
            "times.transfer",
            "needs 3 entries, one per boundary",
        ),
        ({"memory": {"activation": ["1GB"]}}, "memory.activation", "needs 4 entries"),
        ({"memory": {"activation": "1GB", "kept": "2GB"}}, "memory.kept", "at most `activation`"),
        ({"memory": {"activation": "1GB", "limit": "3.9GB"}}, "memory.limit", "stage 0 reach 4 GB under 1f1b"),
        ({"memory": {"activation": "10GB", "weights": "40GB"}}, "pipeline", "stage 0 holds up to 80.00 GB under 1f1b"),
        ({"pipeline": {"schedule": "dualpipe", "microbatches": 7}}, "pipeline.microbatches", "dualpipe needs"),
        (
            {"pipeline": {"schedule": "dualpipe", "stages": 3, "microbatches": 8}},
            "pipeline.stages",
            "got 3 and 8",
        ),
        ({"pipeline": {"schedule": "chimera", "stages": 3}}, "pipeline.stages", "even number of ranks"),
        ({"pipeline": {"schedule": "gpipe", "chunks": 2}}, "pipeline.chunks", "gpipe has 1 chunk"),
        ({"pipeline": {"chunks": 2, "microbatches": 6}}, "pipeline.microbatches", "multiple of 4 microbatches"),
        ({"iterations": 100_000}, "iterations", "lower `iterations`"),
        (
            {"pipeline": {"schedule": "zb-2p"}, "memory": {"activation": "1GB", "limit": "1MB"}},
            "memory.limit",
            "does not hold one microbatch",
        ),
    ],
)
def test_what_cannot_work_is_refused_at_its_key(change: Any, path: str, words: str) -> None:
    found, message = refused(**change)
    assert found == f"trainings.t.{path}"
    assert words in message


def test_memory_counts_activations_and_weights_of_what_a_rank_holds() -> None:
    memory = {"activation": "1GB", "kept": "0.5GB", "weights": "6GB"}
    one = setup(node(memory=memory, pool={"devices_per_replica": 2}))
    assert one.memory is not None
    assert peaks(one.schedule, one.memory).tolist() == [4e9, 3e9, 2e9, 1e9]
    assert one.weights.tolist() == [6e9] * 4
    assert one.capacity == 2 * 64 * 2**30
    assert one.room.tolist() == [one.capacity - 6e9] * 4
    assert one.devices == 8
    assert setup(node({"chunks": 2}, memory=memory)).weights.tolist() == [6e9] * 4
    assert setup(node({"schedule": "chimera"}, memory=memory)).weights.tolist() == [12e9] * 4, "the model twice"


def test_a_searched_schedule_keeps_to_the_limit() -> None:
    for limit, most in (("2GB", 2e9), ("6GB", 6e9)):
        made = setup(node({"schedule": "zb-2p"}, memory={"activation": "1GB", "kept": "0.4GB", "limit": limit}))
        assert made.memory is not None
        assert peaks(made.schedule, made.memory).max() <= most


def test_an_order_from_a_file(tmp_path: Path) -> None:
    known = make("zb-h1", 4, 8)
    (tmp_path / "order.csv").write_text(to_csv(known))
    made = setup(node({"order": "order.csv"}), tmp_path)
    assert made.schedule.orders == known.orders
    assert made.schedule.name == "order"
    path, message = refused(tmp_path, pipeline={"order": "order.csv", "microbatches": 9})
    assert (path, "must be 8, as the order in order.csv has it" in message) == (
        "trainings.t.pipeline.microbatches",
        True,
    )
    path, message = refused(tmp_path, pipeline={"order": "none.csv"})
    assert (path, message) == ("trainings.t.pipeline.order", "none.csv: no such file")
    (tmp_path / "order.csv").write_text("0F0,0X0\n")
    with pytest.raises(ScenarioError, match="'0X0' is no op"):
        setup(node({"order": "order.csv"}), tmp_path)


def test_an_order_with_backwards_needs_their_times(tmp_path: Path) -> None:
    (tmp_path / "order.csv").write_text(to_csv(make("1f1b", 4, 8)))
    path, message = refused(tmp_path, pipeline={"order": "order.csv"}, times={"forward": "1s"})
    assert path == "trainings.t.times"
    assert "`backward_input` is missing" in message
    (tmp_path / "order.csv").write_text(to_csv(make("inference", 4, 8)))
    assert setup(node({"order": "order.csv"}, {"forward": "1s"}), tmp_path).schedule.forward_only


def test_times_from_the_layers_of_a_model() -> None:
    """Layers of 1, 1, 1, 3, 2, 4 s at batch 2 cut into 3, 3, 2 and 4; each cut sends its last layer's output."""
    layers = [layer((0.0, seconds / 2), f"l{i}", output="1GB", weights="1GB") for i, seconds in enumerate((1, 1, 1, 3))]
    layers += [layer((0.0, 1.0), "l4", output="3GB", weights="2GB"), layer((0.0, 2.0), "l5", weights="5GB")]
    network = {"bandwidth": "4GB/s", "latency": "0.25s"}
    written = {"model": "m", "microbatch": 2, "backward": 3.0, "all_reduce": "1s"}
    made = setup(node(times=written, models={"m": {"layers": layers}}, network=network))
    assert made.times.forward.tolist() == [3, 3, 2, 4]
    assert made.times.backward_input.tolist() == made.times.backward_weight.tolist() == [4.5, 4.5, 3, 6]
    assert made.times.transfer.tolist() == [0.25 + 2 / 4, 0.25 + 2 / 4, 0.25 + 6 / 4]
    assert made.weights.tolist() == [3e9, 1e9, 2e9, 5e9]
    eight = setup(node(times=written | {"precision": "int8"}, models={"m": {"layers": layers}}, network=network))
    assert eight.weights.tolist() == [1.5e9, 0.5e9, 1e9, 2.5e9]
    assert eight.times.transfer.tolist() == [0.25 + 1 / 4, 0.25 + 1 / 4, 0.25 + 3 / 4]


def test_a_model_with_too_few_layers_is_refused() -> None:
    path, message = refused(times={"model": "m", "microbatch": 1}, models={"m": {"layers": [layer(1.0)]}})
    assert (path, message) == ("trainings.t.times.model", "model 'm' has 1 layers, which cannot be cut into 4 stages")


def test_a_precision_that_the_device_lacks_is_refused() -> None:
    work = {"name": "l", "repeat": 4, "work": {"flops": "1GFLOP", "bytes": "1MB"}}
    written = {"model": "m", "microbatch": 1, "precision": "int8"}
    path, message = refused(times=written, models={"m": {"layers": [work]}})
    assert path == "trainings.t.times.precision"
    assert "has no int8 arithmetic" in message


def test_estimates_and_extrapolations_are_told() -> None:
    table = [layer({1: 1.0, 2: 1.5}, "l", repeat=4)]
    made = setup(node(times={"model": "m", "microbatch": 8}, models={"m": {"layers": table}}))
    assert made.warnings == ("training t: the times of m go beyond the largest measured batch",)
    known = setup(node(times={"model": "m", "microbatch": 8}, models={"m": {"catalogue": "bert-base"}}))
    assert "data-sheet estimate" in known.warnings[0]
