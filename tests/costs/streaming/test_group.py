"""The chosen group against exhaustive search, memory, and what is refused."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.costs.streaming import (
    Layer,
    Link,
    Server,
    Streamed,
    auto,
    curve,
    device_bytes,
    knees,
    layer_of,
    server_bytes,
    step,
)
from simulator.errors import ScenarioError
from tests.costs.streaming.brute import brute_seconds, random_model

MOST = 9


def device(model: Streamed, k: int) -> float:
    """Device memory in words of its own: slots, two gradients, unpacked weights, inputs, working set."""

    def neighbours(sizes: list[float], count: int) -> float:
        return max(sum(sizes[start : start + count]) for start in range(max(1, len(sizes) - count + 1)))

    gradients = [layer.gradient_bytes for layer in model.layers if layer.gradient_bytes > 0] or [0.0]
    unpacked = max(layer.unpacked_bytes for layer in model.layers)
    beside = unpacked + model.work_bytes + (neighbours(gradients, 2) if model.training else 0.0)
    return slots_of(model) + beside + k * inputs_of(model, neighbours)


def slots_of(model: Streamed) -> float:
    """Load one after another; give back the oldest that may go when no slot is free."""
    loads, gone = [], []
    for visit in model.visits(1):
        size = model.layers[visit.layer].weight_bytes
        loads += [size] if visit.load_s else []
        gone += [size] if visit.releases and size > 0 else []
    most = there = 0.0
    for number, size in enumerate(loads):
        there += size - (gone[number - model.slots] if number >= model.slots else 0.0)
        most = max(most, there)
    return most


def inputs_of(model: Streamed, neighbours: Callable[[list[float], int], float]) -> float:
    """Of one microbatch, the last layer's output as large as its input."""
    inputs = [layer.activation_bytes for layer in model.layers]
    if not model.training:
        return neighbours([*inputs, inputs[-1]], 2)
    if not model.spilled:
        return sum(inputs) + max(inputs)
    again = [i for i, back in enumerate(model.reloaded) if back]
    light = sum(inputs[i] for i, layer in enumerate(model.layers) if not layer.weight_bytes)
    kept = sum(inputs[i] for i, layer in enumerate(model.layers) if layer.weight_bytes and i not in again)
    forward = kept + neighbours([inputs[i] for i in again] or [0.0], 2)
    loaded = [inputs[i] for i, layer in enumerate(model.layers) if layer.weight_bytes] or [0.0]
    return light + max(forward, neighbours(loaded, model.slots)) + max(inputs)


def at_server(model: Streamed, k: int) -> bool:
    """Whether state and spilled inputs have room there: 10 bytes of what is trained, else the weights."""
    state = spilled = 0.0
    for layer, again in zip(model.layers, model.reloaded, strict=True):
        trained = model.training and layer.gradient_bytes > 0
        state += 10.0 * layer.parameters if trained else layer.weight_bytes
        spilled += k * layer.activation_bytes if model.spilled and again else 0.0
    return model.server.memory is None or state + spilled <= model.server.memory


def exhaustive(models: list[Streamed], memory: float, slack: float) -> tuple[bool, int] | None:
    """Every way and size: the smallest size near the least of its way, then the way of less memory."""
    ways = []
    for model in models:
        fits = [k for k in range(1, MOST + 1) if device(model, k) <= memory and at_server(model, k)]
        if not fits:
            continue
        pace = {k: brute_seconds(model, k) / k for k in fits}
        chosen = next(k for k in fits if pace[k] <= (1.0 + slack) * min(pace.values()))
        ways.append((pace[chosen], device(model, chosen), chosen, model.spilled))
    if not ways:
        return None
    least = min(pace for pace, *_ in ways)
    _, _, chosen, spilled = min((way for way in ways if way[0] <= (1.0 + slack) * least), key=lambda way: way[1:3])
    return spilled, chosen


