"""A plan that was found, and how good it is, as text and as CSV."""

from __future__ import annotations

from collections.abc import Iterator

from simulator.reporting.csvtext import csv_text
from simulator.reporting.grid import grid, wrapped
from simulator.results.cohort import Json
from simulator.results.units import NOTHING, Kind, below, measure, number, stated

CSV_COLUMNS = (
    "start",
    "end",
    "service",
    "rate",
    "exit_mode",
    "execution",
    "splits",
    "batch",
    "max_wait",
    "precision",
    "resources",
    "p99",
    "attainment",
    "goodput",
    "accuracy",
    "cost_per_hour",
)
LONG_S = 3600.0
"""Horizon from which the sum of money is told [s]."""
MOST_REJECTED = 6
"""Rejected alternatives of a service that are listed."""
PROVEN = 1e-6
"""Gaps that are none."""
BEST_WORDS: dict[str, tuple[Kind, str]] = {
    "cost": ("plain", "cheapest"),
    "goodput": ("rate", "most"),
    "attainment": ("share", "best"),
}
"""By objective: the kind of its value, and what the best is called."""
LISTED = ("resources", "exit_mode", "execution", "splits", "batch", "max_wait", "precision")
"""What is the same in rows that are shown as one."""


def optimized_table(figures: Json, width: int = 80) -> str:
    """Rows for windows and services of an optimisation (its ``to_dict()``), then how good it is and what was rejected.

    Neighbouring windows with equal deployments are one row.
    """
    parts = [wrapped(_title(figures), width, "  ")]
    if figures["windows"]:
        parts.append(_windows(figures, width))
    parts.append("\n".join(wrapped(text, width, "  ") for text in _said(figures)))
    for name, rows in _by_service(figures["certificate"].get("rejected", [])).items():
        parts.append(_rejected(name, rows, width))
    if figures["pareto"]:
        parts.append(_traded(figures["pareto"], width))
    parts += ["\n".join(wrapped(text, width, "  ") for text in figures["notes"])] if figures["notes"] else []
    return "\n\n".join(parts)


def optimized_csv(figures: Json) -> str:
    """One row per window and service; parts of a list with blanks between them."""
    rows = []
    for window in figures["windows"]:
        for name, row in window["services"].items():
            flat = {**row, "start": window["start"], "end": window["end"], "service": name}
            flat["resources"] = " ".join(f"{one['layers']}:{one['pool']}:{one['replicas']}" for one in row["resources"])
            rows.append([_cell(flat[column]) for column in CSV_COLUMNS])
    return csv_text(CSV_COLUMNS, rows)


def _cell(value: object) -> object:
    return " ".join(map(str, value)) if isinstance(value, list) else value


def _title(figures: Json) -> str:
    cost, count = figures["cost"], len(figures["windows"])
    if cost is None:
        return f"{figures['scenario']}: no plan"
    horizon = measure(figures["horizon"], "seconds")
    windows = f"{count} windows" if count > 1 else "one window"
    switching = f", {number(cost['switching'], 3)} of it for changes" if cost["switching"] else ""
    head = f"{figures['scenario']}: {number(cost['per_hour'])} per hour, {windows} in {horizon}"
    if figures["horizon"] >= LONG_S:  # of a few seconds the sum means nothing
        head += f" ({number(cost['total'])} in all{switching})"
    return head + _quality(figures)


def _quality(figures: Json) -> str:
    if figures["objective"] == "goodput":
        return f", goodput {measure(figures['certificate']['value'], 'rate')}"
    if figures["objective"] == "attainment":
        return f", attainment {measure(figures['certificate']['value'], 'share')}"
    return ""


def _windows(figures: Json, width: int) -> str:
    columns = ["window", "service", "rate", "replicas", "mode", "cuts", "batch", "p99", "in time", "per hour"]
    several = len({row["precision"] for window in figures["windows"] for row in window["services"].values()}) > 1
    header = columns[:7] + ["format"] * several + columns[7:]
    rows = []
    for name, start, end, run in _runs(figures["windows"]):
        first = run[0]
        rows.append(
            [
                span(start, end, figures["horizon"]),
                name,
                _rates([row["rate"] for row in run]),
                _resources(first),
                _mode(first),
                "-".join(map(str, first["splits"])) or NOTHING,
                "-".join(map(str, first["batch"])),
                *[first["precision"]] * several,
                _worst(run, "p99", "seconds", max),
                _worst(run, "attainment", "share", min),
                number(first["cost_per_hour"]),
            ]
        )
    return grid(header, rows, width, indent=0)


