"""Independent and adaptive ramps: what each must do to rows and weights."""

import numpy as np
import pytest

from simulator.calibration.ramps.adaptive import (
    FORMS,
    Form,
    Settings,
    class_weights,
    row_weights,
    systematic,
    train_adaptive,
)
from simulator.calibration.ramps.data import Data, Ramps, score
from simulator.calibration.ramps.independent import choose_l2, train_independent
from simulator.errors import ScenarioError
from tests.calibration.ramps.builders import data

L2 = [1e-2] * 3


def same(a: Ramps, b: Ramps) -> bool:
    return len(a.ramps) == len(b.ramps) and all(
        np.array_equal(one.weights, other.weights) for one, other in zip(a.ramps, b.ramps)
    )


@pytest.fixture(scope="module")
def one() -> Data:
    return data()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("floor", [0.0, 0.15, 1.0])
@pytest.mark.parametrize("resample", [True, False])
def test_with_nothing_to_adapt_the_ramps_are_the_independent_ones(
    one: Data, form: Form, floor: float, resample: bool
) -> None:
    """gamma = lambda = 0 and no removal: the same weights to the bit."""
    settings = Settings(gamma=0.0, sharpen=0.0, removal=False, floor=floor, resample=resample)
    found = train_adaptive(one, L2, form, settings, seed=3)
    assert same(found, train_independent(one, L2))
    assert found.rows == (len(one.split.train),) * 2


@pytest.mark.parametrize(
    "settings",
    [
        Settings(gamma=2.0, sharpen=0.0, removal=False),
        Settings(gamma=0.0, sharpen=0.2, removal=False),
        Settings(gamma=0.0, sharpen=0.0, removal=True),
    ],
)
def test_each_ingredient_changes_something(one: Data, settings: Settings) -> None:
    assert not same(train_adaptive(one, L2, "hard", settings, seed=3), train_independent(one, L2))


def test_the_first_ramp_sees_every_row_alike(one: Data) -> None:
    found = train_adaptive(one, L2, "hard", Settings(sharpen=0.0), seed=0)
    assert np.array_equal(found.ramps[0].weights, train_independent(one, L2).ramps[0].weights)


def test_sure_and_right_rows_leave_and_the_floor_stays(one: Data) -> None:
    train = one.split.train
    settings = Settings(gamma=0.0, sharpen=0.0, threshold=0.8, floor=0.2, resample=False)
    found = train_adaptive(one, L2, "hard", settings, seed=5)
    log_p = found.ramps[0].log_probabilities(one.designs[0][train])
    leaves = (score(log_p) >= 0.8) & (log_p.argmax(axis=1) == one.label[train])
    floor = round(0.2 * len(train))
    assert leaves.any()
    assert found.rows[0] == len(train)
    assert len(train) - leaves.sum() <= found.rows[1] <= len(train) - leaves.sum() + floor
    without = train_adaptive(one, L2, "hard", Settings(**{**vars_of(settings), "floor": 0.0}), seed=5)
    assert without.rows[1] == len(train) - leaves.sum()


def vars_of(settings: Settings) -> dict[str, float]:
    return {name: getattr(settings, name) for name in settings.__dataclass_fields__}


def test_when_nothing_is_left_all_rows_are_used_and_it_is_said(one: Data) -> None:
    settings = Settings(threshold=0.0, floor=0.0, gamma=0.0, sharpen=0.0)
    wrong = data(rows=200, seed=2, classes=2)
    far = [100.0 * design for design in wrong.designs]
    easy = Data(wrong.features, wrong.split, wrong.scalings, (np.eye(2)[wrong.label] * 9.0, *far[1:]))
    found = train_adaptive(easy, L2, "hard", settings, seed=0)
    assert found.rows[1] == len(easy.split.train)
    assert "exit 2" in found.notes[0]


def test_a_wrong_row_counts_more_and_the_next_ramp_does_better_on_it(one: Data) -> None:
    train = one.split.train
    first = train_independent(one, L2).ramps[0].log_probabilities(one.designs[0][train])
    wrong = first.argmax(axis=1) != one.label[train]
    heavy = train_adaptive(one, L2, "hard", Settings(gamma=20.0, sharpen=0.0, removal=False, floor=0.0), seed=0)
    plain = train_independent(one, L2)

    def loss(ramps: Ramps) -> float:
        log_p = ramps.ramps[1].log_probabilities(one.designs[1][train])
        return -float(log_p[wrong, one.label[train][wrong]].mean())

    assert loss(heavy) < loss(plain)


def test_entropy_makes_ramps_surer(one: Data) -> None:
    rows = one.split.test
    means = []
    for sharpen in (0.0, 0.2, 0.5):
        found = train_adaptive(one, L2, "hard", Settings(gamma=0.0, sharpen=sharpen, removal=False), seed=0)
        means.append(float(score(found.ramps[0].log_probabilities(one.designs[0][rows])).mean()))
    assert means == sorted(means)
    assert means[0] < means[-1]


def test_weights_of_each_form() -> None:
    label = np.array([0, 0, 1])
    said = np.log([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]])
    assert row_weights("hard", 2.0, label, []).tolist() == [1.0] * 3
    assert row_weights("class", 2.0, label, [said]).tolist() == [1.0, 3.0, 1.0]
    soft = row_weights("soft", 2.0, label, [said, said])
    assert np.allclose(soft, [0.05, 0.8**4, 0.05])  # 0.1^4 and 0.4^4 stay at the least weight
    assert class_weights(label, [said], 2).tolist() == [2.0, 0.0]
    assert class_weights(label, [np.log([[0.9, 0.1]] * 2 + [[0.1, 0.9]])], 2).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("uniform", [0.0, 0.3, 1 - 2**-53])
def test_systematic_draws_are_in_proportion(uniform: float) -> None:
    weight = np.random.default_rng(0).uniform(0, 4, 500)
    drawn = np.bincount(systematic(weight, uniform), minlength=500)
    expected = weight * 500 / weight.sum()
    assert drawn.sum() == 500
    assert (np.abs(drawn - expected) < 1 + 1e-9).all()
    assert systematic(np.ones(500), uniform).tolist() == list(range(500))


def test_the_score_mixes_confidence_and_entropy() -> None:
    log_p = np.log([[0.25] * 4, [0.97, 0.01, 0.01, 0.01]])
    top = score(log_p)
    assert top.tolist() == pytest.approx([0.25, 0.97])
    entropy = -(np.exp(log_p) * log_p).sum(axis=1)
    assert np.allclose(score(log_p, 1.0), 1 - entropy / np.log(4))
    assert np.allclose(score(log_p, 0.3), 0.7 * top + 0.3 * score(log_p, 1.0))


def test_the_penalty_is_that_of_least_validation_loss(one: Data) -> None:
    grid = (1e-3, 1e-1, 1e2)
    chosen = choose_l2(one, grid)
    assert len(chosen) == 3
    assert set(chosen) <= set(grid)
    assert 1e2 not in chosen


@pytest.mark.parametrize(
    "wrong",
    [
        {"gamma": -1.0},
        {"gamma": float("nan")},
        {"sharpen": float("inf")},
        {"threshold": 1.1},
        {"floor": -0.1},
        {"mix": 2.0},
    ],
)
def test_settings_out_of_range(wrong: dict[str, float]) -> None:
    with pytest.raises(ScenarioError, match=next(iter(wrong))):
        Settings(**wrong)
