"""Trainings and streams in a result: means over replications, and the devices that they hold beside the services."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from scipy import stats

from simulator.results import Result, shown_jobs
from simulator.results.jobs import DeviceUse, Jobs, with_uses
from simulator.results.record import PoolInfo


@dataclass(frozen=True)
class Run:
    step_s: float
    bound: str = "compute"
    windows: Sequence[Sequence[float]] = ((0.0, 1.0),)
    uses: Sequence[DeviceUse] = (DeviceUse("a", 4, 0.5),)
    warnings: Sequence[str] = field(default=("mind the gap",))

    def to_dict(self) -> dict[str, Any]:
        return {
            "step": self.step_s,
            "bound": self.bound,
            "fraction": {"makespan": self.step_s / 10, "none": None},
            "stages": [{"idle": self.step_s, "windows": [list(pair) for pair in self.windows]}],
        }


def test_figures_are_means_with_intervals() -> None:
    steps = [1.0, 2.0, 6.0]
    figures = Jobs([{"t": Run(step)} for step in steps]).figures()["t"]
    assert figures["step"] == 3.0
    assert figures["bound"] == "compute"
    assert figures["fraction"] == {"makespan": pytest.approx(0.3), "none": None}
    assert figures["stages"] == [{"idle": 3.0, "windows": [[0.0, 1.0]]}]
    half = stats.t.ppf(0.975, 2) * stats.sem(steps)
    assert figures["ci95"]["step"] == pytest.approx((3.0 - half, 3.0 + half))


def test_one_replication_has_no_interval() -> None:
    figures = Jobs([{"t": Run(2.0)}]).figures()["t"]
    assert figures["step"] == 2.0
    assert figures["ci95"] is None


def test_lists_of_another_length_are_those_of_the_first() -> None:
    runs = [{"t": Run(1.0, windows=((0.0, 1.0), (2.0, 1.0)))}, {"t": Run(1.0)}]
    assert Jobs(runs).figures()["t"]["stages"][0]["windows"] == [[0.0, 1.0], [2.0, 1.0]]


def test_pools_count_what_jobs_hold() -> None:
    infos = [PoolInfo("a", 10, 2.0), PoolInfo("b", 3, 1.0)]
    services = {"a": {"count": 10, "used": 2, "utilization": 0.9, "cost_per_hour": 4.0, "ci95": None}}
    found = with_uses(services, infos, [DeviceUse("a", 4, 0.5), DeviceUse("a", 2, 0.2)])
    # Two devices at 0.9, four at 0.5 and two at 0.2.
    mean = (2 * 0.9 + 4 * 0.5 + 2 * 0.2) / 8
    assert found["a"] == {"count": 10, "used": 8, "utilization": pytest.approx(mean), "cost_per_hour": 16.0}
    assert found["b"] == {"count": 3, "used": 0, "utilization": None, "cost_per_hour": 0.0}


def test_a_result_without_services(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shown_jobs, "BLOCKS", {})  # these runs have figures of their own, which no table knows
    jobs = {"trainings": Jobs([{"t": Run(1.0)}, {"t": Run(3.0)}])}
    result = Result.build("alone", 0, "simpy", "no services", [], jobs=jobs, pools=[PoolInfo("a", 4, 1.0)])
    figures = result.to_dict()
    assert (figures["services"], figures["streams"], figures["replications"]) == ({}, {}, 2)
    assert figures["trainings"]["t"]["step"] == 2.0
    assert figures["pools"]["a"]["utilization"] == 0.5
    assert figures["warnings"] == ["mind the gap"]
    assert result.misses() == []
    assert result.jobs["trainings"].runs[1]["t"].to_dict()["step"] == 3.0
    assert "alone" in result._repr_html_()
