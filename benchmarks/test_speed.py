"""How fast: both engines and other programs in turns on one core, and the wall time of commands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from benchmarks.systems import ciw_mmc, mmc_p99_s, mmc_scenario, mmc_text, simpy_mmc, simpy_three, three_scenario
from benchmarks.timing import in_turns, process_s
from simulator import simulate
from simulator.cluster.compiled import CompiledEngine
from simulator.cluster.engine import Engine
from simulator.cluster.lower import lower
from simulator.cluster.lowered import Lowered
from simulator.results import Result
from simulator.results.sketch import RELATIVE_ERROR

Say = Callable[[str], None]
ROUNDS, MANY, SOME, FEW = 4, 1_000_000, 50_000, 10_000
FOLDER = Path()


def events_per_request(lowered: Lowered) -> tuple[float, float, float]:
    """Events of the compiled engine per request; mean batch and utilisation of the first portion.

    Events are what the heap has held (ends of batches, transfers that take time, timers) and the arrivals.
    """
    engine = CompiledEngine(lowered, 0, FOLDER, keep_tables=False)
    _, tally = engine.tally()
    arrived = int(tally.arrived.sum())
    events = (engine.events + arrived) / arrived
    return events, tally.members[0] / tally.batches[0], tally.busy_s[0] / lowered.duration_s


def tell(say: Say, system: str, rates: Mapping[str, float], slow: Sequence[str]) -> None:
    """A line for each program, and how many times as fast as the slow ones it is."""
    for name, rate in rates.items():
        times = "" if name in slow else "".join(f"  {rate / rates[other]:6.1f} x {other}" for other in slow)
        say(f"{system}, {name:<28}{rate:12,.0f} requests/s{times}")


@pytest.mark.parametrize("rate", [1000, 2000, 2400])
def test_three_portions(say: Say, rate: int) -> None:
    """Both engines with and without tables, alone and with the figures made from what they leave."""
    scenario = three_scenario(MANY, rate)
    lowered = lower(scenario)
    engines: dict[str, Callable[[], object]] = {
        "reference engine": lambda: Engine(lowered, 0, FOLDER).run(),
        "compiled engine, tables": lambda: CompiledEngine(lowered, 0, FOLDER).run(),
        "compiled engine": lambda: CompiledEngine(lowered, 0, FOLDER, keep_tables=False).tally(),
    }
    whole: dict[str, Callable[[], object]] = {
        "simulate, reference": lambda: simulate(scenario, engine="simpy"),
        "simulate, compiled, tables": lambda: simulate(scenario, engine="compiled", tables=True),
        "simulate, compiled": lambda: simulate(scenario, engine="compiled", tables=False),
    }
    plain = "plain SimPy"
    best = in_turns({**engines, **whole, plain: lambda: simpy_three(SOME, rate)}, ROUNDS)
    rates = {name: (SOME if name == plain else MANY) / seconds for name, seconds in best.items()}
    system = f"three portions, {rate}/s"
    tell(say, system, {name: rates[name] for name in engines}, ["reference engine"])
    tell(say, system, {name: rates[name] for name in [plain, *whole]}, [plain, "simulate, reference"])
    events, batch, busy = events_per_request(lowered)
    say(
        f"{system}: {events * rates['compiled engine']:,.0f} events/s, {events:.2f} for each request; "
        f"mean batch of the first portion {batch:.2f} of 8, {busy:.1%} busy"
    )
    exact, sketched = p99_s(simulate(scenario, engine="simpy")), p99_s(simulate(scenario, tables=False))
    assert sketched == pytest.approx(exact, rel=RELATIVE_ERROR)


@pytest.mark.parametrize("servers", [1, 4, 16])
def test_mmc(say: Say, servers: int) -> None:
    """Everything of ``simulate``, beside programs that find one percentile; all of them agree with theory."""
    scenario = mmc_scenario(servers, MANY)
    sizes = {"Ciw": FEW, "plain SimPy": SOME, "reference": 2 * SOME, "compiled, tables": MANY, "compiled": MANY}
    small = mmc_scenario(servers, 2 * SOME)
    runs: dict[str, Callable[[], object]] = {
        "Ciw": lambda: ciw_mmc(servers, FEW),
        "plain SimPy": lambda: simpy_mmc(servers, SOME),
        "reference": lambda: simulate(small, engine="simpy"),
        "compiled, tables": lambda: simulate(scenario, engine="compiled", tables=True),
        "compiled": lambda: simulate(scenario, engine="compiled", tables=False),
    }
    best = in_turns(runs, ROUNDS)
    tell(say, f"M/M/{servers}", {name: sizes[name] / best[name] for name in runs}, ["Ciw", "plain SimPy", "reference"])
    events, _, busy = events_per_request(lower(scenario))
    rate = events * MANY / best["compiled"]
    say(f"M/M/{servers}: {rate:,.0f} events/s, {events:.2f} for each request; {busy:.1%} busy")
    theory = pytest.approx(mmc_p99_s(servers), rel=0.15)
    assert p99_s(simulate(scenario, tables=False)) == theory
    assert simpy_mmc(servers, 4 * SOME) == theory
    assert ciw_mmc(servers, 2 * SOME) == theory


def p99_s(result: Result) -> float:
    """99th percentile of the latency of the only service [s]."""
    (figures,) = result.to_dict()["services"].values()
    return float(figures["latency"]["p99"])


def test_commands(say: Say, tmp_path: Path) -> None:
    """New processes: the help, and 100,000 customers of an M/M/4 with and without compiled code on disk."""
    path = tmp_path / "mm4.yaml"
    path.write_text(mmc_text(4, 100_000), encoding="utf-8")
    simulation = ["-m", "simulator", "simulate", str(path)]
    for what, arguments, rounds in (
        ("plan --help", ["-m", "simulator", "--help"], 15),
        ("plan simulate", simulation, 9),
    ):
        process_s(arguments, 1)
        say("{}: {:.3f} s, {:.3f} s of processor time".format(what, *process_s(arguments, rounds)))
    for number in range(2):
        cold = process_s(simulation, 1, {"NUMBA_CACHE_DIR": str(tmp_path / str(number))})
        say("plan simulate that compiles first: {:.1f} s, {:.1f} s of processor time".format(*cold))
