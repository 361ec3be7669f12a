"""Shapes of a space, made when somebody looks at one: there may be a hundred thousand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, overload

import numpy as np

from simulator.planner.exits.deployed import FILLS, WAITING
from simulator.planner.optimize.problem import Floats, Group, Ints, Shape
from simulator.planner.optimize.space.blocks import MODES
from simulator.planner.optimize.space.ground import Ground
from simulator.scenario.deployment import ExitMode, LayerRange, Routing
from simulator.scenario.exits import ExitRule
from simulator.scenario.planning import Execution, Weights
from simulator.scenario.quantities import Precision


@dataclass(frozen=True, slots=True)
class Placed:
    """One entry of a deployment's portions, all but the replicas; ``max_wait_s`` [s]."""

    layers: LayerRange
    pool: str
    precision: Precision
    weights: Weights
    max_wait_s: float


@dataclass(frozen=True, slots=True)
class Detail:
    """What a deployment needs beside the replicas.

    ``rule`` None: the model's own; ``ramps`` None: all, or those at the cuts. ``survival`` by portion, as measured and
    with the band outside which the plan must be made anew: (first layer, measured, low, high).
    """

    exit_mode: ExitMode
    execution: Execution
    routing: Routing
    rule: ExitRule | None
    ramps: tuple[int, ...] | None
    cuts: tuple[int, ...]
    portions: tuple[Placed, ...]
    survival: tuple[tuple[int, float, float, float], ...]


@dataclass(frozen=True, eq=False)
class Rows:
    """Every shape as a row of arrays; see ``Block`` for the columns, which are padded with bench -1."""

    mode: Ints
    rule: Ints
    size: Ints
    wait: Ints
    cuts: Ints
    bench: Ints
    start: Ints
    end: Ints
    busy_s: Floats
    survive: Floats
    service_s: Floats
    accuracy: Floats
    load_s: Floats
    key: Ints


