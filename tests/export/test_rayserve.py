"""Ray Serve: the configuration, and the generated modules where ray is installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from simulator.export import read_case
from simulator.export.text import read_yaml
from tests.export.support import DAY, case, shipped, tree, written


def config(folder: Path, window: int = 0) -> Any:
    (found,) = read_yaml(folder / f"window-{window}" / "serve_config.yaml")
    return found


def test_a_portion_is_a_deployment(tmp_path: Path) -> None:
    rows = [
        {"layers": "1-2", "pool": "p", "replicas": 3, "batch": 4, "max_wait": "2ms"},
        {"layers": "3-6", "pool": "q", "replicas": 2, "batch": 2},
    ]
    written(case(tree(rows)), "ray-serve", tmp_path / "out")
    (application,) = config(tmp_path / "out")["applications"]
    first, second, chain = application["deployments"]
    assert (first["num_replicas"], second["num_replicas"]) == (3, 2)
    assert first["user_config"]["batch"] == 4
    assert first["user_config"]["max_wait_s"] == 0.002
    assert first["ray_actor_options"] == {"num_cpus": 1, "num_gpus": 1, "resources": {"pool:p": 1}}
    assert second["ray_actor_options"] == {"num_cpus": 1, "num_gpus": 2, "resources": {"pool:q": 2}}
    assert chain["name"] == application["args"]["chain"] == "chat-chain"


def test_windows_with_the_same_cuts_restart_nothing(tmp_path: Path) -> None:
    """Ray restarts an application whose import path, arguments or environment change."""
    written(read_case(DAY), "ray-serve", tmp_path / "out")
    kept = ("import_path", "args", "name", "route_prefix")
    first, second, third = (
        {key: config(tmp_path / "out", number)["applications"][0][key] for key in kept} for number in (0, 1, 2)
    )
    assert first == second
    assert first != third


def test_no_two_portions_share_a_model_file(tmp_path: Path) -> None:
    """Services whose names and layers look alike side by side, and a portion whose precision changes."""
    given = tree([{"layers": "1-6", "pool": "p", "replicas": 1}])
    service = given["services"].pop("chat")
    rows = [
        {"from": f"{hour}h", "portions": [{"layers": "1-6", "pool": "p", "replicas": 1, "precision": precision}]}
        for hour, precision in ((0, "fp16"), (1, "int8"), (2, {"l": "int8"}))
    ]
    service.pop("deployment")
    given["run"] = {"duration": "3h"}
    given["services"] = {"a": service | {"deployments": [row | {"from": f"{hour}h"} for hour, row in enumerate(rows)]}}
    cut = [{"layers": layers, "pool": "p", "replicas": 1} for layers in ("1", "2-6")]
    given["services"]["a-1"] = service | {"deployment": {"portions": cut}}
    written(case(given), "ray-serve", tmp_path / "out")
    files = (tmp_path / "out/models/PUT_MODELS_HERE.txt").read_text().splitlines()[1:]
    names = [line.partition(":")[0] for line in files]
    assert names == ["a_1-6_fp16.onnx", "a-1_1_fp16.onnx", "a-1_2-6_fp16.onnx", "a_1-6_int8.onnx", "a_1-6_l-int8.onnx"]


PROGRAM = """\
import asyncio, sys, types
import numpy as np
models = types.ModuleType("models")
def load(name, settings):
    loaded.append(name)
    def run(values):
        calls.append((name, len(values)))
        return {"HIDDEN": values + 1, "ANSWER": values * 10, "SCORE": values}
    return run
calls, loaded = [], []
models.load = load
sys.modules["models"] = models
import serving
from ray import serve  # a replica stands in a context, of which the queue reads one figure
context = types.SimpleNamespace(_deployment_config=types.SimpleNamespace(max_ongoing_requests=100_000))
serve.get_replica_context = lambda: context
names = [{"name": "a", "last": False}, {"name": "b", "last": True}]
app = serving.build({"service": "s", "chain": "c", "portions": names})
assert app._bound_deployment.name == "c"
portion = serving.Portion.func_or_class("a-1-2", False)
settings = {"layers": "1-2", "precision": "fp16", "model": "a.onnx", "batch": 4, "max_wait_s": 0.05,
            "leave": {"measure": "confidence", "threshold": 0.5}}
