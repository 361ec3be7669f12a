"""Which engine runs and why; both give the same figures; without tables they stay the same, in constant memory."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from simulator.cluster import load, simulate
from simulator.cluster.compiled import CompiledEngine
from simulator.cluster.lower import lower
from simulator.errors import ScenarioError
from simulator.results import Result, RunRecord, Tally, check_tally, metrics, tally_metrics
from simulator.results.quantiles import QUANTILES
from simulator.results.sketch import RELATIVE_ERROR, value_of
from simulator.scenario import loads
from tests.differential.strategies import EVERYTHING, Case, cases
from tests.results.tallied import frame_of, tally_of
from tests.support import Node, layer, poisson, portion, scenario

ROOT = Path(__file__).resolve().parent.parent.parent
EVERYTHING_COVERED = "covers everything in this scenario"
ROWS = "conf_1,pred_1,conf_2,pred_2,label\n0.9,1,0.9,1,1\n0.4,0,0.8,1,1\n0.7,1,0.9,0,0\n"


def small(**service: Any) -> Node:
    """Some 200 requests on two replicas."""
    body: Node = {"workload": poisson(20.0), "deployment": {"portions": [portion("1", 2)]}, **service}
    return scenario(body, [layer(0.05)], duration_s=10.0, run={"engine": "auto"})


def with_shared_links() -> Node:
    node = small(deployment={"portions": [portion("1", 1), portion("2", 1)]})
    node["models"]["m"]["layers"] = [layer(0.02, "one", output="1MB"), layer(0.02, "two")]
    node["cluster"]["network"] = {"bandwidth": "100MB/s", "shared": True}
    return node


def with_exit_rows(folder: Path, order: str, **workload: Any) -> Node:
    (folder / "rows.csv").write_text(ROWS, encoding="utf-8")
    node = small(deployment={"exit_mode": "at_cut", "portions": [portion("1", 1), portion("2", 1)]}, **workload)
    exits = {"table": "rows.csv", "rule": {"confidence": 0.6}, "order": order}
    node["models"]["m"] = {"layers": [layer(0.02, "one"), layer(0.02, "two")], "ramps": {"after": [1]}, "exits": exits}
    return node


def ran(node: Node, folder: Path = Path(), **options: Any) -> tuple[str, str]:
    """The engine of a run, and the reason."""
    found = simulate(loads(json.dumps(node), folder=folder), **options).to_dict()
    return found["engine"], found["engine_reason"]


CLIENTS = {"workload": {"clients": 4, "think": "100ms"}}


class TestChoice:
    def test_the_compiled_one_where_it_covers_the_scenario(self, tmp_path: Path) -> None:
        for node in (
            small(),
            small(**CLIENTS),
            with_exit_rows(tmp_path, "drawn", **CLIENTS),
            with_exit_rows(tmp_path, "replayed"),
        ):
            assert ran(node, tmp_path) == ("compiled", EVERYTHING_COVERED)

    @pytest.mark.parametrize("name", ["simpy", "compiled"])
    def test_the_one_that_is_asked_for(self, name: str) -> None:
        assert ran(small(), engine=name) == (name, "asked for")
        node = small()
        node["run"]["engine"] = name
        assert ran(node) == (name, "asked for")
        assert ran(node, engine="auto") == ("compiled", EVERYTHING_COVERED)

    def test_shared_links_need_the_reference(self) -> None:
        assert ran(with_shared_links()) == ("simpy", "the compiled engine does not cover shared links")

    def test_rows_in_an_order_need_the_reference_in_a_closed_load(self, tmp_path: Path) -> None:
        engine, reason = ran(with_exit_rows(tmp_path, "replayed", **CLIENTS), tmp_path)
        assert engine == "simpy"
        assert reason.startswith("the compiled engine does not cover exit rows that follow an order")

    def test_what_it_does_not_cover_is_refused_where_it_is_asked_for(self, tmp_path: Path) -> None:
        closed = with_exit_rows(tmp_path, "replayed", **CLIENTS)
        for node, missing in ((with_shared_links(), "shared links"), (closed, "exit rows that follow an order")):
            with pytest.raises(
                ScenarioError, match=rf"run\.engine: .*does not cover {missing}.*; take simpy"
            ) as caught:
                ran(node, tmp_path, engine="compiled")
            assert len(caught.value.problems) == 1


# -- the same figures --------------------------------------------------------------------------------------------------

DURATIONS = {"mm1": "60s", "closed": "40s", "faults": "30s", "windows": "160s", "bursty-code": "20s"}
"""As long as something happens in them that two seconds do not show."""
REFERENCE_ONLY = {"autoscale", "early-exit-twin", "bubble-fill-serving"}
"""Scenarios that show what only the reference engine has."""
REFERENCE_ONLY_VARIANTS = {("stream-service", "two")}
"""Likewise, of scenarios that both engines run."""
WITH_SERVICES = {
    path.stem
    for path in (ROOT / "scenarios").glob("*.yaml")
    if "\nservices:" in path.read_text("utf-8") and not path.stem.startswith("plan-")  # those wait for a plan
}
SHIPPED = sorted(WITH_SERVICES - REFERENCE_ONLY)


def shipped(name: str, variant: str | None = None) -> Any:
    sets = [f"run.duration={DURATIONS.get(name, '2s')}", "run.warmup=500ms", "run.replications=2"]
    return load(ROOT / "scenarios" / f"{name}.yaml", sets=sets, variants=[variant] if variant else [])


def cases_of(name: str) -> Iterator[Any]:
    yield shipped(name)
    written = load(ROOT / "scenarios" / f"{name}.yaml").variants
    yield from (shipped(name, variant) for variant in written if (name, variant) not in REFERENCE_ONLY_VARIANTS)


def without_engine(result: Result) -> str:
    """The JSON text but for the two lines that name the engine."""
    lines = result.to_json().splitlines(keepends=True)
    kept = [line for line in lines if not line.lstrip().startswith(('"engine":', '"engine_reason":'))]
    assert len(kept) == len(lines) - 2
    return "".join(kept)


@pytest.mark.parametrize("name", SHIPPED)
def test_both_engines_give_the_same_json(name: str) -> None:
    """Of every scenario that ships, with each of its variants."""
    for made in cases_of(name):
        reference, twin = simulate(made, engine="simpy"), simulate(made)
        assert twin.to_dict()["engine"] == "compiled"
        assert without_engine(reference) == without_engine(twin)


# -- without tables ----------------------------------------------------------------------------------------------------

SKETCHED = {*(f"latency.{name}" for name in QUANTILES), "queue_wait.p99"}


def figures(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every figure of one replication with its path."""
    if isinstance(tree, dict | list):
        for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from figures(value, f"{path}.{key}" if path else str(key))
    else:
        yield path, tree


