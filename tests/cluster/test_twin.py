"""A twin beside the main network: who answers, what becomes of the other task, what it costs; nothing is lost."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.cluster import loads, simulate
from simulator.errors import InternalError, ScenarioError
from simulator.reporting.table import result_table
from simulator.results import check_conservation
from simulator.results.figures import flat
from simulator.results.record import Outcome, RunRecord, Task, Twins
from tests.laws import invariants
from tests.laws.strategies import MODES, Wanted, deployments, scenarios
from tests.support import Node, layer, portion, record, run, scenario, seconds, trace

ANSWERED, WAITING, SERVICE, UNSURE = (
    Task.ANSWERED,
    Task.CANCELLED_WAITING,
    Task.CANCELLED_IN_SERVICE,
    Task.NOT_CONFIDENT,
)


def case(
    folder: Path,
    arrivals_s: list[float],
    *,
    main: float = 1.0,
    twin: float = 0.25,
    share: float = 1.0,
    entries: list[Node] | None = None,
    beside: Node | None = None,
    layers: list[Node] | None = None,
    **more: Any,
) -> Node:
    """A main network and a twin with constant times [s] on one replica each, unless more is said."""
    service: Node = {
        "workload": trace(folder, arrivals_s),
        "deployment": {"portions": entries or [portion("1")]},
        "twin": {"model": "t", "share": share, "deployment": {"portions": [portion("1", **(beside or {}))]}},
        **more.pop("service", {}),
    }
    node = scenario(service, layers or [layer(main)], duration_s=100.0, **more)
    node["models"]["t"] = {"layers": [layer(twin)]}
    return node


def tasks(rec: RunRecord) -> tuple[list[int], list[int]]:
    """Ends of the tasks of the main network and of the twin, by request."""
    assert rec.twins is not None
    return rec.twins.main.tolist(), rec.twins.twin.tolist()


def figures(node: Node, folder: Path | None = None) -> Any:
    """What the result says of the twin of the service ``s``."""
    return run(node, folder).to_dict()["services"]["s"]["twin"]


# -- who answers, and what becomes of the other task ----------------------------------------------------------------


def test_the_twin_answers_first(tmp_path: Path) -> None:
    """0 is in service of the main network when the twin answers, 1 waits there."""
    node = case(tmp_path, [0.0, 0.125])
    rec = record(node, tmp_path)
    assert rec.requests.finish_s.tolist() == [0.25, 0.5]
    assert tasks(rec) == ([SERVICE, WAITING], [ANSWERED, ANSWERED])
    assert rec.requests.exit_layer.tolist() == [0, 0]
    of_main = rec.batches.portion == 0
    assert rec.batches.end_s[of_main].tolist() == [1.0], "0 goes on in its batch, 1 never starts"
    told = figures(node, tmp_path)
    assert told["answered"] == 2
    assert (told["cancelled_waiting"], told["cancelled_in_service"]) == (1, 1)
    assert told["wasted_device_hours"] == pytest.approx(0.75 / 3600)
    assert told["unused_device_hours"] == pytest.approx(1.0 / 3600)


def test_the_main_network_answers_first(tmp_path: Path) -> None:
    node = case(tmp_path, [0.0, 0.125], main=0.5, twin=4.0)
    rec = record(node, tmp_path)
    assert rec.requests.finish_s.tolist() == [0.5, 1.0]
    assert tasks(rec) == ([ANSWERED, ANSWERED], [SERVICE, WAITING])
    assert rec.requests.exit_layer.tolist() == [1, 1]
    assert rec.end_s == 100.0
    assert figures(node, tmp_path)["wasted_device_hours"] == pytest.approx(3.5 / 3600)


def test_at_one_instant_the_main_network_wins(tmp_path: Path) -> None:
    node = case(tmp_path, [0.0], main=1.0, twin=1.0)
    rec = record(node, tmp_path)
    assert tasks(rec) == ([ANSWERED], [SERVICE])
    assert rec.requests.finish_s.tolist() == [1.0]
    assert figures(node, tmp_path)["wasted_device_hours"] == 0.0


def test_who_the_twin_is_not_sure_of_waits_for_the_main_network(tmp_path: Path) -> None:
    node = case(tmp_path, [0.0, 0.125], share=0.0)
    rec = record(node, tmp_path)
    assert rec.requests.finish_s.tolist() == [1.0, 2.0]
    assert tasks(rec) == ([ANSWERED, ANSWERED], [UNSURE, UNSURE])
    told = figures(node, tmp_path)
    assert told["answered"] == told["cancelled_waiting"] == told["cancelled_in_service"] == 0
    assert told["tasks"]["twin"]["not_confident"] == 2
    assert told["wasted_device_hours"] == 0.0
    assert told["unused_device_hours"] == pytest.approx(0.5 / 3600)


def test_a_place_freed_by_a_cancelled_task_is_used(tmp_path: Path) -> None:
    """1 is answered by the twin while it waits, so that 2 is next."""
    node = case(tmp_path, [0.0, 0.0, 0.75], beside={"batch": 1})
    node["services"]["s"]["twin"]["deployment"]["portions"][0]["replicas"] = 2
    rec = record(node, tmp_path)
    assert tasks(rec)[0] == [SERVICE, WAITING, WAITING]
    assert rec.batches.start_s[rec.batches.portion == 0].tolist() == [0.0]
    slow = case(tmp_path, [0.0, 0.0, 0.5], main=1.0, twin=0.75)
    slow["services"]["s"]["twin"]["deployment"]["portions"][0]["replicas"] = 2
    rec = record(slow, tmp_path)
    assert tasks(rec)[0] == [SERVICE, WAITING, SERVICE]
    assert rec.batches.start_s[rec.batches.portion == 0].tolist() == [0.0, 1.0]


def exits(folder: Path, sure: list[int], labels: list[int] | None = None) -> tuple[Node, Node]:
    """Exit tables of a main network of one ramp, and of a twin of two exits that is sure where ``sure`` is 1.

    The main network is always right; the twin too in even rows, by its second exit.
    """
    labels = [0] * len(sure) if labels is None else labels
    main = ["conf_1,conf_2,pred_1,pred_2,label", *(f"0.5,0.9,{y},{y},{y}" for y in labels)]
    twin = ["conf_1,conf_2,pred_1,pred_2,label"]
    twin += [f"0.5,{0.95 if s else 0.6},1,{(i + y) % 2},{y}" for i, (s, y) in enumerate(zip(sure, labels))]
    (folder / "main.csv").write_text("\n".join([*main, ""]))
    (folder / "twin.csv").write_text("\n".join([*twin, ""]))
    model = {
        "ramps": {"after": [1]},
        "exits": {"table": "main.csv", "order": "replayed", "rule": {"confidence": 0.9}},
    }
    return model, {"model": "t", "table": "twin.csv", "rule": {"confidence": 0.9}}


def by_table(folder: Path, sure: list[int], arrivals_s: list[float], **more: Any) -> Node:
    """Two layers of 0.5 s each, with a batch of up to 8; the twin takes 0.25 s."""
    model, twin = exits(folder, sure)
    entries = more.pop("entries", [portion("1-2", batch=8)])
    layers = [layer(0.5, output="1KB"), layer(0.5)]
    node = case(folder, arrivals_s, layers=layers, entries=entries, model=model, beside={"batch": 8}, **more)
    node["services"]["s"]["twin"] = {**twin, "deployment": node["services"]["s"]["twin"]["deployment"]}
    return node


def test_the_row_of_a_request_says_whether_its_twin_is_sure(tmp_path: Path) -> None:
    """Rows 0, 2 and 3 of 4 are sure; the answers to even rows are right, those of the main network always are."""
    node = by_table(tmp_path, [1, 0, 1, 1], [0.0, 0.0, 0.0, 0.0])
    rec = record(node, tmp_path)
    assert rec.requests.finish_s.tolist() == [0.25, 1.0, 0.25, 0.25]
    assert rec.requests.exit_layer.tolist() == [0, 2, 0, 0]
    assert rec.requests.correct.tolist() == [1.0, 1.0, 1.0, 0.0]
    result = run(node, tmp_path).to_dict()["services"]["s"]
    assert result["accuracy"] == 0.75
    assert result["exits"] == {"0": 0.75, "2": 0.25}
    assert result["mean_layers"] == 0.5
    assert result["twin"]["wasted_device_hours"] == pytest.approx(0.75 * 3 / 4 / 3600)
    assert result["breakdown"]["mean"]["service"] == pytest.approx((3 * 0.25 + 1.0) / 4)


def test_the_answers_of_a_twin_lose_what_its_number_formats_cost(tmp_path: Path) -> None:
    """The twin is right in two rows of four: losing a tenth of the accuracy loses a fifth of the right answers."""
    node = by_table(tmp_path, [1, 0, 1, 1], [0.0, 0.0, 0.0, 0.0])
    node["services"]["s"]["twin"]["deployment"]["portions"][0]["precision"] = "int8"
    result = run(node, tmp_path).to_dict()
    assert result["services"]["s"]["accuracy"] == 0.75
    assert [line for line in result["warnings"] if "accuracy" in line] == [
        "service s/twin: its accuracy does not count what int8 costs, which models.t.accuracy.loss does not say"
    ]
    node["models"]["t"]["accuracy"] = {"loss": {"int8": "10%"}}
    assert record(node, tmp_path).requests.correct.tolist() == pytest.approx([0.8, 1.0, 0.8, 0.0])
    assert not any("accuracy" in line for line in run(node, tmp_path).to_dict()["warnings"])


def test_a_cancelled_task_leaves_at_the_end_of_its_batch(tmp_path: Path) -> None:
    """Two portions: only the unsure one goes on, for whom a transfer is paid."""
    entries = [portion("1", batch=8), portion("2", batch=8)]
    network = {"network": {"bandwidth": "1KB/s", "latency": "0s"}}
    node = by_table(tmp_path, [1, 0], [0.0, 0.0], entries=entries, cluster=_with_pool(network))
    rec = record(node, tmp_path)
    sizes = np.diff(rec.batches.offset)
    assert [sizes[rec.batches.portion == p].tolist() for p in range(3)] == [[2], [1], [2]]
    assert rec.requests.finish_s.tolist() == [0.25, 2.0]
    assert rec.batches.free_s[rec.batches.portion == 0].tolist() == [1.5]


def test_a_task_cancelled_on_its_way_enters_no_queue_any_more(tmp_path: Path) -> None:
    """The transfer of both takes from 0.5 to 2.5; the twin is sure of one at 0.75."""
    entries = [portion("1", batch=8), portion("2", batch=8)]
    network = {"network": {"bandwidth": "1KB/s", "latency": "0s"}}
    node = by_table(tmp_path, [1, 0], [0.0, 0.0], entries=entries, cluster=_with_pool(network))
    node["models"]["t"] = {"layers": [layer(0.75)]}
    rec = record(node, tmp_path)
    assert tasks(rec) == ([SERVICE, ANSWERED], [ANSWERED, UNSURE])
    assert rec.batches.start_s[rec.batches.portion == 1].tolist() == [2.5]
    assert np.diff(rec.batches.offset)[rec.batches.portion == 1].tolist() == [1]


def test_a_task_in_the_buffer_of_a_serial_replica_waits(tmp_path: Path) -> None:
    """Survivors of the first portion wait from 0.5 on for their batch to fill; the twin is sure of one at 0.75."""
    node = by_table(tmp_path, [1, 0], [0.0, 0.0])
    entries = [portion("1", None, batch=2), portion("2", None, batch=4, max_wait=1.0)]
    node["services"]["s"]["deployment"] = {"execution": "serial", "replicas": 1, "portions": entries}
    node["models"]["t"] = {"layers": [layer(0.75)]}
    rec = record(node, tmp_path)
    assert tasks(rec) == ([WAITING, ANSWERED], [ANSWERED, UNSURE])
    assert rec.requests.finish_s.tolist() == [0.75, 2.0]


def _with_pool(more: Node) -> Node:
    base: Node = scenario({"workload": {}}, [], duration_s=1.0)["cluster"]
    return {**base, **more}


@pytest.mark.parametrize("mode", MODES)
def test_ramps_answer_at_their_instant(tmp_path: Path, mode: str) -> None:
    """Every row leaves at the ramp after 0.5 s; a twin that takes longer is too late wherever ramps answer."""
    node = by_table(tmp_path, [1, 1], [0.0, 0.0])
    (tmp_path / "main.csv").write_text("conf_1,conf_2\n0.95,0.95\n0.95,0.95\n")
    node["models"]["t"] = {"layers": [layer(0.75)]}
    entries = [portion("1", batch=8), portion("2", batch=8)] if mode == "at_cut" else [portion("1-2", batch=8)]
    node["services"]["s"]["deployment"] = {"exit_mode": mode, "portions": entries}
    rec = record(node, tmp_path)
    first = mode != "none"
    assert rec.requests.finish_s.tolist() == [0.5, 0.5] if first else [0.75, 0.75]
    assert tasks(rec)[1] == [SERVICE if first else ANSWERED] * 2


def test_a_full_queue_rejects_only_what_the_twin_cannot_answer(tmp_path: Path) -> None:
    """The main network has no place for 1 and 2; the twin is sure of 1, and of 2 it is not, which ends then."""
    node = by_table(tmp_path, [0, 1, 0], [0.0, 0.0, 0.0], entries=[portion("1-2")])
    node["services"]["s"]["queue"] = {"capacity": 0}
    rec = record(node, tmp_path)
    assert tasks(rec) == ([ANSWERED, Task.REJECTED, Task.REJECTED], [UNSURE, ANSWERED, UNSURE])
    assert rec.requests.outcome.tolist() == [Outcome.COMPLETED, Outcome.COMPLETED, Outcome.REJECTED]
    assert rec.requests.finish_s.tolist() == [1.0, 0.25, 0.25]


def test_who_is_given_up_later_than_the_twin_was_through_ends_at_once(tmp_path: Path) -> None:
    """1 is past its deadline when the main network is free at 1; the twin was not sure of it at 0.25."""
    node = by_table(tmp_path, [0, 0], [0.0, 0.0], entries=[portion("1-2")])
    node["services"]["s"] |= {"queue": {"drop": "expired"}, "slo": {"latency": seconds(0.75)}}
    rec = record(node, tmp_path)
    assert rec.requests.outcome.tolist() == [Outcome.COMPLETED, Outcome.DROPPED]
    assert rec.requests.finish_s.tolist() == [1.0, 1.0]


def test_tasks_under_way_at_the_end_of_the_run_are_inside(tmp_path: Path) -> None:
    node = by_table(tmp_path, [0, 0], [99.5, 99.625], entries=[portion("1-2")])
    node["run"]["drain"] = "0s"
    rec = record(node, tmp_path)
    assert tasks(rec) == ([Task.INSIDE] * 2, [UNSURE, UNSURE])
    assert rec.requests.outcome.tolist() == [Outcome.INSIDE] * 2


def test_tables_must_go_together(tmp_path: Path) -> None:
    node = by_table(tmp_path, [1, 0], [0.0])
    (tmp_path / "twin.csv").write_text("conf_1,pred_1,label\n0.5,0,0\n0.5,1,1\n")
    with pytest.raises(ScenarioError, match=r"twin.table.*row 2 has label 1, in the model's exit table 0"):
        run(node, tmp_path)
    (tmp_path / "twin.csv").write_text("conf_1\n0.5\n0.5\n0.5\n")
    with pytest.raises(ScenarioError, match="has 3 rows, the model's exit table 2"):
        run(node, tmp_path)
    exits(tmp_path, [1, 0])
    node["services"]["s"]["twin"]["rule"] = {"confidence": [0.9]}
    with pytest.raises(ScenarioError, match=r"twin.rule.*1 thresholds, the twin has 2 exits"):
        run(node, tmp_path)


def test_the_twin_must_fit_too(tmp_path: Path) -> None:
    node = case(tmp_path, [0.0])
    node["models"]["t"]["layers"][0]["weights"] = "65GiB"
    with pytest.raises(ScenarioError, match=r"services.s.twin.deployment.portions.0: does not fit"):
        run(node, tmp_path)


# -- laws on random scenarios ---------------------------------------------------------------------------------------


@st.composite
def twinned(draw: st.DrawFn, plain: bool = False) -> Node:
    """A random scenario whose first service has a twin. ``plain``: nothing is dropped, rejected or lost."""
    node: Node = draw(scenarios(Wanted(closed=False, windows=False, faults=not plain)))
    service = node["services"]["svc0"]
    if plain:
        service |= {"queue": {}, "jitter": {"distribution": "deterministic"}}
    node["models"]["t"] = {"layers": [layer(draw(st.sampled_from([0.002, 0.01, 0.04])), output="1KB")] * 2}
    service["twin"] = {
        "model": "t",
        "share": draw(st.sampled_from([0.0, 0.3, 0.8, 1.0])),
        "deployment": draw(deployments(2, ramps=False)),
    }
    for pool in node["cluster"]["pools"].values():
        pool["count"] += 40
    return node


def recorded(node: Node) -> RunRecord:
    """Its only record, checked for conservation by the run itself."""
    (rec,) = simulate(loads(json.dumps(node)), engine="simpy").records
    return rec


@settings(max_examples=25, deadline=None)
@given(twinned())
def test_nothing_is_lost(node: Node) -> None:
    """Every request is two tasks, each with one end that fits; the JSON adds up to the cohort."""
    result = simulate(loads(json.dumps(node)), engine="simpy")
    (rec,) = result.records
    for check in (
        invariants.check_order,
        invariants.check_batches,
        invariants.check_replicas,
        invariants.check_pools,
    ):
        check(rec)
    told = result.to_dict()["services"]["svc0"]
    for ends in told["twin"]["tasks"].values():
        assert sum(ends.values()) == told["arrived"]
    both = sum(ends["answered"] for ends in told["twin"]["tasks"].values())
    assert both == told["completed"]
    assert 0 <= told["twin"]["wasted_device_hours"] <= told["twin"]["unused_device_hours"] * (1 + 1e-12)
    assert told["twin"]["unused_device_hours"] <= told["device_hours"] * (1 + 1e-12)


@settings(max_examples=20, deadline=None)
@given(twinned())
def test_a_twin_that_is_never_sure_changes_nothing(node: Node) -> None:
    """The same answers at the same instants as without it; what is given up ends the same way, at the earliest then."""
    node["services"]["svc0"]["twin"]["share"] = 0.0
    if "network" in node["cluster"]:
        node["cluster"]["network"]["shared"] = False  # the twin's own transfers would take their part
    alone = deepcopy(node)
    del alone["services"]["svc0"]["twin"]
    beside, without = recorded(node), recorded(alone)
    done = without.requests.outcome == Outcome.COMPLETED
    assert np.array_equal(beside.requests.finish_s[done], without.requests.finish_s[done])
    assert np.array_equal(beside.requests.exit_layer, without.requests.exit_layer)
    lost = ~done & (beside.requests.outcome != Outcome.INSIDE)
    assert np.array_equal(beside.requests.outcome[lost], without.requests.outcome[lost])
    assert np.all(beside.requests.finish_s[lost] >= without.requests.finish_s[lost])


@settings(max_examples=20, deadline=None)
@given(twinned(plain=True))
def test_a_twin_that_is_always_sure_and_faster_is_a_service_of_its_own(node: Node) -> None:
    """The main network takes an hour: requests finish as those of a service of the twin alone, to the bit."""
    service = node["services"]["svc0"]
    service["twin"]["share"] = 1.0
    service |= {"model": "slow", "deployment": {"portions": [portion("1")]}}
    if service["twin"]["deployment"]["routing"] in ("random", "two_choices"):
        service["twin"]["deployment"]["routing"] = "shared"  # the twin has streams of its own
    node["models"]["slow"] = {"layers": [layer(3600.0)]}
    alone = deepcopy(node)
    twin = alone["services"]["svc0"].pop("twin")
    alone["services"]["svc0"] |= {"model": "t", "deployment": twin["deployment"]}
    beside, without = recorded(node), recorded(alone)
    mine = beside.requests.service == 0
    assert np.array_equal(beside.requests.finish_s, without.requests.finish_s, equal_nan=True)
    assert np.array_equal(beside.requests.outcome, without.requests.outcome)
    assert not beside.requests.exit_layer[mine].any()


def test_the_same_bytes_for_the_same_seed(tmp_path: Path) -> None:
    node = case(tmp_path, [0.125 * i for i in range(50)], share=0.5)
    assert run(node, tmp_path).to_json() == run(node, tmp_path).to_json()


# -- what results show ----------------------------------------------------------------------------------------------


def test_results_show_the_twin_everywhere(tmp_path: Path) -> None:
    """JSON, flat figures, text, HTML, the table of portions; sums over replications."""
    node = case(tmp_path, [0.0, 0.125], replications=2)
    result = run(node, tmp_path)
    told = result.to_dict()["services"]["s"]
    assert told["twin"]["answered"] == 4
    assert [item["layers"] for item in told["twin"]["portions"]] == ["1"]
    assert told["twin"]["portions"][0]["utilization"] == pytest.approx(0.5 / 100)
    assert "twin" not in told["twin"]["portions"][0]
    rows = {(row.portion, row.metric): row.value for row in flat(result.to_dict())}
    assert rows["", "twin.cancelled_waiting"] == 2
    assert rows["twin 1", "mean_batch"] == 1
    text = result_table(result.to_dict())
    assert "answered by the twin" in text
    assert "twin 1" in text
    assert "answered by the twin" in result._repr_html_()
    assert result.portions["portion"].tolist() == ["1", "twin 1"] * 2
    assert result.requests["exit_layer"].tolist() == [0] * 4


def test_the_compiled_engine_says_that_it_cannot(tmp_path: Path) -> None:
    node = case(tmp_path, [0.0])
    assert "twin" in run(node, tmp_path).to_dict()["engine_reason"]
    node["run"]["engine"] = "compiled"
    with pytest.raises(ScenarioError, match="does not cover a twin"):
        run(node, tmp_path)


def test_a_loss_is_found(tmp_path: Path) -> None:
    """The check of conservation is not blind: two answers, a cancelled task without an answer, a task without end."""
    rec = record(case(tmp_path, [0.0, 0.125]), tmp_path)
    for main, twin in (([0, 1], [0, 0]), ([2, 1], [3, 0]), ([2, -1], [0, 0]), ([1, 1], [7, 0]), ([3, 1], [0, 0])):
        object.__setattr__(rec, "twins", Twins(np.array(main), np.array(twin)))
        with pytest.raises(InternalError, match="conservation"):
            check_conservation(rec)


def test_load_that_the_twin_may_take_is_no_overload(tmp_path: Path) -> None:
    busy = case(tmp_path, [0.5 * i for i in range(200)], share=0.75)
    assert not run(busy, tmp_path).to_dict()["warnings"]
    busy["services"]["s"]["twin"]["share"] = 0.25
    (warning,) = run(busy, tmp_path).to_dict()["warnings"]
    assert "even where the twin takes all that it can answer" in warning
