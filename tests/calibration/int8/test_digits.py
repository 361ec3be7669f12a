"""Real networks: gradients are right, training learns, and precisions cost what bits suggest."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

from simulator.calibration.int8 import Linear, Network, digits_conv_network, digits_network
from simulator.calibration.int8.digits import Study
from simulator.calibration.int8.layers import Conv
from simulator.calibration.int8.training import gradients
from simulator.errors import ScenarioError
from tests.calibration.int8.test_network import samples, small

pytest.importorskip("sklearn", reason="the digits come with scikit-learn")


@pytest.fixture(scope="module")
def study() -> Study:
    return digits_network(0)


def _loss(network: Network, x: np.ndarray, labels: np.ndarray) -> float:
    scores = network.forward(x, ["fp32"] * 4).astype(np.float64)
    scores -= scores.max(axis=1, keepdims=True)
    return float((np.log(np.exp(scores).sum(axis=1)) - scores[np.arange(len(x)), labels]).mean())


def test_gradients_are_differences() -> None:
    """Through convolutions with stride, uneven padding and groups; central differences of the loss."""
    network, x, labels = small(), samples(16), np.arange(16) % 3
    found = gradients(list(network.layers), x, labels)
    draws = np.random.default_rng(0)
    for index, layer in enumerate(network.layers):
        if not isinstance(layer, Linear | Conv):
            assert found[index] == []
            continue
        for place, key in enumerate(("weight", "bias")):
            direction = draws.normal(size=getattr(layer, key).shape)
            step, losses = 1e-3, []
            for sign in (1, -1):
                moved = replace(layer, **{key: getattr(layer, key) + sign * step * direction})
                losses.append(
                    _loss(replace(network, layers=tuple(moved if a is layer else a for a in network.layers)), x, labels)
                )
            slope = (losses[0] - losses[1]) / (2 * step)
            # 32-bit losses of about 1 resolve 1e-7, over 2e-3: 1e-4; curvature and kinks of ReLU on top
            assert float((found[index][place] * direction).sum()) == pytest.approx(slope, rel=0.03, abs=2e-3)


def test_six_layers_learn_the_digits(study: Study) -> None:
    network, x, labels, test, test_labels = study
    assert len(network.layer_names) == 6
    assert [network.weights_count(name) for name in network.layer_names] == [64 * 48, *[48 * 48] * 4, 48 * 10]
    assert (len(x), len(test)) == (360, 539)
    assert network.accuracy(x, labels, ["fp32"] * 6) > 0.8
    assert network.accuracy(test, test_labels, ["fp32"] * 6) > 0.8


def test_eight_bits_cost_little_and_two_bits_much(study: Study) -> None:
    network, _, _, x, labels = study
    found = network.accuracies(x, labels, [[name] * 6 for name in ("fp32", "bf16", "int8", "int4", "w2")])
    assert abs(found[1] - found[0]) <= 0.02
    assert abs(found[2] - found[0]) <= 0.02
    assert found[3] > found[4] + 0.2
    assert found[4] < 0.5


def test_the_same_seed_gives_the_same_network(study: Study) -> None:
    again, *rest = digits_network(0)
    for a, b in zip(study[0].weighted, again.weighted):
        assert np.array_equal(a.weight, b.weight)
    for one, other in zip(study[1:], rest):
        assert np.array_equal(one, other)
    other = digits_network(1, layers=2)[0]
    assert len(other.layer_names) == 2
    assert not np.array_equal(other.weighted[0].weight, study[0].weighted[0].weight)


def test_convolutions_learn_too() -> None:
    network, _, _, x, labels = digits_conv_network(0)
    found = network.accuracies(x, labels, [[name] * 3 for name in ("fp32", "int8", "w2")])
    assert found[0] > 0.8
    assert abs(found[1] - found[0]) <= 0.02
    assert found[2] < found[0] - 0.1


def test_bad_sizes_and_a_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ScenarioError, match="at least 1"):
        digits_network(0, layers=0)
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ScenarioError, match=r"pip install 'exitplan\[calibrate\]'"):
        digits_network(0)
