"""What every backend offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from simulator.calibration.measure.machine import flags, processor
from simulator.calibration.measure.network import Floats32, Network
from simulator.calibration.measure.probe import Call, Clock, ThreadClock
from simulator.errors import Problem, ScenarioError


class Model(Protocol):
    """A network at one variant, ready to run."""

    def bind(self, x: Floats32) -> Call:
        """The pass over these inputs."""
        ...

    def numbers(self, result: Any) -> NDArray[np.float64]:
        """What a pass gave, as numbers."""
        ...


class Backend(ABC):
    """One library on one device.

    ``precisions`` holds the precision of every variant.
    """

    name: str
    precisions: Mapping[str, str]
    clock: Clock

    def __init__(self) -> None:
        self.clock = ThreadClock()

    @property
    @abstractmethod
    def version(self) -> str:
        """Version of the library."""

    @abstractmethod
    def load(self, network: Network, variant: str) -> Model:
        """The network at a variant; raises ``Unavailable`` when it does not run here."""

    def usually(self, network: Network) -> tuple[str, ...]:
        """The variants that are measured when none is named: all that are worth their time."""
        return tuple(self.precisions)

    def alone(self) -> AbstractContextManager[object]:
        """One thread while this is entered, as many as before afterwards."""
        return nullcontext()

    def provenance(self) -> Mapping[str, str | int]:
        """Cells that say what measured, and where."""
        return {
            "backend": self.name,
            "version": self.version,
            "processor": processor(),
            "isa": flags(),
            "threads": 1,
            "clock": self.clock.name,
        }


def imported(module: str) -> Any:
    """A module that only measuring needs; ImportError says what became of it."""
    try:
        found = import_module(module)
    except ModuleNotFoundError as error:
        raise ImportError("is not installed" if error.name == module else f"cannot be imported ({error})") from error
    except (ImportError, OSError) as error:  # a library of which a part is missing fails with OSError
        raise ImportError(f"cannot be imported ({error})") from error
    if getattr(found, "__file__", None) is None:  # any folder of that name passes for a package
        raise ImportError("is not installed")
    return found


def needed(module: str, backend: str, remedy: str) -> Any:
    """A module that only measuring needs; ScenarioError with the remedy where it is not there."""
    try:
        return imported(module)
    except ImportError as error:
        raise ScenarioError(Problem(f"needs {module}, which {error}: {remedy}", path=f"--backend {backend}")) from error
