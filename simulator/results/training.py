"""What a training yields: its figures, and every op, all-reduce and optimizer step with start and end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from simulator.results.cohort import Json
from simulator.results.jobs import DeviceUse, frame_of
from simulator.results.record import Floats, Ints

if TYPE_CHECKING:
    import pandas as pd

KINDS = ("F", "B", "W", "BW", "all-reduce", "optimizer")
"""Forward, gradient of the input, of the weights, full backward, and what ends an iteration."""


@dataclass(frozen=True, eq=False)
class Ops:
    """All that ran in one training, (n,) each, in order of iteration, copy and stage; instants in seconds.

    ``kind``: position in ``KINDS``. ``stage``: the device's place in its pipeline; ``chunk``: which of its portions of
    the model; ``microbatch``. Chunk and microbatch are -1 for all-reduce and optimizer step.
    """

    iteration: Ints
    copy: Ints
    stage: Ints
    chunk: Ints
    kind: Ints
    microbatch: Ints
    fused: NDArray[np.bool_]
    start_s: Floats
    end_s: Floats

    def frame(self) -> pd.DataFrame:
        """The ops as a tidy frame; ``fused`` ones run in one go with the op before."""
        return frame_of(self, KINDS)


@dataclass(frozen=True)
class TrainingRun:
    """One training in one replication: a ``JobRun``."""

    name: str
    figures: Json
    ops: Ops
    uses: Sequence[DeviceUse]
    warnings: Sequence[str]
    failures: Sequence[tuple[int, float, float]] = ()
    """Device, instant and restart [s] of every failure."""

    def to_dict(self) -> Json:
        """Its figures; see the page on results."""
        return self.figures

    @cached_property
    def timeline(self) -> pd.DataFrame:
        """One row per op, all-reduce and optimizer step of the iterations that were finished."""
        return self.ops.frame()
