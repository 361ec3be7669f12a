"""The schedules: one module each, one line in ``SCHEDULES``."""

from __future__ import annotations

from simulator.costs.pipeline.memory import Memory
from simulator.costs.pipeline.ops import Schedule
from simulator.costs.pipeline.schedules.chimera import CHIMERA
from simulator.costs.pipeline.schedules.dual_pipe import DUAL_PIPE, DUAL_PIPE_V
from simulator.costs.pipeline.schedules.gpipe import GPIPE
from simulator.costs.pipeline.schedules.hanayo import HANAYO
from simulator.costs.pipeline.schedules.inference import INFERENCE
from simulator.costs.pipeline.schedules.interleaved import INTERLEAVED
from simulator.costs.pipeline.schedules.interleaved_zero_bubble import INTERLEAVED_ZERO_BUBBLE
from simulator.costs.pipeline.schedules.looped_bfs import LOOPED_BFS
from simulator.costs.pipeline.schedules.one_f_one_b import ONE_F_ONE_B
from simulator.costs.pipeline.schedules.zero_bubble import ZB_H1, ZB_H2
from simulator.costs.pipeline.schedules.zero_bubble_search import ZB_1P, ZB_2P
from simulator.costs.pipeline.schedules.zero_bubble_v import ZB_V
from simulator.costs.pipeline.shape import Entry, Shape
from simulator.costs.pipeline.times import Times
from simulator.errors import Problem, ScenarioError

SCHEDULES: dict[str, Entry] = {
    "gpipe": GPIPE,
    "1f1b": ONE_F_ONE_B,
    "interleaved-1f1b": INTERLEAVED,
    "looped-bfs": LOOPED_BFS,
    "zb-h1": ZB_H1,
    "zb-h2": ZB_H2,
    "interleaved-zero-bubble": INTERLEAVED_ZERO_BUBBLE,
    "zb-1p": ZB_1P,
    "zb-2p": ZB_2P,
    "zb-v": ZB_V,
    "chimera": CHIMERA,
    "dualpipe": DUAL_PIPE,
    "dualpipe-v": DUAL_PIPE_V,
    "hanayo": HANAYO,
    "inference": INFERENCE,
}


def refusal(name: str, ranks: int, microbatches: int, chunks: int | None = None) -> str | None:
    """Why there is no such schedule of this shape; None: there is. ``chunks`` None: what is usual for the schedule.

    >>> refusal("interleaved-1f1b", 4, 6)
    'interleaved-1f1b needs a multiple of 4 microbatches (one round of all ranks), got 6'
    """
    if name not in SCHEDULES:
        return f"unknown schedule {name!r} (known: {', '.join(SCHEDULES)})"
    entry = SCHEDULES[name]
    shape = Shape(ranks, microbatches, entry.default_chunks if chunks is None else chunks)
    if min(shape.ranks, shape.microbatches, shape.chunks) < 1:
        return f"{name} needs at least 1 rank, 1 microbatch and 1 chunk per rank"
    why = entry.refusal(shape)
    return None if why is None else f"{name} {why}"


def make(
    name: str,
    ranks: int,
    microbatches: int,
    chunks: int | None = None,
    *,
    times: Times | None = None,
    memory: Memory | None = None,
    limit: float | None = None,
) -> Schedule:
    """The schedule of p ranks, m microbatches and v chunks per rank; ScenarioError outside its domain.

    ``times``, and ``memory`` with its ``limit`` per rank, are for schedules that depend on them (``Entry.timed``), and
    left alone by the others. Left out, all ops take 1, W keeps all that F left, and the limit is the one of the name.

    >>> " ".join(f"{op.kind.name}{op.microbatch}" for op in make("1f1b", 2, 3).orders[0])
    'F0 F1 BW0 F2 BW1 BW2'
    """
    why = refusal(name, ranks, microbatches, chunks)
    if why is not None:
        raise ScenarioError(Problem(why, path="schedule"))
    entry = SCHEDULES[name]
    usual = entry.default_chunks if chunks is None else chunks
    return entry.build(Shape(ranks, microbatches, usual, times, memory, limit))
