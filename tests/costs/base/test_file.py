"""The costs file: what is written is read back, and what is wrong is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from simulator.calibration import fit
from simulator.costs.base import Constant, CostGroup, find_costs, read_costs
from simulator.errors import ScenarioError

ROWS = "layer,device,batch,time_ms\n" + "".join(
    f"{layer},{device},{b},{base + slope * b}\n"
    for layer, base in (("block", 2.0), ("head", 1.0))
    for device, slope in (("v100", 0.5), ("t4", 1.5))
    for b in range(1, 25)
)


@pytest.fixture
def costs(tmp_path: Path) -> Path:
    rows = tmp_path / "rows.csv"
    rows.write_text(ROWS)
    fit(rows).write(tmp_path / "costs.yaml")
    return tmp_path / "costs.yaml"


def test_groups_are_read_back(costs: Path) -> None:
    groups = read_costs(costs)
    assert [group.group for group in groups] == [
        {"layer": layer, "device": device}
        for layer in ("block", "head")
        for device in ("v100", "t4")  # as the rows name them
    ]
    found = find_costs(groups, layer="block", device="v100", precision="fp16")
    assert found.law.seconds([1, 8]) == pytest.approx([0.0025, 0.006], rel=1e-3)
    assert (found.rows, found.span, found.kind) == (24, (1.0, 24.0), "batch")
    assert found.mape is not None
    assert found.mape < 0.001
    assert len(str(found.source["sha256"])) == 64


def test_predictions_survive_the_file(costs: Path, tmp_path: Path) -> None:
    b = np.arange(1, 100)
    for fitted, read in zip(fit(tmp_path / "rows.csv").groups, read_costs(costs), strict=True):
        assert (fitted.law.seconds(b) == read.law.seconds(b)).all()  # type: ignore[attr-defined]


def test_what_is_not_measured_is_told() -> None:
    groups = [
        CostGroup({"layer": layer, "device": device}, Constant(1.0), 4, None, None, "batch", {})
        for layer in ("a", "b")
        for device in ("v100", "t4")
    ]
    with pytest.raises(ScenarioError, match="did you mean v100"):
        find_costs(groups, layer="a", device="v10")
    with pytest.raises(ScenarioError, match="2 groups of measured costs fit layer=a: name device too"):
        find_costs(groups, layer="a")


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("", "not a costs file"),
        ("version: 1\n", "not a costs file"),
        ("- 1\n", "not a costs file"),
        ("version: 2\ngroups: [{}]\n", "version: must be 1, got 2"),
        ("version: 1\ngroups: [1]\n", "groups.0: must have group"),
        ("version: 1\ngroups: [{group: {}, law: affine}]\n", "parameters are missing"),
        ("version: 1\ngroups: [{group: {}, law: afine, parameters: {}}]\n", "groups.0.law: unknown law 'afine'"),
        ("version: 1\ngroups: [{group: {}, law: affine, parameters: {a: .nan, c: 1}}]\n", "must be finite"),
        ("a: b: c\n", ":1: is not YAML"),
        ("a: 1\na: 2\n", ":2: is not YAML"),
    ],
)
def test_a_wrong_file_is_told(text: str, fragment: str, tmp_path: Path) -> None:
    (tmp_path / "costs.yaml").write_text(text)
    with pytest.raises(ScenarioError) as caught:
        read_costs(tmp_path / "costs.yaml")
    assert fragment in str(caught.value)
    assert "costs.yaml" in str(caught.value)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"a: \xff\n")
    for path in (tmp_path / "none.yaml", tmp_path, tmp_path / "latin.yaml"):
        with pytest.raises(ScenarioError):
            read_costs(path)
