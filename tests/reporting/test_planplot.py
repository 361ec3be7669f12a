"""The picture of a plan shows its windows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from simulator.reporting.planplot import day_of, draw_plan, plan_figure
from simulator.scenario.planfile import Plan

WINDOWS = [
    {
        "start": 0,
        "end": "1h",
        "rate": {"chat": "10/s", "tags": "4/s"},
        "services": {
            "chat": {"portions": [{"layers": "1-2", "pool": "big", "replicas": 2}]},
            "tags": {"execution": "serial", "replicas": 3, "portions": [{"layers": 1, "pool": "small"}]},
        },
    },
    {
        "start": "1h",
        "end": "3h",
        "rate": {"chat": "20/s"},
        "services": {
            "chat": {
                "portions": [
                    {"layers": 1, "pool": "big", "replicas": 4},
                    {"layers": 2, "pool": "small", "replicas": 1},
                ]
            },
            "tags": {"portions": [{"layers": 1, "pool": "small", "replicas": 1}]},
        },
    },
]


def plan() -> Plan:
    return Plan.model_validate({"version": 1, "windows": WINDOWS})


def test_rates_and_replicas_are_those_of_the_plan() -> None:
    day = day_of(plan())
    np.testing.assert_array_equal(day.edges_s, [0, 3600, 10_800])
    np.testing.assert_array_equal(day.rates["chat"], [10, 20])
    np.testing.assert_array_equal(day.rates["tags"], [4, np.nan])
    np.testing.assert_array_equal(day.replicas["big"], [2, 4])
    np.testing.assert_array_equal(day.replicas["small"], [3, 2])


def test_pools_are_stacked() -> None:
    below = plan_figure(day_of(plan())).axes[1]
    tops = [patch.get_data().values for patch in below.patches]
    np.testing.assert_array_equal(tops[-1], [5, 6])


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_the_same_plan_gives_the_same_bytes(ending: str, tmp_path: Path) -> None:
    for name in ("a", "b"):
        draw_plan(plan(), tmp_path / f"{name}.{ending}", "a plan")
    assert (tmp_path / f"a.{ending}").read_bytes() == (tmp_path / f"b.{ending}").read_bytes()
