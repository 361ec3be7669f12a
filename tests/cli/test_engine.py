"""The engine on the command line: what is not covered is refused in one line, what has to be compiled is announced."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from numba.core import event

from simulator.cli import compiling
from tests.cli.test_verbs import Plan, plan
from tests.support import Node, layer, poisson, portion, scenario

__all__ = ["plan"]  # a fixture


def written(folder: Path, shared: bool) -> Path:
    service: Node = {"workload": poisson(20.0), "deployment": {"portions": [portion("1"), portion("2")]}}
    network = {"bandwidth": "100MB/s", "shared": shared}
    layers = [layer(0.01, "one", output="1MB"), layer(0.01, "two")]
    node = scenario(service, layers, duration_s=5.0, cluster={"network": network}, run={"engine": "auto"})
    (folder / "a.json").write_text(json.dumps(node, indent=1), encoding="utf-8")
    return folder / "a.json"


@pytest.mark.parametrize("options", [["--engine", "compiled"], ["--set", "run.engine=compiled"]], ids=["option", "set"])
def test_what_is_not_covered_is_refused_in_one_message(plan: Plan, tmp_path: Path, options: list[str]) -> None:
    said = plan("simulate", written(tmp_path, shared=True), *options, "-o", tmp_path / "out")
    assert (said.code, said.out) == (2, "")
    message = r"run\.engine: the compiled engine does not cover shared links; take simpy or auto"
    assert len(re.findall(message, said.err)) == 1
    assert len(said.err.splitlines()) <= 3
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("engine", "shared", "ran", "reason"),
    [
        ("auto", True, "simpy", "the compiled engine does not cover shared links"),
        ("simpy", False, "simpy", "asked for"),
        ("compiled", False, "compiled", "asked for"),
        ("auto", False, "compiled", "covers everything in this scenario"),
    ],
)
def test_the_result_names_the_engine(
    plan: Plan, tmp_path: Path, engine: str, shared: bool, ran: str, reason: str
) -> None:
    path = written(tmp_path, shared)
    tree = json.loads(plan("simulate", path, "--engine", engine, "--json").out)
    assert (tree["engine"], tree["engine_reason"]) == (ran, reason)
    assert f"engine {ran}" in plan("simulate", path, "--engine", engine).out


@pytest.mark.parametrize(("wanted", "said"), [(True, compiling.MESSAGE + "\n"), (False, "")])
def test_a_compilation_is_announced_once(capsys: pytest.CaptureFixture[str], wanted: bool, said: str) -> None:
    with compiling.announced(wanted):
        for _ in range(2):  # the engine, and what it calls
            with event.trigger_event("numba:compile"):
                pass
    with event.trigger_event("numba:compile"):
        pass
    assert capsys.readouterr() == ("", said)
