"""Rows files that cannot be used: every one is refused with its place and a remedy, and nothing is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from simulator.calibration import fit
from simulator.cli.calibrate import run_fit
from simulator.errors import MAX_PROBLEMS, ScenarioError

CORPUS = Path(__file__).resolve().parent.parent / "corpus" / "rows"
Case = tuple[dict[str, Any], tuple[str, ...]]
CASES: dict[str, Case] = {
    "binary.csv": ({}, ("not text",)),
    "blank_lines.csv": ({}, ("is empty",)),
    "comma_decimal.csv": ({}, (":3: time_ms:", "'3,0'", "with a point")),
    "cut_off.csv.gz": ({}, ("cut off",)),
    "damaged.csv.gz": ({}, ("damaged",)),
    "empty.csv": ({}, ("is empty",)),
    "empty.csv.gz": ({}, ("is empty",)),
    "gemm_half_side.csv": ({}, (":3: m:", "2.5", "whole number")),
    "gemm_nan.csv": ({}, (":3: latency_us:", "NaN")),
    "gemm_without_k.csv": ({"kind": "gemm"}, (":1:", "no column 'k'")),
    "gemm_zero_side.csv": ({}, (":3: k:", "got 0")),
    "group_is_batch.csv": ({"group": ["batch"]}, ("batch:", "group column")),
    "half_batch.csv": ({}, (":2: batch:", "1.5", "whole number")),
    "header_only.csv": ({}, (":1:", "no rows")),
    "header_twice.csv": ({}, (":1: batch:", "appears twice", "columns 1 and 2")),
    "header_without_name.csv": ({}, (":1:", "column 2 of the header has no name")),
    "infinite_batch.csv": ({}, (":5: batch:", "inf")),
    "infinite_time.csv": ({}, (":3: time_ms:", "inf")),
    "latin1.csv": ({}, (":4:", "not UTF-8", "0xf6")),
    "long_row.csv": ({}, (":3:", "4 cells where the header has 3")),
    "many_problems.csv": ({}, (":2: time_ms:", "and 1 more problem")),
    "missing_cell.csv": ({}, (":3: time_ms:", "the cell is empty")),
    "nan_time.csv": ({}, (":3: time_ms:", "nan")),
    "nan_time.csv.gz": ({}, (":3: time_ms:", "nan")),
    "negative_batch.csv": ({}, (":2: batch:", "-1")),
    "negative_time.csv": ({}, (":3: time_ms:", "-3.0")),
    "no_batch.csv": ({}, (":1:", "did you mean 'btach'?")),
    "no_header.csv": ({}, (":1:", "must name the columns")),
    "no_time.csv": ({}, (":1:", "no time column", "--time")),
    "no_unit.csv": ({}, (":1: time:", "--unit")),
    "not_gzip.csv.gz": ({}, ("not gzip",)),
    "one_row.csv": ({}, (":2:", "at least two")),
    "open_quote.csv": ({}, ("is not CSV",)),
    "rate_not_time.csv": ({"time": "tokens_per_s"}, ("tokens_per_s:", "rate")),
    "semicolons.csv": ({}, (":1:", "semicolons")),
    "short_row.csv": ({}, (":3:", "2 cells where the header has 3")),
    "tabs.csv": ({}, (":1:", "tabs")),
    "text_batch.csv": ({}, (":2: batch:", "'one'")),
    "text_time.csv": ({}, (":3: time_ms:", "'fast'")),
    "time_with_unit.csv": ({}, (":3: time_ms:", "'3.0ms'", "without a unit")),
    "too_many_folds.csv": ({"folds": 9}, ("--folds", "9 folds for 4 rows")),
    "two_times.csv": ({}, (":1:", "fwd_ms, bwd_ms", "--time")),
    "underscore_number.csv": ({}, (":3: time_ms:", "3_0.0")),
    "unknown_group.csv": ({"group": ["laier"]}, (":1: laier:", "did you mean 'layer'?")),
    "utf16.csv": ({}, ("UTF-16", "save it as UTF-8")),
    "zero_batch.csv": ({}, (":2: batch:", "got 0")),
    "zero_time.csv": ({}, (":3: time_ms:", "got 0")),
}


def test_every_file_of_the_corpus_is_a_case() -> None:
    assert {path.name for path in CORPUS.iterdir()} == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_is_refused_with_its_place(name: str) -> None:
    options, fragments = CASES[name]
    with pytest.raises(ScenarioError) as caught:
        fit(CORPUS / name, **options)
    text = str(caught.value)
    assert name in text
    for fragment in fragments:
        assert fragment in text
    assert len(text.splitlines()) <= MAX_PROBLEMS + 1
    assert all(len(line) < 600 for line in text.splitlines())


@pytest.mark.parametrize("name", CASES)
def test_writes_nothing(name: str, tmp_path: Path) -> None:
    with pytest.raises(ScenarioError):
        run_fit(CORPUS / name, output=tmp_path / "costs.yaml", **CASES[name][0])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "fragment"),
    [
        ({"kind": "gem"}, "unknown kind 'gem': did you mean 'gemm'?"),
        ({"unit": "h"}, "unknown unit 'h': must be s, ms or us"),
        ({"time": "tme_ms"}, "did you mean 'time_ms'?"),
        ({"batch": "bach"}, "did you mean 'batch'?"),
        ({"time": "batch", "unit": "s"}, "cannot be the time too"),
        ({"folds": 1}, "must be from 2"),
        ({"folds": 1000}, "must be from 2"),
        ({"group": ["layer", "layer"]}, "names a column twice"),
        ({"hold_out": "days"}, "must be rows or layers"),
    ],
)
def test_options_that_do_not_fit_the_file(options: dict[str, Any], fragment: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        fit(CORPUS / "unknown_group.csv", **options)
    assert fragment in str(caught.value)


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="is a folder"):
        fit(tmp_path)


def test_a_missing_file_offers_the_nearest_name(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("batch,time_ms\n1,2\n2,3\n")
    with pytest.raises(ScenarioError, match=r"no such file: did you mean 'rows\.csv'\?"):
        fit(tmp_path / "row.csv")


def test_an_output_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("batch,time_ms\n1,2\n2,3\n4,5\n")
    (tmp_path / "busy").write_text("")
    with pytest.raises(ScenarioError, match="cannot be written"):
        run_fit(tmp_path / "rows.csv", output=tmp_path / "busy" / "costs.yaml")
