"""Measuring, as one call."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from simulator.calibration.measure.backends import cuda
from simulator.calibration.measure.backends.base import Backend
from simulator.calibration.measure.machine import busy_s, pinned
from simulator.calibration.measure.probe import Probe
from simulator.calibration.measure.registry import BACKENDS, CUDA, KINDS, ON_CUDA, find
from simulator.calibration.measure.request import USUAL_BATCHES, Request, check_variants
from simulator.calibration.measure.result import Measurement, rows_of
from simulator.calibration.measure.rounds import Effort, Run, run_rounds
from simulator.errors import Problem, ScenarioError

DEVICES = ("auto", "cpu", "cuda")
LARGEST_BATCH = 2**20
_USUAL_EFFORT = Effort()


def measure(
    kind: str = "gemm",
    shapes: Sequence[str] = (),
    *,
    backend: str = "onnxruntime",
    variants: Sequence[str] = (),
    batches: Sequence[int] = USUAL_BATCHES,
    effort: Effort = _USUAL_EFFORT,
    device: str = "auto",
    seed: int = 0,
    progress: Callable[[float], object] | None = None,
) -> Measurement:
    """Time networks on this machine by batch size, one thread, least of many calls over several rounds.

    ``kind`` is gemm, mlp or conv, ``shapes`` are written as the kind says (empty: its usual ones); ``variants`` are
    those of the backend (empty: the usual ones). ``device`` auto measures on the processor, and products on a CUDA
    device too where there is one; cpu and cuda measure only there. What was finished before an interruption (Ctrl-C)
    is returned, with ``interrupted`` set. ScenarioError when the request cannot be met or nothing could be measured.
    """
    make = find(KINDS, kind, "--kind")
    backends, notes = _backends(kind, backend, device)
    check_variants(variants, backends)
    request = Request(tuple(shapes), tuple(variants), _checked(batches), seed, backends)
    probes: list[Probe] = make(request)
    began, busy, own = time.perf_counter(), busy_s(), time.process_time()
    with ExitStack() as stack:
        for one in backends:
            stack.enter_context(one.alone())
        held = stack.enter_context(pinned())
        done = run_rounds(probes, effort, progress)
    wall_s = time.perf_counter() - began
    others = _others(busy, busy_s(), time.process_time() - own, wall_s)
    return _measurement(kind, done, notes, held, others, wall_s)


def _measurement(
    kind: str, done: Run, notes: Sequence[str], held: bool, others: float | None, wall_s: float
) -> Measurement:
    rows, unclear = rows_of(done.timings)
    told = (*notes, *done.notes, *unclear)
    if not rows and not done.interrupted:
        why = "; ".join((*done.notes, *unclear)) or "the shapes, variants and batch sizes leave nothing to measure"
        raise ScenarioError(Problem(f"nothing was measured: {why}", path=f"--kind {kind}"))
    return Measurement(kind, rows, told, held, others, wall_s, done.interrupted)


def _backends(kind: str, backend: str, device: str) -> tuple[tuple[Backend, ...], tuple[str, ...]]:
    """What measures, and what to say about it."""
    if device not in DEVICES:
        raise ScenarioError(Problem(f"must be {', '.join(DEVICES)}, got {device!r}", path="--device"))
    if device == "cpu":
        return (find(BACKENDS, backend, "--backend")(),), ()
    missing = cuda.absent()
    if device == "cuda":
        if missing is not None:
            raise ScenarioError(Problem(f"no CUDA device here: {missing}", path="--device cuda"))
        if kind not in ON_CUDA:
            known = ", ".join(sorted(ON_CUDA))
            message = f"on a CUDA device only {known} can be measured, not {kind}"
            raise ScenarioError(Problem(message, path="--device cuda"))
        return (find({"cuda": CUDA}, "cuda", "--device")(),), ()
    found = [find(BACKENDS, backend, "--backend")()]
    if missing is None and kind in ON_CUDA:
        found.append(find({"cuda": CUDA}, "cuda", "--device")())
    notes = () if missing is None else (f"no CUDA device here ({missing}): measured on the processor only",)
    return tuple(found), notes


def _checked(batches: Sequence[int]) -> tuple[int, ...]:
    if not batches:
        raise ScenarioError(Problem("names no batch size", path="--batch"))
    for batch in batches:
        if not 1 <= batch <= LARGEST_BATCH:
            raise ScenarioError(Problem(f"must be from 1 to {LARGEST_BATCH}, got {batch}", path="--batch"))
    return tuple(dict.fromkeys(batches))


def _others(before: float | None, after: float | None, own_s: float, wall_s: float) -> float | None:
    """Processors that others kept busy, on average."""
    if before is None or after is None or wall_s <= 0:
        return None
    return max(after - before - own_s, 0.0) / wall_s
