"""Stage times of a pipeline from the layers of a model: the partition into consecutive stages, balanced exactly.

Stages are virtual stages: a pipeline of p ranks and v chunks has p v of them, and they are what is balanced.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simulator.errors import Problem, ScenarioError

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer and one microbatch: times [s] of forward, input gradient, weight gradient; bytes.

    ``state_bytes`` are held all the time (weights, gradients, optimizer), ``activation_bytes`` for every microbatch
    in flight, ``output_bytes`` go to the next layer.
    """

    forward_s: float
    backward_input_s: float = 0.0
    backward_weight_s: float = 0.0
    state_bytes: float = 0.0
    activation_bytes: float = 0.0
    output_bytes: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not (math.isfinite(value) and value >= 0.0):
                raise ScenarioError(Problem(f"must be finite and not negative, got {value}", path=field.name))

    @property
    def seconds(self) -> float:
        """Forward and whole backward of one microbatch [s]."""
        return self.forward_s + self.backward_input_s + self.backward_weight_s


@dataclass(frozen=True, slots=True)
class Partition:
    """Consecutive layers by stage: ``ends[k]`` layers lie in the stages up to and including k."""

    layers: tuple[Layer, ...]
    ends: tuple[int, ...]

    @property
    def stages(self) -> int:
        """Number of virtual stages."""
        return len(self.ends)

    def members(self, stage: int) -> tuple[Layer, ...]:
        """The layers of one stage."""
        return self.layers[self.ends[stage - 1] if stage else 0 : self.ends[stage]]

    def total(self, quantity: str) -> Floats:
        """Sum of one field of ``Layer`` (or ``seconds``) by stage, as ``times_of`` wants its times."""
        sums = [math.fsum(getattr(layer, quantity) for layer in self.members(k)) for k in range(self.stages)]
        return np.array(sums)

    def transfer_s(self, bytes_per_s: float, latency_s: float = 0.0) -> Floats:
        """Time of the transfer from every stage to the next [s]."""
        return np.array([latency_s + self.layers[end - 1].output_bytes / bytes_per_s for end in self.ends[:-1]])


def partition(
    layers: Sequence[Layer],
    stages: int,
    *,
    memory_bytes: ArrayLike = math.inf,
    in_flight: ArrayLike = 1.0,
) -> Partition:
    """Cut ``layers`` into ``stages`` runs with the least largest stage time; of these, the least sum of squares.

    ``memory_bytes`` is what a stage may hold, ``in_flight`` how many microbatches it holds at once (1F1B: ``p - s``),
    one number or one per stage. Exact, by dynamic programming in O(stages layers^2). Times count as equal within
    1e-12 of the longest, so that rounding chooses nothing. Raises ``ScenarioError`` where no partition fits.

    >>> [len(partition([Layer(t) for t in (1.0, 1.0, 1.0, 3.0)], 2).members(k)) for k in range(2)]
    [3, 1]
    """
    if not 1 <= stages <= len(layers):
        raise ScenarioError(
            Problem(f"must be from 1 to the number of layers ({len(layers)}), got {stages}", path="stages")
        )
    many = _each("in_flight", in_flight, stages)
    if np.isinf(many).any():
        raise ScenarioError(Problem("must be finite", path="in_flight"))
    fits = _fitting(layers, _each("memory_bytes", memory_bytes, stages), many)
    sums = _sums([layer.seconds for layer in layers])
    longest, _ = _best(sums, fits, largest=True)
    if not math.isfinite(longest):
        raise ScenarioError(_too_small(layers, stages))
    short = sums <= longest * (1.0 + 1e-12)
    _, ends = _best(sums, [where & short for where in fits], largest=False)
    return Partition(tuple(layers), ends)


def _each(name: str, value: ArrayLike, stages: int) -> Floats:
    given = np.asarray(value, dtype=np.float64)
    if given.shape not in ((), (stages,)) or np.isnan(given).any() or (given < 0.0).any():
        raise ScenarioError(
            Problem(f"needs one number of at least 0, or one for each of the {stages} stages", path=name)
        )
    return np.broadcast_to(given, (stages,))


def _sums(values: Sequence[float]) -> Floats:
    """Sum of layers i to j - 1 at [i, j]; infinite where that is no run."""
    size = len(values) + 1
    found = np.full((size, size), math.inf)
    for i in range(size - 1):
        found[i, i + 1 :] = np.cumsum(values[i:])
    return found


def _fitting(layers: Sequence[Layer], memory: Floats, in_flight: Floats) -> list[NDArray[np.bool_]]:
    """For every stage, which runs fit into its memory."""
    state = _sums([layer.state_bytes for layer in layers])
    activations = _sums([layer.activation_bytes for layer in layers])
    run = np.isfinite(state)
    held = np.where(run, activations, 0.0)
    return [run & (state + many * held <= most) for most, many in zip(memory.tolist(), in_flight.tolist(), strict=True)]


def _best(sums: Floats, fits: Sequence[NDArray[np.bool_]], *, largest: bool) -> tuple[float, tuple[int, ...]]:
    """Least largest sum (or least sum of squares) over the runs that fit, and the ends of its stages."""
    count = len(sums) - 1
    reached = np.full(count + 1, math.inf)
    reached[0] = 0.0
    steps = []
    for fit in fits:
        alone = np.where(fit, sums if largest else sums**2, math.inf)
        together = np.maximum(reached[:, None], alone) if largest else reached[:, None] + alone
        steps.append(together.argmin(axis=0))
        reached = together.min(axis=0)
    ends, end = [], count
    for step in reversed(steps):
        ends.append(end)
        end = int(step[end])
    return float(reached[count]), tuple(reversed(ends))


def _too_small(layers: Sequence[Layer], stages: int) -> Problem:
    largest = max(layer.state_bytes + layer.activation_bytes for layer in layers)
    message = (
        f"no partition into {stages} stages fits: the largest layer alone holds {largest / 2**30:.3g} GiB with one"
        " microbatch in flight; use more stages, fewer microbatches in flight or recomputation"
    )
    return Problem(message, path="memory_bytes")
