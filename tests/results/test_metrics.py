"""Figures of hand-made records, computed by hand."""

import math

import pytest

from simulator.results import ClassInfo, Outcome, PoolInfo, PortionInfo, metrics
from tests.results.builders import Ask, Batch, Replica, alone, record, service

FOUR = [
    Ask(0.5, 1.5),  # before the window
    Ask(2.0, 2.5, exit_layer=2, correct=1.0),
    Ask(3.0, 5.0, correct=0.0),
    Ask(4.0, 4.0, Outcome.DROPPED),
    Ask(5.0, None, Outcome.INSIDE),
    Ask(9.0, 12.0, correct=1.0),  # leaves after the window
]


def test_counts_and_latency_speak_of_the_cohort() -> None:
    figures = metrics(alone(FOUR, warmup=1.0))["services"]["chat"]
    names = ("arrived", "completed", "dropped", "rejected", "failed", "inside")
    assert [figures[name] for name in names] == [5, 3, 1, 0, 0, 1]
    assert figures["latency"]["mean"] == pytest.approx(5.5 / 3)
    assert figures["latency"]["p50"] == 2.0
    assert figures["latency"]["max"] == 3.0


def test_throughput_counts_finishes_in_the_window() -> None:
    figures = metrics(alone(FOUR, warmup=1.0))["services"]["chat"]
    assert figures["throughput"] == pytest.approx(3 / 9)  # at 1.5, 2.5 and 5.0


def test_window_is_closed_on_the_left_and_open_on_the_right() -> None:
    asks = [Ask(1.0, 2.0), Ask(2.0, 2.5), Ask(9.5, 10.0)]
    figures = metrics(alone(asks, warmup=2.0))["services"]["chat"]
    assert figures["arrived"] == 2
    assert figures["throughput"] == pytest.approx(2 / 8)  # 2.0 and 2.5, not 10.0


def test_attainment_and_goodput_meet_the_deadline_inclusively() -> None:
    info = service("chat", target=0.99)
    info = type(info)("chat", (ClassInfo("all", 0, 2.0),), False, 0.99, None)
    figures = metrics(alone(FOUR, warmup=1.0, services=[info]))["services"]["chat"]
    assert figures["attainment"] == pytest.approx(2 / 5)
    assert figures["goodput"] == pytest.approx(2 / 9)


def test_without_objective_there_is_no_goodput() -> None:
    figures = metrics(alone(FOUR))["services"]["chat"]
    assert figures["goodput"] is None
    assert figures["attainment"] is None


def test_exits_accuracy_and_layers() -> None:
    figures = metrics(alone(FOUR, warmup=1.0))["services"]["chat"]
    assert figures["exits"] == {"2": pytest.approx(1 / 3), "4": pytest.approx(2 / 3)}
    assert figures["mean_layers"] == pytest.approx(10 / 3)
    assert figures["accuracy"] == pytest.approx(2 / 3)


@pytest.mark.parametrize(("exit_layer", "accuracy"), [(4, 0.93), (2, None)])
def test_accuracy_of_the_full_model_only_when_every_answer_is_full(exit_layer: int, accuracy: float | None) -> None:
    info = type(service())("chat", (ClassInfo("all", 0, math.inf),), False, None, 0.93)
    figures = metrics(alone([Ask(1.0, 2.0, exit_layer=exit_layer)], services=[info]))["services"]["chat"]
    assert figures["accuracy"] == accuracy


def test_nothing_arrived() -> None:
    figures = metrics(record([], machines=[Replica()]))
    chat = figures["services"]["chat"]
    assert chat["arrived"] == 0
    assert chat["throughput"] == 0.0
    assert chat["latency"]["p99"] is None
    assert chat["exits"] == {}
    assert chat["cost_per_million"] is None
    assert chat["breakdown"]["mean"]["queue"] is None
    assert chat["portions"][0]["mean_batch"] is None
    assert figures["pools"]["v100"]["utilization"] == 0.0


CLASSES = (ClassInfo("paid", 1, 1.0), ClassInfo("free", 0, math.inf))
TWO = [Ask(1.0, 1.5, kind=0), Ask(2.0, 4.0, kind=0), Ask(3.0, 4.0, kind=1), Ask(4.0, 9.0, kind=1)]


def test_classes_have_their_own_figures() -> None:
    chat = metrics(alone(TWO, services=[service("chat", *CLASSES)]))["services"]["chat"]
    paid, free = chat["classes"]["paid"], chat["classes"]["free"]
    assert (paid["arrived"], free["arrived"]) == (2, 2)
    assert paid["attainment"] == 0.5
    assert (free["attainment"], free["goodput"]) == (None, None)
    assert paid["latency"]["max"] == 2.0
    assert free["latency"]["mean"] == 3.0
    assert free["throughput"] == pytest.approx(0.2)
    assert free["breakdown"]["mean"]["service"] == 3.0


