"""One scenario through both engines."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simulator.cluster.compiled import CompiledEngine
from simulator.cluster.engine import Engine
from simulator.cluster.lower import lower
from simulator.results.record import RunRecord
from simulator.scenario import loads
from tests.support import Node

NO_FILES: Mapping[str, str] = {}


def reference(node: Node, files: Mapping[str, str] = NO_FILES) -> RunRecord:
    """The record of the reference engine alone; ``files`` are the texts of the files that the scenario names."""
    return _recorded(node, files, Engine)[0]


def both(node: Node, files: Mapping[str, str] = NO_FILES, replication: int = 0) -> tuple[RunRecord, RunRecord]:
    """The records of the reference engine and of the compiled one, from the same lowered scenario."""
    one, other = _recorded(node, files, Engine, CompiledEngine, replication=replication)
    return one, other


def _recorded(node: Node, files: Mapping[str, str], *engines: Any, replication: int = 0) -> list[RunRecord]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, text in files.items():
            (folder / file).write_text(text, encoding="utf-8")
        scenario = loads(json.dumps(node), folder=folder)  # YAML 1.2 contains JSON
        lowered = lower(scenario)
        return [engine(lowered, replication, folder).run() for engine in engines]
