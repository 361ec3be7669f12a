"""Where every figure of cost comes from, and how well it is known."""

from __future__ import annotations

from simulator import catalogue
from simulator.planner.uncertainty_sources import cost_figures
from simulator.reporting.report.case import Case, Json, Part
from simulator.reporting.report.content import Block, Cell, Table, note
from simulator.reporting.report.pointers import shown, word

KINDS = {
    "fit": "fit of measured rows",
    "rows": "measured rows",
    "curve": "published curve",
    "data sheet": "data sheet",
    "written": "scenario",
}


def _numbers(case: Case) -> Json:
    return {"times": [one.to_dict() for one in cost_figures(case.scenario)], "prices": _prices(case)}


def _prices(case: Case) -> Json:
    found: Json = {}
    for name, pool in case.pools.items():
        written = pool.pool.price_per_hour is not None
        source = f"cluster.pools.{name}.price_per_hour"
        if not written:
            source = "none: taken as 0"
            if pool.device is not None:
                source = f"catalogue, {pool.device}: {catalogue.device(pool.device).sources['price_per_hour']}"
        found[name] = {"price_per_hour": pool.price_per_hour, "source": source}
    return found


def _blocks(case: Case) -> list[Block]:
    numbers = case.numbers("origin")
    assert numbers is not None
    rows: list[tuple[Cell, ...]] = []
    for place, one in enumerate(numbers["times"]):
        here = ("origin", "times", place)
        error: Cell = shown(case.tree, "share", *here, "error") if one["error"] is not None else one["note"]
        what, source = word(case.tree, *here, "what"), word(case.tree, *here, "source")
        rows.append((what, KINDS[one["kind"]], source, error))
    header = ("time of", "from", "source", "mean error on held-out rows")
    blocks: list[Block] = [Table("Times", header, tuple(rows))]
    prices = tuple(
        (
            name,
            shown(case.tree, "plain", "origin", "prices", name, "price_per_hour"),
            word(case.tree, "origin", "prices", name, "source"),
        )
        for name in numbers["prices"]
    )
    blocks.append(Table("Prices", ("pool", "per device and hour", "source"), prices))
    blocks.append(note("An error is the mean of |predicted / measured - 1| over rows that the fit did not see."))
    return blocks


PART = Part("origin", "Where the figures come from", _numbers, _blocks)
