"""What trainings and streams yield: a run of each replication, and their figures over all of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from simulator.results import intervals
from simulator.results.cohort import Json
from simulator.results.record import PoolInfo

if TYPE_CHECKING:
    import pandas as pd

TIMES = ("iteration", "step")
"""What a training, and a stream, takes its time for."""


@dataclass(frozen=True, slots=True)
class DeviceUse:
    """Devices of a pool that a job holds, and the share of the time in which they are busy."""

    pool: str
    devices: int
    busy: float


class JobRun(Protocol):
    """One training or stream in one replication."""

    @property
    def uses(self) -> Sequence[DeviceUse]:
        """Devices that it holds throughout."""
        ...

    @property
    def warnings(self) -> Sequence[str]:
        """What the reader must know."""
        ...

    @property
    def timeline(self) -> pd.DataFrame:
        """What it did, one row for each op, load or computation."""
        ...

    def to_dict(self) -> Json:
        """Its figures as plain values; the same keys in every replication."""
        ...


@dataclass(frozen=True)
class Jobs:
    """All trainings, or all streams, of a scenario: runs by replication and name."""

    runs: Sequence[Mapping[str, JobRun]] = field(default_factory=tuple)

    def figures(self) -> Json:
        """Figures by name: means over the replications, with ``ci95`` of those that vary (None for one replication)."""
        if not self.runs:
            return {}
        return {name: _entry([run[name].to_dict() for run in self.runs]) for name in self.runs[0]}

    def settled(self, share: float) -> bool:
        """Whether the time of an iteration, or step, of every job is known to ``share`` of itself with 95 % confidence.

        At least three replications are needed.
        """
        trees = [{name: job.to_dict() for name, job in run.items()} for run in self.runs]
        times = ([tree[name][key] for tree in trees] for name in trees[0] for key in TIMES if key in trees[0][name])
        return all(intervals.reached(values, share) for values in times)

    def warnings(self) -> list[str]:
        """Every warning once."""
        return list(dict.fromkeys(text for run in self.runs for job in run.values() for text in job.warnings))

    def uses(self) -> list[DeviceUse]:
        """Devices held, with the mean share of busy time."""
        found = []
        for name in self.runs[0] if self.runs else ():
            for uses in zip(*(run[name].uses for run in self.runs)):
                busy = math.fsum(use.busy for use in uses) / len(uses)
                found.append(DeviceUse(uses[0].pool, max(use.devices for use in uses), busy))
        return found


def frame_of(columns: Any, kinds: Sequence[str]) -> pd.DataFrame:
    """The arrays of a dataclass as a tidy frame, its ``kind`` by name."""
    import pandas as pd

    found = {field.name: getattr(columns, field.name) for field in fields(columns)}
    return pd.DataFrame(found | {"kind": np.array(kinds)[columns.kind]})


def with_uses(pools: Json, infos: Sequence[PoolInfo], uses: Sequence[DeviceUse]) -> Json:
    """Figures of the pools with the devices that jobs hold; ``pools`` are those of the services (may be empty).

    ``utilization`` is that of all devices held, each counted as long as it is held; services hold about the devices
    that their cost pays for.
    """
    found: Json = {}
    for info in infos:
        tree = dict(pools.get(info.name, {"count": info.count, "used": 0, "utilization": None, "cost_per_hour": 0.0}))
        mine = [use for use in uses if use.pool == info.name]
        if mine:
            held = math.fsum(use.devices for use in mine)
            paid = (tree["cost_per_hour"] or 0.0) / info.price_per_hour if info.price_per_hour else tree["used"]
            busy = math.fsum(use.devices * use.busy for use in mine) + (tree["utilization"] or 0.0) * paid
            tree["used"] += int(held)
            tree["utilization"] = busy / (held + paid)
            tree["cost_per_hour"] = (tree["cost_per_hour"] or 0.0) + held * info.price_per_hour
            tree.pop("ci95", None)
        found[info.name] = tree
    return found


def _entry(trees: Sequence[Json]) -> Json:
    merged: Json = {key: _merged([tree[key] for tree in trees]) for key in trees[0]}
    merged["ci95"] = None
    if len(trees) > 1:
        names = [key for key, value in trees[0].items() if _is_number(value)]
        found = {key: intervals.interval([tree[key] for tree in trees if tree[key] is not None]) for key in names}
        merged["ci95"] = {key: ends for key, ends in found.items() if ends}
    return merged


def _merged(values: Sequence[Any]) -> Any:
    """Numbers become their mean, equal things stay, lists of the same length go element by element, else the first."""
    first = values[0]
    if isinstance(first, dict):
        return {key: _merged([value[key] for value in values]) for key in first}
    if isinstance(first, list | tuple):
        same = all(len(value) == len(first) for value in values)
        return [_merged(items) for items in zip(*values)] if same else list(first)
    known = [value for value in values if value is not None]
    if not known or not all(_is_number(value) for value in known) or len(set(known)) == 1:
        return known[0] if known else None
    return math.fsum(known) / len(known)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
