"""Spaces of shapes: against the simulator's own arrays, published figures, and every choice one by one."""

from __future__ import annotations

import re
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from simulator.cluster.lower import lower
from simulator.errors import ScenarioError
from simulator.planner.optimize.problem import Space
from simulator.planner.optimize.space.build import cheapest_first, deployment_of, space_of
from simulator.planner.optimize.space.deploy import ranges
from simulator.scenario import Scenario
from simulator.scenario.deployment import Deployment, TimedDeployment
from tests.planner.optimize.spaces import POOLS, Made, answered_right, carried, deployed, limits, made

QUICK = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def groups(space: Space, shape: int) -> int:
    return len(space.shapes[shape].groups)


def sample(space: Space, most: int = 40) -> list[int]:
    """Shapes at even steps, the first and the last among them."""
    return sorted({round(at) for at in np.linspace(0, len(space.shapes) - 1, most)})


class TestAgainstTheSimulator:
    @QUICK
    @given(case=made())
    def test_work_accuracy_and_memory_are_those_of_the_lowered_deployment(self, case: Made, tmp_path: Path) -> None:
        scenario = case.scenario(tmp_path)
        space = space_of(scenario, "s", limits(scenario))
        for number in sample(space):
            shape = space.shapes[number]
            one = deployed(scenario, deployment_of(space, number, [1] * groups(space, number)))
            if shape.accuracy is not None:
                assert shape.accuracy == pytest.approx(answered_right(one), abs=1e-12)
            work = space.work_s[number, : groups(space, number)]
            if shape.exit_mode == "compact":
                continue  # the simulator's bound counts the expected number of survivors: see the test below
            if case.network is None:
                rates = [1 / rate for rate in carried(one)]
                assert work == pytest.approx(rates, rel=1e-9)
            else:  # that of the simulator sends the mean number of survivors: latency counts whole
                assert all(mine <= 1 / rate * (1 + 1e-9) for mine, rate in zip(work, carried(one)))

    @QUICK
    @given(case=made(survival_quantile=0.95))
    def test_bad_end_of_survival_asks_for_no_less(self, case: Made, tmp_path: Path) -> None:
        scenario = case.scenario(tmp_path)
        space = space_of(scenario, "s", limits(scenario))
        for number in sample(space, 20):
            shape = space.shapes[number]
            if shape.exit_mode == "at_cut" and shape.execution == "parallel" and case.network is None:
                one = deployed(scenario, deployment_of(space, number, [1] * groups(space, number)))
                work = space.work_s[number, : groups(space, number)]
                assert all(mine >= 1 / rate * (1 - 1e-9) for mine, rate in zip(work, carried(one)))
            for _, share, low, high in shape.detail.survival:
                assert low <= share <= high

    @QUICK
    @given(case=made())
    def test_deployments_read_back_as_they_are_written(self, case: Made, tmp_path: Path) -> None:
        scenario = case.scenario(tmp_path)
        space = space_of(scenario, "s", limits(scenario))
        for number in sample(space, 20):
            made_of = deployment_of(space, number, [3] * groups(space, number))
            text = made_of.model_dump(mode="json", by_alias=True, exclude_defaults=True)
            assert Deployment.model_validate(text) == made_of

    @QUICK
    @given(case=made())
    def test_equal_keys_are_replicas_that_a_change_of_deployment_keeps(self, case: Made, tmp_path: Path) -> None:
        scenario = case.scenario(tmp_path)
        space = space_of(scenario, "s", limits(scenario))
        for first, second in combinations(sample(space, 6), 2):
            both = [deployment_of(space, number, [1] * groups(space, number)) for number in (first, second)]
            kept = _kept_kinds(scenario, both)
            mine, other = (space.key[number, : groups(space, number)].tolist() for number in (first, second))
            assert kept == len(set(mine) & set(other))