@settings(max_examples=300)
@given(
    st.integers(0, 10**9),
    st.floats(0.0, 60.0),
    st.none() | st.floats(0.0, 60.0),
    st.sampled_from([0.0, 0.01, 0.2]),
    st.booleans(),
)
def test_auto_is_exhaustive_search(seed: int, memory: float, server: float | None, slack: float, either: bool) -> None:
    """With what fits on the device and at the server."""
    model = random_model(random.Random(seed))
    model = replace(model, server=replace(model.server, memory=server))
    ways = [model]
    if either and model.training:
        ways = [replace(model, spilled=False), replace(model, spilled=True)]
    wanted = exhaustive(ways, memory, slack)
    if wanted is None:
        with pytest.raises(ScenarioError, match=r"on the device for one microbatch|at the parameter server"):
            auto(model, memory, most=MOST, slack=slack, inputs="either" if either else "as given")
        return
    found = auto(model, memory, most=MOST, slack=slack, inputs="either" if either else "as given")
    assert (found.spilled, found.step.group) == wanted
    assert found.step.peak_memory <= memory
    assert found.step.seconds == found.curve.seconds[found.step.group - 1]


def test_the_knee_is_where_computing_takes_over() -> None:
    """Equal layers: k* = x / c, and the curve turns from transfer to compute bound there."""
    model = Streamed((Layer(7.0, 1.0, activation_bytes=0.01),) * 50, Link(1.0))
    assert list(knees(model)) == pytest.approx([7.0])
    assert curve(model, 10).compute_bound.tolist() == [k >= 7 for k in range(1, 11)]
    chosen = auto(model, 1e9, most=64, slack=0.05)
    assert chosen.step.bound == "compute"
    assert 7 <= chosen.step.group <= 10


def test_a_knee_below_one_microbatch() -> None:
    """Loads of 0.2 s, half a second of compute; and none where each visit computes for longer than a load."""
    assert knees(Streamed((Layer(0.2, 0.5),) * 4, Link(1.0))) == pytest.approx((0.4,))
    assert knees(Streamed((Layer(0.2, 0.5, visit_s=0.3),) * 4, Link(1.0))) == (0.0,)


def test_spilled_inputs_move_the_knee() -> None:
    """k* = w / (BW c - A): the inputs take part of the link; where they need all of it, it binds at every group."""
    layers = (Layer(8.0, 0.0, 1.0, activation_bytes=0.5),) * 50
    spilled = Streamed(layers, Link(1.0, duplex=1.0), training=True, spilled=True, kept=0)
    assert knees(spilled)[1] == pytest.approx(8.0 / (1.0 - 0.5))
    heavy = tuple(replace(layer, activation_bytes=2.0) for layer in layers)
    assert knees(replace(spilled, layers=heavy))[1] == float("inf")


@given(st.integers(1, 300), st.integers(1, 40), st.integers(1, 5))
def test_memory_is_constant_in_the_layers_when_inputs_are_spilled(layers: int, k: int, slots: int) -> None:
    one = Layer(3.0, 1.0, 2.0, activation_bytes=1.0, gradient_bytes=3.0)
    few, many = (
        Streamed((one,) * count, Link(1.0), training=True, spilled=True, slots=slots)
        for count in (slots + 2, slots + 2 + layers)
    )
    assert float(device_bytes(few, k)) == float(device_bytes(many, k))
    kept = replace(many, spilled=False)
    assert float(device_bytes(kept, k)) - float(device_bytes(replace(few, spilled=False), k)) == k * layers


def test_a_model_of_which_no_layer_fits_is_refused_with_the_figures() -> None:
    model = Streamed((layer_of(5e9, 0.1, activation_bytes=1e6),) * 10, Link(10e9))
    with pytest.raises(ScenarioError, match=r"needs 20 GB on the device .* the device has 16 GB"):
        auto(model, 16e9)
    held = replace(model, slots=1)
    assert auto(held, 16e9).step.peak_memory <= 16e9


def test_a_server_that_is_too_small_is_refused_with_the_figures() -> None:
    model = Streamed((layer_of(1e9, 0.1),) * 60, Link(10e9), training=True, server=Server(memory=512e9))
    with pytest.raises(ScenarioError, match=r"needs 600 GB at the parameter server, which has 512 GB"):
        auto(model, 80e9)


