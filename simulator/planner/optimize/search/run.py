"""One run of a search: rounds of judgements under dual prices, then the program, until its picks are known to hold."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from simulator.planner.optimize.problem import Ask, Judgement
from simulator.planner.optimize.search.asks import choice_of, compose, held_offer, put
from simulator.planner.optimize.search.found import PROVEN, Found, Limit
from simulator.planner.optimize.search.frontier import Pick, padded
from simulator.planner.optimize.search.program import EXACT, SERVED, Chosen, Decided, Relaxed, cost_of, decide, relax
from simulator.planner.optimize.search.rejected import rejected, why_none, why_together
from simulator.planner.optimize.search.rows import Offer

if TYPE_CHECKING:
    from simulator.planner.optimize.search.core import Search

Progress = Callable[[float, float, int], object]
"""Gets the incumbent's cost, the bound and the number of judgements."""
OUT_OF_TIME, OUT_OF_ASKS, INTERRUPTED = "time limit", "evaluation limit", "interrupted"
ROUNDS_PER_PROGRAM = 6
LAST_SECONDS = 1.0
ROUGH, ROUGHEST, TIGHTER = 0.2, 1e-3, 0.01
"""Gap of a program as a share of the present one, at most, and how fast it shrinks once all its picks hold."""
Node = tuple[int, tuple[int, ...]]


class Stop(Exception):
    """Time or judgements are used up."""


class Best(NamedTuple):
    """A choice by service and window, and its cost."""

    nodes: list[list[Node]]
    cost: float