def test_a_class_without_objective_counts_neither_for_nor_against() -> None:
    chat = metrics(alone(TWO, services=[service("chat", *CLASSES)]))["services"]["chat"]
    assert chat["attainment"] == 0.5
    assert chat["goodput"] == pytest.approx(0.1)


def test_services_are_kept_apart() -> None:
    asks = [Ask(1.0, 2.0, service=0), Ask(2.0, 5.0, service=1), Ask(3.0, 4.0, service=0)]
    visits = [
        Batch(1.0, 2.0, [(0, 1.0)]),
        Batch(2.0, 5.0, [(1, 2.0)], portion=1, replica=1),
        Batch(3.0, 4.0, [(2, 3.0)]),
    ]
    facts = record(
        asks,
        visits,
        machines=[Replica(0), Replica(1, devices=2)],
        services=[service("a"), service("b")],
        portions=[PortionInfo(0, 1, 4, 0.0), PortionInfo(1, 1, 4, 0.0)],
    )
    figures = metrics(facts)
    first, second = figures["services"]["a"], figures["services"]["b"]
    assert (first["arrived"], second["arrived"]) == (2, 1)
    assert (first["latency"]["mean"], second["latency"]["mean"]) == (1.0, 3.0)
    assert first["cost_per_hour"] == pytest.approx(3.6)
    assert second["cost_per_hour"] == pytest.approx(7.2)
    assert second["cost_per_million"] == pytest.approx(7.2 * 10 / 3600 * 1e6)
    pool = figures["pools"]["v100"]
    assert pool["used"] == 3
    assert pool["utilization"] == pytest.approx((2 * 1 + 3 * 2) / 30)
    assert pool["cost_per_hour"] == pytest.approx(10.8)


def test_portion_figures_are_clipped_to_the_window() -> None:
    asks = [Ask(0.0, 3.0), Ask(0.0, 3.0), Ask(4.0, 6.0)]
    visits = [
        Batch(1.0, 3.0, [(0, 0.0), (1, 0.5)]),  # starts before the window: busy counts from 2.0, size does not
        Batch(5.0, 6.0, [(2, 4.0)], free=6.5),
    ]
    facts = record(asks, visits, machines=[Replica(released=8.0), Replica(number=1, ready=6.0)], warmup=2.0)
    (portion,) = metrics(facts)["services"]["chat"]["portions"]
    assert portion["layers"] == "1-4"
    assert portion["replicas"] == pytest.approx((6 + 4) / 8)
    assert portion["utilization"] == pytest.approx((1.0 + 1.5) / 10)
    assert portion["mean_batch"] == 1.0
    assert portion["queue_wait"] == {"mean": 1.0, "p99": 1.0}
    assert "from" not in portion


def test_overlapped_transfers_do_not_occupy_the_replica() -> None:
    facts = record([Ask(0.0, 9.0)], [Batch(0.0, 2.0, [(0, 0.0)], free=5.0, idle=2.0), Batch(5.0, 9.0, [(0, 5.0)])])
    (portion,) = metrics(facts)["services"]["chat"]["portions"]
    assert portion["utilization"] == pytest.approx((2 + 4) / 10)


def test_whole_numbers_of_replicas_are_integers() -> None:
    (portion,) = metrics(record([], machines=[Replica(), Replica(number=1)]))["services"]["chat"]["portions"]
    assert portion["replicas"] == 2
    assert isinstance(portion["replicas"], int)


def test_serial_portions_share_the_replicas_of_the_first() -> None:
    visits = [Batch(0.0, 2.0, [(0, 0.0)]), Batch(2.0, 5.0, [(0, 2.0)], portion=1)]
    portions = [PortionInfo(0, 1, 2, 0.0), PortionInfo(0, 3, 4, 0.0)]
    first, second = metrics(record([Ask(0.0, 5.0)], visits, portions=portions))["services"]["chat"]["portions"]
    assert (first["replicas"], second["replicas"]) == (1, 1)
    assert (first["utilization"], second["utilization"]) == (pytest.approx(0.2), pytest.approx(0.3))


def test_windows_name_when_a_portion_began() -> None:
    portions = [PortionInfo(0, 1, 4, 0.0), PortionInfo(0, 1, 4, 5.0)]
    machines = [Replica(0, released=6.0), Replica(1, held=4.0, ready=5.0)]
    figures = metrics(record([], machines=machines, portions=portions, pools=[PoolInfo("v100", 4, 3.6)]))
    chat = figures["services"]["chat"]
    assert [portion["from"] for portion in chat["portions"]] == [0.0, 5.0]
    assert [portion["replicas"] for portion in chat["portions"]] == [pytest.approx(0.6), pytest.approx(0.5)]
    assert chat["device_hours"] == pytest.approx(12 / 3600)
    assert figures["pools"]["v100"]["used"] == 2


def test_devices_released_at_an_instant_are_free_at_it() -> None:
    machines = [Replica(released=5.0), Replica(number=1, held=5.0, ready=5.0)]
    assert metrics(record([], machines=machines))["pools"]["v100"]["used"] == 1
