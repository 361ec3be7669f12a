"""Shapes whose replicas hold the whole model: vanilla, compact, answer_early, and at_cut in serial."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from simulator.cluster.lower.portions import needed_memory
from simulator.planner.optimize.problem import Floats
from simulator.planner.optimize.space.blocks import MODES, Block, Bools, Choices, needed_share
from simulator.planner.optimize.space.ground import Ground
from simulator.planner.optimize.space.survival import RuledExits
from simulator.planner.split import CutSets, DeviceType, SplitProblem
from simulator.planner.split.cutsets import looked_up
from simulator.planner.split.portions import portion_bounds
from simulator.planner.split.whole import batch_seconds

if TYPE_CHECKING:
    from simulator.planner.optimize.space.timing import Bench

NEAR_BEST = 3
"""Sets of ramps that a shrinking batch is tried with, the best first; that of all ramps besides."""


def vanilla(ground: Ground, choices: Choices, size: int) -> Block:
    """The whole model without exits."""
    full = np.array([bench.spans().full_s[0, -1, size] for bench in ground.benches])
    item = np.array([bench.spans().item_s[0, -1, size] for bench in ground.benches])
    told = ground.exits.full
    accuracy = np.full(len(full), np.nan if told is None else told) * ground.keeps(ground.lost[:, -1])
    return _single(ground, choices, MODES.index("none"), -1, size, full, item, accuracy, -1)


def answering_early(ground: Ground, choices: Choices, rule: int, size: int, ramps: CutSets, number: int) -> Block:
    """The whole model with all ramps, answers leaving early."""
    spans = [bench.spans(every_ramp=True) for bench in ground.benches]
    full = np.array([one.full_s[0, -1, size] for one in spans])
    item = np.array([one.item_s[0, -1, size] for one in spans])
    accuracy = accuracies(ground, ground.rules[rule], ramps)[0]
    return _single(ground, choices, MODES.index("answer_early"), rule, size, full, item, accuracy, number)


def _single(
    ground: Ground,
    choices: Choices,
    mode: int,
    rule: int,
    size: int,
    full: Floats,
    item: Floats,
    accuracy: Floats,
    cuts: int,
) -> Block:
    """One portion on every choice, by values (benches,)."""
    kinds = choices.bench.reshape(-1, choices.bench.shape[2])
    kinds = kinds[(kinds >= 0).all(axis=1)]
    busy, flat = full[kinds], np.zeros(kinds.shape, dtype=np.int64)
    least = np.where(np.isfinite(busy), item[kinds], 0.0)
    return Block(
        mode,
        rule,
        size,
        cuts=np.full(len(kinds), cuts),
        bench=kinds,
        start=flat,
        end=flat + ground.layers,
        busy_s=busy,
        item_s=least,
        survive=np.ones(kinds.shape),
        service_s=busy.max(axis=1),
        accuracy=accuracy[kinds[:, 0]],
    )


def accuracies(ground: Ground, exits: RuledExits, sets: CutSets) -> Floats:
    """(sets, benches): share of right answers of a model that stands on one kind of replica."""
    right, (_, end) = exits.right_by_portion(sets), portion_bounds(sets)
    keeps = ground.keeps(ground.lost)
    found: Floats = np.einsum("sp,ksp->sk", right, keeps[:, end])
    return found


def compact(ground: Ground, choices: Choices, rule: int, sets: CutSets, first: int) -> list[Block]:
    """Shrinking batches of every size, each with all ramps (the last set) and with the sets of ramps near the best."""
    exits, high = ground.rules[rule], ground.rules[rule].bad_end(sets)
    benches = [bench for bench in ground.benches if bench.kind.weights == "resident"]
    if not benches:
        return []
    problem = SplitProblem(tuple(_device(bench) for bench in benches), exits.model)
    seconds = [batch_seconds(problem, "compact", batch, high)[0] for batch in ground.search.batch]
    accurate = accuracies(ground, exits, sets)
    item = np.minimum.accumulate([taken / batch for taken, batch in zip(seconds, ground.search.batch)], axis=0)
    found = []
    for size, taken in enumerate(seconds):
        full, least = (np.full((len(sets.cuts), len(ground.benches)), np.inf) for _ in range(2))
        own = [number for number, bench in enumerate(ground.benches) if bench in benches]
        fits = [benches[k].spans().full_s[0, -1, size] < np.inf for k in range(len(benches))]
        full[:, own], least[:, own] = np.where(fits, taken, np.inf), item[size]
        good = ground.accepts(accurate) & ground.in_time(full) & (sets.size > 0)[:, None]
        for number in _promising(np.where(good, full, np.inf)):
            values = full[number], least[number], accurate[number]
            mode = MODES.index("compact")
            found.append(_single(ground, choices, mode, rule, size, *values, first + number))
    return found


def _promising(full: Floats) -> list[int]:
    """The sets of the least times on any kind of replica, and the last one."""
    nearest = {int(number) for column in full.T for number in np.argsort(column, kind="stable")[:NEAR_BEST]}
    return sorted({number for number in nearest if np.isfinite(full[number]).any()} | {len(full) - 1})


def _device(bench: Bench) -> DeviceType:
    nothing = np.zeros_like(bench.layer_s)
    return DeviceType(str(bench.kind), 1, bench.layer_s, bench.ramp_s, nothing)


def serial(ground: Ground, rule: int, sets: CutSets, first: int, size: int) -> Block:
    """Portions one after another on the same replica, which has one kind."""
    high = ground.rules[rule].bad_end(sets)
    start, end = portion_bounds(high)
    inside = start < end
    survive = np.where(inside, high.survive, 0.0)
    needed = np.where(inside, needed_share(survive, ground.target.served), 0.0)
    columns: list[tuple[Floats, Floats, Floats]] = []
    for bench in ground.benches:
        spans = bench.spans(last_ramp=True)
        at = np.minimum(start, ground.layers - 1)
        full = np.where(inside, spans.full_s[at, end, size], 0.0)
        item = np.where(inside, spans.item_s[at, end, size], 0.0)
        item = np.where(np.isfinite(item), item, 0.0)
        longest = np.where(_fits(bench, high, size), full.sum(axis=1), np.inf)
        busy = np.where(np.isfinite(longest), (np.where(np.isfinite(full), full, 0.0) * survive).sum(axis=1), np.inf)
        columns.append((busy, (item * needed).sum(axis=1), longest))
    busy_s, item_s, service_s = (np.stack(column, axis=1) for column in zip(*columns))
    count, kinds = len(sets.cuts), len(ground.benches)
    whole = np.zeros((count * kinds, 1), dtype=np.int64)
    return Block(
        MODES.index("serial"),
        rule,
        size,
        cuts=np.repeat(first + np.arange(count), kinds),
        bench=np.tile(np.arange(kinds)[:, None], (count, 1)),
        start=whole,
        end=whole + ground.layers,
        busy_s=busy_s.reshape(-1, 1),
        item_s=item_s.reshape(-1, 1),
        survive=np.ones((count * kinds, 1)),
        service_s=service_s.ravel(),
        accuracy=accuracies(ground, ground.rules[rule], sets).ravel(),
    )


def _fits(bench: Bench, sets: CutSets, size: int) -> Bools:
    """(sets,): whether all portions fit one replica together."""
    batch = bench.sizes[size]
    if bench.kind.weights == "resident":
        return np.full(len(sets.cuts), bench.spans().full_s[0, -1, size] < np.inf)
    found = []
    for start, end in zip(*(axis.tolist() for axis in portion_bounds(sets))):
        members = [bench.portion(a, b, batch) for a, b in zip(start, end) if a < b]
        found.append(needed_memory(bench.costs, members) <= bench.hardware.memory_bytes * bench.devices)
    return np.array(found)


def with_all(exits: RuledExits, sets: CutSets) -> CutSets:
    """Sets of ramps with that of all ramps as the last one."""
    every = looked_up(exits.model, [exits.source.ramps])
    if sets.size[-1] == len(exits.source.ramps):
        return sets
    width = max(sets.cuts.shape[1], every.cuts.shape[1])
    cuts = [
        np.pad(one.cuts, ((0, 0), (0, width - one.cuts.shape[1])), constant_values=sets.layers) for one in (sets, every)
    ]
    survive = [
        np.pad(one.survive, ((0, 0), (0, width + 1 - one.survive.shape[1])), mode="edge") for one in (sets, every)
    ]
    return replace(
        sets,
        cuts=np.concatenate(cuts),
        survive=np.concatenate(survive),
        accuracy=np.concatenate([sets.accuracy, every.accuracy]),
    )
