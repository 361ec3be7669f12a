"""Finished points are kept, whatever happens, and used again only where they are still right."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator.cluster import load, simulate
from simulator.errors import ScenarioError
from simulator.planner.sweep import ledger_of, points, sweep
from simulator.planner.sweep.ledger import Ledger, opened
from simulator.scenario import Scenario
from tests.planner.sweep.case import AXES, BATCH, RATE, REPLICAS, base, node

ROOT = Path(__file__).resolve().parents[3]
Done = list[dict[str, Any]]


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> Done:
    """What is really simulated: rate and batch of every point."""
    found: Done = []
    real = points.outcome

    def counted(given: Scenario, replications: int | None = None) -> Any:
        found.append(dict(text.split("=", 1) for text in given.source.sets))
        return real(given, replications)

    monkeypatch.setattr(points, "outcome", counted)
    return found


def swept(ledger: Path | None, axes: Any = AXES, given: Scenario | None = None, **more: Any) -> Any:
    return sweep(base() if given is None else given, axes, workers=1, ledger=ledger, **more)


def test_a_second_run_does_nothing(tmp_path: Path, done: Done) -> None:
    book = tmp_path / "a.csv.ledger"
    first = swept(book)
    assert len(done) == 6
    again = swept(book)
    assert len(done) == 6
    assert (first.reused, again.reused) == (0, 6)
    assert again.to_json() == first.to_json() == swept(None).to_json()


def test_an_interruption_loses_the_point_that_was_under_way(tmp_path: Path, done: Done) -> None:
    book = tmp_path / "ledger"

    def stop(share: float) -> None:
        if share > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        swept(book, progress=stop)
    assert len(done) == 4
    found = swept(book)
    assert (len(done), found.reused) == (6, 4)
    assert found.to_json() == swept(None).to_json()


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_ledger_may_end_anywhere(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Whatever is left of it: exactly the points without a whole line are done again."""
    book = tmp_path_factory.mktemp("cut") / "ledger"
    axes = {BATCH: [1, 2, 3, 4]}
    short = base(0.05)
    whole = swept(book, axes, short)
    text = book.read_bytes()
    cut = data.draw(st.integers(0, len(text)))
    book.write_bytes(text[:cut])
    found = swept(book, axes, short)
    assert found.reused == max(text[:cut].count(b"\n") - 1, 0)
    assert found.to_json() == whole.to_json()
    assert swept(book, axes, short).reused == 4


def test_new_values_leave_finished_points_as_they_are(tmp_path: Path, done: Done) -> None:
    swept(tmp_path / "ledger", {RATE: ["50/s", "100/s"]})
    done.clear()
    found = swept(tmp_path / "ledger", {RATE: ["50/s", "70/s", "100/s"]})
    assert (found.reused, [one[RATE] for one in done]) == (2, ["70/s"])
    assert found.to_json() == swept(None, {RATE: ["50/s", "70/s", "100/s"]}).to_json()
    assert swept(tmp_path / "ledger", {BATCH: [4], RATE: ["50/s"]}).reused == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda: {"given": base(2.0)}, "another scenario"),
        (lambda: {"replications": 4}, "another number of replications"),
    ],
    ids=["scenario", "replications"],
)
def test_what_has_changed_is_done_anew(tmp_path: Path, done: Done, change: Callable[[], Any], said: str) -> None:
    book = tmp_path / "ledger"
    swept(book)
    old = book.read_bytes()
    done.clear()
    found = swept(book, **change())
    assert (found.reused, len(done)) == (0, 6)
    assert said in found.notes[0]
    assert (tmp_path / "ledger.old").read_bytes() == old
    assert swept(book, **change()).reused == 6


def test_another_version_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = tmp_path / "ledger"
    swept(book, {BATCH: [1]})
    monkeypatch.setattr("simulator.planner.sweep.identity.__version__", "9.9.9")
    found = swept(book, {BATCH: [1]})
    assert found.reused == 0
    assert "1 points of another version of the program" in found.notes[0]


