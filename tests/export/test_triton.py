"""Triton: the configuration of models, their devices, and the chain, run against a stand-in for the server."""

from __future__ import annotations

import json
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulator.errors import ScenarioError
from simulator.export import read_case
from simulator.export.triton.read import parameters, parsed
from tests.export.support import DAY, case, shipped, tree, written


def config(folder: Path, model: str, window: int = 0) -> Any:
    return parsed(folder / f"window-{window}" / "model_repository" / model / "config.pbtxt")


def test_a_portion_is_a_model(tmp_path: Path) -> None:
    rows = [
        {"layers": "1-2", "pool": "p", "replicas": 3, "batch": 4, "max_wait": "2ms"},
        {"layers": "3-6", "pool": "q", "replicas": 2, "batch": 2, "precision": {"l": "int8"}},
    ]
    done = written(case(tree(rows, queue={"capacity": 50})), "triton", tmp_path / "out")
    first, second = config(tmp_path / "out", "chat-1-2"), config(tmp_path / "out", "chat-3-6")
    assert (first.max_batch_size, list(first.dynamic_batching.preferred_batch_size)) == (4, [4])
    assert first.dynamic_batching.max_queue_delay_microseconds == 2000
    assert first.dynamic_batching.default_queue_policy.max_queue_size == 50
    assert second.dynamic_batching.default_queue_policy.max_queue_size == 0  # later queues are not bounded
    (group,) = first.instance_group
    assert (group.count, list(group.gpus)) == (1, [0, 1, 2])
    (group,) = second.instance_group  # replicas of two devices
    assert (group.count, group.kind, list(group.gpus)) == (2, group.KIND_MODEL, [])
    assert parameters(second)["precision"] == "l=int8"
    assert any("KIND_MODEL" in note for note in done.notes)
    assert not any("bounded queue" in note for note in done.notes)
    folder = tmp_path / "out/window-0/model_repository"
    assert "precision l=int8" in (folder / "chat-3-6/1/PUT_MODEL_HERE.txt").read_text()


def test_devices_are_not_shared_and_keep_their_pool(tmp_path: Path) -> None:
    day = read_case(DAY)
    written(day, "triton", tmp_path / "out")
    starts = {"v100": 0, "a100": 8}  # as the scenario counts the pools
    for window in (0, 1, 2):
        held: list[int] = []
        for path in (tmp_path / f"out/window-{window}/model_repository").glob("*/config.pbtxt"):
            for group in parsed(path).instance_group:
                if group.gpus:
                    assert min(group.gpus) >= starts[group.name]
                    assert max(group.gpus) < {"v100": 8, "a100": 12}[group.name]
                    held += group.gpus
        assert len(set(held)) == len(held) == sum(part.replicas for part in day.windows[window].all_parts)


def test_windows_with_the_same_deployment_share_a_repository(tmp_path: Path) -> None:
    written(read_case(DAY), "triton", tmp_path / "out")
    told = json.loads((tmp_path / "out/windows.json").read_text())
    assert told == {"window-0": [0, 3], "window-1": [1], "window-2": [2]}
    assert not (tmp_path / "out/window-3").exists()


def test_a_portion_on_two_pools_is_one_model_with_two_groups(tmp_path: Path) -> None:
    rows = [{"layers": "1-6", "pool": pool, "replicas": 2, "batch": 4} for pool in ("p", "q")]
    written(case(tree(rows)), "triton", tmp_path / "out")
    groups = config(tmp_path / "out", "chat-1-6").instance_group
    assert [(group.name, list(group.gpus), group.count) for group in groups] == [("p", [0, 1], 1), ("q", [], 2)]


def test_no_wait_is_rounded_silently(tmp_path: Path) -> None:
    rows = [{"layers": "1-6", "pool": "p", "replicas": 1, "batch": 4, "max_wait": "1500.4us"}]
    done = written(case(tree(rows)), "triton", tmp_path / "out")
    assert config(tmp_path / "out", "chat-1-6").dynamic_batching.max_queue_delay_microseconds == 1500
    assert any("whole microseconds" in note for note in done.notes)


