"""Idle windows of GPipe and 1F1B in closed form: equal stages, full backward, no transfers.

F and B are the times of a forward and a full backward of one stage, ``T = (m + p - 1)(F + B)`` is the iteration. Idle
windows from the number of microbatches and the two times are what US20260093523A1 asks for.
"""

from __future__ import annotations

from simulator.costs.pipeline.windows import ROUNDING, Window, Windows, windows_of
from simulator.errors import Problem, ScenarioError

Spans = list[tuple[float, float]]


def gpipe_windows(
    ranks: int, microbatches: int, forward: float, backward: float, iterations: int = 1, free: float = float("inf")
) -> Windows:
    """Windows of GPipe, rank s: ``[0, s F)``, ``(p - 1 - s)(F + B)`` from ``(s + m) F``, and ``[T - s B, T)``.

    Iterations are back to back: the last window of one and the first of the next are one of ``s (F + B)``.

    >>> [(w.rank, w.start_s, w.length_s) for w in gpipe_windows(2, 2, 1.0, 2.0)]
    [(0, 2.0, 3.0), (1, 0.0, 1.0), (1, 7.0, 2.0)]
    """
    p, m = _checked(ranks, microbatches, forward, backward)
    period = (m + p - 1) * (forward + backward)

    def spans(s: int) -> Spans:
        middle = ((s + m) * forward, (p - 1 - s) * (forward + backward))
        return [(0.0, s * forward), middle, (period - s * backward, s * backward)]

    return windows_of([w for s in range(p) for w in _repeated(s, spans(s), period, iterations, free)], p)


def one_f_one_b_windows(
    ranks: int, microbatches: int, forward: float, backward: float, iterations: int = 1, free: float = float("inf")
) -> Windows:
    """Windows of 1F1B with ``m >= p``, rank s: ``[0, s F)``; ``(p - 1 - s) B`` from ``p F``; ``p - 1 - s`` of length F,
    the k-th from the end starting at ``T - s B - k (F + B) - B - F``, k from 0; and ``[T - s B, T)``.

    Iterations are back to back, as in ``gpipe_windows``. The sum is ``(p - 1)(F + B)`` on every rank and iteration.

    >>> [(w.rank, w.start_s, w.length_s) for w in one_f_one_b_windows(2, 2, 1.0, 2.0)]
    [(0, 2.0, 2.0), (0, 6.0, 1.0), (1, 0.0, 1.0), (1, 7.0, 2.0)]
    """
    p, m = _checked(ranks, microbatches, forward, backward)
    if m < p:
        text = f"windows of 1F1B in closed form need at least p = {p} microbatches, got {m}; take those of its timeline"
        raise ScenarioError(Problem(text, path="microbatches"))
    both = forward + backward
    period = (m + p - 1) * both

    def spans(s: int) -> Spans:
        short = [(period - s * backward - k * both - both, forward) for k in range(p - 1 - s)]
        head = [(0.0, s * forward), (p * forward, (p - 1 - s) * backward)]
        return [*head, *reversed(short), (period - s * backward, s * backward)]

    return windows_of([w for s in range(p) for w in _repeated(s, spans(s), period, iterations, free)], p)


def _checked(ranks: int, microbatches: int, forward: float, backward: float) -> tuple[int, int]:
    if ranks < 1 or microbatches < 1 or not (0.0 <= forward < float("inf") and 0.0 <= backward < float("inf")):
        raise ScenarioError(Problem("idle windows need at least 1 rank, 1 microbatch, and times that are not negative"))
    return ranks, microbatches


def _repeated(rank: int, spans: Spans, period: float, iterations: int, free: float) -> list[Window]:
    """The windows of one rank in so many iterations, those that touch merged."""
    found: list[Window] = []
    for number in range(iterations):
        for start, length in spans:
            begin = number * period + start
            if length <= ROUNDING * period:
                continue
            if found and abs(found[-1].end_s - begin) <= ROUNDING * iterations * period:
                found[-1] = found[-1]._replace(end_s=begin + length)
            else:
                found.append(Window(rank, begin, begin + length, free))
    return found
