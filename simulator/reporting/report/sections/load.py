"""The load that is expected in every window, and the capacity that is provided for it."""

from __future__ import annotations

from itertools import pairwise

from simulator.cluster.lower.capacity import capacities, rate_between
from simulator.cluster.lowered import Deployment, Service
from simulator.reporting.report.case import Case, Json, Part
from simulator.reporting.report.content import Block, Cell, Picture, Table, note
from simulator.reporting.report.forecasts import forecast_blocks, forecasts
from simulator.reporting.report.pictures.lines import Steps, load_picture
from simulator.reporting.report.pointers import clock, shown
from simulator.scenario.workload import Closed

MOST_ROWS = 48
"""Windows that are listed."""
PARTS = 24
"""Equal parts in which the load of a run with one deployment is shown."""


def _numbers(case: Case) -> Json | None:
    services = {service.info.name: _windows(case, service) for service in case.lowered.services}
    if not services:
        return None
    forecast, told = forecasts(case)
    return {"services": services, "forecast": forecast, "notes": told}


def _windows(case: Case, service: Service) -> list[Json]:
    """Load, capacity, devices and cost per hour in every window of a service."""
    found = []
    for start, end, deployment in _spans(case, service):
        carried = min(one.rate for one in capacities(service, deployment, case.lowered.overlap))
        held = held_by(service, deployment)
        load = None
        if not isinstance(service.workload, Closed):
            load = rate_between(case.scenario, service, start, end)
        found.append(
            {
                "start": start,
                "end": end,
                "load": load,
                "planned": _planned(case, service.info.name, start),
                "capacity": carried if carried < float("inf") else None,
                "devices": sum(held.values()),
                "cost_per_hour": sum(count * case.lowered.pools[pool].price_per_hour for pool, count in held.items()),
                "predicted": _predicted(case, service.info.name, start),
            }
        )
    return found


def _spans(case: Case, service: Service) -> list[tuple[float, float, Deployment]]:
    """Windows that the run reaches; one deployment that stands is shown in equal parts where its load varies."""
    duration = case.lowered.duration_s
    reached = [one for one in service.deployments if one.from_s < duration]
    starts = [one.from_s for one in reached]
    still = service.workload.process not in ("trace", "rates") and not getattr(service.workload, "shape", ())
    if still or len(reached) > 1:
        return list(zip(starts, [*starts[1:], duration], reached))
    edges = [duration * part / PARTS for part in range(PARTS + 1)]
    return [(low, high, reached[0]) for low, high in pairwise(edges)]


def held_by(service: Service, deployment: Deployment) -> dict[int, int]:
    """Devices that a deployment holds, by number of the pool."""
    held: dict[int, int] = {}
    for index, counts in zip(deployment.stations, deployment.replicas):
        for kind, count in zip(service.stations[index].kinds, counts):
            held[kind.pool] = held.get(kind.pool, 0) + count * kind.devices
    return held


def _planned(case: Case, name: str, start: float) -> float | None:
    if case.plan is None:
        return None
    window = [one for one in case.plan.windows if one.start <= start]
    return window[-1].rate.get(name) if window else None


def _predicted(case: Case, name: str, start: float) -> Json | None:
    if case.plan is None:
        return None
    window = [one for one in case.plan.windows if one.start <= start]
    found = window[-1].predicted.get(name) if window else None
    return None if found is None else found.model_dump()


def _blocks(case: Case) -> list[Block]:
    numbers = case.numbers("load")
    assert numbers is not None
    blocks: list[Block] = []
    for place, (name, windows) in enumerate(numbers["services"].items()):
        if name in numbers["forecast"]:
            blocks += forecast_blocks(f"forecast{place}", name, numbers["forecast"][name])
        blocks += [*([_picture(place, name, windows)] if len(windows) > 1 else []), _table(case, name, windows)]
        if len(windows) > MOST_ROWS:
            blocks.append(
                note(f"The first {MOST_ROWS} of {len(windows)} windows are listed; the picture has them all.")
            )
    blocks += [note(text) for text in numbers["notes"]]
    blocks.append(
        note("Capacity: what the slowest portion carries with full batches, an upper bound that no queue reaches.")
    )
    return blocks


def _picture(place: int, name: str, windows: list[Json]) -> Picture:
    edges = [*(one["start"] for one in windows), windows[-1]["end"]]
    planned = all(one["planned"] is not None for one in windows)
    load = [one["planned" if planned else "load"] for one in windows]
    what = "planned load" if planned else "load"
    known = [value for value in load if value is not None]
    alt = f"{name}: no rate is known of a closed load."
    if known:
        alt = f"{name}: a {what} of {min(known):.4g} to {max(known):.4g} requests per second in {len(windows)} windows"
        spare = [c["capacity"] / r for c, r in zip(windows, load) if r and c["capacity"]]
        alt += f"; capacity is {min(spare):.3g} to {max(spare):.3g} times the load." if spare else "."
    steps = Steps(edges, load, [one["capacity"] for one in windows], {}, lower=what)
    return Picture(load_picture(steps, f"load{place}", alt), f"{name}: load and capacity by window", alt)


def _table(case: Case, name: str, windows: list[Json]) -> Table:
    planned = any(one["planned"] is not None for one in windows)
    header = ("window", "load", *(("planned for",) if planned else ()), "capacity", "devices", "cost per hour")
    predicted = any(one["predicted"] for one in windows)
    header += ("attainment, predicted",) if predicted else ()
    rows: list[tuple[Cell, ...]] = []
    run_s = case.lowered.duration_s
    for number, one in enumerate(windows[:MOST_ROWS]):
        here = ("load", "services", name, number)
        cells: list[Cell] = [shown(case.tree, "rate", *here, "load")]
        cells += [shown(case.tree, "rate", *here, "planned")] if planned else []
        cells += [
            shown(case.tree, "rate", *here, "capacity"),
            shown(case.tree, "plain", *here, "devices"),
            shown(case.tree, "plain", *here, "cost_per_hour"),
        ]
        if predicted:
            told = one["predicted"] or {}
            known = told.get("attainment") is not None
            cells.append(shown(case.tree, "share", *here, "predicted", "attainment") if known else "-")
        rows.append((f"{clock(one['start'], run_s)} – {clock(one['end'], run_s)}", *cells))
    return Table(f"{name}: windows", header, tuple(rows))


PART = Part("load", "Load and capacity", _numbers, _blocks)
