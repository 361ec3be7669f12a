"""The tables of a stream that people see."""

from __future__ import annotations

from simulator.results.cohort import Json
from simulator.results.figures import ends
from simulator.results.shown import Block
from simulator.results.units import Kind, measure, number

_FIGURES: tuple[tuple[str, str, Kind], ...] = (
    ("devices", "devices", "plain"),
    ("group (microbatches in a visit)", "group", "plain"),
    ("largest group that fits", "largest_group", "plain"),
    ("time per step", "step", "seconds"),
    ("the same alone, without failures", "step_alone", "seconds"),
    ("the same without grouping", "naive", "seconds"),
    ("samples", "throughput", "rate"),
    ("computing in a step", "compute", "seconds"),
    ("waiting in a step", "stall", "seconds"),
    ("loads in a step", "layer_loads", "plain"),
    ("loads without grouping", "naive_loads", "plain"),
    ("share of the server's link, to the devices", "link_share", "share"),
    ("failures of the server", "failures", "plain"),
    ("down", "down", "seconds"),
    ("cost per step", "cost_per_step", "plain"),
)
_RARE = ("failures of the server", "down", "cost per step")
"""Left out where they are 0."""
_BYTES = (
    ("moved by a device in a step", "bytes_moved"),
    ("memory of a device, peak", "peak_memory"),
    ("memory of the server", "server_memory"),
)


def stream_blocks(name: str, tree: Json) -> list[Block]:
    """The figures of a stream."""
    rows = [
        [title, measure(tree[key], kind, *ends(tree, key))]
        for title, key, kind in _FIGURES
        if title not in _RARE or tree[key]
    ]
    rows += [[title, f"{number(tree[key] / 1e9)} GB"] for title, key in _BYTES]
    if tree["server_bytes_per_parameter"] is not None:
        rows.append(["state of a parameter at the server", f"{number(tree['server_bytes_per_parameter'])} B"])
    return [Block(f"{name}, {tree['mode']}, bound by {tree['bound']}", ["", ""], rows)]