def _rates(rates: list[float]) -> str:
    """From the least to the most; one figure where they look the same.

    >>> _rates([200.0, 2000.0]), _rates([1000 / 3, 1000 / 3 + 1e-9])
    ('200.0-2,000 /s', '333.3 /s')
    """
    most = measure(max(rates), "rate")
    return most if measure(min(rates), "rate") == most else f"{measure(min(rates), 'plain')}-{most}"


def _runs(windows: list[Json]) -> Iterator[tuple[str, float, float, list[Json]]]:
    """Service, start, end and rows of neighbouring windows in which nothing changes."""
    open_: dict[str, tuple[float, float, list[Json]]] = {}
    done: list[tuple[float, int, str, float, list[Json]]] = []
    order = {name: at for at, name in enumerate(windows[0]["services"])}

    def close(name: str) -> None:
        start, end, run = open_.pop(name)
        done.append((start, order[name], name, end, run))

    for window in windows:
        for name, row in window["services"].items():
            if name in open_ and any(open_[name][2][0][key] != row[key] for key in LISTED):
                close(name)
            start, _, run = open_.get(name, (window["start"], 0.0, []))
            open_[name] = (start, window["end"], [*run, row])
    for name in list(open_):
        close(name)
    for start, _, name, end, run in sorted(done, key=lambda item: item[:2]):
        yield name, start, end, run


def span(start_s: float, end_s: float, horizon_s: float) -> str:
    """From when to when, in words that suit the length of the whole.

    >>> span(3600.0, 7200.0, 86400.0), span(20.0, 40.0, 120.0)
    ('01:00-02:00', '20-40 s')
    """
    if horizon_s < 3600 or start_s % 60 or (end_s % 60 and end_s != horizon_s):
        return f"{start_s:g}-{end_s:g} s"
    return f"{_clock(start_s)}-{_clock(end_s)}"


def _clock(at_s: float) -> str:
    hours, minutes = divmod(round(at_s / 60), 60)
    return f"{hours:02d}:{minutes:02d}"


def _worst(run: list[Json], key: str, kind: str, worst: object) -> str:
    values = [row[key] for row in run if row[key] is not None]
    assert callable(worst)
    return measure(worst(values) if values else None, kind)  # type: ignore[arg-type]  # a kind of measure


def _resources(row: Json) -> str:
    """``3 l4``, or by portion ``2 l4 / 1 t4``; kinds of one portion with a plus between them."""
    portions: dict[str, list[str]] = {}
    for one in row["resources"]:
        portions.setdefault(one["layers"], []).append(f"{one['replicas']} {one['pool']}")
    pools = {one["pool"] for one in row["resources"]}
    if len(portions) > 1 and len(pools) == 1:
        return "-".join(str(one["replicas"]) for one in row["resources"]) + f" {next(iter(pools))}"
    return " / ".join("+".join(kinds) for kinds in portions.values())


def _mode(row: Json) -> str:
    return f"{row['exit_mode']} serial" if row["execution"] == "serial" else str(row["exit_mode"])


def _said(figures: Json) -> list[str]:
    found = [] if figures["holds"] else [f"no plan passes: {figures['reason']}"]
    certificate = figures["certificate"]
    found += _bounds(figures)
    if certificate.get("stopped"):
        found.append(f"the search ended early ({certificate['stopped']})")
    refuted = certificate.get("refuted", [])
    if refuted:
        plans = "a better plan" if len(refuted) == 1 else f"{len(refuted)} better plans"
        found.append(f"{plans} did not pass the verification: {refuted[-1]}")
    found += _verified(figures)
    found += _headroom(certificate, figures["horizon"])
    found += [f"binds: {text}" for text in certificate.get("binding", [])]
    if certificate.get("evaluations") is not None:
        found.append(f"simulated {certificate['evaluations']:,} candidates of {certificate['shapes']:,} ways to deploy")
    return found


