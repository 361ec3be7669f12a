"""Both figures: those of the plan, and those of the queues that the target has."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from simulator import simulate
from simulator.cluster import loads
from simulator.export import TARGETS, export
from simulator.export.notes import summary
from simulator.export.queueing import as_target, compare
from simulator.export.target import Options
from tests.export.support import case, tree

BUSY = [{"layers": "1-6", "pool": "p", "replicas": 4, "batch": 2, "max_wait": "1ms"}]


def busy(**change: object) -> dict:
    return tree(BUSY, workload={"process": "poisson", "rate": "650/s"}, **change)


def test_figures_are_those_of_the_same_scenario_with_the_targets_routing() -> None:
    for name, target in TARGETS.items():
        found = compare(case(busy()), target)
        (one,) = found.services
        for figures, routing in ((one.verified, "shared"), (one.target, target.routing)):
            direct = simulate(loads(json.dumps(busy(deployment={"routing": routing})))).to_dict()["services"]["chat"]
            assert figures is not None
            assert (figures.attainment, figures.p99_s) == (direct["attainment"], direct["latency"]["p99"])
        assert bool(found.otherwise) == (name != "triton")


def test_queues_per_replica_are_worse_and_two_choices_lie_between() -> None:
    """One shared queue is never idle while requests wait; two choices are known to be close to it."""
    p99 = {name: compare(case(busy()), target).services[0].target for name, target in TARGETS.items()}
    shared, two, random = (p99[name].p99_s for name in ("triton", "ray-serve", "kubernetes"))  # type: ignore[union-attr]
    assert shared < two < random


def test_a_missed_objective_is_told(tmp_path: Path) -> None:
    given = busy(slo={"latency": "18ms", "attainment": "95%"})
    done = export(case(given), "kubernetes", tmp_path / "out")
    (one,) = done.comparison.services
    assert one.misses
    assert one.verified.attainment >= 0.95 > one.target.attainment  # type: ignore[union-attr, operator]
    page = (tmp_path / "out" / "README.md").read_text()
    assert "MISSES its objective there" in page
    assert "| chat | as verified | 95 % in 18 ms |" in page
    assert "| chat | as Kubernetes | 95 % in 18 ms |" in page
    manifest = json.loads((tmp_path / "out" / "export.json").read_text())
    assert manifest["services"]["chat"]["misses"] is True
    assert manifest["services"]["chat"]["verified"]["p99_s"] == one.verified.p99_s


def test_one_replica_queues_the_same_everywhere() -> None:
    rows = [BUSY[0] | {"replicas": 1}]
    given = case(tree(rows))
    for target in TARGETS.values():
        assert compare(given, target).otherwise == ()


def test_what_is_lost_is_not_in_the_figures() -> None:
    given = busy(
        queue={"capacity": 5, "drop": "expired"},
        classes=[{"name": "a", "share": "50%", "priority": 1}, {"name": "b", "share": "50%"}],
    )
    the_case = case(given)
    scenario, said = as_target(the_case, the_case.scenario, TARGETS["kubernetes"])
    service = scenario.services["chat"]
    assert service.queue.capacity is None
    assert service.queue.drop == "never"
    assert {kind.priority for kind in service.classes or ()} == {0}
    assert service.deployment is not None
    assert service.deployment.routing == "random"
    assert len(said) == 4
    kept, told = as_target(the_case, the_case.scenario, TARGETS["triton"])  # which bounds its queues
    assert kept.services["chat"].queue.capacity == 5
    assert len(told) == 2


def test_an_autoscaler_is_not_in_the_figures() -> None:
    rows = [BUSY[0] | {"autoscale": {"max": 8, "target": "60%"}}]
    the_case = case(tree(rows))
    scenario, _ = as_target(the_case, the_case.scenario, TARGETS["kubernetes"])
    deployment = scenario.services["chat"].deployment
    assert deployment is not None
    assert deployment.portions[0].autoscale is None


def test_what_cannot_be_simulated_there_is_said(tmp_path: Path) -> None:
    """Without its bound the queue of an overloaded service grows beyond what is simulated."""
    given = busy(queue={"capacity": 5}, slo={"latency": "20ms"})
    given["services"]["chat"]["workload"]["rate"] = "1000000/s"
    given["run"] = {"duration": "1000h"}
    the_case = case(given)
    short = the_case.scenario.model_copy(update={"run": the_case.scenario.run.model_copy(update={"duration": 0.1})})
    from simulator.export import queueing

    def run(scenario, **options):  # the plan itself runs for a moment
        bounded = scenario.services["chat"].queue.capacity is not None
        return simulate(short if bounded else scenario, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(queueing, "simulate", run)
        done = export(the_case, "kubernetes", tmp_path / "out")
    assert done.comparison.failure is not None
    assert done.comparison.services[0].target is None
    assert "could not be simulated" in (tmp_path / "out" / "README.md").read_text()


def test_a_run_shorter_than_the_plan_is_told(tmp_path: Path) -> None:
    from simulator.export import read_case
    from tests.export.support import DAY

    done = export(read_case(DAY), "ray-serve", tmp_path / "out", Options())
    assert done.comparison.simulated_s == 40.0
    assert "Only the first 0:00:40 of the plan are simulated" in (tmp_path / "out" / "README.md").read_text()


def test_an_objective_of_a_class_that_its_priority_kept_is_called_missed() -> None:
    """Kubernetes knows no priorities: who paid waits like all others, which the service's own figure does not show."""
    kinds = [
        {"name": "paid", "share": "10%", "priority": 1, "slo": {"latency": "30ms", "attainment": "90%"}},
        {"name": "free", "share": "90%"},
    ]
    rows = [{"layers": "1-6", "pool": "p", "replicas": 1, "batch": 1}]
    given = tree(rows, classes=kinds, slo={"latency": "10s", "attainment": "90%"})
    given["models"]["m"].pop("exits")
    given["services"]["chat"]["deployment"]["exit_mode"] = "none"
    given["services"]["chat"]["workload"] = {"process": "poisson", "rate": "125/s"}
    found = compare(case(given), TARGETS["kubernetes"])
    chat, paid = found.services
    assert (chat.service, paid.service, paid.slo_s, paid.asked) == ("chat", "chat, class paid", 0.03, 0.9)
    assert not chat.misses
    assert paid.misses
    assert any(text.startswith("service chat, class paid: MISSES") for text in summary(found, TARGETS["kubernetes"]))
