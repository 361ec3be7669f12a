"""Time, bytes and memory of one step, and what binds it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simulator.costs.streaming.checks import require_count
from simulator.costs.streaming.memory import device_bytes, server_bytes
from simulator.costs.streaming.recurrence import Visit, run
from simulator.costs.streaming.streamed import Streamed

Floats = NDArray[np.float64]
Bound = Literal["compute", "transfer"]


@dataclass(frozen=True, slots=True)
class Totals:
    """Busy seconds of each resource in a step, by group size."""

    compute_s: Floats
    load_s: Floats
    storage_s: Floats
    return_s: Floats
    update_s: Floats

    @property
    def transfer_s(self) -> Floats:
        """Busy seconds of the busiest link (or of the server's updates)."""
        links = (self.load_s, self.storage_s, self.return_s, self.update_s)
        busiest: Floats = np.max(np.stack(links), axis=0)
        return busiest


@dataclass(frozen=True, slots=True)
class Step:
    """One step at one group size; seconds and bytes.

    ``stall_s``: time in which the device does not compute; ``bound``: what takes longer in the whole step, computing
    or the busiest link, and ``phase_bounds`` the same for forward and backward; ``bytes_moved``: both directions;
    ``naive_loads`` and ``naive_s``: without grouping each microbatch is a step of its own, loads and returns included.
    """

    seconds: float
    group: int
    bound: Bound
    phase_bounds: tuple[Bound, ...]
    compute_s: float
    transfer_s: float
    stall_s: float
    layer_loads: int
    naive_loads: int
    naive_s: float
    bytes_loaded: float
    bytes_returned: float
    bytes_moved: float
    peak_memory: float
    server_memory: float
    server_bytes_per_parameter: float

    def to_json(self) -> dict[str, Any]:
        """All figures as plain values."""
        return asdict(self) | {"phase_bounds": list(self.phase_bounds)}


def step_seconds(streamed: Streamed, group: ArrayLike) -> Floats:
    """Time of a step at each size of ``group`` [s].

    >>> from simulator.costs.streaming.layers import Layer
    >>> from simulator.costs.streaming.link import Link
    >>> step_seconds(Streamed((Layer(2.0, 1.0), Layer(2.0, 1.0)), Link(1.0)), [1, 2, 4]).tolist()
    [5.0, 6.0, 10.0]
    """
    sizes = np.asarray(group, dtype=np.float64)
    finish = run(streamed.visits(sizes), streamed.slots, host_slots=streamed.host_slots).finish
    return finish.reshape(sizes.shape)


def totals(visits: tuple[Visit, ...]) -> Totals:
    """Busy seconds of the resources: a step takes at least the largest and at most their sum."""
    zero = np.zeros_like(visits[0].compute_s)
    return Totals(
        compute_s=sum((visit.compute_s for visit in visits), zero),
        load_s=sum((visit.load_s[-1] for visit in visits if visit.load_s), zero),
        storage_s=sum((visit.load_s[0] for visit in visits if len(visit.load_s) > 1), zero),
        return_s=sum((visit.return_s for visit in visits if visit.return_s is not None), zero),
        update_s=sum((visit.update_s for visit in visits if visit.update_s is not None), zero),
    )


def moved_bytes(streamed: Streamed, group: ArrayLike) -> tuple[Floats, Floats]:
    """Bytes to the device and back in a step, at each size of ``group``."""
    k = np.asarray(group, dtype=np.float64)
    spilled = sum(streamed.layers[index].activation_bytes for index in streamed.spills())
    weights = sum(layer.weight_bytes for layer in streamed.layers)
    gradients = 0.0
    if streamed.training:
        weights += sum(layer.weight_bytes for layer, again in zip(streamed.layers, streamed.reloaded) if again)
        gradients = sum(layer.gradient_bytes for layer in streamed.layers)
    loaded: Floats = weights + k * spilled
    returned: Floats = gradients + k * spilled
    return loaded, returned


def step(streamed: Streamed, group: int) -> Step:
    """Everything about one step of ``group`` microbatches."""
    require_count("streamed model", 1, group=group)
    visits = streamed.visits(group)
    finish = float(run(visits, streamed.slots, host_slots=streamed.host_slots).finish[0])
    spent = totals(visits)
    loaded, returned = (float(size) for size in moved_bytes(streamed, group))
    compute = float(spent.compute_s[0])
    return Step(
        seconds=finish,
        group=group,
        bound=_bound(visits),
        phase_bounds=tuple(
            _bound(tuple(visit for visit in visits if visit.backward is backward))
            for backward in ((False, True) if streamed.training else (False,))
        ),
        compute_s=compute,
        transfer_s=float(spent.transfer_s[0]),
        stall_s=finish - compute,
        layer_loads=streamed.loads,
        naive_loads=streamed.naive_loads(group),
        naive_s=group * float(step_seconds(streamed, 1)),
        bytes_loaded=loaded,
        bytes_returned=returned,
        bytes_moved=loaded + returned,
        peak_memory=float(device_bytes(streamed, group)),
        server_memory=float(server_bytes(streamed, group)),
        server_bytes_per_parameter=streamed.server.bytes_per_parameter,
    )


def _bound(visits: tuple[Visit, ...]) -> Bound:
    spent = totals(visits)
    return "compute" if float(spent.compute_s[0]) >= float(spent.transfer_s[0]) else "transfer"
