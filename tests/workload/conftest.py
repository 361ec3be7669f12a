"""Workloads as a scenario would hold them, and arrivals of one service."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from simulator.scenario.workload import Workload
from simulator.workload import arrival_times

SHARED = Path(__file__).parents[3] / "shared" / "data" / "traces"
CORPUS = Path(__file__).parents[1] / "corpus" / "traces"


@pytest.fixture(scope="session")
def make() -> Callable[..., Any]:
    """A validated workload from the keys of a scenario file."""
    adapter: TypeAdapter[Any] = TypeAdapter(Workload)

    def build(**keys: Any) -> Any:
        return adapter.validate_python({("from" if key == "from_" else key): value for key, value in keys.items()})

    return build


@pytest.fixture(scope="session")
def draw(make: Callable[..., Any]) -> Callable[..., np.ndarray]:
    """Arrivals [s] of a workload given by its keys."""

    def run(
        until_s: float, /, *, seed: int = 0, service: str = "chat", folder: Path = Path(), **keys: Any
    ) -> np.ndarray:
        return arrival_times(make(**keys), seed=seed, replication=0, service=service, until_s=until_s, folder=folder)

    return run


@pytest.fixture(scope="session")
def shared() -> Path:
    """The measured traces beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip("the measured traces are not beside this checkout")
    return SHARED


@pytest.fixture(scope="session")
def corpus() -> Path:
    """Broken and sound trace files."""
    return CORPUS