def _kept_kinds(scenario: Scenario, both: list[Deployment]) -> int:
    """Kinds of replica of one deployment that the next one uses too."""
    timed = tuple(
        TimedDeployment.model_validate({**one.model_dump(mode="json", exclude_none=True), "from": start})
        for start, one in zip(("0s", "500ms"), both)
    )
    spec = scenario.services["s"].model_copy(update={"deployment": None, "deployments": timed})
    service = lower(scenario.model_copy(update={"services": {"s": spec}})).services[0]
    held = [
        {(index, kind) for index, counts in zip(one.stations, one.replicas) for kind, n in enumerate(counts) if n}
        for one in service.deployments
    ]
    return len(held[0] & held[1])


class TestEveryChoice:
    """All deployments written one by one: what is not in the space is refused by a limit or beaten in everything."""

    @QUICK
    @given(case=made(most_layers=3))
    def test_nothing_better_is_left_out(self, case: Made, tmp_path: Path) -> None:
        scenario = case.scenario(tmp_path)
        space = space_of(scenario, "s", limits(scenario))
        known: dict[Any, list[np.ndarray]] = {}
        for number in range(len(space.shapes)):
            shape = space.shapes[number]
            if shape.exit_mode == "at_cut" and shape.execution == "parallel":
                place = (shape.batch, tuple((group.layers, group.pool) for group in shape.groups))
                known.setdefault(place, []).append(space.work_s[number, : len(shape.groups)])
        assert scenario.planner is not None
        for deployment, place in _at_cuts(scenario, len(case.overhead)):
            one = deployed(scenario, deployment)
            floor = scenario.planner.accuracy_floor
            if floor is not None and answered_right(one) < floor - 1e-12:
                continue
            if case.network is not None:
                continue
            work = np.array([1 / rate for rate in carried(one)])
            assert any((mine <= work * (1 + 1e-9)).all() for mine in known[place]), place


def _at_cuts(scenario: Scenario, layers: int) -> list[tuple[Deployment, Any]]:
    assert scenario.planner is not None
    search, names = scenario.planner.search, list(scenario.cluster.pools)
    found = []
    for size in range(1, search.max_cuts + 1):
        for cuts in combinations(range(1, layers), size):
            bounds = list(zip((0, *cuts), (*cuts, layers)))
            kinds = list(product(range(len(names)), search.precision))
            choices = product(search.exit_rules or (None,), search.batch, product(kinds, repeat=size + 1))
            for rule, batch, chosen in choices:
                portions = [
                    {
                        "layers": f"{a + 1}-{b}",
                        "pool": names[pool],
                        "replicas": 1,
                        "batch": batch,
                        "precision": form,
                    }
                    for (a, b), (pool, form) in zip(bounds, chosen)
                ]
                place = (batch, tuple(((a + 1, b), pool) for (a, b), (pool, _) in zip(bounds, chosen)))
                body = {"exit_mode": "at_cut", "rule": rule, "portions": portions}
                found.append((Deployment.model_validate(body), place))
    return found


