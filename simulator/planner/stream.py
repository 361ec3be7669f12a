"""``plan stream``: a streamed model at every group size side by side, and the one to take."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from simulator.cluster.lower.hardware import pools_of
from simulator.cluster.streaming.setup import StreamSetup, setup_of
from simulator.costs.streaming import (
    MOST,
    SLACK,
    Choice,
    Step,
    Streamed,
    auto,
    device_bytes,
    largest_group,
    server_bytes,
    step,
)
from simulator.errors import Problem, ScenarioError
from simulator.scenario import Scenario
from simulator.scenario.base import unknown
from simulator.scenario.stream import Stream

if TYPE_CHECKING:
    import pandas as pd

Json = dict[str, Any]
LARGEST = 65_536
"""Largest group that may be asked for."""
BEYOND = 1
"""Powers of two beyond the recommended group that are shown when nobody names the groups."""


@dataclass(frozen=True, slots=True)
class GroupRow:
    """A step at one group size. ``why``: what it has no room for; None: it fits. ``samples`` in a microbatch."""

    step: Step
    samples: int
    why: str | None

    @property
    def sample_s(self) -> float:
        """Time of a step for each sample [s]."""
        return self.step.seconds / (self.step.group * self.samples)

    def to_dict(self) -> Json:
        """Figures; seconds and bytes."""
        one = self.step
        return {
            "group": one.group,
            "fits": self.why is None,
            "why": self.why,
            "step": one.seconds,
            "per_microbatch": one.seconds / one.group,
            "per_sample": self.sample_s,
            "samples_per_s": 1.0 / self.sample_s if self.sample_s > 0.0 else None,
            "memory": one.peak_memory,
            "server_memory": one.server_memory,
            "bytes_moved": one.bytes_moved,
            "bytes_loaded": one.bytes_loaded,
            "bytes_returned": one.bytes_returned,
            "layer_loads": one.layer_loads,
            "bound": one.bound,
            "phase_bounds": list(one.phase_bounds),
            "compute": one.compute_s,
            "transfer": one.transfer_s,
            "stall": one.stall_s,
            "naive": one.naive_s,
            "naive_loads": one.naive_loads,
        }


@dataclass(frozen=True)
class Groups:
    """All group sizes of a stream that were looked at. ``written``: the group of the scenario; None: ``auto``.

    Times are those of a device that has its fair share of the server's link, ``bandwidth`` [B/s], beside all others
    that stream. ``memory``: of a device [B]; ``most``: the largest group that the choice may take.
    """

    setup: StreamSetup
    rows: tuple[GroupRow, ...]
    choice: Choice
    recommended: GroupRow
    memory: float
    written: int | None
    most: int
    notes: tuple[str, ...]

    @property
    def streamed(self) -> Streamed:
        """The model that is looked at."""
        return replace(self.setup.shared, spilled=self.choice.spilled)

    @property
    def reason(self) -> str:
        """Why the recommended group is recommended."""
        group, searched = self.recommended.step.group, self.choice.curve
        if group == 1 and self.choice.largest == 1:
            return "the only one that fits" if self.most > 1 else "the only one that was allowed"
        pace = searched.seconds_per_microbatch
        gain = float(pace[0] / pace[group - 1])
        near = f"within {100 * SLACK:g} % of the least time per microbatch"
        known = f"the smallest group up to {self.choice.largest:,} {near}"
        return f"{known}, {gain:.3g} times as fast as one at a time" if gain > 1.005 else known

    def to_dict(self) -> Json:
        """Everything, as plain values."""
        written, link = self.setup.written, self.setup.shared.link
        return {
            "stream": self.setup.name,
            "model": written.model,
            "pool": written.pool,
            "mode": written.mode,
            "devices": written.devices,
            "microbatch": written.microbatch,
            "precision": written.precision,
            "slots": written.prefetch,
            "layers": len(self.streamed.layers),
            "spilled": self.choice.spilled,
            "bandwidth": link.bandwidth,
            "memory_limit": self.memory,
            "memory_fixed": float(device_bytes(self.streamed, 0)),
            "memory_per_microbatch": float(device_bytes(self.streamed, 1) - device_bytes(self.streamed, 0)),
            "server_bytes_per_parameter": self.streamed.server.bytes_per_parameter if _trains(written) else None,
            "knees": [knee if math.isfinite(knee) else None for knee in self.choice.knees],
            "largest_group": self.choice.largest,
            "max_group": self.most,
            "written": self.written,
            "rows": [row.to_dict() for row in self.rows],
            "recommended": self.recommended.to_dict(),
            "reason": self.reason,
            "notes": list(self.notes),
        }

    @property
    def frame(self) -> pd.DataFrame:
        """One row per group size."""
        from simulator.results.shown_table import frame_of

        return frame_of({**row.to_dict(), "recommended": row is self.recommended} for row in self.rows)

    def _repr_html_(self) -> str:
        from simulator.planner.shown import groups_html

        return groups_html(self.to_dict())


GroupComparison: TypeAlias = Groups
"""The name of what :func:`compare_groups` returns, where other comparisons are at hand."""


def compare_groups(
    scenario: Scenario, name: str | None = None, groups: Sequence[int] | None = None, most: int | None = None
) -> Groups:
    """Steps of a stream (left out: of the only one) at ``groups``, and the group of least time that fits.

    ``groups`` left out: powers of two until well beyond the recommended one. ``most``: the largest group to recommend.
    ScenarioError, with its place, for what cannot be used and for a model of which not one microbatch fits.
    """
    _check("--groups", *(groups or ()))
    _check("--max-group", *(() if most is None else (most,)))
    chosen = chosen_stream(scenario, name)
    setup = _setup(scenario, chosen)
    memory = setup.pool.memory_bytes * setup.pool.pool.devices_per_replica
    roomy = _roomy(setup)
    top = MOST if most is None else most
    choice = auto(roomy, memory, most=top)
    written = scenario.streams[chosen].group
    asked = groups or _usual(choice, written if isinstance(written, int) else None, most)
    fitting = largest_group(roomy, memory, max(*asked, top))
    rows = [_row(setup, roomy, memory, group, fitting) for group in sorted({*asked, choice.step.group})]
    return Groups(
        setup=setup,
        rows=tuple(rows),
        choice=choice,
        recommended=next(row for row in rows if row.step.group == choice.step.group),
        memory=memory,
        written=written if isinstance(written, int) else None,
        most=top,
        notes=tuple(_notes(scenario, setup, choice, fitting)),
    )


def chosen_stream(scenario: Scenario, name: str | None) -> str:
    """The stream of that name; unless one is named, the only one."""
    problem, streams = scenario.source.problem, scenario.streams
    if not streams:
        raise ScenarioError(problem(("streams",), "there is no stream: nothing is loaded layer by layer"))
    if name is None and len(streams) > 1:
        raise ScenarioError(problem(("streams",), f"there are several: name one of {', '.join(streams)}"))
    if name is not None and name not in streams:
        raise ScenarioError(problem(("streams",), unknown("stream", name, streams)))
    return next(iter(streams)) if name is None else name


def _setup(scenario: Scenario, name: str) -> StreamSetup:
    """The stream, whatever its group: one that does not fit is a row, not an error."""
    free = scenario.streams[name].model_copy(update={"group": "auto"})
    freed = scenario.model_copy(update={"streams": {**scenario.streams, name: free}})
    devices = sum(stream.devices for stream in scenario.streams.values())
    return setup_of(freed, name, pools_of(scenario), devices)


def _roomy(setup: StreamSetup) -> Streamed:
    """The model, with the part of the server's memory that one of its devices may fill with inputs."""
    streamed = setup.shared
    limit, state = streamed.server.memory, float(server_bytes(streamed))
    if limit is None or state > limit:
        return streamed
    return replace(streamed, server=replace(streamed.server, memory=state + (limit - state) / setup.written.devices))


