"""What it costs and how much of the load is answered in time, with intervals."""

from __future__ import annotations

from simulator.reporting.report.case import Case, Json, Part
from simulator.reporting.report.content import Block, Cell, Table, note
from simulator.reporting.report.pointers import asked, shown
from simulator.results.figures import ends
from simulator.results.units import Kind

ROWS: tuple[tuple[str, str, Kind], ...] = (
    ("requests", "arrived", "plain"),
    ("completed", "completed", "plain"),
    ("dropped", "dropped", "plain"),
    ("rejected", "rejected", "plain"),
    ("failed", "failed", "plain"),
    ("unfinished at the end", "inside", "plain"),
    ("answered", "throughput", "rate"),
    ("answered in time", "goodput", "rate"),
    ("attainment", "attainment", "share"),
    ("accuracy", "accuracy", "share"),
    ("latency, mean", "latency.mean", "seconds"),
    ("latency, p99", "latency.p99", "seconds"),
    ("cost per hour", "cost_per_hour", "plain"),
    ("cost per million answers", "cost_per_million", "plain"),
)
_RARE = ("dropped", "rejected", "failed", "inside")
"""Left out where nobody has any."""


def _numbers(case: Case) -> Json:
    costs = [tree["cost_per_hour"] for tree in case.figures["pools"].values()]
    objectives = {name: _objective(case, name) for name in case.figures["services"]}
    return {"cost_per_hour": sum(cost for cost in costs if cost), "objectives": objectives}


def _objective(case: Case, name: str) -> Json:
    slo = case.scenario.services[name].slo if name in case.scenario.services else None
    return {"latency": slo.latency if slo else None, "attainment": slo.attainment if slo else None}


def _blocks(case: Case) -> list[Block]:
    tree = case.tree
    found: list[Block] = []
    for name, figures in case.figures["services"].items():
        found.append(_service(tree, name, figures))
    found.append(_pools(case))
    if case.figures["replications"] == 1 and case.figures["services"]:
        found.append(note("One replication: figures have no interval. `--replications 5` gives them one."))
    elif case.figures["replications"] > 1:
        found.append(note("Counts are totals; ± is half of the 95 % interval over the replications."))
    found.append(note("Costs are in the currency of the prices."))
    return found


def _service(tree: Json, name: str, figures: Json) -> Table:
    here = ("result", "services", name)
    columns = {"all" if "classes" in figures else "": here}
    columns |= {one: (*here, "classes", one) for one in figures.get("classes", {})}
    asks = tree["money"]["objectives"][name]
    rows: list[tuple[Cell, ...]] = []
    if asks["latency"] is not None:
        wanted: list[Cell] = [asked(tree, "seconds", "money", "objectives", name, "latency")]
        rows.append(("objective: latency", *wanted, *([""] * (len(columns) - 1))))
    if asks["attainment"] is not None:
        wanted = [asked(tree, "share", "money", "objectives", name, "attainment")]
        rows.append(("objective: attainment", *wanted, *([""] * (len(columns) - 1))))
    for title, metric, kind in ROWS:
        cells = [_cell(tree, place, metric, kind) for place in columns.values()]
        known = [cell for cell in cells if not isinstance(cell, str) and cell.value is not None]
        if known and (metric not in _RARE or any(cell.value for cell in known)):
            rows.append((title, *cells))
    return Table(name, ("", *columns), tuple(rows))


def _cell(tree: Json, place: tuple[str, ...], metric: str, kind: Kind) -> Cell:
    entry = tree
    for step in place:
        entry = entry[step]
    if metric.split(".")[0] not in entry:
        return ""
    return shown(tree, kind, *place, *metric.split("."), ends=ends(entry, metric))


def _pools(case: Case) -> Table:
    tree = case.tree
    rows: list[tuple[Cell, ...]] = []
    for name, figures in case.figures["pools"].items():
        here = ("result", "pools", name)
        rows.append(
            (
                f"{name} ({case.pools[name].device or 'own device'})",
                shown(tree, "plain", *here, "used"),
                shown(tree, "plain", *here, "count"),
                shown(tree, "share", *here, "utilization", ends=ends(figures, "utilization")),
                shown(tree, "plain", *here, "cost_per_hour", ends=ends(figures, "cost_per_hour")),
            )
        )
    rows.append(("all", "", "", "", shown(tree, "plain", "money", "cost_per_hour")))
    return Table("Devices", ("pool", "used", "of", "utilization", "cost per hour"), tuple(rows))


PART = Part("money", "Cost and attainment", _numbers, _blocks)
