"""Tables as data files."""

import builtins
import json
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from simulator.errors import ScenarioError
from simulator.reporting import write_frames
from simulator.results import Result
from tests.results.builders import tandem

RESULT = Result.build("demo", 7, "simpy", "", [tandem(1, 60)])


@pytest.mark.parametrize("table_format", ["csv", "parquet"])
def test_files_hold_the_frames(tmp_path: Path, table_format: Any) -> None:
    if table_format == "parquet":
        pytest.importorskip("pyarrow")
    folder = tmp_path / "a" / "b"
    written = write_frames(RESULT, folder, table_format)
    assert sorted(path.name for path in written) == sorted(path.name for path in folder.iterdir())
    exact = partial(pd.read_csv, float_precision="round_trip")
    read: Any = exact if table_format == "csv" else pd.read_parquet
    for name in ("requests", "batches", "portions"):
        frame, found = getattr(RESULT, name), read(folder / f"{name}.{table_format}")
        assert list(found.columns) == list(frame.columns)
        assert len(found) == len(frame)
    requests = read(folder / f"requests.{table_format}")
    assert requests["finish_s"].tolist() == pytest.approx(RESULT.requests["finish_s"].tolist(), rel=0, abs=0)
    assert json.loads((folder / "result.json").read_text()) == RESULT.to_dict()


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(ScenarioError, match="is a file"):
        write_frames(RESULT, tmp_path / "taken")


def test_parquet_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name == "pyarrow":
            raise ImportError(name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ScenarioError, match="pyarrow"):
        write_frames(RESULT, tmp_path, "parquet")
    assert list(tmp_path.iterdir()) == []
