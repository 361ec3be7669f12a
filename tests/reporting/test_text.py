"""Tables and CSV of a result."""

import csv
import io
import math
from dataclasses import replace
from typing import Any

import pytest

from simulator.reporting import figures_csv, result_table, saturation_csv, saturation_table
from simulator.results import Result
from tests.results.builders import record, tandem


def figures(count: int = 3, classes: int = 1, **named: Any) -> dict[str, Any]:
    records = [
        replace(tandem(seed, 400, max_wait=0.02, faults=True, classes=classes), replication=seed)
        for seed in range(count)
    ]
    return Result.build("demo", 7, "simpy", "asked for", records, **named).to_dict()


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("classes", [1, 3])
def test_eighty_columns_are_enough(count: int, classes: int) -> None:
    text = result_table(figures(count, classes, warnings=["the load is above what portion 1-2 can serve " * 3]), 80)
    assert max(len(line) for line in text.splitlines()) <= 80
    assert not any(line != line.rstrip() for line in text.splitlines())


def test_table_shows_what_matters() -> None:
    text = result_table(figures(3, 2, warnings=["hot"], variants=["double"]))
    for word in (
        "demo",
        "seed 7",
        "3 replications",
        "double",
        "warning: hot",
        "k0",
        "k1",
        "p99",
        "slowest 1 %",
    ):
        assert word in text
    for part in ("fill", "queue", "service", "transfer", "retry", "v100", "1-2", "3-4"):
        assert part in text


def test_every_mean_has_its_interval_over_replications() -> None:
    text = result_table(figures(3))
    for line in text.splitlines():
        if line.strip().startswith(("latency, mean", "latency, p99", "throughput", "fill", "cost per million")):
            assert "±" in line
    assert "±" not in result_table(figures(1))


def test_empty_outcomes_are_left_out() -> None:
    text = result_table(figures(1))
    assert "arrived" in text
    assert "rejected" not in text


def test_warnings_follow_each_other() -> None:
    assert result_table(figures(1, warnings=["hot", "cold"])).endswith("\n\nwarning: hot\nwarning: cold")


def test_nothing_simulated_can_be_shown() -> None:
    text = result_table(Result.build("demo", 0, "simpy", "", [record([])]).to_dict())
    assert "arrived" in text


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_csv_is_long_and_tidy() -> None:
    tree = figures(3, 2)
    found = rows(figures_csv(tree))
    assert list(found[0]) == ["service", "class", "portion", "metric", "value", "lo", "hi"]
    by_key = {(row["service"], row["class"], row["portion"], row["metric"]): row for row in found}
    assert len(by_key) == len(found)
    chat = tree["services"]["chat"]
    p99 = by_key["chat", "", "", "latency.p99"]
    assert float(p99["value"]) == chat["latency"]["p99"]
    assert [float(p99["lo"]), float(p99["hi"])] == chat["ci95"]["p99"]
    assert by_key["chat", "", "", "arrived"]["lo"] == ""
    assert float(by_key["chat", "k1", "", "goodput"]["value"]) == chat["classes"]["k1"]["goodput"]
    wait = by_key["chat", "", "3-4", "queue_wait.mean"]
    assert float(wait["value"]) == chat["portions"][1]["queue_wait"]["mean"]
    assert wait["hi"] != ""
    assert by_key["", "", "", "pools.v100.count"]["value"] == "4"
    assert by_key["chat", "", "", "accuracy"]["value"] == ""


SATURATION: dict[str, Any] = {
    "services": {
        "chat": {
            "max_rate": 1234.5,
            "ci95": [1200.0, 1260.0],
            "load_factor": 1.23,
            "bottleneck": {"kind": "portion", "name": "5-12"},
            "margin": 0.23,
        },
        "idle": {
            "max_rate": None,
            "ci95": None,
            "load_factor": None,
            "bottleneck": None,
            "margin": None,
            "note": "never",
        },
    }
}


def test_saturation_as_text() -> None:
    text = saturation_table(SATURATION)
    assert max(len(line) for line in text.splitlines()) <= 80
    assert text.endswith("idle: never")
    for word in ("1,234", "1,200", "1,260", "1.230 x", "23.00 %", "portion 5-12", "idle"):
        assert word in text


def test_saturation_as_csv() -> None:
    first, second = rows(saturation_csv(SATURATION))
    assert math.isclose(float(first["max_rate"]), 1234.5)
    assert first["bottleneck"] == "5-12"
    assert second["load_factor"] == ""
    assert (first["note"], second["note"]) == ("", "never")
