"""How good plans are, and how long the search for them takes: ``python -m benchmarks.optimize [PART ..]``.

Parts: ``gaps`` (50 random scenarios: gap to the program's bound and to that of any plan), ``replays`` (20 plans, each
replayed with five other seeds), ``day`` (``plan-day-sentiment.yaml``, by phase), ``growth`` (in windows, layers and
types of device), ``workers`` (the same plan from one and from two processes). Left out: all.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count, islice, pairwise
from typing import Any

import numpy as np

from benchmarks.timing import ROOT, children_s, machine
from simulator import load
from simulator.errors import ScenarioError
from simulator.planner.optimize.api import Progress, optimize
from simulator.planner.optimize.judge.crew import Crew
from simulator.planner.optimize.judge.simulated import SimulationJudge
from simulator.planner.optimize.ready import ready
from simulator.planner.optimize.search.core import Limit, search
from simulator.planner.optimize.space.deploy import deployment_of
from simulator.planner.optimize.verify.plan import verify
from simulator.scenario import Scenario, loads
from tests.planner.optimize.larger import larger

DAY = ROOT / "scenarios" / "plan-day-sentiment.yaml"
PLANS, SEEDS = 20, 5


@dataclass(frozen=True)
class Gap:
    """A search without verification: relative gaps, and what it took."""

    program: float
    space: float
    any_plan: float
    shapes: int
    evaluations: int
    seconds: float


def gap_of(seed: int) -> Gap | None:
    """The gaps of one random scenario; None: no plan can be."""
    start = time.process_time()
    here = ready(larger(seed))
    with SimulationJudge(here.scenario, here.spaces, here.load, deployment_of, 1) as judge:
        found = search(here.problem, judge, limit=Limit(here.planner.search.evaluations))
    if found.choices is None or here.any_plan is None:
        return None
    assert here.any_plan <= found.cost * (1 + 1e-9), seed
    shapes = sum(len(space.shapes) for space in here.spaces)
    spent = time.process_time() - start
    any_gap = found.cost / here.any_plan - 1
    return Gap(found.program_gap, found.gap, any_gap, shapes, found.evaluations, spent)


def replayed(seed: int) -> tuple[int, int] | None:
    """(missed, replayed) of the plan of a random scenario with other seeds; None: no plan passed."""
    scenario = larger(seed, small=True)
    try:
        found = optimize(scenario, workers=1)
    except ScenarioError:  # the objective is below the fastest possible time
        return None
    if not found.holds or found.plan is None:
        return None
    deployments = {name: [window.services[name] for window in found.plan.windows] for name in scenario.services}
    return misses(scenario, deployments, found.load), SEEDS


def misses(scenario: Scenario, deployments: dict[str, Any], planned: Any) -> int:
    """Of so many runs with another seed, those in which a service is in time less often than asked."""
    other = scenario.model_copy(update={"seed": scenario.seed + 1_000_003})
    with Crew(1) as crew:
        checked = verify(other, deployments, planned, replications=SEEDS, crew=crew)
    missed = np.zeros(SEEDS, dtype=bool)
    for one in checked.services.values():
        missed |= np.array([run is not None and one.target is not None and run < one.target for run in one.runs])
    return int(missed.sum())


def gaps() -> Iterator[str]:
    """Fifty random scenarios."""
    found = [one for seed in range(50) if (one := gap_of(seed)) is not None]
    yield f"{len(found)} of 50 scenarios have a plan"
    for name in ("program", "space", "any_plan", "shapes", "evaluations", "seconds"):
        values = np.array([getattr(one, name) for one in found])
        yield f"{name}: median {np.median(values):.4g}, 90 % {np.quantile(values, 0.9):.4g}, most {values.max():.4g}"


def replays() -> Iterator[str]:
    """Twenty plans with five other seeds each."""
    found = list(islice((one for seed in count() if (one := replayed(seed)) is not None), PLANS))
    counts = [missed for missed, _ in found]
    yield f"{len(found)} plans; misses {sum(counts)} of {SEEDS * len(found)}, "
    yield f"most in one scenario {max(counts)}"


def phases(scenario: Scenario, workers: int) -> tuple[dict[str, tuple[float, float]], Any]:
    """Wall and processor time of each phase [s], processes in; processes are counted where they end."""
    marks: list[tuple[str, float, float]] = [("start", time.perf_counter(), _spent())]

    def tell(progress: Progress) -> None:
        if progress.phase != marks[-1][0]:
            marks.append((progress.phase, time.perf_counter(), _spent()))

    found = optimize(scenario, workers=workers, progress=tell)
    marks.append(("end", time.perf_counter(), _spent()))
    spent = {one[0]: (two[1] - one[1], two[2] - one[2]) for one, two in pairwise(marks)}
    return spent, found


def _spent() -> float:
    return time.process_time() + children_s()


def day() -> Iterator[str]:
    """The day of sentiment analysis."""
    for workers in (1, 2):
        spent, found = phases(load(DAY), workers)
        yield f"{workers} workers: " + ", ".join(
            f"{name} {a:.1f} s wall {b:.1f} s cpu" for name, (a, b) in spent.items()
        )
        wall, busy = (sum(one[at] for one in spent.values()) for at in (0, 1))
        proof = found.certificate
        yield f"  in all {wall:.1f} s wall, {busy:.1f} s cpu; {proof['evaluations']} judged, {proof['shapes']} shapes"


def growth() -> Iterator[str]:
    """Search alone, without forecast and verification."""
    for windows in (6, 12, 24, 48):
        yield f"{windows} windows: " + searched(grown(windows=windows))
    for layers in (12, 24, 48):
        for types in (1, 2, 4):
            yield f"{layers} layers, {types} types: " + searched(grown(layers=layers, types=types))


def searched(scenario: Scenario) -> str:
    """What binding and search take [s of processor]."""
    first = time.process_time()
    here = ready(scenario)
    second = time.process_time()
    with SimulationJudge(here.scenario, here.spaces, here.load, deployment_of, 1) as judge:
        found = search(here.problem, judge)
    third = time.process_time()
    shapes = sum(len(space.shapes) for space in here.spaces)
    return (
        f"space {second - first:.2f} s, search {third - second:.2f} s cpu, {found.evaluations} judged, "
        f"{shapes} shapes, gap {found.gap:.2g}"
    )


def grown(windows: int = 12, layers: int = 24, types: int = 2) -> Scenario:
    """A wave of load through so many windows, for a model of so many layers on so many types of device."""
    speed = [1.0, 0.5, 1.8, 0.3][:types]
    pools = {
        f"p{number}": {
            "device": {
                "memory": "24GB",
                "memory_bandwidth": f"{300 * fast}GB/s",
                "peak": {"fp16": f"{60 * fast}TFLOPS"},
                "overhead": "100us",
            },
            "count": 60,
            "price_per_hour": round(fast**0.9, 3),
            "start_up": "2s",
        }
        for number, fast in enumerate(speed)
    }
    work = {"flops": f"{960 / layers:.2f}GFLOP", "bytes": f"{480 / layers:.2f}MB"}
    model = {
        "layers": [
            {"name": "l", "repeat": layers, "work": work, "weights": f"{480 / layers:.2f}MB", "output": "100KB"}
        ],
        "ramps": {"after": [layers // 6 * part for part in range(1, 6)], "time": {"relative": 0.05}},
        "exits": {"profile": [0.3, 0.15, 0.1, 0.1, 0.05]},
    }
    node = {
        "version": 1,
        "name": "grown",
        "run": {"duration": f"{60 * windows}s"},
        "cluster": {"pools": pools, "network": {"bandwidth": "10GB/s", "latency": "50us"}},
        "models": {"m": model},
        "services": {
            "s": {
                "model": "m",
                "slo": {"latency": "400ms", "attainment": "99%"},
                "workload": {
                    "process": "poisson",
                    "rate": "400/s",
                    "shape": {"kind": "diurnal", "period": f"{60 * windows}s", "amplitude": "60%", "peak": "60s"},
                },
            }
        },
        "planner": {"window": "60s", "switch_cost": 0.001, "search": {"batch": [1, 4, 8], "max_cuts": 2}},
    }
    return loads(json.dumps(node))


def workers() -> Iterator[str]:
    """The same plan, whoever simulates."""
    for seed in range(4):
        one, two = (same(larger(seed, small=True), processes) for processes in (1, 2))
        yield f"scenario {seed}: {'equal' if one == two else 'DIFFERENT'}"


def same(scenario: Scenario, processes: int) -> dict[str, Any]:
    """All of a plan but the seconds that it took."""
    told = optimize(scenario, workers=processes).to_dict()
    told["certificate"] = {**told["certificate"], "seconds": None}
    return told


PARTS: dict[str, Callable[[], Iterator[str]]] = {
    "gaps": gaps,
    "replays": replays,
    "day": day,
    "growth": growth,
    "workers": workers,
}


def main(names: list[str]) -> None:
    """Run and print the parts."""
    print(machine())
    for name in names or list(PARTS):
        print(f"-- {name}")
        for line in PARTS[name]():
            print(line, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
