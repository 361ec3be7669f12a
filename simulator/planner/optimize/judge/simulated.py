"""The judge: whether a service meets its objective in a window, by simulating it alone at the window's load.

Random numbers are common: every deployment meets the same gaps, exit rows, classes and jitter, request by request, at
whatever rate. So answers do not depend on what else was asked, nor on who computes them.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from itertools import count
from types import TracebackType
from typing import Any

from simulator.errors import ScenarioError
from simulator.planner.optimize.judge.bench import Bench, bench_of, marks_of
from simulator.planner.optimize.judge.crew import Crew
from simulator.planner.optimize.judge.ledger import Entry, Ledger
from simulator.planner.optimize.judge.slices import trial_of
from simulator.planner.optimize.judge.survive import left_after, missing_layers
from simulator.planner.optimize.judge.trial import Trial, held
from simulator.planner.optimize.problem import Ask, Judgement, PlannedLoad, Shape, Space
from simulator.planner.optimize.space.deploy import deployment_of
from simulator.scenario import Scenario
from simulator.scenario.deployment import Deployment
from simulator.scenario.workload import Trace

Key = tuple[Any, ...]
FAILED = "failed: "
"""Begins the reason of an answer that is a fault of the program, or of the machine."""
MOST_BENCHES = 2_000
_NUMBERS = count()


Deploy = Callable[[Space, int, Sequence[int]], Deployment]
"""Writes the deployment of a shape of a space, by its number, with so many replicas by group."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question as it travels."""

    service: str
    number: int
    shape: Shape
    deployment: Deployment | str
    """Its deployment with the marks of its groups, or why there is none."""
    replicas: tuple[int, ...]
    trial: Trial


