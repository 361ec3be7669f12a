"""Closed forms: how long the schedules of equal stages take and what they hold, each within its domain.

Symbols: p ranks, m microbatches, v chunks per rank; F, B, W the times of one of p stages, ``S = F + B + W``; c one
transfer between ranks, nothing of it hidden. ``makespan`` is from the first start to the last end, ``span`` the longest
stretch of one rank. The forms are exact there for what ``make`` and ``evaluate`` do; outside they are refused.
Sources: Huang et al. 2019 (GPipe), Narayanan et al. 2021 (1F1B, interleaved), Qi et al. 2024 (zero bubble),
Li and Hoefler 2021 (Chimera), DeepSeek-V3 2024 (DualPipe); with transfers, derived here by counting.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from simulator.errors import Problem, ScenarioError


class Case(NamedTuple):
    """One case: ``ranks`` p, ``microbatches`` m, ``chunks`` v, times of one of p stages and of a transfer [s]."""

    ranks: int
    microbatches: int
    forward: float
    backward_input: float
    backward_weight: float
    transfer: float = 0.0
    chunks: int = 1

    @property
    def stage_s(self) -> float:
        """S, all that a stage does for one microbatch."""
        return self.forward + self.backward_input + self.backward_weight

    @property
    def work_s(self) -> float:
        """``m S``: a rank without bubbles."""
        return self.microbatches * self.stage_s


Form = Callable[[Case], float]
Condition = tuple[str, Callable[[Case], bool]]


@dataclass(frozen=True)
class Closed:
    """The forms of one schedule: their domain, the time by one or both measures, the peak of activations by rank.

    ``peak(case, s, kept)`` counts in activations M_B of one of p stages, ``kept`` is M_W in the same unit.
    """

    conditions: tuple[Condition, ...]
    makespan: Form | None = None
    span: Form | None = None
    peak: Callable[[Case, int, float], float] | None = None


def _ceil(a: int, b: int) -> int:
    return -(-a // b)


def _gpipe(x: Case) -> float:
    return (x.microbatches + x.ranks - 1) * x.stage_s + 2 * (x.ranks - 1) * x.transfer


def _one_f_one_b(x: Case) -> float:
    p, m = x.ranks, x.microbatches
    crossings = (p - 1) + (m - 1) - _ceil(m - 1, p)
    return (m + p - 1) * x.stage_s + 2 * crossings * x.transfer


def _interleaved(x: Case) -> float:
    crossings = 2 * x.chunks * x.ranks - 2 if x.ranks > 1 else 0
    return _looped(x) + crossings * x.transfer


def _looped(x: Case) -> float:
    return x.work_s + (x.ranks - 1) * x.stage_s / x.chunks


def _interleaved_zero_bubble(x: Case) -> float:
    return x.work_s + (x.ranks - 1) * (x.forward + x.backward_input - x.backward_weight) / x.chunks


def _zb_h1(x: Case) -> float:
    return x.work_s + (x.ranks - 1) * (x.forward + x.backward_input - x.backward_weight + 4 * x.transfer)


def _zb_h2(x: Case) -> float:
    return x.work_s + (x.ranks - 1) * (x.forward + x.backward_input - 2 * x.backward_weight + 2 * x.transfer)


def _zb_v_span(x: Case) -> float:
    return x.work_s + (x.ranks - 1) * (x.backward_input - x.backward_weight)


def _zb_v_makespan(x: Case) -> float:
    return x.work_s + (x.ranks - 1) * max(x.backward_input - x.backward_weight, x.backward_input / 2)


def _chimera(x: Case) -> float:
    return x.ranks * x.forward + (2 * x.ranks - 2) * (x.backward_input + x.backward_weight)


def _dualpipe(x: Case) -> float:
    both = x.stage_s + (x.backward_input + x.backward_weight) - 3 * x.backward_weight
    return x.work_s + (x.ranks / 2 - 1) * both


def _dualpipe_v(x: Case) -> float:
    both = x.stage_s + (x.backward_input + x.backward_weight) - 3 * x.backward_weight
    return x.work_s + (x.ranks - 1) * both / 2


def _inference(x: Case) -> float:
    return (x.microbatches + (x.ranks - 1) / x.chunks) * x.forward + (x.ranks - 1) * x.transfer


def _peak_interleaved(x: Case, rank: int, kept: float) -> float:
    p, v = x.ranks, x.chunks
    return min(x.microbatches * v, (v - 1) * p + 2 * (p - 1 - rank) + 1) / v


NO_TRANSFER: Condition = ("no transfers", lambda x: x.transfer == 0.0)
ROUNDS: Condition = ("m a multiple of p", lambda x: x.microbatches % x.ranks == 0)
CHUNKS: Condition = ("v >= 2", lambda x: x.chunks >= 2)
ONE_CHUNK: Condition = ("v = 1", lambda x: x.chunks == 1)
BOTH: Condition = ("v = 2 (times are of one of p stages)", lambda x: x.chunks == 2)
WEIGHT_SHORT: Condition = ("W <= min(F, B)", lambda x: x.backward_weight <= min(x.forward, x.backward_input))

_FUSED: tuple[Condition, ...] = (
    NO_TRANSFER,
    ("W <= F = B", lambda x: x.backward_weight <= x.forward == x.backward_input),
    ("m >= 2 p", lambda x: x.microbatches >= 2 * x.ranks),
)


def _even(x: Case) -> bool:
    return x.ranks % 2 == 0 and x.microbatches % 2 == 0


def _short_transfer(share: float, parts: str) -> Condition:
    """Transfers of at most that share of the shorter of F and B, or F and B + W, of a chunk."""

    def holds(x: Case) -> bool:
        backward = x.backward_input + (x.backward_weight if "W" in parts else 0.0)
        return x.transfer <= share * min(x.forward, backward) / x.chunks

    return f"c <= {share} min({parts}){' / v' if 'W' in parts else ''}", holds


FORMS: dict[str, Closed] = {
    "gpipe": Closed((ONE_CHUNK,), _gpipe, peak=lambda x, rank, kept: x.microbatches),
    "1f1b": Closed(
        (ONE_CHUNK, _short_transfer(0.3, "F, B + W")),
        _one_f_one_b,
        peak=lambda x, rank, kept: min(x.microbatches, x.ranks - rank),
    ),
    "interleaved-1f1b": Closed(
        (CHUNKS, ROUNDS, _short_transfer(0.3, "F, B + W")), _interleaved, peak=_peak_interleaved
    ),
    "looped-bfs": Closed(
        (("m >= p", lambda x: x.microbatches >= x.ranks), NO_TRANSFER),
        _looped,
        peak=lambda x, rank, kept: x.microbatches,
    ),
    "zb-h1": Closed(
        (
            ONE_CHUNK,
            WEIGHT_SHORT,
            ("W >= 2 c", lambda x: x.backward_weight >= 2 * x.transfer),
            ("c <= 0.1 F", lambda x: x.transfer <= 0.1 * x.forward),
            ("m >= p + 1", lambda x: x.microbatches >= x.ranks + 1),
        ),
        _zb_h1,
        peak=lambda x, rank, kept: (x.ranks - rank) + rank * kept,
    ),
    "zb-h2": Closed(
        (
            ONE_CHUNK,
            WEIGHT_SHORT,
            _short_transfer(0.3, "F, B"),
            ("m >= 2 p - 1", lambda x: x.microbatches >= 2 * x.ranks - 1),
        ),
        span=_zb_h2,
        peak=lambda x, rank, kept: (2 * (x.ranks - rank) - 1) + 2 * rank * kept,
    ),
    "interleaved-zero-bubble": Closed((CHUNKS, ROUNDS, NO_TRANSFER, WEIGHT_SHORT), _interleaved_zero_bubble),
    "zb-v": Closed(
        (
            BOTH,
            NO_TRANSFER,
            ("W <= F <= B", lambda x: x.backward_weight <= x.forward <= x.backward_input),
            ("m >= 2 p", lambda x: x.microbatches >= 2 * x.ranks),
        ),
        _zb_v_makespan,
        _zb_v_span,
        peak=lambda x, rank, kept: x.ranks,
    ),
    "chimera": Closed(
        (
            BOTH,
            NO_TRANSFER,
            ("m = p, even", lambda x: x.microbatches == x.ranks and x.ranks % 2 == 0),
            ("F <= B + W", lambda x: x.forward <= x.backward_input + x.backward_weight),
        ),
        _chimera,
    ),
    "dualpipe": Closed((BOTH, *_FUSED, ("p and m even", _even)), _dualpipe, peak=lambda x, rank, kept: x.ranks + 1),
    "dualpipe-v": Closed((BOTH, *_FUSED), _dualpipe_v, peak=lambda x, rank, kept: x.ranks + 0.5),
    "inference": Closed(
        (
            (
                "v = 1, or m a multiple of p and no transfers",
                lambda x: x.chunks == 1 or (x.microbatches % x.ranks == 0 and x.transfer == 0.0),
            ),
        ),
        _inference,
        peak=lambda x, rank, kept: 1 / x.chunks,
    ),
}


class Found(NamedTuple):
    """What the closed forms say; None: there is no such form. Peaks by rank, in activations of one of p stages."""

    makespan_s: float | None
    span_s: float | None
    peaks: tuple[float, ...] | None


def closed_form(name: str, case: Case, kept: float = 0.0) -> Found:
    """The forms of a schedule for a case; ScenarioError, with the conditions that fail, outside their domain.

    ``kept`` is the share of a microbatch's activations that is held for W. Cases of ZB-V, Chimera and DualPipe have two
    chunks, and times of one of p stages like all others.

    >>> closed_form("1f1b", Case(4, 8, 1.0, 1.0, 1.0, transfer=0.125))
    Found(makespan_s=35.0, span_s=None, peaks=(4.0, 3.0, 2.0, 1.0))
    """
    if name not in FORMS:
        raise ScenarioError(Problem(f"no closed form of schedule {name!r} (there are: {', '.join(FORMS)})"))
    form = FORMS[name]
    failing = [text for text, holds in form.conditions if not holds(case)]
    if failing:
        raise ScenarioError(Problem(f"the closed form of {name} needs {'; '.join(failing)}; evaluate the schedule"))
    peak = form.peak
    return Found(
        None if form.makespan is None else form.makespan(case),
        None if form.span is None else form.span(case),
        None if peak is None else tuple(float(peak(case, rank, kept)) for rank in range(case.ranks)),
    )


def published_interleaved_s(case: Case) -> float:
    """Interleaved 1F1B as Zero Bubble's Table 5 has it: ``m S + (p - 1) S / v + ((2 v - 1) p - 2) c`` [s].

    The dependencies ask for ``p c`` more, see ``closed_form("interleaved-1f1b", ..)``.
    """
    p, v = case.ranks, case.chunks
    return _looped(case) + ((2 * v - 1) * p - 2) * case.transfer


def published_hanayo_bubble(ranks: int, waves: int) -> float:
    """Bubble fraction of Hanayo with m = p and B + W = 2 F: ``(2 p - 2) / (3 p w + p - 1)``.

    >>> published_hanayo_bubble(4, 2)
    0.2222222222222222
    """
    return (2 * ranks - 2) / (3 * ranks * waves + ranks - 1)


def first_backward_bubble_s(case: Case, warmup: int) -> float:
    """Least wait of the first rank for its first backward after so many forwards, ``(p - 1)(B + 2 c) + (p - k) F`` [s],
    at least 0 (Zero Bubble, Appendix B)."""
    p = case.ranks
    return max(0.0, (p - 1) * (case.backward_input + 2 * case.transfer) + (p - warmup) * case.forward)
