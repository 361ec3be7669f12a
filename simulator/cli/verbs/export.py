"""``plan export``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from simulator.cli import compiling, options, output
from simulator.errors import Problem, ScenarioError

if TYPE_CHECKING:
    from simulator.export import Case, Exported


def command(
    plan: Annotated[
        Path,
        typer.Argument(
            metavar="PLAN",
            parser=options.named,
            help="Plan file, or a scenario with deployments (YAML).",
            show_default=False,
        ),
    ],
    to: Annotated[str, typer.Option("--to", metavar="TARGET", help="kubernetes, triton or ray-serve.")],
    folder: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", parser=options.named, help="Write the files here.")
    ],
    scenario: Annotated[
        Path | None,
        typer.Option(
            "--scenario", metavar="FILE", parser=options.named, help="The plan's scenario (default: what it names)."
        ),
    ] = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Check with the target's own parser; a folder that is there is checked, not written."
        ),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Write into a folder that is not empty; other files in it stay.")
    ] = False,
    window: Annotated[
        int | None, typer.Option("--window", min=0, metavar="N", help="Only this window, from 0 (default: all).")
    ] = None,
    image: Annotated[
        str | None, typer.Option("--image", metavar="NAME", help="Kubernetes: container image of the portions.")
    ] = None,
    namespace: Annotated[
        str | None, typer.Option("--namespace", metavar="NAME", help="Kubernetes: namespace of all objects.")
    ] = None,
    device_resource: Annotated[
        str | None,
        typer.Option("--device-resource", metavar="NAME", help="Kubernetes: resource of a device (nvidia.com/gpu)."),
    ] = None,
    clock: Annotated[
        str | None, typer.Option("--clock", metavar="HH:MM", help="Kubernetes: when the plan begins (00:00).")
    ] = None,
    timezone: Annotated[
        str | None, typer.Option("--timezone", metavar="ZONE", help="Kubernetes: time zone of the clock (Etc/UTC).")
    ] = None,
    seed: options.Seed = None,
    replications: Annotated[
        int | None,
        typer.Option("--replications", "-n", min=1, metavar="N", help="Replications, instead of the scenario's."),
    ] = None,
    sets: options.Sets = None,
    variants: options.Variants = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print figures, notes and files as JSON.")] = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Write a plan as files for Kubernetes, Triton or Ray Serve."""
    from simulator.export import Options, export, read_case
    from simulator.export.exporter import find_target
    from simulator.export.folder import is_filled

    find_target(to)  # before any file is read
    case = read_case(plan, scenario, tuple(sets or ()), tuple(variants or ()))
    if check and not force and is_filled(folder):
        _check(case, to, folder, window, as_json)
        return
    chosen = Options(image, namespace, device_resource, clock, timezone)
    with output.progress("simulating", quiet) as tick, compiling.announced(not quiet):
        done = export(
            case,
            to,
            folder,
            chosen,
            window=window,
            check=check,
            force=force,
            seed=seed,
            replications=replications,
            progress=tick,
        )
    _show(done, as_json, quiet)


def _check(case: Case, to: str, folder: Path, window: int | None, as_json: bool) -> None:
    """Check a folder that is there; what is wrong with it is the user's to mend."""
    from simulator.export.exporter import check_folder, check_parser, find_target, refuse
    from simulator.results.strictjson import to_json

    target, part = find_target(to), case.only(window)
    refuse(part, target)
    check_parser(target)
    problems = check_folder(part, target, folder)
    if problems:
        raise ScenarioError([Problem(text, file=str(folder)) for text in problems])
    answer = {"target": target.name, "folder": str(folder), "files": [], "checked": True}
    said = f"{folder}: {target.title} reads it, and it is what the plan says"
    output.emit(to_json(answer) if as_json else said)


def _show(done: Exported, as_json: bool, quiet: bool) -> None:
    from simulator.export.notes import figure_rows, summary
    from simulator.reporting.grid import grid, wrapped
    from simulator.results.strictjson import to_json

    checked = f", {done.target.title} reads them" if done.checked else ""
    output.note(f"wrote {done.folder} ({len(done.files)} files{checked})", quiet)
    if as_json:
        output.emit(to_json(done.to_dict()))
        return
    width = output.width()
    header, rows = figure_rows(done.comparison, done.target)
    texts = [*summary(done.comparison, done.target), *(f"note: {note}" for note in done.notes)]
    output.emit("\n\n".join([grid(header, rows, width, indent=0), *(wrapped(text, width, "  ") for text in texts)]))
