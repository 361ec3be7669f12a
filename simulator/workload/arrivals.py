"""From a workload of the scenario to the instants at which its requests arrive."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from simulator.errors import InternalError
from simulator.workload.clock import Clock, check_cycles
from simulator.workload.process import CHUNK, Binding, Draws, Floats, Place, Process, Workload
from simulator.workload.rates import Series
from simulator.workload.registry import PROCESSES
from simulator.workload.shapes import shapes_of

MAX_STEPS = 1e10
SPARE = 256


def open_arrivals(
    workload: Workload,
    *,
    seed: int,
    replication: int,
    service: str,
    until_s: float,
    folder: Path,
    problem: Place | None = None,
    chunk: int = CHUNK,
) -> Iterator[Floats]:
    """Arrival instants [s] of an open load in [0, ``until_s``), ascending, in chunks of about ``chunk``.

    They depend on the workload, ``seed``, ``replication`` and ``service`` alone, so two deployments see the
    same, and a longer run continues a shorter one. Files are read (from ``folder``) and checked by the call
    itself, the instants are made as the chunks are taken. ``problem`` places problems at keys of the
    scenario.
    """
    if not until_s > 0:
        return iter(())
    process, clock = _bound(workload, until_s, Binding(folder, service, problem))
    size = int(min(chunk, SPARE + 1.25 * process.steps(clock, until_s)))
    return _cut(process.chunks(Draws(seed, replication, service), clock, size), clock, until_s)


def arrival_times(
    workload: Workload,
    *,
    seed: int,
    replication: int,
    service: str,
    until_s: float,
    folder: Path,
    problem: Place | None = None,
) -> Floats:
    """All instants of :func:`open_arrivals` as one array [s]."""
    chunks = open_arrivals(
        workload,
        seed=seed,
        replication=replication,
        service=service,
        until_s=until_s,
        folder=folder,
        problem=problem,
    )
    return np.concatenate([np.empty(0), *chunks])


def mean_rate(
    workload: Workload,
    until_s: float,
    folder: Path,
    *,
    service: str | None = None,
    problem: Place | None = None,
) -> float | None:
    """Expected arrivals per second over [0, ``until_s``) (exact count of a trace); None for a closed load."""
    if PROCESSES[workload.process].bind is None:
        return None
    process, clock = _bound(workload, until_s, Binding(folder, service, problem))
    return process.expected(clock, until_s) / until_s


def expected_by(
    workload: Workload,
    instants_s: Floats,
    until_s: float,
    folder: Path,
    *,
    service: str | None = None,
    problem: Place | None = None,
) -> Floats:
    """Expected arrivals of an open load in [0, t) for each of the instants t <= ``until_s`` [s], the end of the run."""
    process, clock = _bound(workload, until_s, Binding(folder, service, problem))
    if isinstance(process, Series):
        return process.expected_by(clock, instants_s)
    return np.array([process.expected(clock, instant) if instant > 0 else 0.0 for instant in instants_s.tolist()])


def _bound(workload: Workload, until_s: float, binding: Binding) -> tuple[Process, Clock]:
    """The process with its files read and the clock of its shapes, both checked against the run."""
    kind = PROCESSES[workload.process]
    if kind.bind is None:
        raise InternalError(f"the {workload.process} load of {binding.service} has no open arrivals")
    process = kind.bind(workload, binding)
    if kind.check is not None:
        kind.check(process, workload, binding, until_s)
    shapes = shapes_of(workload)
    check_cycles(shapes, until_s, binding)
    clock = Clock(shapes, until_s)
    steps = process.steps(clock, until_s)
    if not steps <= MAX_STEPS:
        raise binding.error(
            f"this load would take about {steps:.2g} arrivals or changes of rate in a run of {until_s:g} s; "
            f"at most {MAX_STEPS:.0e} are simulated: lower the rate or shorten the run"
        )
    return process, clock


def _cut(chunks: Iterable[Floats], clock: Clock, until_s: float) -> Iterator[Floats]:
    """Instants of the clock -> instants of the run before ``until_s``."""
    # A little beyond, so that rounding of F never loses an arrival just before the end.
    limit = float(clock.forward(np.array([until_s]))[0]) * (1 + 1e-9)
    last = 0.0
    for chunk in chunks:
        if not chunk.size:
            continue
        ends = bool(chunk[-1] > limit)
        inside = chunk[: np.searchsorted(chunk, limit, side="right")] if ends else chunk
        # The inverse is exact to the last digits only: equal instants may come out in the wrong order.
        instants = np.maximum.accumulate(np.maximum(clock.inverse(inside), last))
        kept = instants[: np.searchsorted(instants, until_s, side="left")]
        if kept.size:
            last = float(kept[-1])
            yield kept
        if ends or kept.size < inside.size:
            return
