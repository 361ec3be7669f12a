"""The one call that finds a plan: bind, search, verify, certify."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from simulator.errors import Problem, ScenarioError
from simulator.planner.optimize.certificate import binding, finite, left_out_rows, rejected_rows
from simulator.planner.optimize.judge.crew import Crew
from simulator.planner.optimize.judge.headroom import headroom
from simulator.planner.optimize.judge.ledger import Ledger, opened
from simulator.planner.optimize.judge.simulated import SimulationJudge
from simulator.planner.optimize.objectives.solvers import SOLVERS
from simulator.planner.optimize.objectives.trade import trade_offs
from simulator.planner.optimize.optimized import Choices, Optimized, Progress
from simulator.planner.optimize.problem import PlannedLoad
from simulator.planner.optimize.ready import Ready, ready
from simulator.planner.optimize.rounds import Outcome, search_and_verify
from simulator.planner.optimize.search.found import PROVEN, Limit
from simulator.planner.optimize.search.program import cost_of
from simulator.planner.optimize.space.deploy import deployment_of
from simulator.planner.optimize.write import plan_of
from simulator.results.cohort import Json
from simulator.scenario import Scenario
from simulator.scenario.planfile import Plan

if TYPE_CHECKING:
    from simulator.planner.optimize.verify.plan import Verification

__all__ = ["Optimized", "Progress", "optimize"]


def optimize(
    scenario: Scenario,
    *,
    load: PlannedLoad | None = None,
    time_limit: float | None = None,
    evaluations: int | None = None,
    workers: int | None = None,
    ledger: str | os.PathLike[str] | None = None,
    pareto: bool = False,
    progress: Callable[[Progress], object] | None = None,
) -> Optimized:
    """Find what to deploy in every window, say how good that is, and verify it by simulation.

    What is searched and what must hold is the scenario's section ``planner``. ``load`` takes the place of its forecast;
    ``time_limit`` [s] ends the search early, ``evaluations`` the number of simulations; the best found until then is
    verified. With a ``ledger`` file every candidate tried is kept, and a later search goes on from it. The result does
    not depend on the number of ``workers`` (processes), unless a time limit cuts it short.

    Raises ScenarioError for what cannot be planned at all, with its place.
    """
    _check(time_limit, evaluations, workers)
    started = time.monotonic()
    if progress is not None:
        progress(Progress("forecasting" if scenario.planner and scenario.planner.forecast else "preparing"))
    here = ready(scenario, load)
    limit = Limit(evaluations or here.planner.search.evaluations, time_limit)
    with _ledger(here.scenario, ledger) as kept, Crew(workers) as crew:
        judge = SimulationJudge(here.scenario, here.spaces, here.load, deployment_of, workers, kept, crew)
        solver = SOLVERS[here.planner.objective](here, judge)
        outcome = search_and_verify(here, solver, crew, limit, progress)
        certificate = _certificate(here, judge, outcome)
        traded = None
        if pareto and not outcome.interrupted:
            traded = trade_offs(here, judge, outcome.last.choices)
    certificate |= {"evaluations": judge.simulated, "seconds": time.monotonic() - started}
    told = _told(here, outcome, certificate, kept)
    return replace(told, pareto=traded, plan=_with_front(told.plan, traded))


def _with_front(plan: Plan | None, traded: list[Json] | None) -> Plan | None:
    """The plan whose certificate holds the trade-offs as well, so that its file can show them."""
    if plan is None or traded is None:
        return plan
    return plan.model_copy(update={"certificate": {**(plan.certificate or {}), "pareto": traded}})


def _check(time_limit: float | None, evaluations: int | None, workers: int | None) -> None:
    if time_limit is not None and not time_limit > 0:
        raise ScenarioError(Problem(f"must be greater than 0, got {time_limit!r}", path="time_limit"))
    for name, value in (("evaluations", evaluations), ("workers", workers)):
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
            raise ScenarioError(Problem(f"must be a whole number from 1 on, got {value!r}", path=name))


@contextmanager
def _ledger(scenario: Scenario, path: str | os.PathLike[str] | None) -> Iterator[Ledger]:
    if path is None:
        yield Ledger()
        return
    with opened(Path(path), scenario) as kept:
        yield kept


def _certificate(here: Ready, judge: SimulationJudge, outcome: Outcome) -> Json:
    """How good the last choice is. Bounds are those of the search before anything was verified."""
    first, last, objective = outcome.first, outcome.last, here.planner.objective
    gaps = first.bounds.gaps(last.value, most=objective != "cost")
    holds = outcome.verification is not None and outcome.verification.holds
    proven = holds and gaps["search"] is not None and gaps["search"] <= PROVEN
    certificate: Json = {
        "objective": objective,
        "value": finite(last.value) if last.choices is not None else None,
        "bounds": first.bounds.to_dict(),
        "gaps": gaps if last.choices is not None else dict.fromkeys(gaps),
        "proven": proven,
        "complete": all(space.complete for space in here.spaces),
        "stopped": first.stopped,
        "rounds": outcome.rounds,
        "refuted": list(outcome.refuted),
        "shapes": sum(len(space.shapes) for space in here.spaces),
        "seed": here.scenario.seed,
        "rejected": [*rejected_rows(here.problem, last.rejected, objective, proven), *left_out_rows(here.problem)],
    }
    if last.choices is not None and not outcome.interrupted and objective == "cost":
        certificate |= _room(here, judge, last.choices)
    return certificate


def _room(here: Ready, judge: SimulationJudge, choices: Choices) -> Json:
    """What binds, and how much more load the plan carries."""
    picks = [[(one.shape, one.replicas) for one in line] for line in choices]
    room = headroom(judge, here.spaces, here.load, picks)
    window = here.load.windows[room.window]
    told = {**room.to_dict(), "window": [window.start_s, window.end_s]}
    return {"binding": binding(here.problem, judge, choices), "headroom": told}


def _told(here: Ready, outcome: Outcome, certificate: Json, kept: Ledger) -> Optimized:
    checked = outcome.verification
    verification = None if checked is None else checked.to_dict()
    notes = [note for space in here.spaces for note in space.notes]
    notes += [kept.note] if kept.note else []
    plan = None
    if outcome.last.choices is not None:
        plan = plan_of(here.scenario, outcome.last.load, here.spaces, outcome.last.choices, certificate, checked)
    holds = checked is not None and checked.holds
    return Optimized(
        scenario=here.scenario,
        objective=here.planner.objective,
        load=outcome.last.load,
        pools=here.pools,
        spaces=here.spaces,
        choices=outcome.last.choices,
        plan=plan,
        holds=holds,
        reason=None if holds else _why(outcome, checked),
        certificate=certificate,
        verification=verification,
        cost=_cost(here, outcome.last.choices),
        tried=kept.frame(),
        interrupted=outcome.interrupted,
        notes=tuple(notes),
    )


def _why(outcome: Outcome, checked: Verification | None) -> str:
    if outcome.last.choices is None:
        return outcome.last.reason or "nothing was found"
    if checked is None:
        return "interrupted before the best plan found was verified"
    return f"the best plan found does not pass its verification: {checked.reason}"


def _cost(here: Ready, choices: Choices | None) -> Json | None:
    if choices is None:
        return None
    nodes = [[(one.shape, one.replicas) for one in line] for line in choices]
    total, _ = cost_of(here.problem, nodes)
    held = sum(
        space.price_per_hour(one.shape, one.replicas) * window.hours
        for space, line in zip(here.spaces, choices)
        for one, window in zip(line, here.load.windows)
    )
    return {"total": total, "per_hour": total / here.hours, "switching": max(total - held, 0.0)}
