"""``plan calibrate ramps``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from simulator.cli import options, output


class Variant(StrEnum):
    """How off-ramps are trained."""

    INDEPENDENT = "independent"
    HARD = "adaptive-hard"
    SOFT = "adaptive-soft"
    CLASS = "adaptive-class"


def command(
    features: Annotated[
        Path,
        typer.Argument(
            metavar="FEATURES", parser=options.named, help="Layer states and labels (npz).", show_default=False
        ),
    ],
    folder: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            parser=options.named,
            help="Write exit tables, weights, comparison and report here.",
        ),
    ] = None,
    which: Annotated[
        list[Variant] | None,
        typer.Option("--variant", help="Train this one beside the independent ramps; may be repeated (default: all)."),
    ] = None,
    threshold: Annotated[
        float, typer.Option("--threshold", help="Confidence score at which correct rows are removed and requests exit.")
    ] = 0.9,
    gamma: Annotated[
        float, typer.Option("--gamma", help="How much more a row counts that the ramp before got wrong.")
    ] = 1.0,
    sharpen: Annotated[float, typer.Option("--sharpen", help="Weight of the entropy of a ramp's answers.")] = 0.1,
    mix: Annotated[
        float, typer.Option("--mix", help="Share of the entropy in the confidence score, 0 to 1; the rest is the top.")
    ] = 0.0,
    floor: Annotated[
        float, typer.Option("--floor", help="Share of the training rows that are never removed nor re-weighted.")
    ] = 0.15,
    removal: Annotated[
        bool, typer.Option("--removal/--no-removal", help="Remove rows that are answered surely and rightly.")
    ] = True,
    resample: Annotated[
        bool, typer.Option("--resample/--no-resample", help="Draw the rows that remain anew, by weight.")
    ] = True,
    l2: Annotated[
        float | None, typer.Option("--l2", help="Penalty of all ramps (default: chosen per exit on validation rows).")
    ] = None,
    twin: Annotated[bool, typer.Option("--twin/--no-twin", help="Train the distilled twin too.")] = True,
    split_seed: Annotated[
        int,
        typer.Option("--seed", min=0, max=options.LARGEST_SEED, help="Seed of the split and of everything drawn."),
    ] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Train early-exit ramps on stored layer states, and compare the ways to train them."""
    from simulator.cli.ramps import ramps_text, run_ramps

    settings = {
        "gamma": gamma,
        "sharpen": sharpen,
        "threshold": threshold,
        "mix": mix,
        "floor": floor,
        "removal": removal,
        "resample": resample,
    }
    names = [one.value for one in which or Variant]
    with output.progress("training", quiet) as tick:
        study, files = run_ramps(features, folder, settings, tick, variants=names, l2=l2, seed=split_seed, twin=twin)
    for path in files:
        output.note(f"wrote {path}", quiet)
    output.emit(study.to_json() if as_json else ramps_text(study.figures, output.width()))
