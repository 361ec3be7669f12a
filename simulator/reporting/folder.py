"""The frames of a result as data files in a folder."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from simulator.errors import Problem, ScenarioError
from simulator.files import check_output, check_parents, write_text, write_whole

if TYPE_CHECKING:
    import pandas as pd

    from simulator.results import Result

TableFormat = Literal["csv", "parquet"]
FRAMES = ("requests", "batches", "portions", "trainings", "streams")


def targets(folder: Path, table_format: TableFormat) -> list[Path]:
    """The files that ``write_frames`` may write."""
    return [*(folder / f"{name}.{table_format}" for name in FRAMES), folder / "result.json"]


def check_target(folder: Path, table_format: TableFormat, inputs: Sequence[Path] = ()) -> None:
    """Refuse, before the run, what could not be written after it, or what would overwrite one of ``inputs``."""
    if folder.exists() and not folder.is_dir():
        raise ScenarioError(Problem("is a file; -o names a folder for the tables", file=str(folder)))
    if table_format == "parquet":
        try:
            import pyarrow  # noqa: F401 - only whether it is there
        except ImportError:
            remedy = "parquet tables need pyarrow: pip install 'exitplan[parquet]', or --table-format csv"
            raise ScenarioError(Problem(remedy)) from None
    if not folder.exists():
        check_parents(folder)
        return
    for path in targets(folder, table_format):
        check_output(path, inputs)


def write_frames(result: Result, folder: Path, table_format: TableFormat = "csv") -> list[Path]:
    """Write the tables of what the result has, and ``result.json``, into ``folder``, each whole or not at all.

    Requests, batches and portions of services; ops of trainings; loads and computations of streams.
    """
    check_target(folder, table_format)
    present = [*(FRAMES[:3] if result.runs else ()), *(name for name in FRAMES[3:] if result.jobs.get(name))]
    paths = []
    for name in present:
        paths.append(folder / f"{name}.{table_format}")
        write_whole(paths[-1], partial(_write, getattr(result, name)))
    paths.append(folder / "result.json")
    write_text(paths[-1], result.to_json() + "\n")
    return paths


def _write(frame: pd.DataFrame, path: Path) -> None:
    if path.suffix == ".parquet":
        frame.to_parquet(path, index=False)
    else:
        frame.to_csv(path, index=False, lineterminator="\n")
