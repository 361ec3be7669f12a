"""The settings of every window, read back from the repositories with Triton's own parser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from simulator.export.parts import Setting
from simulator.export.triton.render import REPOSITORY


def parsed(path: Path) -> Any:
    """A ``config.pbtxt`` as Triton's message; ValueError says what is wrong with it."""
    text_format = import_module("google.protobuf.text_format")
    model_config_pb2 = import_module("tritonclient.grpc.model_config_pb2")
    try:
        return text_format.Parse(path.read_text(encoding="utf-8"), model_config_pb2.ModelConfig())
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from None


def repositories(folder: Path) -> dict[str, list[int]]:
    """Folders of repositories and the windows that they are for; ValueError where that cannot be read."""
    tree = json.loads((folder / "windows.json").read_text(encoding="utf-8"))
    if not isinstance(tree, dict) or not tree:
        raise ValueError("windows.json names no repository")
    return {str(name): [int(number) for number in numbers] for name, numbers in tree.items()}


def read(folder: Path) -> dict[int, list[Setting]]:
    """Settings by number of the window."""
    found: dict[int, list[Setting]] = {}
    for name, numbers in repositories(folder).items():
        settings = [
            setting
            for path in sorted((folder / name / REPOSITORY).glob("*/config.pbtxt"))
            for setting in _settings(parsed(path))
        ]
        found |= dict.fromkeys(numbers, settings)
    return found


def parameters(config: Any) -> dict[str, str]:
    """The parameters of a model."""
    return {key: value.string_value for key, value in config.parameters.items()}


def _settings(config: Any) -> Iterator[Setting]:
    if config.backend == "python":
        return
    told = parameters(config)
    for group in config.instance_group:
        replicas = group.count * (len(group.gpus) or 1)
        wait_s = config.dynamic_batching.max_queue_delay_microseconds / 1e6
        devices = json.loads(told["devices_per_replica"])[group.name]
        batch = config.max_batch_size
        yield Setting(told["service"], told["layers"], group.name, replicas, batch, wait_s, devices)
