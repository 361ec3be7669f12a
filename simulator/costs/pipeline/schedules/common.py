"""What several schedules share: the pairing of forwards and backwards, orders of microbatches, reasons to refuse."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from simulator.costs.pipeline.ops import BW, B, F, Op, W
from simulator.costs.pipeline.shape import Shape


class Turn(NamedTuple):
    """One stage's turn with one microbatch."""

    stage: int
    microbatch: int


def turns(stage: int, microbatches: int) -> list[Turn]:
    """All microbatches of one stage, in order."""
    return [Turn(stage, j) for j in range(microbatches)]


def one_forward_one_backward(forwards: Sequence[Turn], backwards: Sequence[Turn], warmup: int) -> Iterator[Op]:
    """So many forwards, then forward and full backward in turn, then the backwards that are left."""
    ahead = min(warmup, len(forwards))
    for turn in forwards[:ahead]:
        yield Op(F, *turn)
    for k, turn in enumerate(backwards):
        if ahead + k < len(forwards):
            yield Op(F, *forwards[ahead + k])
        yield Op(BW, *turn)


def split_backward(forwards: Sequence[Turn], backwards: Sequence[Turn], warmup: int, delay: int) -> Iterator[Op]:
    """So many forwards, then B, the W of ``delay`` backwards ago, and the next forward, in turn; then the W left."""
    ahead = min(warmup, len(forwards))
    for turn in forwards[:ahead]:
        yield Op(F, *turn)
    for k, turn in enumerate(backwards):
        yield Op(B, *turn)
        if k >= delay:
            yield Op(W, *backwards[k - delay])
        if ahead + k < len(forwards):
            yield Op(F, *forwards[ahead + k])
    for turn in backwards[max(0, len(backwards) - delay) :]:
        yield Op(W, *turn)


def rounds(rank: int, shape: Shape, *, backward: bool = False) -> list[Turn]:
    """Turns of a rank with the stages ``rank + k p``: p microbatches through each chunk, then the next p."""
    p, v = shape.ranks, shape.chunks
    chunks = range(v - 1, -1, -1) if backward else range(v)
    return [
        Turn(chunk * p + rank, j)
        for base in range(0, shape.microbatches, p)
        for chunk in chunks
        for j in range(base, base + p)
    ]


def single(shape: Shape) -> str | None:
    """Refusal of more than one chunk."""
    return None if shape.chunks == 1 else f"has 1 chunk per rank, got {shape.chunks}"


def two_chunks(shape: Shape) -> str | None:
    """Refusal of anything but two chunks."""
    return None if shape.chunks == 2 else f"has 2 chunks per rank, got {shape.chunks}"


def in_rounds(shape: Shape) -> str | None:
    """Refusal of less than two chunks, and of microbatches that do not come in rounds of p."""
    if shape.chunks < 2:
        return f"needs at least 2 chunks per rank, got {shape.chunks}"
    return whole_rounds(shape)


def whole_rounds(shape: Shape) -> str | None:
    """Refusal of microbatches that do not come in rounds of p."""
    if shape.microbatches % shape.ranks:
        return f"needs a multiple of {shape.ranks} microbatches (one round of all ranks), got {shape.microbatches}"
    return None


def any_chunks(shape: Shape) -> str | None:
    """Everything goes."""
    return None
