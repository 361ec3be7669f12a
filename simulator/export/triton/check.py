"""What Triton would say to the repositories: its protobuf, the layout, and how the chain names its models."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from simulator.export.triton.read import parameters, parsed, repositories
from simulator.export.triton.render import REPOSITORY


def problems(folder: Path) -> list[str]:
    """Everything wrong with an export; empty when it is right."""
    try:
        names = repositories(folder)
    except (OSError, ValueError, TypeError) as error:
        return [f"windows.json: {error}"]
    found = []
    for name in names:
        place = folder / name / REPOSITORY
        if not place.is_dir():
            found.append(f"{name}/{REPOSITORY} is not there")
            continue
        found += [f"{name}/{REPOSITORY}/{text}" for text in _repository(place)]
    return found


def _repository(place: Path) -> Iterator[str]:
    configs: dict[str, Any] = {}
    for model in sorted(path for path in place.iterdir() if path.is_dir()):
        try:
            configs[model.name] = parsed(model / "config.pbtxt")
        except FileNotFoundError:
            yield f"{model.name}: has no config.pbtxt"
        except ValueError as error:
            yield f"{model.name}/config.pbtxt: {error}"
    for name, config in configs.items():
        yield from (f"{name}: {text}" for text in _model(place / name, config))
        if config.backend == "python":
            yield from (f"{name}: {text}" for text in _chain(config, configs))
    if not any(config.backend == "python" for config in configs.values()):
        yield "there is no chain"


def _model(place: Path, config: Any) -> Iterator[str]:
    if config.name != place.name:
        yield f"is called {config.name!r} in its config.pbtxt"
    if not (place / "1").is_dir():
        yield "has no version folder 1"
    if not config.instance_group:
        yield "has no instance_group"
    yield from (text for group in config.instance_group for text in _group(group))
    yield from _program(place / "1" / "model.py") if config.backend == "python" else _portion(config)


def _group(group: Any) -> Iterator[str]:
    if group.count < 1:
        yield f"instance_group {group.name}: count must be at least 1"
    if len(set(group.gpus)) != len(group.gpus) or any(number < 0 for number in group.gpus):
        yield f"instance_group {group.name}: gpus must be different devices"
    if (group.kind == group.KIND_GPU) != bool(group.gpus):
        yield f"instance_group {group.name}: KIND_GPU goes with gpus"


def _portion(config: Any) -> Iterator[str]:
    if config.max_batch_size < 1:
        yield "max_batch_size must be at least 1"
    sizes = list(config.dynamic_batching.preferred_batch_size)
    if not config.HasField("dynamic_batching") or not sizes:
        yield "has no dynamic_batching with preferred sizes"
    if any(not 1 <= size <= config.max_batch_size for size in sizes):
        yield f"preferred_batch_size {sizes} must be from 1 to max_batch_size {config.max_batch_size}"
    if missing := {"service", "layers", "precision", "devices_per_replica"} - set(parameters(config)):
        yield f"the parameter {min(missing)} is missing"
    elif set(_devices(parameters(config))) != {group.name for group in config.instance_group}:
        yield "the parameter devices_per_replica must say the devices of a replica for every instance_group"


def _devices(told: dict[str, str]) -> list[str]:
    """The pools of which the devices are known."""
    try:
        return list(json.loads(told["devices_per_replica"]))
    except (ValueError, TypeError):
        return []


def _program(path: Path) -> Iterator[str]:
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        yield "has no 1/model.py"
        return
    except (SyntaxError, ValueError) as error:
        yield f"1/model.py: {error}"
        return
    if not any(isinstance(node, ast.ClassDef) and node.name == "TritonPythonModel" for node in tree.body):
        yield "1/model.py has no class TritonPythonModel"


def _chain(config: Any, configs: dict[str, Any]) -> Iterator[str]:
    told = parameters(config)
    try:
        portions = json.loads(told["portions"])
        models = [portion["model"] for portion in portions]
        in_flight = int(told["in_flight"])
        gaps = [portion for portion in portions if (portion["measure"] is None) != ("SCORE" not in portion["outputs"])]
        ends = ["HIDDEN" not in portion["outputs"] for portion in portions]
    except (KeyError, ValueError, TypeError):
        yield "its parameters must be portions (JSON) and in_flight"
        return
    yield from (f"asks the model {name}, which is not there" for name in models if name not in configs)
    if in_flight < 1:
        yield "in_flight must be at least 1"
    if gaps or ends != [False] * (len(ends) - 1) + [True]:
        yield "its portions must hand on HIDDEN but the last, and SCORE exactly where requests leave"
    if not config.model_transaction_policy.decoupled or not config.input or not config.output:
        yield "must be decoupled, with input and output"
