"""What a streamed model yields: its figures, and every load, computation and return with start and end."""

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

KINDS = ("load", "compute", "return", "update", "read")
"""Of a layer over the link, its computation, what goes back, the server's update, and the read of its disk."""


@dataclass(frozen=True, eq=False)
class Actions:
    """All that was done in one stream, (n,) each, by device and in the order of ends; instants in seconds.

    ``kind``: position in ``KINDS``; ``layer``: which copy of layers, from 0; ``backward``: in the backward pass. A copy
    starts when it is asked for, so that one that meets a failure of the server takes until after the repair.
    """

    step: Ints
    device: Ints
    kind: Ints
    layer: Ints
    backward: NDArray[np.bool_]
    start_s: Floats
    end_s: Floats

    def frame(self) -> pd.DataFrame:
        """The actions as a tidy frame."""
        return frame_of(self, KINDS)


@dataclass(frozen=True)
class StreamRun:
    """One stream in one replication: a ``JobRun``."""

    name: str
    figures: Json
    actions: Actions
    uses: Sequence[DeviceUse]
    warnings: Sequence[str]
    failures: Sequence[tuple[float, float]] = ()
    """Failure and repair [s] of every outage of the parameter server while the stream ran."""

    def to_dict(self) -> Json:
        """Its figures; see the page on the scenario, ``streams``."""
        return self.figures

    @cached_property
    def timeline(self) -> pd.DataFrame:
        """One row per load, computation, return, update and read."""
        return self.actions.frame()
