"""What must be true of every run, whatever it simulated; tested at the end of each replication."""

from __future__ import annotations

import numpy as np

from simulator.errors import InternalError
from simulator.results.record import Batches, Ints, Outcome, Requests, RunFrame, RunRecord, Task, Twins
from simulator.results.sketch import bin_of
from simulator.results.tally import Tally

TOLERANCE = 1e-9
"""Relative difference allowed between two sums of the same times."""


def check_conservation(record: RunRecord) -> None:
    """Raise :class:`InternalError`, naming the figure, if the record contradicts itself.

    Tested: every request has one row and one outcome (arrived = completed + dropped + rejected + failed +
    inside, for the whole run and for the arrivals in [warmup, duration)); arrival <= entry <= start <= end <=
    free; nothing completes unserved; beside a twin every request is two tasks, of which exactly one has answered if
    it is completed and none if not, and no task is cancelled without an answer; the time integral of the number
    inside equals the sum of sojourns (those inside count until the run's end), to 1e-9.
    """
    requests = record.requests
    _check_rows(record)
    first, last = np.searchsorted(requests.arrival_s, [record.warmup_s, record.duration_s])
    _check_outcomes(requests, 0, len(requests.arrival_s), "whole run")
    _check_outcomes(requests, int(first), int(last), "cohort")
    _check_batches(requests, record.batches)
    _check_served(record)
    if record.twins is not None:
        _check_tasks(record, record.twins)
    _check_integral(record, 0, len(requests.arrival_s), "whole run")
    if (first, last) != (0, len(requests.arrival_s)):
        _check_integral(record, int(first), int(last), "cohort")


def check_tally(frame: RunFrame, tally: Tally) -> None:
    """Raise :class:`InternalError`, naming the figure, if a tally contradicts itself.

    Tested, for the classes of every service: arrived = completed + dropped + rejected + failed + inside for the whole
    run; the cohort is part of it, its completed are those whose latencies, exit layers and parts are known, and the
    parts add up to the latencies; the largest latency is in the highest bin used. For every portion: each member of a
    batch has its wait. For the whole run and for the cohort: the time integral of the number inside equals the sum of
    sojourns. Sums of times agree to 1e-9.
    """
    names = [(info.name, item.name) for info in frame.services for item in info.classes]
    for group, (service, name) in enumerate(names):
        where = f"service {service!r}, class {name!r}"
        _check_counts(tally, group, where)
        _check_latencies(tally, group, where)
    for number, portion in enumerate(frame.portions):
        waits, members = int(tally.wait_bins[number].sum()), int(tally.members[number])
        where = f"service {frame.services[portion.service].name!r}, layers {portion.layers}"
        _demand(waits == members, f"{members} members of batches but {waits} waits ({where})")
        _demand(tally.batches[number] <= members, f"a batch is empty ({where})")
    _check_equal(_INSIDE, tally.inside_s[0], _SOJOURNS, tally.sojourn_s[0], "whole run")
    _check_equal(_INSIDE, tally.cohort_inside_s[0], _SOJOURNS, tally.cohort_sojourn_s[0], "cohort")


_INSIDE, _SOJOURNS = "the integral of the number inside", "the sum of sojourns"


def _check_counts(tally: Tally, group: int, where: str) -> None:
    arrived, outcomes, cohort = int(tally.arrived[group]), tally.outcomes[group], tally.cohort[group]
    known, done = int(outcomes.sum()), int(cohort[Outcome.COMPLETED])
    _demand(
        known == arrived,
        f"arrived {arrived} but {known} completed, dropped, rejected, failed or inside (whole run, {where})",
    )
    _demand(
        (cohort >= 0).all() and (cohort <= outcomes).all(),
        f"outcomes of the cohort {cohort.tolist()}, of the whole run {outcomes.tolist()} ({where})",
    )
    told, in_time = int(tally.known[group]), int(tally.in_time[group])
    _demand(in_time <= done, f"{done} completed but {in_time} in time (cohort, {where})")
    _demand(told <= done, f"{done} completed but {told} known to be right or wrong (cohort, {where})")
    _demand(0 <= tally.correct[group] <= told, f"{told} answers known but {tally.correct[group]:g} right ({where})")
    finished, ever = int(tally.finished[group]), int(outcomes[Outcome.COMPLETED])
    _demand(finished <= ever, f"{ever} completed but {finished} finished in the window ({where})")


