"""Requests per second that a deployment can carry in the steady state, for every exit mode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simulator.costs.early_exit.batches import expected_compact, expected_transfer
from simulator.costs.early_exit.depth import Convention, checked, portions
from simulator.errors import Problem, ScenarioError

Floats = NDArray[np.float64]
ExitMode = Literal["none", "compact", "at_cut", "answer_early"]
Execution = Literal["parallel", "serial"]
MODES: tuple[ExitMode, ...] = ("none", "compact", "at_cut", "answer_early")


@dataclass(frozen=True, slots=True)
class Costs:
    """Times of a model on one kind of device [s]; shapes (layers, batch + 1), ``transfer`` by survivors (batch + 1,).

    ``ramps`` has rows of 0 where no ramp runs, ``gather`` is the time to close up the survivors of a shrinking batch.
    See ``steps`` for how they are made. None: takes no time.
    """

    layers: Floats
    ramps: Floats | None = None
    gather: Floats | None = None
    transfer: Floats | None = None

    def __post_init__(self) -> None:
        if self.layers.ndim != 2 or self.layers.shape[1] < 2:
            raise ScenarioError(Problem("layer times: need shape (layers, batch + 1) with a batch of at least 1"))
        for name, array, shape in (
            ("ramp times", self.ramps, self.layers.shape),
            ("gather times", self.gather, self.layers.shape),
            ("transfer times", self.transfer, self.layers.shape[1:]),
        ):
            if array is not None and array.shape != shape:
                raise ScenarioError(Problem(f"{name}: have shape {array.shape}, the layer times ask for {shape}"))

    @property
    def largest_batch(self) -> int:
        """Largest batch size that the arrays tell of."""
        return int(self.layers.shape[1]) - 1


@dataclass(frozen=True, slots=True)
class PortionCapacity:
    """One portion: layers ``first`` to ``last``, entered by the share ``survival`` of the service's requests."""

    first: int
    last: int
    survival: float
    answered: float
    """Share of the service's requests whose answer leaves in this portion; these add up to 1."""
    batch: int
    replicas: int
    busy_s: float
    """Mean time that a full batch keeps a replica busy, transfer included [s]."""
    rate: float
    """Most requests of the whole service per second; infinite where none gets here. Serial: that of the replicas."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a deployment carries: ``rate`` is that of its slowest portion [requests of the service per second]."""

    rate: float
    portions: tuple[PortionCapacity, ...]

    @property
    def bottleneck(self) -> PortionCapacity:
        """The portion that binds; in serial execution the one that takes most of a replica's time."""
        return max(self.portions, key=lambda one: one.survival * one.busy_s / (one.batch * one.replicas))

    @property
    def service_s(self) -> float:
        """Time of a request that passes through every portion without waiting, sum of ``busy_s`` [s]."""
        return sum(portion.busy_s for portion in self.portions)

    def throughput(self, offered: float) -> float:
        """Answers per second at ``offered`` requests per second, above capacity too.

        An overloaded portion passes on what it can: requests that are answered before it are answered all the same, so
        that the answers of an overloaded deployment can exceed its capacity while the queue of the bottleneck grows.

        .. math:: \\sum_s (S_s - S_{s+1}) \\min(\\lambda, C_1, .., C_s)
        """
        passing, answers = offered, 0.0
        for portion in self.portions:
            passing = min(passing, portion.rate)
            answers += passing * portion.answered
        return answers


def busy_seconds(
    exit_mode: ExitMode,
    costs: Costs,
    survival: ArrayLike,
    first: int,
    last: int,
    batch: int,
    *,
    convention: Convention = "cuts",
    overlap: bool = False,
    serial: bool = False,
) -> float:
    """Mean time that a full batch of one portion keeps a replica busy [s].

    ``none``: the layers. ``answer_early``: layers and ramps at full size, all are handed on. ``at_cut``: layers at full
    size and the ramp at the cut (``convention="tag"``: every ramp), none in the last portion. ``compact``: the exact
    expectation over batch compositions. What is left is handed to the next portion: the transfer adds to the time, with
    ``overlap`` the longer of both counts; serial replicas hand nothing on.
    """
    share = checked(survival)
    rows, layers = slice(first - 1, last), len(share)
    going = share[last] / share[first - 1] if last < layers and share[first - 1] > 0.0 else 0.0
    if exit_mode in ("none", "answer_early"):
        going = float(last < layers)
    if exit_mode == "compact":
        inside = share[rows] / share[first - 1] if share[first - 1] > 0.0 else np.zeros(last - first + 1)
        busy = expected_compact(inside, batch, costs.layers[rows], _rows(costs.ramps, rows), _rows(costs.gather, rows))
    else:
        busy = float(costs.layers[rows, batch].sum())
        busy += _ramp_seconds(exit_mode, costs, first, last, batch, convention)
    if serial or last == layers or costs.transfer is None:
        return busy
    sending = expected_transfer(going, batch, costs.transfer)
    return max(busy, sending) if overlap else busy + sending


def _rows(array: Floats | None, rows: slice) -> Floats | None:
    return None if array is None else array[rows]


