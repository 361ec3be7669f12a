"""``plan schema``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from simulator.cli import options, output


def command(
    target: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", parser=options.named, help="Write to this file instead of stdout."
        ),
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="That of plan files, as `plan optimize` writes them.")] = False,
    debug: options.Debug = False,
) -> None:
    """Print the JSON Schema of scenario files (or plan files), for editors."""
    from simulator.files import write_text
    from simulator.results.strictjson import to_json
    from simulator.scenario.schema import json_schema, plan_schema

    output.refuse_output(target)
    text = to_json(plan_schema() if plan else json_schema())
    if target is None:
        output.emit(text)
    else:
        write_text(target, text + "\n")
