"""Times of every virtual stage of a training: as written, or from the layers of a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from simulator.cluster.lower.hardware import Hardware, Route, routes_of
from simulator.cluster.lower.layers import LayerCost, ModelCosts, placed
from simulator.costs.pipeline import Ending, Times, times_of
from simulator.costs.pipeline.stages import Layer, partition
from simulator.costs.pipeline.times import Floats
from simulator.errors import ScenarioError
from simulator.scenario import Scenario
from simulator.scenario.training import ModelTimes, StageTimes

Place: TypeAlias = tuple[str | int, ...]
"""Key path in the scenario."""


def times_and_weights(
    scenario: Scenario, name: str, pool: Hardware, stages: int
) -> tuple[Times, Ending, Floats, tuple[str, ...]]:
    """Times of so many virtual stages, what ends an iteration, weights by virtual stage [bytes], and warnings.

    A single time is that of one device's whole stage: where a device has n chunks, each takes 1/n of it.
    """
    training, here = scenario.trainings[name], ("trainings", name, "times")
    ranks, written = training.pipeline.stages, training.times
    ending = Ending(
        spread(scenario, (*here, "all_reduce"), written.all_reduce, ranks, "stage"),
        spread(scenario, (*here, "optimizer"), written.optimizer, ranks, "stage"),
        training.synchronous,
    )
    if isinstance(written, ModelTimes):
        times, weights, warnings = _of_model(scenario, name, written, pool, stages)
        return times, ending, weights, warnings
    return _as_written(scenario, name, written, stages), ending, np.zeros(stages), ()


def spread(
    scenario: Scenario, place: Place, value: float | Sequence[float], size: int, per: str, parts: float = 1.0
) -> Floats:
    """One value for each: a list as it stands, a single one divided by ``parts``; ScenarioError for another length."""
    if not isinstance(value, Sequence):
        return np.full(size, value / parts)
    if len(value) != size:
        message = f"needs {size} entries, one per {per}, has {len(value)}"
        raise ScenarioError(scenario.source.problem(place, message))
    return np.array(value, dtype=np.float64)


def _as_written(scenario: Scenario, name: str, written: StageTimes, stages: int) -> Times:
    pipeline = scenario.trainings[name].pipeline
    parts = stages / pipeline.stages
    per = "stage" if parts <= 1.0 else f"chunk ({stages // pipeline.stages} on every stage)"

    def column(key: str) -> Floats:
        value = getattr(written, key)
        return spread(scenario, ("trainings", name, "times", key), 0.0 if value is None else value, stages, per, parts)

    def between(key: str) -> Floats:
        place = ("trainings", name, "times", key)
        return spread(scenario, place, getattr(written, key), stages - 1, "boundary between two of them")

    return times_of(
        stages,
        column("forward"),
        column("backward_input"),
        column("backward_weight"),
        between("transfer"),
        None if written.transfer_back is None else between("transfer_back"),
        fused=written.fused,
        overlap=pipeline.overlap,
    )


def _of_model(
    scenario: Scenario, name: str, written: ModelTimes, pool: Hardware, stages: int
) -> tuple[Times, Floats, tuple[str, ...]]:
    """Layers cut into stages so that the slowest is as fast as can be; a cut sends its layer's output."""
    here = ("trainings", name, "times")
    costs = ModelCosts(scenario, written.model, scenario.models[written.model])
    count = len(costs.layers)
    if count < stages:
        message = f"model {written.model!r} has {count} layers, which cannot be cut into {stages} stages"
        raise ScenarioError(scenario.source.problem((*here, "model"), message))
    try:
        laws = [costs.cost(layer, pool, written.precision) for layer in range(count)]
    except ScenarioError as error:
        if any(problem.file for problem in error.problems):
            raise
        raise placed(scenario, (*here, "precision"), error) from None
    cut = partition([_layer(costs, written, i, law) for i, law in enumerate(laws)], stages)
    route = _route(scenario, pool)
    transfer = cut.transfer_s(route.bandwidth, route.latency_s)
    forward, inputs, weights = (cut.total(key) for key in ("forward_s", "backward_input_s", "backward_weight_s"))
    overlap = scenario.trainings[name].pipeline.overlap
    times = times_of(stages, forward, inputs, weights, transfer, overlap=overlap)
    return times, cut.total("state_bytes"), tuple(_warnings(costs, name, written, pool, laws))


def balanced(seconds: Sequence[float], parts: int) -> list[int]:
    """Bounds of the cut that ``partition`` finds for layers of these times [s].

    >>> balanced([3.0, 1.0, 1.0, 1.0, 2.0], 3)
    [0, 1, 3, 5]
    """
    return [0, *partition([Layer(one) for one in seconds], parts).ends]


def _layer(costs: ModelCosts, written: ModelTimes, number: int, cost: LayerCost) -> Layer:
    """One layer and one microbatch; half of the backward pass is for the inputs, half for the weights."""
    forward = float(cost.law.seconds(written.microbatch))
    half = forward * (written.backward / 2.0)
    output = written.microbatch * costs.output_bytes(number, written.precision)
    weights = costs.weight_bytes(number, written.precision) or 0.0
    return Layer(forward, half, half, state_bytes=weights, output_bytes=output)


def _route(scenario: Scenario, pool: Hardware) -> Route:
    """The link between two devices of a pool."""
    pairs, base = routes_of(scenario.cluster.network)
    return pairs.get((pool.name, pool.name), base)


def _warnings(
    costs: ModelCosts, name: str, written: ModelTimes, pool: Hardware, laws: Sequence[LayerCost]
) -> list[str]:
    found = []
    if any(law.extrapolates(written.microbatch) for law in laws):
        found.append(f"training {name}: the times of {written.model} go beyond the largest measured batch")
    if costs.is_estimate(pool, written.precision):
        found.append(f"training {name}: the times of {written.model} on {pool.name} are a data-sheet estimate")
    return found
