"""The result object: JSON, frames, misses."""

import json
import math
from dataclasses import replace

import pytest

from simulator import __version__
from simulator.errors import InternalError, ScenarioError
from simulator.results import ClassInfo, Outcome, Result, metrics, tally_metrics
from simulator.results.sketch import RELATIVE_ERROR
from simulator.results.strictjson import plain, to_json
from tests.results.builders import Ask, Batch, alone, record, service, tandem
from tests.results.tallied import frame_of, tally_of


def result(count: int = 3, **named: object) -> Result:
    records = [replace(tandem(seed, 80, faults=True, classes=2), replication=seed) for seed in range(count)]
    return Result.build("demo", 7, "simpy", "asked for", records, **named)  # type: ignore[arg-type]


def strict(text: str) -> object:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


def test_the_object_of_the_design() -> None:
    figures = result(scenario_hash="ab", variants=["double"], warnings=["hot"]).to_dict()
    assert list(figures) == [
        "scenario", "seed", "engine", "engine_reason", "quantiles", "quantile_error", "version", "replications",
        "variants", "overrides", "scenario_hash", "warnings", "services", "trainings", "streams", "pools",
    ]  # fmt: skip
    assert (figures["quantiles"], figures["quantile_error"]) == ("exact", 0.0)
    assert figures["version"] == __version__
    assert figures["replications"] == 3
    chat = figures["services"]["chat"]
    assert set(chat) == {
        "arrived", "completed", "dropped", "rejected", "failed", "inside", "throughput", "goodput",
        "attainment", "accuracy", "mean_layers", "latency", "ci95", "exits", "cost_per_hour",
        "cost_per_million", "portions", "breakdown", "device_hours", "classes",
    }  # fmt: skip
    assert set(chat["latency"]) == {"mean", "p50", "p90", "p95", "p99", "p999", "max"}
    assert set(chat["portions"][0]) >= {"layers", "replicas", "utilization", "mean_batch", "queue_wait"}
    assert set(figures["pools"]["v100"]) >= {"count", "used", "utilization", "cost_per_hour"}


def test_json_is_strict_and_the_same_every_time() -> None:
    text = result().to_json()
    assert text == result().to_json()
    assert strict(text) == result().to_dict()


def test_a_caller_may_change_what_it_got() -> None:
    found = result(1)
    found.to_dict()["services"].clear()
    assert found.to_dict()["services"]


def test_numbers_become_plain() -> None:
    import numpy as np

    tree = {"a": np.float64(0.5), "b": np.int64(3), "c": math.nan, "d": [math.inf, (np.bool_(True),)]}
    assert plain(tree) == {"a": 0.5, "b": 3, "c": None, "d": [None, [True]]}
    assert strict(to_json(tree)) == {"a": 0.5, "b": 3, "c": None, "d": [None, [True]]}


def test_names_outside_ascii_survive() -> None:
    assert strict(to_json({"služba": "µ"})) == {"služba": "µ"}
    assert to_json({"služba": "µ"}).isascii()


def test_warnings_are_said_once() -> None:
    records = [record([], warnings=["hot", "cold"]), record([], warnings=["hot"])]
    found = Result.build("demo", 0, "simpy", "", records, warnings=["dear"])
    assert found.to_dict()["warnings"] == ["dear", "hot", "cold"]


def test_known_metrics_are_not_computed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    first = result(1)
    monkeypatch.setattr("simulator.results.result.metrics_of", None)
    again = Result.build("demo", 7, "simpy", "asked for", first.records, metrics=first.metrics)
    assert again.to_json() == first.to_json()


def without_tables(count: int = 3, **named: object) -> Result:
    records = [replace(tandem(seed, 80, faults=True, classes=2), replication=seed) for seed in range(count)]
    frames = [frame_of(facts) for facts in records]
    figures = [tally_metrics(frame, tally_of(facts)) for frame, facts in zip(frames, records)]
    return Result.build("demo", 7, "compiled", "", frames, metrics=figures, **named)  # type: ignore[arg-type]


def test_a_result_without_tables_has_its_figures() -> None:
    found, exact = without_tables(), result()
    figures, truth = found.to_dict(), exact.to_dict()
    assert (figures["quantiles"], figures["quantile_error"]) == ("sketch", RELATIVE_ERROR)
    assert list(figures) == list(truth)
    assert figures["services"]["chat"]["arrived"] == truth["services"]["chat"]["arrived"]
    assert strict(found.to_json()) == figures
    assert [str(miss) for miss in found.misses()] == [str(miss) for miss in exact.misses()] != []
    assert repr(found) == repr(exact)
    assert "percentiles ± 0.098 %" in found._repr_html_()
    assert "percentiles" not in exact._repr_html_()
    assert list(found.portions.columns) == list(exact.portions.columns)
    assert [run.replication for run in found.runs] == [0, 1, 2]


@pytest.mark.parametrize("name", ["requests", "batches", "timeline", "records"])
def test_tables_that_were_not_kept_are_asked_for(name: str) -> None:
    with pytest.raises(ScenarioError, match=r"'demo' kept no tables.*simulate\(\.\.\., tables=True\)") as caught:
        getattr(without_tables(), name)
    assert len(caught.value.problems) == 1


