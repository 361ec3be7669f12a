"""What a random scenario contains and what happened in its run, so that tests can ask whether enough does."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from simulator.results.record import Outcome, RunRecord
from tests.differential.strategies import Case, changes_of_state, number
from tests.laws.strategies import windows_of
from tests.support import Node, members

Floats = NDArray[np.float64]


def features(case: Case, rec: RunRecord) -> set[str]:
    """Names of everything found."""
    found = set(_of_run(rec)) | set(_of_cluster(case.node)) | set(meetings(case.node, rec))
    if len(case.node["services"]) > 1:
        found.add("services")
    for service in case.node["services"].values():
        found |= set(_of_service(service)) | set(_of_windows(windows_of(service)))
        model = case.node["models"][service["model"]]
        found |= {"table" if "table" in model["exits"] else "profile"} if "exits" in model else set()
        found |= {"accuracy"} if "accuracy" in model else set()
    return found


def _of_cluster(node: Node) -> Iterator[str]:
    network = node["cluster"].get("network")
    if network is not None:
        yield "overlap" if network["overlap"] else "transfers"
        yield from ("latency" for _ in range(number(network["latency"]) > 0))
        yield from ("pairs" for _ in network.get("pairs", ()))
    for pool in node["cluster"]["pools"].values():
        yield from (name for name in ("faults", "load_bandwidth") if name in pool)
        yield "start_up" if number(pool["start_up"]) else "no start_up"
    if "drain" in node["run"]:
        yield "drain"


def _of_service(service: Node) -> Iterator[str]:
    load = service["workload"]
    yield load["process"]
    if "think" in load:
        yield f"think {load['think']['distribution'] if number(load['think']['mean']) else 'zero'}"
    yield f"drop {service['queue']['drop']}"
    capacity = service["queue"].get("capacity")
    if capacity is not None:
        yield "capacity" if capacity else "capacity 0"
    yield f"jitter {service['jitter']['distribution']}"
    yield from ("classes" for _ in service.get("classes", ()))
    yield "on_fault drop" if service["on_fault"] == "drop" else f"retries {service['on_fault']['retries']}"


def _of_windows(windows: list[Node]) -> Iterator[str]:
    for window in windows:
        layers = [entry["layers"] for entry in window["portions"]]
        yield f"{window['exit_mode']} {window['execution']}"
        yield f"routing {window['routing']}"
        yield f"portions {len(set(layers))}"
        if window["execution"] == "parallel" and len(set(layers)) < len(layers):
            yield "kinds"
        if any(number(entry["max_wait"]) > 0 for entry in window["portions"]):
            yield "max_wait"
        if any(isinstance(entry.get("precision"), dict) for entry in window["portions"]):
            yield "formats by layer"
    for before, after in pairwise(windows):
        yield "windows"
        for key in ("execution", "exit_mode", "routing"):
            if before[key] != after[key]:
                yield f"new {key}"
        if [entry["layers"] for entry in before["portions"]] != [entry["layers"] for entry in after["portions"]]:
            yield "new portions"
        elif _formats(before) != _formats(after):
            yield "new formats"
        elif all(before[key] == after[key] for key in ("execution", "exit_mode", "routing")):
            yield from _of_kept(before, after)


def _formats(window: Node) -> list[object]:
    return [entry.get("precision") for entry in window["portions"]]


def _of_kept(before: Node, after: Node) -> Iterator[str]:
    for old, new in zip(before["portions"], after["portions"]):
        if old["max_wait"] != new["max_wait"]:
            yield "new max_wait"
        if old["batch"] != new["batch"]:
            yield "new batch"
        a, b = (entry.get("replicas", window.get("replicas", 0)) for entry, window in ((old, before), (new, after)))
        if a != b:
            yield "more replicas" if b > a else "fewer replicas"


def _of_run(rec: RunRecord) -> Iterator[str]:
    """What came of it."""
    batches, requests, batch = rec.batches, rec.requests, members(rec)
    for value in np.unique(requests.outcome):
        yield Outcome(value).name
    if batches.aborted.any():
        yield "abort"
    if (requests.attempts > 1).any():
        yield "retry"
    if (np.diff(batches.offset) > 1).any():
        yield "batches"
    if np.isfinite(rec.replicas.released_s).any():
        yield "release"
    if (rec.replicas.ready_s > rec.replicas.held_s).any():
        yield "loading"
    since = np.array([portion.from_s for portion in rec.portions])[batches.portion[batch]]
    if (requests.arrival_s[batches.member] < since).any():
        yield "moved over"
    if (batches.start_s == batches.end_s).any():
        yield "zero time"


# -- what happens at one instant -----------------------------------------------------------------------------


def meetings(node: Node, rec: RunRecord) -> Iterator[str]:
    """Pairs of events that happened at one instant, from the record and the scenario."""
    at = _instants(node, rec)
    for pair in (
        "arrival/arrival",
        "completion/completion",
        "transfer/transfer",
        "arrival/completion",
        "arrival/transfer",
        "completion/transfer",
        "arrival/timer",
        "completion/timer",
        "transfer/timer",
        "arrival/window",
        "completion/window",
        "transfer/window",
        "deadline/start",
        "arrival/fault",
        "completion/fault",
        "timer/fault",
    ):
        one, other = pair.split("/")
        values, counts = np.unique(at[one], return_counts=True)
        if (counts > 1).any() if one == other else np.isin(values, at[other]).any():
            yield f"tie {pair}"


def _instants(node: Node, rec: RunRecord) -> dict[str, Floats]:
    """Instants of each kind of event; a timer is a start at the due with fewer than a full batch."""
    batches, requests = rec.batches, rec.requests
    done = ~batches.aborted
    sent = done & (batches.free_s > batches.end_s)
    alone = (batches.start_s == batches.due_s) & (np.diff(batches.offset) < batches.capacity)
    slo = [[info.slo_s for info in service.classes] for service in rec.services]
    limits = np.array([slo[s][c] for s, c in zip(requests.service, requests.class_index)])
    windows = [number(w["from"]) for s in node["services"].values() for w in s.get("deployments", ())[1:]]
    return {
        "arrival": requests.arrival_s,
        "completion": batches.end_s[done],
        "transfer": batches.free_s[sent],
        "timer": batches.due_s[alone],
        "start": batches.start_s,
        "deadline": requests.arrival_s + limits,
        "window": np.array(windows, dtype=np.float64),
        "fault": np.array(list(_failures(node)), dtype=np.float64),
    }


def _failures(node: Node) -> Iterator[float]:
    """First failures and repairs of the first replicas of every service [s]."""
    for name, service in node["services"].items():
        faults = node["cluster"]["pools"][windows_of(service)[0]["portions"][0]["pool"]].get("faults")
        for replica in (0, 1, 2) if faults else ():
            yield from changes_of_state(node["seed"], name, replica, faults)
