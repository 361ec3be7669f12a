"""What if answers are wanted sooner?"""

from __future__ import annotations

from simulator.reporting.report.case import Case, Json, Part
from simulator.reporting.report.changes import tightened
from simulator.reporting.report.content import Block, Cell, Table, note
from simulator.reporting.report.pointers import shown, times, word
from simulator.scenario.service import Service

FACTORS = (1.0, 0.75, 0.5, 0.25)


def _numbers(case: Case) -> Json | None:
    bench = case.bench
    if bench is None or not any(_has_slo(service) for service in bench.scenario.services.values()):
        return None
    rows = []
    for factor in FACTORS:
        found = bench.try_lowered(tightened(bench.lowered, factor))
        services = {
            name: {"attainment": one["attainment"], "goodput": one["goodput"]}
            for name, one in found.metrics["services"].items()
            if one["attainment"] is not None
        }
        rows.append({"factor": factor, "holds": bench.holds(found), "services": services})
    return {"rows": rows}


def _has_slo(service: Service) -> bool:
    return service.slo is not None or any(one.slo is not None for one in service.classes or ())


def _blocks(case: Case) -> list[Block]:
    numbers = case.numbers("tighter")
    assert numbers is not None
    names = list(numbers["rows"][0]["services"])
    rows: list[tuple[Cell, ...]] = []
    for number, row in enumerate(numbers["rows"]):
        here = ("tighter", "rows", number)
        cells = [
            shown(case.tree, "share", *here, "services", name, "attainment") if name in row["services"] else "-"
            for name in names
        ]
        rows.append((times(case.tree, *here, "factor"), *cells, word(case.tree, *here, "holds")))
    several = len(names) > 1
    titles = (f"{name}: in time" if several else "in time" for name in names)
    table = Table(
        "Latency objective, as a multiple of today's", ("objective", *titles, "holds"), tuple(rows), frozenset({0})
    )
    blocks: list[Block] = [table]
    if case.bench is not None and case.bench.note:
        blocks.append(note("Simulated like the loads above."))
    return blocks


PART = Part("tighter", "What if answers are wanted sooner?", _numbers, _blocks)
