"""Replications of all streams of a scenario, side by side at one server."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from simulator.cluster.clock import Clock
from simulator.cluster.lower.hardware import Hardware
from simulator.cluster.lower.streamed import check_outages, served_bytes, server_of
from simulator.cluster.streaming.executor import drive
from simulator.cluster.streaming.faults import drawn
from simulator.cluster.streaming.server import AtServer
from simulator.cluster.streaming.setup import StreamSetup, setup_of
from simulator.costs.streaming import step_seconds
from simulator.errors import ScenarioError
from simulator.results.stream import StreamRun
from simulator.scenario import Scenario
from simulator.scenario.cluster import Faults

MOST_ROWS = 2e6
"""Loads, computations and returns of all streams in one replication: each is an event, and a row of a timeline."""


def prepare(scenario: Scenario, pools: Mapping[str, Hardware]) -> Callable[[int], dict[str, StreamRun]]:
    """What runs every stream once, by replication; raises ScenarioError for what cannot work, with its place."""
    setups = setups_of(scenario, pools)
    faults = server_of(scenario, ("streams",)).faults

    def replicate(replication: int) -> dict[str, StreamRun]:
        clock = Clock()
        outages = drawn(faults, scenario.seed, replication) if faults is not None else None
        server = AtServer(clock, setups, outages)
        drive(clock, list(server.executors.values()))
        return server.runs()

    return replicate


def setups_of(scenario: Scenario, pools: Mapping[str, Hardware]) -> dict[str, StreamSetup]:
    """All streams, ready to be simulated; raises ScenarioError for what cannot work, with its place."""
    devices = sum(stream.devices for stream in scenario.streams.values())
    setups = {name: setup_of(scenario, name, pools, devices) for name in scenario.streams}
    _check(scenario, setups)
    return setups


def _check(scenario: Scenario, setups: Mapping[str, StreamSetup]) -> None:
    """The server holds all models; a replication is not endless."""
    server, problem = server_of(scenario, ("streams",)), scenario.source.problem
    held = {name: setup.server_bytes for name, setup in setups.items()}
    served = served_bytes(scenario)
    held |= {"services": served} if served else {}
    needed = sum(held.values())
    if needed > server.memory:
        parts = ", ".join(f"{name} {size / 1e9:.4g} GB" for name, size in held.items())
        message = f"streams need {needed / 1e9:.4g} GB at the server ({parts}), it has {server.memory / 1e9:.4g} GB"
        raise ScenarioError(problem(("cluster", "parameter_server", "memory"), message))
    total = 0.0
    for name, setup in setups.items():
        work = setup.work
        rows = len(work.tasks) + len(work.near) + len(work.far) + 2 * len(work.back)
        total += float(rows) * setup.written.devices * setup.written.steps
        if total > MOST_ROWS:
            message = f"{total:.2g} loads, computations, returns; at most {MOST_ROWS:.0e} are simulated: lower `steps`"
            raise ScenarioError(problem(("streams", name, "steps"), message))
    if server.faults is not None:
        _check_faults(scenario, server.faults, setups)


def _check_faults(scenario: Scenario, faults: Faults, setups: Mapping[str, StreamSetup]) -> None:
    """Refuse a server that would hardly ever carry a copy, or fail more often than anybody could want to see."""
    copies = [copy.seconds for setup in setups.values() for copy in (*setup.work.near, *setup.work.far)]
    devices = sum(setup.written.devices for setup in setups.values())
    longest = max(copies, default=0.0) * devices
    run_s = max(float(step_seconds(one.shared, one.group)) * one.written.steps for one in setups.values())
    check_outages(scenario, faults, longest, run_s)
