"""Refusing figures that cannot be: one message form for the whole room."""

from __future__ import annotations

import math

from simulator.errors import Problem, ScenarioError


def require(
    what: str, *, at_least: float = 0.0, above: float | None = None, at_most: float | None = None, **figures: float
) -> None:
    """Refuse figures that are not finite, below ``at_least``, not ``above``, or over ``at_most``."""
    for key, value in figures.items():
        low = value <= above if above is not None else value < at_least
        if math.isfinite(value) and not low and (at_most is None or value <= at_most):
            continue
        limit = f"above {above:g}" if above is not None else f"at least {at_least:g}"
        limit += f" and at most {at_most:g}" if at_most is not None else ""
        raise ScenarioError(Problem(f"{what}: must be finite, {limit}, got {value!r}", path=key))


def require_count(what: str, least: int, **counts: int) -> None:
    """Refuse counts below ``least``."""
    for key, value in counts.items():
        if value < least:
            raise ScenarioError(Problem(f"{what}: must be at least {least}, got {value}", path=key))
