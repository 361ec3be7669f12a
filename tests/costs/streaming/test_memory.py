"""Device memory against what is there at every instant of a step."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.costs.streaming import Layer, Link, Streamed, Timeline, Visit, device_bytes, layer_of, run
from tests.costs.streaming.brute import random_model

Stay = tuple[float, float, float]
"""From when to when how many bytes are there."""


def peak(stays: list[Stay]) -> float:
    """Most bytes at once; what goes at an instant is gone before what comes then."""
    changes = sorted([(begin, size) for begin, _, size in stays] + [(end, -size) for _, end, size in stays])
    most = there = 0.0
    for _, size in changes:
        there += size
        most = max(most, there)
    return most


def weights(model: Streamed, visits: tuple[Visit, ...], line: Timeline) -> Iterator[Stay]:
    """From the start of a load to the end of the visit that gives the slot back."""
    begun: dict[int, list[float]] = {}
    for number, visit in enumerate(visits):
        if visit.load_s:
            begun.setdefault(visit.layer, []).append(float(line.load_start[number, 0]))
        if visit.releases:
            end = float(line.compute_end[number, 0])
            yield begun[visit.layer].pop(0), end, model.layers[visit.layer].weight_bytes


def gradients(model: Streamed, visits: tuple[Visit, ...], line: Timeline) -> Iterator[Stay]:
    """From the start of the backward visit until they are at the server."""
    for number, visit in enumerate(visits):
        if visit.backward and visit.return_s is not None:
            begin, end = float(line.compute_start[number, 0]), float(line.return_end[number, 0])
            yield begin, end, model.layers[visit.layer].gradient_bytes


def inputs(model: Streamed, visits: tuple[Visit, ...], line: Timeline, k: int) -> Iterator[Stay]:
    """A layer's input comes while the layer before computes; it stays, or leaves and comes back with its layer.

    The output of the last layer is there until the backward pass begins, and from then on one gradient.
    """
    last, spilled = len(model.layers), set(model.spills())
    for number, visit in enumerate(visits):
        layer, size = visit.layer, k * model.layers[visit.layer].activation_bytes
        begin, end = float(line.compute_start[max(number - 1, 0), 0]), float(line.compute_end[number, 0])
        if not model.training:
            yield begin, end, size
        elif visit.backward:
            if layer in spilled:
                yield float(line.load_start[number, 0]), end, size
        elif layer in spilled:
            yield begin, float(line.return_end[number, 0]), size
        else:
            yield begin, float(line.compute_end[2 * last - 1 - layer, 0]), size
    assert model.output_bytes is not None
    yield float(line.compute_start[last - 1, 0]), float(line.compute_end[last - 1, 0]), k * model.output_bytes


@settings(max_examples=500)
@given(st.integers(0, 10**9), st.integers(1, 4), st.sampled_from([0.0, 0.5, 3.0]))
def test_never_more_is_there_than_the_model_says(seed: int, k: int, output: float) -> None:
    """Each of weights, gradients and inputs alone: what the others need is taken away."""
    model = replace(random_model(random.Random(seed)), output_bytes=output)
    visits = model.visits(k)
    line = run(visits, model.slots, host_slots=model.host_slots)
    kinds = {
        ("weight_bytes",): weights(model, visits, line),
        ("gradient_bytes",): gradients(model, visits, line),
        ("activation_bytes", "output_bytes"): inputs(model, visits, line, k),
    }
    for names, stays in kinds.items():
        assert peak(list(stays)) <= _part(model, names, k) * (1 + 1e-9) + 1e-9, names


def _part(model: Streamed, names: tuple[str, ...], k: int) -> float:
    """What these sizes add to the memory: with them, less without (a weight of nearly nothing still takes a slot)."""
    tiny = 1e-12
    without = tuple(
        replace(layer, **{name: tiny if getattr(layer, name) > 0 else 0.0 for name in names if name != "output_bytes"})
        for layer in model.layers
    )
    bare = replace(model, layers=without, output_bytes=0.0 if "output_bytes" in names else model.output_bytes)
    return float(device_bytes(model, k)) - float(device_bytes(bare, k))


def test_the_last_layer_is_there_twice_if_it_is_loaded_again_while_it_computes() -> None:
    """Two slots, nothing kept: the copy for the backward pass comes while the forward pass uses the other."""
    layers = (Layer(1.0, 1.0, 1.0), Layer(1.0, 1.0, 1.0), Layer(9.0, 1.0, 1.0))
    assert float(device_bytes(Streamed(layers, Link(1.0), training=True, kept=0), 1)) == 18.0
    assert float(device_bytes(Streamed(layers, Link(1.0), training=True), 1)) == 10.0
    assert float(device_bytes(Streamed(layers, Link(1.0)), 1)) == 10.0


def test_two_gradients_are_there_with_a_layer_without_weights_between() -> None:
    layers = tuple(Layer(0.0, 1.0, 1.0, gradient_bytes=size) for size in (5.0, 0.0, 5.0))
    assert float(device_bytes(Streamed(layers, Link(1.0), training=True), 1)) == 10.0


def test_inputs_of_layers_that_are_not_loaded_again_stay() -> None:
    """Spilled: three layers without weights keep theirs; two more move, and there is an output."""
    layers = tuple(Layer(size, 1.0, 1.0, activation_bytes=1.0) for size in (1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0))
    model = Streamed(layers, Link(1.0), training=True, spilled=True, kept=0)
    assert float(device_bytes(model, 10)) - float(device_bytes(model, 0)) == 10 * (3 + 2 + 1)


def test_a_large_output_counts() -> None:
    """Scores of a vocabulary behind layers of small inputs."""
    layers = (Layer(0.0, 1.0, activation_bytes=1.0),) * 3
    assert float(device_bytes(Streamed(layers, Link(1.0), output_bytes=30.0), 2)) == 2 * 31.0
    assert float(device_bytes(Streamed(layers, Link(1.0), training=True, output_bytes=30.0), 2)) == 2 * 33.0


@pytest.mark.parametrize(("precision", "width"), [("fp32", 4.0), ("tf32", 4.0), ("fp16", 2.0), ("int8", 2.0)])
def test_gradients_are_as_wide_as_the_weights_and_at_least_16_bits(precision: str, width: float) -> None:
    assert layer_of(1e6, 0.1, precision=precision).gradient_bytes == width * 1e6
