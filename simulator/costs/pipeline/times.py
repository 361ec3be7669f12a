"""How long the ops of a pipeline take, what its transfers cost and what ends an iteration. All times in seconds."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simulator.costs.pipeline.ops import BW, B, F, Kind, Schedule, W
from simulator.errors import Problem, ScenarioError

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Times:
    """Times of one microbatch [s]; a full backward takes ``backward_input + backward_weight``.

    ``forward``, ``backward_input``, ``backward_weight``: per virtual stage. ``transfer``: activations from stage s to
    s + 1, ``transfer_back``: gradients from s + 1 to s, each per boundary s = 0 .. stages - 2; they cost nothing where
    both stages are on one rank. ``fused``: time of a fused cell relative to its parts one after the other.
    ``overlap``: transfers run beside compute; if not, the sender starts nothing new until all has arrived.
    """

    forward: Floats
    backward_input: Floats
    backward_weight: Floats
    transfer: Floats
    transfer_back: Floats
    fused: float = 1.0
    overlap: bool = True

    def __post_init__(self) -> None:
        stages = len(self.forward)
        for field in fields(self):
            value = np.asarray(getattr(self, field.name))
            expected = {"transfer": stages - 1, "transfer_back": stages - 1, "fused": None, "overlap": None}
            size = expected.get(field.name, stages)
            if size is not None and value.shape != (size,):
                raise _refused(field.name, f"needs {size} times for {stages} stages, got shape {value.shape}")
            if not np.all(np.isfinite(value) & (value >= 0.0)):
                raise _refused(field.name, "must be finite and not negative")

    @property
    def stages(self) -> int:
        """Number of virtual stages."""
        return len(self.forward)

    def per_stage(self, kind: Kind) -> Floats:
        """Time of one op of this kind, by stage."""
        if kind is BW:
            return self.backward_input + self.backward_weight
        return {F: self.forward, B: self.backward_input, W: self.backward_weight}[kind]

    def transfers(self) -> list[float]:
        """Cost of every edge of a ``Graph``: none, activations by boundary, gradients by boundary."""
        return [0.0, *self.transfer.tolist(), *self.transfer_back.tolist()]


def _refused(name: str, text: str) -> ScenarioError:
    return ScenarioError(Problem(text, path=name))


def times_of(
    stages: int,
    forward: ArrayLike,
    backward_input: ArrayLike = 0.0,
    backward_weight: ArrayLike = 0.0,
    transfer: ArrayLike = 0.0,
    transfer_back: ArrayLike | None = None,
    *,
    fused: float = 1.0,
    overlap: bool = True,
) -> Times:
    """Times of so many virtual stages; one number stands for all of them, gradients move like activations unless given.

    >>> times_of(3, 1.0, 1.0, 0.5, transfer=0.1).transfer.tolist()
    [0.1, 0.1]
    """
    back = transfer if transfer_back is None else transfer_back
    return Times(
        _spread("forward", forward, stages),
        _spread("backward_input", backward_input, stages),
        _spread("backward_weight", backward_weight, stages),
        _spread("transfer", transfer, stages - 1),
        _spread("transfer_back", back, stages - 1),
        fused,
        overlap,
    )


def rank_times(
    schedule: Schedule, forward: float, backward_input: float = 0.0, backward_weight: float = 0.0, transfer: float = 0.0
) -> Times:
    """Times of a model in equal stages, given for one of p stages: where there are n p of them, each takes 1/n.

    Chimera and DualPipe hold the p stages twice, in two directions: their stages take what is given.
    """
    parts = schedule.stages / schedule.ranks
    return times_of(schedule.stages, forward / parts, backward_input / parts, backward_weight / parts, transfer)


def _spread(name: str, value: ArrayLike, size: int) -> Floats:
    given = np.asarray(value, dtype=np.float64)
    if given.ndim == 0:
        return np.full(size, given)
    if given.shape != (size,):
        raise _refused(name, f"needs one time, or {size} of them, got shape {given.shape}")
    return given.copy()
