"""A report as one HTML page that needs nothing else: no script, no other file, no address."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

from simulator.reporting.report.content import Figure, Picture, Report, Sentence, Table

if TYPE_CHECKING:
    from jinja2 import Template

TEMPLATE = "page.html.jinja"


def html_page(report: Report) -> str:
    """The page; the same text for the same report. Every figure carries its place and its exact value."""
    return _template().render(report=report, kind=_kind, figure=lambda cell: isinstance(cell, Figure), exact=_exact)


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=PackageLoader("simulator.reporting.report", "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(TEMPLATE)


def _kind(block: Any) -> str:
    """Which macro shows a block."""
    return {Sentence: "sentence", Table: "table", Picture: "picture"}[type(block)]


def _exact(value: Any) -> str:
    """A value as JSON writes it."""
    return json.dumps(value, ensure_ascii=False)
