"""``plan validate``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from simulator.cli import options, output
from simulator.errors import ScenarioError

BAD_SCENARIO = 2


def command(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="SCENARIO", parser=options.named, help="Scenario files (YAML).", show_default=False),
    ],
    plan: options.PlanFile = None,
    sets: options.Sets = None,
    variants: options.Variants = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the problems as JSON.")] = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Check scenario files, and the files and catalogue entries they name, and report all problems at once."""
    from simulator import load
    from simulator.cluster import check
    from simulator.results.strictjson import to_json

    found = []
    for file in files:
        try:
            loaded = load(file, sets=sets or (), variants=variants or (), plan=plan)
            check(loaded)
        except ScenarioError as error:
            found.append({"file": str(file), "ok": False, "problems": [asdict(item) for item in error.problems]})
            if not as_json:
                typer.echo(str(error), err=True)
        else:
            found.append({"file": str(file), "ok": True, "problems": []})
            if not (as_json or quiet):
                names = ", ".join(loaded.undeployed)
                output.emit(f"{file}: ok" + (f", ready to be planned: {names}" if names else ""))
    if as_json:
        output.emit(to_json({"files": found}))
    if not all(item["ok"] for item in found):
        raise typer.Exit(BAD_SCENARIO)
