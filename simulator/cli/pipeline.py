"""What ``plan pipeline`` reads from its options and writes to its files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import typer

from simulator.cli import output
from simulator.cli.options import Format
from simulator.errors import Problem, ScenarioError

if TYPE_CHECKING:
    from simulator.costs.pipeline import Timeline
    from simulator.planner.pipeline import Built, Comparison, Found, PipelineCase

    Answer: TypeAlias = Comparison | Found

LARGEST = 1_000_000
"""Most chunks or microbatches that an option may ask for."""
STDOUT = Path("-")


class Files(NamedTuple):
    """Files to write; None: not wanted."""

    gantt: Path | None
    memory: Path | None
    trace: Path | None
    order: Path | None

    def written(self) -> Iterator[Path]:
        """Those that are files."""
        yield from (path for path in self if path is not None and path != STDOUT)


class Numbers(NamedTuple):
    """Numbers asked for; None: as written, or all."""

    chunks: list[int] | None
    microbatches: list[int] | None

    def single(self) -> dict[str, int | None]:
        """The first of each."""
        return {name: None if values is None else values[0] for name, values in self._asdict().items()}


_ENDINGS = {"gantt": (".svg", ".png", ".txt"), "memory": (".svg", ".png"), "trace": (".json",), "order": (".csv",)}
_OPTIONS = {"gantt": "--gantt", "memory": "--memory-plot", "trace": "--trace", "order": "--csv"}


def check_files(files: Files, scenario: Path, shape: Format, case: PipelineCase | None = None) -> None:
    """Refuse, before any work, endings that no picture has, and files that would overwrite one another or an input."""
    for key, endings in _ENDINGS.items():
        path: Path | None = getattr(files, key)
        if path == STDOUT and key == "gantt":
            if shape is not Format.TABLE:
                raise typer.BadParameter("- is only for tables", param_hint="'--gantt'")
        elif path is not None and path.suffix.lower() not in endings:
            raise typer.BadParameter(f"{path}: must end in {' or '.join(endings)}", param_hint=f"'{_OPTIONS[key]}'")
    inputs = [scenario]
    if case is not None and case.training.pipeline.order is not None:
        inputs.append(case.scenario.source.file(case.training.pipeline.order))
    seen: set[Path] = set()
    for path in files.written():
        output.refuse_output(path, *inputs)
        if path.resolve() in seen:
            raise ScenarioError(Problem("two options want to write this file", file=str(path)))
        seen.add(path.resolve())


def counts(option: str, text: str | None) -> list[int] | None:
    """Whole numbers from 1 on, between commas."""
    if text is None:
        return None
    found = []
    for part in text.split(","):
        word = part.strip()
        if not (word.isascii() and word.isdigit() and len(word) <= 7 and 1 <= int(word) <= LARGEST):
            raise typer.BadParameter(f"{part!r} is no whole number from 1 to {LARGEST:,}", param_hint=f"'{option}'")
        found.append(int(word))
    return found


def limit_of(case: PipelineCase, text: str | None) -> float | None:
    """A limit of activations, as a size or as a number of microbatches of the largest stage; None: as written."""
    from simulator.scenario import units

    if text is None:
        return None
    hint = "'--memory-limit'"
    try:
        count = float(text)
    except ValueError:
        count = None
    if count is not None:
        if not 0.0 < count < float("inf"):
            raise typer.BadParameter(f"{text}: must be more than 0 microbatches", param_hint=hint)
        return count * case.largest_stage
    try:
        size = units.parse(text, units.SIZE)
    except units.UnitError as error:
        raise typer.BadParameter(f"{error}, or a number of microbatches", param_hint=hint) from None
    if size <= 0.0:
        raise typer.BadParameter("must be greater than 0", param_hint=hint)
    if not case.sized:
        message = (
            "the training says nothing of `memory.activation`; give the limit as a number of microbatches, as in 8"
        )
        raise typer.BadParameter(message, param_hint=hint)
    return size


def seconds(option: str, text: str) -> float:
    """A duration of more than 0 [s]."""
    from simulator.scenario import units

    try:
        found = units.parse(text, units.DURATION)
    except units.UnitError as error:
        raise typer.BadParameter(str(error), param_hint=f"'{option}'") from None
    if found <= 0.0:
        raise typer.BadParameter("must be greater than 0", param_hint=f"'{option}'")
    return found


def text_of(answer: Answer, shape: Format, width: int, *, chart: bool) -> str:
    """What goes to stdout."""
    from simulator.planner.pipeline import Comparison
    from simulator.reporting.pipeline import comparison_table, pipeline_csv, search_table
    from simulator.results.strictjson import to_json

    figures = answer.to_dict()
    if shape is Format.JSON:
        return to_json(figures)
    if shape is Format.CSV:
        return pipeline_csv(figures)
    table = (comparison_table if isinstance(answer, Comparison) else search_table)(figures, width)
    if not chart or answer.shown is None:
        return table
    from simulator.reporting.gantt import bars, gantt_text
    from simulator.reporting.grid import wrapped

    title = wrapped(_title(answer), width, "  ")
    return f"{table}\n\n{title}\n{gantt_text(bars(_line(_built(answer))), width)}"


def write_files(answer: Answer, files: Files, quiet: bool) -> None:
    """Draw and write the pipeline that the answer shows."""
    if not any(files.written()):
        return
    if answer.shown is None:
        output.note("no pipeline could be made: no files are written", quiet)
        return
    built, title = _built(answer), _title(answer)
    if files.gantt is not None and files.gantt != STDOUT:
        from simulator.reporting.gantt import bars, draw_gantt

        draw_gantt(bars(_line(built)), files.gantt, title)
    if files.memory is not None:
        _draw_memory(answer, built, files.memory, title)
    if files.trace is not None:
        from simulator.reporting.pipelinetrace import write_pipeline_trace

        write_pipeline_trace(answer.case.name, [_line(built)], files.trace)
    if files.order is not None:
        from simulator.costs.pipeline import to_csv
        from simulator.files import write_text

        write_text(files.order, to_csv(built.schedule))
    for path in files.written():
        output.note(f"wrote {path}", quiet)


def _draw_memory(answer: Answer, built: Built, path: Path, title: str) -> None:
    from simulator.reporting.memoryplot import draw_memory, memory_curves

    held = built.stages.held(built.schedule) if answer.case.sized else None
    most = built.limit if held is None else built.limit + held
    draw_memory(memory_curves(_line(built), built.stages.memory, held, most), path, title)


def _built(answer: Answer) -> Built:
    from simulator.planner.pipeline import build

    assert answer.shown is not None
    return build(answer.case, answer.shown.candidate)


def _line(built: Built) -> Timeline:
    from simulator.costs.pipeline import evaluate

    return evaluate(built.schedule, built.stages.times, ending=built.stages.ending)


def _title(answer: Answer) -> str:
    from simulator.reporting.pipeline import pipeline_title

    assert answer.shown is not None
    return pipeline_title(answer.to_dict(), answer.shown.to_dict())
