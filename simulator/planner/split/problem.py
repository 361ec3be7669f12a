"""What the search for cuts and replicas reads: plain arrays of times and the limits of the answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.errors import Problem, ScenarioError
from simulator.planner.split.binomial import binomial_mean
from simulator.planner.split.exits import Bools, ExitModel, Floats, Ints


@dataclass(frozen=True, slots=True, eq=False)
class DeviceType:
    """One kind of device: what every layer, ramp and transfer takes on it, by batch size [s].

    All tables are (layers, B + 1); column b is a batch of b, column 0 an empty one. ``layer_s`` and ``ramp_s`` (the
    ramp after each layer, without those that the model does not have) are 0 for an empty batch. ``send_s`` is what
    sending k survivors over the cut after a layer takes. ``gather_s`` is what picking the survivors out of a batch
    adds to each ramp when a batch shrinks on its device (compact only). ``count`` devices are there.
    """

    name: str
    count: int
    layer_s: Floats
    ramp_s: Floats
    send_s: Floats
    gather_s: Floats | None = None
    price_per_hour: float = 0.0
    memory_bytes: float = float("inf")

    def __post_init__(self) -> None:
        tables = {"layer_s": self.layer_s, "ramp_s": self.ramp_s, "send_s": self.send_s}
        if self.gather_s is not None:
            tables["gather_s"] = self.gather_s
        for name, table in tables.items():
            if table.ndim != 2 or table.shape != self.layer_s.shape or table.shape[0] < 1 or table.shape[1] < 2:
                raise _refused(self.name, f"{name} must be (layers, largest batch + 1) like layer_s, got {table.shape}")
            if not (np.isfinite(table).all() and (table >= 0).all()):
                raise _refused(self.name, f"{name} has a time that is negative or not a number")
            if name != "send_s" and table[:, 0].any():
                raise _refused(self.name, f"{name}: an empty batch takes no time")
        if not self.layer_s[:, 1:].sum(axis=0).min() > 0:
            raise _refused(self.name, "the layers together take no time")
        if self.count < 1 or not self.price_per_hour >= 0 or not self.memory_bytes > 0:
            raise _refused(self.name, "count and memory must be positive, the price not negative")


@dataclass(frozen=True, slots=True)
class Limits:
    """What an answer must respect.

    ``max_cuts`` (None: any number); ``accuracy`` the least share of right answers; ``service_s`` the largest sum of
    a batch's time over all portions, transfers in, waiting out [s].
    """

    max_cuts: int | None = None
    accuracy: float | None = None
    service_s: float = float("inf")

    @property
    def most_service_s(self) -> float:
        """``service_s`` with room for rounding: sums of times that meet it exactly are within."""
        return self.service_s * (1 + 1e-9)


@dataclass(frozen=True, slots=True, eq=False)
class SplitProblem:
    """A model with exits and the devices that may serve it.

    ``overlap``: a sender computes its next batch while it still sends. ``weight_bytes`` (layers,) keeps portions off
    devices whose memory they do not fit.
    """

    devices: tuple[DeviceType, ...]
    exits: ExitModel
    limits: Limits = field(default_factory=Limits)
    overlap: bool = False
    weight_bytes: Floats | None = None

    def __post_init__(self) -> None:
        if not self.devices:
            raise ScenarioError(Problem("a split needs at least one type of device"))
        shapes = {device.layer_s.shape for device in self.devices}
        if len(shapes) > 1 or self.layers != self.exits.layers:
            found = ", ".join(f"{device.name} {device.layer_s.shape}" for device in self.devices)
            raise ScenarioError(
                Problem(f"exits of {self.exits.layers} layers need tables of as many, alike on every device: {found}")
            )
        if self.weight_bytes is not None and self.weight_bytes.shape != (self.layers,):
            raise ScenarioError(Problem(f"weight_bytes must have one value for each of {self.layers} layers"))
        whole = self.exits.look(np.array([[self.layers]]))[1]
        if self.limits.accuracy is not None and np.isnan(whole[0]):
            raise ScenarioError(Problem("an accuracy to keep needs exits that say which answers are right"))
        if not np.isfinite(self.fits()[0, self.layers]).any() and not self._any_split_fits():
            raise ScenarioError(Problem("there is a layer that fits the memory of no device"))

    def _any_split_fits(self) -> bool:
        fits = self.fits()
        return all(np.isfinite(fits[layer, layer + 1]).any() for layer in range(self.layers))

    @property
    def layers(self) -> int:
        """L: layers of the model."""
        return int(self.devices[0].layer_s.shape[0])

    @property
    def largest_batch(self) -> int:
        """B: the last column of the tables."""
        return int(self.devices[0].layer_s.shape[1]) - 1

    @property
    def counts(self) -> Ints:
        """(types,): devices of each type."""
        return np.array([device.count for device in self.devices], dtype=np.int64)

    @property
    def prices(self) -> Floats:
        """(types,): price per hour."""
        return np.array([device.price_per_hour for device in self.devices])

    def fits(self) -> Floats:
        """(L, L + 1, types): 0 where layers start..end fit the memory of a device, infinity where not."""
        layers = self.layers
        weights = np.zeros(layers) if self.weight_bytes is None else self.weight_bytes
        total = np.concatenate([[0.0], np.cumsum(weights)])
        held = total[None, :] - total[:layers, None]
        memory = np.array([device.memory_bytes for device in self.devices])
        return np.where(held[:, :, None] <= memory, 0.0, np.inf)

    def check_batch(self, batch: int) -> None:
        """Batches beyond the tables cannot be judged."""
        if not 1 <= batch <= self.largest_batch:
            raise ScenarioError(Problem(f"batch must be within 1..{self.largest_batch}, the sizes with times: {batch}"))


def busy_seconds(
    problem: SplitProblem,
    device: DeviceType,
    batch: int,
    start: NDArray[Any],
    end: NDArray[Any],
    stay: Floats,
    ramps_s: Floats,
) -> Floats:
    """Time that a full batch keeps one replica of a portion busy [s], for arrays of portions.

    ``tau = layers (start, end] + ramps + E[send(K)]``, K ~ Binomial(batch, ``stay``) survivors; with ``overlap``
    the longer of computing and sending. ``stay`` is the share of those who enter that goes on behind the portion;
    ``ramps_s`` what the portion's ramps take. The last portion sends nothing.
    """
    total = np.concatenate([[0.0], np.cumsum(device.layer_s[:, batch])])
    computing = total[end] - total[start] + ramps_s
    inner = end < problem.layers
    sending = np.zeros(computing.shape)
    sending[inner] = binomial_mean(device.send_s[:, : batch + 1], end[inner] - 1, stay[inner])
    busy: Floats = np.maximum(computing, sending) if problem.overlap else computing + sending
    return busy


def has_ramp(problem: SplitProblem) -> Bools:
    """(L + 1,): whether there is a ramp after so many layers; never after none or all of them."""
    found = np.zeros(problem.layers + 1, dtype=np.bool_)
    found[list(problem.exits.ramps)] = True
    return found


def _refused(device: str, message: str) -> ScenarioError:
    return ScenarioError(Problem(f"device {device}: {message}"))