@dataclass(eq=False)
class SimulationJudge:
    """Answers by simulation in the compiled engine, in the reference where that does not cover the scenario.

    ``workers``: processes that share the questions (default: one for each core). Each answer is remembered, and written
    to the ``ledger`` where there is one, which also answers what an earlier search has asked. Use it in a ``with``
    block, or call :meth:`close`. ``asked`` counts questions, ``simulated`` those that nobody had answered before.
    """

    scenario: Scenario
    spaces: Sequence[Space]
    load: PlannedLoad
    deploy: Deploy = deployment_of
    workers: int | None = None
    ledger: Ledger | None = None
    crew: Crew | None = None
    asked: int = 0
    simulated: int = 0
    _known: dict[Key, Judgement] = field(default_factory=dict)
    _deployed: dict[tuple[int, int], Deployment | str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._own = self.crew is None
        self.crew = self.crew or Crew(self.workers)
        self._work = partial(_answered, (os.getpid(), next(_NUMBERS)), pickle.dumps(self.scenario))

    def judge(self, asks: Sequence[Ask]) -> list[Judgement]:
        """Answers in the order of the asks."""
        keys = [self._key(ask) for ask in asks]
        new = {key: ask for key, ask in zip(keys, asks) if key not in self._known}
        left = {key: ask for key, ask in new.items() if not self._remembered(key, ask)}
        self.asked += len(asks)
        if left:
            self._simulate(left)
        return [self._known[key] for key in keys]

    @property
    def by_rate(self) -> bool:
        """Whether windows differ by their rate alone, so that an answer for one says something of the others."""
        return not any(self._timed(space.service) for space in self.spaces)

    def _timed(self, name: str) -> bool:
        """Whether it matters when a window is: recorded instants are played as they are, and exits may drift."""
        service = self.scenario.services[name]
        replayed = isinstance(service.workload, Trace) and name in self.load.own
        return replayed or getattr(self.scenario.models[service.model].exits, "mix", None) is not None

    def _key(self, ask: Ask) -> Key:
        """What an answer depends on: windows of the same length and rate are the same question, unless time matters."""
        space, window = self.spaces[ask.service], self.load.windows[ask.window]
        rate = float(self.load.rates[space.service][ask.window]) * ask.factor
        when = window.start_s if self._timed(space.service) else None
        return (space.service, ask.shape, tuple(ask.replicas), rate, window.end_s - window.start_s, when)

    def _remembered(self, key: Key, ask: Ask) -> bool:
        """Whether the ledger knows the answer."""
        if self.ledger is None:
            return False
        found = self.ledger.answer(_text(key, self.spaces[ask.service], ask))
        if found is not None:
            self._known[key] = found
        return found is not None

    def _simulate(self, asks: dict[Key, Ask]) -> None:
        questions = [self._question(ask) for ask in asks.values()]
        assert self.crew is not None
        before = 0 if self._known else min(1, len(questions))  # the first one loads the engine for all processes
        answers = [self._work(question) for question in questions[:before]]
        answers += [_row(found) for found in self.crew.each(self._work, questions[before:])]
        self.simulated += len(answers)
        self._known |= zip(asks, answers)
        if self.ledger is not None:
            found = zip(asks.items(), answers)
            self.ledger.add([self._entry(*item, one) for item, one in found if not _is_fault(one)])

    def _question(self, ask: Ask) -> Question:
        space = self.spaces[ask.service]
        trial = trial_of(self.scenario, space.service, self.load, ask.window, ask.factor, space.served)
        shape, replicas = space.shapes[ask.shape], tuple(map(int, ask.replicas))
        return Question(space.service, ask.shape, shape, self._deployment(ask), replicas, trial)

    def _deployment(self, ask: Ask) -> Deployment | str:
        """The deployment of a shape, written once."""
        key = (ask.service, ask.shape)
        if key not in self._deployed:
            space = self.spaces[ask.service]
            try:
                self._deployed[key] = self.deploy(space, ask.shape, marks_of(space.shapes[ask.shape]))
            except ScenarioError as error:
                self._deployed[key] = str(error)
            except Exception as error:  # noqa: BLE001 # its row says so, the search goes on
                self._deployed[key] = str(_row(error).reason)
        return self._deployed[key]

    def _entry(self, key: Key, ask: Ask, found: Judgement) -> Entry:
        space = self.spaces[ask.service]
        price = space.price_per_hour(ask.shape, ask.replicas)
        return Entry(
            _text(key, space, ask), space.service, ask.window, float(key[3]), space.shapes[ask.shape].name,
            tuple(map(int, ask.replicas)), price, found,
        )  # fmt: skip

    def close(self) -> None:
        """End the processes, if they are this judge's own."""
        if self._own and self.crew is not None:
            self.crew.close()

    def __enter__(self) -> SimulationJudge:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._own and self.crew is not None:
            self.crew.__exit__(kind, error, trace)


def _text(key: Key, space: Space, ask: Ask) -> str:
    """The key as a ledger has it."""
    service, _, replicas, rate, length, when = key
    name = space.shapes[ask.shape].name
    return "|".join(map(str, (service, ask.shape, name, replicas, repr(rate), repr(length), when, space.served)))


Token = tuple[int, int]
"""Process and number of a judge: what it has prepared is its own."""
_BENCHES: dict[tuple[Token, str, int], Bench | str] = {}


@lru_cache(maxsize=2)
def _scenario(token: Token, packed: bytes) -> Scenario:
    """The scenario, which travels once."""
    scenario: Scenario = pickle.loads(packed)
    return scenario


def _answered(token: Token, packed: bytes, question: Question) -> Judgement:
    """The answer to one question, whatever comes of it."""
    try:
        bench = _bench(token, packed, question)
        if isinstance(bench, str):
            return Judgement(False, reason=bench)
        return _after_losses(bench, question)
    except ScenarioError as error:
        return Judgement(False, reason=str(error))
    except Exception as error:  # noqa: BLE001 # its row says so, the search goes on
        return _row(error)


def _bench(token: Token, packed: bytes, question: Question) -> Bench | str:
    """The bench of a shape, kept for the next question; or why there is none."""
    key = (token, question.service, question.number)
    if key not in _BENCHES:
        if len(_BENCHES) >= MOST_BENCHES:
            _BENCHES.clear()
        if isinstance(question.deployment, str):
            return question.deployment
        scenario = _scenario(token, packed)
        try:
            _BENCHES[key] = bench_of(scenario, question.service, question.shape, question.deployment)
        except ScenarioError as error:
            _BENCHES[key] = str(error)
    return _BENCHES[key]


def _after_losses(bench: Bench, question: Question) -> Judgement:
    """The worst answer over all losses that the plan has to bear."""
    planner = bench.scenario.planner
    survive = None if planner is None else planner.survive
    worst: Judgement | None = None
    for left in left_after(survive, question.shape, question.replicas):
        gone = missing_layers(question.shape, left)
        if gone is not None:
            return Judgement(False, reason=f"after a loss nobody serves layers {gone[0]}-{gone[1]}")
        found = held(bench, left, question.trial)
        if not found.holds:
            return found if survive is None else replace(found, reason=f"after a loss: {found.reason}")
        if worst is None or (found.attainment or 0.0) < (worst.attainment or 0.0):
            worst = found
    return worst or Judgement(False, reason="nothing is left after the loss that it has to bear")


def _row(answer: Judgement | Exception) -> Judgement:
    if isinstance(answer, Judgement):
        return answer
    return Judgement(False, reason=f"{FAILED}{type(answer).__name__}: {answer}")


def _is_fault(found: Judgement) -> bool:
    return found.reason is not None and found.reason.startswith(FAILED)
