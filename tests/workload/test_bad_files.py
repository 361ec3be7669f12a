"""Every broken file is refused with a message that names place, value and remedy."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from simulator.errors import Problem, ScenarioError
from simulator.workload import arrival_times, guarded, mean_rate, tables

CORPUS = Path(__file__).parents[1] / "corpus" / "traces"
CASES = json.loads((CORPUS / "expected.json").read_text(encoding="utf-8"))
RUN: dict[str, Any] = {"seed": 0, "replication": 0, "service": "chat", "until_s": 60.0}


def name_of(case: dict[str, Any]) -> str:
    keys = [f"{key}={value}" for key, value in case["workload"].items() if key not in ("trace", "rates")]
    return " ".join([case["file"], *keys])


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_refused_with_a_message_that_points(case, make):
    with pytest.raises(ScenarioError) as caught:
        arrival_times(make(**case["workload"]), folder=CORPUS, **RUN)
    text = str(caught.value)
    for part in case["says"]:
        assert part in text
    assert case["file"] in text or case["file"] == "dense.csv"  # its load, not the file, is refused
    assert "services.chat.workload" in text  # the key of the scenario that brought us there
    assert 1 <= len(caught.value.problems) <= 5
    assert all(problem.render().count("\n") <= 2 for problem in caught.value.problems)


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_mean_rate_refuses_the_same(case, make):
    with pytest.raises(ScenarioError):
        mean_rate(make(**case["workload"]), 60.0, CORPUS)


def test_corpus_is_complete():
    listed = {case["file"] for case in CASES}
    present = {entry.name for entry in CORPUS.iterdir() if not entry.name.startswith("good")}
    assert present - listed == {"README.md", "expected.json"}
    assert len(listed) >= 40


def test_file_problems_are_placed_at_the_scenario_key(make):
    def problem(path, message):
        return Problem(message, file="s.yaml", line=7, column=3, path=".".join(map(str, path)))

    with pytest.raises(ScenarioError) as caught:
        arrival_times(make(trace="absent.csv"), folder=CORPUS, problem=problem, **RUN)
    assert caught.value.problems[0].render().startswith("s.yaml:7:3: services.chat.workload.trace: absent.csv: no such")


def test_content_problems_are_placed_in_the_file_with_a_caret(make):
    with pytest.raises(ScenarioError) as caught:
        arrival_times(make(trace="infinite.csv"), folder=CORPUS, **RUN)
    head, line, caret = str(caught.value).splitlines()
    assert head.endswith("infinite.csv:3:3: arrival_s: must be finite, got inf (named by services.chat.workload.trace)")
    assert line.index("inf") == caret.index("^")


def test_ten_gigabytes_are_refused_at_once(tmp_path, make):
    big = tmp_path / "big.csv"
    with big.open("wb") as file:
        file.write(b"arrival_s\n1\n")
        file.truncate(10_000_000_000)  # sparse: takes no room
    with pytest.raises(ScenarioError, match="larger than 2 GB"):
        arrival_times(make(trace="big.csv"), folder=tmp_path, **RUN)


def test_a_small_gzip_that_grows_is_stopped(tmp_path, make, monkeypatch):
    monkeypatch.setattr(guarded, "MAX_BYTES", 1_000_000)
    with gzip.open(tmp_path / "bomb.csv.gz", "wb") as file:
        file.write(b"arrival_s\n" + b"1\n" * 1_000_000)
    assert (tmp_path / "bomb.csv.gz").stat().st_size < 10_000
    with pytest.raises(ScenarioError, match="larger than"):
        arrival_times(make(trace="bomb.csv.gz"), folder=tmp_path, **RUN)


def test_too_many_rows_are_refused(tmp_path, make, monkeypatch):
    monkeypatch.setattr(tables, "MAX_ROWS", 100)
    (tmp_path / "rows.csv").write_text("arrival_s\n" + "1\n" * 101)
    with pytest.raises(ScenarioError, match="more than 100 rows"):
        arrival_times(make(trace="rows.csv"), folder=tmp_path, **RUN)


def test_pipes_and_devices_are_not_read(tmp_path, make):
    os.mkfifo(tmp_path / "pipe.csv")
    for name in ("pipe.csv", "/dev/zero"):
        with pytest.raises(ScenarioError, match="not a regular file"):
            arrival_times(make(trace=name), folder=tmp_path, **RUN)


def test_fault_far_down_a_long_file_has_its_line(tmp_path, make):
    rows = [f"{i}" for i in range(70_000)]
    rows[66_000] = "x"
    (tmp_path / "long.csv").write_text("arrival_s\n\n" + "\n".join(rows))
    with pytest.raises(ScenarioError, match=r"long\.csv:66003:1: arrival_s: must be a number, got 'x'"):
        arrival_times(make(trace="long.csv"), folder=tmp_path, **RUN)


def test_a_changed_file_is_read_again(tmp_path, make):
    path = tmp_path / "t.csv"
    path.write_text("arrival_s\n1\n")
    assert arrival_times(make(trace="t.csv"), folder=tmp_path, **RUN).tolist() == [1.0]
    path.write_text("arrival_s\n1\n2\n")
    assert arrival_times(make(trace="t.csv"), folder=tmp_path, **RUN).tolist() == [1.0, 2.0]


def test_endless_loads_are_refused(make):
    shape = {"kind": "diurnal", "period": "1us", "amplitude": 0.5}
    endless = [
        ({"rate": "1e12/s"}, "at most 1e"),
        ({"rate": "1/s", "shape": shape}, "longer `period`"),
        (
            {"states": [{"rate": "1/s", "mean_duration": "1ns"}, {"rate": "2/s", "mean_duration": "1ns"}]},
            "changes of rate",
        ),
    ]
    for keys, message in endless:
        with pytest.raises(ScenarioError, match=message) as caught:
            arrival_times(make(**keys), folder=Path(), **RUN)
        assert "services.chat.workload" in str(caught.value)


def test_sound_oddities_are_read(tmp_path, make):
    """Byte order mark, CRLF, quotes, blank lines, spaces, gzip without the suffix."""
    text = '\ufeffid, "arrival_s"\r\n\r\na, 0.5\r\n"b",1.5\r\n\r\n'.replace(', "', ',"')
    (tmp_path / "odd.csv").write_bytes(text.encode())
    (tmp_path / "packed.csv").write_bytes(gzip.compress(text.encode()))
    for name in ("odd.csv", "packed.csv"):
        assert arrival_times(make(trace=name), folder=tmp_path, **RUN).tolist() == [0.5, 1.5]
