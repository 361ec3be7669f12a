"""Arrays of shapes that have as many portions: times, work and accuracy of every choice of replicas for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from simulator.planner.optimize.problem import Floats, Ints
from simulator.planner.optimize.space.ground import Ground
from simulator.planner.split import CutSets
from simulator.planner.split.portions import portion_bounds

Bools = NDArray[np.bool_]
T = TypeVar("T", np.float64, np.int64)
MODES = ("none", "compact", "at_cut", "answer_early", "serial")
"""Exit modes by number; the last is at_cut in serial execution."""


@dataclass(frozen=True, eq=False)
class Block:
    """Shapes of one mode, rule and batch size: arrays (shapes, groups), the same number of groups each.

    ``bench`` names the kind of replica; layers ``start`` + 1 .. ``end``; ``busy_s`` of a full batch; ``item_s`` what
    one arriving request asks for at least, so that ``served`` of them can be in time [s]; ``survive``: share that gets
    there at the bad end. ``cuts`` (shapes,) are numbers of sets of cuts, or of ramps where the model is whole.
    """

    mode: int
    rule: int
    size: int
    cuts: Ints
    bench: Ints
    start: Ints
    end: Ints
    busy_s: Floats
    item_s: Floats
    survive: Floats
    service_s: Floats
    accuracy: Floats

    def keep(self, chosen: Bools) -> Block:
        """Some of the shapes."""
        return Block(
            self.mode,
            self.rule,
            self.size,
            self.cuts[chosen],
            self.bench[chosen],
            self.start[chosen],
            self.end[chosen],
            self.busy_s[chosen],
            self.item_s[chosen],
            self.survive[chosen],
            self.service_s[chosen],
            self.accuracy[chosen],
        )


@dataclass(frozen=True, eq=False)
class Choices:
    """What a portion may stand on: ``bench`` (places, forms, members), -1 where there is no such kind.

    A place is a pool, or a pair of them where the loss of one must be survived; a form is a number format and where the
    weights are.
    """

    bench: Ints

    @property
    def places(self) -> int:
        """Pools, or pairs of pools."""
        return len(self.bench)

    @property
    def forms(self) -> int:
        """Number formats and ways of the weights."""
        return len(self.bench[0])

    def of(self, portions: int, uniform: bool) -> Ints:
        """(assignments of places, of forms, portions, members): every choice for so many portions.

        ``uniform``: only those with one form for all portions, or for all but one.
        """
        places = np.array(list(product(range(self.places), repeat=portions)), dtype=np.int64)
        forms = np.array(_forms(self.forms, portions, uniform), dtype=np.int64)
        return self.bench[places[:, None, :], forms[None, :, :]]


def _forms(forms: int, portions: int, uniform: bool) -> list[tuple[int, ...]]:
    if not uniform:
        return list(product(range(forms), repeat=portions))
    found = {(form,) * portions for form in range(forms)}
    for base, other, place in product(range(forms), range(forms), range(portions)):
        found.add((*(base,) * place, other, *(base,) * (portions - place - 1)))
    return sorted(found)


def choices_of(ground: Ground) -> Choices:
    """Places and forms of the kinds of replica that there are."""
    kinds = [bench.kind for bench in ground.benches]
    forms = list(dict.fromkeys((kind.precision, kind.weights) for kind in kinds))
    pools = sorted({kind.pool for kind in kinds})
    places = list(combinations(pools, 2)) if ground.twofold else [(pool,) for pool in pools]
    number = {(kind.pool, kind.precision, kind.weights): at for at, kind in enumerate(kinds)}
    found = np.array(
        [[[number.get((pool, *form), -1) for pool in place] for form in forms] for place in places], dtype=np.int64
    ).reshape(len(places), len(forms), 2 if ground.twofold else 1)
    found[(found < 0).any(axis=2)] = -1
    return Choices(found)


@dataclass(frozen=True, eq=False)
class Portions:
    """Sets of as many cuts each, with who gets to each portion and who is answered rightly there.

    ``sets`` at the bad end of survival; ``first`` the number of the first of them; ``right`` (sets, portions).
    """

    sets: CutSets
    first: int
    right: Floats
    ramps: bool
    """Whether the ramps at the cuts run."""


def parallel(
    ground: Ground, portions: Portions, choices: Choices, mode: int, rule: int, size: int, uniform: bool
) -> Block:
    """Every choice of replicas for every set of cuts, portions on replicas of their own."""
    start, end = portion_bounds(portions.sets)
    kinds = choices.of(start.shape[1], uniform)
    kinds = kinds.reshape(-1, *kinds.shape[2:])
    compute, item = _computing(ground, portions.ramps, start, end, size)
    sending = _sending(ground, portions.sets, end, ground.search.batch[size])
    place = np.arange(start.shape[1])[None, :, None]
    onward = _next_pool(ground, kinds)
    busy, least = compute[:, place, kinds], item[:, place, kinds]
    send = sending[:, place, kinds, onward[:, :, None]]
    if ground.overlap:
        busy, least = np.maximum(busy, send), np.maximum(least, send / ground.search.batch[size])
    else:
        busy, least = busy + send, least + send / ground.search.batch[size]
    accuracy = _accuracy(ground, portions.right, end, kinds[:, :, 0])
    return _flat(ground, portions, kinds, (start, end), busy, least, accuracy, mode, rule, size)


def _computing(ground: Ground, ramps: bool, start: Ints, end: Ints, size: int) -> tuple[Floats, Floats]:
    """(sets, portions, benches + 1): time of a full batch, and least time per request; the last is no kind at all."""
    spans = [bench.spans(last_ramp=ramps) for bench in ground.benches]
    nowhere = np.full(start.shape, np.inf)
    full = np.stack([*(one.full_s[start, end, size] for one in spans), nowhere], axis=2)
    item = np.stack([*(one.item_s[start, end, size] for one in spans), nowhere], axis=2)
    return full, item


def _sending(ground: Ground, sets: CutSets, end: Ints, batch: int) -> Floats:
    """(sets, portions, benches + 1, pools): mean time to hand the survivors of a full batch to a pool [s].

    ``latency (1 - (1 - q)^B) + B q bytes / bandwidth``, each request going on with chance q.
    """
    enter = sets.survive
    onward = np.concatenate([enter[:, 1:], np.zeros((len(enter), 1))], axis=1)
    stay = np.clip(np.divide(onward, enter, out=np.zeros_like(enter), where=enter > 0), 0.0, 1.0)
    inner = end < sets.layers
    some, count = np.where(inner, 1.0 - (1.0 - stay) ** batch, 0.0), np.where(inner, batch * stay, 0.0)
    found = np.zeros((*end.shape, len(ground.benches) + 1, len(ground.pools)))
    for number, bench in enumerate(ground.benches):
        item = bench.output_bytes
        for pool in range(len(ground.pools)):
            route = ground.route(bench.kind.pool, pool)
            found[:, :, number, pool] = some * route.latency_s + count * item[end - 1] / route.bandwidth
    return found


def _next_pool(ground: Ground, kinds: Ints) -> Ints:
    """(choices, portions): pool of the next portion's first replicas; of the last 0, which sends nothing."""
    pools = np.array([*(bench.kind.pool for bench in ground.benches), 0])
    found = np.zeros(kinds.shape[:2], dtype=np.int64)
    found[:, :-1] = pools[kinds[:, 1:, 0]]
    return found


