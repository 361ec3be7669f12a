"""Networks whose layers compute at precisions of their own."""

from __future__ import annotations

from itertools import product as every
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.calibration.int8 import (
    Conv,
    Flatten,
    Geometry,
    Linear,
    Network,
    Relu,
    from_range,
    gemm,
    precision,
    quantize_weights,
)
from simulator.calibration.int8.layers import AnyLayer
from simulator.calibration.int8.precision import rounded
from simulator.errors import ScenarioError
from tests.calibration.int8.builders import decibels, loops


def small(seed: int = 0, bias: bool = True) -> Network:
    """Two convolutions, one with groups, and two linear layers."""
    draws = np.random.default_rng(seed)
    biases = [draws.normal(size=n) if bias else None for n in (4, 6, 8, 3)]
    layers: tuple[AnyLayer, ...] = (
        Conv("stem", draws.normal(size=(4, 2, 3, 3)) / 4, biases[0], Geometry(padding=(1, 1, 1, 1))),
        Relu(),
        Conv("group", draws.normal(size=(6, 2, 3, 3)) / 4, biases[1], Geometry((2, 2), (0, 1, 1, 0), groups=2)),
        Relu(),
        Flatten(),
        Linear("hidden", draws.normal(size=(54, 8)) / 7, biases[2]),
        Relu(),
        Linear("head", draws.normal(size=(8, 3)) / 3, biases[3]),
    )
    return Network(layers, (2, 6, 6))


def samples(rows: int = 40, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, 2, 6, 6)).astype(np.float32)


def test_fp32_is_the_plain_network() -> None:
    network, x = small(), samples(3)
    stem, group, hidden, head = network.weighted
    assert isinstance(stem, Conv)
    assert isinstance(group, Conv)
    wide = x.astype(np.float64)
    for layer in (stem, group):
        assert layer.bias is not None
        wide = np.maximum(loops(wide, layer.weight, layer.geometry) + layer.bias[:, None, None], 0)
    wide = np.maximum(wide.reshape(3, -1) @ hidden.weight + hidden.bias, 0) @ head.weight + head.bias
    assert network.forward(x, ["fp32"] * 4) == pytest.approx(wide, abs=1e-4)
    assert network.output_shape == (3,)


@pytest.mark.parametrize("bias", [True, False])
def test_more_bits_are_nearer_to_fp32(bias: bool) -> None:
    network, x = small(bias=bias).calibrated(samples()), samples(seed=2)
    truth = network.forward(x, ["fp32"] * 4).astype(np.float64)

    def noise(name: str) -> float:
        return decibels(truth, network.forward(x, [name] * 4))

    for order in (["w2", "w4", "w6", "bf16", "fp16"], ["w2a8", "w3a8", "w4a8", "w6a8", "w8a8"]):
        found = [noise(name) for name in order]
        assert found == sorted(found)
    assert noise("int8") > 25
    assert noise("bf16") > 35
    assert noise("fp16") > 55


def test_a_layer_in_int8_is_the_quantized_kernel() -> None:
    draws = np.random.default_rng(4)
    weight, bias, x = draws.normal(size=(5, 3)), draws.normal(size=3), draws.normal(size=(9, 5)).astype(np.float32)
    network = Network((Linear("only", weight, bias),), (5,)).calibrated(x)
    expected = gemm(weight, from_range(x.min(), x.max()), bias).real(x).astype(np.float32)
    assert np.array_equal(network.forward(x, ["int8"]), expected)
    assert np.array_equal(network.forward(x, ["w8a8"]), expected)
    for bits in (3, 4):
        real = rounded(quantize_weights(weight, 1, bits).real(), "fp16").astype(np.float64)
        weight_only = rounded(x, "fp16") @ real + bias
        assert network.forward(x, [f"int{bits}"]) == pytest.approx(weight_only, abs=0.01)
        assert np.array_equal(network.forward(x, [f"int{bits}"]), network.forward(x, [f"w{bits}"]))


@pytest.mark.parametrize("method", ["minmax", "percentile", "entropy", "channel"])
def test_every_calibration_serves(method: str) -> None:
    network, x = small().calibrated(samples(200), method), samples(seed=3)
    truth = network.forward(x, ["fp32"] * 4)
    assert decibels(truth, network.forward(x, ["int8"] * 4)) > 15
    assert network.inputs is not None
    assert [one.per_channel for one in network.inputs] == [method == "channel"] * 4


