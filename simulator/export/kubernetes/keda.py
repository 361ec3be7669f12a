"""Windows by the clock: ScaledObjects of KEDA with cron triggers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from simulator.errors import Problem, ScenarioError
from simulator.export.case import Case
from simulator.export.kubernetes.manifests import labels
from simulator.export.kubernetes.units import Unit
from simulator.export.target import Options

DAY_S = 86_400
UTC = "Etc/UTC"
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*")


def clock_minutes(text: str | None) -> int:
    """Minutes after midnight of ``HH:MM``; None is midnight."""
    match = _CLOCK.fullmatch(text or "00:00")
    if match is None:
        raise ScenarioError(Problem(f"--clock {text!r}: must be a time of day such as 06:30"))
    return 60 * int(match[1]) + int(match[2])


def check_zone(text: str | None) -> None:
    """Refuse what is no time zone of the IANA database (as far as that is known here)."""
    from zoneinfo import available_timezones

    known = available_timezones()
    if text is not None and (_ZONE.fullmatch(text) is None or (known and text not in known)):
        raise ScenarioError(Problem(f"--timezone {text!r}: must be a time zone such as Europe/Berlin or Etc/UTC"))


def why_not(case: Case) -> str | None:
    """Why the windows cannot be told by the clock; None when they can."""
    if len(case.windows) == 1:
        return "There is one window, so nothing changes by the clock: no ScaledObjects are written."
    if case.length_s > DAY_S:
        return (
            f"The plan is {case.length_s / 3600:g} hours long and cron triggers repeat every day: no ScaledObjects are "
            "written. Apply the overlays when their windows begin, or export plans of one day."
        )
    instants = [window.start_s for window in case.windows] + [case.windows[-1].end_s]
    if any(instant % 60 for instant in instants):
        return (
            "Windows begin between whole minutes, which cron triggers cannot tell: no ScaledObjects are written. "
            "Apply the overlays when their windows begin."
        )
    return None


def scaled_objects(case: Case, units: tuple[Unit, ...], options: Options) -> list[dict[str, Any]]:
    """One object for each unit whose replicas change."""
    shift = clock_minutes(options.clock)
    zone = options.timezone or UTC
    return [_object(case, unit, shift, zone, options) for unit in units if len(set(unit.replicas)) > 1]


def _object(case: Case, unit: Unit, shift: int, zone: str, options: Options) -> dict[str, Any]:
    metadata = {"name": unit.name} | ({"namespace": options.namespace} if options.namespace is not None else {})
    at_once = {"stabilizationWindowSeconds": 0}
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": metadata | {"labels": labels(case, unit)},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": unit.name},
            "minReplicaCount": min(unit.replicas),
            "maxReplicaCount": max(unit.replicas),
            "cooldownPeriod": 0,
            "advanced": {
                "horizontalPodAutoscalerConfig": {
                    "behavior": {
                        "scaleUp": at_once | {"policies": [_jump(unit)]},
                        "scaleDown": at_once | {"policies": [_jump(unit)]},
                    }
                }
            },
            "triggers": [
                {
                    "type": "cron",
                    "metadata": {
                        "timezone": zone,
                        "start": _cron(begin, shift),
                        "end": _cron(end, shift),
                        "desiredReplicas": str(count),
                    },
                }
                for begin, end, count in _stretches(case, unit)
            ],
        },
    }


def _jump(unit: Unit) -> dict[str, Any]:
    """The whole step in one period."""
    return {"type": "Pods", "value": max(unit.replicas), "periodSeconds": 15}


def _stretches(case: Case, unit: Unit) -> Iterator[tuple[float, float, int]]:
    """Start, end [s] and replicas of every stretch with more than the fewest replicas; equal neighbours are one."""
    found: list[tuple[float, float, int]] = []
    for window, count in zip(case.windows, unit.replicas):
        if found and found[-1][1:] == (window.start_s, count):
            found[-1] = (found[-1][0], window.end_s, count)
        else:
            found.append((window.start_s, window.end_s, count))
    yield from (stretch for stretch in found if stretch[2] > min(unit.replicas))


def _cron(instant_s: float, shift: int) -> str:
    """The minute of the day as cron says it.

    >>> _cron(90 * 60, 0), _cron(23 * 3600, 120)
    ('30 1 * * *', '0 1 * * *')
    """
    minutes = (round(instant_s / 60) + shift) % 1440
    return f"{minutes % 60} {minutes // 60} * * *"
