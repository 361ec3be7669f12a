"""How busy the devices are."""

from __future__ import annotations

from simulator.reporting.report.case import Case, Json, Part
from simulator.reporting.report.content import Block, Cell, Picture, Table, note
from simulator.reporting.report.pictures.bars import share_picture
from simulator.reporting.report.pointers import clock, shown
from simulator.results.figures import ends

MOST_BARS = 24


def _numbers(case: Case) -> Json | None:
    busy = [tree["utilization"] for tree in case.figures["pools"].values() if tree["utilization"] is not None]
    return {"busiest_pool": max(busy)} if busy else None


def _blocks(case: Case) -> list[Block]:
    shares: dict[str, float | None] = {}
    rows: list[tuple[Cell, ...]] = []
    several = len(case.figures["services"]) > 1
    for name, tree in case.figures["services"].items():
        for number, portion in enumerate(tree["portions"]):
            here = ("result", "services", name, "portions", number)
            title = f"{name} " if several else ""
            title += f"layers {portion['layers']}"
            title += f" from {clock(portion['from'], case.scenario.run.duration)}" if "from" in portion else ""
            shares[title] = portion["utilization"]
            rows.append(
                (
                    title,
                    shown(case.tree, "plain", *here, "replicas"),
                    shown(case.tree, "share", *here, "utilization", ends=ends(portion, "utilization")),
                    shown(case.tree, "plain", *here, "mean_batch", ends=ends(portion, "mean_batch")),
                    shown(case.tree, "seconds", *here, "queue_wait", "mean"),
                    shown(case.tree, "seconds", *here, "queue_wait", "p99"),
                )
            )
    for name, tree in case.figures["pools"].items():
        shares[f"pool {name}"] = tree["utilization"]
    drawn = dict(list(shares.items())[:MOST_BARS])
    alt = "; ".join(f"{name} {100 * share:.0f} %" for name, share in drawn.items() if share is not None)
    picture = share_picture(drawn, "share of the time busy [%]", "busy", f"Busy share of the time: {alt}.")
    blocks: list[Block] = [Picture(picture, "How busy the devices are", f"Busy share of the time: {alt}.")]
    header = ("", "replicas", "utilization", "mean batch", "wait, mean", "wait, p99")
    blocks += [Table("Portions", header, tuple(rows))] if rows else []
    if any("from" in portion for tree in case.figures["services"].values() for portion in tree["portions"]):
        blocks.append(note("Replicas are means over the whole run. A portion is named by the instant it first stands."))
    return blocks


PART = Part("utilisation", "Utilization", _numbers, _blocks)