class Run:
    """One call of ``Search.run``."""

    def __init__(self, search: Search, limit: Limit, progress: Progress | None) -> None:
        self.search, self.limit, self.progress = search, limit, progress
        self.problem = search.problem
        self.started, self.asked = time.monotonic(), 0
        self.stopped: str | None = None
        self.reason: str | None = None
        self.infeasible = False
        self._tightest = ROUGHEST
        self._asks: list[Ask] = []
        self._nodes: list[list[Node]] = []

    def result(self) -> Found:
        """Run, then say what was found; after an interruption the best until then."""
        try:
            self._go()
        except Stop as stop:
            self.stopped = str(stop)
        except KeyboardInterrupt:
            self.stopped = INTERRUPTED
        if self.stopped and not self.infeasible:
            self._settle()
        return self._found()

    def _settle(self) -> None:
        """Program over what holds, once more, after the judgements that came last; a second Ctrl-C skips it."""
        try:
            if self.search.fresh:
                self._incumbent()
        except KeyboardInterrupt:
            self.stopped = INTERRUPTED

    def _go(self) -> None:
        rounds = 0
        while not self._nothing_left():
            relaxed = self._relaxed()
            if self.infeasible:
                return
            settled = self._rounds()
            rounds += 1
            if self.search.fresh and (settled or rounds % 2):
                self._incumbent()
            if self.search.best is not None and self._gap() <= self.limit.gap and self._confirmed():
                return
            if settled:
                decided = self._decided(relaxed)
                if self.infeasible or (self._closed(decided) and self._near()):
                    return
            self._tell()

    def _gap(self) -> float:
        """How far the incumbent may be from the best, as a share."""
        best = self.search.best
        if best is None:
            return np.inf
        return max(1.0 - self.search.bound / best.cost, 0.0) if best.cost > 0 else 0.0

    def _near(self) -> bool:
        """Whether the incumbent is as good as asked; else the next program is solved more closely."""
        self._tightest *= TIGHTER
        return self._gap() <= self.limit.gap or self._tightest < EXACT

    def _rough(self) -> float:
        """The gap for the next program: a share of what is left, as nodes to judge are all that it is for."""
        return min(max(ROUGH * self._gap(), EXACT), self._tightest)

    def _nothing_left(self) -> bool:
        """Whether some window has no node left at all, which then is the reason that there is no plan."""
        for service, frontier in enumerate(self.search.frontiers):
            for window, table in enumerate(frontier.tables):
                if not table.alive[: table.count].any():
                    self.infeasible, self.reason = True, why_none(self.problem, self.search, service, window)
                    return True
        return False

    def _relaxed(self) -> Relaxed:
        """The linear program over all nodes that nothing refutes; its duals become the weights of the search."""
        self._check()
        offers, rows = self._offers()
        relaxed = relax(self.problem, offers, self._started(rows))
        if relaxed.unserved > SERVED:
            self.infeasible, self.reason = True, why_together(self.problem, self.search, relaxed)
            return relaxed
        self.search.bound = max(self.search.bound, relaxed.value)
        self.search.start = [[all_[some] for all_, some in zip(a, b)] for a, b in zip(rows, relaxed.chosen)]
        for service, frontier in enumerate(self.search.frontiers):
            for window, table in enumerate(frontier.tables):
                weights = np.maximum(relaxed.weights[service][window], 0.0)
                table.weigh(weights, relaxed.fixed[service][window])
        return relaxed

    def _offers(self) -> tuple[list[list[Offer]], Chosen]:
        """All living rows, and their numbers."""
        rows = [[np.flatnonzero(t.alive[: t.count]) for t in f.tables] for f in self.search.frontiers]
        offers = [
            [Offer(table.shape[some], table.replicas[some]) for table, some in zip(frontier.tables, line)]
            for frontier, line in zip(self.search.frontiers, rows)
        ]
        return offers, rows

    def _started(self, rows: Chosen) -> Chosen | None:
        """Where the columns of the last program stand among the living rows."""
        last = self.search.start
        if last is None:
            return None
        return [[np.flatnonzero(np.isin(all_, some)) for all_, some in zip(a, b)] for a, b in zip(rows, last)]

    def _rounds(self) -> bool:
        """Judge the best nodes under the present weights; whether there was nothing to judge.

        Then the cheapest of every window is known to hold.
        """
        for number in range(ROUNDS_PER_PROGRAM):
            asks = compose(self.search)
            if all(ask in self.search.answers for ask in asks):  # none, but for rounding
                return number == 0
            self._judge(asks)
            self._tell()
            if any(not t.alive[: t.count].any() for f in self.search.frontiers for t in f.tables):
                return False
        return False

    def _judge(self, asks: Sequence[Ask]) -> None:
        """Ask, as far as the limits allow, and learn."""
        fresh = [ask for ask in asks if ask not in self.search.answers]
        part = fresh[: max(self.limit.evaluations - self.asked, 0)]
        self._check()
        if fresh and not part:
            raise Stop(OUT_OF_ASKS)
        for ask, answer in zip(part, self.search.judge.judge(part) if part else []):
            self.search.answers[ask] = answer
            self.asked += 1
            self.search.evaluations += 1
        for ask in asks:
            if ask in self.search.answers:
                self._learn(ask, self.search.answers[ask])

    def _learn(self, ask: Ask, answer: Judgement) -> None:
        frontier = self.search.frontiers[ask.service]
        frontier.tell(ask.window, padded(frontier, ask.shape, ask.replicas), answer)
        self.search.fresh = True

    def _check(self) -> None:
        if self.limit.seconds is not None and time.monotonic() - self.started >= self.limit.seconds:
            raise Stop(OUT_OF_TIME)

    def _left(self) -> float | None:
        """Time for the solver [s]: a last program gets at least LAST_SECONDS."""
        if self.limit.seconds is None:
            return None
        return max(self.limit.seconds - (time.monotonic() - self.started), LAST_SECONDS)

    def _decided(self, relaxed: Relaxed) -> Decided:
        """The program over all nodes that nothing refutes: a bound, and the nodes to prove."""
        offers, rows = self._offers()
        decided = decide(self.problem, offers, relaxed, self._left(), self._rough())
        if decided.picks is None and decided.complete:
            self.infeasible = True
            self.reason = "no choice of whole replicas fits the pools (and the budget) in all windows and changes"
            return decided
        self.search.bound = max(self.search.bound, decided.bound)
        self.search.program_bound = max(self.search.program_bound, decided.own_bound)
        if decided.picks is None:
            raise Stop("the program was cut short")
        asks: dict[tuple[object, ...], Ask] = {}
        nodes: list[list[Node]] = []
        for service, line in enumerate(decided.picks):
            nodes.append([])
            for window, (at, replicas) in enumerate(line):
                table = self.search.frontiers[service].tables[window]
                row = int(rows[service][window][at])
                shape = int(table.shape[row])
                nodes[-1].append((shape, replicas))
                if not table.holds[row]:
                    own = tuple(int(n) for n in table.replicas[row])
                    put(self.search, asks, service, window, Pick(shape, own))
        self._asks = list(asks.values())
        self._nodes = nodes
        return decided

    def _closed(self, decided: Decided) -> bool:
        """Whether all that the program picked holds, each in its own window; else that is asked."""
        if self._asks:
            self._judge(self._asks)
            return False
        self._take(self._nodes, decided.cost)
        return self._confirmed()

    def _confirmed(self) -> bool:
        """Ask for every choice itself what is only inferred; False: one does not hold, against all inference."""
        if self.search.best is None:
            return True
        asks: dict[tuple[object, ...], Ask] = {}
        for service, line in enumerate(self.search.best.nodes):
            for window, (shape, replicas) in enumerate(line):
                put(self.search, asks, service, window, Pick(shape, replicas))
        self._judge(list(asks.values()))
        bad = [ask for ask in asks.values() if ask in self.search.answers and not self.search.answers[ask].holds]
        if bad:
            self.search.best = None
        return not bad

    def _take(self, nodes: list[list[Node]], cost: float) -> None:
        if self.search.best is None or cost < self.search.best.cost:
            self.search.best = Best(nodes, cost)

    def _incumbent(self) -> None:
        """The program over the nodes that are known to hold."""
        self.search.fresh = False
        offers = []
        for frontier in self.search.frontiers:
            offers.append([held_offer(table.held, frontier.space.pool.shape[1]) for table in frontier.tables])
        if any(not len(offer.shape) for line in offers for offer in line):
            return
        decided = decide(self.problem, offers, relax(self.problem, offers), self._left(), self._rough())
        if decided.picks is not None:
            nodes = [
                [(int(offers[s][w].shape[row]), replicas) for w, (row, replicas) in enumerate(line)]
                for s, line in enumerate(decided.picks)
            ]
            self._take(nodes, decided.cost)

    def _tell(self) -> None:
        if self.progress is not None:
            best = self.search.best
            self.progress(np.inf if best is None else best.cost, self.search.bound, self.search.evaluations)

    def _found(self) -> Found:
        best = None if self.infeasible else self.search.best
        choices, cost = None, np.inf
        if best is not None:
            choices = tuple(
                tuple(choice_of(self.search, service, window, *node) for window, node in enumerate(line))
                for service, line in enumerate(best.nodes)
            )
            cost, _ = cost_of(self.problem, best.nodes)
        bound = np.inf if self.infeasible else min(self.search.bound, cost)
        stopped = None if cost <= bound * (1 + PROVEN) else self.stopped
        reason = self.reason
        if choices is None and reason is None:
            reason = f"nothing was found to hold in all windows before the {self.stopped}"
        return Found(
            choices,
            cost,
            bound,
            np.inf if self.infeasible else min(max(self.search.program_bound, bound), cost),
            self.search.evaluations,
            time.monotonic() - self.started,
            tuple(rejected(self.problem, self.search.frontiers, choices)),
            reason,
            self.infeasible,
            stopped if choices is not None else self.stopped,
        )
