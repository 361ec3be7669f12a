"""Spaces of the measured model: the published figures, and the steady-state program."""

from __future__ import annotations

import numpy as np
import pytest

from simulator.planner.exits import exit_case
from simulator.planner.optimize.problem import Space
from simulator.planner.optimize.space.build import pool_limits, space_of
from simulator.planner.split import best_whole, cut_sets
from simulator.planner.split.portions import set_costs
from tests.planner.exits.cases import MEASURED, swapped
from tests.planner.optimize.spaces import measured
from tests.planner.split import reference

needs_data = pytest.mark.skipif(not MEASURED.is_file() or not reference.PRESENT, reason="measured data not there")


@needs_data
class TestPublished:
    def at(self, mode: str, quantile: float = 0.5, attainment: str = "100%", batch: int = 8) -> Space:
        search = {"batch": [batch], "exit_mode": [mode]}
        slo = f"services.sentiment.slo={{latency: 100ms, attainment: {attainment}}}"
        scenario = measured({"survival_quantile": quantile, "search": search}, slo)
        return space_of(scenario, "sentiment", pool_limits(scenario))

    def test_20000_a_second_need_12_devices_where_vanilla_needs_21(self) -> None:
        fewest = {mode: self.at(mode).least(20_000).sum(axis=1).min() for mode in ("none", "at_cut")}
        assert fewest == {"none": 21, "at_cut": 12}

    def test_12_devices_are_enough_at_the_bad_end_of_survival_when_99_percent_count(self) -> None:
        assert self.at("at_cut", 0.95, "99%").least(20_000).sum(axis=1).min() == 12

    @pytest.mark.parametrize("batch", [1, 8, 64])
    def test_capacity_of_16_devices_is_the_published_one(self, batch: int) -> None:
        row = reference.rows().query("precision == 'fp16' and threshold == 0.8 and batch == @batch").iloc[0]
        space = self.at("at_cut", batch=batch)
        cuts = tuple(int(cut) for cut in row["cuts_int16"].split("-"))
        number = next(n for n in range(len(space.shapes)) if space.shapes[n].detail.cuts == cuts)
        replicas = [int(n) for n in row["replicas_int16"].split("-")]
        rate = min(n / work for n, work in zip(replicas, space.work_s[number]))
        assert rate == pytest.approx(row["split_int16_per_s"], rel=1e-4)

    def test_times_are_those_of_the_steady_state_program(self) -> None:
        space, problem = self.at("at_cut"), exit_case(swapped(8)).problem
        sets = cut_sets(problem.exits, 3)
        sets = sets.keep(np.flatnonzero((sets.size > 0) & (sets.size <= 3)))
        assert len(space.shapes) == len(sets.cuts) == 231
        _, cost = set_costs(problem, 8, sets)
        expected = {
            tuple(cut for cut in row if cut < 12): one[:, 0] / 8
            for one, row in zip(cost, sets.cuts.tolist(), strict=True)
        }
        for number in range(len(space.shapes)):
            cuts = space.shapes[number].detail.cuts
            assert space.work_s[number, : len(cuts) + 1] == pytest.approx(expected[cuts][: len(cuts) + 1], rel=1e-9)

    def test_compact_is_that_of_the_steady_state_program(self) -> None:
        plan = best_whole(exit_case(swapped(8)).problem, "compact", 8)
        assert plan is not None
        best = self.at("compact")
        assert 16 / best.work_s[0, 0] == pytest.approx(plan.capacity, rel=1e-9)
        assert best.shapes[0].detail.ramps == plan.ramps
