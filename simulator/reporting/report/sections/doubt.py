"""What the calibration error of the costs does to the answer."""

from __future__ import annotations

from typing import Any

from simulator.errors import ScenarioError
from simulator.planner.saturate import saturate
from simulator.planner.uncertainty import HIGH, LOW, uncertainty
from simulator.planner.uncertainty_draws import NORMAL, at_scores, fits_of
from simulator.planner.uncertainty_sources import cost_figures
from simulator.reporting.report.case import Case, Json, Part
from simulator.reporting.report.content import Block, Cell, Picture, Table, note, plain
from simulator.reporting.report.pictures.bars import band_picture
from simulator.reporting.report.pointers import shown, times
from simulator.results.units import Kind

ROWS: tuple[tuple[str, str, Kind], ...] = (
    ("latency, p99", "latency.p99", "seconds"),
    ("latency, mean", "latency.mean", "seconds"),
    ("attainment", "attainment", "share"),
    ("answered in time", "goodput", "rate"),
    ("cost per hour", "cost_per_hour", "plain"),
    ("cost per million answers", "cost_per_million", "plain"),
    ("time per iteration", "iteration", "seconds"),
    ("cost per iteration", "cost_per_iteration", "plain"),
    ("time per step", "step", "seconds"),
    ("cost per step", "cost_per_step", "plain"),
)


def _numbers(case: Case) -> Json:
    bench = case.small_bench
    studied = case.scenario
    if bench is not None:
        jobs = {"trainings": case.scenario.trainings, "streams": case.scenario.streams}
        studied = bench.scenario.model_copy(update=jobs)
    found = uncertainty(studied, draws=case.draws, replications=1).to_dict()
    found["capacity"] = _capacity(case) if found["draws"] else None
    found["note"] = bench.note if bench is not None else ""
    return found


def _capacity(case: Case) -> Json | None:
    """The load that holds (as a multiple) with costs as told, and with all costs at either end of their bands."""
    bench, growth = case.small_bench, case.numbers("growth")
    if bench is None or growth is None or growth["breaks"]["factor"] is None:
        return None
    fits = fits_of(cost_figures(bench.scenario))
    wanted = {"told": 0.5, "low": HIGH, "high": LOW}  # times that are long carry little
    ends: dict[str, float] = {}
    if not bench.note:  # the same run as that of the loads
        ends["told"] = growth["breaks"]["factor"]
        del wanted["told"]
    for name, share in wanted.items():
        score = {fit.file: NORMAL.inv_cdf(share) for fit in fits}
        with at_scores(bench.scenario, fits, score) as changed:
            try:
                found = saturate(changed, together=True).services
            except ScenarioError:
                return None
        ends[name] = min(one.load_factor for one in found.values())
    cost, load = _totals(case)
    per_million = {key: cost / (load * factor) * 1e6 / 3600 for key, factor in ends.items() if factor and load}
    return {"factor": ends, "cost_per_million_at_capacity": per_million or None}


def _totals(case: Case) -> tuple[float, float]:
    """Cost per hour of all pools, and answers per second of all services at the written load."""
    growth = case.numbers("growth")
    money = case.numbers("money")
    assert growth is not None
    assert money is not None
    row = next(row for row in growth["rows"] if row["factor"] == 1.0)
    return money["cost_per_hour"], sum(one["throughput"] for one in row["services"].values())


def _blocks(case: Case) -> list[Block]:
    numbers = case.numbers("doubt")
    assert numbers is not None
    blocks: list[Block] = []
    if numbers["draws"]:
        blocks += [_said(numbers), *_bands(case, numbers), *_capacity_blocks(case, numbers)]
        blocks.append(
            note(
                f"{numbers['draws']} draws, the same arrivals in all; bands hold the middle 90 %. The error of a "
                "fit is taken as common to all its laws and batch sizes: bands are rather too wide than too narrow."
            )
        )
        if numbers["note"]:
            blocks.append(note(numbers["note"]))
    else:
        blocks.append(
            plain("No figure of cost in this scenario carries a held-out error, so none of it can be drawn from.")
        )
    blocks += [note(f"Taken as exact: {text}.") for text in numbers["exact"]]
    return blocks


def _said(numbers: Json) -> Block:
    errors = ", ".join(f"{one['file']} ({one['group']}) {100 * one['error']:.3g} %" for one in numbers["varied"])
    return plain(f"Mean held-out error of the fits that time this scenario: {errors}.")


def _bands(case: Case, numbers: Json) -> list[Block]:
    blocks: list[Block] = []
    drawn: dict[str, tuple[float, float, float]] = {}
    limits: dict[str, float] = {}
    for section in ("services", "trainings", "streams"):
        for name, bands in numbers[section].items():
            blocks.append(_table(case, section, name, bands))
            for key in ("latency.p99", "iteration", "step"):
                band = bands.get(key)
                if band is not None and band["told"] is not None and band["low"] is not None:
                    drawn[name] = (1e3 * band["low"], 1e3 * band["told"], 1e3 * band["high"])
            slo = case.scenario.services[name].slo if section == "services" else None
            if slo is not None:
                limits[name] = 1e3 * slo.latency
    if not drawn:
        return blocks
    alt = "; ".join(
        f"{name}: {low:.4g} to {high:.4g} ms, {told:.4g} as told" for name, (low, told, high) in drawn.items()
    )
    label = "p99 latency, time per iteration or per step [ms]"
    picture = band_picture(drawn, limits, label, "doubt", alt)
    return [Picture(picture, "How sure the times are", alt), *blocks]


def _table(case: Case, section: str, name: str, bands: dict[str, Any]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for title, key, kind in ROWS:
        if key in bands:
            here = ("doubt", section, name, key)
            rows.append((title, *(shown(case.tree, kind, *here, end) for end in ("told", "low", "high"))))
    return Table(f"{name}: with costs that are off by their errors", ("", "as told", "5 %", "95 %"), tuple(rows))


def _capacity_blocks(case: Case, numbers: Json) -> list[Block]:
    capacity = numbers["capacity"]
    if capacity is None:
        return []
    ends = ("told", "low", "high")
    here = ("doubt", "capacity")
    rows: list[tuple[Cell, ...]] = [
        ("load that holds, of the simulated one", *(times(case.tree, *here, "factor", end) for end in ends))
    ]
    cost = capacity["cost_per_million_at_capacity"]
    if cost:
        place = (*here, "cost_per_million_at_capacity")
        cells = [shown(case.tree, "plain", *place, end) if end in cost else "-" for end in ends]
        rows.append(("cost per million answers at that load", *cells))
    return [Table("Capacity and what it costs", ("", "as told", "slow end", "fast end"), tuple(rows))]


PART = Part("doubt", "What calibration error does to the answer", _numbers, _blocks)