@dataclass(frozen=True, eq=False)
class Shapes(Sequence[Shape]):
    """The shapes of a space; equal numbers give equal shapes. ``sets`` are the cuts or ramps that rows name."""

    ground: Ground
    rows: Rows
    sets: tuple[tuple[int, ...], ...]
    _made: dict[int, Shape] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows.mode)

    @overload
    def __getitem__(self, index: int) -> Shape: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Shape, ...]: ...

    def __getitem__(self, index: int | slice) -> Shape | tuple[Shape, ...]:
        if isinstance(index, slice):
            return tuple(self[number] for number in range(*index.indices(len(self))))
        number = int(index) + (len(self) if index < 0 else 0)
        if not 0 <= number < len(self):
            raise IndexError(index)
        if number not in self._made:
            self._made[number] = self._make(number)
        return self._made[number]

    def _make(self, row: int) -> Shape:
        rows, detail = self.rows, self._detail(row)
        accuracy = float(rows.accuracy[row])
        return Shape(
            name=name_of(detail, self.batch(row)),
            exit_mode=detail.exit_mode,
            execution=detail.execution,
            batch=self.batch(row),
            groups=tuple(self._group(row, at) for at in range(self._count(row))),
            service_s=float(rows.service_s[row]),
            accuracy=None if np.isnan(accuracy) else accuracy,
            detail=detail,
        )

    def _count(self, row: int) -> int:
        return int((self.rows.bench[row] >= 0).sum())

    def batch(self, row: int) -> int:
        """Batch size of a shape."""
        return self.ground.search.batch[int(self.rows.size[row])]

    def _group(self, row: int, at: int) -> Group:
        rows, bench = self.rows, self.ground.benches[int(self.rows.bench[row, at])]
        return Group(
            layers=(int(rows.start[row, at]) + 1, int(rows.end[row, at])),
            pool=bench.kind.pool,
            devices=bench.devices,
            busy_s=float(rows.busy_s[row, at]),
            survival=float(rows.survive[row, at]),
            load_s=float(rows.load_s[row, at]),
            key=(int(rows.key[row, at]),),
        )

    # -- what stands behind a row --------------------------------------------------------------------------------

    def cuts_of(self, row: int) -> tuple[int, ...]:
        """Cuts of the shape, or the ramps of a model that is whole."""
        number = int(self.rows.cuts[row])
        return () if number < 0 else self.sets[number]

    def _detail(self, row: int) -> Detail:
        mode, rule = MODES[int(self.rows.mode[row])], int(self.rows.rule[row])
        chosen = self.cuts_of(row)
        whole = mode in ("compact", "answer_early")
        exits = self.ground.rules[rule] if rule >= 0 else None
        ramps = chosen if whole and exits is not None and chosen != exits.source.ramps else None
        written = self.ground.spec.timeline
        return Detail(
            exit_mode="at_cut" if mode == "serial" else mode,  # type: ignore[arg-type]  # a mode by its name
            execution="serial" if mode == "serial" else "parallel",
            routing=written[0][1].routing if written else "shared",
            rule=exits.rule if exits is not None else None,
            ramps=ramps,
            cuts=() if whole else chosen,
            portions=self._placed(row, mode),
            survival=self._survival(mode, exits, chosen),
        )

    def _placed(self, row: int, mode: str) -> tuple[Placed, ...]:
        rows, wait_s = self.rows, self.ground.search.max_wait[int(self.rows.wait[row])]
        if mode != "serial":
            spans = [(int(rows.start[row, at]), int(rows.end[row, at])) for at in range(self._count(row))]
            benches, waits = rows.bench[row].tolist(), [wait_s] * len(spans)
        else:
            bounds = (0, *self.cuts_of(row), self.ground.layers)
            spans = list(pairwise(bounds))
            benches, waits = [int(rows.bench[row, 0])] * len(spans), self._buffers(row, wait_s)
        kinds = [self.ground.benches[number].kind for number in benches[: len(spans)]]
        return tuple(
            Placed(LayerRange(first=a + 1, last=b), kind.pool_name, kind.precision, kind.weights, wait)
            for (a, b), kind, wait in zip(spans, kinds, waits, strict=True)
        )

    def _buffers(self, row: int, wait_s: float) -> list[float]:
        """``max_wait`` by portion of serial execution [s]: buffers fill at full load, within the deadline.

        A replica sees a batch of arrivals every ``busy_s``, so survivors of a share S fill a batch in ``busy_s / S``.
        """
        exits = self.ground.rules[int(self.rows.rule[row])]
        shares = [share for _, _, _, share in self._survival("serial", exits, self.cuts_of(row))]
        fills = [FILLS * float(self.rows.busy_s[row, 0]) / share if share > 0 else 0.0 for share in shares]
        deadline_s = self.ground.target.latency_s
        room = WAITING * max(deadline_s - float(self.rows.service_s[row]), 0.0)
        scale = min(1.0, room / sum(fills)) if np.isfinite(deadline_s) and sum(fills) > 0 else 1.0
        return [wait_s, *(scale * fill for fill in fills)]

    def _survival(self, mode: str, exits: Any, cuts: tuple[int, ...]) -> tuple[tuple[int, float, float, float], ...]:
        """Share of the arrivals that gets past each cut (or ramp), measured, and its band."""
        if exits is None or mode in ("none", "answer_early"):
            return ()
        return tuple((cut + 1, *one) for cut, one in zip(cuts, exits.band(cuts)))


def name_of(detail: Detail, batch: int) -> str:
    """A shape in one line, such as ``at_cut 1-4 on v100 at fp16 | 5-12 on v100 at fp16, batch 8``."""
    places: dict[str, list[str]] = {}
    for one in detail.portions:
        streamed = ", streamed" if one.weights == "streamed" else ""
        places.setdefault(str(one.layers), []).append(f"{one.pool} at {one.precision}{streamed}")
    text = " | ".join(f"{layers} on {' and '.join(where)}" for layers, where in places.items())
    serial = " in serial" if detail.execution == "serial" else ""
    more = [f"batch {batch}"]
    if detail.portions[0].max_wait_s:
        more.append(f"waiting {detail.portions[0].max_wait_s * 1e3:g} ms")
    if detail.rule is not None:
        more += [f"{key} {value}" for key, value in detail.rule.model_dump().items()]
    if detail.ramps is not None:
        more.append(f"ramps {', '.join(map(str, detail.ramps)) or 'none'}")
    return f"{detail.exit_mode}{serial} {text}, {', '.join(more)}"
