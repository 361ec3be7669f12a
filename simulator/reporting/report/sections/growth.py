"""What if the load is smaller or larger than simulated, and where does it break?"""

from __future__ import annotations

from simulator.errors import ScenarioError
from simulator.planner.saturate import saturate
from simulator.reporting.report.bench import Bench
from simulator.reporting.report.case import Case, Json, Part
from simulator.reporting.report.changes import louder
from simulator.reporting.report.content import Block, Cell, Picture, Table, Words, note, plain
from simulator.reporting.report.pictures.lines import growth_picture
from simulator.reporting.report.pointers import fold, shown, times, word

FACTORS = (0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0)


def _numbers(case: Case) -> Json | None:
    bench = case.bench
    if bench is None:
        return None
    rows = [_row(bench, factor) for factor in FACTORS]
    return {"rows": rows, "breaks": _break(bench, rows), "note": bench.note}


def _row(bench: Bench, factor: float) -> Json:
    found = bench.try_lowered(bench.lowered if factor == 1.0 else louder(bench.lowered, factor))
    services = {
        name: {
            "attainment": figures["attainment"],
            "p99": figures["latency"]["p99"],
            "goodput": figures["goodput"],
            "throughput": figures["throughput"],
        }
        for name, figures in found.metrics["services"].items()
    }
    return {"factor": factor, "holds": bench.holds(found), "services": services, "error": found.error}


def _break(bench: Bench, rows: list[Json]) -> Json:
    """The highest factor that holds, as ``plan saturate --together`` finds it; None where all holds."""
    if rows[-1]["holds"]:
        return {"factor": None, "note": f"everything holds up to × {FACTORS[-1]:g}, the most that was tried"}
    try:
        found = saturate(bench.scenario, together=True).services
    except ScenarioError as error:
        return {"factor": None, "note": error.problems[0].message}
    name, first = min(found.items(), key=lambda item: item[1].load_factor)
    bottleneck = None if first.bottleneck is None else first.bottleneck.to_dict()
    rate = first.max_rate / first.load_factor if first.load_factor else None
    ends = None if first.ci95 is None or not rate else [end / rate for end in first.ci95]
    return {
        "factor": first.load_factor,
        "ci95": ends,
        "service": name,
        "bottleneck": bottleneck,
        "note": first.note,
        "rates": {other: one.max_rate for other, one in found.items()},
    }


def _blocks(case: Case) -> list[Block]:
    numbers = case.numbers("growth")
    assert numbers is not None
    breaks = numbers["breaks"]
    names = list(numbers["rows"][0]["services"])
    shares = {name: [row["services"].get(name, {}).get("attainment") for row in numbers["rows"]] for name in names}
    judged = {name: values for name, values in shares.items() if any(value is not None for value in values)}
    blocks: list[Block] = []
    if judged:
        alt = "Share answered in time by load: " + "; ".join(
            f"{name} {', '.join(f'{100 * v:.3g} % at × {f:g}' for f, v in zip(FACTORS, values) if v is not None)}"
            for name, values in judged.items()
        )
        targets = _targets(case, list(judged))
        picture = growth_picture(FACTORS, judged, targets, breaks["factor"], "growth", alt)
        blocks.append(Picture(picture, "What more load does", alt))
    blocks += [_sentence(case, breaks), _table(case, list(judged) or names)]
    return [*blocks, *([note(numbers["note"])] if numbers["note"] else [])]


def _targets(case: Case, names: list[str]) -> dict[str, float]:
    found = {}
    for name in names:
        slo = case.scenario.services[name].slo
        if slo is not None and slo.attainment is not None:
            found[name] = slo.attainment
    return found


def _sentence(case: Case, breaks: Json) -> Block:
    if breaks["factor"] is None:
        return plain(f"{breaks['note'][:1].upper()}{breaks['note'][1:]}.")
    here = ("growth", "breaks")
    words: list[Words] = ["All objectives hold up to ", fold(case.tree, *here, "factor"), " the simulated load"]
    if breaks["ci95"]:
        low, high = (f"{end:.3g}" for end in breaks["ci95"])
        words.append(f" (95 % interval {low} to {high})")
    if breaks["bottleneck"]:
        bound = breaks["bottleneck"]
        words.append(
            f"; then {breaks['service']} misses its own, and what binds is the {bound['kind']} {bound['name']}"
        )
    remark = f" ({breaks['note']})" if breaks["note"] else ""
    return plain(*words, f"{remark}.")


def _table(case: Case, names: list[str]) -> Table:
    numbers = case.numbers("growth")
    assert numbers is not None
    several = len(names) > 1
    header = ["load"]
    for name in names:
        title = f"{name}: " if several else ""
        header += [f"{title}in time", *(() if several else ("p99",))]
    rows: list[tuple[Cell, ...]] = []
    for number, row in enumerate(numbers["rows"]):
        cells: list[Cell] = [times(case.tree, "growth", "rows", number, "factor")]
        for name in names:
            here = ("growth", "rows", number, "services", name)
            known = name in row["services"]
            cells.append(shown(case.tree, "share", *here, "attainment") if known else "-")
            if not several:
                cells.append(shown(case.tree, "seconds", *here, "p99") if known else "-")
        rows.append((*cells, word(case.tree, "growth", "rows", number, "holds")))
    planned = frozenset({FACTORS.index(1.0)})
    return Table("Load, as a multiple of the simulated one", (*header, "holds"), tuple(rows), planned)


PART = Part("growth", "What if the load differs?", _numbers, _blocks)
