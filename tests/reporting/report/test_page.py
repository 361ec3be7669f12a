"""The page needs nothing else, is the same every time, small and quick."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest

from simulator.reporting.report import html_page, make_report
from simulator.scenario import load
from tests.reporting.report.cases import CASES, ROOT, SCENARIOS, report, three

LARGEST = 3_000_000
LONGEST_S = 10.0
VOID = {"meta", "br", "hr", "img", "input", "link", "path", "use", "rect", "circle", "line"}


class Page(HTMLParser):
    """Elements of a page, checked for being closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.feed(text)
        assert not self._open

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._open.pop() == tag, tag


@pytest.mark.parametrize("name", CASES)
def test_nothing_is_loaded_from_elsewhere(name: str) -> None:
    text = html_page(report(name))
    assert len(text.encode()) < LARGEST
    assert not re.search(
        r"https?:|//[a-z]|@import|<script|<link|<img|<iframe|<object|\bsrc\s*=|javascript:", text, re.I
    )
    assert all(inner.startswith("#") for inner in re.findall(r"url\(([^)]*)\)", text))
    page = Page(text)
    names = [given["id"] for _, given in page.elements if "id" in given]
    assert len(set(names)) == len(names)
    for tag, given in page.elements:
        target = given.get("href")
        assert target is None or (target.startswith("#") and target[1:] in names), (tag, target)
        assert not any(key.startswith("on") for key in given)
    assert set(re.findall(r"url\(#([^)]*)\)", text)) <= set(names)


@pytest.mark.parametrize("name", CASES)
def test_every_picture_has_its_alternative_text(name: str) -> None:
    page = Page(html_page(report(name)))
    pictures = [given for tag, given in page.elements if tag == "svg"]
    assert pictures
    for given in pictures:
        assert given["role"] == "img"
        assert len(given["aria-label"] or "") > 20


def test_names_are_shown_as_text_and_never_as_mark_up() -> None:
    changed = three()
    named = changed.model_copy(update={"name": '<script>alert("1")</script>'})
    text = html_page(make_report(named, draws=10))
    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_the_same_bytes_in_another_process() -> None:
    names = ("three", "calibrated", "training")
    program = (
        "import sys; from tests.reporting.report.cases import report; from simulator.reporting.report import html_page;"
        f"sys.stdout.write(''.join(html_page(report(name)) for name in {names!r}))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "77", "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, check=True)
    assert done.stdout.decode() == "".join(html_page(report(name)) for name in names)


def test_a_shipped_scenario_takes_less_than_ten_seconds() -> None:
    """Time of the processor, which a busy machine does not change; the engine is compiled before."""
    report("one")
    begun = time.process_time()
    html_page(make_report(load(SCENARIOS / "early-exit-e3.yaml")))
    assert time.process_time() - begun < LONGEST_S


def test_the_template_is_part_of_the_package() -> None:
    folder = Path(html_page.__code__.co_filename).parent / "templates"
    assert {path.name for path in folder.iterdir()} == {"page.html.jinja", "page.css"}
