"""What people see of a sweep: its main figures, and the names of its keys."""

from __future__ import annotations

from collections.abc import Sequence

from simulator.results.units import Kind

COLUMNS: dict[str, tuple[tuple[str, str, Kind], ...]] = {
    "service": (
        ("p99", "p99", "seconds"),
        ("attainment", "attainment", "share"),
        ("goodput", "goodput", "rate"),
        ("busiest", "utilization", "share"),
        ("cost/h", "cost_per_hour", "plain"),
    ),
    "training": (
        ("iteration", "iteration", "seconds"),
        ("bubbles", "bubble_fraction.makespan", "share"),
        ("busy", "utilization", "share"),
        ("cost/iteration", "cost_per_iteration", "plain"),
    ),
    "stream": (
        ("step", "step", "seconds"),
        ("samples", "throughput", "rate"),
        ("busy", "utilization", "share"),
        ("peak memory", "peak_memory", "plain"),
    ),
}
"""Title, column of the table and unit, by what a row speaks of."""


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """The end of every key, as much of it as tells it from the others.

    >>> short_names(["services.a.workload.rate", "services.b.workload.rate", "seed"])
    {'services.a.workload.rate': 'a.workload.rate', 'services.b.workload.rate': 'b.workload.rate', 'seed': 'seed'}
    """
    found = {}
    for key in keys:
        steps = key.split(".")
        ends = [".".join(steps[-count:]) for count in range(1, len(steps) + 1)]
        others = [other for other in keys if other != key]
        found[key] = next(
            (end for end in ends if not any(f".{other}".endswith(f".{end}") for other in others)),
            key,
        )
    return found