def test_a_queue_of_capacity_0_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="service chat: Triton has no queue of capacity 0"):
        written(case(tree(queue={"capacity": 0})), "triton", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_names_survive_protobuf(tmp_path: Path) -> None:
    rows = [{"layers": "1-6", "pool": "p", "replicas": 1, "precision": {'ü "x" \\n': "int8"}}]
    given = tree(rows)
    given["models"]["m"]["layers"] = [
        {"name": 'ü "x" \\n', "repeat": 6, "time": "1ms"},
    ]
    written(case(given), "triton", tmp_path / "out")
    assert parameters(config(tmp_path / "out", "chat-1-6"))["precision"] == 'ü "x" \\n=int8'


class Tensor:
    """Stands in for a tensor of the server."""

    def __init__(self, name: str, value: Any) -> None:
        self.name, self.value = name, value

    def to_dlpack(self) -> Any:
        return self.value

    def as_numpy(self) -> Any:
        return self.value

    @staticmethod
    def from_dlpack(name: str, value: Any) -> Tensor:
        return Tensor(name, value)


class Sent:
    """Response sender that keeps what was sent."""

    def __init__(self) -> None:
        self.responses: list[Any] = []

    def send(self, response: Any, flags: int) -> None:
        assert flags == 1
        self.responses.append(response)


def server(models: dict[str, Any], asked: list[str]) -> types.ModuleType:
    """The module that Triton gives to Python models, with models as functions."""

    class Request:
        def __init__(
            self, model_name: str, requested_output_names: list[str], inputs: list[Tensor], preferred_memory: Any
        ) -> None:
            assert preferred_memory == ("CPU", 0)  # else the scores stay on the device, where nobody here reads them
            self.model, self.names, self.value = model_name, requested_output_names, inputs[0].value

        def exec(self) -> Any:
            asked.append(self.model)
            found = models[self.model](self.value)
            wrong = found if isinstance(found, str) else None
            tensors = {} if wrong else {name: found[name] for name in self.names}
            return types.SimpleNamespace(
                has_error=lambda: wrong is not None,
                error=lambda: types.SimpleNamespace(message=lambda: wrong),
                tensors=tensors,
            )

    module = types.ModuleType("triton_python_backend_utils")
    members = {
        "InferenceRequest": Request,
        "Tensor": Tensor,
        "TritonModelException": RuntimeError,
        "TritonError": str,
        "TRITONSERVER_RESPONSE_COMPLETE_FINAL": 1,
        "TRITONSERVER_MEMORY_CPU": "CPU",
        "PreferredMemory": lambda kind, number: (kind, number),
        "InferenceResponse": lambda output_tensors=None, error=None: (output_tensors, error),
        "get_input_tensor_by_name": lambda request, name: request[name],
        "get_output_tensor_by_name": lambda found, name: Tensor(name, found.tensors[name]),
    }
    for name, value in members.items():
        setattr(module, name, value)
    return module


def chain(folder: Path, module: types.ModuleType, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The generated chain, initialized as Triton does it."""
    import sys

    monkeypatch.setitem(sys.modules, "triton_python_backend_utils", module)
    names: dict[str, Any] = {}
    repository = folder / "window-0/model_repository"
    (place,) = [path.parent.parent for path in repository.glob("*/1/model.py")]
    exec(compile((place / "1/model.py").read_text(), "model.py", "exec"), names)
    told = {key: {"string_value": value} for key, value in parameters(parsed(place / "config.pbtxt")).items()}
    model = names["TritonPythonModel"]()
    model.initialize({"model_config": json.dumps({"parameters": told})})
    return model


def test_the_chain_stops_where_a_request_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(shipped("early-exit-mixed-gpus.yaml"), "triton", tmp_path / "out")  # cuts after 2, 6 and 8, confidence 0.9
    asked: list[str] = []

    def portion(score: float) -> Any:
        return lambda value: {
            "HIDDEN": value + 1,
            "ANSWER": value * 10,
            "SCORE": np.array([[score]]),
        }

    names = ["sentiment-1-2", "sentiment-3-6", "sentiment-7-8", "sentiment-9-12"]
    models = dict(zip(names, map(portion, (0.899, 0.9, 1.0, 1.0))))
    model = chain(tmp_path / "out", server(models, asked), monkeypatch)
    sender = Sent()
    request = type("R", (dict,), {"get_response_sender": lambda self: sender})(INPUT=Tensor("INPUT", np.array([[1.0]])))
    model.execute([request])
    model.finalize()
    assert asked == names[:2]  # 0.899 goes on, 0.9 leaves
    ((tensors, error),) = sender.responses
    assert error is None
    assert tensors[0].value.tolist() == [[20.0]]


def test_the_chain_tells_what_goes_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"layers": "1-6", "pool": "p", "replicas": 1}]
    written(case(tree(rows)), "triton", tmp_path / "out")
    model = chain(tmp_path / "out", server({"chat-1-6": lambda value: "out of memory"}, []), monkeypatch)
    sender = Sent()
    request = type("R", (dict,), {"get_response_sender": lambda self: sender})(INPUT=Tensor("INPUT", np.zeros((1, 1))))
    model.execute([request])
    model.finalize()
    assert sender.responses == [(None, "out of memory")]


def test_a_threshold_that_nobody_knows_is_not_made_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = written(case(), "triton", tmp_path / "out")  # exits known as shares
    assert any("set measure and threshold" in note for note in done.notes)
    with pytest.raises(RuntimeError, match="no threshold for chat-1-2"):
        chain(tmp_path / "out", server({}, []), monkeypatch)
