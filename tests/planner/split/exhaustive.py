"""Everything tried, with nothing shared with the search: loops over cut sets, types and replicas."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, product
from math import comb

import numpy as np

from simulator.planner.split import Exits, SplitProblem


@dataclass(frozen=True)
class Tried:
    cuts: tuple[int, ...]
    kinds: tuple[int, ...]
    replicas: tuple[int, ...]
    capacity: float
    price: float


def expected(values: list[float], chance: float) -> float:
    size = len(values) - 1
    return sum(comb(size, k) * chance**k * (1 - chance) ** (size - k) * values[k] for k in range(size + 1))


def shares_and_accuracy(problem: SplitProblem, ramps: tuple[int, ...], layers: int) -> tuple[list[float], float]:
    """Share of rows that still need each layer, and of right answers."""
    exits = problem.exits
    assert isinstance(exits, Exits)
    assert exits.correct is not None
    need, right = [0.0] * layers, 0.0
    for fires, correct in zip(exits.fires, exits.correct):
        leaves = next((ramp for ramp in ramps if fires[ramp - 1]), layers)
        right += correct[leaves - 1] / len(exits.fires)
        for layer in range(leaves):
            need[layer] += 1 / len(exits.fires)
    return need, right


def portions_of(
    problem: SplitProblem, batch: int, cuts: tuple[int, ...], tagged: bool
) -> list[tuple[list[float], list[float]]]:
    """Busy time and device time of each portion, by type."""
    layers = problem.layers
    used = problem.exits.ramps
    if tagged:
        running = tuple(ramp for ramp in used if cuts and ramp <= cuts[-1])
    else:
        running = tuple(ramp for ramp in used if ramp in cuts)
    need, _ = shares_and_accuracy(problem, running, layers)
    found = []
    for start, end in zip((0, *cuts), (*cuts, layers)):
        busy = []
        for device in problem.devices:
            time = float(device.layer_s[start:end, batch].sum())
            time += sum(float(device.ramp_s[ramp - 1, batch]) for ramp in running if start < ramp <= end)
            if end < layers:
                chance = need[end] / need[start] if need[start] else 0.0
                send = expected([float(x) for x in device.send_s[end - 1, : batch + 1]], min(chance, 1.0))
                time = max(time, send) if problem.overlap else time + send
            weights = 0.0 if problem.weight_bytes is None else float(problem.weight_bytes[start:end].sum())
            busy.append(time if weights <= device.memory_bytes else float("inf"))
        found.append((busy, [time * need[start] if time < float("inf") else time for time in busy]))
    return found


def every_plan(problem: SplitProblem, batch: int, tagged: bool) -> Iterator[Tried]:
    layers, limits = problem.layers, problem.limits
    places = range(1, layers) if tagged else problem.exits.ramps
    most = min(sum(device.count for device in problem.devices) - 1, len(tuple(places)))
    most = most if limits.max_cuts is None else min(most, limits.max_cuts)
    for size in range(most + 1):
        for cuts in combinations(places, size):
            used = [ramp for ramp in problem.exits.ramps if ramp in cuts or (tagged and cuts and ramp <= cuts[-1])]
            _, accuracy = shares_and_accuracy(problem, tuple(used), layers)
            if limits.accuracy is not None and accuracy < limits.accuracy - 1e-12:
                continue
            portions = portions_of(problem, batch, cuts, tagged)
            for kinds in product(range(len(problem.devices)), repeat=size + 1):
                if sum(portion[0][kind] for portion, kind in zip(portions, kinds)) > limits.service_s * (1 + 1e-9):
                    continue
                yield from _replicas(problem, batch, cuts, kinds, portions)


def _replicas(
    problem: SplitProblem,
    batch: int,
    cuts: tuple[int, ...],
    kinds: tuple[int, ...],
    portions: list[tuple[list[float], list[float]]],
) -> Iterator[Tried]:
    counts = [device.count for device in problem.devices]
    prices = [device.price_per_hour for device in problem.devices]
    for replicas in product(*(range(1, counts[kind] + 1) for kind in kinds)):
        used = [sum(n for n, kind in zip(replicas, kinds) if kind == g) for g in range(len(counts))]
        if any(n > count for n, count in zip(used, counts)):
            continue
        period = max(cost[kind] / n for (_, cost), kind, n in zip(portions, kinds, replicas))
        if period < float("inf"):
            price = float(np.dot(used, prices))
            yield Tried(cuts, kinds, replicas, batch / period if period else float("inf"), price)


def whole_capacity(problem: SplitProblem, mode: str, batch: int, ramps: tuple[int, ...]) -> float:
    """Vanilla, compact, answer_early or serial with the ramps given, on all devices."""
    need, _ = shares_and_accuracy(problem, ramps, problem.layers)
    total = 0.0
    for device in problem.devices:
        weights = 0.0 if problem.weight_bytes is None else float(problem.weight_bytes.sum())
        if weights > device.memory_bytes:
            continue
        time, enter = 0.0, 1.0
        for layer in range(problem.layers):
            both = [list(device.layer_s[layer, : batch + 1])]
            if layer + 1 in ramps and mode != "none":
                both.append(list(device.ramp_s[layer, : batch + 1]))
            for values in both:
                if mode == "compact":
                    time += expected(values, need[layer])
                else:
                    time += float(values[batch]) * (enter if mode == "serial" else 1.0)
            if layer + 1 in ramps and layer + 1 < problem.layers:
                enter = need[layer + 1]
        total += device.count * batch / time
    return total