def _check_latencies(tally: Tally, group: int, where: str) -> None:
    done, bins = int(tally.cohort[group, Outcome.COMPLETED]), tally.latency_bins[group]
    measured, left = int(bins.sum()), int(tally.exits[group, 1:].sum())
    _demand(measured == done, f"{done} completed but {measured} latencies (cohort, {where})")
    _demand(left == done and not tally.exits[group, 0], f"{done} completed but {left} exit layers (cohort, {where})")
    used = np.flatnonzero(bins != 0)
    highest, top = int(used.max(initial=0)), float(tally.latency_max[group])
    _demand(highest == bin_of(top), f"the largest latency is {top!r} s, the highest bin {highest} (cohort, {where})")
    parts, mine = tally.parts_bins[group], tally.parts_bins[group, used]
    _demand(np.count_nonzero(parts) == np.count_nonzero(mine), f"a bin without requests has parts ({where})")
    parts_s, latency_s = mine.sum(), tally.latency_sum[group]
    _check_equal("the sum of parts", parts_s, "the sum of latencies", latency_s, f"cohort, {where}")


def _check_equal(what: str, value_s: float, other: str, other_s: float, where: str) -> None:
    _demand(
        abs(value_s - other_s) <= TOLERANCE * max(value_s, other_s),
        f"{what} is {float(value_s)!r} s, {other} {float(other_s)!r} s ({where})",
    )


def _demand(holds: bool | np.bool_, figure: str) -> None:
    if not holds:
        raise InternalError(f"conservation: {figure}")


def _check_rows(record: RunRecord) -> None:
    """Rows ascend by arrival and number each service's requests 0, 1, ...: none lost or counted twice."""
    requests = record.requests
    _demand((requests.arrival_s[1:] >= requests.arrival_s[:-1]).all(), "requests are not in order of arrival")
    alone = len(record.services) == 1
    for index, service in enumerate(record.services):
        numbers = requests.number if alone else requests.number[requests.service == index]
        _demand(
            (numbers == np.arange(len(numbers))).all(),
            f"requests of {service.name!r} are not numbered 0 to {len(numbers) - 1}: lost or counted twice",
        )


def _check_outcomes(requests: Requests, first: int, last: int, where: str) -> None:
    outcome, finish_s = requests.outcome[first:last], requests.finish_s[first:last]
    arrived = last - first
    known = sum(int(np.count_nonzero(outcome == value)) for value in Outcome)
    _demand(
        known == arrived,
        f"arrived {arrived} but {known} completed, dropped, rejected, failed or inside ({where})",
    )
    _demand(
        ((outcome == Outcome.INSIDE) == np.isnan(finish_s)).all(),
        f"a request is inside with a finish instant, or has ended without one ({where})",
    )
    early = finish_s < requests.arrival_s[first:last]
    _demand(not early.any(), f"{np.count_nonzero(early)} requests finish before they arrive ({where})")


def _check_batches(requests: Requests, batches: Batches) -> None:
    size = np.diff(batches.offset)
    _demand((size > 0).all() and (size <= batches.capacity).all(), "a batch is empty or above its capacity")
    _demand(int(batches.offset[-1]) == len(batches.member), "batches and their members differ in number")
    _demand((batches.start_s <= batches.end_s).all(), "a batch ends before it starts")
    _demand((batches.end_s <= batches.free_s).all(), "a transfer ends before its batch")
    _demand((batches.start_s <= batches.idle_s).all(), "a replica is idle before its batch starts")
    entered = batches.entered_s
    _demand((requests.arrival_s[batches.member] <= entered).all(), "a request enters a queue before it arrives")
    _demand((entered <= np.repeat(batches.start_s, size)).all(), "a request starts before it enters the queue")


