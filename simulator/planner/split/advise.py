"""When to split and when not: every mode at its best, side by side, with the reason in one line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from simulator.errors import Problem, ScenarioError
from simulator.planner.split.cutsets import ALL_SETS, CutSets, cut_sets
from simulator.planner.split.plans import ModePlan
from simulator.planner.split.problem import SplitProblem
from simulator.planner.split.search import best_at_cuts, best_tagged, cheapest_at_cuts, cheapest_tagged
from simulator.planner.split.whole import best_whole, cheapest_whole

BETTER = 1e-9
"""A mode is recommended over a simpler one only when it carries more by this share: a tie is no reason to split."""
EVERY_BATCH = 64
"""Up to this batch size every one is looked at, beyond it powers of two and their middles; of models with so many
ramps that not all sets of them are looked at, only powers of two and their middles."""


@dataclass(frozen=True, slots=True)
class Recommendation:
    """Every mode at its best set of ramps, which one to take, and why.

    ``intervals`` are the batch sizes (first, last) at which splitting carries more than the whole model, with or
    without exits, among those ``looked_at``. ``serial`` and tagged plans stand in ``modes`` beside the others.
    """

    modes: tuple[ModePlan, ...]
    recommended: ModePlan
    reason: str
    intervals: tuple[tuple[int, int], ...]
    looked_at: tuple[int, ...]

    def mode(self, name: str) -> ModePlan | None:
        """The plan of a mode such as ``compact`` or ``at_cut (parallel)``; None where the limits rule it out."""
        return next((plan for plan in self.modes if plan.name == name), None)

    def to_dict(self) -> dict[str, Any]:
        """As JSON values: ``{"modes": [...], "recommended": {...}, "reason": ..., "winning_batches": [[2, 50]]}``."""
        return {
            "modes": [plan.to_dict() for plan in self.modes],
            "recommended": self.recommended.to_dict(),
            "reason": self.reason,
            "winning_batches": [list(interval) for interval in self.intervals],
            "largest_batch": self.looked_at[-1],
        }


def recommend(
    problem: SplitProblem, batch: int | None = None, *, tagged: bool = True, serial: bool = False
) -> Recommendation:
    """Compare the modes at one batch size, or each at its own best (the smallest among equals) without ``batch``.

    The choice is between the whole model (*none*, *compact*) and portions on devices of their own (*at_cut* in
    parallel, ramps at the cuts). Tagged and serial plans are shown beside it; with ``serial`` the latter may win:
    in steady state it often carries the most, because the wait in its buffers costs no capacity.
    """
    sets = cut_sets(problem.exits, problem.limits.max_cuts)
    batches = batches_to_look_at(problem)
    if batch is not None:
        problem.check_batch(batch)
    modes = tuple(_modes(problem, [batch] if batch is not None else batches, sets, tagged))
    if not modes:
        raise ScenarioError(Problem("no mode respects the limits on accuracy and service time on these devices"))
    eligible = [plan for plan in modes if _eligible(plan, serial)] or list(modes)
    chosen = eligible[0]
    for plan in eligible[1:]:
        if plan.capacity > chosen.capacity * (1 + BETTER):
            chosen = plan
    intervals = winning_batches(problem, sets, batches)
    return Recommendation(modes, chosen, _reason(chosen, modes, intervals, batches), intervals, tuple(batches))


def compare_at_rate(
    problem: SplitProblem, batch: int, rate: float, *, tagged: bool = True, ramps: tuple[int, ...] | None = None
) -> tuple[ModePlan, ...]:
    """The cheapest plan of every mode that carries ``rate`` [1/s]; modes that cannot are left out.

    Without prices the fewest devices; the counts of the problem are limits. ``ramps`` fixes those of *compact*.
    """
    if not rate > 0:
        raise ScenarioError(Problem(f"the rate to carry must be greater than 0, got {rate}"))
    sets = cut_sets(problem.exits, problem.limits.max_cuts)
    plans = [
        cheapest_whole(problem, "none", batch, rate),
        cheapest_whole(problem, "answer_early", batch, rate),
        cheapest_whole(problem, "compact", batch, rate, sets, ramps),
        cheapest_at_cuts(problem, batch, rate, sets),
        cheapest_tagged(problem, batch, rate) if tagged else None,
        cheapest_whole(problem, "serial", batch, rate, sets),
    ]
    return tuple(plan for plan in plans if plan is not None)


def winning_batches(
    problem: SplitProblem, sets: CutSets | None = None, batches: Iterable[int] | None = None
) -> tuple[tuple[int, int], ...]:
    """First and last batch size of each run of them at which splitting carries more than the whole model."""
    sets = cut_sets(problem.exits, problem.limits.max_cuts) if sets is None else sets
    found: list[tuple[int, int]] = []
    won = False
    for batch in batches_to_look_at(problem) if batches is None else batches:
        wins = splitting_wins(problem, batch, sets)
        if wins:
            found.append((found.pop()[0], batch) if won else (batch, batch))
        won = wins
    return tuple(found)


def splitting_wins(problem: SplitProblem, batch: int, sets: CutSets) -> bool:
    """Whether *at_cut* in parallel carries more than *none* and *compact*, each at its own best set of ramps."""
    split = best_at_cuts(problem, batch, sets)
    whole = [best_whole(problem, "none", batch), best_whole(problem, "compact", batch, sets)]
    most = max((plan.capacity for plan in whole if plan is not None), default=0.0)
    return split is not None and bool(split.cuts) and split.capacity > most * (1 + BETTER)


def batches_to_look_at(problem: SplitProblem) -> list[int]:
    """Every batch size up to 64 (deep models: 1, 2, 3, 4, 6, 8, ...), then 96, 128, 192, ... and the largest."""
    size = EVERY_BATCH if 2 ** len(problem.exits.ramps) <= ALL_SETS else 2
    found = list(range(1, min(problem.largest_batch, size) + 1))
    while size < problem.largest_batch:
        found += [middle for middle in (size + size // 2, 2 * size) if middle <= problem.largest_batch]
        size *= 2
    return sorted({*found, problem.largest_batch})


def _modes(problem: SplitProblem, batches: Sequence[int], sets: CutSets, tagged: bool) -> list[ModePlan]:
    """Simplest first: the order in which ties are settled."""
    makers: list[Callable[[int], ModePlan | None]] = [
        lambda batch: best_whole(problem, "none", batch),
        lambda batch: best_whole(problem, "answer_early", batch),
        lambda batch: best_whole(problem, "compact", batch, sets),
        lambda batch: best_at_cuts(problem, batch, sets),
        lambda batch: best_tagged(problem, batch) if tagged else None,
        lambda batch: best_whole(problem, "serial", batch, sets),
    ]
    found = []
    for make in makers:
        best: ModePlan | None = None
        for batch in batches:
            plan = make(batch)
            if plan is not None and (best is None or plan.capacity > best.capacity * (1 + BETTER)):
                best = plan
        if best is not None:
            found.append(best)
    return found


def _eligible(plan: ModePlan, serial: bool) -> bool:
    if plan.exit_mode == "at_cut":
        return bool(plan.cuts) and not plan.tagged and (serial or plan.execution == "parallel")
    return plan.exit_mode in ("none", "compact")


def _reason(
    chosen: ModePlan, modes: Sequence[ModePlan], intervals: Sequence[tuple[int, int]], batches: Sequence[int]
) -> str:
    others = {plan.name: plan for plan in modes}
    where = _where(intervals, batches) + _in_serial(chosen, others.get("at_cut (serial)"))
    if chosen.exit_mode == "at_cut":
        cuts = ", ".join(map(str, chosen.cuts))
        rivals = [others[name] for name in ("none", "compact") if name in others]
        times = " and ".join(f"{chosen.capacity / plan.capacity:.2f}x {plan.name}" for plan in rivals)
        gains = times or "the whole model cannot be served"
        how = "" if chosen.execution == "parallel" else " in serial"
        return f"batch {chosen.batch}: split{how} after layers {cuts}: {chosen.capacity:,.0f}/s, {gains}; {where}"
    split = others.get("at_cut (parallel)")
    rival = "" if split is None or not split.cuts else f" against {split.capacity:,.0f}/s split"
    why = _why_not(chosen, intervals, split)
    carries = f"{chosen.exit_mode} carries {chosen.capacity:,.0f}/s{rival}"
    return f"batch {chosen.batch}: do not split: {carries} ({why}); {where}"


def _in_serial(chosen: ModePlan, serial: ModePlan | None) -> str:
    if serial is None or chosen.execution == "serial" or serial.capacity <= chosen.capacity * (1 + BETTER):
        return ""
    return f"; in serial {serial.capacity:,.0f}/s, with survivors waiting in buffers"


def _why_not(chosen: ModePlan, intervals: Sequence[tuple[int, int]], split: ModePlan | None) -> str:
    if split is None:
        return "no split keeps the limits at this batch size"
    if chosen.exit_mode == "none":
        return "too few requests leave early to pay for the ramps"
    if not intervals:
        return "shrinking batches cost less than portions that wait for whole devices"
    if chosen.batch < intervals[0][0]:
        return "so small a batch empties early"
    if chosen.batch > intervals[-1][1]:
        return "in so large a batch every request costs its own time, so shrinking it is free"
    return "another batch size fills portions better"


def _where(intervals: Sequence[tuple[int, int]], batches: Sequence[int]) -> str:
    if not intervals:
        return f"splitting wins at no batch size up to {batches[-1]}"
    spans = [
        f"{low}" if low == high else f"{low} to {high}{' or more' if high == batches[-1] else ''}"
        for low, high in intervals
    ]
    return f"splitting wins at batch sizes {', '.join(spans)} (looked at up to {batches[-1]})"
