"""How good the plan is, as its file proves it: bounds, gaps, what was rejected, headroom; and its Pareto front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from simulator.reporting.figure import time_axis
from simulator.reporting.report.case import Case, Json, Part
from simulator.reporting.report.content import Block, Cell, Figure, Picture, Table, note, plain
from simulator.reporting.report.pictures.bars import front_picture
from simulator.reporting.report.pointers import pointer
from simulator.results.units import Kind, measure, number

FRONT = "pareto"
COSTS = ("cost_per_hour", "cost", "cost_per_day")
OTHERS = ("p99", "latency", "attainment", "accuracy", "goodput")
"""Keys of a point of the front that can be its axes, the first one that all points have."""
LESS = ("p99", "latency")
"""Those of them that are times: less is better."""
KINDS: Mapping[str, Kind] = {
    **dict.fromkeys(LESS, "seconds"),
    **dict.fromkeys(("attainment", "accuracy", "target", "bound", "dearer", "sampled"), "share"),
    "goodput": "rate",
}
"""What the figures of a certificate are, by their key; all others are shown as plain numbers."""
MOST_ROWS = 40


def _numbers(case: Case) -> Json | None:
    if case.plan is None:
        return None
    told = {key: value for key, value in (case.plan.certificate or {}).items() if key != FRONT}
    return {"certificate": told, "verification": case.plan.verification or {}}


def _blocks(case: Case) -> list[Block]:
    numbers = case.numbers("certificate")
    assert numbers is not None
    blocks: list[Block] = []
    for key, title in (("certificate", "What the plan proves"), ("verification", "How it was verified")):
        if numbers[key]:
            blocks += _mapping(title, numbers[key], ("certificate", key))
        else:
            blocks.append(note(f"The plan's file holds no {key}."))
    return blocks


def _mapping(title: str, tree: Mapping[str, Any], here: tuple[str | int, ...]) -> list[Block]:
    """A mapping of any shape: its plain values as one table, then lists of mappings and nested ones as their own."""
    flat = {key: value for key, value in tree.items() if not isinstance(value, Mapping) and not _is_rows(value)}
    blocks: list[Block] = []
    if flat:
        rows: list[tuple[Cell, ...]] = [(_words(key), _figure(value, *here, key)) for key, value in flat.items()]
        blocks.append(Table(title, ("", ""), tuple(rows)))
    for key, value in tree.items():
        name = f"{title}: {_words(key)}" if title else _words(key)
        if isinstance(value, Mapping):
            blocks += _mapping(name, value, (*here, key))
        elif _is_rows(value):
            blocks.append(_rows(name, value, (*here, key)))
    return blocks


def _is_rows(value: Any) -> bool:
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and bool(value)
        and all(isinstance(item, Mapping) for item in value)
    )


def _rows(title: str, items: Sequence[Mapping[str, Any]], here: tuple[str | int, ...]) -> Table:
    keys = list(dict.fromkeys(str(key) for item in items for key in item))
    rows: list[tuple[Cell, ...]] = []
    for place, item in enumerate(items[:MOST_ROWS]):
        rows.append(tuple(_figure(item[key], *here, place, key) if key in item else "-" for key in keys))
    more = f" (the first {MOST_ROWS} of {len(items)})" if len(items) > MOST_ROWS else ""
    return Table(title + more, tuple(map(_words, keys)), tuple(rows))


def _figure(value: Any, *here: str | int) -> Figure:
    """Any plain value with its place."""
    kind: Kind = "share" if "gaps" in here else KINDS.get(str(here[-1]), "plain")
    if isinstance(value, bool) or value is None:
        text = {True: "yes", False: "no", None: "-"}[value]
    elif isinstance(value, int | float):
        text = f"{value:,}" if isinstance(value, int) else measure(value, kind)
    elif isinstance(value, Mapping):
        text = "; ".join(f"{_words(str(key))}: {item}" for key, item in value.items())
    elif isinstance(value, Sequence) and not isinstance(value, str):
        text = ", ".join(number(one) if isinstance(one, float) else str(one) for one in value) or "none"
    else:
        text = str(value)
    return Figure(text, pointer(*here), value)


def _words(key: str) -> str:
    return str(key).replace("_", " ")


def _front_numbers(case: Case) -> Json | None:
    """The front; a plan without one says so, without a plan there is nothing to say."""
    if case.plan is None:
        return None
    certificate = case.plan.certificate or {}
    points = getattr(case.plan, FRONT, None) or certificate.get(FRONT)
    if points is None or not _is_rows(points):
        return {"points": []}
    return {"points": [{**point, "chosen": _is_chosen(point, certificate.get("value"))} for point in points]}


def _is_chosen(point: Mapping[str, Any], value: Any) -> bool:
    """Whether a point is the plan: as it says itself, else by what it costs."""
    if "chosen" in point:
        return bool(point["chosen"])
    cost = next((point[key] for key in COSTS if isinstance(point.get(key), int | float)), None)
    return isinstance(value, int | float) and cost is not None and abs(cost - value) <= 1e-6 * abs(value)


def _front_blocks(case: Case) -> list[Block]:
    numbers = case.numbers("front")
    assert numbers is not None
    points = numbers["points"]
    if not points:
        return [note("The plan's file holds no Pareto front: `plan optimize --pareto -o` writes one.")]
    services = list(dict.fromkeys(point.get("service") for point in points))
    blocks: list[Block] = []
    for place, name in enumerate(services):
        mine = [point for point in points if point.get("service") == name]
        blocks += _front_picture(f"front{place}", f"{name}: " if len(services) > 1 else "", mine)
    if not any(point["chosen"] for point in points):
        blocks.append(plain("The file does not say which of them was chosen."))
    if any("holds" in point for point in points):
        blocks.append(note("Each is tried alone in the window of its service's highest load."))
    table = _rows("Pareto front", points, ("front", "points"))
    marked = frozenset(place for place, point in enumerate(points[:MOST_ROWS]) if point["chosen"])
    return [*blocks, Table(table.title, table.header, table.rows, marked)]


def _front_picture(place: str, who: str, points: Sequence[Mapping[str, Any]]) -> list[Block]:
    """The points of one service in the plane of cost and the first other figure that all of them have."""
    across = next((key for key in COSTS if _all_have(points, key)), None)
    known = [key for key in OTHERS if _all_have(points, key)]
    if across is None or not known:
        return []
    up, mine = known[0], [point for point in points if point["chosen"]]
    factor, unit = axis_of(up, [float(point[up]) for point in points])
    wanted = [_words(key) for key in (across, *(key for key in known if key == up or key == "accuracy"))]
    alt = f"{who}{len(points)} ways to deploy, those that no other betters in {' and '.join(wanted)}"
    if mine:
        alt += f", and the chosen one: {mine[0][across]:.4g} and {factor * mine[0][up]:.4g}{unit and f' {unit}'}"
    pairs = [(float(point[across]), factor * float(point[up])) for point in points]
    names = (_words(across), _words(up) + (f" [{unit}]" if unit else ""))
    picture = front_picture(pairs, [point["chosen"] for point in points], names, place, f"{alt}.", up in LESS)
    return [Picture(picture, f"{who}cost and what it gives", f"{alt}.")]


def axis_of(key: str, values: Sequence[float]) -> tuple[float, str]:
    """Factor and unit of an axis: of times by their size, of shares per cent."""
    if key in LESS:
        return time_axis(max(values))
    return (100.0, "%") if KINDS.get(key) == "share" else (1.0, "")


def _all_have(points: Sequence[Mapping[str, Any]], key: str) -> bool:
    return all(isinstance(point.get(key), int | float) for point in points)


PART = Part("certificate", "Certificate", _numbers, _blocks)
FRONT_PART = Part("front", "Pareto front", _front_numbers, _front_blocks)