def test_smoothing_helps_where_channels_differ() -> None:
    draws = np.random.default_rng(0)
    x = draws.normal(size=(300, 64)).astype(np.float32)
    x[:, [3, 20, 33, 50]] *= 60
    network = Network(
        (Linear("a", draws.normal(size=(64, 32))), Relu(), Linear("b", draws.normal(size=(32, 10)))), (64,)
    )
    truth = network.forward(x, ["fp32"] * 2)
    plain, smooth = (network.calibrated(x, smoothing=alpha).forward(x, ["int8", "fp32"]) for alpha in (None, 0.5))
    assert decibels(truth, smooth) > decibels(truth, plain) + 6


def test_batches_of_calibration_do_not_matter() -> None:
    x = samples(50)
    found = [small().calibrated(x, method, batch=batch) for method in ("minmax", "entropy") for batch in (7, 50)]
    for one, other in (found[:2], found[2:]):
        assert one.inputs is not None
        assert other.inputs is not None
        for a, b in zip(one.inputs, other.inputs):
            assert float(a.scale) == pytest.approx(float(b.scale), rel=1e-4)  # 32-bit sums depend on the batch
            assert abs(int(a.zero) - int(b.zero)) <= 1


def test_accuracies_are_those_of_each_configuration_alone() -> None:
    network, x = small(bias=False).calibrated(samples()), samples(60, seed=5)
    labels = network.forward(x, ["fp32"] * 4).argmax(axis=1)
    configurations = [list(one) for one in every(["fp32", "int8", "w3"], repeat=4)]
    configurations = configurations[::-1] + configurations[:5]
    found = network.accuracies(x, labels, configurations)
    assert found.shape == (86,)
    for index in (0, 1, 17, 40, 79, 80, 85):
        alone = small(bias=False).calibrated(samples()).forward(x, configurations[index]).argmax(axis=1)
        assert found[index] == (alone == labels).mean()
    assert network.accuracy(x, labels, ["fp32"] * 4) == 1.0
    assert network.accuracy(x, 2 - labels, ["fp32"] * 4) == (labels == 1).mean()
    assert found.min() < 0.95


def test_counts_and_bytes() -> None:
    network = small()
    assert network.layer_names == ("stem", "group", "hidden", "head")
    assert [network.weights_count(name) for name in network.layer_names] == [72, 108, 432, 24]
    assert network.weights_count(2) == 432
    assert network.weight_bytes("head", "fp32") == 24 * 4 + 3 * 4
    assert network.weight_bytes("head", "bf16") == 24 * 2 + 3 * 2
    assert network.weight_bytes("head", "int8") == 24 + 3 * 4 + 3 * 4
    assert network.weight_bytes("head", "w3") == 9 + 3 * 4 + 3 * 4
    assert small(bias=False).weight_bytes("head", "fp32") == 96
    # 6 x 6 with padding 1: 3 x 3 classes; stride 2 with padding (0, 1, 1, 0): rows {all, cut}, columns {cut, all}
    assert [network.table_bytes(name, "int8") for name in network.layer_names] == [9 * 16, 2 * 2 * 24, 32, 12]
    assert network.table_bytes("stem", "w4") == network.table_bytes("stem", "fp16") == 0
    calibrated = network.calibrated(samples())
    place = calibrated.inputs
    assert place is not None
    assert len(place) == 4


@given(st.floats(width=32, allow_nan=False), st.sampled_from(["bf16", "fp16"]))
def test_rounding_to_sixteen_bits(x: float, kind: str) -> None:
    found = float(rounded(np.array([x]), kind)[0])  # type: ignore[arg-type]
    if kind == "fp16":
        with np.errstate(over="ignore"):
            assert found == float(np.float16(x))
        return
    bits = np.array([found], np.float32).view(np.uint32)[0]
    assert bits & 0xFFFF == 0
    if 2.0**-126 <= abs(x) < 3.3e38:
        exponent = np.floor(np.log2(abs(x)))
        assert abs(found - x) <= 2.0 ** (exponent - 8)  # half of the last of 8 significant bits


def test_values_beyond_half_floats_are_infinite_and_nothing_breaks() -> None:
    network = Network(
        (Linear("a", np.full((2, 2), 1e5)), Relu(), Linear("b", np.array([[1.0, -1.0], [-1.0, 1.0]]))), (2,)
    )
    x = [[1.0, 2.0]]
    assert not np.isfinite(network.forward(x, ["fp16", "fp16"])).all()
    assert np.isnan(network.forward(x, ["fp16", "fp16"])).any()
    assert network.accuracy(x, [0], ["fp16", "fp16"]) == network.accuracy(x, [1], ["fp16", "fp16"]) == 0
    assert network.accuracy(x, [0], ["fp32", "fp32"]) == 1
    assert np.isfinite(network.calibrated(x).forward(x, ["fp16", "int8"])).all()
    assert rounded(np.array([np.nan]), "bf16")[0] != rounded(np.array([np.nan]), "bf16")[0]


