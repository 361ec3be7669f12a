"""Figures from a tally are those from the tables; a tally that contradicts itself is named as such."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.cluster import load, loads, simulate
from simulator.errors import InternalError
from simulator.results import (
    ClassInfo,
    Outcome,
    PortionInfo,
    RunRecord,
    Tally,
    check_tally,
    metrics,
    tally_metrics,
)
from simulator.results.breakdown import PARTS
from simulator.results.cohort import Json
from simulator.results.quantiles import QUANTILES
from simulator.results.sketch import LOWEST, RELATIVE_ERROR, bin_of
from tests.results.builders import Ask, Batch, Replica, record, service, tandem
from tests.results.tallied import frame_of, group_of, in_cohort, parts_of, tally_of

SCENARIOS = Path(__file__).resolve().parent.parent.parent / "scenarios"
SKETCHED = {*(f"latency.{name}" for name in QUANTILES), "queue_wait.p99"}
SHIPPED: list[tuple[str, list[str], list[str]]] = [
    ("mm1", ["run.duration=40s", "run.warmup=4s"], []),
    ("closed", ["run.duration=20s", "run.warmup=3s"], []),
    ("faults", ["run.duration=12s", "run.warmup=1s", "run.drain=1s"], []),
    ("heterogeneous", ["run.duration=2s", "run.warmup=200ms"], ["impatient"]),
    ("quickstart", ["run.duration=5s"], ["fewer"]),
    ("windows", [], []),
    ("bursty-code", [], []),
    ("sentiment-early-exit", ["run.duration=5s", "run.warmup=1s"], []),
]


@cache
def shipped(name: str, sets: tuple[str, ...], variants: tuple[str, ...]) -> RunRecord:
    scenario = load(SCENARIOS / f"{name}.yaml", sets=[*sets, "run.replications=1"], variants=list(variants))
    (only,) = simulate(scenario, engine="simpy").records
    return only


def leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every figure with its path, in the order of the tree."""
    if isinstance(tree, dict | list):
        for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from leaves(value, f"{path}.{key}" if path else str(key))
    else:
        yield path, tree


def assert_same_figures(facts: RunRecord) -> None:
    """All figures of the tally of a record are those of its tables, quantiles within the error of the sketch."""
    frame, tally = frame_of(facts), tally_of(facts)
    check_tally(frame, tally)
    exact, found = dict(leaves(metrics(facts))), dict(leaves(tally_metrics(frame, tally)))
    assert list(found) == list(exact)
    for path, value in exact.items():
        if ".breakdown.p99." in path:
            continue  # the slowest 1 % of a sketch begin at the edge of a bin: see assert_tail
        if value is None or not isinstance(value, float):
            assert (found[path], type(found[path])) == (value, type(value)), path
        elif any(path.endswith(name) for name in SKETCHED):
            error = max(RELATIVE_ERROR * value, 2.0**LOWEST)
            assert abs(found[path] - value) <= error, path
        else:
            small = 1e-12 if ".breakdown." in path else 0.0  # a part is a difference of instants
            assert found[path] == pytest.approx(value, rel=1e-12, abs=small), path
    assert_tail(facts, tally_metrics(frame, tally), metrics(facts))


def assert_tail(facts: RunRecord, found: Json, exact: Json) -> None:
    """The breakdown of the slowest 1 %, request by request: those in the bin of the p99 and above."""
    latency_s, parts, groups = facts.requests.finish_s - facts.requests.arrival_s, parts_of(facts), group_of(facts)
    done = in_cohort(facts) & (facts.requests.outcome == 0)
    first = 0
    for info in facts.services:
        tree, truth = found["services"][info.name], exact["services"][info.name]
        views = [(tree, truth, (groups >= first) & (groups < first + len(info.classes)))]
        for number, item in enumerate(info.classes if info.named_classes else ()):
            views.append((tree["classes"][item.name], truth["classes"][item.name], groups == first + number))
        for shown, true, mine in views:
            rows = np.flatnonzero(done & mine)
            if not len(rows):
                assert shown["breakdown"]["p99"] == dict.fromkeys(PARTS)
                continue
            slow = rows[bin_of(latency_s[rows]) >= bin_of(true["latency"]["p99"])]
            for part, value in zip(PARTS, parts[slow].mean(axis=0)):
                assert shown["breakdown"]["p99"][part] == pytest.approx(float(value), rel=1e-12, abs=1e-12)
        first += len(info.classes)


@pytest.mark.parametrize(("name", "sets", "variants"), SHIPPED, ids=[item[0] for item in SHIPPED])
def test_figures_of_shipped_scenarios(name: str, sets: list[str], variants: list[str]) -> None:
    facts = shipped(name, tuple(sets), tuple(variants))
    assert np.count_nonzero(in_cohort(facts)) > 500
    assert_same_figures(facts)


