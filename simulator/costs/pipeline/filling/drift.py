"""Whether a training still is what its windows were computed for: measured times and microbatches against a band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from simulator.costs.pipeline.ops import BW, B, F, W
from simulator.costs.pipeline.timeline import Timeline
from simulator.costs.pipeline.times import Floats, Times


def measured_times(lines: Sequence[Timeline], believed: Times) -> Times:
    """Mean time of every kind of op on every stage in these timelines; what did not run keeps its believed time.

    A full backward is split like the believed one (in halves where that took no time). Fused cells run two ops at once
    and tell nothing of each. Transfers keep their believed times.
    """
    ops = lines[0].schedule.arrays
    partner = np.append(ops.fused[1:], False)
    alone = ~(ops.fused | partner)
    seconds = np.mean([line.end - line.start for line in lines], axis=0)

    def mean(kind: int, otherwise: Floats) -> Floats:
        rows = alone & (ops.kind == kind)
        count = np.bincount(ops.stage[rows], minlength=believed.stages)
        total = np.bincount(ops.stage[rows], weights=seconds[rows], minlength=believed.stages)
        return np.where(count > 0, total / np.maximum(count, 1), otherwise)

    whole = believed.per_stage(BW)
    full = mean(BW, whole)
    share = np.where(whole > 0.0, believed.backward_input / np.where(whole > 0.0, whole, 1.0), 0.5)
    return replace(
        believed,
        forward=mean(F, believed.forward),
        backward_input=mean(B, np.where(full != whole, full * share, believed.backward_input)),
        backward_weight=mean(W, np.where(full != whole, full * (1.0 - share), believed.backward_weight)),
    )


def drifted(believed: Times, measured: Times, band: float, microbatches: tuple[int, int] | None = None) -> bool:
    """Whether any time has left ``believed (1 +- band)``, or the number of microbatches (believed, seen) has changed
    by more than the band.

    >>> from simulator.costs.pipeline import times_of
    >>> drifted(times_of(2, 1.0), times_of(2, 1.05), 0.1), drifted(times_of(2, 1.0), times_of(2, 1.2), 0.1)
    (False, True)
    """
    if microbatches is not None and abs(microbatches[1] - microbatches[0]) > band * microbatches[0]:
        return True
    pairs = [
        (believed.forward, measured.forward),
        (believed.per_stage(BW), measured.per_stage(BW)),
        (believed.backward_input, measured.backward_input),
        (believed.backward_weight, measured.backward_weight),
    ]
    return any(bool((np.abs(new - old) > band * old).any()) for old, new in pairs)
