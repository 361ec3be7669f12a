"""What a lowering needs several times is worked out once, and files that change are read anew."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulator.costs.base import Affine, file
from simulator.costs.early_exit import reading
from simulator.costs.early_exit.sources import ExitSource
from tests.cluster.lower.made import node, phases, service
from tests.support import Node, layer, portion, seconds

COSTS = """
version: 1
groups:
- {group: {}, law: affine, rows: 4, parameters: {a: OVERHEAD, c: 0.001}}
"""
WINDOWS = [{"from": seconds(at), "portions": [portion("1-4", batch=4), portion("5-8", batch=4)]} for at in range(5)]
TABLE: Node = {"table": "exits.csv", "rule": {"confidence": 0.5}}


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any, str], list[Any]]:
    """The arguments of every call of a function or method from now on."""

    def watch(owner: Any, name: str) -> list[Any]:
        calls: list[Any] = []
        original = getattr(owner, name)

        def wrapper(*arguments: Any, **more: Any) -> Any:
            calls.append(arguments)
            return original(*arguments, **more)

        monkeypatch.setattr(owner, name, wrapper)
        return calls

    return watch


def test_equal_layers_are_timed_once(counted: Callable[[Any, str], list[Any]]) -> None:
    calls = counted(Affine, "seconds")
    layers = [{**layer((0.002, 0.003)), "repeat": 30}, layer((0.004, 0.001))]
    portions = [portion("1-10", batch=4), portion("11-20", batch=4), portion("21-31", batch=6)]
    made = phases(node(layers, portions))
    assert len(calls) == 3  # the repeated layer at two batch sizes, the last one at one
    for phase in made:
        batches = np.arange(1, phase.batch + 1)
        for number, step in enumerate(phase.steps_s, start=phase.first_layer):
            expected = 0.004 + 0.001 * batches if number == 31 else 0.002 + 0.003 * batches
            assert step[1:].tolist() == expected.tolist()
            assert step[0] == 0.0


def test_windows_with_the_same_ramps_are_ruled_once(tmp_path: Path, counted: Callable[[Any, str], list[Any]]) -> None:
    (tmp_path / "exits.csv").write_text("conf_1,conf_2,pred_1,pred_2\n0.9,0.9,1,1\n0.1,0.9,0,1\n")
    calls = counted(ExitSource, "fires")
    windows = [{**window, "exit_mode": "none" if number == 3 else "at_cut"} for number, window in enumerate(WINDOWS)]
    tree = node(
        [layer(0.01, f"l{i}") for i in range(8)],
        model={"ramps": {"after": [4], "time": "1ms"}, "exits": TABLE},
        service={"deployment": None, "deployments": windows},
    )
    made = service(tree, tmp_path)
    assert len(calls) == 2
    assert [one.exit_layer.tolist() for one in made.deployments] == [[4, 8]] * 3 + [[8, 8]] + [[4, 8]]


def test_a_costs_file_that_changes_is_read_anew(tmp_path: Path, counted: Callable[[Any, str], list[Any]]) -> None:
    path = tmp_path / "costs.yaml"
    parsed = counted(file, "_load")

    def first_second(overhead: str) -> float:
        path.write_text(COSTS.replace("OVERHEAD", overhead))
        os.utime(path, ns=(0, 0))  # as if it were the same file
        tree = node([layer(0.01)])
        tree["models"]["m"] = {"measured": path.name}
        made = phases(tree, tmp_path)
        return float(made[0].time_s[1])

    assert [first_second(overhead) for overhead in ("0.010", "0.020", "0.010")] == [0.011, 0.021, 0.011]
    assert len(parsed) == 2  # the third text has been seen


def test_an_exit_table_that_changes_is_read_anew(tmp_path: Path, counted: Callable[[Any, str], list[Any]]) -> None:
    path = tmp_path / "table.csv"
    parsed = counted(reading, "columns_of")
    for sure in ("0.25", "0.75", "0.25"):
        path.write_text(f"conf_1,conf_2\n{sure},1\n")
        os.utime(path, ns=(0, 0))
        table = reading.load_table(path)
        assert table.confidence is not None
        assert table.confidence.tolist() == [[float(sure), 1.0]]
    assert len(parsed) == 2
    assert reading.load_table(path) is table


def test_large_texts_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_REMEMBERED", 10)
    path = tmp_path / "table.csv"
    path.write_text("conf_1,conf_2\n0.5,1\n")
    assert reading.load_table(path) is not reading.load_table(path)
