"""Real networks to try precisions on: trained on the scikit-learn digits in seconds.

The 1,797 images of 8 x 8 pixels are split by seed into training, validation and test samples (50, 20, 30 %), each
shifted by up to a pixel each way: images that train come ``COPIES`` times, the others once.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from simulator.calibration.int8.geometry import Geometry
from simulator.calibration.int8.layers import AnyLayer, Conv, Flatten, Linear, Relu
from simulator.calibration.int8.network import Network
from simulator.calibration.int8.precision import Single
from simulator.calibration.int8.training import Course, trained
from simulator.errors import Problem, ScenarioError
from simulator.streams import stream

Labels = NDArray[np.int64]
Study = tuple[Network, Single, Labels, Single, Labels]
"""Network, validation samples and labels, test samples and labels."""

COPIES = 6
WIDTH = 48
SHARES = (0.5, 0.2)
_SIDE, _CLASSES = 8, 10


def digits_network(seed: int, layers: int = 6, *, width: int = WIDTH, course: Course | None = None) -> Study:
    """A ReLU network of so many linear layers, trained and calibrated, and samples that trained neither."""
    if layers < 1 or width < 1:
        raise ScenarioError(Problem(f"a network needs layers and width of at least 1, got {layers} and {width}"))
    draws = stream(seed, "int8", "network")
    sizes = [_SIDE**2, *[width] * (layers - 1), _CLASSES]
    stack: list[AnyLayer] = []
    for k, (inputs, outputs) in enumerate(pairwise(sizes), start=1):
        stack += [Linear(f"linear_{k}", _drawn(draws, (inputs, outputs), inputs), np.zeros(outputs)), Relu()]
    return _study(seed, Network(tuple(stack[:-1]), (_SIDE**2,)), course or Course())


def digits_conv_network(seed: int, channels: Sequence[int] = (8, 16), *, course: Course | None = None) -> Study:
    """3 x 3 convolutions with padding, every second one with stride 2, then a linear layer; as ``digits_network``."""
    draws = stream(seed, "int8", "convolutions")
    stack: list[AnyLayer] = []
    before, side = 1, _SIDE
    for k, after in enumerate(channels, start=1):
        step = 2 if k % 2 == 0 else 1
        geometry = Geometry(stride=(step, step), padding=(1, 1, 1, 1))
        stack += [
            Conv(f"conv_{k}", _drawn(draws, (after, before, 3, 3), 9 * before), np.zeros(after), geometry),
            Relu(),
        ]
        before, side = after, geometry.output((side, side), (3, 3))[0]
    last = before * side**2
    stack += [Flatten(), Linear("linear", _drawn(draws, (last, _CLASSES), last), np.zeros(_CLASSES))]
    return _study(seed, Network(tuple(stack), (1, _SIDE, _SIDE)), course or Course(epochs=10, rate=5e-3))


def _study(seed: int, network: Network, course: Course) -> Study:
    images, label = _load()
    order = stream(seed, "int8", "split").permutation(len(label))
    train, validation, test = np.split(order, [round(SHARES[0] * len(label)), round(sum(SHARES) * len(label))])
    moves = stream(seed, "int8", "shift")
    rows = [np.repeat(train, COPIES), validation, test]
    parts = [_shifted(images[one], moves).reshape(-1, *network.input_shape) for one in rows]
    found = trained(network, parts[0], label[rows[0]], stream(seed, "int8", "course"), course).calibrated(parts[0])
    return found, parts[1], label[validation], parts[2], label[test]


def _load() -> tuple[NDArray[np.float64], Labels]:
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise ScenarioError(Problem("the digits need scikit-learn: pip install 'exitplan[calibrate]'")) from None
    found = load_digits()
    return found.images / 16.0, found.target.astype(np.int64)


def _shifted(images: NDArray[np.float64], draws: np.random.Generator) -> Single:
    """Every image moved by up to one pixel down and across, dark where nothing is: (rows, 8, 8)."""
    down, right = draws.integers(0, 3, (2, len(images), 1, 1))
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    row, column = down + np.arange(_SIDE)[None, :, None], right + np.arange(_SIDE)[None, None, :]
    moved: NDArray[np.float64] = padded[np.arange(len(images))[:, None, None], row, column]
    return moved.astype(np.float32)


def _drawn(draws: np.random.Generator, shape: tuple[int, ...], inputs: int) -> NDArray[np.float64]:
    """He's initial weights: variance 2 / inputs, arXiv 1502.01852."""
    return draws.normal(0.0, np.sqrt(2 / inputs), shape)
