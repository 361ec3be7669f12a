"""A service of a scenario as a question of where to cut: its times, exits, devices and limits as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray

from simulator.cluster.lower import lower
from simulator.cluster.lower.exits import ModelExits, exit_layers
from simulator.cluster.lower.hardware import Hardware, pools_of, routes_of
from simulator.cluster.lower.layers import ModelCosts, placed
from simulator.cluster.lower.portions import steps_of, transfer_of
from simulator.costs.early_exit import reach
from simulator.costs.early_exit.sources import ExitSource
from simulator.errors import Problem, ScenarioError
from simulator.planner.exits.formats import precision_on
from simulator.planner.exits.rows import run_weights, unequal
from simulator.planner.exits.whose import chosen_service, devices_for
from simulator.planner.split import DeviceType, ExitModel, Exits, ExitsByCuts, Limits, SplitProblem
from simulator.scenario import Scenario
from simulator.scenario.deployment import LayerRange, Portion
from simulator.scenario.planning import Search
from simulator.scenario.precision import PrecisionChoice
from simulator.scenario.service import Service
from simulator.workload import mean_rate

Floats = NDArray[np.float64]
LARGEST_BATCH = 64
"""Batch sizes up to this one are looked at for the interval in which splitting wins."""


MOST_BATCH = 65_536
"""Largest batch of a portion that a scenario may ask for."""


@dataclass(frozen=True)
class ExitCase:
    """One service, alone in its scenario, and the split problem that it poses.

    ``devices`` by pool; ``precision`` by pool; ``rate`` [1/s] is the offered load, None where clients wait for their
    answers; ``weights`` (rows,) the shares of the exit rows over the whole run.
    """

    scenario: Scenario
    service: str
    batch: int
    devices: Mapping[str, int]
    precision: Mapping[str, PrecisionChoice]
    costs: ModelCosts
    source: ExitSource
    problem: SplitProblem
    rate: float | None
    weights: Floats
    measured_to: int
    """Largest batch size whose times are not extrapolated, within those that are looked at."""
    twin: bool
    """Whether the service as written has a twin; the case leaves it out."""

    @property
    def spec(self) -> Service:
        """The service as it is written."""
        return self.scenario.services[self.service]


def exit_case(
    scenario: Scenario,
    service: str | None = None,
    batch: int | None = None,
    devices: int | Mapping[str, int] | None = None,
) -> ExitCase:
    """The case of a service; left out, of the only one with exits.

    ``batch``: else the largest of the service's portions. ``devices``: how many, for the one pool that the service
    uses, or by pool; else what the other services leave of the pools. Latency objectives limit the time of a batch over
    all portions; ``planner.accuracy_floor`` and ``planner.search.max_cuts`` hold where the scenario has them.
    """
    if batch is not None and not 1 <= batch <= MOST_BATCH:
        bound = "at least 1" if batch < 1 else f"at most {MOST_BATCH:,}"
        raise ScenarioError(Problem(f"batch: must be {bound}, got {batch}"))
    lower(scenario)  # refuses what cannot work, each problem at its place
    name = chosen_service(scenario, service)
    spec = scenario.services[name]
    counts = devices_for(scenario, name, devices)
    alone = _alone(scenario, name, counts)
    costs = ModelCosts(alone, spec.model, alone.models[spec.model])
    source = _source(costs)
    weights = run_weights(source.rows, scenario.run.duration)
    size = (
        batch if batch is not None else max(portion.batch for _, window in spec.timeline for portion in window.portions)
    )
    precision = {pool: precision_on(pool, costs, spec.timeline) for pool in counts}
    hardware = {pool: found for pool, found in pools_of(alone).items() if pool in counts}
    largest = max(LARGEST_BATCH, size)
    whole = {pool: _whole(scenario, name, costs, pool, largest, precision[pool]) for pool in counts}
    types = tuple(_device(costs, source, hardware, whole[pool], size) for pool in counts)
    network = scenario.cluster.network
    try:
        problem = SplitProblem(
            types,
            _exits(source, _right(costs, counts, whole), weights),
            _limits(scenario, spec),
            overlap=network is not None and network.overlap,
            weight_bytes=_weights(costs, whole[next(iter(counts))]),
        )
    except ScenarioError as error:
        raise placed(scenario, ("services", name), error) from None
    folder, problem_at = scenario.source.folder, scenario.source.problem
    rate = mean_rate(spec.workload, scenario.run.duration, folder, service=name, problem=problem_at)
    measured = min(_measured_to(costs, hardware[pool], costs.formats(whole[pool]), largest) for pool in counts)
    twin = spec.twin is not None
    return ExitCase(alone, name, size, counts, precision, costs, source, problem, rate, weights, measured, twin)


def _alone(scenario: Scenario, name: str, counts: Mapping[str, int]) -> Scenario:
    """The scenario with this service and its devices only; without a twin, which is no way to exit."""
    pools = {
        pool: written.model_copy(update={"count": counts[pool] * written.devices_per_replica})
        if pool in counts
        else written
        for pool, written in scenario.cluster.pools.items()
    }
    cluster = scenario.cluster.model_copy(update={"pools": pools})
    service = scenario.services[name].model_copy(update={"twin": None})
    kept = {"services": {name: service}, "trainings": {}, "streams": {}, "planner": None}
    return scenario.model_copy(update={"cluster": cluster, **kept})


def _source(costs: ModelCosts) -> ExitSource:
    model, problem = costs.model, costs.scenario.source.problem
    if model.ramps is None or model.exits is None:
        missing = "ramps" if model.ramps is None else "exits"
        message = f"has no `{missing}`: say after which layers requests can leave, and which of them do"
        raise ScenarioError(problem(("models", costs.name), message))
    source = ModelExits(costs).source
    if source is None or not source.ramps:
        raise ScenarioError(problem(("models", costs.name, "ramps"), "has no ramp before the model's end"))
    return source


def _right(costs: ModelCosts, counts: Mapping[str, int], whole: Mapping[str, Portion]) -> Floats:
    """Expected correctness by (row, layer), less what number formats cost; those of several pools by their devices."""
    kinds = [(float(counts[pool]), portion, costs.formats(portion)) for pool, portion in whole.items()]
    right, _ = ModelExits(costs).right_answers([kinds])
    assert right is not None
    return right


def _exits(source: ExitSource, correct: Floats, weights: Floats) -> ExitModel:
    """Rows where each ramp answers by itself; under patience it depends on the ramps that run before it."""
    if source.rule is None or source.rule.get("patience") is None:
        fired = source.fires(source.ramps)
        # no ramp, no answer: NaN there would only say so again
        right = np.where(fired.any(axis=0) | ~np.isnan(correct), correct, 0.0)
        return Exits(fired, right, unequal(weights), source.ramps)

    def look(cuts: tuple[int, ...]) -> tuple[Floats, float]:
        leave = exit_layers(source.fires(cuts))
        share = reach(leave, source.layers, unequal(weights))
        right = correct[np.arange(len(leave)), leave - 1]
        return share[list(cuts)], float(weights @ right)

    return ExitsByCuts(source.layers, source.ramps, look)


def _limits(scenario: Scenario, spec: Service) -> Limits:
    slos = [kind.slo or spec.slo for kind in spec.classes or ()] or [spec.slo]
    planner = scenario.planner
    return Limits(
        max_cuts=(planner.search if planner else Search()).max_cuts,
        accuracy=planner.accuracy_floor if planner else None,
        service_s=min((slo.latency for slo in slos if slo is not None), default=inf),
    )


def _whole(
    scenario: Scenario, name: str, costs: ModelCosts, pool: str, largest: int, precision: PrecisionChoice
) -> Portion:
    """The whole model on a pool, as a portion; a precision that is told by layer must tell that of every layer."""
    whole = Portion(layers=LayerRange(first=1, last=len(costs.layers)), pool=pool, batch=largest, precision=precision)
    try:
        costs.formats(whole)
    except ScenarioError as error:
        raise placed(scenario, ("services", name), error) from None
    return whole


def _device(
    costs: ModelCosts, source: ExitSource, hardware: Mapping[str, Hardware], whole: Portion, batch: int
) -> DeviceType:
    """One replica of a pool: the same tables as the simulation, one column for each batch size."""
    pool, largest = whole.pool, whole.batch
    mine, layers = hardware[pool], source.layers
    steps = steps_of(costs, source.ramps, whole, mine)
    follows = np.array(steps.ramp)
    ramp_s = np.zeros((layers, largest + 1))
    ramp_s[follows[follows > 0] - 1] = steps.seconds[follows > 0]
    formats = costs.formats(whole)
    outputs = [costs.output_bytes(layer, one) for layer, one in enumerate(formats)]
    size = mine.pool.devices_per_replica
    return DeviceType(
        name=pool,
        count=mine.pool.count // size,
        layer_s=steps.seconds[follows == 0],
        ramp_s=ramp_s,
        send_s=np.array([_send(costs, hardware, pool, largest, output) for output in outputs]),
        price_per_hour=mine.price_per_hour * size,
        memory_bytes=mine.memory_bytes * size - batch * max(outputs),
    )


def _send(costs: ModelCosts, hardware: Mapping[str, Hardware], pool: str, largest: int, output_bytes: float) -> Floats:
    """Time to send survivors on, by their number [s]; who takes them is not known yet: the slowest way counts."""
    pairs, base = routes_of(costs.scenario.cluster.network)
    ways = [transfer_of(largest, output_bytes, pairs.get((pool, other), base)).seconds for other in hardware]
    slowest: Floats = np.max(ways, axis=0)
    return slowest


def _weights(costs: ModelCosts, whole: Portion) -> Floats:
    formats = costs.formats(whole)
    return np.array([costs.weight_bytes(layer, precision) or 0.0 for layer, precision in enumerate(formats)])


def _measured_to(costs: ModelCosts, hardware: Hardware, formats: Sequence[str], largest: int) -> int:
    found = {id(cost): cost for cost in (costs.cost(n, hardware, one) for n, one in enumerate(formats))}
    sizes = range(1, largest + 1)
    return next((size - 1 for size in sizes if any(cost.extrapolates(size) for cost in found.values())), largest)
