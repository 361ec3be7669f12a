"""How long it takes to lower a scenario, first and again; and how much longer windows take under too much load."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.timing import ROOT, in_turns, processor_s
from simulator.cluster.compiled import CompiledEngine
from simulator.cluster.lower import lower
from simulator.scenario import Scenario, load

Say = Callable[[str], None]
SCENARIOS = ROOT / "scenarios"
NAMES = ("precision-by-batch", "quantized-bert", "early-exit-e3", "early-exit-drift", "plan-day-sentiment")
ROUNDS = 4
WINDOWS = ("services.chat.workload.scale={}", "services.chat.deployments.{}.portions.0.max_wait={}ms")


def shipped(name: str) -> Scenario:
    """A scenario of the repository, with its plan where it needs one."""
    plan = SCENARIOS / "plans" / f"{name}.yaml"
    return load(SCENARIOS / f"{name}.yaml", plan=plan if plan.exists() else None)


@pytest.mark.parametrize("name", NAMES)
def test_lower(say: Say, name: str) -> None:
    """The first time files are read; again is what a search or a sweep does."""
    scenario = shipped(name)
    first_s = processor_s(lambda: lower(scenario))
    again_s = in_turns({name: lambda: lower(scenario)}, ROUNDS)[name]
    say(f"lower {name:<20} first {first_s * 1e3:7.1f} ms, again {again_s * 1e3:6.1f} ms")


def test_overloaded_windows(say: Say) -> None:
    """A deployment that follows the day, at one to three times its load: each request costs about the same.

    Also where every window waits for another time, so that the dues of who waits are out of order.
    """
    scale, wait = WINDOWS
    waits = [wait.format(number, 3 + 2 * (number % 2)) for number in range(5)]
    cases = {f"{times} x the load": [scale.format(times)] for times in (1, 2, 3)}
    cases |= {f"{what}, waits that change": [*sets, *waits] for what, sets in cases.items()}
    lowered = {what: lower(load(SCENARIOS / "windows.yaml", sets=sets)) for what, sets in cases.items()}
    runs: dict[str, Callable[[], object]] = {
        what: lambda one=one: CompiledEngine(one, 0, Path(), keep_tables=False).tally()  # type: ignore[misc]
        for what, one in lowered.items()
    }
    requests = {
        what: int(CompiledEngine(one, 0, Path(), keep_tables=False).tally()[1].arrived.sum())
        for what, one in lowered.items()
    }
    best = in_turns(runs, ROUNDS)
    for what, seconds in best.items():
        say(f"windows, {what:<34}{seconds * 1e9 / requests[what]:8.0f} ns for each of {requests[what]:,} requests")
