"""``plan init``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from simulator.cli import options, output
from simulator.errors import Problem, ScenarioError

STARTER = """\
# yaml-language-server: $schema=scenario.schema.json
# `plan schema -o scenario.schema.json` writes the schema that lets editors complete and check this file.
version: 1
name: my-service
seed: 1
run: {duration: 2min, warmup: 10s, replications: 3}

cluster:
  pools:
    gpu: {device: v100-16gb, count: 4, price_per_hour: 3.06}   # `plan catalogue devices` lists more

models:
  bert: {catalogue: bert-base}                                 # `plan catalogue models` lists more

services:
  chat:
    model: bert
    slo: {latency: 100ms, attainment: 99%}
    workload: {process: poisson, rate: 200/s}
    deployment:
      portions:
        - {layers: 1-12, pool: gpu, replicas: 2, batch: 8, max_wait: 5ms, precision: fp16}
"""


def command(
    file: Annotated[Path, typer.Argument(help="Where to write the scenario.")] = Path("scenario.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Write a small scenario to start from."""
    from simulator.files import write_text

    if file.exists() and not force:
        raise ScenarioError(Problem("exists already; --force overwrites it", file=str(file)))
    write_text(file, STARTER)
    output.note(f"wrote {file}; next: plan simulate {file}", quiet)
