"""Nothing forgotten: every command has help, every option says what it does, and help is quick to import."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

import simulator
from simulator.cli.main import app, run

ROOT = Path(simulator.__file__).parent.parent
HEAVY = (
    "numpy",
    "pandas",
    "scipy",
    "simpy",
    "matplotlib",
    "pydantic",
    "ruamel.yaml",
    "rich",
    "numba",
    "pyarrow",
    "statsforecast",
)


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from commands(child, (*path, name))


ALL = list(commands(typer.main.get_command(app)))


@pytest.mark.parametrize(("path", "command"), ALL, ids=[" ".join(path) or "plan" for path, _ in ALL])
def test_every_command_and_option_is_documented(
    path: tuple[str, ...], command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.help
    for parameter in command.params:
        assert parameter.help, f"{' '.join(path)}: {parameter.name} has no help"
    assert run([*path, "--help"]) == 0
    text = capsys.readouterr().out
    assert "Usage: plan" in text
    for parameter in command.params:
        names = parameter.opts if parameter.param_type_name == "option" else [parameter.metavar]
        assert any(name in text for name in names)


def test_the_verbs() -> None:
    verbs = {path[0] for path, _ in ALL if path}
    assert verbs == {
        "simulate",
        "optimize",
        "backtest",
        "saturate",
        "sweep",
        "compare",
        "exits",
        "pipeline",
        "stream",
        "forecast",
        "export",
        "report",
        "validate",
        "schema",
        "init",
        "catalogue",
        "calibrate",
    }
    folder = ROOT / "simulator" / "cli" / "verbs"
    modules = {path.stem for path in folder.iterdir() if not path.name.startswith("__")}
    assert modules == verbs
    assert {path[1] for path, _ in ALL if len(path) == 2} == {
        path.stem for path in (folder / "calibrate").glob("*.py") if path.stem != "__init__"
    }


def test_shared_options_mean_the_same_everywhere() -> None:
    said: dict[str, set[str]] = {}
    for _, command in ALL:
        for parameter in command.params:
            if parameter.name in ("seed", "engine", "sets", "variants", "fmt", "quiet", "debug"):
                said.setdefault(parameter.name, set()).add(parameter.help)
    assert all(len(texts) == 1 for texts in said.values())


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys; from simulator.cli.main import run; code = run(['--help']);"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stderr == "[]\n"


def test_public_names() -> None:
    assert set(simulator.__all__) <= set(dir(simulator))
    assert simulator.ScenarioError.__module__ == "simulator.errors"
    assert simulator.Result.__module__ == "simulator.results.result"
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        _ = simulator.nope  # type: ignore[attr-defined]


def test_version_is_that_of_the_distribution() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == simulator.__version__
    assert project["scripts"] == {"plan": "simulator.cli.main:main"}
