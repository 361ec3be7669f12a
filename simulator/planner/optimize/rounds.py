"""Search, verify, and search on with more room where the verification misses."""

from __future__ import annotations

import time
from dataclasses import dataclass

from simulator.planner.optimize.judge.crew import Crew
from simulator.planner.optimize.objectives.solvers import Attempt, Solver, Tell, share_of
from simulator.planner.optimize.optimized import Choices
from simulator.planner.optimize.ready import Ready
from simulator.planner.optimize.search.found import Limit
from simulator.planner.optimize.space.deploy import deployment_of
from simulator.planner.optimize.verify.plan import Verification, verify
from simulator.scenario.deployment import Deployment

ROUNDS = 16
"""Verifications after which a search gives up."""
GRACE_S = 2.0
"""Time that a search has at least after a verification that misses [s]."""


@dataclass(frozen=True)
class Outcome:
    """The last attempt, its verification (None: it could not be verified), and how it came to it.

    ``first``: the attempt before anything was verified, whose bounds are those of the whole search space; ``refuted``:
    why verifications missed.
    """

    last: Attempt
    first: Attempt
    verification: Verification | None
    rounds: int
    refuted: tuple[str, ...] = ()
    interrupted: bool = False


def deployments_of(here: Ready, choices: Choices) -> dict[str, list[Deployment]]:
    """Deployments of every planned service, window by window."""
    return {
        space.service: [deployment_of(space, one.shape, one.replicas) for one in line]
        for space, line in zip(here.spaces, choices)
    }


def search_and_verify(here: Ready, solver: Solver, crew: Crew, limit: Limit, tell: Tell) -> Outcome:
    """Rounds of search and verification, until a plan passes, nothing is left, or the rounds are used up.

    Each verification has other random numbers than those before it, so that no plan passes by having been chosen for
    them.
    """
    started, refuted = time.monotonic(), tuple[str, ...]()
    tried: list[Outcome] = []
    for number in range(ROUNDS):
        spent = tried[-1].last.evaluations if tried else 0
        allowed = Limit(max(limit.evaluations - spent, 1), _left(limit, started, number))
        last = solver.attempt(allowed, tell)
        first = tried[0].first if tried else last
        if last.choices is None:  # of those that missed, the last was the dearest
            return tried[-1] if tried else Outcome(last, last, None, 0, interrupted=last.interrupted)
        try:
            checked = _verified(here, last, crew, number, tell)
        except KeyboardInterrupt:
            return Outcome(last, first, None, number + 1, refuted, True)
        tried.append(Outcome(last, first, checked, number + 1, refuted, last.interrupted))
        if checked.holds or last.interrupted or not checked.services or not solver.miss(last, checked):
            break
        refuted = (*refuted, checked.reason or "")
    return tried[-1]


def _left(limit: Limit, started: float, number: int) -> float | None:
    if limit.seconds is None:
        return None
    left = limit.seconds - (time.monotonic() - started)
    return max(left, GRACE_S) if number else max(left, 0.0)


def _verified(here: Ready, last: Attempt, crew: Crew, number: int, tell: Tell) -> Verification:
    assert last.choices is not None
    count = here.planner.verification.replications
    return verify(
        here.judged,
        deployments_of(here, last.choices),
        last.load,
        replications=count,
        first=number * count,
        crew=crew,
        tell=share_of(tell, last),
    )
