"""What the runs of a plan say about one service: over the horizon, and window by window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from simulator.planner.optimize.problem import Ints, Window
from simulator.planner.optimize.verify.horizon import Seen
from simulator.planner.optimize.verify.prediction import prediction_bound
from simulator.results import sketch
from simulator.results.intervals import interval
from simulator.results.quantiles import QUANTILES
from simulator.results.units import below, stated


@dataclass(frozen=True, slots=True)
class Target:
    """Share that must be in time: of a service, or of one of its classes by its number."""

    service: str
    number: int | None
    share: float
    name: str | None = None


@dataclass(frozen=True, slots=True)
class WindowFigures:
    """A service in one window, over all runs; ``attainment`` and ``p99_s`` None where nothing came or was answered."""

    requests: float
    attainment: float | None
    p99_s: float | None
    goodput: float
    device_hours: float
    cost: float
    cost_per_hour: float


@dataclass(frozen=True, slots=True)
class ServiceVerification:
    """A service over the horizon.

    ``attainment``: mean over the runs, ``ci95`` its interval, ``bound`` what one more run reaches with 95 %
    confidence; ``runs``: attainment of each. ``sampled`` is the same at paths of the forecast, ``sampled_runs`` each.
    ``missed``: windows that need more room. ``cost`` and ``device_hours`` in the mean over runs.
    """

    target: float | None
    attainment: float | None
    ci95: tuple[float, float] | None
    bound: float | None
    runs: tuple[float | None, ...]
    windows: tuple[WindowFigures, ...]
    missed: tuple[int, ...]
    cost: float
    device_hours: float
    sampled: float | None = None
    sampled_ci95: tuple[float, float] | None = None
    sampled_runs: tuple[float | None, ...] = ()
    reason: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON values, without the windows, which a plan states itself."""
        found = asdict(self)
        del found["windows"]
        return found


def summed(
    runs: Sequence[Seen], paths: Sequence[Seen], windows: Sequence[Window], targets: Sequence[Target], warmup_s: float
) -> ServiceVerification:
    """The service over all runs at what it is sized for, and over the ``paths`` of the forecast."""
    shares, sampled = _shares(runs, None), _shares(paths, None)
    known = [share for share in shares if share is not None]
    found = [share for share in sampled if share is not None]
    by_window = _by_window(runs, windows, warmup_s)
    whole = next((target.share for target in targets if target.number is None), None)
    reasons = [(target, reason) for target in targets if (reason := _missing(runs, target))]
    return ServiceVerification(
        target=whole,
        attainment=float(np.mean(known)) if known else None,
        ci95=_interval(known),
        bound=_bound(runs, None),
        runs=tuple(shares),
        windows=tuple(by_window),
        missed=_missed(runs, len(windows), [target for target, _ in reasons]),
        cost=float(np.mean([run.cost.sum() for run in runs])),
        device_hours=float(np.mean([run.device_hours.sum() for run in runs])),
        sampled=float(np.mean(found)) if found else None,
        sampled_ci95=_interval(found),
        sampled_runs=tuple(sampled),
        reason="; ".join(reason for _, reason in reasons) or None,
    )


def _interval(values: Sequence[float]) -> tuple[float, float] | None:
    ends = interval(values)
    return None if ends is None else (ends[0], ends[1])


def _counts(run: Seen, number: int | None) -> tuple[Ints, Ints]:
    """In time and arrived by window, of one class or of all."""
    picked = slice(None) if number is None else slice(number, number + 1)
    return run.in_time[:, picked].sum(axis=1), run.arrived[:, picked].sum(axis=1)


def _shares(runs: Sequence[Seen], number: int | None) -> list[float | None]:
    totals = [tuple(int(part.sum()) for part in _counts(run, number)) for run in runs]
    return [good / count if count else None for good, count in totals]


def _bound(runs: Sequence[Seen], number: int | None) -> float | None:
    totals = [[int(part.sum()) for part in _counts(run, number)] for run in runs]
    return prediction_bound([good for good, _ in totals], [count for _, count in totals])


def _missing(runs: Sequence[Seen], target: Target) -> str | None:
    """Why a target is not met, in words."""
    bound = _bound(runs, target.number)
    if bound is None:
        seen = sum(1 for share in _shares(runs, target.number) if share is not None)
        return None if seen == 0 else "too few runs with requests to tell what one more would reach"
    if bound >= target.share:
        return None
    who = "" if target.name is None else f"class {target.name}: "
    asked = stated(target.share, "share")
    return f"{who}one run is only sure (95 %) to have {below(bound, target.share)} in time, {asked} asked"


def _missed(runs: Sequence[Seen], windows: int, targets: Sequence[Target]) -> tuple[int, ...]:
    """Windows in which the share in time is below the target; where none is, those below the mean of the service."""
    found: set[int] = set()
    for target in targets:
        good, count = (np.sum(parts, axis=0) for parts in zip(*(_counts(run, target.number) for run in runs)))
        share = np.divide(good, count, out=np.ones(len(count)), where=count > 0)
        low = np.flatnonzero(share < target.share)
        if not low.size and count.sum():
            low = np.flatnonzero((share <= good.sum() / count.sum()) & (count > 0))
        found |= {number for row in low.tolist() for number in _of_row(row, len(count), windows)}
    return tuple(sorted(found))


def _of_row(row: int, rows: int, windows: int) -> range:
    """Windows that count together in a row."""
    step = -(-windows // rows)
    return range(row * step, min((row + 1) * step, windows))


def _by_window(runs: Sequence[Seen], windows: Sequence[Window], warmup_s: float) -> list[WindowFigures]:
    rows = len(runs[0].cost)
    found: list[WindowFigures] = []
    for row in range(rows):
        members = _of_row(row, rows, len(windows))
        length_s = windows[members[-1]].end_s - windows[members[0]].start_s
        counted_s = windows[members[-1]].end_s - max(windows[members[0]].start_s, warmup_s)
        found += [_figures(runs, row, length_s, counted_s, len(members))] * len(members)
    return found


def _figures(runs: Sequence[Seen], row: int, length_s: float, counted_s: float, members: int) -> WindowFigures:
    """Means over the runs; of windows that count together each has its equal part."""
    good = np.mean([run.in_time[row].sum() for run in runs])
    count = np.mean([run.arrived[row].sum() for run in runs])
    hours = float(np.mean([run.device_hours[row] for run in runs]))
    cost = float(np.mean([run.cost[row] for run in runs]))
    return WindowFigures(
        requests=float(count) / members,
        attainment=float(good / count) if count else None,
        p99_s=_p99([run.latencies[row] for run in runs]),
        goodput=float(good) / counted_s if counted_s > 0 else 0.0,
        device_hours=hours / members,
        cost=cost / members,
        cost_per_hour=cost / (length_s / 3600.0),
    )


def _p99(parts: Sequence[tuple[Ints, Ints]]) -> float | None:
    counts: Ints = np.zeros(sketch.BINS, dtype=np.int64)
    for bins, number in parts:
        counts[bins] += number
    return sketch.quantile(counts, QUANTILES["p99"])
