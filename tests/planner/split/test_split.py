"""Laws and closed forms of the search, its two conventions, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from math import inf

import numpy as np
import pytest
from numpy.typing import NDArray

from simulator.errors import ScenarioError
from simulator.planner.split import (
    DeviceType,
    Exits,
    ExitsByCuts,
    Limits,
    SplitProblem,
    best_at_cuts,
    best_tagged,
    best_whole,
    compare_at_rate,
    cut_sets,
    fractional_at_cuts,
    recommend,
    winning_batches,
)

LAYERS, LARGEST = 6, 32
SURVIVAL = np.array([1.0, 0.8, 0.5, 0.5, 0.3, 0.2])


def device(name: str = "gpu", count: int = 12, alpha: float = 4e-4, beta: float = 5e-5, **more: object) -> DeviceType:
    """Layers of ``alpha + beta b`` seconds, ramps and transfers for nothing unless said otherwise."""
    batch = np.arange(LARGEST + 1.0)
    layer_s = np.tile(alpha + beta * batch, (LAYERS, 1))
    layer_s[:, 0] = 0.0
    nothing = np.zeros_like(layer_s)
    tables = {"ramp_s": nothing, "send_s": nothing, **more}
    return DeviceType(name, count, layer_s, **tables)  # type: ignore[arg-type] # any of the fields


def case(*devices: DeviceType, **more: object) -> SplitProblem:
    chosen = devices or (device(),)
    return SplitProblem(chosen, Exits.of_survival(SURVIVAL), **more)  # type: ignore[arg-type] # any of the fields


@pytest.mark.parametrize("batch", [1, 2, 8, 32])
def test_closed_forms_of_affine_layers(batch: int) -> None:
    """Naive: ``alpha sum(1 - (1 - S)^B) + beta B sum S``; split at every ramp, divided freely: ``L / sum S``."""
    alpha, beta, count = 4e-4, 5e-5, 12
    compact, vanilla = best_whole(case(), "compact", batch), best_whole(case(), "none", batch)
    assert compact is not None
    assert vanilla is not None
    time = alpha * (1 - (1 - SURVIVAL) ** batch).sum() + beta * batch * SURVIVAL.sum()
    assert compact.capacity == pytest.approx(count * batch / time)
    assert vanilla.capacity == pytest.approx(count * batch / (LAYERS * (alpha + beta * batch)))
    fractional, _ = fractional_at_cuts(case(), batch)
    assert fractional / vanilla.capacity == pytest.approx(LAYERS / SURVIVAL.sum())


def test_where_the_interval_ends() -> None:
    """Split beats naive until ``B = (alpha / beta)(L - sum S~) / (sum S~ - sum S)``, where no batch empties.

    With ramps after layers 2 and 4 only, S~ = S there would never end: so cuts are kept to one.
    """
    limits = Limits(max_cuts=1)
    exits = Exits.of_survival(np.array([1.0, 1.0, 0.6, 0.6, 0.5, 0.5]))
    problem = SplitProblem((device(count=600, alpha=4e-4, beta=2e-4),), exits, limits)
    held = 2 * 1.0 + 4 * 0.6
    end = 2.0 * (6 - held) / (held - (2 * 1.0 + 2 * 0.6 + 2 * 0.5))
    assert winning_batches(problem, batches=range(4, LARGEST + 1)) == ((4, int(end - 1e-9)),)


def test_tagged_and_at_cuts_agree_when_ramps_are_free_and_fire_on() -> None:
    """A profile fires at its exit and at every later ramp: survival behind a cut is the same for both."""
    problem = case()
    tagged, cuts = best_tagged(problem, 8), best_at_cuts(problem, 8)
    assert tagged is not None
    assert cuts is not None
    assert tagged.capacity == pytest.approx(cuts.capacity)
    assert tagged.tagged
    assert not cuts.tagged


def test_tagged_pays_for_every_ramp() -> None:
    ramp_s = 0.2 * device().layer_s
    dear = case(device(ramp_s=ramp_s))
    tagged, cuts = best_tagged(dear, 8), best_at_cuts(dear, 8)
    assert tagged is not None
    assert cuts is not None
    assert tagged.capacity < cuts.capacity


def test_confidence_that_falls_again() -> None:
    """Half of the rows pass ramp 1 but not ramp 2: at cuts a cut at 2 alone does not see them, tagging does."""
    fires = np.array([[True, False, False], [False, True, False], [False, False, False], [True, False, False]])
    exits = Exits(fires, np.array([[1.0, 0, 1], [0, 1, 1], [0, 0, 1], [0, 0, 1]]))
    survive, accuracy = exits.look(np.array([[2, 3], [1, 2], [3, 3]]))
    assert survive.tolist() == [[1.0, 0.75, 0.75], [1.0, 0.5, 0.25], [1.0, 1.0, 1.0]]
    assert accuracy.tolist() == [1.0, 0.75, 1.0]
    survival, by_last = exits.tagged()
    assert survival.tolist() == [1.0, 0.5, 0.25]
    assert by_last.tolist() == [1.0, 0.75, 0.75]


def test_a_function_gives_the_same_as_rows() -> None:
    rng = np.random.default_rng(5)
    rows = Exits(rng.random((40, LAYERS)) < 0.3, (rng.random((40, LAYERS)) < 0.7).astype(float))

    def look(cuts: tuple[int, ...]) -> tuple[NDArray[np.float64], float]:
        survive, accuracy = rows.look(np.array([[*cuts, LAYERS]]))
        return survive[0, 1 : len(cuts) + 1], float(accuracy[0])

    problem = SplitProblem((device(),), rows)
    called = replace(problem, exits=ExitsByCuts(LAYERS, rows.ramps, look))
    assert best_at_cuts(called, 8) == best_at_cuts(problem, 8)
    assert best_whole(called, "compact", 8) == best_whole(problem, "compact", 8)
    assert called.exits.tagged()[0].tolist() == pytest.approx(rows.tagged()[0].tolist())


def test_rows_with_weights_are_rows_repeated() -> None:
    rng = np.random.default_rng(6)
    fires, correct, weight = rng.random((9, 4)) < 0.4, rng.random((9, 4)) < 0.5, rng.integers(1, 4, 9)
    one = Exits(fires, correct.astype(float), weight.astype(float))
    many = Exits(np.repeat(fires, weight, axis=0), np.repeat(correct, weight, axis=0).astype(float))
    cuts = np.array(list(combinations((1, 2, 3), 2)))
    for left, right in zip(one.look(cuts), many.look(cuts)):
        assert left == pytest.approx(right)


@pytest.mark.parametrize("maker", [best_at_cuts, best_tagged])
def test_times_scale(maker: Callable[[SplitProblem, int], object]) -> None:
    """All times doubled: half the capacity, the same plan."""
    one = device(ramp_s=0.1 * device().layer_s, send_s=np.tile(1e-5 * np.arange(LARGEST + 1.0), (LAYERS, 1)))
    two = replace(one, layer_s=2 * one.layer_s, ramp_s=2 * one.ramp_s, send_s=2 * one.send_s)
    fast, slow = maker(case(one), 8), maker(case(two), 8)
    assert (fast.cuts, fast.replicas) == (slow.cuts, slow.replicas)  # type: ignore[attr-defined] # plans
    assert fast.capacity == pytest.approx(2 * slow.capacity)  # type: ignore[attr-defined] # plans


def test_overlap_hides_transfers() -> None:
    send_s = np.tile(2e-4 + 1e-5 * np.arange(LARGEST + 1.0), (LAYERS, 1))
    kept, hidden, none = (
        best_at_cuts(problem, 8)
        for problem in (case(device(send_s=send_s)), case(device(send_s=send_s), overlap=True), case())
    )
    assert kept is not None
    assert hidden is not None
    assert none is not None
    assert kept.capacity < hidden.capacity == none.capacity


def test_gathering_costs_compact_only() -> None:
    plain, picky = case(), case(device(gather_s=0.3 * device().layer_s))
    split, same = best_at_cuts(plain, 8), best_at_cuts(picky, 8)
    assert split is not None
    assert same is not None
    assert (split.cuts, split.replicas, split.capacity) == (same.cuts, same.replicas, same.capacity)
    free, paid = best_whole(plain, "compact", 8), best_whole(picky, "compact", 8)
    assert free is not None
    assert paid is not None
    assert paid.capacity < free.capacity


def test_a_model_that_fits_only_in_portions() -> None:
    """Three of six layers fit a device: nothing runs the whole model, two portions do."""
    problem = case(device(memory_bytes=3.0), weight_bytes=np.ones(LAYERS))
    answer = recommend(problem, 8)
    assert [plan.name for plan in answer.modes] == ["at_cut (parallel)", "at_cut (tagged, parallel)"]
    assert answer.recommended.cuts
    assert "the whole model cannot be served" in answer.reason


def test_dear_devices_are_left_out_at_a_low_rate() -> None:
    cheap, dear = device("cheap", 8, price_per_hour=1.0), device("dear", 8, alpha=2e-4, price_per_hour=9.0)
    for plan in compare_at_rate(case(cheap, dear), 8, 2000.0):
        assert set(plan.devices) == {"cheap"}
        assert plan.capacity >= 2000.0
        assert plan.cost_per_million == pytest.approx(plan.price_per_hour / 3600 / plan.capacity * 1e6)


def test_two_types_carry_more_than_one() -> None:
    """Each portion on one type: adding devices of another type never makes it worse."""
    one, both = best_at_cuts(case(device("a", 6)), 8), best_at_cuts(case(device("a", 6), device("b", 5, 6e-4)), 8)
    assert one is not None
    assert both is not None
    assert both.capacity > one.capacity
    assert set(both.devices) == {"a", "b"}


def test_too_high_a_rate_has_no_plan() -> None:
    assert compare_at_rate(case(), 8, 1e9) == ()


def test_json_has_no_infinities() -> None:
    tree = recommend(case(), 8).to_dict()
    assert {"modes", "recommended", "reason", "winning_batches", "largest_batch"} == set(tree)
    keys = {"exit_mode", "execution", "cuts", "replicas", "batch", "capacity", "accuracy", "cost_per_million"}
    assert all(keys <= set(mode) for mode in tree["modes"])
    assert all(mode["accuracy"] is None for mode in tree["modes"])  # a profile knows nothing of answers


def test_layers_of_a_plan() -> None:
    plan = best_at_cuts(case(), 8)
    assert plan is not None
    assert len(plan.layers(LAYERS)) == len(plan.replicas) == len(plan.survival)
    assert plan.layers(LAYERS)[-1].endswith(str(LAYERS))
    assert plan.fill_s == pytest.approx(sum(8 / (plan.capacity * share) for share in plan.survival))


def test_a_table_by_exit() -> None:
    """Six exits after layers 2, 4, .., 12: the same as rows by layer that fire nowhere else."""
    rng = np.random.default_rng(7)
    fires, right = rng.random((30, 6)) < 0.4, (rng.random((30, 6)) < 0.6).astype(float)
    exits = Exits.at_layers(fires, (2, 4, 6, 8, 10), 12, right)
    assert exits.ramps == (2, 4, 6, 8, 10)
    survive, accuracy = exits.look(np.array([[4, 10], [12, 12]]))
    left, end = fires[:, 1], ~fires[:, 1] & fires[:, 4]
    assert survive[0] == pytest.approx([1.0, (~left).mean(), (~left & ~end).mean()])
    assert accuracy == pytest.approx(
        [np.where(left, right[:, 1], np.where(end, right[:, 4], right[:, 5])).mean(), right[:, 5].mean()]
    )


def test_only_ramps_are_cut_at() -> None:
    exits = Exits(np.eye(4, dtype=bool), after=(1, 3))
    assert [tuple(row) for row in cut_sets(exits).cuts.tolist()] == [(4, 4), (1, 4), (3, 4), (1, 3)]
    assert exits.look(np.array([[2, 4]]))[0].tolist() == [[1.0, 1.0, 1.0]]  # there is no ramp after layer 2


def table(**more: object) -> DeviceType:
    return device(**more)  # type: ignore[arg-type] # what is refused is the point


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: table(ramp_s=np.zeros((2, 2))), "ramp_s must be"),
        (lambda: table(ramp_s=np.ones_like(device().layer_s)), "empty batch takes no time"),
        (lambda: table(send_s=np.full_like(device().layer_s, np.nan)), "not a number"),
        (lambda: replace(device(), layer_s=0 * device().layer_s), "take no time"),
        (lambda: table(count=0), "count"),
        (lambda: SplitProblem((), Exits.of_survival(SURVIVAL)), "at least one type"),
        (lambda: SplitProblem((device(),), Exits.of_survival(SURVIVAL[:3])), "exits of 3 layers"),
        (lambda: case(weight_bytes=np.ones(2)), "weight_bytes"),
        (lambda: case(device(memory_bytes=0.5), weight_bytes=np.ones(LAYERS)), "fits the memory of no device"),
        (lambda: case(limits=Limits(accuracy=0.9)), "which answers are right"),
        (lambda: best_at_cuts(case(), LARGEST + 1), "batch must be within"),
        (lambda: recommend(case(), 0), "batch must be within"),
        (lambda: recommend(case(limits=Limits(service_s=1e-9)), 8), "no mode respects"),
        (lambda: compare_at_rate(case(), 8, 0.0), "greater than 0"),
        (lambda: Exits(np.zeros(3, dtype=bool)), "must be"),
        (lambda: Exits(np.zeros((3, 2), dtype=bool), after=(2,)), "ramps sit after"),
        (lambda: Exits(np.zeros((3, 2), dtype=bool), np.zeros((3, 3))), "shaped like fires"),
        (lambda: Exits(np.zeros((3, 2), dtype=bool), weight=np.zeros(3)), "not all 0"),
        (lambda: Exits.at_layers(np.zeros((3, 2), dtype=bool), (4,), 4), "a column for each ramp"),
        (lambda: Exits.of_survival(np.array([1.0, 0.5, 0.6])), "never rises"),
        (lambda: best_tagged(case(*(device(str(k), 999) for k in range(4))), 8), "too many"),
    ],
)
def test_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        make()


def test_no_cut_within_a_service_limit() -> None:
    """A limit that one portion just meets and two do not, because of the transfer."""
    send_s = np.full((LAYERS, LARGEST + 1), 1e-3)
    whole_s = float(device().layer_s[:, 8].sum())
    for maker in (best_at_cuts, best_tagged):
        tight = maker(case(device(send_s=send_s), limits=Limits(service_s=whole_s * (1 + 1e-12))), 8)
        loose = maker(case(device(send_s=send_s), limits=Limits(service_s=inf)), 8)
        assert tight is not None
        assert loose is not None
        assert tight.cuts == ()
        assert loose.cuts
