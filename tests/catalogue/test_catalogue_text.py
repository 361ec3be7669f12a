"""``plan catalogue``: every name in every format, and messages for unknown ones."""

from __future__ import annotations

import csv
import io
import json

import pytest

from simulator import catalogue
from simulator.cli.catalogue import WIDTH, Format, catalogue_text
from simulator.errors import ScenarioError

PAGES: list[tuple[str | None, str | None]] = [
    (None, None),
    ("devices", None),
    ("models", None),
    *(("devices", name) for name in catalogue.device_names()),
    *(("models", name) for name in catalogue.model_names()),
]


@pytest.mark.parametrize(("kind", "name"), PAGES)
def test_tables_fit_the_page(kind: str | None, name: str | None) -> None:
    text = catalogue_text(kind, name, "table")
    lines = text.splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert all(line == line.rstrip() for line in lines)
    assert not text.endswith("\n")
    assert "\x1b" not in text
    assert name is None or text.startswith(name)


@pytest.mark.parametrize(("kind", "name"), PAGES)
def test_json_and_csv_parse(kind: str | None, name: str | None) -> None:
    json.loads(catalogue_text(kind, name, "json"))
    rows = list(csv.reader(io.StringIO(catalogue_text(kind, name, "csv"))))
    assert len(rows) > 1
    assert {len(row) for row in rows} == {len(rows[0])}


@pytest.mark.parametrize("fmt", ["table", "json", "csv"])
def test_lists_hold_every_name(fmt: Format) -> None:
    for kind, names in (("devices", catalogue.device_names()), ("models", catalogue.model_names())):
        assert all(name in catalogue_text(kind, None, fmt) for name in names)
        assert all(name in catalogue_text(None, None, fmt) for name in names)


def test_one_device_shows_each_figure_with_its_source() -> None:
    one = catalogue.device("v100-16gb")
    text = " ".join(catalogue_text("devices", "v100-16gb").split())
    for source in one.sources.values():
        assert source in text or source == one.sources["vendor"]
    for shown in ("16 GiB", "900 GB/s", "125 TFLOP/s", "7.7 µs", "3.06 USD/h"):
        assert shown in text
    figures = json.loads(catalogue_text("devices", "v100-16gb", "json"))["figures"]
    assert figures["peak.fp16"]["value"] == one.peak["fp16"]
    assert all(figure["source"] for figure in figures.values())


def test_one_model_shows_its_curves() -> None:
    text = catalogue_text("models", "resnet-50")
    assert "203.01" in text
    assert "v100-16gb  fp32" in text
    assert "sequence" not in text
    shown = json.loads(catalogue_text("models", "bert-base", "json"))
    assert [curve["seconds"] for curve in shown["curves"]] == [
        list(curve.seconds) for curve in catalogue.model("bert-base").curves
    ]


@pytest.mark.parametrize(
    ("kind", "name", "near"),
    [("device", None, "devices"), ("devices", "v100", "v100-16gb"), ("models", "resnet50", "resnet-50")],
)
def test_unknown_words_name_the_nearest(kind: str, name: str | None, near: str) -> None:
    with pytest.raises(ScenarioError, match=f"did you mean {near}"):
        catalogue_text(kind, name)


def test_far_off_names_list_what_is_known() -> None:
    with pytest.raises(ScenarioError, match=r"unknown model 'zzz' \(known: bert-base"):
        catalogue_text("models", "zzz")
