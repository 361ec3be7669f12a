"""``plan simulate`` of a scenario with nothing but a training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.test_verbs import Plan, plan
from tests.cluster.training.made import node

__all__ = ["plan"]  # a fixture


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A scenario."""
    path = tmp_path / "scenario.yaml"
    path.write_text(json.dumps(node()))
    return path


def test_the_figures_are_printed(plan: Plan, file: Path) -> None:
    said = plan("simulate", file)
    assert said.code == 0
    assert "t, 1f1b" in said.out
    assert "bubbles, by stage span" in said.out
    tree = json.loads(plan("simulate", file, "--json").out)
    assert tree["trainings"]["t"]["makespan"] == pytest.approx(33.0)


def test_tables_and_timeline(plan: Plan, file: Path, tmp_path: Path) -> None:
    said = plan("simulate", file, "-o", tmp_path / "out", "--timeline", tmp_path / "trace.json")
    assert said.code == 0, said.err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["result.json", "trainings.csv"]
    assert (tmp_path / "trace.json").exists()


def test_an_order_that_is_read_is_not_overwritten(plan: Plan, tmp_path: Path) -> None:
    order = tmp_path / "trainings.csv"
    order.write_text("0F0,0B0\n")
    tree = node({"order": "trainings.csv", "stages": 1, "microbatches": 1})
    (tmp_path / "scenario.yaml").write_text(json.dumps(tree))
    said = plan("simulate", tmp_path / "scenario.yaml", "-o", tmp_path)
    assert said.code == 2
    assert "is a file that is read" in said.err
    assert order.read_text() == "0F0,0B0\n"


def test_a_refusal_points_at_the_line(plan: Plan, file: Path) -> None:
    said = plan(
        "simulate", file, "--set", "trainings.t.pipeline.schedule=chimera", "--set", "trainings.t.pipeline.stages=3"
    )
    assert said.code == 2
    assert "chimera needs an even number of ranks, got 3" in said.err
