"""How good a plan is: bounds, gaps, what binds, and what lost against it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING

from simulator.planner.optimize.problem import Ask, Judge, PlanProblem, Space
from simulator.planner.optimize.search.found import Rejected
from simulator.planner.optimize.space.deploy import ranges
from simulator.results.cohort import Json
from simulator.results.units import measure, number

if TYPE_CHECKING:
    from simulator.planner.optimize.search.found import Choice

Choices = Sequence[Sequence["Choice"]]
WORDS = {
    "price": "dearer",
    "slo": "misses the objective with all devices that there are",
    "pool": "needs more devices than there are",
    "program": "dearer for the plan as a whole",
    "unknown": "not judged before the search ended",
}
"""Why a family of deployments was not chosen."""
SAME = 1e-9
"""Prices that differ by a smaller share are equal."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The best possible: of any plan at all, of the whole search space, and of the program that chose."""

    any_plan: float | None
    search: float | None
    program: float | None

    def to_dict(self) -> Json:
        """As JSON values."""
        return {"any_plan": finite(self.any_plan), "search": finite(self.search), "program": finite(self.program)}

    def gaps(self, value: float, most: bool = False) -> Json:
        """By which share ``value`` exceeds each of them at most; with ``most``, by which it falls short of it."""
        told = self.to_dict().items()
        if most:
            return {name: None if bound is None else gap(bound, value) for name, bound in told}
        return {name: gap(value, bound) for name, bound in told}


def finite(value: float | None) -> float | None:
    """A number, None for one that says nothing."""
    return None if value is None or not isfinite(value) else float(value)


def gap(value: float, bound: float | None) -> float | None:
    """By which share of the bound a value is beyond it; None where the bound says nothing.

    >>> gap(11.0, 10.0), gap(9.0, 10.0), gap(1.0, 0.0) is None
    (0.10000000000000009, 0.0, True)
    """
    if bound is None or bound <= 0 or not isfinite(value):
        return None
    return max(value / bound - 1.0, 0.0)


def rejected_rows(
    problem: PlanProblem, rejected: Sequence[Rejected], objective: str = "cost", proven: bool = False
) -> list[Json]:
    """Families of deployments that were not chosen, each at its best, in the window of the highest rate.

    ``proven``: no plan of the search space is cheaper, so that what is cheaper by itself is dear for the others.
    """
    rows = []
    for one in rejected:
        space = problem.spaces[one.service]
        rows.append(
            {
                "service": space.service,
                "alternative": _alternative(space, one),
                "reason": _words(one, objective, proven),
                "because": one.reason,
                "price": one.price_per_hour,
                "dearer": finite(one.dearer),
                "window": one.window,
            }
        )
    return sorted(rows, key=lambda row: (row["service"], row["price"]))


def _alternative(space: Space, one: Rejected) -> str:
    """Exit mode, layers, replicas and pools, and the batch."""
    shape = space.shapes[one.shape]
    serial = " in serial" if shape.execution == "serial" else ""
    return f"{shape.exit_mode}{serial}, {ranges(space, one.shape, one.replicas)}, batch {shape.batch}"


def _words(one: Rejected, objective: str, proven: bool) -> str:
    if objective != "cost" and one.reason in ("price", "unknown", "program"):
        return "carries no more"
    if one.dearer is not None and one.reason in ("price", "unknown", "program"):
        if one.dearer > SAME:
            text = f"{number(100 * one.dearer, 3)} % dearer"
            return text if one.judgement is not None else f"at least {text}"
        if one.dearer >= -SAME:
            return "no cheaper"
        if proven:
            return "no cheaper for the plan as a whole"
    if one.judgement is not None and one.judgement.reason and one.reason == "slo":
        return one.judgement.reason
    return WORDS.get(one.reason, one.reason)


def left_out_rows(problem: PlanProblem) -> list[Json]:
    """Alternatives that never came into question."""
    return [
        {
            "service": space.service,
            "alternative": f"{one.exit_mode} on {one.kind}",
            "reason": one.text,
            "because": one.reason,
            "price": None,
        }
        for space in problem.spaces
        for one in space.left_out
    ]


def binding(problem: PlanProblem, judge: Judge, choices: Choices) -> list[str]:
    """What keeps the plan from being cheaper: pools that are used up, and what one replica fewer would miss."""
    return [*_full_pools(problem, choices), *_one_fewer(problem, judge, choices)]


def _full_pools(problem: PlanProblem, choices: Choices) -> Iterator[str]:
    """Pools of which every device is held in some window."""
    count = len(problem.pools)
    for index, pool in enumerate(problem.pools):
        full = 0
        for window in range(len(problem.windows)):
            held = sum(
                int(space.held(line[window].shape, line[window].replicas, count)[index])
                for space, line in zip(problem.spaces, choices)
            )
            full += held >= pool.devices
        if full and pool.devices:
            where = (
                "in every window" if full == len(problem.windows) else f"in {full} of {len(problem.windows)} windows"
            )
            yield f"pool {pool.name}: all {pool.devices} devices are held {where}"


def _one_fewer(problem: PlanProblem, judge: Judge, choices: Choices) -> Iterator[str]:
    """In the window of its highest rate, what a service misses with a replica fewer."""
    for index, (space, line) in enumerate(zip(problem.spaces, choices)):
        window = int(problem.rates[index].argmax())
        choice = line[window]
        rate = float(problem.rates[index][window])
        least = space.least(rate)[choice.shape]
        for group, count in enumerate(choice.replicas):
            pool = problem.pools[space.shapes[choice.shape].groups[group].pool].name
            fewer = (*choice.replicas[:group], count - 1, *choice.replicas[group + 1 :])
            what = f"{space.service} at {measure(rate, 'rate')} with {fewer[group]} {pool} instead of {count}"
            if len(choice.replicas) > 1:
                first, last = space.shapes[choice.shape].groups[group].layers
                what += f" for layers {first}-{last}"
            if count - 1 < least[group]:
                yield f"load: {what} could not serve it in the long run"
                continue
            (answer,) = judge.judge([Ask(index, window, choice.shape, fewer)])
            if not answer.holds:
                yield f"objective: {what}: {answer.reason}"
