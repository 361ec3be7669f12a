"""Bytes on the device and at the server, as a function of the group size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simulator.costs.streaming.layers import Layer
from simulator.costs.streaming.recurrence import BUFFERS
from simulator.costs.streaming.streamed import Streamed
from simulator.errors import Problem, ScenarioError

Floats = NDArray[np.float64]


def fixed_bytes(streamed: Streamed) -> float:
    """Device bytes that do not depend on the group [B].

    The layers that fill the slots at once; unpacked weights of one layer; in training two gradients (one is summed
    while the other leaves); the working set of one microbatch.
    """
    layers = streamed.layers
    sent = [layer.gradient_bytes for layer in layers if layer.gradient_bytes > 0.0]
    gradients = _widest(sent, BUFFERS) if streamed.training else 0.0
    return _held(streamed) + max(layer.unpacked_bytes for layer in layers) + gradients + streamed.work_bytes


def group_bytes(streamed: Streamed) -> float:
    """Device bytes for each microbatch of a group [B].

    Inference: input and output of a layer. Training, inputs kept: those of all layers, and one output. Spilled: on the
    way forward the inputs that stay (of layers that are not loaded again), two more (one in use, one leaving) and one
    output; on the way back as many inputs as there are slots and one gradient. So their number does not depend on the
    number of layers, unless some have no weights: those are never loaded, and their inputs stay.
    """
    inputs = [layer.activation_bytes for layer in streamed.layers]
    output = inputs[-1] if streamed.output_bytes is None else streamed.output_bytes
    if not streamed.training:
        return _widest([*inputs, output], 2)
    widest = max(*inputs, output)
    if not streamed.spilled:
        return sum(inputs) + widest
    again = streamed.reloaded
    weightless = sum(size for size, layer in zip(inputs, streamed.layers) if layer.weight_bytes <= 0.0)
    staying = sum(size for size, back in zip(inputs, again) if not back) - weightless
    forward = staying + _widest([size for size, back in zip(inputs, again) if back], BUFFERS)
    loaded = [size for size, layer in zip(inputs, streamed.layers) if layer.weight_bytes > 0.0]
    return weightless + max(forward, _widest(loaded, streamed.slots)) + widest


def device_bytes(streamed: Streamed, group: ArrayLike) -> Floats:
    """Peak of device memory at each size of ``group`` [B]."""
    k = np.asarray(group, dtype=np.float64)
    needed: Floats = fixed_bytes(streamed) + k * group_bytes(streamed)
    return needed


def server_bytes(streamed: Streamed, group: ArrayLike = 0) -> Floats:
    """State of the parameters at the server and inputs spilled to it [B].

    Training: ``bytes_per_parameter`` (10: fp16 weights 2, Adam moments 8, gradients transient) of every parameter with
    a gradient; frozen weights and inference: the weights as they are stored.
    """
    k = np.asarray(group, dtype=np.float64)
    spilled = sum(streamed.layers[index].activation_bytes for index in streamed.spills())
    needed: Floats = sum(_state_bytes(streamed, layer) for layer in streamed.layers) + k * spilled
    return needed


def largest_group(streamed: Streamed, memory: float, most: int) -> int:
    """Largest group up to ``most`` that fits in device ``memory`` and at the server; refused if not even one does."""
    check_fits(streamed, memory)
    low, high = 1, most
    while low < high:
        middle = (low + high + 1) // 2
        fits = _fits(streamed, memory, middle)
        low, high = (middle, high) if fits else (low, middle - 1)
    return low


def check_fits(streamed: Streamed, memory: float) -> None:
    """Refuse a model of which not one microbatch fits, with the figures."""
    needed = float(device_bytes(streamed, 1))
    if needed > memory:
        message = (
            f"needs {_gigabytes(needed)} on the device for one microbatch ({streamed.slots} layer slots and buffers "
            f"{_gigabytes(fixed_bytes(streamed))}, its inputs and outputs {_gigabytes(group_bytes(streamed))}), the "
            f"device has {_gigabytes(memory)}: use fewer slots, smaller microbatches, spilled inputs or smaller layers"
        )
        raise ScenarioError(Problem(message, path="memory"))
    limit, state = streamed.server.memory, float(server_bytes(streamed, 1))
    if limit is not None and state > limit:
        message = f"needs {_gigabytes(state)} at the parameter server, which has {_gigabytes(limit)}"
        raise ScenarioError(Problem(message, path="server.memory"))


def _fits(streamed: Streamed, memory: float, group: int) -> bool:
    limit = streamed.server.memory
    return bool(device_bytes(streamed, group) <= memory) and (
        limit is None or bool(server_bytes(streamed, group) <= limit)
    )


def _state_bytes(streamed: Streamed, layer: Layer) -> float:
    if streamed.training and layer.gradient_bytes > 0.0:
        return layer.parameters * streamed.server.bytes_per_parameter
    return layer.weight_bytes


def _held(streamed: Streamed) -> float:
    """Most weights that are on the device at once: a load waits until only ``slots - 1`` before it are not released.

    A layer that is loaded again at the turn may be there twice, if it still computes in the slot of its forward visit.
    """
    weights = [layer.weight_bytes for layer in streamed.layers]
    loads = [size for size in weights if size > 0.0]
    released = loads
    if streamed.training:
        again = [size for size, back in zip(weights, streamed.reloaded) if back]
        loads, released = loads + again[::-1], again + loads[::-1]
    there = np.cumsum([0.0, *loads])
    gone = np.cumsum([0.0, *released])
    last = np.arange(len(loads) + 1)
    return float(np.max(there - gone[np.maximum(last - streamed.slots, 0)]))


def _widest(sizes: Sequence[float], count: int) -> float:
    """Largest sum of ``count`` neighbours."""
    total = np.concatenate([[0.0], np.cumsum(np.asarray(sizes, dtype=np.float64))])
    width = min(count, len(sizes))
    return float(np.max(total[width:] - total[: len(total) - width])) if width else 0.0


def _gigabytes(size: float) -> str:
    """A size as people write it.

    >>> _gigabytes(16.5e9), _gigabytes(2.5e6)
    ('16.5 GB', '2.5 MB')
    """
    return f"{size / 1e9:.4g} GB" if size >= 1e8 else f"{size / 1e6:.4g} MB"
