"""What a plan carries, portion by portion, for exit rows of any shares."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from simulator.cluster.lower.exits import exit_layers
from simulator.costs.early_exit import Capacity, Costs, capacity, reach
from simulator.planner.exits.case import ExitCase
from simulator.planner.exits.rows import unequal
from simulator.planner.split import DeviceType, ModePlan

Floats = NDArray[np.float64]


def steady(case: ExitCase, plan: ModePlan, weights: Floats | None = None) -> Capacity:
    """The steady state of a plan; ``weights`` (rows,) are the shares of the exit rows, else those of the whole run.

    The search knows one number; here are the portions behind it, and what is still answered when one is overloaded.
    Kinds of device that share the whole model add their rates up.
    """
    weights = case.weights if weights is None else weights
    share = reach(exit_layers(case.source.fires(plan.ramps)), case.source.layers, unequal(weights))
    share /= share[0]  # sums of shares are rounded
    ramps = np.zeros((case.source.layers, 1))
    ramps[[ramp - 1 for ramp in plan.ramps]] = 1.0
    types = {device.name: device for device in case.problem.devices}
    mode: str = plan.exit_mode
    if mode == "at_cut" and plan.execution == "parallel":
        ends = (*plan.cuts, case.source.layers)
        costs = [_costs(types[pool], ramps, end) for pool, end in zip(plan.devices, ends)]
        return capacity(
            costs,
            share,
            plan.replicas,
            exit_mode="at_cut",
            cuts=plan.cuts,
            batch=plan.batch,
            overlap=case.problem.overlap,
        )
    kinds = [
        capacity(
            _costs(types[pool], ramps, case.source.layers),
            share,
            count,
            exit_mode=mode,  # type: ignore[arg-type]  # one of the modes of a scenario
            execution="serial" if plan.execution == "serial" else "parallel",
            cuts=plan.cuts,
            batch=plan.batch,
        )
        for pool, count in zip(plan.devices, plan.replicas)
    ]
    rate = sum(kind.rate for kind in kinds)
    portions = tuple(replace(portion, rate=rate, replicas=sum(plan.replicas)) for portion in kinds[0].portions)
    return Capacity(rate, portions)


def _costs(device: DeviceType, runs: Floats, end: int) -> Costs:
    return Costs(device.layer_s, device.ramp_s * runs, device.gather_s, device.send_s[end - 1])
