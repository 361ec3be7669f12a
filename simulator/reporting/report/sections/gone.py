"""What if one type of device cannot be had? Its replicas go to free devices of other types, as far as there are any."""

from __future__ import annotations

from collections.abc import Mapping

from simulator.reporting.report.bench import Bench
from simulator.reporting.report.case import Case, Json, Part
from simulator.reporting.report.content import Block, Cell, Table, note, plain
from simulator.reporting.report.pointers import shown, word
from simulator.scenario import Scenario
from simulator.scenario.deployment import Deployment, Portion


def _numbers(case: Case) -> Json | None:
    bench = case.bench
    if bench is None:
        return None
    types: dict[str, list[str]] = {}
    for name, pool in case.pools.items():
        types.setdefault(pool.device or name, []).append(name)
    used = {portion.pool for window in _first(bench.scenario).values() for portion in window.portions}
    rows = {kind: _row(case, bench, pools) for kind, pools in types.items() if used & set(pools)}
    ever = {portion.pool for one in case.scenario.services.values() for _, w in one.timeline for portion in w.portions}
    later = [kind for kind, pools in types.items() if ever & set(pools) and kind not in rows]
    return {"rows": rows, "types": len(types), "later": later} if rows else None


def _first(scenario: Scenario) -> dict[str, Deployment]:
    """The deployment of every service that the bench runs first."""
    return {name: service.timeline[0][1] for name, service in scenario.services.items()}


def _row(case: Case, bench: Bench, gone: list[str]) -> Json:
    free = _free(case, bench.scenario, gone)
    services, moved, stopped = {}, 0, []
    for name, service in bench.scenario.services.items():
        windows = [(start, _without(window, gone, dict(free))) for start, window in service.timeline]
        if any(window is None for _, window in windows):
            stopped.append(name)
            continue
        first = windows[0][1]
        assert first is not None
        moved += _taken(service.timeline[0][1], first, free)
        changes = {"deployment": first, "deployments": None}
        services[name] = service.model_copy(update=changes)
    jobs = [n for n, one in case.scenario.trainings.items() if one.pipeline.pool in gone]
    jobs += [n for n, one in case.scenario.streams.items() if one.pool in gone]
    row: Json = {
        "pools": gone,
        "moved": moved,
        "stopped": [*stopped, *jobs],
        "services": {},
        "holds": False,
        "error": None,
    }
    if not services:
        return row
    found = bench.try_out(bench.scenario.model_copy(update={"services": services}))
    row["services"] = {
        name: {"attainment": one["attainment"], "p99": one["latency"]["p99"]}
        for name, one in found.metrics["services"].items()
    }
    row["holds"] = not row["stopped"] and bench.holds(found)
    row["error"] = None if found.error is None else found.error.splitlines()[0]
    return row


def _free(case: Case, scenario: Scenario, gone: list[str]) -> dict[str, int]:
    """Replicas that the other pools have room for beside what they run."""
    free = {name: pool.pool.count for name, pool in case.pools.items() if name not in gone}
    for window in _first(scenario).values():
        for portion in window.portions:
            if portion.pool in free:
                free[portion.pool] -= (_count(portion, window)) * case.pools[portion.pool].pool.devices_per_replica
    for one in case.scenario.trainings.values():
        if one.pipeline.pool in free:
            free[one.pipeline.pool] -= one.pipeline.stages * one.pipeline.replicas
    for stream in case.scenario.streams.values():
        if stream.pool in free:
            free[stream.pool] -= stream.devices
    each = {name: case.pools[name].pool.devices_per_replica for name in free}
    return {name: max(count, 0) // each[name] for name, count in free.items()}


def _count(portion: Portion, window: Deployment) -> int:
    if window.execution == "serial":
        return (window.replicas or 1) if portion is window.portions[0] else 0
    return portion.replicas or 1


def _without(window: Deployment, gone: list[str], free: dict[str, int]) -> Deployment | None:
    """The deployment on what is left; None where a portion has no device any more."""
    if not any(portion.pool in gone for portion in window.portions):
        return window
    if window.execution == "serial":
        return _serial_without(window, free)
    portions: list[Portion] = []
    for portion in window.portions:
        if portion.pool not in gone:
            portions.append(portion)
            continue
        needed = portion.replicas or 1
        for pool in free:
            taken = min(needed, free[pool])
            if taken:
                portions.append(portion.model_copy(update={"pool": pool, "replicas": taken}))
                free[pool] -= taken
                needed -= taken
    covered = {str(portion.layers) for portion in portions}
    if covered != {str(portion.layers) for portion in window.portions}:
        return None
    order = {str(portion.layers): place for place, portion in reversed(list(enumerate(window.portions)))}
    merged = _merged(sorted(portions, key=lambda one: order[str(one.layers)]))
    return window.model_copy(update={"portions": tuple(merged)})


def _merged(portions: list[Portion]) -> list[Portion]:
    """Entries that are the same kind of replica as one."""
    found: dict[tuple[str, str, int, str], Portion] = {}
    for one in portions:
        key = (str(one.layers), one.pool, one.batch, str(one.precision))
        if key in found:
            one = found[key].model_copy(update={"replicas": (found[key].replicas or 0) + (one.replicas or 0)})
        found[key] = one
    return list(found.values())


def _serial_without(window: Deployment, free: dict[str, int]) -> Deployment | None:
    pool = max(free, key=lambda name: free[name], default=None)
    if pool is None or not free[pool]:
        return None
    portions = tuple(portion.model_copy(update={"pool": pool}) for portion in window.portions)
    return window.model_copy(update={"portions": portions, "replicas": min(window.replicas or 1, free[pool])})


def _taken(before: Deployment, after: Deployment, free: dict[str, int]) -> int:
    """Replicas that were moved; they are free no more."""
    moved = 0
    for pool in free:
        had = sum(_count(one, before) for one in before.portions if one.pool == pool)
        has = sum(_count(one, after) for one in after.portions if one.pool == pool)
        free[pool] -= has - had
        moved += has - had
    return moved


def _blocks(case: Case) -> list[Block]:
    numbers = case.numbers("gone")
    assert numbers is not None
    names = list(case.bench.scenario.services) if case.bench is not None else []
    rows: list[tuple[Cell, ...]] = []
    for kind, row in numbers["rows"].items():
        cells: list[Cell] = []
        for name in names:
            known = row["services"].get(name)
            here = ("gone", "rows", kind, "services", name)
            cells.append("stops" if known is None else shown(case.tree, "share", *here, "attainment"))
        rows.append((kind, shown(case.tree, "plain", "gone", "rows", kind, "moved"), *cells, _holds(case, kind, row)))
    several = len(names) > 1
    titles = [f"{name}: in time" if several else "in time" for name in names]
    header = ("without", "replicas moved", *titles, "holds")
    blocks: list[Block] = [Table("Without one type of device", header, tuple(rows)), *_remarks(numbers["rows"])]
    if numbers["later"]:
        blocks.append(note(f"Used in other windows than the one that is tried here: {', '.join(numbers['later'])}."))
    if numbers["types"] == 1:
        blocks.append(plain("The scenario has one type of device: without it nothing runs."))
    return [*blocks, note("Replicas move to free devices of other pools as they are; a new plan may use those better.")]


def _holds(case: Case, kind: str, row: Json) -> Cell:
    return "cannot run" if row["error"] else word(case.tree, "gone", "rows", kind, "holds")


def _remarks(rows: Mapping[str, Json]) -> list[Block]:
    return [note(f"Without {kind}: {row['error']}") for kind, row in rows.items() if row["error"]]


PART = Part("gone", "What if a device type is gone?", _numbers, _blocks)
