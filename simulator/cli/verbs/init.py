"""``plan init``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from simulator.cli import options, output
from simulator.errors import Problem, ScenarioError


def command(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", parser=options.named, help="Where to write the scenario.")
    ] = Path("scenario.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Write a small scenario to start from."""
    from simulator.files import write_text
    from simulator.scenario.starter import template

    output.refuse_output(file)
    if file.exists() and not force:
        raise ScenarioError(Problem("exists already; --force overwrites it", file=str(file)))
    write_text(file, template())
    output.note(f"wrote {file}; next:", quiet)
    for line in _next(file):
        output.note(f"  {line}", quiet)


def _next(file: Path) -> list[str]:
    """Commands that lead from a scenario to a report."""
    plan = file.with_name("plan.yaml")
    steps = {
        f"plan simulate {file}": "what happens with what is deployed",
        f"plan optimize {file} -o {plan}": "what should be deployed",
        f"plan report {file} --plan {plan} -o report.html": "for the person who pays",
        f"plan export {plan} --to kubernetes -o deploy": "files to deploy",
        "plan schema -o scenario.schema.json": "lets editors complete and check the scenario",
    }
    longest = max(map(len, steps))
    return [f"{step.ljust(longest)}  {why}" for step, why in steps.items()]
