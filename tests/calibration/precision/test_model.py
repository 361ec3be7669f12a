"""What the search believes between two answers, and what it proposes where it cannot look at everything."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.calibration.precision import Floor, Measured, TuningProblem, tune
from simulator.calibration.precision.candidates import front, neighbours, whole
from simulator.calibration.precision.problem import Config
from simulator.calibration.precision.strategies.additive import levels
from simulator.calibration.precision.surrogate import Space, Surrogate
from tests.calibration.precision.builders import NAMES, case


def additive(layers: int, seed: int) -> tuple[TuningProblem, dict[tuple[str, str], float]]:
    """A problem of four precisions whose losses, known for every layer, add up."""
    draws = np.random.default_rng(seed)
    weights = draws.lognormal(0, 0.7, layers)
    losses = np.outer(draws.lognormal(-1, 1, layers), [0, 0.02, 0.3, 1.0]) * draws.lognormal(0, 0.4, (layers, 4))
    losses *= 0.05 / losses[:, 3].sum()
    names = tuple(f"l{k}" for k in range(layers))
    costs = tuple(tuple(float(w * bits) for bits in (32, 8, 4, 3)) for w in weights)
    known = {(name, NAMES[k]): float(losses[row, k]) for row, name in enumerate(names) for k in (1, 2, 3)}
    return TuningProblem(names, (NAMES,) * layers, costs, "bits"), known


def evaluator(problem: TuningProblem, known: dict[tuple[str, str], float], told: bool) -> Measured:
    def answer(config: Config) -> float:
        return 0.95 - sum(known.get(pair, 0.0) for pair in zip(problem.layers, config))

    return Measured(answer, "x", told, known if told else None)


@pytest.mark.parametrize("layers", [3, 6, 20])
@pytest.mark.parametrize("seed", range(3))
def test_known_losses_need_one_evaluation_beside_the_reference(layers: int, seed: int) -> None:
    problem, known = additive(layers, seed)
    found = tune(problem, evaluator(problem, known, told=True), Floor(loss=0.01))
    assert found.passed
    assert len(found.asked) == 2
    assert "predictions" in " ".join(found.figures["notes"])
    if layers <= 6:
        costs = [problem.cost(c) for c in product(range(4), repeat=layers)]
        loss = [
            sum(known.get(p, 0.0) for p in zip(problem.layers, problem.config(c)))
            for c in product(range(4), repeat=layers)
        ]
        assert found.chosen.cost == min(cost for cost, one in zip(costs, loss) if 0.95 - one >= found.least)


@pytest.mark.parametrize("seed", range(3))
def test_a_large_network_with_unknown_losses(seed: int) -> None:
    """16 layers, 4^16 configurations, 30 evaluations: near what full knowledge of all losses would choose."""
    problem, known = additive(16, seed)
    found = tune(problem, evaluator(problem, known, told=False), Floor(loss=0.01), budget=30)
    best = tune(problem, evaluator(problem, known, told=True), Floor(loss=0.01))
    assert found.passed
    assert found.chosen.cost <= 1.15 * best.chosen.cost


@given(st.integers(1, 5), st.integers(1, 4), st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_the_front_of_an_additive_model_is_brute_force(layers: int, kinds: int, seed: int) -> None:
    one = case(layers, kinds, seed)
    space = Space(one.problem)
    losses = np.random.default_rng(seed).normal(0.5, 1.0, space.width)
    every = whole(space)
    assert every is not None
    loss = space.features(every).at @ losses
    cost = space.cost(every)
    best = {
        (round(c, 9), round(e, 9))
        for c, e in zip(cost, loss)
        if not any((cost <= c) & (loss <= e) & ((cost < c) | (loss < e)))
    }
    chosen = front(space, losses, labels=10**6)
    found = {(round(c, 9), round(e, 9)) for c, e in zip(space.cost(chosen), space.features(chosen).at @ losses)}
    assert found == best
    assert len(front(space, losses, labels=3)) <= 3


@given(st.integers(1, 4), st.integers(2, 4), st.integers(0, 10**6), st.integers(1, 12))
@settings(max_examples=25, deadline=None)
def test_the_model_is_a_gaussian_one(layers: int, kinds: int, seed: int, answers: int) -> None:
    """Its covariance is one (no negative variance), its spread where it was told is its luck at most."""
    one = case(layers, kinds, seed)
    space, draws = Space(one.problem), np.random.default_rng(seed)
    every = whole(space)
    assert every is not None
    asked = every[1:][draws.permutation(len(every) - 1)[:answers]]
    losses = 0.95 - np.array([one.accuracy(tuple(choice)) for choice in asked.tolist()])
    model = Surrogate(space, asked, losses, 0.01)
    mean, deviation = model.predict(every)
    assert np.isfinite(mean).all()
    assert (deviation >= 0).all()
    luck = 0.01 * np.exp(model.theta[-1])
    assert (model.predict(asked)[1] <= np.sqrt(2) * luck * (1 + 1e-9)).all()
    covariance = model.sensitivities()[1]
    assert np.linalg.eigvalsh(covariance).min() >= -1e-9 * max(1.0, np.abs(covariance).max())


def test_the_model_learns_which_layer_is_sensitive() -> None:
    problem, known = additive(5, 0)
    space = Space(problem)
    every = whole(space)
    assert every is not None
    asked = every[1:][np.random.default_rng(0).permutation(len(every) - 1)[:60]]
    losses = np.array(
        [sum(known.get(p, 0.0) for p in zip(problem.layers, problem.config(tuple(c)))) for c in asked.tolist()]
    )
    mean, _ = Surrogate(space, asked, losses, 0.01).sensitivities()
    assert np.corrcoef(mean, list(known.values()))[0, 1] > 0.95


def test_levels_go_down_together() -> None:
    problem = TuningProblem(("a", "b"), (("fp32", "int8", "int4"), ("fp32", "int8")), ((4.0, 2.0, 1.0), (4.0, 2.0)))
    assert levels(problem) == [(2, 1), (1, 0)]


def test_neighbours_differ_in_one_layer() -> None:
    one = case(3, 3, 0)
    found = neighbours(Space(one.problem), np.array([[0, 1, 2]]))
    assert sorted((row != [0, 1, 2]).sum() for row in found) == [1] * 6
