"""The search finds what trying everything finds: up to 8 layers, 6 devices, 2 types."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from math import inf

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from simulator.planner.split import (
    DeviceType,
    Exits,
    Limits,
    ModePlan,
    SplitProblem,
    best_at_cuts,
    best_tagged,
    best_whole,
    cheapest_at_cuts,
    cheapest_tagged,
    cheapest_whole,
    cutsets,
)
from tests.planner.split.exhaustive import Tried, every_plan, whole_capacity

CLOSE = 1e-9
BELOW = 1 - 1e-10
"""Keeps rates off the exact capacities, where rounding decides."""
EXAMPLES = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def problems(draw: st.DrawFn, most_layers: int = 8, most_devices: int = 6) -> SplitProblem:
    """Small models with times in whole milliseconds, so that ties happen."""
    layers, batch = draw(st.integers(1, most_layers)), draw(st.integers(1, 3))
    kinds = draw(st.integers(1, 2))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    first = draw(st.integers(1, most_devices - kinds + 1))
    counts = [first] if kinds == 1 else [first, draw(st.integers(1, most_devices - first))]
    return SplitProblem(
        tuple(_device(rng, f"d{kind}", count, layers, batch) for kind, count in enumerate(counts)),
        _exits(rng, layers, draw(st.booleans())),
        Limits(
            max_cuts=draw(st.none() | st.integers(0, 3)),
            accuracy=draw(st.none() | st.sampled_from([0.3, 0.5, 0.7])),
            service_s=draw(st.just(inf) | st.integers(2, 12 * layers).map(lambda ms: ms / 1e3)),
        ),
        overlap=draw(st.booleans()),
        weight_bytes=np.ones(layers) if draw(st.booleans()) else None,
    )


def _device(rng: np.random.Generator, name: str, count: int, layers: int, batch: int) -> DeviceType:
    layer_s, ramp_s, send_s = (rng.integers(low, 9, (layers, batch + 1)) / 1e3 for low in (1, 0, 0))
    layer_s[:, 0] = ramp_s[:, 0] = 0.0
    memory = float(rng.integers(1, layers + 1)) if rng.random() < 0.4 else inf
    return DeviceType(
        name, count, layer_s, ramp_s, send_s, price_per_hour=float(rng.integers(0, 4)), memory_bytes=memory
    )


def _exits(rng: np.random.Generator, layers: int, some_ramps: bool) -> Exits:
    rows = int(rng.integers(1, 9))
    fires, correct = rng.random((rows, layers)) < rng.uniform(0.1, 0.7), rng.random((rows, layers)) < 0.6
    after = tuple(layer for layer in range(1, layers) if rng.random() < 0.7) if some_ramps else None
    return Exits(fires, correct.astype(np.float64), after=after)


def check(problem: SplitProblem, plan: ModePlan | None, tried: list[Tried]) -> Tried | None:
    """The plan carries as much as the best of all; it is one of them and holds no device that it has not."""
    best = max(tried, key=lambda one: one.capacity, default=None)
    assert (plan is None) == (best is None)
    if plan is None or best is None:
        return None
    assert plan.capacity == pytest.approx(best.capacity, rel=CLOSE)
    assert plan.fractional >= plan.capacity * (1 - CLOSE)
    names = [device.name for device in problem.devices]
    kinds = tuple(names.index(name) for name in plan.devices)
    same = [one for one in tried if (one.cuts, one.kinds, one.replicas) == (plan.cuts, kinds, plan.replicas)]
    assert [one.capacity for one in same] == [pytest.approx(plan.capacity, rel=CLOSE)]
    return best


@EXAMPLES
@given(problems(), st.booleans())
def test_most_capacity(problem: SplitProblem, tagged: bool) -> None:
    batch = problem.largest_batch
    plan = best_tagged(problem, batch) if tagged else best_at_cuts(problem, batch)
    check(problem, plan, list(every_plan(problem, batch, tagged)))
    assert plan is None or plan.exact


@EXAMPLES
@given(problems(), st.booleans(), st.floats(0.2, 1.0))
def test_least_price(problem: SplitProblem, tagged: bool, load: float) -> None:
    """The cheapest plan for a rate; without prices the one with the fewest devices."""
    batch = problem.largest_batch
    tried = list(every_plan(problem, batch, tagged))
    assume(tried)
    rate = load * max(one.capacity for one in tried) * BELOW
    fits = [one for one in tried if one.capacity >= rate]
    plan = (cheapest_tagged if tagged else cheapest_at_cuts)(problem, batch, rate)
    assert (plan is None) == (not fits)
    if plan is None:
        return
    assert plan.capacity >= rate * (1 - CLOSE)
    if problem.prices.any():
        assert plan.price_per_hour == pytest.approx(min(one.price for one in fits))
    else:
        assert plan.device_count == min(sum(one.replicas) for one in fits)


@EXAMPLES
@given(problems(), st.sampled_from(["none", "answer_early", "compact", "serial"]))
def test_whole_model(problem: SplitProblem, mode: str) -> None:
    """Each set of ramps by its formula, and the best of all sets."""
    problem = replace(problem, limits=Limits())
    batch, ramps = problem.largest_batch, problem.exits.ramps
    sets = [chosen for size in range(len(ramps) + 1) for chosen in combinations(ramps, size)]
    if mode in ("none", "answer_early"):
        sets = [() if mode == "none" else ramps]
    found = {chosen: whole_capacity(problem, mode, batch, chosen) for chosen in sets}
    plan = best_whole(problem, mode, batch)
    if not max(found.values()):
        assert plan is None
        return
    assert plan is not None
    assert plan.capacity == pytest.approx(max(found.values()), rel=CLOSE)
    for chosen in sets[:: max(1, len(sets) // 5)]:
        fixed = best_whole(problem, mode, batch, ramps=chosen)
        assert fixed is not None
        assert fixed.capacity == pytest.approx(found[chosen], rel=CLOSE)


@EXAMPLES
@given(problems(), st.floats(0.1, 0.99))
def test_cheapest_whole_model(problem: SplitProblem, load: float) -> None:
    """All numbers of devices, one set of ramps."""
    problem = replace(problem, limits=Limits())
    batch, ramps = problem.largest_batch, problem.exits.ramps
    best = best_whole(problem, "compact", batch, ramps=ramps)
    assume(best is not None)
    assert best is not None
    rate = load * best.capacity * BELOW
    plan = cheapest_whole(problem, "compact", batch, rate, ramps=ramps)
    assert plan is not None
    assert plan.capacity >= rate * (1 - CLOSE)
    each = [
        whole_capacity(replace(problem, devices=(device,)), "compact", batch, ramps) / device.count
        for device in problem.devices
    ]
    prices = problem.prices if problem.prices.any() else np.ones(len(each))
    grids = np.meshgrid(*(np.arange(device.count + 1) for device in problem.devices), indexing="ij")
    held = np.stack([grid.ravel() for grid in grids], axis=1)
    carried = held @ np.array(each)
    least = (held @ prices)[carried >= rate].min()
    names = [device.name for device in problem.devices]
    assert sum(n * prices[names.index(name)] for name, n in zip(plan.devices, plan.replicas)) == pytest.approx(least)


@EXAMPLES
@given(problems(), st.integers(1, 2))
def test_too_many_sets_to_try(problem: SplitProblem, complete: int) -> None:
    """With few sets looked at: never more than the optimum, never a bound below it, exact only where it is."""
    batch = problem.largest_batch
    tried = list(every_plan(problem, batch, tagged=False))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cutsets, "ALL_SETS", 0)
        patch.setattr(cutsets, "MOST_SETS", 1 + complete * len(problem.exits.ramps))
        plan = best_at_cuts(problem, batch)
        compact = best_whole(replace(problem, limits=Limits()), "compact", batch)
    full = best_whole(replace(problem, limits=Limits()), "compact", batch)
    if compact is not None and full is not None:
        assert compact.capacity <= full.capacity * (1 + CLOSE)
        assert not compact.exact or compact.capacity == pytest.approx(full.capacity, rel=CLOSE)
    if plan is None:
        return
    best = max(one.capacity for one in tried)
    assert plan.capacity <= best * (1 + CLOSE)
    assert plan.fractional >= best * (1 - CLOSE)
    assert not plan.exact or plan.capacity == pytest.approx(best, rel=CLOSE)
