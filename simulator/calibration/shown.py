"""Measurements and fits as HTML tables, for notebooks."""

from __future__ import annotations

from simulator.results.cohort import Json
from simulator.results.html import html_page
from simulator.results.shown_table import Column, block_of
from simulator.results.units import measure, number

FITS = (
    Column("group", "name", "text"),
    Column("rows", "rows", "plain"),
    Column("law", "law", "text"),
    Column("error of the fit", "mape_in_sample", "share"),
    Column("error on held-out rows", "mape", "share"),
    Column("worst", "worst.error", "share"),
)
ROWS = (
    Column("measured", "name", "text"),
    Column("least time", "seconds", "seconds"),
    Column("median", "median_s", "seconds"),
    Column("spread of the rounds", "cv_rounds", "share"),
    Column("calls", "calls", "plain"),
)
CIRCUMSTANCES = ("backend", "version", "processor", "isa", "threads", "clock")
"""Cells of a row that say what measured it, not what is measured."""
TOLD = ("latency_us", "median_to_least", "wall_to_least", "cv_rounds", "rounds", "calls", "other_cores")


def calibration_html(figures: Json) -> str:
    """The law of every group with its error on rows that it has not seen; names in which groups differ."""
    groups = figures["groups"]
    differing = [key for key in figures["group_by"] if len({str(one["group"][key]) for one in groups}) > 1]
    names = differing or figures["group_by"][:1]
    rows = [{**one, "name": ", ".join(str(one["group"][key]) for key in names) or "all rows"} for one in groups]
    source, error = figures["source"], figures["mape"]
    lead = f"{source['file']}: {source['rows']} rows, kind {figures['kind']}, {figures['folds']} folds"
    said = ["the error is unknown: no row could be held out"] if error is None else []
    said += [f"error on held-out rows: {measure(error, 'share')}"] if error is not None else []
    said += [f"{one['name']}: {one['note']}" for one in rows if one.get("note")]
    return html_page(lead, [block_of("", FITS, rows)], said)


def measurement_html(figures: Json) -> str:
    """Times of everything measured, and how much the rest of the machine may have disturbed them."""
    rows = []
    for one in figures["rows"]:
        labels = [f"{key} {cell}" for key, cell in one.items() if key not in (*CIRCUMSTANCES, *TOLD)]
        least = one["latency_us"] * 1e-6
        rows.append({**one, "name": ", ".join(labels), "seconds": least, "median_s": least * one["median_to_least"]})
    where = dict.fromkeys(f"{one.get('backend')} on {one.get('processor')}" for one in figures["rows"])
    busy = figures["other_cores"]
    said = [] if busy is None else [f"other work kept {number(busy, 2)} processors busy meanwhile"]
    return html_page("; ".join(where), [block_of("", ROWS, rows)], [*said, *figures["notes"]])
