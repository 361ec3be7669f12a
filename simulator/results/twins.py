"""Services with a twin: how the two tasks of every request ended, and the work that nobody needed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simulator.results.capacity import HOUR_S, clipped
from simulator.results.cohort import Json
from simulator.results.record import Floats, Ints, Outcome, RunRecord, Task, Twins


def twin_figures(record: RunRecord, service: int, rows: slice | Ints) -> Json | None:
    """What became of the tasks of the requests ``rows``, and work of the window without use; None without a twin.

    - ``answered``: requests that the twin answered; ``cancelled_waiting`` and ``cancelled_in_service``: tasks, of both
      networks, that the other one made unnecessary;
    - ``wasted_device_hours``: each slot of a batch has an equal share of the batch's device time; what passed of it
      after the other network had answered;
    - ``unused_device_hours``: the share of all slots of tasks that gave no answer, whenever it was worked off;
    - ``tasks``: all ends of the tasks of the main network and of the twin.
    """
    twins = record.twins
    if twins is None or not any(item.twin and item.service == service for item in record.portions):
        return None
    main, twin = _counts(twins.main[rows]), _counts(twins.twin[rows])
    wasted_s, unused_s = _without_use(record, twins, service)
    return {
        "answered": twin["answered"],
        "cancelled_waiting": main["cancelled_waiting"] + twin["cancelled_waiting"],
        "cancelled_in_service": main["cancelled_in_service"] + twin["cancelled_in_service"],
        "wasted_device_hours": wasted_s / HOUR_S,
        "unused_device_hours": unused_s / HOUR_S,
        "tasks": {"main": main, "twin": twin},
    }


def gave_the_answer(record: RunRecord, portion: Ints, member: Ints) -> NDArray[np.bool_]:
    """Whether visits of requests ``member`` to portions ``portion`` belong to the task that answered.

    In services without a twin all of them do.
    """
    assert record.twins is not None
    of_twin = np.array([item.twin for item in record.portions])[portion]
    end = np.where(of_twin, record.twins.twin[member], record.twins.main[member])
    found: NDArray[np.bool_] = (end == Task.ANSWERED) | (end < 0)
    return found


def _counts(ends: Ints) -> Json:
    return {item.name.lower(): int(np.count_nonzero(ends == item)) for item in Task}


def _without_use(record: RunRecord, twins: Twins, service: int) -> tuple[float, float]:
    """Device-seconds of slots: worked off after the other network's answer, and of all tasks without an answer."""
    batches, requests, replicas = record.batches, record.requests, record.replicas
    size = np.diff(batches.offset)
    batch = np.repeat(np.arange(len(size)), size)
    portion, member = batches.portion[batch], batches.member
    mine = np.flatnonzero((requests.service[member] == service) & ~gave_the_answer(record, portion, member))
    batch, member = batch[mine], member[mine]
    share = replicas.devices[batches.replica[batch]] / size[batch]
    start_s, end_s = batches.start_s[batch], batches.end_s[batch]
    answered_s = np.where(requests.outcome[member] == Outcome.COMPLETED, requests.finish_s[member], np.inf)
    late_s: Floats = np.clip(answered_s, start_s, end_s)
    wasted = share @ clipped(record, late_s, end_s)
    return float(wasted), float(share @ clipped(record, start_s, end_s))
