"""The exact command, seed and versions with which the same report comes out again."""

from __future__ import annotations

from simulator.reporting.report.case import Case, Json, Part
from simulator.reporting.report.content import Block, Cell, Table, note
from simulator.reporting.report.pointers import word


def _numbers(case: Case) -> Json:
    import matplotlib

    figures = case.figures
    return {
        "command": case.command,
        "seed": figures["seed"],
        "scenario": figures["scenario"],
        "scenario_sha256": figures["scenario_hash"],
        "plan": case.plan_name,
        "variants": ", ".join(figures["variants"]) or None,
        "overrides": ", ".join(figures["overrides"]) or None,
        "engine": f"{figures['engine']} ({figures['engine_reason']})",
        "replications": figures["replications"],
        "version": figures["version"],
        "matplotlib": matplotlib.__version__,
    }


def _blocks(case: Case) -> list[Block]:
    numbers = case.numbers("reproduce")
    assert numbers is not None
    rows: list[tuple[Cell, ...]] = [
        (key.replace("_", " "), word(case.tree, "reproduce", key))
        for key, value in numbers.items()
        if value is not None
    ]
    blocks: list[Block] = [Table("", ("", ""), tuple(rows))]
    blocks += [note(f"Warning of the simulation: {text}.") for text in case.figures["warnings"]]
    return blocks


PART = Part("reproduce", "How to get the same again", _numbers, _blocks)