def test_a_file_that_has_changed_is_told(tmp_path: Path, done: Done) -> None:
    """Of the scenario: everything is done anew; named by a value: the points with this value."""
    for name, instants in (("a", "0.1\n0.2\n"), ("b", "0.3\n")):
        (tmp_path / f"{name}.csv").write_text(f"arrival_s\n{instants}")
    text = node()
    text["services"]["s"]["workload"] = {"trace": "a.csv"}
    (tmp_path / "s.json").write_text(json.dumps(text))
    scenario, book = load(tmp_path / "s.json"), tmp_path / "ledger"
    axes = {"services.s.workload": ["{trace: a.csv}", "{trace: 'b.csv'}"]}
    swept(book, axes, scenario)
    done.clear()
    (tmp_path / "b.csv").write_text("arrival_s\n0.3\n0.4\n0.5\n")
    found = swept(book, axes, scenario)
    assert (found.reused, len(done)) == (1, 1)
    (tmp_path / "a.csv").write_text("arrival_s\n0.3\n0.4\n0.5\n")
    found = swept(book, axes, scenario)
    assert "files that have changed" in found.notes[0]
    assert [row["arrived"] for row in found.rows] == [6, 6]


def test_failed_points_are_finished_and_faults_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = tmp_path / "ledger"
    real = points.outcome
    monkeypatch.setattr(points, "outcome", lambda given, count=None: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        swept(book, {BATCH: [1]})
    monkeypatch.setattr(points, "outcome", lambda given, count=None: points.fault(MemoryError("full")))
    found = swept(book, {BATCH: [0, 1]})
    assert (found.faults, len(found.failed)) == (1, 2)
    monkeypatch.setattr(points, "outcome", real)
    found = swept(book, {BATCH: [0, 1]})
    assert (found.reused, found.faults, list(found.failed)) == (1, 0, [0])


def test_a_file_of_the_reader_is_left_alone(tmp_path: Path) -> None:
    for text in ("dear diary\n", '{"a": 1}\n', "no line end"):
        (tmp_path / "ledger").write_text(text)
        with pytest.raises(ScenarioError, match="is no ledger of a sweep"):
            swept(tmp_path / "ledger")
        assert (tmp_path / "ledger").read_text() == text


@pytest.mark.skipif(sys.platform == "win32", reason="files are locked otherwise there")
def test_two_sweeps_do_not_write_one_ledger(tmp_path: Path) -> None:
    book = tmp_path / "ledger"
    swept(book, {BATCH: [1]})
    program = (
        "import fcntl, sys; file = open(sys.argv[1], 'r+b'); fcntl.lockf(file, fcntl.LOCK_EX); "
        "print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(book)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(ScenarioError, match="another sweep is writing it"):
            swept(book, {BATCH: [1]})
        other.communicate("")
    assert swept(book, {BATCH: [1]}).reused == 1


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    class Full:
        def write(self, data: bytes) -> None:
            raise OSError(28, "No space left on device")

    book = Ledger(tmp_path / "ledger", Full(), {})  # type: ignore[arg-type]
    with pytest.raises(ScenarioError, match="ledger: no space left on device"):
        book.add({"a": {}})
    with pytest.raises(ScenarioError, match="is a folder"), opened(tmp_path, {}):
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_killed_half_way_it_goes_on_with_what_is_left(tmp_path: Path, done: Done) -> None:
    """The command line with two workers, killed without a chance to say anything."""
    simulate(base())  # the engine is compiled
    (tmp_path / "s.json").write_text(json.dumps(node(40.0)))
    words = ["sweep", "s.json", "--set", f"{REPLICAS}=1,2,3,4", "--set", f"{BATCH}=1,2,3,4,5,6,7,8,9,10", "-q"]
    process = subprocess.Popen(
        [sys.executable, "-m", "simulator", *words, "-o", "t.json", "--workers", "2"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    book = ledger_of(tmp_path / "t.json")
    end = time.monotonic() + 120
    while not (book.exists() and book.read_bytes().count(b"\n") > 15) and time.monotonic() < end:
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    kept = book.read_bytes().count(b"\n") - 1
    assert 15 <= kept < 40
    assert not (tmp_path / "t.json").exists()
    axes = {REPLICAS: range(1, 5), BATCH: range(1, 11)}
    found = swept(book, axes, load(tmp_path / "s.json"))
    assert (found.reused, len(done), found.notes) == (kept, 40 - kept, ())
    assert found.to_json() == sweep(load(tmp_path / "s.json"), axes, workers=2).to_json()
