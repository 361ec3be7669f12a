"""The check can fail: files that somebody changed are told, wherever they were changed."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from simulator.export import TARGETS, Case, check_folder, read_case
from simulator.export.text import read_yaml, yaml_text
from tests.export.support import DAY, written


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> tuple[Case, Path]:
    folder = tmp_path_factory.mktemp("exports")
    case = read_case(DAY)
    for target in TARGETS:
        written(case, target, folder / target)
    return case, folder


@pytest.fixture
def copy(exports: tuple[Case, Path], tmp_path: Path) -> Callable[[str], Path]:
    return lambda target: Path(shutil.copytree(exports[1] / target, tmp_path / target))


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_is_wrong_with_what_was_written(target: str, exports: tuple[Case, Path]) -> None:
    case, folder = exports
    assert check_folder(case, TARGETS[target], folder / target) == []


def places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every key and item."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from places(value, (*path, key))


def changed(tree: Any, path: tuple[Any, ...], change: str) -> Any:
    """A copy with one key lost, renamed, or with a value that fits nowhere."""
    copied = json.loads(json.dumps(tree))
    holder = copied
    for step in path[:-1]:
        holder = holder[step]
    if change == "lost":
        del holder[path[-1]]
    elif change == "renamed":
        holder[f"{path[-1]}x"] = holder.pop(path[-1])
    else:
        holder[path[-1]] = {"what": ["is", -1]}
    return copied


FREE = {
    # words of the user's own, defaults of the target, and labels that select nothing
    "kubernetes": re.compile(
        r"metadata\.(annotations|namespace)|annotations|strategy|env|ports|readinessProbe|volumeMounts|volumes"
        r"|spec\.advanced|cooldownPeriod"
        r"|matchLabels\.app"
        r"|exitplan/(chain|entry)|policies|nodeSelector|minAvailable|maxUnavailable|scaleTargetRef\.(apiVersion|kind)"
        r"|resources\.(limits|requests)\.|image$|targetPort"
    ),
    "ray-serve": re.compile(
        r"proxy_location|http_options|route_prefix|max_ongoing_requests|num_cpus|args\.service$|user_config\.leave"
        r"|deployments\.\d+\.ray_actor_options$"
    ),
}


CHANGES = ("lost", "renamed", "replaced")
FILES = {
    "kubernetes": ["base/chat-1-c1-1-4.yaml", "overlays/window-1/kustomization.yaml", "keda/scaledobjects.yaml"],
    "ray-serve": ["window-1/serve_config.yaml"],
}


def silent_changes(
    case: Case, target: str, folder: Path, name: str, changes: Callable[[int], Iterable[str]]
) -> list[str]:
    """Changed keys of a file that the check does not tell; ``changes`` are those of the n-th key."""
    path = folder / name
    documents, original, count, silent = read_yaml(path), path.read_text(), 0, []
    for number, document in enumerate(documents[: 1 if "keda" in name else 4]):  # other objects are like these
        for place in places(document):
            said = ".".join(map(str, place))
            if FREE[target].search(said):
                continue
            count += 1
            for change in changes(count):
                if change == "renamed" and isinstance(place[-1], int):
                    continue
                wrong = [*documents[:number], changed(document, place, change), *documents[number + 1 :]]
                path.write_text(yaml_text(*wrong))
                silent += [f"{change}: {number}: {said}"] * (not check_folder(case, TARGETS[target], folder))
    path.write_text(original)
    assert count >= 10
    return silent


@pytest.mark.parametrize(("target", "name"), [(target, name) for target, names in FILES.items() for name in names])
def test_every_key_matters(target: str, name: str, exports: tuple[Case, Path], copy: Callable[[str], Path]) -> None:
    """But for those that are free, a key that is lost or renamed, or has a value that fits nowhere, is told."""
    assert silent_changes(exports[0], target, copy(target), name, lambda count: [CHANGES[count % 3]]) == []


@pytest.mark.long
@pytest.mark.parametrize(("target", "name"), [(target, name) for target, names in FILES.items() for name in names])
def test_every_change_of_every_key_matters(
    target: str, name: str, exports: tuple[Case, Path], copy: Callable[[str], Path]
) -> None:
    assert silent_changes(exports[0], target, copy(target), name, lambda count: CHANGES) == []


SETTINGS = {
    "kubernetes": [
        ("overlays/window-1/kustomization.yaml", "count: 3", "count: 4"),
        ("base/chat-1-c1-1-4.yaml", "batch: 8", "batch: 9"),
        ("base/chat-1-c1-1-4.yaml", "max_wait: 5ms", "max_wait: 6ms"),
        ("base/chat-1-c1-1-4.yaml", "layers: 1-4", "layers: 1-5"),
        ("base/chat-1-c1-1-4.yaml", "pool: v100", "pool: a100"),
        ("base/chat-1-c1-1-4.yaml", "nvidia.com/gpu: '1'", "nvidia.com/gpu: '2'"),
        ("base/chat-1-c1-1-4.yaml", "name: chat-1-c1-1-4\n  labels", "name: Chat_1\n  labels"),
        ("base/chat-1-c1-1-4.yaml", "kind: Service", "kind: Servise"),
        ("base/chat-1-c1-1-4.yaml", "exitplan/entry: 'true'\n  ports", "exitplan/entry: 'yes'\n  ports"),
        ("base/chat-1-c1-1-4.yaml", "  - ", "  -"),
        ("base/kustomization.yaml", "  - search-1-12.yaml\n", ""),
        ("keda/scaledobjects.yaml", "start: 0 6 * * *", "start: 0 7 * * *"),
        ("keda/scaledobjects.yaml", "start: 0 6 * * *", "start: 0 6 * * 1"),
        ("keda/scaledobjects.yaml", "desiredReplicas: '3'", "desiredReplicas: '2'"),
        ("keda/scaledobjects.yaml", "desiredReplicas: '3'", "desiredReplicas: 3"),
        ("keda/scaledobjects.yaml", "name: chat-1-c1-1-4\n  minReplicaCount", "name: gone\n  minReplicaCount"),
        ("keda/scaledobjects.yaml", "minReplicaCount: 0", "minReplicaCount: 9"),
        ("keda/kustomization.yaml", '"op": "remove"', '"op": "add"'),
        ("keda/kustomization.yaml", "name: chat-1-c1-1-4", "name: chat"),
    ],
    "triton": [
        ("window-1/model_repository/chat-1-1-4/config.pbtxt", "max_batch_size: 8", "max_batch_size: 16"),
        ("window-1/model_repository/chat-1-1-4/config.pbtxt", "max_batch_size: 8", "max_batch_size: -8"),
        ("window-1/model_repository/chat-1-1-4/config.pbtxt", "max_batch_size", "max_batchsize"),
        ("window-1/model_repository/chat-1-1-4/config.pbtxt", "[ 8 ]", "[ 9 ]"),
        ("window-1/model_repository/chat-1-1-4/config.pbtxt", "microseconds: 5000", "microseconds: 5001"),
        ("window-1/model_repository/chat-1-1-4/config.pbtxt", "gpus: [ 0, 1, 2 ]", "gpus: [ 0, 1 ]"),
        ("window-1/model_repository/chat-1-1-4/config.pbtxt", "gpus: [ 0, 1, 2 ]", "gpus: [ 0, 1, 1 ]"),
        ("window-1/model_repository/chat-1-1-4/config.pbtxt", "KIND_GPU", "KIND_TPU"),
        ("window-1/model_repository/chat-1-1-4/config.pbtxt", 'name: "v100"', 'name: "a100"'),
        ("window-1/model_repository/chat-1-1-4/config.pbtxt", '"1-4"', '"1-5"'),
        ("window-1/model_repository/chat-1-1-4/config.pbtxt", 'name: "chat-1-1-4"', 'name: "chat"'),
        ("window-1/model_repository/chat-1-1-4/config.pbtxt", "}", ""),
        ("window-1/model_repository/chat-1/config.pbtxt", "chat-1-5-12", "chat-1-5-13"),
        ("window-1/model_repository/chat-1/config.pbtxt", "decoupled: true", "decoupled: false"),
        ("window-1/model_repository/chat-1/config.pbtxt", '\\"SCORE\\"', '\\"SCORES\\"'),
        ("window-1/model_repository/chat-1/1/model.py", "class TritonPythonModel", "class Model"),
        ("window-1/model_repository/chat-1/1/model.py", "def execute(self", "def execute self"),
        ("windows.json", "3", "2"),
    ],
    "ray-serve": [
        ("window-1/serve_config.yaml", "num_replicas: 3", "num_replicas: 4"),
        ("window-1/serve_config.yaml", "num_replicas: 3", "num_replicas: 0"),
        ("window-1/serve_config.yaml", "batch: 8", "batch: 4"),
        ("window-1/serve_config.yaml", "max_wait_s: 0.005", "max_wait_s: 0.0051"),
        ("window-1/serve_config.yaml", "max_wait_s: 0.005", "max_wait_s: 5ms"),
        ("window-1/serve_config.yaml", "num_gpus: 1", "num_gpus: 2"),
        ("window-1/serve_config.yaml", "pool:v100: 1", "pool:a100: 1"),
        ("window-1/serve_config.yaml", "import_path: serving:build", "import_path: serving"),
        ("window-1/serve_config.yaml", "layers: 1-4", "layers: 1-3"),
        ("serving.py", "def build(", "def make("),
        ("serving.py", "return", "retrun"),
        ("models.py", "def load(", "def unload("),
    ],
}


@pytest.mark.parametrize(
    ("target", "name", "old", "new"), [(target, *one) for target, rows in SETTINGS.items() for one in rows]
)
def test_changed_settings_are_told(
    target: str, name: str, old: str, new: str, exports: tuple[Case, Path], copy: Callable[[str], Path]
) -> None:
    folder = copy(target)
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new, 1) if "gpu:" not in old else text.replace(old, new))
    assert check_folder(exports[0], TARGETS[target], folder)


@pytest.mark.parametrize("target", TARGETS)
def test_every_file_matters(target: str, exports: tuple[Case, Path], copy: Callable[[str], Path]) -> None:
    """But for the page and what tells where models go, a file that is lost or empty is told."""
    folder = copy(target)
    for path in sorted(folder.rglob("*")):
        free = path.name in ("README.md", "PUT_MODEL_HERE.txt", "PUT_MODELS_HERE.txt")
        if path.is_dir() or free or (path.name == "export.json" and target != "kubernetes"):
            continue
        data = path.read_bytes()
        path.unlink()
        assert check_folder(exports[0], TARGETS[target], folder), f"{path} may be lost"
        path.write_bytes(b"")
        assert check_folder(exports[0], TARGETS[target], folder), f"{path} may be empty"
        path.write_bytes(b"\xff\xfe\x00\x80")
        assert check_folder(exports[0], TARGETS[target], folder), f"{path} may be binary"
        path.write_bytes(data)
    assert check_folder(exports[0], TARGETS[target], folder) == []