def _usual(choice: Choice, written: int | None, most: int | None) -> list[int]:
    """Powers of two until some beyond the recommended group, what the scenario says, and the most that may be."""
    group = choice.step.group
    top = min(1 << (group - 1).bit_length() + BEYOND, LARGEST) if most is None else most
    found = {1 << power for power in range(top.bit_length()) if 1 << power <= top}
    if written is not None and (most is None or written <= most):
        found.add(written)
    if choice.largest < top:
        found.add(choice.largest)
    return sorted(found)


def _row(setup: StreamSetup, roomy: Streamed, memory: float, group: int, fitting: int) -> GroupRow:
    why = None
    if group > fitting:
        needed = float(device_bytes(roomy, group))
        why = f"needs {needed / 1e9:.4g} GB on the device, which has {memory / 1e9:.4g} GB"
        if needed <= memory:
            limit = roomy.server.memory or 0.0
            state = float(server_bytes(roomy, group)) / 1e9
            why = f"needs {state:.4g} GB at the server, where a device may have {limit / 1e9:.4g} GB"
    return GroupRow(step(setup.shared, group), setup.written.microbatch, why)


def _notes(scenario: Scenario, setup: StreamSetup, choice: Choice, fitting: int) -> list[str]:
    devices = sum(stream.devices for stream in scenario.streams.values())
    found = []
    if setup.is_shared and devices > 1:
        share = setup.shared.link.bandwidth / 1e9
        found.append(f"{devices} devices share the server's link: times are those at {share:.4g} GB/s for each")
    if len(scenario.streams) > 1:
        found.append("what other streams keep at the server is not counted")
    if setup.written.spill == "auto" and choice.spilled:
        found.append("spill: auto: inputs wait at the server, which is as fast and needs less memory, or is faster")
    elif setup.written.spill == "auto":
        found.append("spill: auto: inputs stay on the device")
    return [*found, *setup.warnings]


def _check(option: str, *groups: int) -> None:
    for group in groups:
        if not 1 <= group <= LARGEST:
            raise ScenarioError(Problem(f"must be from 1 to {LARGEST}, got {group}", path=option))


def _trains(written: Stream) -> bool:
    return written.mode == "training" and not written.frozen
