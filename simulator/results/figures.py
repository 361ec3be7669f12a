"""The figures as flat rows, for tables of every kind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from simulator.results.cohort import Json


class Figure(NamedTuple):
    """One figure of a service, class, portion or pool; ``low`` and ``high`` are its 95 % interval or None."""

    service: str
    class_name: str
    portion: str
    metric: str
    value: float | None
    low: float | None
    high: float | None


def flat(figures: Json) -> Iterator[Figure]:
    """Every figure of a result, one row each; those of trainings, streams, pools are named ``pools.NAME.`` and so."""
    for name, tree in figures["services"].items():
        yield from _entry(tree, name, "", "")
        for portion in tree["portions"]:
            yield from _entry(portion, name, "", portion_label(portion))
        for class_name, entry in tree.get("classes", {}).items():
            yield from _entry(entry, name, class_name, "")
        if "twin" in tree:
            for row in _entry(tree["twin"], name, "", ""):
                yield row._replace(metric=f"twin.{row.metric}")
            for portion in tree["twin"]["portions"]:
                yield from _entry(portion, name, "", f"twin {portion_label(portion)}")
    for section in ("trainings", "streams", "pools"):
        for name, tree in figures[section].items():
            for row in _entry(tree, "", "", ""):
                if row.value is None or isinstance(row.value, int | float):
                    yield row._replace(metric=f"{section}.{name}.{row.metric}")


def portion_label(portion: Json) -> str:
    """Layers of a portion, with the start of its window [s] where several windows differ: ``1-4 @3600``."""
    return f"{portion['layers']} @{portion['from']:g}" if "from" in portion else str(portion["layers"])


def ends(tree: Json, metric: str) -> tuple[float | None, float | None]:
    """The 95 % interval of one figure of a service, class, portion or pool; (None, None) without one."""
    known = (tree.get("ci95") or {}).get(metric.removeprefix("latency."))
    return (known[0], known[1]) if known else (None, None)


def _entry(tree: Json, service: str, class_name: str, portion: str) -> Iterator[Figure]:
    for metric, value in _numbers(tree, ""):
        yield Figure(service, class_name, portion, metric, value, *ends(tree, metric))


def _numbers(tree: Json, prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if key in ("layers", "from", "ci95", "portions", "classes", "twin"):
            continue
        if isinstance(value, dict):
            yield from _numbers(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
