"""Every verb's help ends in an example, and the examples that need nothing but what is shipped run."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main

from simulator.cli.examples import EXAMPLES
from simulator.cli.main import app, run
from tests.docs.blocks import ROOT, workplace

LONG = ("optimize", "backtest", "report")
"""Their own tests run them."""


def verbs(group: Any, path: tuple[str, ...] = ()) -> dict[str, Any]:
    found = {}
    for name, command in group.commands.items():
        inner = verbs(command, (*path, name)) if hasattr(command, "commands") else {" ".join((*path, name)): command}
        found |= inner
    return found


VERBS = verbs(typer.main.get_command(app))


@pytest.mark.parametrize("verb", VERBS)
def test_help_ends_in_the_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*verb.split(), "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert shown.endswith(f"Example: {EXAMPLES[verb]}")


@pytest.mark.parametrize("verb", VERBS)
def test_the_example_is_of_its_verb(verb: str) -> None:
    words = shlex.split(EXAMPLES[verb])
    assert words[: 1 + len(verb.split())] == ["plan", *verb.split()]
    known = {name for parameter in VERBS[verb].params for name in (*parameter.opts, *parameter.secondary_opts)}
    assert {word for word in words if word.startswith("-")} <= known
    for word in words:
        assert not word.startswith("scenarios/") or (ROOT / word.partition("@")[0]).is_file(), word


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in LONG and "scenarios/" in EXAMPLES[verb]])
def test_the_example_runs(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(workplace(tmp_path))
    assert run(shlex.split(EXAMPLES[verb])[1:]) == 0
    assert capsys.readouterr().out or verb in ("pipeline",)


def test_no_example_is_left_over() -> None:
    assert set(VERBS) <= set(EXAMPLES)
