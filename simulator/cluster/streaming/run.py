"""Replications of all streams of a scenario, side by side at one server."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from simulator.cluster.clock import Clock
from simulator.cluster.lower import lower
from simulator.cluster.lower.hardware import Hardware
from simulator.cluster.lower.streamed import at_once, demands, served_bytes, server_of
from simulator.cluster.streaming.executor import Executor, Links, drive
from simulator.cluster.streaming.faults import Breakdowns, Outage, drawn
from simulator.cluster.streaming.figures import actions_of, figures_of
from simulator.cluster.streaming.setup import StreamSetup, setup_of
from simulator.cluster.streaming.sharing import FairLink
from simulator.costs.streaming import step_seconds
from simulator.errors import ScenarioError
from simulator.results.jobs import DeviceUse
from simulator.results.stream import StreamRun
from simulator.scenario import Scenario
from simulator.scenario.cluster import Faults

MOST_ROWS = 2e6
"""Loads, computations and returns of all streams in one replication: each is an event, and a row of a timeline."""
MOST_REPEATS = 5.0
"""Failures to be expected during one copy, at most: with five, one in 148 arrives."""
MOST_OUTAGES = 1e5
"""Failures to be expected in one replication, at most."""


@dataclass
class Running:
    """Streams on one clock: their executors by name, every link of the server, and its failures."""

    clock: Clock
    executors: dict[str, Executor] = field(default_factory=dict)
    links: list[FairLink] = field(default_factory=list)
    breakdowns: Breakdowns | None = None


def prepare(scenario: Scenario, pools: Mapping[str, Hardware]) -> Callable[[int], dict[str, StreamRun]]:
    """What runs every stream once, by replication; raises ScenarioError for what cannot work, with its place."""
    devices = sum(stream.devices for stream in scenario.streams.values())
    setups = {name: setup_of(scenario, name, pools, devices) for name in scenario.streams}
    _check(scenario, setups)
    server, beside = server_of(scenario, ("streams",)), beside_of(scenario)

    def replicate(replication: int) -> dict[str, StreamRun]:
        outages = drawn(server.faults, scenario.seed, replication) if server.faults is not None else None
        running = start(setups, beside, outages)
        drive(running.clock, list(running.executors.values()))
        return {name: _run(setup, running) for name, setup in setups.items()}

    return replicate


def start(
    setups: Mapping[str, StreamSetup], beside: Sequence[float] = (), outages: Iterator[Outage] | None = None
) -> Running:
    """All streams begin at instant 0, on a new clock. ``beside``: shares of the link that services take meanwhile."""
    running = Running(Clock())
    to_all, from_all = _link(running, beside), _link(running)
    for index, (name, setup) in enumerate(setups.items()):
        far = _link(running)
        own = [
            Links(
                far,
                to_all if setup.is_shared else _link(running),
                from_all if setup.is_shared else _link(running),
                _link(running),
            )
            for _ in range(setup.written.devices)
        ]
        together = setup.streamed.training
        running.executors[name] = Executor(
            running.clock, setup.work, own, setup.written.steps, together=together, index=index
        )
    for executor in running.executors.values():
        executor.begin()
    if outages is not None:
        over = lambda: all(executor.done for executor in running.executors.values())  # noqa: E731 # one expression
        running.breakdowns = Breakdowns(running.clock, running.links, outages, over)
    return running


def beside_of(scenario: Scenario) -> list[float]:
    """Shares of the server's link that each streamed replica of the services asks for, in their busiest window."""
    portions = (
        portion
        for service in scenario.services.values()
        for deployment in [*(one for _, one in service.timeline), *([service.twin.deployment] if service.twin else [])]
        for portion in deployment.portions
    )
    if not any(portion.weights == "streamed" for portion in portions):
        return []
    found = at_once(demands(scenario, lower(scenario).services))
    return [one.mean / one.replicas for one in found for _ in range(one.replicas) if one.mean > 0.0]


def _link(running: Running, beside: Sequence[float] = ()) -> FairLink:
    link = FairLink(running.clock, len(running.links), beside)
    running.links.append(link)
    return link


def _run(setup: StreamSetup, running: Running) -> StreamRun:
    executor = running.executors[setup.name]
    end = max(end for _, end in executor.step_s)
    happened = running.breakdowns.happened if running.breakdowns is not None else []
    outages = [outage for outage in happened if outage[0] < end]
    figures = figures_of(setup, executor, outages)
    devices = setup.written.devices * setup.pool.pool.devices_per_replica
    use = DeviceUse(setup.pool.name, devices, figures["utilization"])
    return StreamRun(setup.name, figures, actions_of(setup, executor), (use,), setup.warnings, tuple(outages))


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
    place = ("cluster", "parameter_server", "faults")
    if longest / faults.mtbf > MOST_REPEATS:
        message = f"a load of up to {longest:.3g}s would hardly ever arrive: mtbf is {faults.mtbf:.3g}s; raise it"
        raise ScenarioError(scenario.source.problem(place, message))
    run_s = max(float(step_seconds(one.shared, one.group)) * one.written.steps for one in setups.values())
    if run_s / (faults.mtbf + faults.mttr) > MOST_OUTAGES:
        message = f"more than {MOST_OUTAGES:.0e} failures in one replication: raise mtbf"
        raise ScenarioError(scenario.source.problem(place, message))
