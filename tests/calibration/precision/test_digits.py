"""The search against the optimum, on real networks of six layers computing in exact quantized arithmetic.

The optimum of a network is known for certain: every configuration that would be cheaper than the one found is tried.
It is found by asking as few samples as it takes: a configuration that is wrong on more of the hard samples than the
floor allows on all of them cannot pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest

from simulator.calibration.precision import Floor, Tuned, TuningProblem, tune
from simulator.calibration.precision.network import NetworkAccuracy
from simulator.calibration.precision.prices import by_bits
from simulator.calibration.precision.problem import Config

pytest.importorskip("sklearn")

PRECISIONS = ("fp32", "int8", "int4", "int3")
SEEDS = range(20)
SHORT, USUAL = 12, 30
"""Epochs of training: the comparison must not take longer than it has to."""
HARD = 3
"""One in so many samples counts as hard."""


class Study:
    """One trained network and its validation samples, the hardest first."""

    def __init__(self, seed: int, epochs: int) -> None:
        from simulator.calibration.int8.digits import digits_network
        from simulator.calibration.int8.training import Course

        self.network, inputs, labels, *_ = digits_network(seed, course=Course(epochs=epochs))
        uniform = [self.network.forward(inputs, [name] * 6) for name in PRECISIONS]
        order = np.argsort(sum((out.argmax(axis=1) == labels).astype(int) for out in uniform), kind="stable")
        self.inputs, self.labels = inputs[order], labels[order]
        self.evaluate = NetworkAccuracy.of(self.network, self.inputs, self.labels)
        layers = self.network.layer_names
        weights = {name: self.network.weights_count(name) for name in layers}
        self.problem: TuningProblem = by_bits(dict.fromkeys(layers, PRECISIONS), weights)

    def cheapest(self, least: float, below: float) -> float:
        """Cost of the cheapest configuration that reaches ``least``, or ``below`` if none is cheaper than that."""
        every = (c for c in product(range(4), repeat=6) if self.problem.cost(c) < below)
        configs = [self.problem.config(choice) for choice in every]
        hard, rows = len(self.labels) // HARD, len(self.labels)
        wrong = np.rint((1 - self.accuracies(configs, hard)) * hard)
        left = [config for config, count in zip(configs, wrong) if (rows - count) / rows >= least]
        passed = [c for c, accuracy in zip(left, self.accuracies(left, rows)) if accuracy >= least]
        return min((self.problem.cost(self.problem.choice(config)) for config in passed), default=below)

    def accuracies(self, configs: Sequence[Config], rows: int) -> np.ndarray:
        return self.network.accuracies(self.inputs[:rows], self.labels[:rows], configs)

    def ratio(self, found: Tuned) -> float:
        assert found.passed
        assert len(found.asked) <= 25
        assert self.evaluate(found.chosen.config) == found.chosen.accuracy >= 0.99 * found.reference.accuracy
        return found.chosen.cost / self.cheapest(found.least, found.chosen.cost)


def compare(epochs: int) -> None:
    studies = (Study(seed, epochs) for seed in SEEDS)
    ratios = np.array([study.ratio(tune(study.problem, study.evaluate, Floor(loss=0.01))) for study in studies])
    assert np.median(ratios) <= 1.05, ratios
    assert (ratios <= 1.20).mean() >= 0.80, ratios


def test_within_25_evaluations_the_cost_is_near_the_optimum() -> None:
    compare(SHORT)


@pytest.mark.long
def test_the_same_for_networks_trained_to_the_end() -> None:
    compare(USUAL)


@pytest.fixture(scope="module")
def one() -> Study:
    return Study(100, SHORT)


def test_the_sparing_oracle_is_the_full_one(one: Study) -> None:
    """On a network of which all 4^6 configurations are tried: once with the hard samples first, once plainly."""
    every = [one.problem.config(choice) for choice in product(range(4), repeat=6)]
    accuracy = one.accuracies(every, len(one.labels))
    for loss in (0.005, 0.01, 0.03):
        least = accuracy[0] * (1 - loss)
        costs = np.array([one.problem.cost(one.problem.choice(config)) for config in every])
        best = costs[accuracy >= least].min()
        assert one.cheapest(least, 1.01 * best) == best
        assert one.cheapest(least, best) == best


def test_accumulated_fallback_pays_more(one: Study) -> None:
    by = {
        name: tune(one.problem, one.evaluate, Floor(loss=0.01), strategy=name) for name in ("additive", "accumulated")
    }
    assert by["additive"].chosen.cost < by["accumulated"].chosen.cost


def test_an_impossible_floor_gives_the_most_accurate_found(one: Study) -> None:
    found = tune(one.problem, one.evaluate, Floor(absolute=1.01))
    assert not found.passed
    assert found.chosen.accuracy == max(answer.accuracy for answer in found.asked) >= found.reference.accuracy


def test_the_identity_follows_what_decides(one: Study) -> None:
    again = NetworkAccuracy.of(one.network, one.inputs, one.labels)
    assert again.identity == one.evaluate.identity
    assert NetworkAccuracy.of(one.network, one.inputs[::-1], one.labels).identity != again.identity
    assert NetworkAccuracy.of(one.network, one.inputs, one.labels[::-1]).identity != again.identity
    other = one.network.calibrated(one.inputs[:10])
    assert NetworkAccuracy.of(other, one.inputs, one.labels).identity != again.identity
