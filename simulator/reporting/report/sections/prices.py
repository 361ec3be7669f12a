"""What if a device costs more or less? What is deployed stays, so the cost is a line."""

from __future__ import annotations

from simulator.reporting.report.case import Case, Json, Part
from simulator.reporting.report.content import Block, Cell, Table, note
from simulator.reporting.report.pointers import shown

FACTORS = (0.5, 0.8, 1.25, 2.0)


def _numbers(case: Case) -> Json | None:
    costs = {name: tree["cost_per_hour"] or 0.0 for name, tree in case.figures["pools"].items()}
    total = sum(costs.values())
    if not total:
        return None
    rows = {
        name: {
            "price": case.pools[name].price_per_hour,
            "share": cost / total,
            "cost_per_hour": {f"{factor:g}": total + (factor - 1.0) * cost for factor in FACTORS},
        }
        for name, cost in costs.items()
        if cost
    }
    return {"cost_per_hour": total, "pools": rows}


def _blocks(case: Case) -> list[Block]:
    numbers = case.numbers("prices")
    assert numbers is not None
    rows: list[tuple[Cell, ...]] = []
    for name in numbers["pools"]:
        here = ("prices", "pools", name)
        cells = [shown(case.tree, "plain", *here, "cost_per_hour", f"{factor:g}") for factor in FACTORS]
        price, share = shown(case.tree, "plain", *here, "price"), shown(case.tree, "share", *here, "share")
        rows.append((name, price, share, *cells))
    header = ("pool", "price of a device", "share of the cost", *(f"price × {factor:g}" for factor in FACTORS))
    table = Table("Cost per hour of everything, by the price of one pool", header, tuple(rows))
    return [table, note("What is deployed stays the same here; another price may make another plan the better one.")]


PART = Part("prices", "What if a price changes?", _numbers, _blocks)