@pytest.mark.parametrize("name", ["int9", "int1", "w8a", "fp8", "", "INT8", None])
def test_unknown_precisions_are_refused(name: str) -> None:
    with pytest.raises(ScenarioError, match=r"no precision is called .* \(known: fp32, fp16, bf16, int8"):
        precision(name)


def test_misuse_is_refused_in_words() -> None:
    network, x = small(), samples(4)
    linear = Linear("a", np.ones((2, 3)))
    for wrong, words in [
        (lambda: network.forward(x, ["int8"] * 4), r"stem: int8 needs input ranges: call calibrated\(\) first"),
        (lambda: network.forward(x, ["fp32"] * 3), r"one precision per layer is wanted \(stem, group, hidden, head\)"),
        (lambda: network.forward(x, "fp32"), "one precision per layer"),
        (lambda: network.forward(x[:, :1], ["fp32"] * 4), "samples must be"),
        (lambda: network.forward(x * np.nan, ["fp32"] * 4), "finite"),
        (lambda: network.accuracy(x, [0, 1], ["fp32"] * 4), "4 samples, but 2 labels"),
        (lambda: network.accuracy(x, [0.5] * 4, ["fp32"] * 4), "whole number"),
        (lambda: network.weights_count("tail"), "known: stem, group"),
        (lambda: network.weights_count(4), "no layer with weights is 4"),
        (lambda: network.calibrated(x, "best"), "no calibration is called"),
        (lambda: network.calibrated(x[:0]), "samples must be"),
        (lambda: Network((Relu(),), (3,)), "at least one layer with weights"),
        (lambda: Network((linear, Linear("a", np.ones((3, 1)))), (2,)), "two layers are called 'a'"),
        (lambda: Network((linear,), (4,)), "a: weights"),
        (lambda: Network((linear,), (2, 2)), "a: weights"),
        (lambda: Network((Linear("a", np.full((2, 3), np.inf)),), (2,)), "a: weights must be finite"),
        (lambda: Network((Linear("a", np.ones((2, 3)), np.ones(2)),), (2,)), "a: the bias has shape"),
        (lambda: Network((Conv("c", np.ones((1, 1, 3, 3))),), (9,)), "c: a convolution, which wants"),
        (lambda: Network((Conv("c", np.ones((1, 1, 3, 3))),), (1, 2, 2)), "c: an input of 2 x 2 is too small"),
        (lambda: Network((Conv("c", np.ones((1, 1, 3, 3))),), (2, 4, 4)), "c: weights .* do not fit 2 input channels"),
        (lambda: Network((Linear("a", np.ones(3), np.ones(3)),), (3,)), r"a: weights have shape \(3,\): 2 axes"),
    ]:
        with pytest.raises(ScenarioError, match=words):
            wrong()


def test_ties_of_bf16_go_to_even() -> None:
    last = 2.0**-7
    ties = [1 + last / 2, 1 + 3 * last / 2, -(1 + 5 * last / 2)]
    assert rounded(np.array(ties), "bf16").tolist() == [1.0, 1 + 2 * last, -(1 + 2 * last)]


@pytest.mark.parametrize("kind", ["fp16", "bf16"])
def test_floats_of_sixteen_bits_round_inputs_weights_and_outputs(kind: Any) -> None:
    draws = np.random.default_rng(6)
    weight, bias, x = draws.normal(size=(30, 4)), draws.normal(size=4), draws.normal(size=(20, 30))
    network = Network((Linear("only", weight, bias),), (30,))
    held = [rounded(array, kind).astype(np.float64) for array in (x, weight, bias)]
    exact = held[0] @ held[1] + held[2]
    step = (
        np.spacing(np.abs(exact).astype(np.float16)) if kind == "fp16" else 2.0 ** (np.floor(np.log2(abs(exact))) - 7)
    )
    found = network.forward(x, [kind])
    assert (np.abs(found - exact) <= step * 0.51 + 1e-5).all()  # half of the last bit; sums have 32
    assert np.array_equal(found, rounded(found, kind))
    unrounded = x @ weight + bias
    assert np.abs(found - unrounded).max() > np.abs(found - exact).max()
