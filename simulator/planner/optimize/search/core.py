"""The cheapest plan: nodes are judged best first, and a program chooses among those that nothing refutes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from simulator.planner.optimize.problem import Ask, Judge, Judgement, PlanProblem
from simulator.planner.optimize.search.found import Choice, Found, Limit
from simulator.planner.optimize.search.frontier import Frontier, padded
from simulator.planner.optimize.search.program import Chosen
from simulator.planner.optimize.search.run import INTERRUPTED, OUT_OF_ASKS, OUT_OF_TIME, Best, Progress, Run

__all__ = [
    "INTERRUPTED",
    "OUT_OF_ASKS",
    "OUT_OF_TIME",
    "Choice",
    "Found",
    "Limit",
    "Progress",
    "Search",
    "search",
]

REFUTED = Judgement(False, reason="refuted by the caller")


class Search:
    """A search that can be told what failed later, and goes on with all it knows."""

    def __init__(self, problem: PlanProblem, judge: Judge) -> None:
        self.problem, self.judge = problem, judge
        by_rate = bool(getattr(judge, "by_rate", True))
        self.frontiers = [
            Frontier(space, rates, problem.pools, by_rate) for space, rates in zip(problem.spaces, problem.rates)
        ]
        self.answers: dict[Ask, Judgement] = {}
        self.bound, self.program_bound = 0.0, 0.0
        self.best: Best | None = None
        self.start: Chosen | None = None
        self.fresh = True
        self.evaluations = 0

    def refute(
        self, service: int, window: int, shape: int, replicas: Sequence[int], *, everywhere: bool = False
    ) -> None:
        """A node failed elsewhere: in its window, or with ``everywhere`` at all rates as high. It is not chosen ag"""
        frontier = self.frontiers[service]
        frontier.tell(window, padded(frontier, shape, replicas), REFUTED, alone=not everywhere)
        self.best, self.fresh = None, True

    def know(
        self, service: int, window: int, rate: float, shape: int, replicas: Sequence[int], judgement: Judgement
    ) -> None:
        """A judgement made elsewhere, of the load of a window at ``rate`` [1/s]."""
        frontier = self.frontiers[service]
        frontier.learn(window, rate, padded(frontier, shape, replicas), judgement)
        self.fresh = True

    def run(self, limit: Limit | None = None, progress: Progress | None = None) -> Found:
        """Search until the plan is proved best, or a limit; ``evaluations`` count from the start of this call."""
        run = Run(self, limit or Limit(), progress)
        return run.result()


def search(
    problem: PlanProblem,
    judge: Judge,
    *,
    limit: Limit | None = None,
    progress: Progress | None = None,
    refuted: Iterable[tuple[int, int, int, tuple[int, ...]]] = (),
) -> Found:
    """The cheapest plan for a problem; ``refuted``: (service, window, shape, replicas) known not to do."""
    found = Search(problem, judge)
    for service, window, shape, replicas in refuted:
        found.refute(service, window, shape, replicas)
    return found.run(limit, progress)
