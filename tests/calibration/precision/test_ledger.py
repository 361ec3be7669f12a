"""The ledger: what it keeps, what it forgives, what it refuses and leaves as it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from simulator.calibration.precision import Floor, Measured, tune
from simulator.calibration.precision.ledger import Ledger
from simulator.errors import ScenarioError
from tests.calibration.precision.builders import case

ONE = case(3, 3, 4)
HEAD = ONE.problem.described("x")
FIRST, SECOND = ("fp32", "int8", "int4"), ("int4", "int8", "fp32")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.jsonl"
    ledger = Ledger(path, HEAD)
    ledger.add(FIRST, 0.1 + 0.2)
    ledger.add(SECOND, 0.5)
    return path


def test_answers_come_back_bit_for_bit(file: Path) -> None:
    assert Ledger(file, HEAD).known == {FIRST: 0.1 + 0.2, SECOND: 0.5}


@pytest.mark.parametrize("cut", range(1, 30))
def test_a_last_line_cut_anywhere_costs_that_line_alone(file: Path, cut: int) -> None:
    raw = file.read_bytes()
    file.write_bytes(raw[:-cut])
    ledger = Ledger(file, HEAD)
    assert ledger.known == {FIRST: 0.1 + 0.2}
    ledger.add(SECOND, 0.5)
    assert file.read_bytes() == raw


def test_a_last_line_of_rubbish_is_dropped(file: Path) -> None:
    raw = file.read_bytes()
    file.write_bytes(raw + b"\0\0\0\0\n")
    assert len(Ledger(file, HEAD).known) == 2
    assert file.read_bytes() == raw


@pytest.mark.parametrize(
    "line",
    ["{", "[]", '{"config": 3}', '{"config": ["fp32"], "accuracy": 1}', '{"config": ["a","b","c"], "accuracy": 1}'],
)
def test_a_damaged_line_in_the_middle_is_refused_and_kept(file: Path, line: str) -> None:
    lines = file.read_text().splitlines()
    text = "\n".join([lines[0], line, *lines[1:]]) + "\n"
    file.write_text(text)
    with pytest.raises(ScenarioError, match=r"ledger.jsonl:2: is damaged"):
        Ledger(file, HEAD)
    assert file.read_text() == text


def test_two_answers_to_one_question_are_refused(file: Path) -> None:
    with file.open("a") as stream:
        stream.write(json.dumps({"config": list(FIRST), "accuracy": 0.9}) + "\n" + "{}")
    with pytest.raises(ScenarioError, match="gives another accuracy"):
        Ledger(file, HEAD)


def test_another_problem_is_refused_and_says_what_differs(file: Path) -> None:
    raw = file.read_bytes()
    with pytest.raises(ScenarioError, match=r"another problem \(evaluator differ"):
        Ledger(file, ONE.problem.described("y"))
    with pytest.raises(ScenarioError, match=r"another problem \(costs differ"):
        Ledger(file, case(3, 3, 5).problem.described("x"))
    assert file.read_bytes() == raw


@pytest.mark.parametrize("text", ["hello\n", "hello", '{"format": "other"}\n', "\n", "{}"])
def test_a_file_of_something_else_is_refused_and_kept(tmp_path: Path, text: str) -> None:
    path = tmp_path / "notes.txt"
    path.write_text(text)
    with pytest.raises(ScenarioError, match="is not a ledger"):
        Ledger(path, HEAD)
    assert path.read_text() == text


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="is a folder"):
        Ledger(tmp_path, HEAD)


def test_what_another_search_learned_is_chosen_from_too(tmp_path: Path) -> None:
    """A looser floor asked for cheaper configurations; a later search may choose them without paying again."""
    one, path = case(4, 4, 11), tmp_path / "ledger.jsonl"
    every = tune(one.problem, one.evaluate, Floor(loss=0.01), strategy="exhaustive", budget=None, ledger=path)
    asked = len(one.asked)
    found = tune(one.problem, Measured(one.evaluate, "case"), Floor(loss=0.01), budget=5, ledger=path)
    assert len(one.asked) == asked
    assert found.chosen.cost == every.chosen.cost
    assert found.known_before == len(found.asked) <= 5
    assert len(found.others) == asked - len(found.asked)
