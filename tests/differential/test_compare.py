"""The comparison itself: whatever differs is found and told."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from simulator.results.record import Batches, Replicas, Requests, RunRecord
from tests.differential.compare import assert_same, first_difference
from tests.differential.support import reference
from tests.support import layer, portion, scenario

NODE = scenario(
    {
        "workload": {"process": "poisson", "rate": "4/s"},
        "deployment": {"portions": [portion("1", 2, batch=3)]},
        "jitter": {"distribution": "exponential"},
    },
    [layer(0.5)],
    duration_s=8.0,
    run={"drain": "0s"},
)


@pytest.fixture(scope="module")
def rec() -> RunRecord:
    return reference(NODE)


def changed(column: Any) -> Any:
    """The column with its last entry another one, as little as can be."""
    other = column.copy()
    if other.dtype == np.float64:
        other[-1] = 1.0 if np.isnan(other[-1]) else np.nextafter(other[-1], np.inf if other[-1] < np.inf else 0.0)
    else:
        other[-1] = not other[-1] if other.dtype == np.bool_ else other[-1] + 1
    return other


def test_a_record_is_the_same_as_itself(rec: RunRecord) -> None:
    assert np.isnan(rec.requests.finish_s).any()
    assert_same(rec, reference(NODE))


@pytest.mark.parametrize(
    ("table", "column"),
    [
        (name, field.name)
        for name, table in (("requests", Requests), ("batches", Batches), ("replicas", Replicas))
        for field in fields(table)
    ],
)
def test_the_last_bit_of_any_column_counts(rec: RunRecord, table: str, column: str) -> None:
    rows = getattr(rec, table)
    other = replace(rec, **{table: replace(rows, **{column: changed(getattr(rows, column))})})
    told = first_difference(rec, other)
    assert told is not None
    assert told.startswith(f"{table} row ")
    assert column in told.splitlines()[0]


def test_a_missing_row_counts(rec: RunRecord) -> None:
    rows = rec.batches
    other = replace(rec, batches=replace(rows, start_s=rows.start_s[:-1]))
    assert "start_s='missing'" in str(first_difference(rec, other))


def test_the_end_of_the_run_counts(rec: RunRecord) -> None:
    told = first_difference(rec, replace(rec, end_s=float(np.nextafter(rec.end_s, 100.0))))
    assert told is not None
    assert told.startswith("end_s")


def test_the_kind_of_number_counts(rec: RunRecord) -> None:
    rows = rec.requests
    other = replace(rec, requests=replace(rows, outcome=rows.outcome.astype(np.int8)))
    assert first_difference(rec, other) == "requests.outcome: int64 in the reference, int8 in the twin"
