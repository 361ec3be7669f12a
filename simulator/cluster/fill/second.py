"""A second training instance in the idle windows of the first: its ops run where they fit, when their inputs are there.

Two ways to choose the next op of a rank. ``order``: that of its schedule, and nothing else. ``ready``: of the ops whose
inputs are there and that fit into the window, backward before forward before weight gradient, earlier microbatches
first; a forward only while the rank holds fewer activations than its limit. An op is never cut, and never runs across
an op of the training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from simulator.cluster.clock import TRANSFER, Clock
from simulator.cluster.fill.filler import Bay, Filler, Piece, Rules
from simulator.cluster.fill.ops import UPDATE, OpGraph
from simulator.cluster.training.executor import Executor
from simulator.cluster.training.setup import TrainingSetup
from simulator.costs.pipeline import BW, B, F, Timeline, W
from simulator.costs.pipeline.times import Floats, Times

AHEAD = 2
"""Iterations that may be under way at once beyond the oldest, without a barrier."""
_RANK = {B: 0, BW: 0, UPDATE: 0, F: 1, W: 2}
"""Which kind goes first where the order is free."""


@dataclass(frozen=True, eq=False)
class Second:
    """A second instance. ``limit`` (ranks,): how much its activations may take on a rank, in the unit of its graph.

    ``barrier``: an iteration begins when the one before has made its update on all ranks (otherwise as soon as there is
    time: gradients are then applied a little late). ``strict``: it keeps to the order of its schedule. ``start``:
    iterations begin only in the window of rank 0 after which that cell of the first instance runs (None: in any).
    """

    graph: OpGraph
    limit: Floats
    barrier: bool
    strict: bool
    start: int | None = None


class Token(NamedTuple):
    """One op of one iteration of one copy."""

    copy: int
    iteration: int
    op: int


class Copy:
    """The second instance on one copy of the pipeline."""

    def __init__(self, second: Second) -> None:
        ranks = second.graph.ranks
        self.missing: dict[int, list[int]] = {}
        self.left: dict[int, int] = {}
        self.begun = 0
        self.ended = 0
        self.ready: list[list[tuple[int, int, int, int]]] = [[] for _ in range(ranks)]
        """By rank, sorted: order of preference, iteration, microbatch, op."""
        self.next = [(0, 0)] * ranks
        """By rank: iteration and place in its order."""
        self.held = [0.0] * ranks


class SecondFiller(Filler):
    """Runs a second instance; ``ends`` are the instants at which its iterations were through, by copy [s]."""

    def __init__(
        self, clock: Clock, setup: TrainingSetup, rules: Rules, second: Second, believed: Times | None = None
    ) -> None:
        super().__init__(clock, setup, rules, believed)
        self.second = second
        self.copies = [Copy(second) for _ in range(setup.replicas)]
        self.ends: list[list[float]] = [[] for _ in range(setup.replicas)]

    def attach(self, executor: Executor, undisturbed: Sequence[Sequence[Timeline]]) -> None:
        """The first iterations may begin."""
        super().attach(executor, undisturbed)
        if self.second.start is None:
            for number in range(self.setup.replicas):
                self._release(number)

    def opened(self, bay: Bay) -> None:
        """The window in which iterations begin may be this one."""
        if bay.rank == 0 and self.second.start == self.executor.devices[bay.number].at:
            self._release(bay.number // self.setup.ranks)

    # -- what may run ----------------------------------------------------------------------------------------------

    def offer(self, bay: Bay, now: float) -> Piece | None:
        """The op to run now."""
        number = bay.number // self.setup.ranks
        copy, graph = self.copies[number], self.second.graph
        for place, (_, iteration, _, op) in enumerate(copy.ready[bay.rank]):
            if self.second.strict and not self._is_next(copy, bay.rank, iteration, op):
                continue
            taken = graph.takes[op]
            if taken > 0.0 and copy.held[bay.rank] + taken > self.second.limit[bay.rank] * (1.0 + 1e-12):
                continue
            if self._may(bay, now, number, graph.seconds[op]):
                del copy.ready[bay.rank][place]
                copy.held[bay.rank] += max(taken, 0.0)
                return Piece(number, graph.seconds[op], 0.0, Token(number, iteration, op))
        return None

    def _may(self, bay: Bay, now: float, owner: int, seconds: float) -> bool:
        """Whether an op fits and the budget allows it."""
        if not self.fits(bay, now, owner, seconds, 0.0):
            return False
        allowed = self.ledger.allows(now, self.worst_s(seconds, owner != bay.owner))
        self.ledger.refused += not allowed
        return allowed

    def _is_next(self, copy: Copy, rank: int, iteration: int, op: int) -> bool:
        wanted, place = copy.next[rank]
        return iteration == wanted and self.second.graph.orders[rank][place] == op

    def _entry(self, token: Token) -> tuple[int, int, int, int]:
        graph, op = self.second.graph, token.op
        preference = 0 if self.second.strict else _RANK[graph.kind[op]]
        return preference, token.iteration, graph.microbatch[op], op

    # -- what has run ----------------------------------------------------------------------------------------------

    def through(self, bay: Bay, piece: Piece, now: float) -> None:
        """An op has run."""
        self._done(piece.what, now)

    def dropped(self, bay: Bay, piece: Piece) -> None:
        """An op whose device has failed is done again, with the activations that it needs."""
        copy = self.copies[piece.what.copy]
        copy.held[bay.rank] -= max(self.second.graph.takes[piece.what.op], 0.0)
        copy.ready[bay.rank] = sorted([*copy.ready[bay.rank], self._entry(piece.what)])

    def _done(self, token: Token, now: float) -> None:
        """The rank of an op goes on, those that wait for it get its result."""
        copy, graph = self.copies[token.copy], self.second.graph
        rank = graph.rank[token.op]
        copy.held[rank] += min(graph.takes[token.op], 0.0)
        iteration, place = copy.next[rank]
        last = place + 1 == len(graph.orders[rank])
        copy.next[rank] = (iteration + 1, 0) if last else (iteration, place + 1)
        for target, cost in graph.outputs[token.op]:
            self._later(now + cost, Token(token.copy, token.iteration, target))
        copy.left[token.iteration] -= 1
        if not copy.left[token.iteration]:
            self._ended(token.copy, token.iteration, now)

    def _later(self, instant: float, token: Token) -> None:
        if instant == self.clock.now:
            self._arrive(token)
        else:
            key = (TRANSFER, self.executor.index, token.copy, token.op)
            self.clock.schedule_at(instant, key, self._arrive, token)

    def _arrive(self, token: Token) -> None:
        copy = self.copies[token.copy]
        missing = copy.missing[token.iteration]
        missing[token.op] -= 1
        if not missing[token.op]:
            self._is_ready(token)

    def _is_ready(self, token: Token) -> None:
        graph = self.second.graph
        rank = graph.rank[token.op]
        if graph.kind[token.op] == UPDATE and graph.seconds[token.op] == 0.0:
            self._done(token, self.clock.now)  # there is nothing to run
            return
        ready = self.copies[token.copy].ready[rank]
        ready.append(self._entry(token))
        ready.sort()
        bay = self.bays[token.copy * self.setup.ranks + rank]
        if bay.open and bay.piece is None:
            self.look(bay)

    def _ended(self, number: int, iteration: int, now: float) -> None:
        copy = self.copies[number]
        del copy.missing[iteration], copy.left[iteration]
        copy.ended += 1
        self.ends[number].append(now)
        self._release(number)

    def _release(self, number: int) -> None:
        """Let iterations begin that may."""
        copy, graph = self.copies[number], self.second.graph
        first = number * self.setup.ranks
        start = self.second.start
        if start is not None and not (self.bays[first].open and self.executor.devices[first].at == start):
            return
        most = 1 if self.second.barrier else AHEAD
        while copy.begun < copy.ended + most:
            iteration, copy.begun = copy.begun, copy.begun + 1
            copy.missing[iteration] = graph.inputs.copy()
            copy.left[iteration] = len(graph.inputs)
            for op, inputs in enumerate(graph.inputs):
                if not inputs and graph.kind[op] != UPDATE:
                    self._is_ready(Token(number, iteration, op))