EVERYTHING = """
version: 1
name: everything
run: {duration: 8s, warmup: 1s, drain: 10ms}
cluster:
  pools:
    v: {device: &d {memory: 64GiB, memory_bandwidth: 1000GB/s, peak: {fp16: 100TFLOPS}}, count: 12, price_per_hour: 3,
        faults: {mtbf: 2s, mttr: 300ms}, devices_per_replica: 2}
    w: {device: *d, count: 4, price_per_hour: 1, load_bandwidth: 1GB/s}
  network: {bandwidth: 1GB/s, latency: 1ms}
models:
  m:
    layers: [{name: a, repeat: 4, time: {overhead: 1ms, per_item: 2ms}, output: 1MB, weights: 100MB}]
    ramps: {after: all, time: {relative: 0.1}}
    exits: {profile: [0.3, 0.2, 0.1, 0.4]}
  n: {layers: [{name: b, time: 10ms, weights: 100MB}]}
services:
  two:
    model: m
    slo: {latency: 60ms, attainment: 99%}
    workload: {process: poisson, rate: 150/s}
    classes: [{name: paid, share: 20%, priority: 1, slo: {latency: 40ms}}, {name: free, share: 80%}]
    queue: {capacity: 50, drop: expired}
    jitter: {distribution: exponential}
    deployment:
      exit_mode: answer_early
      portions:
        - {layers: 1-2, pool: v, replicas: 3, batch: 4, max_wait: 5ms}
        - {layers: 3-4, pool: v, replicas: 2, batch: 8, max_wait: 5ms}
  one:
    model: n
    workload: {process: poisson, rate: 100/s}
    deployments:
      - {from: 0s, portions: [{layers: 1, pool: w, replicas: 2}]}
      - {from: 4s, portions: [{layers: 1, pool: w, replicas: 3, batch: 2}]}
"""


def test_figures_of_several_services_classes_pools_and_windows() -> None:
    (facts,) = simulate(loads(EVERYTHING), engine="simpy").records
    outcomes = np.bincount(facts.requests.outcome, minlength=5)
    assert (outcomes[[0, 1, 4]] > 0).all()
    assert facts.batches.aborted.any()
    assert_same_figures(facts)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    count=st.integers(1, 120),
    max_wait=st.sampled_from([0.0, 0.02, 0.2]),
    faults=st.booleans(),
    classes=st.integers(1, 3),
    warmup=st.floats(0, 5),
)
def test_figures_of_any_record(
    seed: int, count: int, max_wait: float, faults: bool, classes: int, warmup: float
) -> None:
    assert_same_figures(tandem(seed, count, max_wait=max_wait, faults=faults, classes=classes, warmup=warmup))


def test_figures_of_nothing() -> None:
    assert_same_figures(record([], machines=[Replica()]))
    infos = [service("a", ClassInfo("x", 0, 1.0), ClassInfo("y", 0, 2.0)), service("b")]
    assert_same_figures(record([], services=infos, portions=[PortionInfo(0, 1, 2, 0.0), PortionInfo(1, 1, 4, 0.0)]))


def test_right_answers_are_counted() -> None:
    asks = [Ask(1.0, 2.0, correct=1.0, exit_layer=2), Ask(2.0, 3.0, correct=0.0), Ask(4.0, 5.0)]
    visits = [Batch(ask.arrival, ask.finish or 0.0, [(row, ask.arrival)]) for row, ask in enumerate(asks)]
    assert_same_figures(record(asks, visits))
    frame = frame_of(record(asks, visits))
    assert tally_metrics(frame, tally_of(record(asks, visits)))["services"]["chat"]["accuracy"] == 0.5


@pytest.mark.parametrize("exit_layer", [2, 4])
def test_the_accuracy_of_the_full_model(exit_layer: int) -> None:
    info = type(service())("chat", (ClassInfo("all", 0, 1.0),), False, None, 0.93)
    facts = record([Ask(1.0, 2.0, exit_layer=exit_layer)], [Batch(1.0, 2.0, [(0, 1.0)])], services=[info])
    assert_same_figures(facts)
    accuracy = tally_metrics(frame_of(facts), tally_of(facts))["services"]["chat"]["accuracy"]
    assert accuracy == (0.93 if exit_layer == 4 else None)


def test_nothing_completed_has_no_accuracy() -> None:
    info = type(service())("chat", (ClassInfo("all", 0, 1.0),), False, None, 0.93)
    facts = record([Ask(1.0, 1.0, Outcome.DROPPED)], services=[info])
    assert_same_figures(facts)
    assert tally_metrics(frame_of(facts), tally_of(facts))["services"]["chat"]["accuracy"] is None