def _ramp_seconds(
    exit_mode: ExitMode, costs: Costs, first: int, last: int, batch: int, convention: Convention
) -> float:
    """Ramps of a batch that keeps its size [s]; the model's end has none."""
    if costs.ramps is None or exit_mode == "none":
        return 0.0
    layers = len(costs.layers)
    if exit_mode == "answer_early":
        return float(costs.ramps[first - 1 : min(last, layers - 1), batch].sum())
    if last == layers:
        return 0.0
    start = first if convention == "tag" else last
    return float(costs.ramps[start - 1 : last, batch].sum())


def capacity(
    costs: Costs | Sequence[Costs],
    survival: ArrayLike,
    replicas: int | Sequence[int],
    *,
    exit_mode: ExitMode,
    execution: Execution = "parallel",
    cuts: Sequence[int] = (),
    batch: int | Sequence[int] | None = None,
    convention: Convention = "cuts",
    overlap: bool = False,
) -> Capacity:
    """Requests of the service per second that a deployment can carry when every batch is full.

    .. math:: \\min_s \\frac{n_s B_s}{S_s \\tau_s} \\quad\\text{(parallel)},\\qquad
              \\frac{n}{\\sum_s S_s \\tau_s / B_s} \\quad\\text{(serial)}

    ``S_s``: share of requests that enters portion s; ``tau_s``: its ``busy_seconds``; ``n_s``: its replicas (serial: n
    replicas run all portions). ``survival``: ``S_l`` per layer under the ramps that run (``reach``); modes that never
    shrink a batch ignore it. ``costs`` and ``batch``: one for all portions, or one per portion; ``batch`` left out is
    the largest that the arrays tell of. Where several kinds of device share a portion, their rates add up.

    >>> layers = np.array([[0.0, 1.0, 1.0], [0.0, 1.0, 1.0]])
    >>> capacity(Costs(layers), [1.0, 0.5], [2, 1], exit_mode="at_cut", cuts=[1]).rate
    4.0
    """
    share = checked(survival)
    ranges = portions(len(share), cuts)
    count = len(ranges)
    by_portion = [costs] * count if isinstance(costs, Costs) else list(costs)
    given = [one.largest_batch for one in by_portion] if batch is None else batch
    sizes = [given] * count if isinstance(given, int) else list(given)
    numbers = [replicas] * count if isinstance(replicas, int) else list(replicas)
    _check(exit_mode, execution, share, by_portion, sizes, numbers, count, isinstance(replicas, int))
    entering = [float(share[first - 1]) for first, _ in ranges]
    if exit_mode in ("none", "answer_early"):
        entering = [1.0] * count
    serial = execution == "serial"
    busy = [
        busy_seconds(exit_mode, one, share, first, last, size, convention=convention, overlap=overlap, serial=serial)
        for one, (first, last), size in zip(by_portion, ranges, sizes)
    ]
    rates = _rates(entering, busy, sizes, numbers, serial)
    rows = zip(ranges, entering, _answered(exit_mode, share, ranges), sizes, numbers, busy, rates)
    return Capacity(min(rates), tuple(PortionCapacity(*layers, *figures) for layers, *figures in rows))


def _answered(exit_mode: ExitMode, share: Floats, ranges: Sequence[tuple[int, int]]) -> list[float]:
    """Share of requests answered in each portion."""
    if exit_mode == "none":
        return [float(last == len(share)) for _, last in ranges]
    reaching = np.append(share, 0.0)
    return [float(reaching[first - 1] - reaching[last]) for first, last in ranges]


def _rates(
    entering: Sequence[float], busy: Sequence[float], sizes: Sequence[int], numbers: Sequence[int], serial: bool
) -> list[float]:
    needed = [share * seconds / size for share, seconds, size in zip(entering, busy, sizes)]
    if serial:
        needed = [sum(needed)] * len(needed)
    return [number / seconds if seconds > 0.0 else float("inf") for number, seconds in zip(numbers, needed)]


def _check(
    exit_mode: str,
    execution: str,
    share: Floats,
    costs: Sequence[Costs],
    sizes: Sequence[int],
    numbers: Sequence[int],
    count: int,
    one_number: bool,
) -> None:
    """Refuse what cannot be computed, with what was expected."""
    if exit_mode not in MODES:
        raise ScenarioError(Problem(f"unknown exit mode {exit_mode!r} (known: {', '.join(MODES)})"))
    for name, given in (("costs", costs), ("batch", sizes), ("replicas", numbers)):
        if len(given) != count:
            raise ScenarioError(Problem(f"{name}: {len(given)} given for {count} portions"))
    if execution == "serial" and not one_number and count > 1:
        raise ScenarioError(Problem("replicas: serial replicas run all portions, give one number"))
    if execution == "parallel" and one_number and count > 1:
        raise ScenarioError(Problem(f"replicas: {count} portions in parallel need one number each"))
    for one, size, number in zip(costs, sizes, numbers):
        if len(one.layers) != len(share):
            raise ScenarioError(Problem(f"survival: {len(share)} shares for {len(one.layers)} layers"))
        if not 1 <= size <= one.largest_batch:
            raise ScenarioError(Problem(f"batch: must be within 1..{one.largest_batch}, got {size}"))
        if number < 1:
            raise ScenarioError(Problem(f"replicas: must be at least 1, got {number}"))
