"""Random scenarios: every feature of the request path, small enough to run in a few hundredths of a second."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests.support import DEVICE, Node, layer, per_second, poisson, seconds

TIMES = st.sampled_from([0.004, 0.01, 0.0173, 0.03125, 0.05])
WAITS = st.sampled_from([0.0, 0.0, 0.01, 0.04, 0.3])
BATCHES = st.sampled_from([1, 1, 2, 3, 4, 8])
POOLS = ("pool", "other")
ROUTINGS = ["shared", "shared", "random", "round_robin", "least_outstanding", "two_choices"]
MODES = ["none", "compact", "at_cut", "answer_early"]


@dataclass(frozen=True)
class Wanted:
    """Which features a law is about; the others are drawn."""

    closed: bool | None = None
    faults: bool = True
    windows: bool = True
    services: int = 2
    """Most services."""


@st.composite
def layers(draw: st.DrawFn, number: int) -> Node:
    """A layer with a constant, affine or tabulated time, an output and weights."""
    time: Any = draw(TIMES)
    kind = draw(st.sampled_from(["constant", "affine", "table"]))
    if kind == "affine":
        time = (time, draw(st.sampled_from([0.0, 0.001, 0.007])))
    if kind == "table":
        time = {1: time, 2: time * 1.5, 4: time * 1.25, 16: time * 4}
    return layer(time, f"layer{number}", output=draw(st.sampled_from(["0B", "700B", "9KB"])), weights="64B")


@st.composite
def models(draw: st.DrawFn) -> Node:
    """One to four layers, with or without ramps."""
    count = draw(st.integers(1, 4))
    model: Node = {"layers": [draw(layers(i)) for i in range(count)]}
    if count > 1 and draw(st.booleans()):
        time: Any = draw(
            st.sampled_from([{"relative": 0.25}, seconds(0.002), {"overhead": "0.001s", "per_item": "0.0005s"}])
        )
        after = draw(
            st.one_of(st.just("all"), st.lists(st.integers(1, count - 1), min_size=1, unique=True).map(sorted))
        )
        ramps = count - 1 if after == "all" else len(after)
        tenths = draw(st.lists(st.integers(0, 9 // ramps), min_size=ramps, max_size=ramps))
        model |= {"ramps": {"after": after, "time": time}, "exits": {"profile": [n / 10 for n in tenths]}}
    return model


@st.composite
def portions(draw: st.DrawFn, count: int, serial: bool) -> list[Node]:
    """One to three portions over ``count`` layers, each with one or two kinds of replica."""
    cuts = sorted(draw(st.sets(st.integers(1, count - 1), max_size=2))) if count > 1 else []
    made: list[Node] = []
    for first, last in zip([1, *(cut + 1 for cut in cuts)], [*cuts, count]):
        kinds = 1 if serial else draw(st.sampled_from([1, 1, 1, 2]))
        for _ in range(kinds):
            entry: Node = {
                "layers": f"{first}-{last}",
                "pool": "pool" if serial else draw(st.sampled_from(POOLS)),
                "batch": draw(BATCHES),
                "max_wait": seconds(draw(WAITS)),
            }
            made.append(entry if serial else {**entry, "replicas": draw(st.integers(1, 3))})
    return made


@st.composite
def deployments(draw: st.DrawFn, count: int, ramps: bool) -> Node:
    """Exit mode, execution, routing and portions."""
    serial = draw(st.sampled_from([False, False, True]))
    made: Node = {
        "exit_mode": draw(st.sampled_from(MODES)) if ramps else "none",
        "execution": "serial" if serial else "parallel",
        "routing": draw(st.sampled_from(ROUTINGS)),
        "portions": draw(portions(count, serial)),
    }
    return {**made, "replicas": draw(st.integers(1, 3))} if serial else made


@st.composite
def open_workloads(draw: st.DrawFn, duration: float) -> Node:
    """Poisson, gamma or modulated arrivals, perhaps with a shape; 50 to 300 requests are expected."""
    rate = draw(st.integers(50, 300)) / duration
    kind = draw(st.sampled_from(["poisson", "poisson", "gamma", "mmpp"]))
    made = poisson(rate)
    if kind == "gamma":
        made = {"process": "gamma", "rate": per_second(rate), "cv": draw(st.sampled_from([0.5, 2.0]))}
    if kind == "mmpp":
        states = [
            {"rate": per_second(rate * 2), "mean_duration": seconds(duration / 7)},
            {"rate": per_second(rate / 4), "mean_duration": seconds(duration / 5)},
        ]
        made = {"process": "mmpp", "states": states}
    shape = draw(st.sampled_from([None, None, "diurnal", "spike", "ramp"]))
    if shape == "diurnal":
        made["shape"] = {
            "kind": shape,
            "period": seconds(duration / 2),
            "amplitude": 0.7,
            "peak": seconds(duration / 8),
        }
    if shape == "spike":
        made["shape"] = {"kind": shape, "at": seconds(duration / 4), "length": seconds(duration / 8), "factor": 3.0}
    if shape == "ramp":
        made["shape"] = {"kind": shape, "from_factor": 0.5, "to_factor": 1.5, "over": seconds(duration / 2)}
    return made


@st.composite
def closed_workloads(draw: st.DrawFn) -> Node:
    """A few clients."""
    think: Node = {"mean": seconds(draw(st.sampled_from([0.02, 0.2])))}
    think |= draw(
        st.sampled_from(
            [
                {"distribution": "exponential"},
                {"distribution": "deterministic"},
                {"distribution": "lognormal", "cv": 0.8},
            ]
        )
    )
    return {"process": "closed", "clients": draw(st.integers(1, 12)), "think": think}


@st.composite
def services(draw: st.DrawFn, name: str, model: Node, duration: float, wanted: Wanted) -> Node:
    """Load, classes, policies and one to three deployments."""
    closed = draw(st.sampled_from([False, False, True])) if wanted.closed is None else wanted.closed
    made: Node = {
        "model": name,
        "slo": {"latency": seconds(draw(st.sampled_from([0.05, 0.15, 0.5])))},
        "workload": draw(closed_workloads()) if closed else draw(open_workloads(duration)),
        "queue": {"drop": draw(st.sampled_from(["never", "never", "expired", "hopeless"]))},
        "on_fault": draw(st.sampled_from(["drop", {"retries": 0}, {"retries": 2}])),
        "jitter": draw(
            st.sampled_from(
                [
                    {"distribution": "deterministic"},
                    {"distribution": "exponential"},
                    {"distribution": "lognormal", "cv": 0.6},
                ]
            )
        ),
    }
    capacity = draw(st.sampled_from([None, None, 0, 1, 20]))
    if capacity is not None:
        made["queue"]["capacity"] = capacity
    if draw(st.booleans()):
        made["classes"] = [
            {"name": "low", "share": 0.5, "priority": -1},
            {"name": "high", "share": 0.25, "priority": 2, "slo": {"latency": seconds(0.1)}},
            {"name": "same", "share": 0.25, "priority": 2},
        ]
    count, ramps = len(model["layers"]), "ramps" in model
    starts = [0.0, *draw(st.sampled_from([[], [], [0.5], [0.25, 0.75]]))] if wanted.windows else [0.0]
    timeline = [{"from": seconds(at * duration), **draw(deployments(count, ramps))} for at in starts]
    if len(timeline) == 1:
        del timeline[0]["from"]
        made["deployment"] = timeline[0]
    else:
        made["deployments"] = timeline
    return made


@st.composite
def scenarios(draw: st.DrawFn, wanted: Wanted = Wanted()) -> Node:
    """A valid scenario with one or two services."""
    duration = draw(st.sampled_from([2.0, 3.7, 6.0]))
    node: Node = {
        "version": 1,
        "name": "random",
        "seed": draw(st.integers(0, 10_000)),
        "run": {"duration": seconds(duration), "warmup": seconds(draw(st.sampled_from([0.0, 0.25])) * duration)},
        "cluster": {},
        "models": {},
        "services": {},
    }
    drain = draw(st.sampled_from([None, None, 0.0, 0.5, 50.0]))
    if drain is not None:
        node["run"]["drain"] = seconds(drain)
    for number in range(draw(st.integers(1, wanted.services))):
        name, model = f"m{number}", draw(models())
        node["models"][name] = model
        node["services"][f"svc{number}"] = draw(services(name, model, duration, wanted))
    node["cluster"]["pools"] = {name: draw(pools(needed(node, name), wanted.faults)) for name in POOLS}
    network = draw(st.sampled_from(["none", "own", "own", "overlap", "shared", "shared overlap"]))
    if network != "none":
        node["cluster"]["network"] = {
            "bandwidth": "1000000.0B/s",
            "latency": seconds(draw(st.sampled_from([0.0, 0.003]))),
            "overlap": "overlap" in network,
            "shared": "shared" in network,
        }
    return node


@st.composite
def pools(draw: st.DrawFn, replicas: int, faults: bool) -> Node:
    """A pool that holds the largest window of every service, and sometimes not much more."""
    each = draw(st.sampled_from([1, 1, 2]))
    pool: Node = {
        "device": DEVICE,
        "count": max(1, replicas * each) + draw(st.sampled_from([0, 1, 50])),
        "price_per_hour": 1.0,
        "devices_per_replica": each,
        "start_up": seconds(draw(st.sampled_from([0.0, 0.125]))),
    }
    if draw(st.booleans()):
        pool["load_bandwidth"] = "256.0B/s"
    if faults and draw(st.sampled_from([False, False, True])):
        pool["faults"] = {"mtbf": seconds(draw(st.sampled_from([0.3, 2.0]))), "mttr": seconds(0.1)}
    return pool


def windows_of(service: Node) -> list[Node]:
    """Deployments of a service."""
    found: list[Node] = service["deployments"] if "deployments" in service else [service["deployment"]]
    return found


def needed(node: Node, pool: str) -> int:
    """Replicas that the services need in a pool at once, each in its largest window."""
    total = 0
    for service in node["services"].values():
        sizes = []
        for window in windows_of(service):
            here = [entry for entry in window["portions"] if entry["pool"] == pool]
            sizes.append(
                window["replicas"]
                if window["execution"] == "serial" and here
                else sum(e.get("replicas", 0) for e in here)
            )
        total += max(sizes)
    return total


QUANTITY = re.compile(r"([0-9][0-9.e+-]*)(s|/s|B/s)")


def stretched(node: Any, factor: float) -> Any:
    """The scenario with every duration times ``factor``, every rate and bandwidth divided by it."""
    if isinstance(node, dict):
        return {key: stretched(value, factor) for key, value in node.items()}
    if isinstance(node, list):
        return [stretched(value, factor) for value in node]
    match = QUANTITY.fullmatch(node) if isinstance(node, str) else None
    if match is None:
        return node
    value = float(match[1])
    return f"{value * factor if match[2] == 's' else value / factor!r}{match[2]}"
