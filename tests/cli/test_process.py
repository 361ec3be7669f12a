"""``plan`` as a process: pipes, signals, colours, the same bytes."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import simulator

ROOT = Path(simulator.__file__).parent.parent

PROGRAM = """
import sys, time
from types import SimpleNamespace
import simulator
from simulator.cli.main import main
from simulator.results import Result
from tests.results.builders import tandem

def simulate(scenario, progress=None, **named):
    print("started", file=sys.stderr, flush=True)
    if {sleep}:
        time.sleep(60)
    return Result.build("demo", 7, "simpy", "", [tandem(seed, 300, classes=3) for seed in range(3)])

scenario = SimpleNamespace(services={{"chat": SimpleNamespace(slo="100ms")}}, model_dump=dict)
simulator.load = lambda path, **named: scenario
simulator.simulate = simulate
main()
"""


def start(*arguments: str, sleep: bool = False, **env: str) -> subprocess.Popen[str]:
    program = textwrap.dedent(PROGRAM).format(sleep=sleep)
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, **env},
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def test_a_reader_that_leaves_early_is_no_error() -> None:
    process = start("simulate", "a.yaml", "--json", "-q")
    assert process.stdout is not None
    process.stdout.close()  # before anything is written
    assert process.stderr is not None
    said = process.stderr.read()
    process.stderr.close()
    assert (process.wait(60), said) == (0, "started\n")


def test_a_reader_that_leaves_early_does_not_hide_a_missed_target() -> None:
    process = start("simulate", "a.yaml", "--check", "-q")
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    said = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == 3
    assert "Traceback" not in said
    assert "BrokenPipe" not in said


@pytest.mark.skipif(sys.platform == "win32", reason="signals differ there")
def test_an_interrupt_ends_with_130() -> None:
    process = start("simulate", "a.yaml", sleep=True)
    assert process.stderr is not None
    assert process.stderr.readline() == "started\n"
    process.send_signal(signal.SIGINT)
    code, out, err = finish(process)
    assert (code, out) == (130, "")
    assert err.strip() == "interrupted"


def test_no_colour_and_no_progress_in_pipes() -> None:
    for arguments in (["simulate", "a.yaml"], ["--help"], ["nope"]):
        _, out, err = finish(start(*arguments, TERM="xterm-256color"))
        assert "\x1b" not in out + err
        assert "\r" not in out + err


def test_equal_bytes_in_two_processes_with_different_hash_seeds() -> None:
    said = {finish(start("simulate", "a.yaml", "--json", PYTHONHASHSEED=seed))[1] for seed in ("1", "2")}
    assert len(said) == 1
    assert said.pop().startswith("{")


def test_a_terminal_without_our_characters() -> None:
    code, out, err = finish(start("simulate", "a.yaml", PYTHONIOENCODING="ascii"))
    assert code == 0, err
    assert out.isascii()
    assert "latency, p99" in out


def test_python_m_simulator() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "simulator", "--version"], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout == f"plan {simulator.__version__}\n"


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
@pytest.mark.parametrize("quiet", [False, True])
def test_progress_on_a_terminal_only(quiet: bool) -> None:
    import pty

    ours, theirs = pty.openpty()
    program = textwrap.dedent(PROGRAM).format(sleep=False).replace("print(", "progress and progress(0.5); print(")
    command = [sys.executable, "-c", program, "simulate", "a.yaml", "--json", *["--quiet"] * quiet]
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
        cwd=ROOT,
        check=True,
        env={**os.environ, "TERM": "xterm"},
    )
    os.close(theirs)
    said = os.read(ours, 100_000).decode()
    os.close(ours)
    assert ("simulating" in said) == (not quiet)
    assert done.stdout.startswith("{")
    assert "\x1b" not in done.stdout