def _bounds(figures: Json) -> list[str]:
    """The gap to the best of what was searched, and to the best of any plan; costs per hour."""
    certificate, objective = figures["certificate"], figures["objective"]
    bounds, gaps = certificate.get("bounds", {}), certificate.get("gaps", {})
    unit, best = BEST_WORDS[objective]
    found = []
    for key, words in (("search", "what was searched"), ("any_plan", "any plan")):
        if gaps.get(key) is None:
            continue
        hours = figures["horizon"] / 3600 if objective == "cost" else 1.0
        bound = measure(bounds[key] / hours, unit)
        if gaps[key] <= PROVEN:
            found += [f"proved: the {best} of {words}"] * bool(figures["holds"])  # of what misses it says nothing
        elif objective == "cost":
            share = measure(gaps[key], "share")
            found.append(f"at most {share} above the {best} of {words}, which costs {bound} per hour or more")
        else:
            found.append(f"the {best} of {words} is at most {bound}, {measure(gaps[key], 'share')} more")
    return found


def _verified(figures: Json) -> list[str]:
    found = []
    checks = figures["verification"] or {}
    for name, one in checks.get("services", {}).items():
        if one["attainment"] is None:
            continue
        target, ends = one["target"], one["ci95"] or (None, None)
        text = f"verified, {name}: {checks['replications']} runs of the whole horizon, "
        text += f"{measure(one['attainment'], 'share', *ends)} in time"
        if one["bound"] is not None:
            said = measure(one["bound"], "share")
            said = below(one["bound"], target) if target is not None and one["bound"] < target else said
            text += f", one more run would have {said} or more (95 %)"
        text += f"; {stated(target, 'share')} asked" if target is not None else ""
        found.append(text)
        if one["sampled"] is not None:
            ends = one["sampled_ci95"] or (None, None)
            share = measure(one["sampled"], "share", *ends)
            found.append(f"  at {len(one['sampled_runs'])} loads drawn from the forecast: {share} in time")
    return found


def _headroom(certificate: Json, horizon: float) -> list[str]:
    room = certificate.get("headroom")
    if not room or room.get("factor") is None:
        return []
    where = room.get("window")
    text = f"headroom: holds up to {number(room['factor'], 3)} times the planned load"
    if where is not None:
        text += f", then {room['service']} misses first at {span(where[0], where[1], horizon)}"
    return [text]


def _traded(rows: list[Json], width: int) -> str:
    """What no other deployment betters in cost, latency and accuracy, at the highest rate; the plan's is marked."""
    several = len({row["service"] for row in rows}) > 1
    header = ["  at the highest rate", *["service"] * several, "per hour", "p99", "accuracy", "in time"]
    table = [
        [
            ("* " if row["chosen"] else "  ") + f"{row['mode']}, {row['deployment']}",
            *[row["service"]] * several,
            measure(row["cost_per_hour"], "plain"),
            measure(row["p99"], "seconds"),
            measure(row["accuracy"], "share"),
            measure(row["attainment"], "share"),
        ]
        for row in rows
    ]
    return grid(header, table, width, indent=0)


def _by_service(rejected: list[Json]) -> dict[str, list[Json]]:
    found: dict[str, list[Json]] = {}
    for row in rejected:
        found.setdefault(row["service"], []).append(row)
    return found


def _rejected(name: str, rows: list[Json], width: int) -> str:
    """One line for each alternative: what, for how much, and why not."""
    lines = [f"rejected for {name}:"]
    for row in rows[:MOST_REJECTED]:
        price = "" if row["price"] is None else f", {measure(row['price'], 'plain')} per hour"
        lines.append(wrapped(f"  {row['alternative']}{price}: {row['reason']}", width, "    "))
    hidden = len(rows) - MOST_REJECTED
    return "\n".join(lines + ([f"  and {hidden} more; --json has them all"] if hidden > 0 else []))
