"""The exit modes of a service side by side: steady state, simulation, and which one to take."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from simulator.cluster import simulate
from simulator.cluster.lower.layers import placed
from simulator.errors import ScenarioError
from simulator.planner.exits.case import ExitCase, exit_case
from simulator.planner.exits.deployed import deployed
from simulator.planner.exits.notes import notes
from simulator.planner.split import ModePlan, Recommendation, best_whole, recommend
from simulator.results.units import below, stated
from simulator.scenario import Scenario

if TYPE_CHECKING:
    import pandas as pd

Json = dict[str, Any]
Progress = Callable[[float], None]
ORDER = ("none", "compact", "at_cut (parallel)", "at_cut (serial)", "answer_early")


@dataclass(frozen=True, slots=True)
class ModeFigures:
    """One mode at its best: the plan, and what a simulation of it at the scenario's load yields.

    ``load`` is the offered load as a share of the plan's capacity, None in a closed load. ``goodput`` [1/s],
    ``attainment`` and ``p99`` [s] come from simulation, None where there is no objective or no answer.
    """

    plan: ModePlan
    load: float | None
    goodput: float | None
    attainment: float | None
    p99: float | None

    def to_dict(self) -> Json:
        """As JSON values: the plan with ``pools`` by portion (or by kind), and the simulated figures."""
        plan = self.plan.to_dict()
        named = ("exit_mode", "execution", "cuts", "ramps", "replicas", "batch", "capacity")
        return {
            **{key: plan[key] for key in named},
            "pools": plan["devices"],
            "load": self.load,
            "goodput": self.goodput,
            "attainment": self.attainment,
            "p99": self.p99,
            "accuracy": plan["accuracy"],
            "cost_per_million": plan["cost_per_million"],
        }


@dataclass(frozen=True, slots=True)
class ExitComparison:
    """The answer: every mode at its own best set of ramps, cuts and replicas for the same devices, and the choice.

    ``offered`` load [1/s], None when closed; ``intervals`` of the batch sizes (first, last) at which splitting wins,
    of those up to ``largest_batch``; ``every_ramp`` is *compact* with all ramps of the model, as one would start.
    """

    scenario: str
    service: str
    offered: float | None
    devices: Mapping[str, int]
    modes: tuple[ModeFigures, ...]
    recommended: ModeFigures
    reason: str
    intervals: tuple[tuple[int, int], ...]
    largest_batch: int
    every_ramp: ModePlan | None
    notes: tuple[str, ...]

    def mode(self, name: str) -> ModeFigures | None:
        """A mode such as ``compact`` or ``at_cut (serial)``; None where the limits rule it out."""
        return next((found for found in self.modes if found.plan.name == name), None)

    def to_dict(self) -> Json:
        """As JSON values: ``{"modes": [...], "recommended": {...}, "reason": ..., ...}``."""
        naive = self.every_ramp
        return {
            "scenario": self.scenario,
            "service": self.service,
            "offered": self.offered,
            "devices": dict(self.devices),
            "modes": [mode.to_dict() for mode in self.modes],
            "recommended": self.recommended.to_dict(),
            "reason": self.reason,
            "winning_batches": [list(interval) for interval in self.intervals],
            "largest_batch": self.largest_batch,
            "every_ramp": None if naive is None else _short(naive),
            "notes": list(self.notes),
        }

    @property
    def frame(self) -> pd.DataFrame:
        """One row per mode."""
        from simulator.results.shown_table import frame_of

        return frame_of({**mode.to_dict(), "recommended": mode is self.recommended} for mode in self.modes)

    def _repr_html_(self) -> str:
        from simulator.planner.shown import exits_html

        return exits_html(self.to_dict())


def _short(plan: ModePlan) -> Json:
    tree = plan.to_dict()
    return {key: tree[key] for key in ("ramps", "capacity", "accuracy", "cost_per_million")}


def compare_exits(
    scenario: Scenario,
    service: str | None = None,
    *,
    batch: int | None = None,
    devices: int | Mapping[str, int] | None = None,
    progress: Progress | None = None,
) -> ExitComparison:
    """Compare *none*, *compact*, *at_cut* (parallel and serial) and *answer_early* for a service of a scenario.

    Each mode takes its own best set of ramps, cuts and replicas for the same devices at one batch size; see
    ``exit_case`` for the arguments. The choice is between *none*, *compact* and *at_cut* in parallel, and falls on what
    carries most, the simpler one when equal; the simulation shows every one of them at the load of the scenario.
    """
    case = exit_case(scenario, service, batch, devices)
    try:
        answer = recommend(case.problem, case.batch, tagged=False)
    except ScenarioError as error:
        raise placed(scenario, ("services", case.service), error) from None
    plans = {plan.name: plan for plan in answer.modes}
    reason = answer.reason
    if len(case.devices) > 1 and "at_cut (serial)" in plans:
        reason = _serial_on_one_type(case, plans, reason)
    modes = []
    for number, name in enumerate(name for name in ORDER if name in plans):
        modes.append(_simulated(case, plans[name], _part(progress, number, len(plans))))
    named = [mode for mode in modes if mode.plan.name == answer.recommended.name]
    chosen = named[0] if named else max(modes, key=lambda mode: mode.plan.capacity)
    return ExitComparison(
        scenario=scenario.name,
        service=case.service,
        offered=case.rate,
        devices=dict(case.devices),
        modes=tuple(modes),
        recommended=chosen,
        reason=reason,
        intervals=answer.intervals,
        largest_batch=answer.looked_at[-1],
        every_ramp=best_whole(case.problem, "compact", case.batch, ramps=case.source.ramps),
        notes=(*_late(case, chosen, modes), *notes(case, chosen.plan, _missing(answer))),
    )


def _late(case: ExitCase, chosen: ModeFigures, modes: list[ModeFigures]) -> Iterator[str]:
    """Steady state decides, but what misses its objective in simulation is said to do so."""
    target = case.spec.slo.attainment if case.spec.slo else None
    if target is None or chosen.attainment is None or chosen.attainment >= target:
        return
    kept = [mode.plan.name for mode in modes if mode.attainment is not None and mode.attainment >= target]
    others = f"{', '.join(kept)} would" if kept else "no mode would"
    yield (
        f"at this load {chosen.plan.name} misses the objective: {below(chosen.attainment, target)} of the requests are "
        f"in time, {stated(target, 'share')} are asked for; {others} keep it"
    )


def _missing(answer: Recommendation) -> list[str]:
    return [name for name in ORDER if answer.mode(name) is None]


def _serial_on_one_type(case: ExitCase, plans: dict[str, ModePlan], reason: str) -> str:
    """Serial replicas are of one type: the best of the types alone takes the place of a plan on all of them."""
    mixed = plans.pop("at_cut (serial)")
    found = [
        best_whole(replace(case.problem, devices=(device,)), "serial", case.batch) for device in case.problem.devices
    ]
    best = max((plan for plan in found if plan is not None), key=lambda plan: plan.capacity, default=None)
    if best is not None:
        plans[best.name] = best
    said = f"; in serial {mixed.capacity:,.0f}/s, with survivors waiting in buffers"
    return reason.replace(said, "")


def _part(progress: Progress | None, number: int, count: int) -> Progress | None:
    return None if progress is None else lambda share: progress((number + share) / count)


def _simulated(case: ExitCase, plan: ModePlan, progress: Progress | None) -> ModeFigures:
    figures = simulate(deployed(case, plan), progress=progress).to_dict()["services"][case.service]
    return ModeFigures(
        plan=plan,
        load=None if case.rate is None else case.rate / plan.capacity,
        goodput=figures["goodput"],
        attainment=figures["attainment"],
        p99=figures["latency"]["p99"],
    )