def test_one_run_without_tables_makes_all_figures_sketched() -> None:
    facts = tandem(1, 40)
    trees = [metrics(facts), tally_metrics(frame_of(facts), tally_of(facts))]
    found = Result.build("demo", 0, "compiled", "", [facts, frame_of(facts)], metrics=trees)
    assert found.to_dict()["quantiles"] == "sketch"


def test_figures_without_tables_have_to_be_given() -> None:
    with pytest.raises(InternalError, match="have to be given"):
        Result.build("demo", 0, "compiled", "", [frame_of(tandem(1, 40))])


def missing(*classes: ClassInfo, target: float | None) -> list[str]:
    asks = [Ask(float(row), row + 1.0 + (row == 3), kind=row % len(classes)) for row in range(8)]
    info = replace(service("chat", *classes, target=target), named_classes=len(classes) > 1)
    return [str(miss) for miss in Result.build("demo", 0, "simpy", "", [alone(asks, services=[info])]).misses()]


def test_misses_name_the_service_and_the_class() -> None:
    assert missing(ClassInfo("all", 0, 1.5), target=0.8) == []
    assert missing(ClassInfo("all", 0, 1.5), target=0.9) == ["chat: 87.50 % of requests meet 1.5 s, 90 % asked"]
    assert missing(ClassInfo("all", 0, math.inf), target=None) == []
    two = missing(ClassInfo("a", 0, 1.5), ClassInfo("b", 0, 1.5), target=0.8)
    assert two == ["chat, class b: 75.00 % of requests meet 1.5 s, 80 % asked"]
    own = missing(ClassInfo("a", 0, 1.5), ClassInfo("b", 0, 1.5, 0.7), target=0.8)
    assert own == []


def test_a_latency_alone_asks_for_every_request() -> None:
    assert len(missing(ClassInfo("all", 0, 1.5), target=None)) == 1
    assert missing(ClassInfo("all", 0, 2.5), target=None) == []


def test_frames_are_tidy() -> None:
    found = result(2)
    requests = found.requests
    assert len(requests) == 160
    assert list(requests["replication"].unique()) == [0, 1]
    assert set(requests["outcome"]) == {"completed", "dropped"}
    assert set(requests["class"]) == {"k0", "k1"}
    done = requests[requests["outcome"] == "completed"]
    assert done["latency_s"].notna().all()
    cohort = int(found.to_dict()["services"]["chat"]["arrived"])
    assert int(requests["in_cohort"].sum()) == cohort
    batches = found.batches
    assert len(batches) == sum(len(item.batches.start_s) for item in found.records)
    assert set(batches["layers"]) == {"1-2", "3-4"}
    assert int(batches["size"].sum()) == sum(len(item.batches.member) for item in found.records)
    assert list(found.portions["portion"]) == ["1-2", "3-4"] * 2


def test_timeline_counts_everybody() -> None:
    asks = [Ask(0.0, 0.3), Ask(0.05, 5.0), Ask(1.0, 1.0, Outcome.DROPPED), Ask(9.99, None, Outcome.INSIDE)]
    timeline = Result.build("demo", 0, "simpy", "", [alone(asks)]).timeline
    assert len(timeline) == 100
    assert int(timeline["arrived"].sum()) == 4
    assert int(timeline["completed"].sum()) == 2
    assert timeline["inside"].iloc[0] == 2
    assert timeline["inside"].iloc[-1] == 1
    assert timeline["latency_mean_s"].iloc[0] == pytest.approx((0.3 + 4.95) / 2)
    assert timeline["latency_p99_s"].iloc[0] == pytest.approx(4.95)


def test_classes_of_several_services_keep_their_names() -> None:
    infos = [
        service("a", ClassInfo("x", 0, 1.0), ClassInfo("y", 0, 1.0)),
        service("b", ClassInfo("z", 0, 1.0)),
    ]
    asks = [Ask(0.0, 1.0, kind=1), Ask(0.5, 1.0, service=1)]
    visits = [Batch(0.0, 1.0, [(0, 0.0)]), Batch(0.5, 1.0, [(1, 0.5)])]
    frame = Result.build("demo", 0, "simpy", "", [record(asks, visits, services=infos)]).requests
    assert list(frame["class"]) == ["y", "z"]
    assert list(frame["service"]) == ["a", "b"]


def test_frames_of_nothing() -> None:
    found = Result.build("demo", 0, "simpy", "", [record([])])
    assert len(found.requests) == len(found.batches) == 0
    assert len(found.timeline) == 100


def test_html_escapes_names() -> None:
    info = replace(service("<script>"), named_classes=False)
    found = Result.build("a<b", 0, "simpy", "", [alone([Ask(1.0, 2.0)], services=[info], warnings=["x<y"])])
    html = found._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "x&lt;y" in html
    assert "±" in result(3)._repr_html_()


def test_html_shows_what_the_table_shows() -> None:
    html = result(3)._repr_html_()
    for word in ("throughput", "latency, p99", "mean batch", "where the time goes", "pools", "utilization", "ms", "%"):
        assert word in html
    assert "text-align: right" in html
    assert "rejected" not in html