class TestWholeSections:
    def test_two_pools_each_carry_all_where_the_loss_of_one_is_survived(self, tmp_path: Path) -> None:
        case = Made((200, 300), (90, 80), {"survive": {"pool": "any"}, "search": {"batch": [4]}}, POOLS)
        scenario = case.scenario(tmp_path)
        space = space_of(scenario, "s", limits(scenario))
        for number in range(len(space.shapes)):
            shape = space.shapes[number]
            by_layers: dict[tuple[int, int], list[int]] = {}
            for group in shape.groups:
                by_layers.setdefault(group.layers, []).append(group.pool)
            assert all(sorted(pools) == [0, 1] for pools in by_layers.values())
            deployed(scenario, deployment_of(space, number, [1] * len(shape.groups)))

    def test_a_model_without_exits_is_cut_where_memory_demands_it(self, tmp_path: Path) -> None:
        case = Made((100,) * 4, (50,) * 4, {"search": {"batch": [2], "exit_mode": ["none"]}}, POOLS, weights="6GB")
        scenario = case.scenario(tmp_path)
        space = space_of(scenario, "s", limits(scenario))
        assert {groups(space, number) for number in range(len(space.shapes))} == {2, 3, 4}
        for number in sample(space):
            deployed(scenario, deployment_of(space, number, [1] * groups(space, number)))

    def test_streamed_weights_fit_where_resident_ones_do_not(self, tmp_path: Path) -> None:
        search = {"batch": [2], "max_cuts": 0, "exit_mode": ["none"], "weights": ["resident", "streamed"]}
        server = {"bandwidth": "12GB/s", "memory": "64GB"}
        case = Made((100,) * 4, (50,) * 4, {"search": search}, POOLS, weights="6GB", server=server, latency="10s")
        scenario = case.scenario(tmp_path)
        space = space_of(scenario, "s", limits(scenario))
        assert {space.shapes[n].detail.portions[0].weights for n in range(len(space.shapes))} == {"streamed"}
        one = deployed(scenario, deployment_of(space, 0, [1]))
        assert space.work_s[0, 0] == pytest.approx(1 / carried(one)[0], rel=1e-9)
        assert {left.reason for left in space.left_out} == {"memory"}

    def test_waiting_times_keep_work_and_replicas(self, tmp_path: Path) -> None:
        case = Made((200, 300), (90, 80), {"search": {"batch": [4], "max_wait": ["0s", "5ms"]}}, POOLS)
        scenario = case.scenario(tmp_path)
        space = space_of(scenario, "s", limits(scenario))
        waits = [space.shapes[n].detail.portions[0].max_wait_s for n in range(len(space.shapes))]
        assert waits == [0.0, 0.005] * (len(waits) // 2)
        assert (space.key[::2] == space.key[1::2]).all()

    def test_cheapest_come_first(self, tmp_path: Path) -> None:
        scenario = Made((200, 300, 100), (90, 80, 20), {}, POOLS).scenario(tmp_path)
        space = space_of(scenario, "s", limits(scenario))
        price = (space.least(5000) * space.price).sum(axis=1)
        assert price[cheapest_first(space, 5000, 5)].tolist() == sorted(price.tolist())[:5]

    def test_ranges_read_like_the_deployment(self, tmp_path: Path) -> None:
        case = Made((200, 300), (90, 80), {"search": {"batch": [4], "exit_mode": ["at_cut"]}}, POOLS)
        scenario = case.scenario(tmp_path)
        space = space_of(scenario, "s", limits(scenario))
        number = next(n for n in range(len(space.shapes)) if [g.pool for g in space.shapes[n].groups] == [0, 1])
        assert ranges(space, number, [2, 3]) == "1: 2 x a | 2: 3 x b"


class TestRefused:
    def refused(self, case: Made, folder: Path) -> str:
        scenario = case.scenario(folder)
        with pytest.raises(ScenarioError) as caught:
            space_of(scenario, "s", limits(scenario))
        assert len(caught.value.problems) == 1
        return str(caught.value)

    def test_an_objective_below_the_fastest_possible_time(self, tmp_path: Path) -> None:
        search = {"batch": [1, 8], "exit_mode": ["none"]}
        case = Made((400, 400), (100, 100), {"search": search}, POOLS, latency="500us")
        text = self.refused(case, tmp_path)
        assert "0.5 ms is below the fastest possible service time, 1 ms (none on a at fp16, batch 1)" in text

    def test_a_floor_that_nothing_reaches(self, tmp_path: Path) -> None:
        text = self.refused(Made((10, 10), (1, 1), {"accuracy_floor": 0.999}, POOLS), tmp_path)
        best = float(re.search(r"accuracy_floor: (0\.\d+) is the best that service s reaches", text)[1])  # type: ignore[index]
        assert 0.8 < best < 0.999

    def test_a_model_that_fits_nowhere(self, tmp_path: Path) -> None:
        text = self.refused(Made((1, 1), (1, 1), {}, POOLS, weights="90GB"), tmp_path)
        assert "fits the memory of no device" in text
