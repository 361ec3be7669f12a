"""Streams without a scenario: random ones, and how to run them."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop

import numpy as np
from hypothesis import strategies as st

from simulator.cluster.clock import Clock
from simulator.cluster.streaming.executor import COMPUTE, LOAD, RETURN, Device, Executor, Links, drive
from simulator.cluster.streaming.faults import Breakdowns, Outage
from simulator.cluster.streaming.sharing import FairLink
from simulator.cluster.streaming.work import work_of
from simulator.costs.streaming import Layer, Link, Server, Streamed, Timeline

SECONDS = st.floats(0.0, 3.0, allow_nan=False).map(lambda value: round(value, 3))
"""Of a thousandth: ties are frequent."""


@st.composite
def layers(draw: st.DrawFn) -> Layer:
    """One layer; some have no weights, no gradient or no compute."""
    return Layer(
        weight_bytes=draw(st.sampled_from([0.0, 1.0, 2.5, 7.25])),
        forward_s=draw(SECONDS),
        backward_s=draw(SECONDS),
        activation_bytes=draw(st.sampled_from([0.0, 0.5, 1.0])),
        gradient_bytes=draw(st.sampled_from([0.0, 1.0, 3.5])),
        parameters=draw(st.sampled_from([0.0, 2.0])),
        visit_s=draw(st.sampled_from([0.0, 0.1])),
        copies=draw(st.integers(1, 3)),
    )


@st.composite
def streamed(draw: st.DrawFn) -> Streamed:
    """Any streamed model: slots, turn, disk, spilled inputs, optimizer."""
    training = draw(st.booleans())
    slots = draw(st.integers(1, 4))
    return Streamed(
        layers=tuple(draw(st.lists(layers(), min_size=1, max_size=6))),
        link=Link(draw(st.sampled_from([1.0, 3.0])), draw(st.sampled_from([0.0, 0.01])), 0.7),
        training=training,
        slots=slots,
        kept=draw(st.none() | st.integers(0, slots)),
        spilled=training and draw(st.booleans()),
        storage=draw(st.none() | st.just(Link(1.5, 0.02))),
        host_slots=draw(st.integers(1, 3)),
        server=Server(update_rate=draw(st.none() | st.just(1.7))),
    )


def to_the_end(clock: Clock) -> None:
    """Apply all events."""
    while clock.heap:
        instant, _, _, handler, argument = heappop(clock.heap)
        clock._now = instant
        handler(argument)


def links_of(clock: Clock, devices: int, shared: bool) -> tuple[list[Links], list[FairLink]]:
    """Links for so many devices, and the list of all of them."""
    every: list[FairLink] = []

    def link() -> FairLink:
        every.append(FairLink(clock, len(every)))
        return every[-1]

    near, back = link(), link()
    return [
        Links(link(), near if shared else link(), back if shared else link(), link()) for _ in range(devices)
    ], every


def execute(
    model: Streamed,
    group: int,
    *,
    devices: int = 1,
    shared: bool = True,
    steps: int = 1,
    outages: Sequence[Outage] = (),
    bandwidth: float | None = None,
) -> Executor:
    """Run a stream to its end; ``bandwidth`` of the server's link, by default that of the device's."""
    clock = Clock()
    own, every = links_of(clock, devices, shared)
    work = work_of(model, group, model.link.bandwidth if bandwidth is None else bandwidth)
    executor = Executor(clock, work, own, steps, together=model.training)
    executor.begin()
    if outages:
        Breakdowns(clock, every, iter(outages), lambda: executor.done)
    drive(clock, [executor])
    return executor


def timeline_of(device: Device) -> Timeline:
    """The only step of a device in the form of the recurrence."""
    shape = (len(device.work.tasks), 1)
    found = [np.full(shape, np.nan) for _ in range(5)]
    finish = 0.0
    for row in device.rows:
        finish = max(finish, row.end_s)
        if row.kind == LOAD:
            found[0][row.visit], found[1][row.visit] = row.start_s, row.end_s
        elif row.kind == COMPUTE:
            found[2][row.visit], found[3][row.visit] = row.start_s, row.end_s
        elif row.kind == RETURN:
            found[4][row.visit] = row.end_s
    return Timeline(*found, np.array([finish]))
