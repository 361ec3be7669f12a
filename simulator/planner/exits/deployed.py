"""A plan of the steady state as a scenario: its deployment in place of the written one."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

from simulator.costs.early_exit.reading import load_table
from simulator.planner.exits.case import ExitCase
from simulator.planner.split import ModePlan
from simulator.scenario import Scenario
from simulator.scenario.deployment import Deployment, LayerRange, Portion
from simulator.scenario.exits import Exits, ProfileExits, TableExits
from simulator.scenario.model import Model

FILLS = 3.0
"""Survivors of serial execution wait this many times as long as their buffer takes to fill at capacity."""
WAITING = 0.5
"""At most this share of what the objective leaves beside the service times is spent on such waits."""


def deployed(case: ExitCase, plan: ModePlan) -> Scenario:
    """The scenario with the plan's deployment, for the whole run, and with those ramps that run in it.

    Batches do not wait to fill (``max_wait`` 0): an idle replica takes what there is, and under load batches fill by
    themselves. Only buffers between the portions of serial execution wait, else they would be served one by one.
    """
    spec = case.spec
    model = _model(case, plan)
    service = spec.model_copy(update={"deployment": _deployment(case, plan), "deployments": None})
    return case.scenario.model_copy(
        update={"services": {case.service: service}, "models": {**case.scenario.models, spec.model: model}}
    )


def _deployment(case: ExitCase, plan: ModePlan) -> Deployment:
    serial = plan.execution == "serial"
    layers = [_range(text) for text in plan.layers(case.source.layers)]
    if plan.exit_mode == "at_cut" and not serial:
        placed = list(zip(layers, plan.devices, plan.replicas))
    elif serial:
        placed = [(one, plan.devices[0], 0) for one in layers]
    else:
        placed = [(layers[0], pool, count) for pool, count in zip(plan.devices, plan.replicas)]
    waits = _waits(case, plan) if serial else [0.0] * len(placed)
    portions = [
        Portion(
            layers=where,
            pool=pool,
            replicas=count or None,
            batch=plan.batch,
            precision=case.precision[pool],
        ).model_copy(update={"max_wait": wait})
        for (where, pool, count), wait in zip(placed, waits)
    ]
    return Deployment(
        exit_mode=_mode(plan),
        execution="serial" if serial else "parallel",
        routing=case.spec.timeline[0][1].routing,
        replicas=plan.replicas[0] if serial else None,
        portions=tuple(portions),
    )


def _mode(plan: ModePlan) -> Any:
    """A batch that no ramp makes smaller is one of the whole model."""
    return "none" if plan.exit_mode != "at_cut" and not plan.ramps else plan.exit_mode


def _range(text: str) -> LayerRange:
    first, _, last = text.partition("-")
    return LayerRange(first=int(first), last=int(last or first))


def _waits(case: ExitCase, plan: ModePlan) -> list[float]:
    """``max_wait`` by portion [s]: nothing for the first, then fills of ``B n / (C S)`` each, within the deadline."""
    fills = [plan.batch * plan.device_count / (plan.capacity * share) if share else 0.0 for share in plan.survival[1:]]
    waits = [FILLS * fill for fill in fills]
    deadline_s = case.problem.limits.service_s
    if isfinite(deadline_s) and sum(waits) > 0:
        room = WAITING * max(deadline_s - plan.service_s, 0.0)
        waits = [wait * min(1.0, room / sum(waits)) for wait in waits]
    return [0.0, *waits]


def _model(case: ExitCase, plan: ModePlan) -> Model:
    """The model with the plan's ramps only; at cuts the others do not run anyway."""
    model, kept = case.costs.model, plan.ramps
    if plan.exit_mode in ("none", "at_cut") or not kept or kept == case.source.ramps:
        return model
    assert model.ramps is not None
    assert model.exits is not None
    ramps = model.ramps.model_copy(update={"after": kept})
    return model.model_copy(update={"ramps": ramps, "exits": _exits(case, model.exits, kept)})


def _exits(case: ExitCase, written: Exits, kept: tuple[int, ...]) -> Exits:
    ramps = case.source.ramps
    if isinstance(written, ProfileExits):
        # who would leave at a ramp that does not run leaves at the next one
        shares, waiting = [], 0.0
        for ramp, share in zip(ramps, written.profile):
            waiting += share
            if ramp in kept:
                shares.append(min(waiting, 1.0))
                waiting = 0.0
        return written.model_copy(update={"profile": tuple(shares)})
    rule = written.rule.model_copy(update=_thresholds(written.rule.model_dump(), ramps, kept))
    return written.model_copy(update={"rule": rule, "after": _after(case, written)})


def _thresholds(rule: Mapping[str, Any], ramps: tuple[int, ...], kept: tuple[int, ...]) -> dict[str, Any]:
    """Lists of one threshold per ramp, without those that do not run."""
    return {
        name: tuple(one for one, ramp in zip(value, ramps) if ramp in kept)
        for name, value in rule.items()
        if isinstance(value, tuple | list)
    }


def _after(case: ExitCase, written: Any) -> tuple[int, ...]:
    """Layers that the exits of the table follow, said aloud: with fewer ramps they cannot be guessed any more."""
    if written.after is not None:
        known: tuple[int, ...] = written.after
        return known
    file = written.table if isinstance(written, TableExits) else next(iter(written.sources.values())).file
    exits = load_table(case.scenario.source.folder / file).exits
    return case.source.ramps if exits == len(case.source.ramps) + 1 else tuple(range(1, case.source.layers))
