"""``plan exits``."""

from __future__ import annotations

from typing import Annotated

import typer

from simulator.cli import options, output
from simulator.cli.options import Format


def command(
    scenario: options.ScenarioFile,
    service: Annotated[
        str | None,
        typer.Option("--service", "-s", metavar="NAME", help="The service (default: the only one with exits)."),
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option("--batch", min=1, metavar="N", help="Batch size of every mode (default: the service's largest)."),
    ] = None,
    devices: Annotated[
        list[str] | None,
        typer.Option(
            "--devices",
            metavar="[POOL=]N",
            help="How many devices to use, of each pool (repeatable; default: all that no other service holds).",
        ),
    ] = None,
    seed: options.Seed = None,
    engine: options.EngineChoice = None,
    sets: options.Sets = None,
    variants: options.Variants = None,
    fmt: options.FormatChoice = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Compare the exit modes of a service, each at its best cuts and replicas."""
    from simulator import load
    from simulator.planner.exits import compare_exits
    from simulator.reporting.exits import exits_csv, exits_table
    from simulator.results.strictjson import to_json

    shape = options.chosen_format(fmt, as_json)
    counts = _counts(devices or [])
    forced = [f"seed={seed}"] * (seed is not None) + ([f"run.engine={engine.value}"] if engine else [])
    loaded = load(scenario, sets=[*(sets or ()), *forced], variants=variants or ())
    with output.progress("comparing", quiet) as tick:
        figures = compare_exits(loaded, service, batch=batch, devices=counts, progress=tick).to_dict()
    if shape is Format.JSON:
        output.emit(to_json(figures))
    elif shape is Format.CSV:
        output.emit(exits_csv(figures))
    else:
        output.emit(exits_table(figures, output.width()))


def _counts(written: list[str]) -> int | dict[str, int] | None:
    """``16`` for the only pool, or ``v100=8`` for each."""
    found: dict[str, int] = {}
    for text in written:
        pool, _, count = text.rpartition("=")
        if not (count.isascii() and count.isdigit() and 0 < int(count[:10]) < 10**9) or pool in found:
            raise typer.BadParameter(f"--devices {text}: must be a whole number from 1 on, as in 16 or v100=16")
        found[pool] = int(count)
    if "" in found and len(found) > 1:
        raise typer.BadParameter("--devices: say the pool of every number, as in v100=16")
    return found.get("", found or None)