def _check_served(record: RunRecord) -> None:
    requests, batches = record.requests, record.batches
    served = np.zeros(len(requests.arrival_s), dtype=bool)
    served[batches.member] = True
    completed = requests.outcome == Outcome.COMPLETED
    lost = np.count_nonzero(completed & ~served)
    _demand(lost == 0, f"{lost} requests completed without being served")
    layers = requests.exit_layer > 0
    if record.twins is not None:
        layers |= completed & (record.twins.twin == Task.ANSWERED)
    _demand((layers == completed).all(), "exit layers are known of others than the completed")


def _check_tasks(record: RunRecord, twins: Twins) -> None:
    """Both tasks of a request end in ways that fit the request's own end."""
    requests = record.requests
    owners = {portion.service for portion in record.portions if portion.twin}
    rows = np.isin(requests.service, list(owners))
    tasks, outcome = np.array([twins.main[rows], twins.twin[rows]]), requests.outcome[rows]
    _demand(((tasks >= 0) & (tasks <= max(Task))).all(), "a task beside a twin has no end")
    _demand(((twins.main[~rows] < 0) & (twins.twin[~rows] < 0)).all(), "a request without a twin has two tasks")
    completed = outcome == Outcome.COMPLETED
    answers = (tasks == Task.ANSWERED).sum(axis=0)
    _demand((answers == completed).all(), "a request is completed by none or by both of its tasks, or not and answered")
    cancelled = ((tasks == Task.CANCELLED_WAITING) | (tasks == Task.CANCELLED_IN_SERVICE)).any(axis=0)
    inside = (tasks == Task.INSIDE).any(axis=0)
    _demand(not (cancelled & ~completed).any(), "a task is cancelled although nothing was answered")
    _demand((inside == (outcome == Outcome.INSIDE)).all(), "a task is inside although its request has ended")
    _demand(not (tasks[0] == Task.NOT_CONFIDENT).any(), "the main network was not sure of an answer")
    _check_ends(outcome, tasks[0])
    _check_visits(record, twins)


def _check_ends(outcome: Ints, main: Ints) -> None:
    """A request without an answer ended as its main task did."""
    for end in (Outcome.DROPPED, Outcome.REJECTED, Outcome.FAILED):
        of_main = main[outcome == end]
        _demand((of_main == Task[end.name]).all(), f"a request is {end.name.lower()}, its main task is not")


def _check_visits(record: RunRecord, twins: Twins) -> None:
    """Nobody starts after being cancelled, and who was cancelled in service was in a batch (or on its way) then."""
    batches, finish_s = record.batches, record.requests.finish_s
    size = np.diff(batches.offset)
    of_twin = np.array([portion.twin for portion in record.portions])[np.repeat(batches.portion, size)]
    start_s, member = np.repeat(batches.start_s, size), batches.member
    task = np.where(of_twin, twins.twin[member], twins.main[member])
    late = (task == Task.CANCELLED_WAITING) | (task == Task.CANCELLED_IN_SERVICE)
    _demand((start_s[late] <= finish_s[member[late]]).all(), "a cancelled task is served")
    for ends, mine in ((twins.main, ~of_twin), (twins.twin, of_twin)):
        free_s = np.full(len(finish_s), -np.inf)
        np.maximum.at(free_s, member[mine], np.repeat(batches.free_s, size)[mine])
        caught = ends == Task.CANCELLED_IN_SERVICE
        _demand((free_s[caught] >= finish_s[caught]).all(), "a task cancelled in service was not in service")


def _check_integral(record: RunRecord, first: int, last: int, where: str) -> None:
    """Little's law without its division: events in order of time, the number inside held between them."""
    arrival_s = record.requests.arrival_s[first:last]
    finish_s = record.requests.finish_s[first:last]
    left_s = np.where(np.isnan(finish_s), record.end_s, finish_s)
    count = len(arrival_s)
    if not count:
        return
    times = np.concatenate((arrival_s, np.sort(left_s)))
    order = np.argsort(times, kind="stable")  # two sorted runs: the stable sort merges them in one pass
    inside = np.where(order < count, 1, -1).cumsum()
    _demand(inside.min() >= 0 and inside[-1] == 0, f"the number inside falls below zero ({where})")
    integral = float(np.dot(inside[:-1].astype(float), np.diff(times[order])))
    sojourns = float((left_s - arrival_s).sum())
    _check_equal(_INSIDE, integral, _SOJOURNS, sojourns, where)
