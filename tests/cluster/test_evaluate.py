"""Many candidates in one call: the same rows from every kind of executor, whatever fails or stops."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Any

import pytest

import simulator
from simulator.cluster import Candidate, Evaluation, evaluate, simulate, spread
from simulator.cluster.lower import lower
from simulator.errors import ScenarioError
from simulator.scenario import Scenario, loads
from tests.support import Node, layer, poisson, portion, scenario

ROOT = Path(__file__).resolve().parent.parent.parent
NETWORK: Node = {"network": {"bandwidth": "1GB/s", "latency": "100us", "shared": True}}


def node(rate: float, duration_s: float = 2.0, **more: Any) -> Node:
    service = {
        "workload": poisson(rate),
        "slo": {"latency": "50ms", "attainment": "99%"},
        "deployment": {"portions": [portion("1", 2, batch=4, max_wait=0.002), portion("2", 2, batch=4)]},
    }
    layers = [layer((0.002, 0.0005)), layer((0.004, 0.001))]
    return scenario(service, layers, duration_s=duration_s, seed=3, **more)


def case(rate: float = 200.0, duration_s: float = 2.0, **more: Any) -> Scenario:
    return loads(json.dumps(node(rate, duration_s, **more)))


def too_large() -> Scenario:
    """Has weights that no device can hold."""
    text = node(200.0)
    text["models"]["m"]["layers"][1]["weights"] = "100GiB"
    return loads(json.dumps(text))


class Deadly(Scenario):
    """Ends the process that it is sent to."""

    def __reduce__(self) -> Any:
        return os._exit, (1,)


class Unsendable(Scenario):
    """Cannot be sent to another process."""

    def __reduce__(self) -> Any:
        raise TypeError("it stays here")


def turned_into(kind: type[Scenario], given: Scenario) -> Scenario:
    found = kind(**{name: getattr(given, name) for name in Scenario.model_fields})
    found._source = given.source
    return found


@pytest.fixture(scope="module")
def candidates() -> list[Scenario | Candidate]:
    """Both engines, a warm-up to be found, one lowered by the caller, one that cannot be."""
    base = case(300.0)
    changed = replace(lower(base), seed=11)
    shared = loads(json.dumps({**node(150.0), "cluster": {**node(1.0)["cluster"], **NETWORK}}))
    return [
        *(case(rate) for rate in (100.0, 400.0, 200.0, 1600.0)),
        shared,
        case(run={"warmup": "auto"}),
        too_large(),
        Candidate(base, changed),
        case(run={"engine": "simpy"}),
    ]


@pytest.fixture(scope="module")
def rows(candidates: list[Scenario | Candidate]) -> list[Evaluation]:
    return evaluate(candidates, replications=2, workers=1)


# -- what a row says ---------------------------------------------------------------------------------------------------


def test_figures_are_those_of_simulate(candidates: list[Scenario | Candidate], rows: list[Evaluation]) -> None:
    for candidate, row in zip(candidates, rows):
        if isinstance(candidate, Candidate) or row.error is not None:
            continue
        result = simulate(candidate, replications=2, tables=False)
        told = result.to_dict()
        assert row.metrics == {"services": told["services"], "pools": told["pools"]}
        assert [item["services"] for item in row.replications] == [item["services"] for item in result.metrics]
        assert (row.engine, row.engine_reason) == (told["engine"], told["engine_reason"])
        assert list(row.misses) == result.misses()


def test_the_engine_is_chosen_for_each(rows: list[Evaluation]) -> None:
    assert [row.engine for row in rows] == [*["compiled"] * 4, "simpy", "compiled", None, "compiled", "simpy"]


def test_a_lowered_cluster_is_taken_as_it_is(rows: list[Evaluation]) -> None:
    assert rows[7].metrics == evaluate([case(300.0).model_copy(update={"seed": 11})], replications=2)[0].metrics


def test_what_a_planner_asks(rows: list[Evaluation]) -> None:
    light, heavy = rows[0], rows[3]
    assert light.holds
    assert light.attainment["s"] == light.metrics["services"]["s"]["attainment"]
    assert light.p99_s["s"] == light.metrics["services"]["s"]["latency"]["p99"]
    assert light.cost_per_hour == {"s": 4.0}
    assert not heavy.holds
    assert [miss.service for miss in heavy.misses] == ["s"]
    assert any("can carry" in text for text in heavy.warnings)


def test_equal_loads_meet_every_candidate() -> None:
    """Candidates that differ in their deployment alone see the same arrivals."""
    text = node(200.0)
    text["services"]["s"]["deployment"]["portions"][0]["replicas"] = 3
    one, other = evaluate([case(), loads(json.dumps(text))], replications=3)
    arrived = [[item["services"]["s"]["arrived"] for item in row.replications] for row in (one, other)]
    assert arrived[0] == arrived[1]
    assert len(set(arrived[0])) > 1


def test_it_is_part_of_the_package() -> None:
    assert simulator.evaluate is evaluate
    assert simulator.Evaluation is Evaluation


def test_a_row_can_be_sent_and_compared(rows: list[Evaluation]) -> None:
    assert pickle.loads(pickle.dumps(rows)) == rows


# -- who does it -------------------------------------------------------------------------------------------------------


def test_one_process_of_ours_is_enough_by_default(candidates: list[Scenario | Candidate], rows: list[Any]) -> None:
    assert evaluate(candidates, replications=2) == rows


def test_processes(candidates: list[Scenario | Candidate], rows: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spread, "start_method", lambda: "spawn")
    before = set(active_children())
    assert evaluate(candidates, replications=2, workers=2) == rows
    assert set(active_children()) == before


def test_threads(candidates: list[Scenario | Candidate], rows: list[Any]) -> None:
    with ThreadPoolExecutor(2) as executor:
        assert evaluate(candidates, replications=2, executor=executor) == rows
        assert executor.submit(int, "7").result() == 7  # it goes on living


def test_processes_of_the_caller(candidates: list[Scenario | Candidate], rows: list[Any]) -> None:
    with ProcessPoolExecutor(2, get_context("spawn")) as executor:
        assert evaluate(candidates, replications=2, executor=executor, workers=2) == rows


@pytest.fixture
def dask() -> Iterator[Executor]:
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0", host="127.0.0.1"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client.get_executor()


def test_dask(dask: Executor, candidates: list[Scenario | Candidate], rows: list[Any]) -> None:
    assert evaluate(candidates, replications=2, executor=dask, workers=2) == rows


class Kept(Executor):
    """Does the first chunk and leaves the others lying."""

    def __init__(self) -> None:
        self.futures: list[Future[Any]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        if not self.futures:
            future.set_result(fn(*args, **kwargs))
        self.futures.append(future)
        return future


class Reversed(Kept):
    """Does everything when the last chunk has come, the last one first."""

    def __init__(self, chunks: int) -> None:
        super().__init__()
        self.chunks = chunks
        self.calls: list[tuple[Future[Any], Callable[[], Any]]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.calls.append((future, lambda: fn(*args, **kwargs)))
        if len(self.calls) == self.chunks:
            for waiting, call in reversed(self.calls):
                waiting.set_result(call())
        return future


def test_rows_are_in_the_order_of_the_candidates() -> None:
    rates = [100.0 + 50.0 * number for number in range(7)]
    found = evaluate([case(rate) for rate in rates], executor=Reversed(7))
    arrived = [row.metrics["services"]["s"]["arrived"] for row in found]
    assert arrived == sorted(arrived)


def test_many_candidates_travel_together() -> None:
    chunks = spread.CHUNKS_PER_WORKER
    executor = Reversed(chunks)
    base = case(20.0, 0.5)
    found = evaluate([base] * (4 * chunks), executor=executor, workers=1)
    assert len(executor.calls) == chunks
    assert found == [found[0]] * (4 * chunks)


# -- what goes wrong ---------------------------------------------------------------------------------------------------


def test_a_candidate_that_cannot_be_is_a_row(rows: list[Evaluation]) -> None:
    failed = rows[6]
    assert failed.error is not None
    assert "pool" in failed.error
    assert (failed.engine, failed.internal, failed.holds) == (None, False, False)
    assert (failed.attainment, failed.p99_s, failed.cost_per_hour) == ({}, {}, {})


def test_a_fault_of_ours_is_told_from_one_of_the_candidate() -> None:
    base = case()
    senseless = Candidate(base, replace(lower(base), services=()))
    broken, whole = evaluate([senseless, base], workers=1)
    assert broken.internal
    assert broken.error is not None
    assert "Error: " in broken.error
    assert whole.error is None


def test_what_cannot_be_sent_is_a_row() -> None:
    base = case()
    unsendable = turned_into(Unsendable, base)
    with ThreadPoolExecutor(1) as executor:
        found = evaluate([base, unsendable, base] * 16, executor=executor, workers=1)
    assert [row.error for row in found] == [None, "TypeError: it stays here", None] * 16


def test_an_executor_that_breaks_gives_rows() -> None:
    base = case()
    with ProcessPoolExecutor(1, get_context("spawn")) as executor:
        (row,) = evaluate([turned_into(Deadly, base)], executor=executor)
    assert row.error is not None
    assert "ended abruptly" in row.error
    assert row.internal


def test_nothing_to_do() -> None:
    told: list[float] = []
    assert evaluate([], progress=told.append) == []
    assert evaluate([], workers=4) == []
    with ThreadPoolExecutor(1) as executor:
        assert evaluate(iter([]), executor=executor) == []
    assert told == []


@pytest.mark.parametrize("threads", [None, 2])
def test_progress(threads: int | None) -> None:
    told: list[float] = []
    base = case(50.0)
    executor = ThreadPoolExecutor(threads) if threads else None
    evaluate([base] * 6, executor=executor, workers=1, progress=told.append)
    if executor is not None:
        executor.shutdown()
    assert told == [pytest.approx(number / 6) for number in range(1, 7)]


@pytest.mark.parametrize("executor", [4, "processes", ThreadPoolExecutor])
def test_not_an_executor(executor: Any) -> None:
    with pytest.raises(TypeError, match=r"concurrent\.futures\.Executor.*get_executor"):
        evaluate([case()], executor=executor)


def test_not_candidates() -> None:
    wrong: Any = [case(), "quickstart.yaml"]
    with pytest.raises(TypeError, match="not str"):
        evaluate(wrong)
    wrong = case()
    with pytest.raises(TypeError, match="a list"):
        evaluate(wrong)


@pytest.mark.parametrize("key", ["replications", "workers"])
@pytest.mark.parametrize("value", [0, -1, 1.5, True, "2"])
def test_numbers_are_checked(key: str, value: Any) -> None:
    with pytest.raises(ScenarioError, match=f"{key}: must be a whole number"):
        evaluate([case()], **{key: value})


# -- what is interrupted -----------------------------------------------------------------------------------------------


def stop(share: float) -> None:
    raise KeyboardInterrupt


def test_an_interruption_cancels_what_has_not_begun() -> None:
    executor = Kept()
    with pytest.raises(KeyboardInterrupt):
        evaluate([case(50.0)] * 5, executor=executor, workers=1, progress=stop)
    assert [future.cancelled() for future in executor.futures] == [False, True, True, True, True]


def test_an_interruption_ends_our_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spread, "start_method", lambda: "spawn")
    before, threads = set(active_children()), threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        evaluate([case(50.0), *[case(200.0, 1e6)] * 5], workers=2, progress=stop)
    assert set(active_children()) == before
    assert threading.active_count() == threads


SCRIPT = """
import json
from simulator.cluster import evaluate, spread
from tests.cluster.test_evaluate import Deadly, case, turned_into
"""
LONG = """
print(spread.start_method(), flush=True)
evaluate([case(50.0)] * 2 + [case(200.0, 1e6)] * 6, workers=2, progress=lambda share: print(share, flush=True))
"""


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}


def start(source: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT + source],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def is_gone(group: int, within_s: float) -> bool:
    """Whether no process of a group is left, at the latest after ``within_s``."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        with suppress(ProcessLookupError):
            os.killpg(group, 0)
            time.sleep(0.02)
            continue
        return True
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="sends signals to a process group")
@pytest.mark.parametrize("everyone", [True, False], ids=["Ctrl-C", "killed"])
def test_no_process_stays_behind(everyone: bool) -> None:
    """Ctrl-C reaches the whole group, and is quiet in the workers; a kill reaches the caller alone."""
    with start(LONG) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            assert process.stdout.readline() == "fork\n"
            assert 0 < float(process.stdout.readline()) < float(process.stdout.readline())
            if everyone:
                os.killpg(process.pid, signal.SIGINT)
            else:
                process.kill()
            process.wait(timeout=20)
            assert is_gone(process.pid, within_s=10)
            assert process.stderr.read().count("Traceback") == everyone
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.skipif(sys.platform != "linux", reason="forks")
def test_a_process_that_ends_takes_one_candidate_with_it() -> None:
    """In a program with one thread, where processes are forked."""
    source = """
base = case(50.0)
alone = evaluate([base, case(60.0)], workers=1)
found = evaluate([base, turned_into(Deadly, base), case(60.0)], workers=2)
print(json.dumps([spread.start_method(), [found[0], found[2]] == alone, found[1].error]))
"""
    with start(source) as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    method, same, error = json.loads(out)
    assert (method, same) == ("fork", True)
    assert "ended abruptly" in error


def test_a_script_without_guard_is_told(tmp_path: Path) -> None:
    """Where processes are spawned they import the script again."""
    path = tmp_path / "sweep.py"
    base = str(ROOT / "scenarios" / "mmc.yaml")
    source = f"""
from simulator.cluster import evaluate, load, spread
spread.start_method = lambda: "spawn"
evaluate([load({base!r}, sets=["run.duration=20s"])] * 2, workers=2)
"""
    path.write_text(source, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, path], env=environment(), capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 1
    assert done.stderr.rstrip().endswith(f"RuntimeError: {spread.UNGUARDED}")
