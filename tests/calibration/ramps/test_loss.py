"""The objectives: their gradients are exact, and their minimum is the one that others find."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from simulator.calibration.ramps.loss import ramp_loss
from simulator.calibration.ramps.softmax import Scaling, fit_softmax
from simulator.calibration.ramps.student import Shape, answers, softened, student_loss
from tests.calibration.ramps.builders import data

Floats = NDArray[np.float64]


def difference(objective: Callable[[Floats], tuple[float, Floats]], at: Floats, step: float = 1e-5) -> float:
    """Largest gap between the gradient and central differences, relative to the largest slope."""
    gradient = objective(at)[1]
    numeric = np.array(
        [(objective(at + step * unit)[0] - objective(at - step * unit)[0]) / (2 * step) for unit in np.eye(len(at))]
    )
    return float(np.abs(gradient - numeric).max() / np.abs(numeric).max())


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize(
    ("sharpen", "by_class", "l2"), [(0, False, 0), (0.7, False, 0), (0.7, True, 0.1), (0, True, 1)]
)
def test_the_gradient_of_a_ramp(seed: int, classes: int, sharpen: float, by_class: bool, l2: float) -> None:
    draws = np.random.default_rng(seed)
    design = np.column_stack([draws.standard_normal((30, 4)), np.ones(30)])
    label, weight = draws.integers(0, classes, 30), draws.uniform(0, 3, 30)
    v = draws.uniform(0, 2, classes) if by_class else None
    at = draws.standard_normal(5 * classes)
    assert difference(lambda flat: ramp_loss(flat, design, label, weight, sharpen, v, l2), at) < 1e-6


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("widths", [(3,), (4, 3), (3, 2, 4)])
@pytest.mark.parametrize(("temperature", "rho", "l2"), [(1.0, 0.0, 0.0), (2.0, 1.0, 0.0), (4.0, 3.0, 0.1)])
def test_the_gradient_of_a_student(
    seed: int, widths: tuple[int, ...], temperature: float, rho: float, l2: float
) -> None:
    draws = np.random.default_rng(seed)
    shape = Shape(5, widths, 3)
    design = np.column_stack([draws.standard_normal((20, 5)), np.ones(20)])
    label = draws.integers(0, 3, 20)
    teacher = softened(draws.dirichlet(np.ones(3), 20), temperature)
    at = draws.standard_normal(shape.parameters)
    assert difference(lambda w: student_loss(w, shape, design, label, teacher, temperature, rho, l2), at) < 1e-6


def test_the_loss_is_what_its_formula_says() -> None:
    design, label, weight = np.array([[0.5, 1.0], [-1.0, 1.0]]), np.array([0, 1]), np.array([1.0, 3.0])
    w, v = np.array([[0.2, -0.4], [0.1, 0.3]]), np.array([0.5, 1.5])
    p = np.exp(design @ w) / np.exp(design @ w).sum(axis=1, keepdims=True)
    entropy = -(v * p * np.log(p)).sum(axis=1)
    each = -np.log(p[[0, 1], label]) + 0.3 * entropy
    expected = (weight * each).sum() / 4 + 0.5 * 0.2 * np.square(w[0]).sum()
    assert ramp_loss(w.ravel(), design, label, weight, 0.3, v, 0.2)[0] == pytest.approx(expected, rel=1e-14)


def test_scores_of_any_size_stay_finite() -> None:
    design, label = np.array([[1e4, 1.0], [-1e4, 1.0]]), np.array([1, 1])
    value, gradient = ramp_loss(np.array([1.0, -1.0, 0.0, 0.0]), design, label, np.ones(2), 0.5)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("l2", [1e-3, 1e-1])
def test_the_minimum_is_that_of_scikit_learn(l2: float) -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    one = data()
    design, label = one.designs[0][:, :-1], one.label
    weight = np.random.default_rng(1).uniform(0.5, 2.0, len(label))
    other = linear.LogisticRegression(C=1 / (weight.sum() * l2), tol=1e-10, max_iter=5000)
    other.fit(design, label, sample_weight=weight)
    ours = fit_softmax(one.designs[0], label, 3, l2, weight=weight)
    assert np.abs(ours.probabilities(one.designs[0]) - other.predict_proba(design)).max() < 1e-4
    assert ours.converged


def test_a_penalty_shrinks_and_the_start_of_a_student_is_undecided() -> None:
    one = data()
    sizes = [np.square(fit_softmax(one.designs[0], one.label, 3, l2).weights).sum() for l2 in (1e-3, 1e-1, 10)]
    assert sizes == sorted(sizes, reverse=True)
    shape = Shape(4, (3,), 3)
    (log_p,) = answers(shape.unpack(shape.start(np.random.default_rng(0))), one.designs[0])
    assert np.allclose(log_p, -np.log(3))


def test_scaling_survives_constant_and_enormous_columns() -> None:
    rows = np.array([[7.0, 1e300, 0.0, 1e-200], [7.0, -1e300, 0.0, 2e-200], [7.0, 1e300, 0.0, 3e-200]])
    scaling = Scaling.of(rows)
    design = scaling.design(rows)
    assert np.allclose(design[:, 1].std(), 1)
    assert (design[:, [0, 2, 3]] == 0).all()
    weight, bias = scaling.unscaled(np.ones((5, 2)))
    assert np.isfinite(weight).all()
    assert np.allclose(rows @ weight + bias, design @ np.ones((5, 2)))
