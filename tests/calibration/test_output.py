"""What the verb prints and writes."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from simulator.calibration.columns import unit_of
from simulator.cli.calibrate import run_fit
from simulator.costs.base import read_costs


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    text = "layer,batch,time_ms\n" + "".join(
        f"{layer},{b},{round(1 + scale * b + 0.01 * math.sin(9 * b), 4)}\n"
        for layer, scale in (("attention", 0.3), ("dense", 0.7))
        for b in (1, 2, 4, 8, 16, 32)
    )
    (tmp_path / "rows.csv").write_text(text + "lonely,4,2.0\n")
    return tmp_path / "rows.csv"


def test_json_has_the_promised_keys(rows: Path) -> None:
    found = json.loads(run_fit(rows, as_json=True))
    assert {"groups", "mape", "mape_in_sample", "kind", "folds", "source"} <= set(found)
    assert 0 < found["mape"] < 0.1
    for group in found["groups"]:
        assert {"group", "rows", "law", "parameters", "mape_in_sample", "mape", "worst"} <= set(group)
    lonely = found["groups"][-1]
    assert (lonely["group"], lonely["mape"], lonely["worst"]) == ({"layer": "lonely"}, None, None)
    worst = found["groups"][0]["worst"]
    assert worst["layer"] == "attention"
    assert worst["error"] == pytest.approx(worst["predicted"] / worst["measured"] - 1)
    assert rows.read_text().splitlines()[worst["line"] - 1].startswith(f"attention,{worst['batch']},")


def test_the_mean_counts_every_held_out_row_once(rows: Path) -> None:
    found = json.loads(run_fit(rows, as_json=True))
    scored = [group for group in found["groups"] if group["mape"] is not None]
    total = sum(group["mape"] * group["held_out_rows"] for group in scored)
    assert found["mape"] == pytest.approx(total / sum(group["held_out_rows"] for group in scored))


def test_table_for_people(rows: Path) -> None:
    text = run_fit(rows)
    assert "in-sample" in text
    assert "held-out" in text
    assert "attention" in text
    assert "13 rows, 3 groups, kind batch, time in column time_ms [ms]" in text
    assert "1 groups have too few rows" in text
    assert max(len(line) for line in text.splitlines()) < 220


def test_the_same_rows_give_the_same_bytes(rows: Path, tmp_path: Path) -> None:
    assert run_fit(rows, as_json=True) == run_fit(rows, as_json=True)
    for name in ("a.yaml", "b.yaml"):
        run_fit(rows, output=tmp_path / name)
    assert (tmp_path / "a.yaml").read_bytes() == (tmp_path / "b.yaml").read_bytes()


def test_group_as_text(rows: Path, tmp_path: Path) -> None:
    run_fit(rows, group="layer", time="time_ms", kind="batch", output=tmp_path / "costs.yaml")
    assert [group.group["layer"] for group in read_costs(tmp_path / "costs.yaml")] == [
        "attention",
        "dense",
        "lonely",
    ]


@pytest.mark.parametrize(
    ("column", "unit"),
    [
        ("latency_us", "us"),
        ("time_ms", "ms"),
        ("latency_s", "s"),
        ("cpu_us_min", "us"),
        ("seconds", "s"),
        ("time", None),
        ("ms", None),
        ("bus", None),
    ],
)
def test_units_of_names(column: str, unit: str | None) -> None:
    assert unit_of(column) == unit
