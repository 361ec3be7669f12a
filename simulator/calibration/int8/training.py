"""Training of small networks in numpy: gradients through linear and convolution layers, and Adam."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from simulator.calibration.int8.geometry import windows
from simulator.calibration.int8.layers import AnyLayer, Conv, Linear, Reals
from simulator.calibration.int8.network import Network
from simulator.calibration.int8.precision import Single

_DECAY, _SQUARE_DECAY, _TINY = 0.9, 0.999, 1e-8


@dataclass(frozen=True, slots=True)
class Course:
    """How to train: ``epochs`` over the samples, ``batch`` samples per step, first ``rate`` of Adam.

    The rate falls linearly to 0; ``shrink`` is the weight of the squared weights in the loss.
    """

    epochs: int = 30
    batch: int = 64
    rate: float = 2e-3
    shrink: float = 1e-4


def trained(
    network: Network, samples: Single, labels: NDArray[np.int64], draws: np.random.Generator, course: Course
) -> Network:
    """The network after training on cross-entropy; ``draws`` shuffles. Source of Adam: arXiv 1412.6980."""
    layers = [_single(layer) for layer in network.layers]
    moments: list[list[Single]] = [[np.zeros_like(p) for p in _parameters(layer) for _ in (0, 1)] for layer in layers]
    steps = course.epochs * -(-len(samples) // course.batch)
    step = 0
    for _ in range(course.epochs):
        order = draws.permutation(len(samples))
        for start in range(0, len(order), course.batch):
            rows, step = order[start : start + course.batch], step + 1
            rate = course.rate * (1 - (step - 1) / steps)
            for index, slopes in enumerate(gradients(layers, samples[rows], labels[rows])):
                _adam(_parameters(layers[index]), slopes, moments[index], step, rate, course.shrink)
    return Network(tuple(_double(layer) for layer in layers), network.input_shape)


def gradients(layers: list[AnyLayer], x: Single, labels: NDArray[np.int64]) -> list[list[Single]]:
    """Of the mean cross-entropy by the weights and bias of every layer (empty where there are none)."""
    states = [x]
    for layer in layers:
        states.append(_forward(layer, states[-1]))
    scores = np.exp(states[-1] - states[-1].max(axis=1, keepdims=True))
    slope = scores / scores.sum(axis=1, keepdims=True)
    slope[np.arange(len(x)), labels] -= 1
    slope /= len(x)
    found: list[list[Single]] = []
    for layer, state in zip(reversed(layers), reversed(states[:-1])):
        own, slope = _backward(layer, state, slope)
        found.append(own)
    return found[::-1]


def _forward(layer: AnyLayer, x: Single) -> Single:
    if not isinstance(layer, Linear | Conv):
        return layer.apply(x)
    weight, bias = _parameters(layer)
    return layer.multiply(x, weight) + bias.reshape(1, -1, *[1] * (x.ndim - 2))


def _backward(layer: AnyLayer, x: Single, slope: Single) -> tuple[list[Single], Single]:
    """Gradients by parameters and by the input."""
    if isinstance(layer, Linear):
        return [x.T @ slope, slope.sum(axis=0)], slope @ np.asarray(layer.weight.T, np.float32)
    if isinstance(layer, Conv):
        return _backward_conv(layer, x, slope)
    return [], slope.reshape(x.shape) * (x > 0) if slope.shape == x.shape else slope.reshape(x.shape)


def _backward_conv(layer: Conv, x: Single, slope: Single) -> tuple[list[Single], Single]:
    geometry, (outputs, per_group, tall, wide) = layer.geometry, layer.weight.shape
    groups, (rows, columns) = geometry.groups, slope.shape[2:]
    by_group = slope.reshape(len(x), groups, outputs // groups, rows * columns)
    cut = windows(x, (tall, wide), geometry)
    weight = np.matmul(by_group, cut).sum(axis=0).reshape(groups * (outputs // groups), tall, wide, per_group)
    matrix = layer.weight.reshape(groups, outputs // groups, per_group, tall, wide).transpose(0, 3, 4, 2, 1)
    spread = np.matmul(matrix.reshape(groups, -1, outputs // groups), by_group)
    taps = spread.reshape(len(x), groups, tall, wide, per_group, rows, columns)
    top, left, bottom, right = geometry.padding
    padded = np.zeros((*x.shape[:2], x.shape[2] + top + bottom, x.shape[3] + left + right), dtype=x.dtype)
    (down, across), (apart, aside) = geometry.stride, geometry.dilation
    for i in range(tall):
        for j in range(wide):
            place = padded[:, :, i * apart :: down, j * aside :: across][:, :, :rows, :columns]
            place += taps[:, :, i, j].reshape(len(x), -1, rows, columns)
    inner = padded[:, :, top : top + x.shape[2], left : left + x.shape[3]]
    return [weight.transpose(0, 3, 1, 2), slope.sum(axis=(0, 2, 3))], inner


def _adam(
    values: list[Single], slopes: list[Single], moments: list[Single], step: int, rate: float, shrink: float
) -> None:
    for place, (value, raw) in enumerate(zip(values, slopes)):
        slope = raw + shrink * value
        mean, square = moments[2 * place], moments[2 * place + 1]
        mean += (1 - _DECAY) * (slope - mean)
        square += (1 - _SQUARE_DECAY) * (slope**2 - square)
        unbiased = np.sqrt(square / (1 - _SQUARE_DECAY**step)) + _TINY
        value -= np.float32(rate / (1 - _DECAY**step)) * mean / unbiased


def _parameters(layer: AnyLayer) -> list[Single]:
    if not isinstance(layer, Linear | Conv):
        return []
    assert layer.bias is not None
    return [np.asarray(layer.weight, np.float32), np.asarray(layer.bias, np.float32)]  # no copies: see _single


def _single(layer: AnyLayer) -> AnyLayer:
    """With weights and bias as 32-bit copies that training changes in place."""
    if not isinstance(layer, Linear | Conv):
        return layer
    bias = np.zeros(layer.weight.shape[layer.output_axis]) if layer.bias is None else layer.bias
    return _with(layer, layer.weight.astype(np.float32), bias.astype(np.float32))


def _double(layer: AnyLayer) -> AnyLayer:
    if not isinstance(layer, Linear | Conv) or layer.bias is None:
        return layer
    return _with(layer, layer.weight.astype(np.float64), layer.bias.astype(np.float64))


def _with(layer: Linear | Conv, weight: Reals, bias: Reals) -> Linear | Conv:
    return replace(layer, weight=weight, bias=bias)
