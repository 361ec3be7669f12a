"""Capacity reports for an engineer and for the person who pays: HTML, Markdown, and their numbers as JSON."""

from simulator.reporting.report.build import make_report
from simulator.reporting.report.content import Report
from simulator.reporting.report.html import html_page
from simulator.reporting.report.markdown import markdown

__all__ = ["Report", "html_page", "make_report", "markdown"]
