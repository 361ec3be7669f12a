"""The numbers on the page are those of the result, and those that `--json` prints."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from simulator.cli.main import run
from simulator.cluster import simulate
from simulator.reporting.report import html_page, markdown
from simulator.reporting.report.content import Figure, Sentence, Table
from simulator.reporting.report.pointers import at
from simulator.reporting.report.sections import PARTS
from simulator.results.strictjson import to_json
from tests.reporting.report.cases import CASES, SCENARIOS, report


class Figures(HTMLParser):
    """Place, value and text of every figure on a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, Any, str]] = []
        self._open: tuple[str, Any] | None = None
        self._text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "data":
            given = dict(attrs)
            assert given["data-at"] is not None
            assert given["value"] is not None
            self._open, self._text = (given["data-at"], json.loads(given["value"])), ""

    def handle_data(self, data: str) -> None:
        self._text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "data" and self._open is not None:
            self.found.append((*self._open, self._text))
            self._open = None


@pytest.mark.parametrize("name", CASES)
def test_every_figure_on_the_page_stands_in_the_numbers(name: str) -> None:
    made = report(name)
    numbers = json.loads(to_json(made.numbers))
    figures = Figures(html_page(made)).found
    assert len(figures) > 30
    for place, value, text in figures:
        assert at(numbers, place) == value, place
        assert text.strip(), place


@pytest.mark.parametrize("name", CASES)
def test_the_result_is_that_of_simulate(name: str) -> None:
    assert report(name).numbers["result"] == json.loads(simulate(CASES[name]()).to_json())


@pytest.mark.parametrize("name", ["one", "three", "calibrated"])
def test_what_people_ask_for_first_is_shown_with_its_exact_value(name: str) -> None:
    made = report(name)
    shown = {place: value for place, value, _ in Figures(html_page(made)).found}
    for service, tree in made.numbers["result"]["services"].items():
        for key in ("attainment", "cost_per_hour", "cost_per_million", "latency/p99", "latency/mean", "throughput"):
            place = f"/result/services/{service}/{key}"
            value = at(made.numbers, place)
            assert value is None or shown[place] == value
        for number, portion in enumerate(tree["portions"]):
            assert shown[f"/result/services/{service}/portions/{number}/utilization"] == portion["utilization"]
    for pool, tree in made.numbers["result"]["pools"].items():
        assert shown[f"/result/pools/{pool}/cost_per_hour"] == tree["cost_per_hour"]


def test_the_command_prints_the_numbers_of_the_file_it_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, scenario = tmp_path / "report.html", str(SCENARIOS / "quantized-bert.yaml")
    small = ["--set", "run.duration=1s", "--set", "run.warmup=100ms"]
    assert run(["report", scenario, *small, "--draws", "10", "--json", "-o", str(file), "-q"]) == 0
    numbers = json.loads(capsys.readouterr().out)
    for place, value, _ in Figures(file.read_text(encoding="utf-8")).found:
        assert at(numbers, place) == value, place
    assert run(["simulate", scenario, *small, "--json", "-q"]) == 0
    assert json.loads(capsys.readouterr().out) == numbers["result"]


@pytest.mark.parametrize("name", CASES)
def test_markdown_says_the_same(name: str) -> None:
    made = report(name)
    text = markdown(made)
    headings = [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]
    assert headings == [section.title for section in made.sections]
    for section in made.sections:
        for block in section.blocks:
            cells = block.words if isinstance(block, Sentence) else ()
            if isinstance(block, Table):
                cells = tuple(cell for row in block.rows for cell in row)
                assert {len(row) for row in block.rows} <= {len(block.header)}, block.title
            for cell in cells:
                if isinstance(cell, Figure):
                    assert cell.text.replace("_", "\\_").replace("|", "\\|")[:20] in text.replace("\\>", ">")


@pytest.mark.parametrize("name", CASES)
def test_the_answer_has_three_sentences(name: str) -> None:
    first = report(name).sections[0]
    assert first.name == "answer"
    texts = [block.text for block in first.blocks if isinstance(block, Sentence)]
    assert len(texts) == len(first.blocks) == 3
    assert all(text[0].isupper() and text.endswith(".") for text in texts)


def test_who_has_nothing_to_say_is_left_out() -> None:
    """Sections follow what the scenario holds."""
    served = {"load", "deployment", "latency", "growth", "gone", "sensitivity"}
    for name, absent, present in (
        ("one", {"trainings", "streams", "certificate", "front"}, served | {"tighter"}),
        ("training", served | {"streams", "tighter"}, {"trainings", "utilisation", "prices"}),
        ("stream", served | {"trainings", "tighter"}, {"streams", "utilisation", "prices"}),
    ):
        names = {section.name for section in report(name).sections}
        assert present <= names
        assert not absent & names


def test_every_module_of_the_sections_is_in_the_list() -> None:
    folder = Path(html_page.__code__.co_filename).parent / "sections"
    modules = {path.stem for path in folder.glob("*.py") if path.stem != "__init__"}
    assert modules == {part.numbers.__module__.rpartition(".")[2] for part in PARTS}
    assert len({part.name for part in PARTS}) == len(PARTS)
