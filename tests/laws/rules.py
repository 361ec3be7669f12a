"""Rules of dispatch, batches, transfers and drops, checked on a record with the scenario at hand.

A second, slow statement of the meaning of a run: it looks back at what happened and shares no code with the engine.
Only scenarios without faults and without a change of deployment are read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from simulator.results.record import Outcome, RunRecord
from tests.laws.strategies import windows_of
from tests.support import Node


def number(text: str) -> float:
    """The number of a quantity in SI units or in KB."""
    for unit, factor in (("B/s", 1.0), ("/s", 1.0), ("KB", 1000.0), ("s", 1.0), ("B", 1.0)):
        if text.endswith(unit):
            return float(text[: -len(unit)]) * factor
    raise ValueError(text)


def layer_time(time: Any, n: int) -> float:
    """Time of a layer at batch n [s]."""
    if isinstance(time, str):
        return number(time)
    if "per_batch" in time:
        rows = sorted((int(batch), number(value)) for batch, value in time["per_batch"].items())
        return float(np.interp(n, [batch for batch, _ in rows], [value for _, value in rows]))
    return number(time["overhead"]) + number(time["per_item"]) * n


@dataclass(frozen=True)
class Stage:
    """One portion of one service as the scenario writes it."""

    node: Node
    service: Node
    index: int
    """Index into the record's portions."""
    first: int
    last: int
    entries: list[Node]

    @property
    def deployment(self) -> Node:
        return windows_of(self.service)[0]

    @property
    def model(self) -> Node:
        model: Node = self.node["models"][self.service["model"]]
        return model

    @property
    def depth(self) -> int:
        return len(self.model["layers"])

    @property
    def serial(self) -> bool:
        return bool(self.deployment["execution"] == "serial")

    @property
    def ramps(self) -> set[int]:
        ramps = self.model.get("ramps")
        if ramps is None:
            return set()
        return set(range(1, self.depth)) if ramps["after"] == "all" else set(ramps["after"]) - {self.depth}

    def ramp_time(self, after: int, n: int) -> float:
        time = self.model["ramps"]["time"]
        if "relative" in time:
            return float(time["relative"]) * layer_time(self.model["layers"][after - 1]["time"], n)
        return layer_time(time, n)

    def batch_time(self, exits: list[int]) -> float:
        """Time without jitter of a batch whose members leave after the layers ``exits`` [s]."""
        mode, size, total = self.deployment["exit_mode"], len(exits), 0.0
        for layer in range(self.first, self.last + 1):
            if mode == "compact":
                size = sum(leave >= layer for leave in exits)
                if size == 0:
                    break
            total += layer_time(self.model["layers"][layer - 1]["time"], size)
            at_cut = mode == "at_cut" and layer == self.last
            if layer in self.ramps and (at_cut or mode in ("compact", "answer_early")):
                total += self.ramp_time(layer, size)
        return total

    def survivors(self, exits: list[int]) -> int:
        """How many go on to the next portion."""
        if self.last == self.depth:
            return 0
        if self.deployment["exit_mode"] in ("none", "answer_early"):
            return len(exits)
        return sum(leave > self.last for leave in exits)

    def transfer_time(self, survivors: int) -> float:
        """Time to the next portion over a link of one's own [s]."""
        network = self.node["cluster"].get("network")
        if network is None or survivors == 0 or self.serial:
            return 0.0
        size = number(self.model["layers"][self.last - 1]["output"])
        return number(network["latency"]) + survivors * size / number(network["bandwidth"])


def stages(node: Node, rec: RunRecord) -> list[Stage]:
    """Portions of the record that rules can be read for."""
    names = [info.name for info in rec.services]
    found = []
    for index, info in enumerate(rec.portions):
        service = node["services"][names[info.service]]
        windows = windows_of(service)
        entries = [e for e in windows[0]["portions"] if e["layers"] == f"{info.first_layer}-{info.last_layer}"]
        steady = all("faults" not in node["cluster"]["pools"][e["pool"]] for e in entries)
        if len(windows) == 1 and steady:
            found.append(Stage(node, service, index, info.first_layer, info.last_layer, entries))
    return found


def check_times(stage: Stage, rec: RunRecord) -> int:
    """Batches of completed members last as their exit mode says, and so do transfers; returns how many were
    checked.
    """
    batches, requests, checked = rec.batches, rec.requests, 0
    network = stage.node["cluster"].get("network", {})
    for i in np.flatnonzero((batches.portion == stage.index) & ~batches.aborted):
        rows = batches.member[batches.offset[i] : batches.offset[i + 1]]
        if np.any(requests.outcome[rows] != Outcome.COMPLETED):
            continue
        exits = requests.exit_layer[rows].tolist()
        if stage.service["jitter"]["distribution"] == "deterministic":
            assert np.isclose(batches.end_s[i] - batches.start_s[i], stage.batch_time(exits), rtol=1e-9, atol=1e-12)
        if not network.get("shared") and not network.get("overlap"):
            transfer = stage.transfer_time(stage.survivors(exits))
            assert np.isclose(batches.free_s[i] - batches.end_s[i], transfer, rtol=1e-9, atol=1e-12)
            assert batches.idle_s[i] == batches.free_s[i]
        checked += 1
    return checked


