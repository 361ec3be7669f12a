"""What every law of time is: a frozen value that gives seconds and can be written down."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simulator.errors import Problem, ScenarioError

Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]


@runtime_checkable
class Law(Protocol):
    """A law of time: knows its name and its parameters, and can be scaled."""

    @property
    def name(self) -> str:
        """Name in the registry and in files."""
        ...

    def parameters(self) -> dict[str, Any]:
        """Parameters as plain numbers, lists and mappings; ``law_from_parameters`` reads them back."""
        ...

    def scaled(self, factor: float) -> Any:
        """The same law with every time multiplied by ``factor``."""
        ...


@runtime_checkable
class BatchLaw(Law, Protocol):
    """Time of one batch as a function of the number of items in it."""

    def seconds(self, batch: ArrayLike) -> Floats:
        """Service time [s], same shape as ``batch``."""
        ...

    def extrapolates(self, batch: ArrayLike) -> Bools:
        """Where ``batch`` lies outside what the law itself knows to be measured."""
        ...


def as_batch(batch: ArrayLike) -> Floats:
    """Batch sizes as an array of floats."""
    return np.asarray(batch, dtype=np.float64)


def nowhere(batch: ArrayLike) -> Bools:
    """The answer of a closed formula to ``extrapolates``: it holds at every batch size."""
    return np.zeros(np.shape(np.asarray(batch)), dtype=np.bool_)


def require(law: str, *, at_least: float = 0.0, **numbers: float) -> None:
    """Refuse parameters that are not finite or lie below ``at_least``."""
    for key, value in numbers.items():
        if not math.isfinite(value) or value < at_least:
            limit = "finite" if at_least == -math.inf else f"finite and at least {at_least:g}"
            raise ScenarioError(Problem(f"law {law}: must be {limit}, got {value!r}", path=key))


def numbers(values: Sequence[float] | str | Floats) -> tuple[float, ...]:
    """A list of numbers, also when a file holds it as one text of numbers with blanks between them.

    >>> numbers("1 2 4.5")
    (1.0, 2.0, 4.5)
    """
    parts = values.split() if isinstance(values, str) else values
    return tuple(float(part) for part in parts)


def plain(values: Mapping[str, float]) -> dict[str, Any]:
    """Parameters as built-in floats, so that JSON and YAML write them without surprises."""
    return {key: float(value) for key, value in values.items()}
