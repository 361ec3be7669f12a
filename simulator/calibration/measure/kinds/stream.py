"""Networks larger than their place: layers come from files, several microbatches run in each visit of one."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from simulator.calibration.measure.backends.base import Backend
from simulator.calibration.measure.backends.layerfiles import (
    LayerFiles,
    layer_files,
    padded,
    read_seconds,
)
from simulator.calibration.measure.backends.layermath import TYPES, CudaMath, Math, NumpyMath
from simulator.calibration.measure.backends.layerstream import Outcome, Plan, Prefetch, Resident, run_step, waited_s
from simulator.calibration.measure.network import LARGEST_BYTES, Floats32
from simulator.calibration.measure.probe import Call, Lap, Probe, ThreadClock, Ticker
from simulator.calibration.measure.request import Request, named
from simulator.errors import Problem, ScenarioError
from simulator.streams import stream

USUAL = ("training:6x1024",)
USUAL_BACKEND = "numpy"
USUAL_GROUPS = (1, 2, 4, 8, 16)
SLOTS = 2
FROZEN_SHARE = "0.333333"
"""Share of the compute that is forward: the backward pass of frozen weights is two products, the forward pass one."""
LOAD_TO_PRODUCT = 8.0
"""Where the rows of a microbatch are not given: a load takes as long as so many of its products, so that groups of a
few microbatches wait for the loads and larger ones hide them."""
WAITED = 0.05
"""Share of a lap for which its threads may wait for a processor."""
_SHAPE = re.compile(r"(training|inference):([1-9]\d{0,4})x([1-9]\d{0,4})(?:@([1-9]\d{0,6}))?")
_LOOKS = 6
_LOOK_ROWS = 16
_ON = {"numpy": tuple(TYPES), "torch-cuda": ("fp16",)}
"""Backends that can stream, with their variants."""


@dataclass(frozen=True, slots=True)
class Streamed:
    """A network of ``layers`` equal layers of ``width`` squared weights, microbatches of ``rows``; 0: to be found."""

    name: str
    mode: str
    layers: int
    width: int
    rows: int
    seed: int = 0

    @property
    def plan(self) -> Plan:
        """What a step visits."""
        return Plan(self.layers, SLOTS, self.mode == "training")

    def weights(self, kind: Any) -> Iterator[np.ndarray[Any, Any]]:
        """Weights of every layer, normal with variance 2 / width, so that values keep their size."""
        for number in range(self.layers):
            drawn = stream(self.seed, "measure", self.name, number, "weights")
            values = drawn.standard_normal((self.width, self.width), np.float32)
            yield (values * np.float32(np.sqrt(2 / self.width))).astype(kind)

    def inputs(self, group: int) -> list[Floats32]:
        """Microbatches, standard normal; the first are the same in every group."""
        drawn = stream(self.seed, "measure", self.name, "inputs")
        return [drawn.standard_normal((self.rows, self.width), np.float32) for _ in range(group)]


class Disturbed(Lap):
    """A lap in which a thread waited for a processor."""

    undisturbed = property(lambda self: False)


@dataclass(frozen=True)
class WallClock:
    """Wall time: a step waits for its reads, which no processor time shows.

    A lap counts as disturbed where its threads waited for a processor for more than a twentieth of it.

    ``alone``: the call reads nothing, so threads beside the calling one would be those of a matrix library,
    and refused.
    """

    alone: bool = False
    wall: Ticker = time.perf_counter
    waited: Ticker = waited_s
    name: str = "wall"

    def warm_up(self, call: Call) -> None:
        """One call, or as many as show whether one thread does all."""
        if self.alone:
            ThreadClock().warm_up(call)
        else:
            call()

    def lap(self, call: Call) -> Lap:
        """Time one call."""
        before, start = self.waited(), self.wall()
        outcome: Outcome = call()
        spent = self.wall() - start
        waited = self.waited() - before + outcome.waited_s
        return (Disturbed if waited > WAITED * spent else Lap)(spent, spent)


def probes(request: Request) -> list[Probe]:
    """Two probes for every network, variant and group size: with reads and, for the compute alone, without."""
    networks = [streamed(text, request.seed) for text in dict.fromkeys(request.shapes or USUAL)]
    found = []
    for network in networks:
        for backend in request.backends:
            for variant in _variants(request, backend):
                found += _of_network(network, backend, variant, request.batches)
    return found


def streamed(text: str, seed: int = 0) -> Streamed:
    """The network that ``[NAME=]MODE:LAYERSxWIDTH[@ROWS]`` names.

    >>> streamed("training:8x1024@16")
    Streamed(name='training:8x1024@16', mode='training', layers=8, width=1024, rows=16, seed=0)
    """
    name, shape = named(text.strip(), str)
    match = _SHAPE.fullmatch(shape)
    if match is None:
        message = f"must be [NAME=]MODE:LAYERSxWIDTH[@ROWS] such as training:8x1024@16, got {text!r}"
        raise ScenarioError(Problem(message, path="--kind stream"))
    mode, layers, width, rows = match.groups()
    return Streamed(name, mode, int(layers), int(width), int(rows or 0), seed)


def _variants(request: Request, backend: Backend) -> tuple[str, ...]:
    if backend.name not in _ON:
        message = f"streamed networks are computed by {USUAL_BACKEND}, not by {backend.name}"
        raise ScenarioError(Problem(message, path=f"--backend {backend.name}"))
    known = _ON[backend.name]
    usual = ("fp32", "fp64") if backend.name == USUAL_BACKEND else known
    return tuple(one for one in request.variants or usual if one in known)


def _check(network: Streamed, variant: str, group: int) -> None:
    """Refuse what does not fit into memory: the rows without reads hold all layers there."""
    width = np.dtype(TYPES[variant]).itemsize
    kept = network.layers if network.mode == "training" else 1
    weights = network.layers * network.width**2 * width
    values = (kept + 1) * group * max(network.rows, 1) * network.width * width
    for what, size in (("weights", weights), (f"values at group {group}", values)):
        if size >= LARGEST_BYTES:
            message = f"the {what} take {size / 2**30:.3g} GiB, must be under {LARGEST_BYTES >> 30} GiB: ask for less"
            raise ScenarioError(Problem(message, path=network.name))


def _of_network(network: Streamed, backend: Backend, variant: str, groups: tuple[int, ...]) -> list[Probe]:
    _check(network, variant, max(groups))
    math = _math(backend, network.width, variant)
    with backend.alone():
        rows, source = _look(network, math, variant)
    network = replace(network, rows=rows)
    _check(network, variant, max(groups))
    model = _Once(network, math, TYPES[variant])
    plan, clocks = network.plan, {True: WallClock(), False: WallClock(alone=backend.name == USUAL_BACKEND)}
    size = padded(network.width**2 * np.dtype(TYPES[variant]).itemsize)
    found = []
    for group in groups:
        for reads in (True, False):
            cells: dict[str, str | int] = {
                "network": network.name,
                "mode": network.mode,
                "arm": "stream_read" if reads else "stream_noread",
                "source": source,
                "layers": network.layers,
                "width": network.width,
                "microbatch_rows": rows,
                "group": group,
                "bytes_moved_per_step": len(plan.order) * size if reads else 0,
                "layer_loads_per_step": len(plan.order),
                "slots": SLOTS,
                "forward_share": FROZEN_SHARE if plan.training else 1,
                "precision": variant,
                "variant": variant,
                **backend.provenance(),
                "clock": clocks[reads].name,
            }
            found.append(Probe(cells, model.ready(group, reads), clocks[reads]))
    return found


def _math(backend: Backend, width: int, variant: str) -> Math:
    if backend.name == USUAL_BACKEND:
        return NumpyMath(width, variant)
    return CudaMath(vars(backend)["torch"], width, vars(backend)["device"])


def _look(network: Streamed, math: Math, variant: str) -> tuple[int, str]:
    """Rows of a microbatch, and where the layers come from: one layer is written, read and computed for it."""
    first = next(network.weights(TYPES[variant]))
    with layer_files([first]) as files:
        load_s, tier = read_seconds(files, _LOOKS)
        source = f"{tier} ({files.way})"
        if network.rows:
            return network.rows, source
        slot = math.slot()
        math.fill(slot, files, 0)
    product_s = _product_s(replace(network, rows=_LOOK_ROWS), math, slot)
    rows = _LOOK_ROWS * load_s / (LOAD_TO_PRODUCT * product_s)
    return int(min(max(4 * round(rows / 4), 4), 4096)), source


def _product_s(network: Streamed, math: Math, slot: Any) -> float:
    """Least time of a forward pass through one layer [s]."""
    x, times = math.inputs(network.inputs(1))[0], []
    for _ in range(2 * _LOOKS):
        start = time.perf_counter()
        math.forward(x, math.weights(slot))
        math.wait()
        times.append(time.perf_counter() - start)
    return max(min(times), 1e-9)


class _Once:
    """The files of one network and variant, written when the first of its probes is prepared; removed with it."""

    def __init__(self, network: Streamed, math: Math, kind: Any) -> None:
        self.network, self.math, self.kind = network, math, kind
        self.processors = frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else frozenset()
        self.files: LayerFiles | None = None
        self.slots: list[Any] = []
        self.resident: list[Any] = []

    def ready(self, group: int, reads: bool) -> Callable[[], Call]:
        """What prepares the step of a group."""

        def prepare() -> Call:
            files = self._written()
            math, plan = self.math, self.network.plan
            values = math.inputs(self.network.inputs(group))
            if not reads:
                layers = Resident(self._all(files))
                return lambda: Outcome(run_step(plan, math, values, layers))
            order = plan.order

            def step() -> Outcome:
                with Prefetch(math, files, self.slots, order, self.processors) as feed:
                    found = run_step(plan, math, values, feed)
                return Outcome(found, feed.waited_s)

            return step

        return prepare

    def _written(self) -> LayerFiles:
        if self.files is None:
            files = LayerFiles()
            for weights in self.network.weights(self.kind):
                files.add(weights)
            self.slots = [self.math.slot() for _ in range(SLOTS)]
            self.files = files
        return self.files

    def _all(self, files: LayerFiles) -> list[Any]:
        if not self.resident:
            filled = [self.math.slot() for _ in range(self.network.layers)]
            for layer, slot in enumerate(filled):
                self.math.fill(slot, files, layer)
            self.resident = filled
        return self.resident