def check_causes(stage: Stage, rec: RunRecord) -> None:
    """Every start has a cause at that very instant: a member entered, the replica became idle, or a due."""
    batches = rec.batches
    mine = np.flatnonzero(batches.portion == stage.index)
    for i in mine:
        start, replica = batches.start_s[i], batches.replica[i]
        entered = batches.entered_s[batches.offset[i] : batches.offset[i + 1]]
        causes = {*entered.tolist(), float(rec.replicas.ready_s[replica]), float(batches.due_s[i])}
        causes |= set(batches.idle_s[(batches.replica == replica) & (batches.start_s < start)].tolist())
        assert start in causes
        full = len(entered) == batches.capacity[i]
        assert full or start >= batches.due_s[i]


def check_order_of_service(stage: Stage, rec: RunRecord) -> None:
    """One shared queue: who is taken comes, by priority and entry, before whoever is left waiting."""
    if stage.serial or stage.deployment["routing"] != "shared":
        return
    batches, requests = rec.batches, rec.requests
    batch = np.repeat(np.arange(len(batches.start_s)), np.diff(batches.offset))
    here = batches.portion[batch] == stage.index
    priorities = np.array([info.priority for info in rec.services[rec.portions[stage.index].service].classes])
    who, entered, start = batches.member[here], batches.entered_s[here], batches.start_s[batch][here]
    rank = -priorities[requests.class_index[who]]
    for i in range(len(who)):
        waiting = (entered < start[i]) & (start > start[i])
        assert not np.any(waiting & ((rank < rank[i]) | ((rank == rank[i]) & (entered < entered[i]))))


def check_no_idling(stage: Stage, rec: RunRecord) -> None:
    """One shared queue that never waits for a batch to fill: while somebody waits, every replica works."""
    if stage.serial or stage.deployment["routing"] != "shared" or any(number(e["max_wait"]) for e in stage.entries):
        return
    batches = rec.batches
    mine = batches.portion == stage.index
    for replica in np.flatnonzero(rec.replicas.portion == stage.index):
        own = mine & (batches.replica == replica)
        order = np.argsort(batches.start_s[own], kind="stable")
        begins = np.append(batches.start_s[own][order], np.inf)
        ends = np.concatenate([[rec.replicas.ready_s[replica]], batches.idle_s[own][order]])
        for i in np.flatnonzero(mine):
            entered = batches.entered_s[batches.offset[i] : batches.offset[i + 1]].min()
            # nobody waits from ``entered`` to the start while this replica is idle from ends[k] to begins[k]
            assert not np.any(np.maximum(ends, entered) < np.minimum(begins, batches.start_s[i]))


def check_drops(stage: Stage, rec: RunRecord) -> None:
    """``expired``: dropped later than the deadline, and nobody past it is taken who has no answer yet."""
    service = rec.portions[stage.index].service
    policy, requests, batches = stage.service["queue"]["drop"], rec.requests, rec.batches
    slo = np.array([info.slo_s for info in rec.services[service].classes])
    mine = requests.service == service
    deadline = np.full(len(mine), np.inf)
    deadline[mine] = requests.arrival_s[mine] + slo[requests.class_index[mine]]
    dropped = mine & (requests.outcome == Outcome.DROPPED)
    if policy == "never":
        assert not dropped.any()
        return
    if policy == "expired":
        assert np.all(requests.finish_s[dropped] > deadline[dropped])
    batch = np.repeat(np.arange(len(batches.start_s)), np.diff(batches.offset))
    here = batches.portion[batch] == stage.index
    late = batches.start_s[batch][here] > deadline[batches.member[here]]
    answered = requests.finish_s[batches.member[here]] <= batches.start_s[batch][here]
    assert not np.any(late & ~answered)


def check_capacity(stage: Stage, rec: RunRecord) -> None:
    """After a rejection exactly ``capacity`` requests wait for the first portion; never more wait."""
    capacity = stage.service["queue"].get("capacity")
    if capacity is None or stage.first != 1:
        return
    requests, batches = rec.requests, rec.batches
    service = rec.portions[stage.index].service
    started = np.full(len(requests.arrival_s), np.inf)
    batch = np.repeat(np.arange(len(batches.start_s)), np.diff(batches.offset))
    here = batches.portion[batch] == stage.index
    started[batches.member[here]] = batches.start_s[batch][here]
    unserved = np.isinf(started) & ~np.isnan(requests.finish_s)
    started[unserved] = requests.finish_s[unserved]
    mine = requests.service == service
    arrival, left = np.sort(requests.arrival_s[mine]), np.sort(started[mine])
    rejected = mine & (requests.outcome == Outcome.REJECTED)
    for instant in np.unique(requests.arrival_s[mine]):
        waiting = np.searchsorted(arrival, instant, "right") - np.searchsorted(left, instant, "right")
        assert waiting <= capacity
        if instant in requests.finish_s[rejected]:
            assert waiting == capacity
    assert np.array_equal(requests.finish_s[rejected], requests.arrival_s[rejected])


def check_rules(node: Node, rec: RunRecord) -> int:
    """Every rule of this module; returns how many batches had their time checked."""
    checked = 0
    for stage in stages(node, rec):
        checked += check_times(stage, rec)
        for check in (check_causes, check_order_of_service, check_no_idling, check_drops, check_capacity):
            check(stage, rec)
    return checked
