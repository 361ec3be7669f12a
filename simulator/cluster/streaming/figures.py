"""The figures of a stream from what its devices did."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

import numpy as np

from simulator.cluster.streaming.executor import Executor, Row
from simulator.cluster.streaming.faults import Outage
from simulator.cluster.streaming.setup import StreamSetup
from simulator.costs.streaming import step
from simulator.results.cohort import Json
from simulator.results.stream import Actions


def figures_of(setup: StreamSetup, executor: Executor, outages: Sequence[Outage]) -> Json:
    """Figures of a stream that has run to its end; ``docs/scenario`` defines them.

    A step's time is the mean over steps and devices. ``bound``: what takes longer in a step, computing or the busiest
    link, where every streaming device has its fair share of the server's link. ``step_alone`` and ``naive``: of one
    device alone at a server that does not fail, from the recurrence.
    """
    alone, shared = step(setup.streamed, setup.group), step(setup.shared, setup.group)
    seconds = [end - begin for begin, end in executor.step_s]
    elapsed, devices = max(end for _, end in executor.step_s), setup.written.devices
    held = devices * setup.pool.pool.devices_per_replica
    trained = setup.streamed.training and not setup.written.frozen
    mean = fmean(seconds)
    return {
        "mode": setup.written.mode,
        "devices": devices,
        "steps": setup.written.steps,
        "step": mean,
        "step_max": max(seconds),
        "step_alone": alone.seconds,
        "naive": alone.naive_s,
        "elapsed": elapsed,
        "group": setup.group,
        "largest_group": setup.largest,
        "microbatch": setup.written.microbatch,
        "spilled": setup.streamed.spilled,
        "bound": shared.bound,
        "throughput": devices * setup.written.steps * setup.group * setup.written.microbatch / elapsed,
        "compute": alone.compute_s,
        "stall": max(mean - alone.compute_s, 0.0),  # their roundings differ
        "bytes_moved": alone.bytes_moved,
        "bytes_loaded": alone.bytes_loaded,
        "bytes_returned": alone.bytes_returned,
        "layer_loads": alone.layer_loads,
        "naive_loads": alone.naive_loads,
        "peak_memory": alone.peak_memory,
        "server_memory": setup.server_bytes,
        "server_bytes_per_parameter": alone.server_bytes_per_parameter if trained else None,
        "link_share": link_share(setup, elapsed),
        "utilization": utilization(setup, elapsed),
        "failures": len(outages),
        "down": sum((min(up, elapsed) - down for down, up in outages), 0.0),
        "cost_per_step": held * setup.pool.price_per_hour * elapsed / setup.written.steps / 3600.0,
    }


def link_share(setup: StreamSetup, elapsed: float) -> float:
    """Mean share of the server's bandwidth to the devices that the stream's loads took.

    Of a server whose devices have links of their own: of all these links.
    """
    taken = sum(copy.need * (copy.seconds - copy.latency) for copy in setup.work.near) * setup.written.steps
    return taken * (setup.written.devices if setup.is_shared else 1) / elapsed


def utilization(setup: StreamSetup, elapsed: float) -> float:
    """Share of the time in which a device computes."""
    busy = sum(task.compute_s for task in setup.work.tasks) * setup.written.steps
    return busy / elapsed


def actions_of(setup: StreamSetup, executor: Executor) -> Actions:
    """Everything that the devices did."""
    rows: list[Row] = [row for device in executor.devices for row in device.rows]
    tasks = [setup.work.tasks[row.visit] for row in rows]
    return Actions(
        step=np.array([row.step for row in rows], dtype=np.int64),
        device=np.array([row.device for row in rows], dtype=np.int64),
        kind=np.array([row.kind for row in rows], dtype=np.int64),
        layer=np.array([task.layer for task in tasks], dtype=np.int64),
        backward=np.array([task.backward for task in tasks], dtype=np.bool_),
        start_s=np.array([row.start_s for row in rows], dtype=np.float64),
        end_s=np.array([row.end_s for row in rows], dtype=np.float64),
    )