def assert_close(exact: Any, sketched: Any) -> None:
    """Quantiles within the error that is stated, all else to 1e-9."""
    expected, found = dict(figures(exact)), dict(figures(sketched))
    assert list(found) == list(expected)
    for path, value in expected.items():
        if ".breakdown.p99." in path:
            continue  # of the requests from the edge of a bin on: compared by bin where tallies are compared
        if not isinstance(value, float):
            assert (found[path], type(found[path])) == (value, type(value)), path
        elif any(path.endswith(name) for name in SKETCHED):
            assert found[path] == pytest.approx(value, rel=RELATIVE_ERROR, abs=float(value_of(1))), path
        else:
            assert found[path] == pytest.approx(value, rel=1e-9, abs=1e-12), path


@pytest.mark.parametrize("name", SHIPPED)
def test_figures_without_tables(name: str) -> None:
    made = shipped(name)
    exact, sketched = simulate(made, tables=True), simulate(made, tables=False)
    for one, other in zip(exact.metrics, sketched.metrics):
        assert_close(one, other)
    told, other = exact.to_dict(), sketched.to_dict()
    assert (told["quantiles"], told["quantile_error"]) == ("exact", 0.0)
    assert (other["quantiles"], other["quantile_error"]) == ("sketch", RELATIVE_ERROR)
    assert list(told) == list(other)
    for key in ("scenario", "seed", "engine", "engine_reason", "replications", "overrides", "warnings"):
        assert told[key] == other[key]
    for service in other["services"].values():
        outcomes = ("completed", "dropped", "rejected", "failed", "inside")
        assert service["arrived"] == sum(service[outcome] for outcome in outcomes) > 0