def _accuracy(ground: Ground, right: Floats, end: Ints, kinds: Ints) -> Floats:
    """(sets, choices): share of right answers, less what the number formats of each portion take from later ones."""
    lost = np.concatenate([ground.lost, np.zeros((1, ground.layers + 1))])
    total, found = np.zeros((len(right), len(kinds))), np.zeros((len(right), len(kinds)))
    begin = np.zeros(len(right), dtype=np.int64)
    for place in range(right.shape[1]):
        mine = lost[kinds[:, place]]
        total = total + (mine[:, end[:, place]] - mine[:, begin]).T
        found = found + right[:, place, None] * ground.keeps(total)
        begin = end[:, place]
    return found


def _flat(
    ground: Ground,
    portions: Portions,
    kinds: Ints,
    bounds: tuple[Ints, Ints],
    busy: Floats,
    least: Floats,
    accuracy: Floats,
    mode: int,
    rule: int,
    size: int,
) -> Block:
    """Sets and choices as one axis, portions and their members as another."""
    sets, count, members = len(busy), len(kinds), kinds.shape[2]
    groups = kinds.shape[1] * members

    def spread(values: NDArray[T]) -> NDArray[T]:
        """(sets, portions) -> (shapes, groups)."""
        return np.repeat(np.repeat(values, members, axis=1), count, axis=0)

    survive = portions.sets.survive[:, : kinds.shape[1]]
    needed = needed_share(survive, ground.target.served)
    service = busy.max(axis=3).sum(axis=2).ravel()
    return Block(
        mode,
        rule,
        size,
        cuts=np.repeat(portions.first + np.arange(sets), count),
        bench=np.tile(kinds.reshape(count, groups), (sets, 1)),
        start=spread(bounds[0]),
        end=spread(bounds[1]),
        busy_s=busy.reshape(-1, groups),
        item_s=np.where(np.isfinite(least), least, 0.0).reshape(-1, groups) * spread(needed),
        survive=spread(survive),
        service_s=service,
        accuracy=accuracy.ravel(),
    )