def encoder(hidden: int, tokens: int, samples: int, flops: float = 60e12) -> Layer:
    """A transformer layer: 12 h^2 weights and 13 h biases and norms, 24 s h^2 + 4 s^2 h operations a sample."""
    operations = samples * (24 * tokens * hidden**2 + 4 * tokens**2 * hidden)
    return layer_of(12 * hidden**2 + 13 * hidden, operations / flops, activation_bytes=2.0 * samples * tokens * hidden)


def working_set(hidden: int, tokens: int, samples: int, heads: int) -> float:
    """Activations inside one layer while it is recomputed: s b (34 h + 5 a s) bytes (Korthikanti et al. 2022)."""
    return samples * tokens * (34.0 * hidden + 5.0 * heads * tokens)


def test_bert_large_trains_at_batch_256_on_16_gb() -> None:
    """L2L (arXiv 2002.05645): a device batch of 256 on a V100 of 16 GB; here 512 tokens, microbatches of 32."""
    samples, groups = 32, 8
    model = Streamed(
        (encoder(1024, 512, samples),) * 24,
        Link(12e9, 20e-6),
        training=True,
        work_bytes=working_set(1024, 512, samples, 16),
        server=Server(memory=512e9),
    )
    found = step(model, groups)
    assert found.peak_memory <= 16e9
    assert auto(model, 16e9).largest >= groups
    assert found.server_memory == pytest.approx(10 * 24 * 12_596_224, rel=1e-4)


def test_50_billion_parameters_train_on_16_gb_and_a_server_of_512_gb() -> None:
    """L2L: 50 B parameters, one device of 16 GB, 512 GB at the host: 10 B for each parameter are 500 GB."""
    hidden = 8192
    count = round(50e9 / (12 * hidden**2))
    model = Streamed(
        (encoder(hidden, 512, 1),) * count,
        Link(12e9, 20e-6),
        training=True,
        work_bytes=working_set(hidden, 512, 1, 64),
        server=Server(memory=512e9),
    )
    found = auto(model, 16e9)
    assert found.step.peak_memory <= 16e9
    assert found.step.server_bytes_per_parameter == 10.0
    assert sum(layer.parameters for layer in model.layers) == pytest.approx(50e9, rel=0.01)
    assert float(server_bytes(model, 1)) == pytest.approx(500e9, rel=0.01)
    assert found.step.layer_loads == 2 * count - 2
    assert found.step.bound == "compute"


def test_grouping_against_naive_accumulation() -> None:
    """Where the link binds, k microbatches a visit take the loads of one: 2 L less those kept, against 2 L k."""
    found = step(Streamed((Layer(9.0, 0.1, 0.2),) * 40, Link(1.0), training=True), 8)
    assert (found.layer_loads, found.naive_loads) == (78, 640)
    assert found.bound == "transfer"
    assert found.naive_s > 7.9 * found.seconds


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Link(0.0), "bandwidth"),
        (lambda: Link(float("nan")), "bandwidth"),
        (lambda: Link(1.0, -1.0), "latency_s"),
        (lambda: Link(1.0, 0.0, 1.5), "duplex"),
        (lambda: Layer(-1.0, 1.0), "weight_bytes"),
        (lambda: Layer(1.0, float("inf")), "forward_s"),
        (lambda: layer_of(1.0, 1.0, precision="fp12"), "unknown precision"),
        (lambda: Streamed((), Link(1.0)), "layers"),
        (lambda: Streamed((Layer(1.0, 1.0),), Link(1.0), slots=0), "slots"),
        (lambda: Streamed((Layer(1.0, 1.0),), Link(1.0), kept=3), "kept at the turn"),
        (lambda: Streamed((Layer(1.0, 1.0),), Link(1.0), spilled=True), "keeps no inputs"),
        (lambda: step(Streamed((Layer(1.0, 1.0),), Link(1.0)), 0), "group"),
    ],
)
def test_figures_that_cannot_be_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        make()


def test_a_curve_of_1024_groups_is_quick() -> None:
    """100 layers, 1024 groups: under a second of processor time (it takes a few hundredths)."""
    model = Streamed((layer_of(1e8, 0.001, activation_bytes=1e6),) * 100, Link(10e9), training=True, spilled=True)
    begin = process_time()
    found = curve(model, 1024)
    assert process_time() - begin < 1.0
    assert len(found.seconds) == 1024
