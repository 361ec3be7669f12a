"""Which inputs matter most: each changed by a tenth, all else and all draws the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from simulator.cluster.evaluate import Evaluation
from simulator.reporting.report.bench import Bench
from simulator.reporting.report.case import Case, Json, Part
from simulator.reporting.report.changes import louder, sending, slower, transfers
from simulator.reporting.report.content import Block, Cell, Picture, Table, note
from simulator.reporting.report.pictures.bars import change_picture
from simulator.reporting.report.pointers import shown
from simulator.scenario.workload import Closed

STEP = 0.1
MOST = 16
"""Inputs that are tried, in the order: loads, devices' speed, transfers, replicas."""
SHOWN = 10
Pair = Callable[[], tuple[Evaluation, Evaluation]]
"""Works out what less and what more of an input gives."""


def _numbers(case: Case) -> Json | None:
    bench = case.bench
    if bench is None:
        return None
    base = bench.try_lowered(bench.lowered)
    if base.error is not None:
        return None
    inputs = list(_inputs(bench))
    rows = [_row(name, change, found(), base) for name, change, found in inputs[:MOST]]
    known = sorted((row for row in rows if row is not None), key=lambda row: -row["effect"])
    return {"rows": known, "left_out": max(len(inputs) - MOST, 0)} if known else None


def _inputs(bench: Bench) -> Iterator[tuple[str, str, Pair]]:
    """Name of an input, how it is changed, and what works out less and more of it."""
    low, high = 1.0 - STEP, 1.0 + STEP
    ten = f"± {100 * STEP:.0f} %"
    for name in bench.scenario.services:
        yield f"load of {name}", ten, partial(_both, partial(_loaded, bench, name), low, high)
    pools = {kind.pool for service in bench.lowered.services for one in service.stations for kind in one.kinds}
    for pool in sorted(pools):
        name = f"times on {bench.lowered.pools[pool].name}"
        yield name, ten, partial(_both, partial(_slower, bench, pool), low, high)
    if transfers(bench.lowered):
        yield "transfers", ten, partial(_both, partial(_sending, bench), low, high)
    for name, service in bench.scenario.services.items():
        window = service.timeline[0][1]
        for place, portion in enumerate(window.portions if window.execution == "parallel" else ()):
            of = f" of {name}" if len(bench.scenario.services) > 1 else ""
            if (portion.replicas or 1) > 1:
                yield (
                    f"replicas {portion.layers}{of}",
                    "± 1",
                    partial(_both, partial(_replicas, bench, name, place), -1, 1),
                )


def _both(change: Callable[[Any], Evaluation], less: float, more: float) -> tuple[Evaluation, Evaluation]:
    return change(less), change(more)


def _row(name: str, change: str, found: tuple[Evaluation, Evaluation], base: Evaluation) -> Json | None:
    """The largest effect on any service's p99 and attainment."""
    if any(one.error is not None for one in found):
        return None
    row: Json = {"input": name, "change": change, "effect": 0.0}
    for which, one in zip(("less", "more"), found):
        p99 = _largest(one, base, lambda figures: figures["latency"]["p99"], relative=True)
        missed = _largest(one, base, lambda figures: figures["attainment"], relative=False)
        row[which] = {"p99": p99, "attainment": missed}
        row["effect"] = max(row["effect"], abs(p99 or 0.0))
    return row


def _largest(found: Evaluation, base: Evaluation, of: Callable[[Json], float | None], relative: bool) -> float | None:
    most: float | None = None
    for name, figures in base.metrics["services"].items():
        before, after = of(figures), of(found.metrics["services"][name])
        if before is None or after is None or (relative and not before):
            continue
        change = after / before - 1.0 if relative else after - before
        if most is None or abs(change) > abs(most):
            most = change
    return most


def _loaded(bench: Bench, name: str, factor: float) -> Evaluation:
    service = bench.scenario.services[name]
    if isinstance(service.workload, Closed) and round(service.workload.clients * factor) == service.workload.clients:
        return bench.try_lowered(bench.lowered)
    return bench.try_lowered(louder(bench.lowered, factor, (name,)))


def _slower(bench: Bench, pool: int, factor: float) -> Evaluation:
    return bench.try_lowered(slower(bench.lowered, pool, factor))


def _sending(bench: Bench, factor: float) -> Evaluation:
    return bench.try_lowered(sending(bench.lowered, factor))


def _replicas(bench: Bench, name: str, place: int, more: int) -> Evaluation:
    service = bench.scenario.services[name]
    window = service.timeline[0][1]
    count = (window.portions[place].replicas or 1) + more
    portions = list(window.portions)
    portions[place] = portions[place].model_copy(update={"replicas": count})
    pools = dict(bench.scenario.cluster.pools)
    pool = pools[portions[place].pool]
    room = pool.model_copy(update={"count": pool.count + max(more, 0) * pool.devices_per_replica})
    cluster = bench.scenario.cluster.model_copy(update={"pools": {**pools, portions[place].pool: room}})
    deployed = window.model_copy(update={"portions": tuple(portions)})
    changed = service.model_copy(update={"deployment": deployed, "deployments": None})
    services = {**bench.scenario.services, name: changed}
    return bench.try_out(bench.scenario.model_copy(update={"services": services, "cluster": cluster}))


def _blocks(case: Case) -> list[Block]:
    numbers = case.numbers("sensitivity")
    assert numbers is not None
    rows = numbers["rows"][:SHOWN]
    changes = {
        f"{row['input']} {row['change']}": (100 * (row["less"]["p99"] or 0.0), 100 * (row["more"]["p99"] or 0.0))
        for row in rows
    }
    alt = "Change of the p99 latency: " + "; ".join(
        f"{name}: {low:+.3g} % and {high:+.3g} %" for name, (low, high) in changes.items()
    )
    drawn = {row["input"]: ends for row, ends in zip(rows, changes.values())}
    picture = change_picture(drawn, "change of the p99 latency [%]", "sensitivity", alt)
    cells: list[tuple[Cell, ...]] = []
    for number, row in enumerate(rows):
        here = ("sensitivity", "rows", number)
        figures = [shown(case.tree, "share", *here, which, "p99") for which in ("less", "more")]
        figures += [shown(case.tree, "share", *here, which, "attainment") for which in ("less", "more")]
        cells.append((row["input"], row["change"], *figures))
    header = ("input", "changed by", "p99, less of it", "p99, more of it", "in time, less of it", "in time, more of it")
    blocks: list[Block] = [
        Picture(picture, "What matters most", alt),
        Table("Inputs by their effect", header, tuple(cells)),
        note("Changes are those of the service that changes most: of p99 relative, of the share in time in points."),
    ]
    if numbers["left_out"]:
        blocks.append(note(f"{numbers['left_out']} more inputs were not tried."))
    if case.bench is not None and case.bench.note:
        blocks.append(note("Simulated like the loads above."))
    return blocks


PART = Part("sensitivity", "What matters most", _numbers, _blocks)
