"""The space of one service: every shape that may be chosen, and the figures where there is none."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import numpy as np

from simulator.errors import ScenarioError
from simulator.planner.optimize.problem import Ints, PoolLimit, Space
from simulator.planner.optimize.space.anyplan import AnyPlan, any_plan_bound
from simulator.planner.optimize.space.blocks import MODES, Block, floats, integers, padded
from simulator.planner.optimize.space.capped import capped
from simulator.planner.optimize.space.deploy import deployment_of, ranges
from simulator.planner.optimize.space.enumerate import Enumeration, loading
from simulator.planner.optimize.space.fixed import check_prices, pool_limits
from simulator.planner.optimize.space.ground import Ground, Target, ground_of, target_of
from simulator.planner.optimize.space.leftout import LeftOut
from simulator.planner.optimize.space.shapes import Detail, Rows, Shapes
from simulator.scenario import Scenario
from simulator.scenario.planning import Planner

__all__ = [
    "AnyPlan",
    "Detail",
    "LeftOut",
    "Target",
    "any_plan_bound",
    "cheapest_first",
    "check_prices",
    "deployment_of",
    "pool_limits",
    "ranges",
    "space_of",
    "target_of",
]


def space_of(scenario: Scenario, service: str, pools: Sequence[PoolLimit], planner: Planner | None = None) -> Space:
    """Every shape of a service that the planner's section allows (left out: the scenario's own), cheapest first.

    Shapes of equal cuts, pools and batch that are slower in every portion than another one, and load no faster, are
    not in it. ``space.notes`` say what was not looked at. A service of which nothing is left is a ScenarioError with
    the figure.
    """
    ground = ground_of(scenario, service, pools, planner)
    found = Enumeration(ground).run()
    blocks = [block for block in found.blocks if len(block.cuts)]
    if not blocks:
        raise _nothing(ground, found)
    return _space(ground, found, blocks)


def cheapest_first(space: Space, rate: float, count: int) -> Ints:
    """Numbers of the shapes whose least replicas for ``rate`` [1/s] cost least; of equal price the fewest replicas."""
    least = space.least(rate)
    price = (least * space.price).sum(axis=1)
    order: Ints = np.lexsort((np.arange(len(price)), least.sum(axis=1), price))[:count]
    return order


def _space(ground: Ground, found: Enumeration, every: list[Block]) -> Space:
    most = capped(ground, every)
    blocks = most.blocks
    waits, bench = len(ground.search.max_wait), integers(blocks, "bench")
    up = np.array([*(one.up for one in ground.benches), 1.0])
    work = floats(blocks, "item_s") / up[bench]
    devices = np.array([*(one.devices for one in ground.benches), 0])[bench]
    pool = np.array([*(one.kind.pool for one in ground.benches), -1])[bench]
    prices = np.array([*(ground.pools[one.kind.pool].price_per_hour for one in ground.benches), 0.0])[bench] * devices
    order = np.repeat(np.argsort((work * prices).sum(axis=1), kind="stable"), waits)
    rows = _rows(ground, blocks, bench, found.sets, order)
    return Space(
        service=ground.service,
        shapes=Shapes(ground, rows, tuple(found.sets)),
        served=ground.target.served,
        pool=pool[order],
        devices=devices[order],
        work_s=work[order],
        price=prices[order],
        load_s=rows.load_s,
        key=rows.key,
        left_out=found.survey.left_out(ground),
        notes=(*found.notes, *([] if most.note is None else [most.note])),
        rest=(0.0, 0.0) if found.notes else most.rest,
    )


def _rows(ground: Ground, blocks: list[Block], bench: Ints, sets: list[tuple[int, ...]], order: Ints) -> Rows:
    """Columns of all blocks in a new order, each shape as often as there are waiting times."""

    def each(name: str) -> Ints:
        """A number of the whole block."""
        return np.concatenate([np.full(len(block.cuts), int(getattr(block, name))) for block in blocks])

    mode, size, cuts = each("mode"), each("size"), integers(blocks, "cuts")
    start, end = integers(blocks, "start"), integers(blocks, "end")
    waits = len(ground.search.max_wait)
    return Rows(
        mode=mode[order],
        rule=each("rule")[order],
        size=size[order],
        wait=np.tile(np.arange(waits), len(order) // waits),
        cuts=cuts[order],
        bench=bench[order],
        start=start[order],
        end=end[order],
        busy_s=floats(blocks, "busy_s")[order],
        survive=floats(blocks, "survive")[order],
        service_s=floats(blocks, "service_s")[order],
        accuracy=floats(blocks, "accuracy")[order],
        load_s=padded([loading(ground, block) for block in blocks], 0.0)[order],
        key=_keys(ground, (mode, start, end, bench, size, cuts), sets)[order],
    )


def _keys(ground: Ground, columns: tuple[Ints, ...], sets: list[tuple[int, ...]]) -> Ints:
    """Numbers of what makes replicas the same: mode, layers, kind, batch, and the ramps inside where they matter.

    A changed rule or waiting time keeps them.
    """
    mode, start, end, bench, size, cuts = columns
    first: dict[tuple[int, ...], int] = {}
    same = np.array([0, *(first.setdefault(one, number) + 1 for number, one in enumerate(sets))])
    matters = np.isin(mode, [MODES.index(one) for one in ("compact", "answer_early", "serial")])
    inside = np.where(matters, same[cuts + 1], 0)
    ends, sizes = ground.layers + 1, len(ground.search.batch)
    code = ((mode[:, None] * ends + start) * ends + end) * len(ground.benches) + bench
    code = (code * sizes + size[:, None]) * (len(sets) + 1) + inside[:, None]
    numbers, here = np.full(bench.shape, -1), bench >= 0
    numbers[here] = np.unique(code[here], return_inverse=True)[1]
    return numbers


def _nothing(ground: Ground, found: Enumeration) -> ScenarioError:
    """Why no shape is left, with the figure that comes nearest."""
    scenario, survey = ground.scenario, found.survey
    source, here = scenario.source, ("services", ground.service)
    fastest_s, what = survey.fastest
    if not survey.seen:
        text = f"leaves nothing for service {ground.service}, whose model has {'' if ground.rules else 'no '}exits"
        return ScenarioError(source.problem(("planner", "search"), text))
    if fastest_s == inf:
        text = (
            "fits the memory of no device of the search, however it is cut: allow more cuts, smaller batches or formats"
        )
        return ScenarioError(source.problem((*here, "model"), text))
    if fastest_s > ground.target.latency_s * (1 + 1e-9):
        text = (
            f"{ground.target.latency_s * 1e3:.4g} ms is below the fastest possible service time, "
            f"{fastest_s * 1e3:.4g} ms ({what})"
        )
        return ScenarioError(source.problem((*here, "slo", "latency"), text))
    best, how = survey.best
    floor = ("planner", "accuracy_floor")
    if ground.floor is not None and best < ground.floor:
        text = f"{best:.4f} is the best that service {ground.service} reaches ({how})" if best > -inf else ""
        return ScenarioError(source.problem(floor, text or f"nothing is known of right answers of {ground.service}"))
    reasons = "; ".join(map(str, survey.left_out(ground)[:3]))
    return ScenarioError(
        source.problem(("planner", "search"), f"leaves nothing for service {ground.service}: {reasons}")
    )
