"""Closed forms with transfers against the evaluator, on random cases inside their domains."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from simulator.costs.pipeline import (
    FORMS,
    Case,
    F,
    closed_form,
    evaluate,
    first_backward_bubble_s,
    make,
    measure,
    memory_of,
    peaks,
    rank_times,
)
from simulator.errors import ScenarioError

NO_TRANSFER = {"looped-bfs", "interleaved-zero-bubble", "zb-v", "chimera", "dualpipe", "dualpipe-v"}
TWO = {"zb-v", "chimera", "dualpipe", "dualpipe-v"}
ROUNDS = {"interleaved-1f1b", "interleaved-zero-bubble"}


@st.composite
def cases(draw: st.DrawFn, name: str) -> Case:
    """A case that is likely to be inside the domain; the form itself says whether it is."""
    chunks = 2 if name in TWO else draw(st.integers(2, 4)) if name in ROUNDS else 1
    if name in {"looped-bfs", "inference"}:
        chunks = draw(st.integers(1, 4))
    ranks = draw(st.integers(1, 10))
    if name in {"chimera", "dualpipe"}:
        ranks += ranks % 2
    microbatches = draw(st.integers(1, 5)) * ranks if name in ROUNDS or chunks > 1 else draw(st.integers(1, 40))
    if name == "chimera":
        microbatches = ranks
    forward, backward = draw(st.floats(0.2, 5.0)), draw(st.floats(0.2, 5.0))
    if name == "zb-v":
        forward, backward = sorted((forward, backward))
    if name.startswith("dualpipe"):
        backward = forward
    weight = draw(st.floats(0.01, 1.0)) * (5.0 if name in {"gpipe", "1f1b", "chimera"} else min(forward, backward))
    share = 0.0 if name in NO_TRANSFER or (name == "inference" and chunks > 1) else draw(st.floats(0.0, 0.3))
    share = min(share, 0.1) if name == "zb-h1" else share
    transfer = share * min(forward, backward) / chunks
    return Case(ranks, microbatches, forward, backward, weight, transfer, chunks)


def inside(name: str, case: Case) -> bool:
    return all(holds(case) for _, holds in FORMS[name].conditions)


@pytest.mark.parametrize("name", FORMS)
@given(data=st.data())
def test_closed_forms_equal_the_evaluator(name: str, data: st.DataObject) -> None:
    case = data.draw(cases(name))
    assume(inside(name, case))
    chunks = None if name in TWO else case.chunks
    kept = data.draw(st.floats(0.0, 1.0)) if name in {"zb-h1", "zb-h2"} else 0.0
    schedule = make(name, case.ranks, case.microbatches, chunks)
    times = rank_times(schedule, case.forward, case.backward_input, case.backward_weight, case.transfer)
    found, form = measure(evaluate(schedule, times)), closed_form(name, case, kept)
    assert form.makespan_s is not None or form.span_s is not None
    if form.makespan_s is not None:
        assert form.makespan_s == pytest.approx(found.makespan_s, rel=1e-9)
    if form.span_s is not None:
        assert form.span_s == pytest.approx(found.span_s, rel=1e-9)
    if form.peaks is not None:
        unit = schedule.ranks / schedule.stages
        held = peaks(schedule, memory_of(schedule.stages, unit, kept * unit))
        assert held == pytest.approx(form.peaks, rel=1e-9)


@pytest.mark.parametrize("name", ["zb-h1", "zb-h2"])
@given(st.integers(2, 8), st.floats(0.5, 2.0), st.floats(0.5, 2.0), st.floats(0.0, 0.3))
def test_the_first_rank_waits_for_its_first_backward(
    name: str, ranks: int, forward: float, backward: float, transfer: float
) -> None:
    """At least as long as the bound; exactly so where forwards ahead delay no backward (F <= B)."""
    schedule = make(name, ranks, 2 * ranks)
    line = evaluate(schedule, rank_times(schedule, forward, backward, 0.1, transfer))
    kinds = line.of_rank(schedule.arrays.kind, 0)
    warmup = int(np.flatnonzero(kinds != F)[0])
    wait = float(line.start[warmup] - line.end[warmup - 1])
    bound = first_backward_bubble_s(Case(ranks, 2 * ranks, forward, backward, 0.1, transfer), warmup)
    assert wait >= bound - 1e-9
    if forward <= backward:
        assert wait == pytest.approx(bound, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "case", "text"),
    [
        ("zb-h1", Case(4, 4, 1.0, 1.0, 0.5), "m >= p [+] 1"),
        ("zb-h1", Case(4, 8, 1.0, 1.0, 0.1, 0.09), "W >= 2 c"),
        ("zb-h2", Case(4, 8, 1.0, 1.0, 1.5), r"W <= min\(F, B\)"),
        ("interleaved-1f1b", Case(4, 6, 1.0, 1.0, 1.0, chunks=2), "m a multiple of p"),
        ("1f1b", Case(4, 6, 1.0, 1.0, 1.0, transfer=0.5), "c <= 0.3"),
        ("dualpipe", Case(4, 8, 1.0, 2.0, 1.0, chunks=2), "W <= F = B"),
        ("hanayo", Case(4, 8, 1.0, 2.0, 1.0), "no closed form"),
    ],
)
def test_outside_the_domain_is_refused(name: str, case: Case, text: str) -> None:
    with pytest.raises(ScenarioError, match=text):
        closed_form(name, case)
