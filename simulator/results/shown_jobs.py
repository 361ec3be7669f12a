"""Which figures of trainings and streams people see; text and HTML are made of the same blocks."""

from __future__ import annotations

from collections.abc import Callable

from simulator.results.cohort import Json
from simulator.results.shown import Block
from simulator.results.shown_stream import stream_blocks
from simulator.results.shown_training import training_blocks

BLOCKS: dict[str, Callable[[str, Json], list[Block]]] = {
    "trainings": training_blocks,
    "streams": stream_blocks,
}
"""By section of the result: the tables of one job, from its name and its figures. One line each."""


def job_blocks(figures: Json) -> list[Block]:
    """The tables of all trainings and streams of a result, those without rows left out."""
    found = []
    for section, blocks in BLOCKS.items():
        for name, tree in figures[section].items():
            found += [block for block in blocks(name, tree) if block.rows]
    return found
