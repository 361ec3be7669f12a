"""How long requests take, against what was promised."""

from __future__ import annotations

import numpy as np

from simulator.reporting.report.case import Case, Json, Part
from simulator.reporting.report.content import Block, Cell, Picture, Table, note
from simulator.reporting.report.pictures.lines import MOST_LINES, latency_picture
from simulator.reporting.report.pointers import shown
from simulator.results import RunRecord
from simulator.results.figures import ends
from simulator.results.record import Floats, Outcome
from simulator.results.units import measure, stated

LEVELS = (*(number / 100 for number in range(100)), 0.995, 0.999, 1.0)
"""Shares of the completed requests at which a curve is drawn."""
TOLD = (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("p999", 0.999), ("max", 1.0))


def _numbers(case: Case) -> Json | None:
    found = {name: _curve(case, name, tree) for name, tree in case.figures["services"].items()}
    known = {name: curve for name, curve in found.items() if curve is not None}
    return {"services": known} if known else None


def _curve(case: Case, name: str, figures: Json) -> Json | None:
    """Share of all requests answered within a time: who got no answer is part of the whole."""
    if not figures["completed"]:
        return None
    answered = figures["completed"] / figures["arrived"]
    if case.figures["quantiles"] == "exact":
        times = np.sort(np.concatenate([_latencies(record, name) for record in case.result.records]))
        at = np.maximum(np.ceil(np.array(LEVELS) * len(times)).astype(np.int64) - 1, 0)
        return {"seconds": times[at].tolist(), "shares": [level * answered for level in LEVELS]}
    known = [(figures["latency"][key], level) for key, level in TOLD if figures["latency"][key] is not None]
    return {"seconds": [time for time, _ in known], "shares": [level * answered for _, level in known]}


def _latencies(record: RunRecord, name: str) -> Floats:
    service = [info.name for info in record.services].index(name)
    requests = record.requests
    mine = (requests.service == service) & (requests.outcome == Outcome.COMPLETED)
    mine &= (requests.arrival_s >= record.warmup_s) & (requests.arrival_s < record.duration_s)
    return np.asarray(requests.finish_s[mine] - requests.arrival_s[mine])


def _blocks(case: Case) -> list[Block]:
    numbers = case.numbers("latency")
    assert numbers is not None
    curves = {name: (one["seconds"], one["shares"]) for name, one in numbers["services"].items()}
    slos = {}
    for name in curves:
        slo = case.scenario.services[name].slo
        if slo is not None:
            slos[name] = slo.latency
    alt = "; ".join(_told(case, name, slos.get(name)) for name in list(curves)[:MOST_LINES])
    blocks: list[Block] = [
        Picture(latency_picture(curves, slos, "latency", alt), "How fast requests are answered", alt)
    ]
    blocks.append(_percentiles(case))
    blocks += [table for name in curves if (table := _breakdown(case, name)) is not None]
    if case.figures["quantiles"] != "exact":
        blocks.append(note("So many requests: percentiles come from a sketch, the curve joins those that are known."))
    if len(curves) > MOST_LINES:
        blocks.append(note(f"The picture shows the first {MOST_LINES} services."))
    return blocks


def _told(case: Case, name: str, slo: float | None) -> str:
    figures = case.figures["services"][name]
    median, slow = figures["latency"]["p50"], figures["latency"]["p99"]
    text = f"{name}: half of the answers within {measure(median, 'seconds')}, 99 % within {measure(slow, 'seconds')}"
    return text if slo is None else f"{text}, objective {stated(slo, 'seconds')}"


def _percentiles(case: Case) -> Table:
    rows: list[tuple[Cell, ...]] = []
    numbers = case.numbers("latency")
    assert numbers is not None
    for name in numbers["services"]:
        figures = case.figures["services"][name]
        here = ("result", "services", name, "latency")
        keys = ("mean", *(key for key, _ in TOLD))
        cells = [shown(case.tree, "seconds", *here, key, ends=ends(figures, f"latency.{key}")) for key in keys]
        rows.append((name, *cells))
    return Table("Latency", ("", "mean", "p50", "p90", "p95", "p99", "p99.9", "longest"), tuple(rows))


def _breakdown(case: Case, name: str) -> Table | None:
    tree = case.figures["services"][name]["breakdown"]
    here = ("result", "services", name, "breakdown")
    rows: list[tuple[Cell, ...]] = [
        (part, shown(case.tree, "seconds", *here, "mean", part), shown(case.tree, "seconds", *here, "p99", part))
        for part, value in tree["mean"].items()
        if value is not None
    ]
    return Table(f"{name}: where the time goes", ("", "mean", "slowest 1 %"), tuple(rows)) if rows else None


PART = Part("latency", "Latency against the objective", _numbers, _blocks)
