"""What the kinds make of the shapes that they are given."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.calibration.measure.backends.arrays import Numpy
from simulator.calibration.measure.kinds import conv, gemm, mlp
from simulator.calibration.measure.network import Network
from simulator.calibration.measure.registry import BACKENDS, KINDS, find
from simulator.calibration.measure.request import Request, check_variants
from simulator.errors import ScenarioError

SIZES = st.integers(1, 5000)


@given(SIZES, SIZES)
def test_products(k: int, n: int) -> None:
    network = gemm.product(f"{k}x{n}")
    assert network.layers[0].shape == (k, n)
    assert gemm.labels(network, 3, "int8") == {"m": 3, "n": n, "k": k, "dtype": "int8"}


@given(st.lists(SIZES, min_size=2, max_size=6), st.sampled_from(["", "block="]))
def test_widths(widths: list[int], name: str) -> None:
    network = mlp.mlp(name + "-".join(map(str, widths)))
    assert [layer.inputs for layer in network.layers] == widths[:-1]
    assert [layer.outputs for layer in network.layers] == widths[1:]
    assert [layer.relu for layer in network.layers] == [True] * (len(widths) - 2) + [False]
    assert network.name == ("block" if name else "mlp_" + "-".join(map(str, widths)))


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 3)), min_size=1, max_size=3), st.integers(1, 9))
def test_nets_have_the_shape_that_they_compute(layers: list[tuple[int, int]], side: int) -> None:
    text = "3-" + "-".join(f"{channels}s{stride}" for channels, stride in layers) + f"@{side}x{side + 1}"
    network = conv.conv(text)
    shape = network.sample
    for layer in network.layers:
        shape = layer.output(shape)
    assert Numpy().load(network, "fp32").bind(network.inputs(2))().shape == (2, *shape)


def test_a_convolution_is_what_its_definition_says() -> None:
    network = conv.conv("2-3s2@5x4")
    x = network.inputs(1)
    found = Numpy().load(network, "fp64").bind(x)()[0]
    padded = np.pad(x[0], ((0, 0), (1, 1), (1, 1))).astype(np.float64)
    for channel, row, column in np.ndindex(found.shape):
        window = padded[:, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
        value = (window * network.weights[0][channel]).sum() + network.biases[0][channel]
        assert found[channel, row, column] == pytest.approx(max(value, 0.0), abs=1e-9)


def test_weights_depend_on_seed_and_name_only() -> None:
    one, same, other = (mlp.mlp(text, seed) for text, seed in (("a=8-4", 1), ("a=8-4", 1), ("a=8-4", 2)))
    assert np.array_equal(one.weights[0], same.weights[0])
    assert not np.array_equal(one.weights[0], other.weights[0])
    assert np.array_equal(one.inputs(4), one.inputs(4))


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("gemm", "3"),
        ("gemm", "0x4"),
        ("gemm", "4x4x4"),
        ("gemm", "axb"),
        ("mlp", "8"),
        ("mlp", "8-0"),
        ("mlp", "=8-4"),
        ("conv", "3-8"),
        ("conv", "3@8"),
        ("conv", "3-8s0@8"),
        ("conv", "3-8@8x"),
    ],
)
def test_shapes_that_nobody_understands(kind: str, text: str) -> None:
    request = Request((text,), (), (1,), 0, (Numpy(),))
    with pytest.raises(ScenarioError, match=r"must be .* such as|has no name"):
        find(KINDS, kind, "--kind")(request)


@pytest.mark.parametrize(("text", "batch"), [("65536x65536", 1), ("8x100000", 100_000)])
def test_what_is_too_large_is_refused_before_anything_is_drawn(text: str, batch: int) -> None:
    with pytest.raises(ScenarioError, match=r"GiB, must be under 2 GiB"):
        gemm.probes(Request((text,), (), (batch,), 0, (Numpy(),)))


def test_one_probe_for_each_shape_variant_and_batch() -> None:
    probes = gemm.probes(Request(("8x4", "4x8", "8x4"), ("fp32", "fp16"), (1, 2, 5), 0, (Numpy(),)))
    cells = [(one.labels["k"], one.labels["n"], one.labels["variant"], one.labels["m"]) for one in probes]
    assert len(set(cells)) == len(cells) == 12
    assert all(one.labels["backend"] == "numpy" for one in probes)


def test_one_name_is_one_network() -> None:
    """Rows are told apart by name: those of two networks would be fitted as one."""
    with pytest.raises(ScenarioError, match="block: names two networks"):
        mlp.probes(Request(("block=8-4", "block=8-5"), (), (1,), 0, (Numpy(),)))
    assert len(mlp.probes(Request(("block=8-4", " block=8-4"), ("fp32",), (1,), 0, (Numpy(),)))) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_usual_shapes_are_understood(kind: str) -> None:
    probes = find(KINDS, kind, "--kind")(Request((), (), (1,), 0, (Numpy(),)))
    assert probes
    assert {one.labels["variant"] for one in probes} == {"fp32", "fp64"}


def test_names_that_are_not_known() -> None:
    with pytest.raises(ScenarioError, match="unknown kind 'gem': did you mean 'gemm'"):
        find(KINDS, "gem", "--kind")
    with pytest.raises(ScenarioError, match="unknown backend 'xyz': the backends are onnxruntime, torch, numpy"):
        find(BACKENDS, "xyz", "--backend")
    with pytest.raises(ScenarioError, match="unknown variant 'int8': the variants of numpy are fp32, fp64, fp16"):
        check_variants(["int8"], [Numpy()])


def test_the_size_counts_weights_and_values() -> None:
    network = Network("x", (4,), gemm.product("4x4").layers)
    assert network.check(1) is network
