"""Two or more scenarios, plans or results, figure by figure."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from simulator.cluster.evaluate import MOST_REPLICATIONS, load_kernel
from simulator.cluster.simulate import Progress
from simulator.cluster.spread import Spread, cores
from simulator.errors import InternalError, Problem, ScenarioError
from simulator.planner.compare.difference import Difference, Estimate, paired, unpaired
from simulator.planner.compare.result import Comparison, Pair
from simulator.planner.compare.sides import Side, side
from simulator.planner.outcome import (
    SECTIONS,
    WHEN_AUTO,
    Outcome,
    fault,
    leaf_ends,
    leaves,
    outcome,
    stated_replications,
)
from simulator.results import Result
from simulator.results.cohort import COUNTS, Json
from simulator.scenario import Scenario

LARGEST = ("max", "step_max")
"""Figures that grow with the number of replications, the largest of each being told: not compared unless pairwise."""


NOT_PAIRED = (
    "where replications are not known one by one, or had other seeds, means are compared as if they were independent: "
    "simulating the scenarios themselves together gives narrower intervals"
)


@dataclass(frozen=True, slots=True)
class _Figures:
    """Figures of one side: of each replication where they are known, and over all of them."""

    side: Side
    seed: int
    engine: str
    count: int
    figures: Json
    replications: tuple[Json, ...]


def compare(
    *sides: Scenario | Result | str | os.PathLike[str] | Side,
    replications: int | None = None,
    seed: int | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """How the others differ from the first: every figure of every service, training and stream.

    Scenarios and plans are simulated with the same seed (the first one's, unless ``seed`` says) and equally often:
    ``replications``, or the largest number that one of them states, at least three. Replication i of all meets the same
    arrivals as far as their loads are the same, so figures are compared replication by replication. Results that were
    saved have no single replications: they are compared as independent means, which takes their intervals wider.
    """
    found = [side(one, number) for number, one in enumerate(sides, start=1)]
    if len(found) < 2:
        raise ScenarioError("two scenarios, plans or results are needed to compare")
    _check(replications, "replications", 1, MOST_REPLICATIONS)
    _check(seed, "seed", 0, 2**63 - 1)
    _check(workers, "workers", 1, MOST_REPLICATIONS)
    scenarios = [one.scenario for one in found if one.scenario is not None]
    count = replications or max((WHEN_AUTO, *map(stated_replications, scenarios)))
    shared = scenarios[0].seed if seed is None and scenarios else seed
    seeded = {place: _seeded(one.scenario, shared) for place, one in enumerate(found) if one.scenario is not None}
    told = _simulated(found, seeded, count, workers, progress)
    notes = [*_seed_notes(scenarios, shared), *(text for one in found for text in one.notes)]
    pairs = tuple(_pair(told[0], other) for other in told[1:])
    if not all(pair.paired for pair in pairs):
        notes.append(NOT_PAIRED)
    return Comparison(tuple(_about(one) for one in told), pairs, tuple(dict.fromkeys(notes)))


def _simulated(
    sides: Sequence[Side],
    seeded: Mapping[int, Scenario],
    count: int,
    workers: int | None,
    progress: Progress | None,
) -> list[_Figures]:
    jobs = list(seeded.values())
    spread: Spread[Scenario, Outcome] = Spread(
        partial(outcome, replications=count, exact=True),
        jobs,
        lambda done: progress(done / len(jobs)) if progress else None,
    )
    if jobs and (many := min(cores() if workers is None else workers, len(jobs))) > 1:
        load_kernel(jobs)
        spread.in_processes(many)
    else:
        spread.here()
    places = {place: number for number, place in enumerate(seeded)}
    return [
        _saved(one) if one.saved is not None else _ran(one, seeded[place], spread.answers[places[place]])
        for place, one in enumerate(sides)
    ]


def _ran(one: Side, scenario: Scenario, answer: Outcome | Exception) -> _Figures:
    found = fault(answer) if isinstance(answer, Exception) else answer
    if found.error is not None:
        if found.internal:
            raise InternalError(f"{one.name}: {found.error}")
        raise ScenarioError(Problem(found.error))
    count = len(found.replications)
    return _Figures(one, scenario.seed, found.engine or "", count, found.figures, found.replications)


def _saved(one: Side) -> _Figures:
    tree = one.saved
    assert tree is not None
    figures = {name: tree.get(name, {}) for name in SECTIONS}
    return _Figures(one, tree.get("seed", 0), str(tree.get("engine")), tree["replications"], figures, one.replications)


def _seeded(scenario: Scenario, seed: int | None) -> Scenario:
    return scenario if seed is None or scenario.seed == seed else scenario.model_copy(update={"seed": seed})


def _seed_notes(scenarios: Sequence[Scenario], seed: int | None) -> list[str]:
    if all(one.seed == seed for one in scenarios):
        return []
    return [f"all are simulated with the seed {seed}, so that they meet the same arrivals"]


def _pair(a: _Figures, b: _Figures) -> Pair:
    """All that both have; what only one has is named."""
    both = bool(a.replications and b.replications) and a.seed == b.seed
    found: dict[str, dict[str, dict[str, Difference]]] = {}
    alone: list[str] = []
    for section in SECTIONS:
        names = {**a.figures[section], **b.figures[section]}
        common = [name for name in names if name in a.figures[section] and name in b.figures[section]]
        alone += [f"{section}.{name}" for name in names if name not in common]
        found[section] = {name: _entry(a, b, section, name, both) for name in common}
    return Pair(a.side.name, b.side.name, both, a.count, b.count, found, tuple(alone))


def _entry(a: _Figures, b: _Figures, section: str, name: str, both: bool) -> dict[str, Difference]:
    trees = a.figures[section][name], b.figures[section][name]
    known = [leaves(tree) for tree in trees]
    metrics = [metric for metric in known[0] if metric in known[1]]
    if both:
        runs = [[leaves(item[section][name]) for item in one.replications] for one in (a, b)]
        return {metric: paired(*([run.get(metric) for run in own] for own in runs)) for metric in metrics}
    sides = list(zip(trees, known, (a.count, b.count)))
    return {
        metric: unpaired(*(_estimate(tree, metric, values, count) for tree, values, count in sides))
        for metric in metrics
        if metric.rpartition(".")[2] not in LARGEST
    }


def _estimate(tree: Json, metric: str, values: Mapping[str, float | None], count: int) -> Estimate:
    """A figure over all replications; sums of counts become the mean of a replication."""
    value = values[metric]
    if metric.rpartition(".")[2] in COUNTS and value is not None:
        value = value / count
    return Estimate(value, *leaf_ends(tree, metric), count)


def _about(one: _Figures) -> Json:
    source = one.side.scenario.source if one.side.scenario is not None else None
    saved = one.side.saved or {}
    return {
        "name": one.side.name,
        "kind": one.side.kind,
        "scenario": saved.get("scenario") if source is None else one.side.scenario.name,  # type: ignore[union-attr]
        "scenario_hash": saved.get("scenario_hash") if source is None else source.sha256,
        "seed": one.seed,
        "engine": one.engine,
        "replications": one.count,
    }


def _check(value: object, name: str, least: int, most: int) -> None:
    if value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ScenarioError(Problem(f"must be a whole number from {least} to {most}, got {value!r}", path=name))