@settings(max_examples=20, deadline=None)
@given(first=st.integers(0, 10**6), second=st.integers(0, 10**6))
def test_merged_tallies_are_one_tally(first: int, second: int) -> None:
    runs = [tandem(seed, 60, faults=True, classes=2) for seed in (first, second)]
    parts = [tally_of(run) for run in runs]
    merged = tally_of(runs[0])
    assert merged.merge(parts[1]) is merged
    check_tally(frame_of(runs[0]), merged)
    for name in ("arrived", "outcomes", "latency_bins", "parts_bins", "wait_bins", "busy_s", "inside_s"):
        np.testing.assert_allclose(getattr(merged, name), sum(getattr(part, name) for part in parts), rtol=1e-12)
    np.testing.assert_array_equal(merged.latency_max, np.maximum(*(part.latency_max for part in parts)))
    latency = tally_metrics(frame_of(runs[0]), merged)["services"]["chat"]["latency"]
    slowest = np.concatenate([latencies(run) for run in runs])
    assert latency["max"] == slowest.max()
    assert latency["mean"] == pytest.approx(slowest.mean(), rel=1e-12)
    exact = np.sort(slowest)[-(len(slowest) // 100) - 1]
    assert latency["p99"] == pytest.approx(exact, rel=RELATIVE_ERROR)


def latencies(facts: RunRecord) -> Any:
    done = in_cohort(facts) & (facts.requests.outcome == 0)
    return (facts.requests.finish_s - facts.requests.arrival_s)[done]


def test_merging_with_nothing_changes_nothing() -> None:
    facts = tandem(3, 80, classes=2)
    tally, empty = tally_of(facts), Tally.empty(facts.services, facts.portions, facts.pools, 4)
    whole = tally_metrics(frame_of(facts), tally)
    assert tally_metrics(frame_of(facts), empty.merge(tally)) == whole


Change = Callable[[Tally], None]


def add(name: str, place: Any, amount: float) -> Change:
    def change(tally: Tally) -> None:
        getattr(tally, name)[place] += amount

    return change


@cache
def sound() -> tuple[RunRecord, Tally]:
    facts = tandem(3, 80, faults=True, classes=2)
    return facts, tally_of(facts)


USED = int(np.flatnonzero(sound()[1].latency_bins[1])[0])


def one_bin(tally: Tally) -> None:
    """The slowest request moves two bins up, its latency stays."""
    top = int(np.flatnonzero(tally.latency_bins[1]).max())
    tally.latency_bins[1, top] -= 1
    tally.latency_bins[1, top + 2] += 1


@pytest.mark.parametrize(
    ("change", "figure"),
    [
        (add("arrived", 1, 1), r"arrived \d+ but \d+ completed.*whole run, service 'chat', class 'k1'"),
        (add("outcomes", (0, 2), 1), r"arrived \d+ but \d+ completed.*class 'k0'"),
        (add("cohort", (0, 2), 1), "outcomes of the cohort"),
        (add("cohort", (0, 0), -1), r"completed but \d+ in time \(cohort, service 'chat', class 'k0'\)"),
        (add("cohort", (0, 3), -1), "outcomes of the cohort"),
        (add("in_time", 0, 1000), "in time"),
        (add("known", 0, 1000), "known to be right or wrong"),
        (add("correct", 0, 1), "answers known but 1 right"),
        (add("finished", 1, 1000), "finished in the window"),
        (add("latency_bins", (1, 5), 1), r"completed but \d+ latencies"),
        (one_bin, "the highest bin"),
        (add("latency_max", 1, 1.0), "the largest latency"),
        (add("latency_sum", 1, 1e-6), "the sum of parts is .* the sum of latencies"),
        (add("parts_bins", (1, USED, 3), 1e-6), "the sum of parts is"),
        (add("parts_bins", (1, 20, 3), 1e-6), "a bin without requests has parts"),
        (add("exits", (0, 2), 1), r"completed but \d+ exit layers"),
        (add("exits", (0, 0), 1), r"completed but \d+ exit layers"),
        (add("members", 1, 1), r"members of batches but \d+ waits \(service 'chat', layers 3-4\)"),
        (add("wait_bins", (1, 0), 1), r"members of batches but \d+ waits"),
        (add("batches", 0, 1000), "a batch is empty"),
        (add("inside_s", 0, 1e-6), r"number inside is .* sum of sojourns .* \(whole run\)"),
        (add("sojourn_s", 0, 1e-6), r"sum of sojourns .* \(whole run\)"),
        (add("cohort_inside_s", 0, 1e-6), r"number inside is .* \(cohort\)"),
        (add("cohort_sojourn_s", 0, np.nan), r"sum of sojourns nan s \(cohort\)"),
    ],
)
def test_contradictions_are_named(change: Change, figure: str) -> None:
    facts, tally = sound()
    broken = copy.deepcopy(tally)
    check_tally(frame_of(facts), broken)
    change(broken)
    with pytest.raises(InternalError, match=f"conservation: .*{figure}"):
        check_tally(frame_of(facts), broken)
