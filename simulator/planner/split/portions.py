"""Device time that portions ask for: by cut set (ramps at cuts), and of every portion of the chain (tagged)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from simulator.planner.split.chain import ChainProblem
from simulator.planner.split.cutsets import CutSets
from simulator.planner.split.exits import Floats, Ints
from simulator.planner.split.problem import SplitProblem, busy_seconds, has_ramp


def set_costs(problem: SplitProblem, batch: int, sets: CutSets) -> tuple[Floats, Floats]:
    """Busy time of a batch, and the same times the survival into the portion [s]: (sets, portions, types).

    Portions beyond the last cost nothing; those that do not fit a device are infinite.
    """
    start, end = portion_bounds(sets)
    enter = sets.survive
    onward = np.concatenate([enter[:, 1:], np.zeros((len(enter), 1))], axis=1)
    stay = np.divide(onward, enter, out=np.zeros_like(enter), where=enter > 0)
    busy = np.empty((*start.shape, len(problem.devices)))
    for kind, device in enumerate(problem.devices):
        ramp_s = np.append(0.0, device.ramp_s[:, batch]) * has_ramp(problem)
        flat = busy_seconds(problem, device, batch, start.ravel(), end.ravel(), stay.ravel(), ramp_s[end.ravel()])
        busy[:, :, kind] = flat.reshape(start.shape)
    busy += np.where((start < end)[:, :, None], problem.fits()[np.minimum(start, problem.layers - 1), end], 0.0)
    return busy, _times(busy, enter)


def portion_bounds(sets: CutSets) -> tuple[Ints, Ints]:
    """First layer (from 0) and end of every portion, (sets, portions); empty ones start and end behind the last."""
    count = len(sets.cuts)
    start = np.concatenate([np.zeros((count, 1), dtype=np.int64), sets.cuts], axis=1)
    return start, np.concatenate([sets.cuts, np.full((count, 1), sets.layers)], axis=1)


def tagged_chain(problem: SplitProblem, batch: int, *, all_ramps: bool = True) -> ChainProblem:
    """Costs of every portion when survival does not depend on the cuts.

    With ``all_ramps=False`` a lower bound for ramps at the cuts only: only the cut's ramp is paid for, everybody whom
    any ramp answers is gone, and a transfer takes its best affine lower bound, so that every cost falls with survival.
    """
    survival, accuracy = problem.exits.tagged()
    layers, limits = problem.layers, problem.limits
    start, end = (np.ravel(axis) for axis in np.meshgrid(np.arange(layers), np.arange(layers + 1), indexing="ij"))
    enter, onward = survival[start], np.append(survival, 0.0)[end]
    stay = np.clip(np.divide(onward, enter, out=np.zeros_like(enter), where=enter > 0), 0.0, 1.0)
    service = np.empty((layers, layers + 1, len(problem.devices)))
    for kind, device in enumerate(problem.devices):
        sender = device if all_ramps else replace(device, send_s=_affine_floor(device.send_s[:, : batch + 1]))
        ramp_s = np.append(0.0, device.ramp_s[:, batch]) * has_ramp(problem)
        total = np.cumsum(ramp_s)
        ramps = np.where(end == layers, 0.0, total[end] - total[start] if all_ramps else ramp_s[end])
        busy = busy_seconds(problem, sender, batch, start, end, stay, ramps)
        service[:, :, kind] = np.where(start < end, busy, np.inf).reshape(layers, layers + 1)
    service += problem.fits()
    if limits.accuracy is not None and all_ramps:
        service[~(accuracy >= limits.accuracy), layers] = np.inf
    most = layers if limits.max_cuts is None else min(limits.max_cuts + 1, layers)
    return ChainProblem(_times(service, survival[:, None]), problem.counts, most, service, limits.most_service_s)


def _affine_floor(table: Floats) -> Floats:
    """The steepest ``a + c k`` below each row, a its least value."""
    k = np.arange(table.shape[1])
    base = table.min(axis=1, keepdims=True)
    slope = ((table[:, 1:] - base) / k[1:]).min(axis=1, keepdims=True)
    floor: Floats = base + slope * k
    return floor


def _times(busy: Floats, enter: Floats) -> Floats:
    """Busy times of every type by survival; what is not allowed stays so even where nobody gets to."""
    out = np.isinf(busy)
    cost: Floats = np.where(out, np.inf, np.where(out, 0.0, busy) * enter[..., None])
    return cost