portion.reconfigure(settings)
assert portion.run._get_max_batch_size() == 4 and portion.run._get_batch_wait_timeout_s() == 0.05
portion.reconfigure(settings | {"batch": 8, "max_wait_s": 0.0})
assert portion.run._get_max_batch_size() == 8 and portion.run._get_batch_wait_timeout_s() == 0.0
portion.reconfigure(settings)
assert loaded == ["a.onnx"], loaded
portion.reconfigure(settings | {"model": "b.onnx"})
portion.reconfigure(settings)
assert loaded == ["a.onnx", "b.onnx", "a.onnx"], loaded
portion.reconfigure(settings | {"ramps": [4], "exit_rule": {"confidence": 0.6}})  # the same file, used otherwise
portion.reconfigure(settings)
assert loaded[3:] == ["a.onnx", "a.onnx"], loaded
async def ask():
    return await asyncio.gather(*(portion(np.array([value])) for value in (0.4, 0.5, 0.6, 0.1, 0.9, 0.2)))
found = asyncio.run(ask())
assert [done for done, _ in found] == [False, True, True, False, True, False], found
assert [float(value[0]) for _, value in found] == [1.4, 5.0, 6.0, 1.1, 9.0, 1.2], found
assert calls == [("a.onnx", 4), ("a.onnx", 2)], calls
portion.settings = settings | {"leave": {"measure": "entropy", "threshold": 0.5}}
assert portion.outcome({"SCORE": np.array([0.4]), "ANSWER": 1, "HIDDEN": 2}) == (True, 1)
assert portion.outcome({"SCORE": np.array([0.5]), "ANSWER": 1, "HIDDEN": 2}) == (False, 2)
try:
    portion.reconfigure(settings | {"leave": {"measure": "unknown", "threshold": None}})
except ValueError as error:
    assert "no threshold" in str(error)
else:
    raise AssertionError("a threshold was made up")
assert serving.Portion.func_or_class("b", True).last
"""


def test_the_generated_module_applies_batch_and_wait(tmp_path: Path) -> None:
    """In a process of its own: ray warns of itself while it is imported."""
    written(shipped("early-exit-mixed-gpus.yaml"), "ray-serve", tmp_path / "out")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path / "out", capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_the_loader_says_which_file_is_missing(tmp_path: Path) -> None:
    written(case(), "ray-serve", tmp_path / "out")
    program = "import models; models.load('chat_1-2_fp16.onnx', {'layers': '1-2', 'precision': 'fp16'})"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path / "out", capture_output=True, text=True, timeout=60, check=False
    )
    assert "put layers 1-2 in fp16 into" in done.stderr
    assert "models/chat_1-2_fp16.onnx" in done.stderr


ONNX = """\
import numpy as np
import onnx
from onnx import TensorProto, helper
shape = ["batch", 2]
inputs = [helper.make_tensor_value_info("INPUT", TensorProto.FLOAT, shape)]
outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("HIDDEN", "ANSWER")]
nodes = [helper.make_node("Add", ["INPUT", "INPUT"], ["HIDDEN"]), helper.make_node("Neg", ["INPUT"], ["ANSWER"])]
graph = helper.make_graph(nodes, "portion", inputs, outputs)
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), "models/a.onnx")
import models
found = models.load("a.onnx", {"layers": "1-2", "precision": "fp16"})(np.ones((3, 2), np.float32))
found = {name: value.tolist() for name, value in found.items()}
assert found == {"HIDDEN": [[2, 2]] * 3, "ANSWER": [[-1, -1]] * 3}, found
"""


def test_the_loader_runs_a_model_file(tmp_path: Path) -> None:
    written(case(), "ray-serve", tmp_path / "out")
    done = subprocess.run(
        [sys.executable, "-c", ONNX], cwd=tmp_path / "out", capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
