"""The bound that holds for any plan: against stable deployments of every kind, and what it must do with the rate."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator.planner.optimize.space.anyplan import AnyPlan, any_plan_bound, next_sum
from simulator.planner.optimize.space.build import space_of
from simulator.planner.optimize.space.fixed import pool_limits
from simulator.scenario.deployment import Deployment
from tests.planner.exits.cases import MEASURED
from tests.planner.optimize.spaces import POOLS, Made, answered_right, carried, deployed, limits, made, measured

QUICK = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
needs_data = pytest.mark.skipif(not MEASURED.is_file(), reason="measured data not there")


@st.composite
def deployments(draw: st.DrawFn, case: Made) -> Deployment:
    """Any deployment of a small service: kinds side by side, cuts, batches and formats of all portions their own."""
    layers, search = len(case.overhead), case.planner["search"]
    mode = draw(st.sampled_from(search["exit_mode"]))
    ends = draw(st.sets(st.integers(1, layers - 1))) if mode in ("none", "at_cut") else set()
    bounds = list(pairwise((0, *sorted(ends), layers)))
    portions: list[dict[str, Any]] = []
    largest = max(search["batch"])
    for first, last in bounds:
        precision = draw(st.sampled_from(search["precision"]))
        for pool in sorted(draw(st.sets(st.sampled_from(sorted(POOLS)), min_size=1))):
            batch, replicas = draw(st.integers(1, largest)), draw(st.integers(1, 2))
            one = {"layers": f"{first + 1}-{last}", "pool": pool, "replicas": replicas, "batch": batch}
            portions.append({**one, "precision": precision})
    ruled = {} if mode == "none" else {"rule": draw(st.sampled_from(search["rules"]))}
    return Deployment.model_validate({"exit_mode": mode, "portions": portions, **ruled})


class TestAgainstDeployments:
    @QUICK
    @given(data=st.data(), case=made(most_layers=3))
    def test_no_stable_deployment_is_cheaper(self, data: st.DataObject, case: Made, tmp_path: Path) -> None:
        scenario = case.scenario(tmp_path)
        assert scenario.planner is not None
        bound = any_plan_bound(scenario, "s", limits(scenario))
        for _ in range(5):
            deployment = data.draw(deployments(case))
            one = deployed(scenario, deployment)
            floor = scenario.planner.accuracy_floor
            if floor is not None and answered_right(one) < floor - 1e-12:
                continue
            rate = min(carried(one))  # the largest rate that it carries: every request is served (attainment 100 %)
            price = sum(POOLS[p.pool]["price_per_hour"] * (p.replicas or 0) for p in deployment.portions)
            assert bound.cost_per_hour(rate) <= price * (1 + 1e-9)

    @QUICK
    @given(case=made(), attainment=st.sampled_from([0.9, 0.99, 1.0]), rate=st.floats(1, 50_000))
    def test_no_shape_needs_less(self, case: Made, attainment: float, rate: float, tmp_path: Path) -> None:
        case = Made(**{**case.__dict__, "attainment": attainment})
        scenario = case.scenario(tmp_path)
        pools = limits(scenario)
        space, bound = space_of(scenario, "s", pools), any_plan_bound(scenario, "s", pools)
        least = space.least(rate)
        held = np.stack([np.where(space.pool == pool, least, 0).sum(axis=1) for pool in range(len(pools))], axis=1)
        fits = (held <= [pool.devices for pool in pools]).all(axis=1)
        price = np.where(fits, (least * space.price).sum(axis=1), np.inf)
        assert bound.cost_per_hour(rate) <= price.min() * (1 + 1e-9)


class TestAsAFunction:
    @QUICK
    @given(case=made(), rates=st.lists(st.floats(0, 20_000), min_size=2, max_size=6))
    def test_it_never_falls_as_the_rate_grows(self, case: Made, rates: list[float], tmp_path: Path) -> None:
        scenario = case.scenario(tmp_path)
        bound = any_plan_bound(scenario, "s", limits(scenario))
        costs = [bound.cost_per_hour(rate) for rate in sorted(rates)]
        assert all(low <= high * (1 + 1e-8) for low, high in pairwise(costs))

    def test_one_type_pays_whole_devices(self) -> None:
        bound = AnyPlan(
            np.array([[0.001, 0.002]]),
            np.zeros((1, 2)),
            np.ones((1, 2)),
            np.zeros((1, 2)),
            np.array([3.0]),
            np.array([9.0]),
        )
        assert [bound.cost_per_hour(rate) for rate in (0, 100, 333, 334, 1000, 3000, 3001)] == [
            3.0, 3.0, 3.0, 6.0, 9.0, 27.0, np.inf,
        ]  # fmt: skip

    def test_layers_go_where_they_are_cheap(self) -> None:
        """One layer is fast on either type: a device of each, where two of the same would be 3 or 8 times as many."""
        item = np.array([[0.001, 0.008], [0.008, 0.001]])
        bound = AnyPlan(
            item, np.zeros((2, 2)), np.ones((1, 2)), np.zeros((1, 2)), np.array([2.0, 3.0]), np.array([9.0, 9.0])
        )
        assert bound.cost_per_hour(1000) == pytest.approx(5.0)

    @pytest.mark.parametrize(("cost", "sum_"), [(0, 2), (2, 2), (2.1, 3), (3.5, 4), (4.5, 5), (12, 13), (13.1, np.inf)])
    def test_sums_of_prices(self, cost: float, sum_: float) -> None:
        assert next_sum(cost, np.array([3.0, 2.0]), np.array([3.0, 2.0])) == sum_


@needs_data
class TestMeasured:
    def test_16_v100_at_batch_8(self) -> None:
        """Every layer at its time per request of batch 8, every ramp's answers gone at once: 10 of the 12 devices."""
        scenario = measured({"search": {"batch": [8]}})
        assert any_plan_bound(scenario, "sentiment", pool_limits(scenario)).cost_per_hour(20_000) == 30.6
