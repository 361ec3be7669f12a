"""How many microbatches to run in each visit of a layer: the curve, the knee, and the choice under device memory."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from simulator.costs.streaming.checks import require, require_count
from simulator.costs.streaming.memory import device_bytes, largest_group
from simulator.costs.streaming.step import Step, moved_bytes, step, step_seconds, totals
from simulator.costs.streaming.streamed import Streamed
from simulator.errors import ScenarioError

Floats = NDArray[np.float64]
MOST = 1024
"""Largest group that is tried where memory sets no limit."""
SLACK = 0.01
"""Times per microbatch within 1 % of the least count as equal: beyond the knee each microbatch more gains less."""
Inputs = Literal["as given", "either"]


@dataclass(frozen=True, slots=True)
class Curve:
    """A step by group size: arrays of one length; seconds and bytes.

    ``compute_bound``: computing takes longer than the busiest link.
    """

    group: NDArray[np.int64]
    seconds: Floats
    seconds_per_microbatch: Floats
    peak_memory: Floats
    bytes_moved: Floats
    compute_bound: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Choice:
    """The chosen group: its step, the whole curve that was searched, the knees, and whether inputs are spilled.

    ``largest``: the largest group that fits (or was allowed).
    """

    step: Step
    curve: Curve
    knees: tuple[float, ...]
    largest: int
    spilled: bool


def curve(streamed: Streamed, largest: int) -> Curve:
    """Time, bytes and memory of a step at groups 1 .. ``largest``."""
    require_count("streamed model", 1, largest=largest)
    groups = np.arange(1, largest + 1)
    seconds = step_seconds(streamed, groups)
    spent = totals(streamed.visits(groups))
    loaded, returned = moved_bytes(streamed, groups)
    return Curve(
        group=groups,
        seconds=seconds,
        seconds_per_microbatch=seconds / groups,
        peak_memory=device_bytes(streamed, groups),
        bytes_moved=loaded + returned,
        compute_bound=spent.compute_s >= spent.transfer_s,
    )


def knees(streamed: Streamed) -> tuple[float, ...]:
    """Group size from which on computing hides the transfers: of the forward, and in training of the backward phase.

    .. math:: k^* = (X - V) / (C - A / \\beta)

    X: the loads of the phase at an empty group, V: its times per visit, C: its compute of one microbatch, A: the
    inputs of one microbatch that cross the link. Infinite where the link needs longer for the inputs of a microbatch
    than the device for computing it: then the link binds at every group.
    """
    visits = streamed.visits([0.0, 1.0])
    found = []
    for backward in (False, True) if streamed.training else (False,):
        spent = totals(tuple(visit for visit in visits if visit.backward is backward))
        ahead = float(spent.transfer_s[0] - spent.compute_s[0])
        gained = float((spent.compute_s[1] - spent.compute_s[0]) - (spent.transfer_s[1] - spent.transfer_s[0]))
        found.append(0.0 if ahead <= 0.0 else ahead / gained if gained > 0.0 else math.inf)
    return tuple(found)


def auto(
    streamed: Streamed, memory: float, *, most: int = MOST, slack: float = SLACK, inputs: Inputs = "as given"
) -> Choice:
    """The group of least time per microbatch that fits in device ``memory`` [B].

    Of all groups 1 .. ``most`` that fit, the smallest whose time per microbatch is at most ``1 + slack`` times the
    least of them: without slack the answer would always be the largest, because the first load and the last
    computation are spread over ever more microbatches. ``inputs="either"`` tries kept and spilled inputs by the same
    rule, each with the groups that fit; between equals (within the slack) the one that needs less device memory wins.
    Raises ``ScenarioError`` with the figures if not one microbatch fits.
    """
    require_count("auto", 1, most=most)
    require("auto", slack=slack, memory=memory)
    if inputs == "as given" or not streamed.training:
        return _choose(streamed, memory, most, slack)
    found, refused = [], None
    for spilled in (False, True):
        try:
            found.append(_choose(replace(streamed, spilled=spilled), memory, most, slack))
        except ScenarioError as error:
            refused = error
    if not found:
        assert refused is not None
        raise refused
    least = min(_pace(choice) for choice in found)
    equal = [choice for choice in found if _pace(choice) <= (1.0 + slack) * least]
    return min(equal, key=lambda choice: (choice.step.peak_memory, choice.step.group))


def _choose(streamed: Streamed, memory: float, most: int, slack: float) -> Choice:
    largest = largest_group(streamed, memory, most)
    searched = curve(streamed, largest)
    pace = searched.seconds_per_microbatch
    chosen = int(searched.group[np.argmax(pace <= (1.0 + slack) * pace.min())])
    return Choice(step(streamed, chosen), searched, knees(streamed), largest, streamed.spilled)


def _pace(choice: Choice) -> float:
    return choice.step.seconds / choice.step.group