def needed_share(survive: Floats, served: float) -> Floats:
    """Share of the arrivals that must pass a portion, by ``served``, so that this share of all can be in time.

    Whoever is lost may be one of those that need the portion: ``S - (1 - served)`` of the arrivals remain to pass.

    >>> needed_share(np.array([1.0, 0.5, 0.001]), 0.9).round(4).tolist()
    [1.0, 0.4444, 0.0]
    """
    return np.maximum(survive - (1.0 - served), 0.0) / served


def undominated(block: Block, good: Bools, sets: int, places: int, load_s: Floats) -> Bools:
    """Good shapes that no other one of the same cuts, pools and batch beats in every portion: busy, work, loading.

    Shapes are ordered by sets, places and forms, as :func:`parallel` makes them; of equals the first stays.
    """
    shape = (sets, places, -1)
    values = np.concatenate([block.busy_s, block.item_s, load_s], axis=1)
    values = values.reshape(*shape, values.shape[1])
    good = good.reshape(shape)
    keep = good.copy()
    forms = values.shape[2]
    for other in range(forms if forms > 1 else 0):
        rival = values[:, :, other : other + 1]
        as_good = (rival <= values).all(axis=3) & good[:, :, other : other + 1]
        better = (rival < values).any(axis=3) | (np.arange(forms) > other)
        keep &= ~(as_good & better)
    kept: Bools = keep.ravel()
    return kept


def unruled(blocks: Sequence[Block], good: Sequence[Bools]) -> list[Bools]:
    """Good shapes of several rules, row by row the same but for the rule, that no other rule beats in every portion."""
    kept = [mine.copy() for mine in good]
    for number, other in product(range(len(blocks)), repeat=2):
        if number == other:
            continue
        mine, rival = blocks[number], blocks[other]
        pairs = [(rival.busy_s, mine.busy_s), (rival.item_s, mine.item_s), (rival.survive, mine.survive)]
        as_good = np.all([(low <= high).all(axis=1) for low, high in pairs], axis=0)
        better = np.any([(low < high).any(axis=1) for low, high in pairs], axis=0) | (other < number)
        kept[number] &= ~(as_good & better & good[other])
    return kept


def floats(blocks: Sequence[Block], name: str) -> Floats:
    """One column of all blocks, padded with 0."""
    return padded([getattr(block, name) for block in blocks], 0.0)


def integers(blocks: Sequence[Block], name: str) -> Ints:
    """One column of all blocks, padded with -1."""
    return padded([getattr(block, name) for block in blocks], -1)


def padded(parts: Sequence[NDArray[T]], fill: float) -> NDArray[T]:
    """Arrays one below the other, rows filled up to the widest."""
    if parts[0].ndim == 1:
        return np.concatenate(parts)
    width = max(part.shape[1] for part in parts)
    return np.concatenate([np.pad(part, ((0, 0), (0, width - part.shape[1])), constant_values=fill) for part in parts])
