"""A consistent record passes; a record that contradicts itself is named as such."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.errors import InternalError
from simulator.results import Outcome, RunRecord, check_conservation
from tests.results.builders import Ask, Batch, alone, record, tandem


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), count=st.integers(0, 150), faults=st.booleans(), warmup=st.floats(0, 5))
def test_consistent_records_pass(seed: int, count: int, faults: bool, warmup: float) -> None:
    facts = tandem(seed, count, faults=faults, warmup=warmup) if count else record([])
    check_conservation(facts)


def test_inside_until_the_end() -> None:
    check_conservation(alone([Ask(1.0, None, Outcome.INSIDE), Ask(2.0, 3.0), Ask(2.0, 2.0, Outcome.REJECTED)]))


def broken(part: str, **arrays: object) -> RunRecord:
    facts = tandem(3, 80, faults=True)
    return replace(facts, **{part: replace(getattr(facts, part), **arrays)})


def changed(part: str, field: str, row: int, value: float) -> RunRecord:
    facts = tandem(3, 80, faults=True)
    array = getattr(getattr(facts, part), field).copy()
    array[row] = value
    return broken(part, **{field: array})


COMPLETED = int(np.flatnonzero(tandem(3, 80, faults=True).requests.outcome == 0)[5])


@pytest.mark.parametrize(
    ("facts", "figure"),
    [
        (changed("requests", "arrival_s", 10, 0.0), "order of arrival"),
        (changed("requests", "number", 10, 9), "lost or counted twice"),
        (changed("requests", "outcome", COMPLETED, 7), "arrived"),
        (changed("requests", "outcome", COMPLETED, 4), "inside with a finish"),
        (changed("requests", "finish_s", COMPLETED, np.nan), "ended without one"),
        (changed("requests", "finish_s", COMPLETED, 0.0), "finish before they arrive"),
        (changed("requests", "exit_layer", COMPLETED, 0), "exit layers"),
        (changed("batches", "start_s", 4, 0.0), "starts before it enters"),
        (changed("batches", "entered_s", 4, 0.0), "enters a queue before it arrives"),
        (changed("batches", "end_s", 4, 0.0), "ends before it starts"),
        (changed("batches", "free_s", 4, 0.0), "transfer ends before"),
        (changed("batches", "idle_s", 4, 0.0), "idle before"),
        (changed("batches", "capacity", slice(None), 0), "above its capacity"),  # type: ignore[arg-type]
    ],
)
def test_contradictions_are_named(facts: RunRecord, figure: str) -> None:
    with pytest.raises(InternalError, match=figure):
        check_conservation(facts)


def test_completed_without_service() -> None:
    with pytest.raises(InternalError, match="without being served"):
        check_conservation(record([Ask(0.0, 1.0), Ask(2.0, 3.0)], [Batch(0.0, 1.0, [(0, 0.0)])]))


def test_an_outcome_out_of_range_in_the_cohort() -> None:
    facts = alone([Ask(0.0, 1.0), Ask(2.0, 3.0)], warmup=1.0)
    outcome = facts.requests.outcome.copy()
    outcome[1] = -1
    with pytest.raises(InternalError, match="arrived 2 but 1"):
        check_conservation(replace(facts, requests=replace(facts.requests, outcome=outcome)))


def test_a_run_that_stops_before_its_requests_do() -> None:
    facts = alone([Ask(5.0, None, Outcome.INSIDE)], end=3.0)
    with pytest.raises(InternalError, match=r"integral|below zero"):
        check_conservation(facts)
