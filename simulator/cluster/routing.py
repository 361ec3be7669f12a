"""How a request finds its queue when it enters a portion: one registry, one small function each."""

from __future__ import annotations

from collections.abc import Callable

from simulator.cluster.state import Line, Station

RANDOM_ROUTINGS = {"random", "two_choices"}
"""Routings that draw numbers."""
WATCHFUL_ROUTINGS = {"least_outstanding", "two_choices"}
"""Routings that look at the queues, and so see whether completions of the same instant have been applied."""
Uniform = Callable[[int], float]
"""The request's own number in [0, 1) for one choice."""
Route = Callable[[int], Line]


def shared(station: Station, first: Uniform, second: Uniform) -> Route:
    """One queue for all replicas."""
    line = station.lines[0]
    return lambda request: line


def random(station: Station, first: Uniform, second: Uniform) -> Route:
    """Any replica that serves, with equal chance."""

    def route(request: int) -> Line:
        lines = station.open_lines
        return lines[int(first(request) * len(lines))]

    return route


def round_robin(station: Station, first: Uniform, second: Uniform) -> Route:
    """Each replica that serves in turn."""

    def route(request: int) -> Line:
        station.turn += 1
        return station.open_lines[(station.turn - 1) % len(station.open_lines)]

    return route


def least_outstanding(station: Station, first: Uniform, second: Uniform) -> Route:
    """The replica with fewest requests waiting or in service; among equals the lowest number."""
    return lambda request: min(station.open_lines, key=Line.outstanding)


def two_choices(station: Station, first: Uniform, second: Uniform) -> Route:
    """The better of two different replicas drawn with equal chance; among equals the one drawn first."""

    def route(request: int) -> Line:
        lines = station.open_lines
        n = len(lines)
        i = int(first(request) * n)
        if n == 1:
            return lines[i]
        j = int(second(request) * (n - 1))
        return min(lines[i], lines[j + (j >= i)], key=Line.outstanding)

    return route


ROUTINGS: dict[str, Callable[[Station, Uniform, Uniform], Route]] = {
    "shared": shared,
    "random": random,
    "round_robin": round_robin,
    "least_outstanding": least_outstanding,
    "two_choices": two_choices,
}
