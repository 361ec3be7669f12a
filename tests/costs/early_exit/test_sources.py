"""The exits that a scenario writes, as rows: files found, tables joined, columns mapped to layers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter

from simulator.costs.early_exit import Blocks, ExitTable, Replay, exit_layers, reach
from simulator.costs.early_exit.sources import ExitSource, source_of
from simulator.errors import Problem, ScenarioError
from simulator.scenario.exits import Exits

EASY = "split,label,conf_1,conf_2,conf_3,pred_1,pred_2,pred_3\na,1,0.9,0.9,0.9,1,1,1\nb,0,0.9,0.9,0.9,1,0,0\n"
HARD = (
    "label,conf_1,conf_2,conf_3,pred_1,pred_2,pred_3\n1,0.5,0.6,0.9,0,1,1\n0,0.5,0.9,0.9,0,0,0\n1,0.5,0.5,0.5,0,0,0\n"
)
RULE = {"confidence": 0.8}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "easy.csv").write_text(EASY)
    (tmp_path / "hard.csv").write_text(HARD)
    (tmp_path / "two.csv").write_text("conf_1,conf_2\n0.5,0.5\n")
    return tmp_path


def made(written: object, folder: Path, ramps: tuple[int, ...] = (2, 4), layers: int = 6) -> ExitSource:
    exits = TypeAdapter(Exits).validate_python(written)
    source = source_of(exits, folder, ramps, layers)
    assert source is not None
    return source


def test_a_table_with_fewer_exits_than_layers(folder: Path) -> None:
    source = made({"table": "hard.csv", "rule": RULE}, folder)
    assert source.ramps == (2, 4)
    fired = source.fires([2, 4])
    assert fired.shape == (3, 6)
    assert (fired.argmax(axis=1) + 1).tolist() == [6, 4, 6]
    assert source.correct[:, [1, 3, 5]].tolist() == [[0, 1, 1], [1, 1, 1], [0, 0, 0]]
    assert np.isnan(source.correct[:, [0, 2, 4]]).all()


def test_active_ramps_are_a_choice(folder: Path) -> None:
    source = made({"table": "easy.csv", "rule": RULE}, folder)
    assert (source.fires([4]).argmax(axis=1) + 1).tolist() == [4, 4]
    assert (source.fires([]).argmax(axis=1) + 1).tolist() == [6, 6]


def test_ramps_can_be_some_of_the_exits(folder: Path) -> None:
    by_list = made({"table": "hard.csv", "rule": RULE, "after": [2, 4]}, folder, ramps=(4,))
    by_count = made({"table": "hard.csv", "rule": RULE}, folder, ramps=(2,), layers=3)
    assert by_list.table.exits == 2
    assert isinstance(by_count.table, ExitTable)
    assert by_count.table.confidence is not None
    assert by_count.table.confidence.tolist() == [[0.6, 0.9], [0.9, 0.9], [0.5, 0.5]]
    assert (by_list.fires([4]).argmax(axis=1) + 1).tolist() == [6, 4, 6]
    assert by_list.correct[:, 3].tolist() == [1, 1, 0]


def test_a_list_of_thresholds_has_one_per_ramp(folder: Path) -> None:
    source = made({"table": "hard.csv", "rule": {"confidence": [0.55]}, "after": [2, 4]}, folder, ramps=(4,))
    assert (source.fires([4]).argmax(axis=1) + 1).tolist() == [4, 4, 6]


def test_patience_compares_the_ramps_that_run(folder: Path) -> None:
    source = made({"table": "easy.csv", "rule": {"patience": 1}}, folder)
    assert (source.fires([2, 4]).argmax(axis=1) + 1).tolist() == [4, 6]
    assert (source.fires([4]).argmax(axis=1) + 1).tolist() == [6, 6]


def test_a_part_of_a_file(folder: Path) -> None:
    assert made({"table": "easy.csv", "split": "b", "rule": RULE}, folder).table.rows == 1


def test_tables_are_mixed_over_time(folder: Path) -> None:
    written = {
        "tables": {"easy": {"file": "easy.csv", "split": "a"}, "hard": "hard.csv"},
        "mix": [{"at": "0s", "shares": {"easy": "100%"}}, {"at": "10s", "shares": {"hard": 1}}],
        "rule": RULE,
    }
    source = made(written, folder)
    assert source.table.rows == 4
    assert source.rows.weights(0.0).tolist() == [1, 0, 0, 0]
    assert source.rows.weights(5.0).tolist() == pytest.approx([1 / 2, 1 / 6, 1 / 6, 1 / 6])
    leaving = exit_layers(source.fires([2, 4]).argmax(axis=1), range(1, 7))
    assert reach(leaving, 6, source.rows.weights(0.0)).tolist() == [1, 1, 0, 0, 0, 0]
    assert reach(leaving, 6, source.rows.weights(10.0)).tolist() == pytest.approx([1, 1, 1, 1, 2 / 3, 2 / 3])
    assert source.rows.draw(np.array([0.4, 0.6]), np.array([5.0, 5.0]), np.array([0, 1])).tolist() == [0, 1]
    stepped = made({**written, "change": "step"}, folder)
    assert stepped.rows.weights(9.9).tolist() == [1, 0, 0, 0]


def test_orders(folder: Path) -> None:
    ordered = made({"table": "hard.csv", "rule": RULE, "order": "replayed"}, folder)
    assert ordered.rows.draw(np.zeros(4), np.zeros(4), np.arange(4)).tolist() == [0, 1, 2, 0]
    blocks = made({"table": "hard.csv", "rule": RULE, "order": {"blocks": 2}}, folder)
    assert isinstance(blocks.rows, Replay)
    assert blocks.rows.order == Blocks(2)
    one = blocks.rows.seeded(1, 0, "chat").draw(np.zeros(30), np.zeros(30), np.arange(30))
    other = blocks.rows.seeded(1, 1, "chat").draw(np.zeros(30), np.zeros(30), np.arange(30))
    assert one.tolist() != other.tolist()


def test_a_profile(folder: Path) -> None:
    source = made({"profile": [0.5, 0.25, 0.25]}, folder)
    assert source.rows.seeded(1, 0) is source.rows
    assert source.rows.draw(np.array([0.1, 0.6, 0.9]), np.zeros(3), np.arange(3)).tolist() == [0, 1, 2]
    assert (source.fires([2, 4]).argmax(axis=1) + 1).tolist() == [2, 4, 6]
    assert source.rows.weights(0.0).tolist() == [0.5, 0.25, 0.25]
    assert np.isnan(source.correct).all()
    assert source_of(TypeAdapter(Exits).validate_python({"profile": [1.0]}), folder, (), 6) is None


@pytest.mark.parametrize(
    ("written", "path", "message"),
    [
        ({"table": "two.csv", "rule": RULE}, ("table",), "has 2 exits, the model 2 ramps and its end"),
        ({"table": "none.csv", "rule": RULE}, ("table",), "no such file"),
        (
            {
                "tables": {"easy": "easy.csv", "odd": "two.csv"},
                "mix": [{"at": "0s", "shares": {"easy": 1}}],
                "rule": RULE,
            },
            ("tables", "odd"),
            "has 2 exits",
        ),
        ({"table": "easy.csv", "rule": RULE, "after": [1, 4]}, ("table",), "no exit after layer 2"),
    ],
)
def test_tables_that_do_not_fit_are_refused_at_their_key(
    folder: Path, written: object, path: tuple[str, ...], message: str
) -> None:
    places: list[tuple[str, ...]] = []

    def place(at: tuple[str, ...], error: ScenarioError) -> ScenarioError:
        places.append(at)
        return ScenarioError([Problem(problem.message) for problem in error.problems])

    with pytest.raises(ScenarioError, match=message):
        source_of(TypeAdapter(Exits).validate_python(written), folder, (2, 4), 6, place)
    assert places == [path]
