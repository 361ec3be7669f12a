"""A streamed model: layers, links, slots and the rules of a step; the visits that follow from them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simulator.costs.streaming.checks import require, require_count
from simulator.costs.streaming.layers import Layer
from simulator.costs.streaming.link import Link, stretched
from simulator.costs.streaming.recurrence import BUFFERS, Visit
from simulator.errors import Problem, ScenarioError

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Server:
    """The parameter server: holds the state of every parameter and updates the weights as gradients come.

    ``bytes_per_parameter``: 10 are fp16 weights (2) and two fp32 Adam moments (8); gradients are transient. ``memory``
    [B], None: not limited; ``update_rate`` [parameters/s] of the optimizer, None: its time is left out.
    """

    bytes_per_parameter: float = 10.0
    memory: float | None = None
    update_rate: float | None = None

    def __post_init__(self) -> None:
        require("server", bytes_per_parameter=self.bytes_per_parameter)
        if self.memory is not None:
            require("server", memory=self.memory)
        if self.update_rate is not None:
            require("server", above=0.0, update_rate=self.update_rate)


@dataclass(frozen=True)
class Streamed:
    """A model whose layers come over ``link`` while others compute.

    ``slots``: layers that the device has room for; ``kept``: layers that are still there at the turn from forward to
    backward and are not loaded again (None: as many as there are slots; a runtime that frees each layer at once: 1 or
    0); ``spilled``: inputs that the backward pass needs wait at the server, not on the device; ``storage``: the link
    on which weights first reach the server, with ``host_slots`` layers of room there; ``work_bytes``: what the
    computation of one microbatch in one layer needs beside [B]; ``output_bytes``: of the last layer for a microbatch
    [B], None: as large as its input.
    """

    layers: tuple[Layer, ...]
    link: Link
    training: bool = False
    slots: int = 2
    kept: int | None = None
    spilled: bool = False
    storage: Link | None = None
    host_slots: int = BUFFERS
    server: Server = Server()
    work_bytes: float = 0.0
    output_bytes: float | None = None

    def __post_init__(self) -> None:
        require_count("streamed model", 1, layers=len(self.layers), slots=self.slots, host_slots=self.host_slots)
        require("streamed model", work_bytes=self.work_bytes, output_bytes=self.output_bytes or 0.0)
        if self.kept is not None and not 0 <= self.kept <= self.slots:
            message = f"layers kept at the turn must be from 0 to the slots ({self.slots}), got {self.kept}"
            raise ScenarioError(Problem(message, path="kept"))
        if self.spilled and not self.training:
            raise ScenarioError(
                Problem("inference keeps no inputs that could be spilled: leave it out", path="spilled")
            )

    @cached_property
    def reloaded(self) -> tuple[bool, ...]:
        """For each layer: whether the backward pass loads it again."""
        again = [layer.weight_bytes > 0.0 for layer in self.layers]
        kept = self.slots if self.kept is None else self.kept
        for index in reversed(range(len(again))):
            if again[index] and kept > 0:
                again[index], kept = False, kept - 1
        return tuple(again)

    @property
    def loads(self) -> int:
        """Loads of a layer in a step: L in inference, 2 L less the layers kept at the turn in training."""
        return sum(layer.weight_bytes > 0.0 for layer in self.layers) + (sum(self.reloaded) if self.training else 0)

    def naive_loads(self, group: int) -> int:
        """Loads without grouping, each microbatch alone and nothing kept: 2 L k in training, L k in inference."""
        return (2 if self.training else 1) * group * sum(layer.weight_bytes > 0.0 for layer in self.layers)

    def visits(self, group: ArrayLike) -> tuple[Visit, ...]:
        """The visits of one step at each size of ``group`` [microbatches].

        A computation takes ``visit_s + k c``; a load ``copies x latency + bytes / bandwidth``, and longer where its
        visit also sends back (``stretched``). Spilled inputs are one copy more, of k microbatches.
        """
        k = np.atleast_1d(np.asarray(group, dtype=np.float64))
        visits = [self._forward(index, layer, k) for index, layer in enumerate(self.layers)]
        if self.training:
            visits += [self._backward(index, layer, k) for index, layer in reversed(list(enumerate(self.layers)))]
        return tuple(visits)

    def spills(self) -> Iterator[int]:
        """Layers whose inputs wait at the server: those that are loaded again."""
        return (
            index
            for index, again in enumerate(self.reloaded)
            if self.spilled and again and self.layers[index].activation_bytes > 0.0
        )

    def _forward(self, index: int, layer: Layer, k: Floats) -> Visit:
        sent = self._spill_s(index, k)
        return Visit(
            index,
            False,
            layer.visit_s + k * layer.forward_s,
            self._loads(layer, np.zeros_like(k), sent),
            releases=layer.weight_bytes > 0.0 and (not self.training or self.reloaded[index]),
            return_s=None if sent is None else stretched(sent, self._load_s(layer), self.link.duplex),
        )

    def _backward(self, index: int, layer: Layer, k: Floats) -> Visit:
        spilled = self._spill_s(index, k)
        sent = self.link.seconds(layer.gradient_bytes)
        returned = np.full_like(k, sent) if sent > 0.0 else None
        inputs = np.zeros_like(k) if spilled is None else spilled
        loads = self._loads(layer, inputs, returned) if self.reloaded[index] else ()
        fetched = self._load_s(layer) + inputs if loads else np.zeros_like(k)
        rate = self.server.update_rate
        return Visit(
            index,
            True,
            layer.visit_s + k * layer.backward_s,
            loads,
            releases=layer.weight_bytes > 0.0,
            return_s=None if returned is None else stretched(returned, fetched, self.link.duplex),
            update_s=None if returned is None or rate is None else np.full_like(k, layer.parameters / rate),
            after=None if spilled is None else index,
        )

    def _load_s(self, layer: Layer) -> float:
        return self.link.seconds(layer.weight_bytes, layer.copies)

    def _loads(self, layer: Layer, inputs: Floats, sent: Floats | None) -> tuple[Floats, ...]:
        if layer.weight_bytes <= 0.0:
            return ()
        near = self._load_s(layer) + inputs
        near = near if sent is None else stretched(near, sent, self.link.duplex)
        if self.storage is None:
            return (near,)
        return (np.full_like(near, self.storage.seconds(layer.weight_bytes, layer.copies)), near)

    def _spill_s(self, index: int, k: Floats) -> Floats | None:
        """Time of the inputs of a group over the link, one way; None where they stay."""
        layer = self.layers[index]
        if not (self.spilled and self.reloaded[index]) or layer.activation_bytes <= 0.0:
            return None
        spent: Floats = self.link.latency_s + k * layer.activation_bytes / self.link.bandwidth
        return spent
