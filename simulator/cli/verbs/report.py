"""``plan report``."""

from __future__ import annotations

import shlex
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from simulator.cli import compiling, options, output

FOLDER = Path("reports")
ENDINGS = {".html": "html", ".htm": "html", ".md": "md"}


class ReportFormat(StrEnum):
    """How a report is written."""

    HTML = "html"
    MD = "md"


def command(
    scenario: options.ScenarioFile,
    plan: options.PlanFile = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            parser=options.named,
            help="Where to write it: .html or .md (default: reports/NAME.html).",
        ),
    ] = None,
    shape: Annotated[
        ReportFormat | None, typer.Option("--format", help="HTML or Markdown (default: as the file is called).")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the numbers of the report; a file is written only with -o.")
    ] = False,
    draws: Annotated[
        int, typer.Option("--draws", min=10, max=1000, metavar="N", help="Draws of the costs' calibration error.")
    ] = 12,
    replications: Annotated[
        int | None,
        typer.Option("--replications", "-n", min=1, metavar="N", help="Replications, instead of the scenario's."),
    ] = None,
    seed: options.Seed = None,
    sets: options.Sets = None,
    variants: options.Variants = None,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Write a capacity report for an engineer and for the person who pays."""
    chosen = _format(out, shape)
    file = out or (None if as_json else FOLDER / f"{scenario.stem}.{chosen.value}")
    if file is not None:
        output.refuse_output(file, scenario, *([plan] if plan is not None else []))
    from simulator import load
    from simulator.reporting.report import html_page, make_report, markdown
    from simulator.results.strictjson import to_json
    from simulator.scenario.planfile import read_plan

    told = None if plan is None else read_plan(plan).plan
    loaded = load(scenario, sets=sets or (), variants=variants or (), plan=plan)
    with output.progress("reporting", quiet) as tick, compiling.announced(not quiet):
        report = make_report(
            loaded,
            told,
            plan_name=None if plan is None else plan.name,
            command=_command(scenario, plan, sets, variants, seed, replications, draws),
            seed=seed,
            replications=replications,
            draws=draws,
            progress=tick,
        )
    if file is not None:
        from simulator.files import write_text

        write_text(file, html_page(report) if chosen is ReportFormat.HTML else markdown(report))
        output.note(f"wrote {file}", quiet)
    if as_json:
        output.emit(to_json(report.numbers))
    output.warn(report.numbers["result"]["warnings"], quiet)


def _format(out: Path | None, shape: ReportFormat | None) -> ReportFormat:
    """The format asked for, which is that of the file's name where both are given."""
    ending = None if out is None else out.suffix.lower()
    if ending is not None and ending not in ENDINGS:
        raise typer.BadParameter(f"{out}: must end in .html or .md", param_hint="'--output'")
    named = None if ending is None else ReportFormat(ENDINGS[ending])
    if named is not None and shape not in (None, named):
        raise typer.BadParameter(f"{out} is no name for the format {shape}", param_hint="'--format'")
    return named or shape or ReportFormat.HTML


def _command(
    scenario: Path,
    plan: Path | None,
    sets: list[str] | None,
    variants: list[str] | None,
    seed: int | None,
    replications: int | None,
    draws: int,
) -> str:
    """The command that makes the same report, wherever it is written to."""
    words = ["plan", "report", str(scenario)]
    words += ["--plan", str(plan)] if plan is not None else []
    for option, values in (("--set", sets), ("--variant", variants)):
        words += [word for value in values or () for word in (option, value)]
    words += ["--seed", str(seed)] if seed is not None else []
    words += ["--replications", str(replications)] if replications is not None else []
    words += ["--draws", str(draws)] if draws != 12 else []
    return shlex.join(words)
