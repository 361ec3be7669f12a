"""``plan saturate``."""

from __future__ import annotations

from typing import Annotated

import typer

from simulator.cli import compiling, options, output
from simulator.cli.options import Engine, Format


def command(
    scenario: options.ScenarioFile,
    services: Annotated[
        list[str] | None,
        typer.Option("--service", "-s", metavar="NAME", help="Only this service (repeatable; default: all)."),
    ] = None,
    together: Annotated[
        bool, typer.Option("--together", help="Scale all services at once, not each one alone.")
    ] = False,
    seed: options.Seed = None,
    engine: options.EngineChoice = None,
    sets: options.Sets = None,
    variants: options.Variants = None,
    fmt: options.FormatChoice = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Find the highest load at which the SLO still holds, and what binds."""
    from simulator import load
    from simulator.planner.saturate import saturate
    from simulator.reporting import saturation_csv, saturation_table
    from simulator.results.strictjson import to_json

    shape = options.chosen_format(fmt, as_json)
    forced = [f"seed={seed}"] * (seed is not None) + ([f"run.engine={engine.value}"] if engine else [])
    loaded = load(scenario, sets=[*(sets or ()), *forced], variants=variants or ())
    for name in services or ():
        if name not in loaded.services:
            known = ", ".join(loaded.services)
            raise typer.BadParameter(f"no service {name!r} in {scenario}; there is {known}")
    with output.progress("searching", quiet) as tick, compiling.announced(not quiet and engine is not Engine.SIMPY):
        figures = saturate(loaded, services, together, tick).to_dict()
    if shape is Format.JSON:
        output.emit(to_json(figures))
    elif shape is Format.CSV:
        output.emit(saturation_csv(figures))
    else:
        output.emit(saturation_table(figures, output.width()))
