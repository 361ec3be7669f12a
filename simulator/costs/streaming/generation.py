"""Text generation with weights, cache and hidden states on device, host and disk: layer times of prefill and decode.

The laws of FlexGen (Sheng et al., ICML 2023, section 4 and its cost model): copies from disk to host and from host to
device of one layer follow each other, as do those back; both directions and the computation overlap. A decoding step
first brings the layer to the device, and overlaps the rest.

.. math::
    t_{pre} = \\max(H_\\downarrow + D_\\downarrow,\\; H_\\uparrow + D_\\uparrow,\\; C) \\qquad
    t_{dec} = H_\\downarrow + \\max(H_\\uparrow, D_\\downarrow, D_\\uparrow, C) \\qquad
    T = L (t_{pre} + (n - 1) t_{dec})
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from simulator.costs.streaming.checks import require, require_count
from simulator.errors import Problem, ScenarioError


@dataclass(frozen=True, slots=True)
class Transformer:
    """A decoder: ``layers``, ``hidden`` and feed-forward width, ``value_bytes`` of a weight, cache or hidden value."""

    layers: int
    hidden: int
    feed_forward: int
    value_bytes: float = 2.0

    @property
    def layer_parameters(self) -> float:
        """Weights of one layer: four attention and two feed-forward matrices."""
        return 4.0 * self.hidden**2 + 2.0 * self.hidden * self.feed_forward


@dataclass(frozen=True, slots=True)
class Tiers:
    """Speeds between and on the tiers; bandwidths in B/s, compute in FLOP/s. Fitted for each machine.

    ``host_device``; ``device_host_cache`` and ``device_host_hidden``; ``disk_host``; ``host_disk_cache`` (prefill) and
    ``host_disk`` (else); ``matrix`` and ``attention`` compute of the device in prefill and decode, and of the host.
    """

    host_device: float
    device_host_cache: float
    device_host_hidden: float
    disk_host: float
    host_disk_cache: float
    host_disk: float
    matrix_prefill: float
    matrix_decode: float
    attention_prefill: float
    attention_decode: float
    host_compute: float

    def __post_init__(self) -> None:
        figures = {name: getattr(self, name) for name in self.__slots__}
        require("tiers", above=0.0, **figures)


@dataclass(frozen=True, slots=True)
class Placement:
    """Shares (device, host, disk) of weights, cache and hidden states; each sums to 1."""

    weights: tuple[float, float, float]
    cache: tuple[float, float, float]
    hidden: tuple[float, float, float]

    def __post_init__(self) -> None:
        for name in ("weights", "cache", "hidden"):
            shares = getattr(self, name)
            require("placement", **{name: min(shares)})
            if abs(sum(shares) - 1.0) > 1e-9:
                raise ScenarioError(Problem(f"shares on device, host and disk must sum to 1, got {shares}", path=name))


@dataclass(frozen=True, slots=True)
class Generation:
    """Work: ``batch`` sequences together (a block), in device batches of ``device_batch``, ``prompt`` and ``output``
    tokens of each.
    """

    batch: int
    prompt: int
    output: int
    device_batch: int

    def __post_init__(self) -> None:
        figures = {name: getattr(self, name) for name in self.__slots__}
        require_count("generation", 1, **figures)


def prefill_layer_seconds(host_in: float, disk_in: float, host_out: float, disk_out: float, compute: float) -> float:
    """Time of one layer in the prefill [s], of the times of its copies to and from the device and its compute."""
    return max(host_in + disk_in, host_out + disk_out, compute)


def decode_layer_seconds(host_in: float, disk_in: float, host_out: float, disk_out: float, compute: float) -> float:
    """Time of one layer in a decoding step [s]."""
    return host_in + max(host_out, disk_in, disk_out, compute)


def generation_seconds(model: Transformer, tiers: Tiers, placement: Placement, work: Generation) -> tuple[float, float]:
    """Time of the prefill and of all decoding steps of a block [s]."""
    first = prefill_layer_seconds(*_prefill(model, tiers, placement, work))
    each = decode_layer_seconds(*_decode(model, tiers, placement, work))
    return model.layers * first, model.layers * (work.output - 1) * each


def tokens_per_s(model: Transformer, tiers: Tiers, placement: Placement, work: Generation) -> float:
    """Tokens generated per second, the prefill included."""
    return work.batch * work.output / sum(generation_seconds(model, tiers, placement, work))


Times = tuple[float, float, float, float, float]


def _prefill(model: Transformer, tiers: Tiers, at: Placement, work: Generation) -> Times:
    weights = model.layer_parameters * model.value_bytes
    hidden = work.batch * work.prompt * model.hidden * model.value_bytes
    cache = 2.0 * work.batch * (work.prompt + 1) * model.hidden * model.value_bytes
    attention = 4.0 * work.batch * work.prompt**2 * model.hidden
    return (
        (weights * (at.weights[1] + at.weights[2]) + hidden * (at.hidden[1] + at.hidden[2])) / tiers.host_device,
        (weights * at.weights[2] + hidden * at.hidden[2]) / tiers.disk_host,
        cache * (at.cache[1] + at.cache[2]) / tiers.device_host_cache
        + hidden * (at.hidden[1] + at.hidden[2]) / tiers.device_host_hidden,
        cache * at.cache[2] / tiers.host_disk_cache + hidden * at.hidden[2] / tiers.host_disk,
        2.0 * work.batch * work.prompt * model.layer_parameters / tiers.matrix_prefill
        + attention / tiers.attention_prefill,
    )


def _decode(model: Transformer, tiers: Tiers, at: Placement, work: Generation) -> Times:
    weights = model.layer_parameters * model.value_bytes
    hidden = work.batch * model.hidden * model.value_bytes
    tokens = work.prompt + work.output / 2.0
    cache = 2.0 * work.batch * model.hidden * model.value_bytes
    attention = 4.0 * work.batch * tokens * model.hidden
    host = tiers.host_compute * host_share(model.hidden, work.device_batch)
    return (
        (weights * (at.weights[1] + at.weights[2]) + hidden * (at.hidden[1] + at.hidden[2])) / tiers.host_device,
        (cache * tokens * at.cache[2] + hidden * at.hidden[2]) / tiers.disk_host
        + weights * at.weights[2] / (DISK_WEIGHTS * tiers.disk_host),
        hidden * (at.hidden[1] + at.hidden[2]) / tiers.device_host_hidden,
        (cache * at.cache[2] + hidden * at.hidden[2]) / tiers.host_disk,
        2.0 * work.batch * model.layer_parameters / tiers.matrix_decode
        + attention * at.cache[0] / tiers.attention_decode
        + attention * (at.cache[1] + at.cache[2]) / host,
    )


DISK_WEIGHTS = 0.95
"""Share of the disk bandwidth that weights reach while decoding (FlexGen's cost model)."""
HOST_FIT = (0.0168, 0.0328, 0.0621)
"""FlexGen's fit of how the host's attention loses speed at device batches below 64 and widths below 4096."""


def host_share(hidden: int, device_batch: int) -> float:
    """Share of the host's speed that attention over the cache reaches there, at least 0.1.

    >>> host_share(7168, 64)
    1.0
    """
    small = max(0.0, math.log2(64 / device_batch))
    narrow = max(0.0, math.log2(4096 / hidden))
    both, batch, width = HOST_FIT
    return max(0.1, 1.0 + both * small * narrow - batch * small - width * narrow)
