"""What less latency or more accuracy costs: deployments judged under the highest load."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite

from simulator.planner.optimize.judge.simulated import SimulationJudge
from simulator.planner.optimize.objectives.pareto import front
from simulator.planner.optimize.optimized import Choices
from simulator.planner.optimize.problem import Ask, Ints, Judgement, Space
from simulator.planner.optimize.ready import Ready
from simulator.planner.optimize.space.build import cheapest_first
from simulator.planner.optimize.space.deploy import ranges
from simulator.results.cohort import Json

SHAPES = 60
"""Shapes of a service that are tried: the cheapest of every exit mode, kinds of device and batch first."""
STEPS = (1.0, 1.15, 1.35, 1.7)
"""Replicas of a shape, as multiples of its steady need."""


def trade_offs(here: Ready, judge: SimulationJudge, choices: Choices | None) -> list[Json]:
    """Deployments that no other betters in cost, 99th percentile and accuracy at once, by service.

    Each is judged in the window of the service's highest rate. The plan's own choice is among them, marked, and so are
    those that miss the objective by their latency alone: they show what it costs.
    """
    return [row for number in range(len(here.spaces)) for row in _of_service(here, judge, choices, number)]


def _of_service(here: Ready, judge: SimulationJudge, choices: Choices | None, number: int) -> Iterator[Json]:
    space, rates = here.spaces[number], here.problem.rates[number]
    window = int(rates.argmax())
    own = None if choices is None else (choices[number][window].shape, choices[number][window].replicas)
    nodes = list(dict.fromkeys([*([own] if own else []), *_nodes(here, space, float(rates[window]))]))
    answers = judge.judge([Ask(number, window, *node) for node in nodes])
    told = [
        (node, answer)
        for node, answer in zip(nodes, answers)
        if answer.p99_s is not None and (answer.holds or node == own or _is_late(answer))
    ]
    cost = [
        (space.price_per_hour(*node), answer.p99_s or 0.0, _accuracy(space, node[0], answer)) for node, answer in told
    ]
    kept = front(cost)
    if own is not None and not any(told[at][0] == own for at in kept):
        kept += [at for at, (node, _) in enumerate(told) if node == own]
    for at in sorted(kept, key=lambda at: cost[at][:2]):
        (shape, replicas), answer = told[at]
        yield {
            "service": space.service,
            "mode": space.shapes[shape].exit_mode,
            "deployment": f"{ranges(space, shape, replicas)}, batch {space.shapes[shape].batch}",
            "cost_per_hour": cost[at][0],
            "p99": cost[at][1],
            "accuracy": cost[at][2],
            "attainment": answer.attainment,
            "holds": answer.holds,
            "chosen": told[at][0] == own,
        }


def _is_late(answer: Judgement) -> bool:
    """Whether it serves its load, only not in time."""
    return answer.attainment is not None and answer.p99_s is not None and isfinite(answer.p99_s)


def _accuracy(space: Space, shape: int, answer: Judgement) -> float | None:
    return space.shapes[shape].accuracy if answer.accuracy is None else answer.accuracy


Node = tuple[int, tuple[int, ...]]


def _nodes(here: Ready, space: Space, rate: float) -> Iterator[Node]:
    """The cheapest shape of every exit mode, kinds of device and batch, with a little and with much room."""
    limits = [pool.devices for pool in here.pools]
    seen: dict[tuple[object, ...], int] = {}
    for number in cheapest_first(space, rate, len(space.shapes)).tolist():
        shape = space.shapes[number]
        pools = tuple(group.pool for group in shape.groups)
        seen.setdefault((shape.exit_mode, shape.execution, pools, shape.batch), number)
        if len(seen) >= SHAPES:
            break
    for number in seen.values():
        for step in STEPS:
            need: Ints = space.least(rate * step)[number][: len(space.shapes[number].groups)]
            replicas = tuple(int(count) for count in need)
            held = space.held(number, replicas, len(limits))
            if all(count <= most for count, most in zip(held, limits)):
                yield number, replicas