@settings(max_examples=200)
@given(cases(EVERYTHING))
def test_tallies_of_random_scenarios(case: Case) -> None:
    """Every counter, sum and bin of a run is that of the tables of the same run, whatever happens in it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, text in case.files.items():
            (folder / file).write_text(text, encoding="utf-8")
        lowered = lower(loads(json.dumps(case.node), folder=folder))
        record = CompiledEngine(lowered, 0, folder).run()
        frame, tally = CompiledEngine(lowered, 0, folder, keep_tables=False).tally()
    check_tally(frame, tally)
    assert_same_frames(frame, frame_of(record))
    assert_same_tally(tally, tally_of(record))
    assert_close(metrics(record), tally_metrics(frame, tally))


def assert_same_frames(one: Any, other: Any) -> None:
    for field in fields(one):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if field.name == "replicas":
            assert all(np.array_equal(getattr(a, column.name), getattr(b, column.name)) for column in fields(a))
        else:
            assert a == b, field.name


def assert_same_tally(one: Tally, other: Tally) -> None:
    """Counts are equal; sums of seconds may be formed in another order."""
    for field in fields(Tally):
        a, b = getattr(one, field.name), getattr(other, field.name)
        assert a.shape == b.shape, field.name
        if a.dtype == np.int64:
            assert np.array_equal(a, b), field.name
        else:
            assert np.allclose(a, b, rtol=1e-9, atol=1e-9), field.name


def test_tables_of_a_run_without_tables_tell_how_to_get_them() -> None:
    result = simulate(loads(json.dumps(small())), tables=False)
    for name in ("requests", "batches", "timeline", "records"):
        with pytest.raises(ScenarioError, match=r"kept no tables: ask for them with simulate\(\.\.\., tables=True\)"):
            getattr(result, name)
    assert len(result.portions) == 1
    (run,) = result.runs
    assert not isinstance(run, RunRecord)
    assert run.end_s >= run.duration_s == 10.0


def test_tables_are_kept_while_they_are_small_or_needed() -> None:
    def kept(expected: float, **options: Any) -> bool:
        node = small(workload=poisson(expected / 10.0), deployment={"portions": [portion("1", 2, batch=64)]})
        node["models"]["m"]["layers"] = [layer(1e-6)]
        node["run"] |= options.pop("run", {})
        found: str = simulate(loads(json.dumps(node)), **options).to_dict()["quantiles"]
        return found == "exact"

    assert kept(1e3)
    assert not kept(1e3, tables=False)
    assert not kept(1.1e6)
    assert kept(1.1e6, tables=True)
    assert kept(1e3, tables=False, run={"warmup": "auto"})  # MSER-5 looks at every latency
    assert kept(1e3, tables=False, engine="simpy")


@pytest.mark.parametrize(
    ("options", "said"),
    [({"tables": True}, "tables=True"), ({"engine": "simpy"}, "simpy"), ({"run": "auto"}, "run.warmup: auto")],
)
def test_too_many_requests_for_tables_are_refused_before_the_run(options: dict[str, Any], said: str) -> None:
    node = small(workload=poisson(5e6))
    if "run" in options:
        node["run"]["warmup"] = options.pop("run")
    with pytest.raises(ScenarioError, match=f"at most 4e.07 with tables, which {said} needs"):
        simulate(loads(json.dumps(node)), **options)


# -- memory ----------------------------------------------------------------------------------------------------

MEASURED = """
import json, re, sys
from pathlib import Path
from simulator.cluster import loads, simulate
figures = simulate(loads(sys.argv[1]), tables=False, engine="compiled").to_dict()
assert figures["quantiles"] == "sketch"
peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())
print(json.dumps({"services": figures["services"], "peak": int(peak[1]) * 1024}))
"""


def measured(node: Node, duration_s: float) -> tuple[dict[str, Any], float]:
    """The only service of a run without tables in a process of its own, and the most memory that it had [MB].

    Not that of ``getrusage``: what a process inherits there is the most that its parent had.
    """
    if not Path("/proc/self/status").exists():
        pytest.skip("the peak of a process is told in /proc")
    node = {**node, "run": {**node["run"], "duration": f"{duration_s!r}s"}}
    command = [sys.executable, "-c", MEASURED, json.dumps(node)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=3000, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    return found["services"]["s"], found["peak"] / 1e6


def rich() -> Node:
    """Early exits, classes, faults, windows, transfers and jitter at 1,000 requests a second."""
    windows = [
        {
            "from": f"{start}s",
            "exit_mode": "at_cut",
            "portions": [portion("1", 6 + more, batch=4, max_wait=0.01), portion("2", 6, batch=8, max_wait=0.01)],
        }
        for start, more in ((0, 0), (100, 1), (200, 0))
    ]
    service = {
        "workload": poisson(1000.0),
        "slo": {"latency": "100ms", "attainment": "90%"},
        "classes": [{"name": "paid", "share": 0.2, "priority": 1}, {"name": "free", "share": 0.8}],
        "queue": {"capacity": 500, "drop": "expired"},
        "jitter": {"distribution": "lognormal", "cv": 0.3},
        "deployments": windows,
    }
    layers = [layer((0.004, 0.001), "one", output="100KB"), layer((0.006, 0.001), "two")]
    model = {"ramps": {"after": [1]}, "exits": {"profile": [0.5]}}
    node = scenario(service, layers, duration_s=1.0, model=model, cluster={"network": {"bandwidth": "1GB/s"}})
    node["cluster"]["pools"]["pool"]["faults"] = {"mtbf": "100s", "mttr": "5s"}
    return node


def plain() -> Node:
    service = {"workload": poisson(1000.0), "deployment": {"portions": [portion("1", 2)]}}
    return scenario(service, [layer(0.001)], duration_s=1.0)


def thinking() -> Node:
    service = {"workload": {"clients": 100, "think": "50ms"}, "deployment": {"portions": [portion("1", 4)]}}
    return scenario({**service, "jitter": {"distribution": "exponential"}}, [layer(0.001)], duration_s=1.0)


@pytest.mark.parametrize(
    ("node", "rate", "requests"),
    [(plain(), 1000, 0.5e6), (rich(), 1000, 0.25e6), (thinking(), 1950, 0.25e6)],
    ids=["plain", "rich", "closed"],
)
def test_memory_does_not_grow_with_the_run(node: Node, rate: float, requests: float) -> None:
    """Eight times the requests, at most 10 MB more."""
    simulate(loads(json.dumps(node)), engine="compiled")  # so that none of the two has to compile
    (few, little), (many, most) = (measured(node, number / rate) for number in (requests, 8 * requests))
    assert few["arrived"] == pytest.approx(requests, rel=0.05)
    assert many["arrived"] == pytest.approx(8 * requests, rel=0.05)
    assert most < little + 10.0


@pytest.mark.long
@pytest.mark.parametrize("node", [plain(), rich()], ids=["plain", "rich"])
def test_a_day_of_a_thousand_requests_a_second(node: Node) -> None:
    """86.4 million requests in less than 600 MB; each of them ends in one way (which the run asserts as well)."""
    simulate(loads(json.dumps(node)), engine="compiled")
    figures, peak = measured(node, 86_400.0)
    assert figures["arrived"] == pytest.approx(86.4e6, rel=1e-3)
    outcomes = ("completed", "dropped", "rejected", "failed", "inside")
    assert figures["arrived"] == sum(figures[outcome] for outcome in outcomes)
    assert peak < 600.0


# -- where the compiled code is kept -----------------------------------------------------------------------------------

KEPT = """
import sys
from simulator.cluster.compiled import entry
from simulator.cli.main import run
code = run(sys.argv[1:]) if sys.argv[1:] else 0
print(entry.act().stats.cache_path, file=sys.stderr)
sys.exit(code)
"""


@pytest.fixture
def read_only(tmp_path: Path) -> Path:
    """A copy of the package in which no code can be kept: a file stands where its folder would be.

    Permissions would not keep the superuser out.
    """
    copy = tmp_path / "installed" / "simulator"
    shutil.copytree(ROOT / "simulator", copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "cluster" / "compiled" / "__pycache__").write_text("")
    (tmp_path / "blocked").write_text("")
    return copy.parent


def elsewhere(installed: Path, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A process that uses the copy, with a home of its own."""
    kept = ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "LOCALAPPDATA", "PYTHONPATH")
    env = {key: value for key, value in os.environ.items() if key not in kept}
    env |= {"HOME": str(home), "USERPROFILE": str(home), "PYTHONPATH": str(installed), "PYTHONDONTWRITEBYTECODE": "1"}
    if home.is_file():
        env |= {"NUMBA_CACHE_DIR": str(home / "numba"), "XDG_CACHE_HOME": str(home), "LOCALAPPDATA": str(home)}
    command = [sys.executable, "-c", textwrap.dedent(KEPT), *arguments]
    return subprocess.run(command, cwd=home.parent, env=env, capture_output=True, text=True, timeout=300, check=False)


def test_a_read_only_install_keeps_its_code_in_the_users_cache(read_only: Path, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    done = elsewhere(read_only, tmp_path / "home")
    assert done.returncode == 0, done.stderr
    assert Path(done.stderr.strip()).is_relative_to(tmp_path / "home")


def test_without_any_cache_the_code_lives_in_memory(read_only: Path, tmp_path: Path) -> None:
    """It is compiled, which is said, and the run gives what it always gives."""
    (tmp_path / "small.json").write_text(json.dumps(small()), encoding="utf-8")
    done = elsewhere(read_only, tmp_path / "blocked", "simulate", str(tmp_path / "small.json"), "--json")
    assert done.returncode == 0, done.stderr
    said, path = done.stderr.splitlines()
    assert said.startswith("compiling the engine")
    assert path == "None"
    assert done.stdout == simulate(load(tmp_path / "small.json")).to_json() + "\n"
