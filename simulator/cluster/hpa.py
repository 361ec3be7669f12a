"""The rule of Kubernetes' HorizontalPodAutoscaler, without events: what it sees, recommends and may change at once.

After autoscaling/v2 and the controller's replica calculator (Kubernetes 1.23 and later): a ratio of measured to wanted,
a tolerance, replicas that are not ready, recommendations of the recent past, and policies that bound the change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor

from simulator.scenario.autoscale import Autoscale, QueueTarget, ScalePolicy, Selection

ROUNDING = 1e-9
"""What sums of floats may be off: 3.0000000000000004 replicas are 3, and a tolerance of 10 % holds 1.1."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What an autoscaler sees of its replicas since it looked last."""

    replicas: int
    """Asked for: serving, loading, waiting for devices, or down."""
    ready: int
    """Of these, able to serve, and that for the whole time since the last look but for repairs."""
    unready: int
    """Of these, waiting for devices, loading or just loaded; the others are down, and nothing is known of them."""
    busy_s: float
    """Time that the ready ones were busy [s]."""
    ready_s: float
    """Time that they were ready [s]."""
    waiting: int
    """Requests that wait now."""


def recommended(rule: Autoscale, seen: Reading) -> int | None:
    """Replicas that the target asks for; None where nothing can be said, for no replica is ready.

    >>> rule = Autoscale(max=20, target=0.6)
    >>> recommended(rule, Reading(4, 4, 0, 54.0, 60.0, 0)), recommended(rule, Reading(4, 4, 0, 39.0, 60.0, 0))
    (6, 4)
    """
    if isinstance(rule.target, QueueTarget):
        return _by_queue(rule.target.queue, rule.tolerance, seen)
    return _by_utilization(rule.target, rule.tolerance, seen)


def _by_queue(target: float, tolerance: float, seen: Reading) -> int:
    """``ceil(waiting / target)``, readiness aside, as for a metric of an object with a value per pod."""
    if _is_near(seen.waiting / (target * seen.replicas), tolerance):
        return seen.replicas
    return up(seen.waiting / target)


def _by_utilization(target: float, tolerance: float, seen: Reading) -> int | None:
    """``ceil(ratio x ready)``, more carefully where some are not ready.

    To add, those that load count as idle, and so do those that are down; to remove, those that are down count as fully
    busy. What is assumed of them never turns the direction.
    """
    if seen.ready == 0 or seen.ready_s <= 0.0:
        return None
    usage = seen.busy_s / seen.ready_s
    ratio, down = usage / target, seen.replicas - seen.ready - seen.unready
    adds = ratio > 1.0 + ROUNDING
    if not down and not (seen.unready and adds):
        return seen.replicas if _is_near(ratio, tolerance) else up(ratio * seen.ready)
    counted = seen.ready + down + (seen.unready if adds else 0)
    careful = (usage * seen.ready + (0.0 if adds else float(down))) / (target * counted)
    if _is_near(careful, tolerance) or (careful > 1.0) is not adds:
        return seen.replicas
    number = up(careful * counted)
    return max(number, seen.replicas) if adds else min(number, seen.replicas)


class History:
    """Recommendations and changes of the recent past."""

    def __init__(self, now: float, replicas: int) -> None:
        self._recommended = [(now, replicas)]
        """(instant, replicas); the number at the start counts as the first recommendation."""
        self._changed: list[tuple[float, int]] = []
        """(instant, replicas added when positive or removed when negative) of what the autoscaler changed."""

    def stable(self, rule: Autoscale, now: float, replicas: int, asked: int) -> int:
        """More replicas only as far as every recent recommendation asks for them; fewer as far as every one allows."""
        span = rule.stabilization
        least = min([asked, *(n for at, n in self._recommended if _within(now - at, span.up))])
        most = max([asked, *(n for at, n in self._recommended if _within(now - at, span.down))])
        longest = max(span.up, span.down)
        self._recommended = [one for one in self._recommended if _within(now - one[0], longest)]
        self._recommended.append((now, asked))
        return min(max(replicas, least), most)

    def paced(self, rule: Autoscale, now: float, replicas: int, asked: int) -> int:
        """As far towards ``asked`` as the policies allow at once."""
        if asked > replicas:
            bounds = [self._bound(policy, now, replicas, 1) for policy in rule.policies.up]
            return min(asked, max(replicas, _selected(rule.select.up, bounds, replicas, 1)))
        if asked < replicas:
            bounds = [self._bound(policy, now, replicas, -1) for policy in rule.policies.down]
            return max(asked, min(replicas, _selected(rule.select.down, bounds, replicas, -1)))
        return replicas

    def note(self, rule: Autoscale, now: float, change: int) -> None:
        """The autoscaler has changed the number."""
        longest = max(policy.period for policy in (*rule.policies.up, *rule.policies.down))
        self._changed = [one for one in self._changed if _within(now - one[0], longest)]
        self._changed.append((now, change))

    def _bound(self, policy: ScalePolicy, now: float, replicas: int, sign: int) -> int:
        """How far a policy lets the number go, from what it was when the policy's period began."""
        before = replicas - sum(change for at, change in self._changed if _within(now - at, policy.period))
        if policy.replicas is not None:
            return before + sign * policy.replicas
        assert policy.percent is not None
        whole = before * (1.0 + sign * policy.percent / 100.0)
        return up(whole) if sign > 0 else floor(whole + ROUNDING)


def _selected(select: Selection, bounds: Sequence[int], replicas: int, sign: int) -> int:
    if select == "disabled":
        return replicas
    farthest = (select == "max") is (sign > 0)
    return max(bounds) if farthest else min(bounds)


def _is_near(ratio: float, tolerance: float) -> bool:
    return abs(1.0 - ratio) <= tolerance + ROUNDING


def _within(age_s: float, span_s: float) -> bool:
    """Whether something is younger than a span; what is exactly as old counts no more."""
    return age_s < span_s * (1.0 - ROUNDING)


def up(number: float) -> int:
    """The next whole number, unless ``number`` is one but for rounding.

    >>> up(3.0000000000000004), up(3.1), up(0.0)
    (3, 4, 0)
    """
    return ceil(number - ROUNDING)
