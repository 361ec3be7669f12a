"""Streams: models that are loaded layer by layer, and the group of microbatches that hides the loads."""

from __future__ import annotations

from simulator.reporting.report.case import Case, Json, Part
from simulator.reporting.report.content import Block, Cell, Figure, Picture, Table, note, plain
from simulator.reporting.report.pictures.shapes import stream_picture
from simulator.reporting.report.pointers import pointer, shown, word
from simulator.reporting.stream import size
from simulator.reporting.streamplot import stream_curve
from simulator.results.figures import ends
from simulator.results.units import Kind

FIGURES: tuple[tuple[str, str, Kind], ...] = (
    ("devices", "devices", "plain"),
    ("group", "group", "plain"),
    ("largest group that fits", "largest_group", "plain"),
    ("time per step", "step", "seconds"),
    ("the same without grouping", "naive", "seconds"),
    ("samples", "throughput", "rate"),
    ("computing in a step", "compute", "seconds"),
    ("waiting in a step", "stall", "seconds"),
    ("loads of layers in a step", "layer_loads", "plain"),
    ("the same without grouping", "naive_loads", "plain"),
    ("cost per step", "cost_per_step", "plain"),
)
BYTES = (
    ("moved by a device in a step", "bytes_moved"),
    ("memory of a device, peak", "peak_memory"),
    ("memory of the server", "server_memory"),
)


def _numbers(case: Case) -> Json | None:
    return {name: found.to_dict() for name, found in case.groups.items()} if case.groups else None


def _blocks(case: Case) -> list[Block]:
    blocks: list[Block] = []
    for place, (name, groups) in enumerate(case.groups.items()):
        numbers = case.tree["streams"][name]
        best = numbers["recommended"]
        memory = f"{best['memory'] / 1e9:.4g} GB of {numbers['memory_limit'] / 1e9:.4g}"
        alt = (
            f"{name}: time per sample and device memory by group size; a group of {best['group']:,} takes "
            f"{best['per_sample']:.4g} s per sample and {memory}."
        )
        picture = stream_picture(stream_curve(groups), f"stream{place}", alt)
        blocks += [Picture(picture, f"{name}: the group that hides the loads", alt), _table(case, name)]
        blocks += [_rows(case, name), plain(f"A group of {best['group']:,} is recommended: {numbers['reason']}.")]
        blocks += [note(text) for text in numbers["notes"]]
    return blocks


def _table(case: Case, name: str) -> Table:
    figures, here = case.figures["streams"][name], ("result", "streams", name)
    rows: list[tuple[Cell, ...]] = [
        (title, shown(case.tree, kind, *here, key, ends=ends(figures, key)))
        for title, key, kind in FIGURES
        if key != "cost_per_step" or figures[key]
    ]
    rows += [(title, Figure(size(figures[key]), pointer(*here, key), figures[key])) for title, key in BYTES]
    return Table(f"{name}, {figures['mode']}, bound by {figures['bound']}", ("", ""), tuple(rows))


def _rows(case: Case, name: str) -> Table:
    numbers = case.tree["streams"][name]
    rows: list[tuple[Cell, ...]] = []
    for place, row in enumerate(numbers["rows"]):
        here = ("streams", name, "rows", place)
        memory = Figure(size(row["memory"]), pointer(*here, "memory"), row["memory"])
        rows.append(
            (
                shown(case.tree, "plain", *here, "group"),
                shown(case.tree, "seconds", *here, "step"),
                shown(case.tree, "seconds", *here, "per_sample"),
                memory,
                word(case.tree, *here, "bound"),
                "" if row["why"] is None else "does not fit",
            )
        )
    marked = frozenset(n for n, row in enumerate(numbers["rows"]) if row["group"] == numbers["recommended"]["group"])
    return Table(f"{name}: groups", ("group", "step", "per sample", "memory", "bound by", ""), tuple(rows), marked)


PART = Part("streams", "Streams", _numbers, _blocks)
