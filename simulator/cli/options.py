"""Options that several verbs share, each described once."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

LARGEST_SEED = 2**63 - 1


class Format(StrEnum):
    """How a result is written to stdout."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


class Engine(StrEnum):
    """What runs the request path."""

    AUTO = "auto"
    SIMPY = "simpy"
    COMPILED = "compiled"


def named(text: str) -> Path:
    """A file or folder; an empty name is a mistake, and would mean the folder that one is in."""
    if not str(text):
        raise typer.BadParameter("the name is empty")
    return Path(text)


ScenarioFile = Annotated[
    Path, typer.Argument(metavar="SCENARIO", parser=named, help="Scenario file (YAML).", show_default=False)
]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Override one key, e.g. services.chat.workload.rate=200/s."),
]
Variants = Annotated[
    list[str] | None, typer.Option("--variant", metavar="NAME", help="Apply a named variant of the scenario.")
]
PlanFile = Annotated[
    Path | None,
    typer.Option("--plan", metavar="FILE", parser=named, help="Deploy what this plan says."),
]
Seed = Annotated[
    int | None, typer.Option("--seed", min=0, max=LARGEST_SEED, help="Random seed, instead of the scenario's.")
]
EngineChoice = Annotated[Engine | None, typer.Option("--engine", help="Engine, instead of the scenario's.")]
FormatChoice = Annotated[Format | None, typer.Option("--format", help="What to print on stdout (default: table).")]
AsJson = Annotated[bool, typer.Option("--json", help="Short for --format json.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, notes or warnings on stderr.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show a traceback with an error.")]


def chosen_format(fmt: Format | None, as_json: bool) -> Format:
    """The format that ``--format`` and ``--json`` ask for together."""
    if as_json and fmt not in (None, Format.JSON):
        raise typer.BadParameter(f"--json and --format {fmt.value} contradict each other")
    return Format.JSON if as_json else fmt or Format.TABLE
