"""Random scenarios on a coarse grid of instants, so that much happens at the same instant.

Times, waits, deadlines, starts of windows and recorded arrivals are multiples of one unit. Most units are binary
fractions, for which instants that should meet do meet; with the others they miss each other by a rounding now and then,
which must happen alike in every engine.

Everything is drawn from one tape of bytes. Hypothesis shrinks a tape towards zeros, which stand for the first of every
choice, and draws each afresh; of nested strategies it would show many variations of few scenarios.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from hypothesis import strategies as st

from simulator.streams import stream
from tests.laws.strategies import MODES, POOLS, ROUTINGS, needed, windows_of
from tests.support import DEVICE, Node, layer, per_second, seconds

TAPE = 1536
"""Bytes; most scenarios take a third of them."""
UNITS = [0.125, 0.125, 0.25, 0.25, 0.125, 0.1]
BATCHES = [1, 1, 2, 3, 4, 8]
WAITS = [0, 0, 1, 2, 3, 6, 100]
"""In units; the last is longer than most runs."""
CONFIDENCES = ["0.3", "0.55", "0.6", "0.8", "0.95"]
RULES = [{"confidence": 0.6}, {"confidence": 0.9}, {"entropy": 0.45}, {"patience": 1}, {"patience": 2}]
FAULTS_AND_REPAIRS = [(5, 1), (12, 2), (12, 6), (40, 4)]
"""Mean up and down times in units."""


@dataclass(frozen=True)
class Mix:
    """Which features the scenarios of a test are about; None: drawn."""

    closed: bool | None = None
    serial: bool | None = None
    ramps: bool | None = None
    routed: bool | None = None
    """A queue for each replica."""
    kinds: int = 3
    """Most kinds of replica in a portion."""
    windows: tuple[int, ...] = (1, 1, 2, 3, 4)
    """Numbers of deployments of a service."""
    faults: bool | None = None
    services: int = 3
    """Most services."""


PLAIN = Mix(False, serial=False, ramps=False, routed=False, kinds=1, windows=(1,), faults=False, services=2)
EXITS = Mix(False, ramps=True, routed=False, kinds=2, windows=(1,), faults=False, services=1)
ROUTED = Mix(False, serial=False, windows=(1,), faults=False, services=2)
CLOSED = Mix(True, windows=(1,), faults=False, services=2)
WINDOWS = Mix(kinds=2, windows=(2, 3, 4), faults=False, services=2)
FAULTS = Mix(windows=(1,), faults=True, services=2)
EVERYTHING = Mix()


@dataclass(frozen=True)
class Case:
    """A scenario and the texts of the files that it names."""

    node: Node
    files: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Maker:
    """What the parts of one scenario have in common, and where chance comes from."""

    rng: Random
    mix: Mix
    unit: float
    length: int
    """Units of the run."""
    files: dict[str, str]

    def of(self, *counts: float) -> str:
        """One of these numbers of units, as a duration."""
        return seconds((self.rng.choice(counts) if len(counts) > 1 else counts[0]) * self.unit)

    def wants(self, wanted: bool | None, odds: Sequence[bool] = (False, True)) -> bool:
        """What a mix says, or one of ``odds``."""
        return self.rng.choice(odds) if wanted is None else wanted


class Tape(Random):
    """Chance from given bytes, then from zeros."""

    def __init__(self, tape: bytes) -> None:
        super().__init__(0)
        self._tape = iter(tape)

    def getrandbits(self, k: int, /) -> int:
        """The highest bits of the next bytes, so that a smaller byte never stands for a later choice."""
        size = (k + 7) // 8
        value = int.from_bytes(bytes(next(self._tape, 0) for _ in range(size)), "big")
        return value >> (8 * size - k)

    def random(self) -> float:
        """A number in [0, 1) from as many bits as it has."""
        return self.getrandbits(53) * 2.0**-53


def cases(mix: Mix = EVERYTHING) -> st.SearchStrategy[Case]:
    """Valid scenarios with one to three services."""
    return st.binary(min_size=TAPE, max_size=TAPE).map(lambda tape: case(Tape(tape), mix))


def case(rng: Random, mix: Mix) -> Case:
    """A valid scenario from any source of chance."""
    m = Maker(rng, mix, rng.choice(UNITS), rng.choice([16, 24, 40]), {})
    node: Node = {
        "version": 1,
        "name": "random",
        "seed": rng.randint(0, 10_000),
        "run": {"duration": m.of(m.length), "warmup": m.of(0, 0, 4)},
        "cluster": {},
        "models": {},
        "services": {},
    }
    drain = rng.choice([None, None, 0, 3, 1000])
    if drain is not None:
        node["run"]["drain"] = m.of(drain)
    for number in range(rng.choice([1, 1, 2, 3][: mix.services + 1])):
        name = f"s{number}"
        node["models"][name], node["services"][name] = service(m, name)
    node["cluster"]["pools"] = {name: pool(m, needed(node, name)) for name in POOLS}
    if rng.choice([True, True, False]):
        node["cluster"]["network"] = network(m)
    meetings = rng.choice(["none", "more", "only"])
    if meetings != "none":
        add_meetings(node, m.files, keep=meetings == "more")
    for name in node["services"]:
        if rng.choice([False, False, True]):
            add_formats(m, node["models"][name], windows_of(node["services"][name]))
    return Case(node, m.files)


# -- models --------------------------------------------------------------------------------------------------


def model(m: Maker, least: int) -> Node:
    """One to five layers of at least so many units, with or without ramps and exits."""
    rng = m.rng
    ramps = m.wants(m.mix.ramps)
    count = rng.choice([2, 3, 4, 5] if ramps else [1, 2, 3, 4, 5])
    timed = rng.randrange(count)  # a model whose every layer took no time would be refused
    made: Node = {
        "layers": [
            layer(time(m, max(least, int(i == timed))), f"l{i}", output=rng.choice(["8B", "0B", "16B"]), weights="8B")
            for i in range(count)
        ]
    }
    if ramps:
        after = rng.choice(["all", sorted(rng.sample(range(1, count), rng.randint(1, count - 1)))])
        taken = [{"relative": 0}, {"relative": 0.5}, m.of(1), {"overhead": "0s", "per_item": m.of(0.25)}]
        made["ramps"] = {"after": after, "time": rng.choice(taken)}
        made["exits"] = exits(m, count - 1 if after == "all" else len(after))
    return made


def time(m: Maker, least: int) -> Any:
    """Constant, affine or tabulated time of a layer, at least ``least`` units."""
    units = m.rng.randint(least, 3)
    kind = m.rng.choice(["constant", "constant", "affine", "table"])
    if kind == "affine":
        return units * m.unit, m.rng.choice([1, 0.5, 2]) * m.unit
    if kind == "table":
        first = max(units, 1)
        return {size: n * m.unit for size, n in ((1, first), (2, first), (4, first + 1), (8, 2 * first + 1))}
    return units * m.unit


def exits(m: Maker, ramps: int) -> Node:
    """A profile by tenths, perhaps with nobody left at the end, or a small table of predictions and a rule."""
    rng = m.rng
    if rng.randint(0, 2):
        return {"profile": [rng.randint(0, 10 // ramps) / 10 for _ in range(ramps)]}
    labelled = rng.choice([False, True])
    header = [f"{stem}_{i + 1}" for stem in ("conf", "pred") for i in range(ramps + 1)] + ["label"] * labelled
    rows = [
        [rng.choice(CONFIDENCES if name.startswith("conf") else "01") for name in header]
        for _ in range(rng.randint(1, 6))
    ]
    name = f"exits{len(m.files)}.csv"
    m.files[name] = "\n".join(",".join(row) for row in [header, *rows]) + "\n"
    return {"table": name, "rule": rng.choice(RULES)}


# -- deployments ---------------------------------------------------------------------------------------------


def deployment(m: Maker, count: int, ramps: bool) -> Node:
    """Exit mode, execution, routing and one to four portions over ``count`` layers."""
    rng = m.rng
    serial = m.wants(m.mix.serial, (False, False, True))
    most = min(rng.choice([0, 1, 1, 2, 3]), count - 1)
    cuts = sorted(rng.sample(range(1, count), most))
    portions: list[Node] = []
    for first, last in zip([1, *(cut + 1 for cut in cuts)], [*cuts, count]):
        several = 1 if serial else min(rng.choice([1, 1, 1, 2, 3]), m.mix.kinds)
        portions += [kind(m, f"{first}-{last}", serial) for _ in range(several)]
    made: Node = {
        "exit_mode": rng.choice(MODES) if ramps else "none",
        "execution": "serial" if serial else "parallel",
        "routing": rng.choice(ROUTINGS[2:]) if m.wants(m.mix.routed) else "shared",
        "portions": portions,
    }
    if not serial:
        return made
    return {
        **made,
        "portions": [{**entry, "pool": portions[0]["pool"]} for entry in portions],
        "replicas": rng.randint(1, 4),
    }


def kind(m: Maker, layers: str, serial: bool) -> Node:
    """One kind of replica of a portion."""
    rng = m.rng
    made: Node = {
        "layers": layers,
        "pool": rng.choice(POOLS),
        "batch": rng.choice(BATCHES),
        "max_wait": m.of(*WAITS),
    }
    return made if serial else {**made, "replicas": rng.randint(1, 4)}


CHANGES = [
    *("replicas", "replicas", "max_wait", "max_wait", "batch", "kind", "pool"),
    *("mode", "routing", "nothing", "new", "new"),
]


def changed(m: Maker, before: Node, count: int, ramps: bool) -> Node:
    """The deployment of the next window: one or two things differ, or all."""
    rng, after = m.rng, copy.deepcopy(before)
    for change in rng.sample(CHANGES, rng.randint(1, 2)):
        serial = after["execution"] == "serial"
        place = rng.randrange(len(after["portions"]))
        entry = after["portions"][place]
        if change == "replicas":
            (after if serial else entry)["replicas"] = rng.randint(1, 4)
        elif change == "max_wait":
            entry["max_wait"] = m.of(*WAITS)
        elif change == "batch":
            entry["batch"] = rng.choice(BATCHES)
        elif change == "kind" and not serial and m.mix.kinds > 1:
            after["portions"].insert(place + rng.randint(0, 1), kind(m, entry["layers"], serial))
        elif change == "pool" and not serial:
            entry["pool"] = rng.choice(POOLS)
        elif change == "mode" and ramps:
            after["exit_mode"] = rng.choice(MODES)
        elif change == "routing" and m.mix.routed is not False:
            after["routing"] = rng.choice(ROUTINGS)
        elif change == "new":
            return deployment(m, count, ramps)
    return after


def timeline(m: Maker, count: int, ramps: bool) -> list[Node]:
    """Deployments in turn; their starts lie on the grid, sometimes one after another, sometimes after the end."""
    windows = m.rng.choice(m.mix.windows)
    starts = [0, *sorted(m.rng.sample(range(1, m.length + m.length // 8), windows - 1))]
    if m.rng.choice([False, False, True]):
        starts[1:] = [starts[1] + i for i in range(windows - 1)] if windows > 1 else []
    made: list[Node] = []
    for start in starts:
        new = changed(m, made[-1], count, ramps) if made else deployment(m, count, ramps)
        made.append({**new, "from": m.of(start)})
    return made


# -- loads ---------------------------------------------------------------------------------------------------


def open_load(m: Maker) -> Node:
    """A record on the grid, or arrivals of some process, nowhere near it."""
    rng, duration = m.rng, m.length * m.unit
    rate = rng.randint(20, 120) / duration
    process = rng.choice(["trace", "trace", "trace", "trace", "poisson", "gamma", "mmpp"])
    if process == "trace":
        return recorded(m)
    if process == "gamma":
        return {"process": process, "rate": per_second(rate), "cv": rng.choice([0.5, 2.0])}
    if process == "mmpp":
        states = [(rate * 2, duration / 7), (rng.choice([0.0, rate / 4]), duration / 5)]
        return {
            "process": process,
            "states": [{"rate": per_second(a), "mean_duration": seconds(b)} for a, b in states],
        }
    return {"process": process, "rate": per_second(rate)}


def recorded(m: Maker) -> Node:
    """A record whose arrivals lie on every first, second, third .. instant of the grid, several at each."""
    rng = m.rng
    every = rng.choice([1, 1, 2, 3])
    often = rng.choice([[0, 0, 0, 1], [0, 1, 1, 2, 3, 8], [0, 0, 0, 0, 8, 12]])
    counts = [rng.choice(often) for _ in range(m.length // every)]
    # One comes at 0, so that there is a load in the first window, however short.
    arrivals = [0.0, *(place * every * m.unit for place, count in enumerate(counts) for _ in range(count))]
    name = f"arrivals{len(m.files)}.csv"
    m.files[name] = recording(arrivals)
    return {"process": "trace", "trace": name}


def recording(arrivals: Sequence[float]) -> str:
    """The file of a record."""
    return "\n".join(["arrival_s", *(repr(float(t)) for t in sorted(arrivals)), ""])


def closed_load(m: Maker, eager: bool) -> Node:
    """A few clients; ``eager`` ones do not think at all."""
    rng = m.rng
    spread = rng.choice(["deterministic", "deterministic", "exponential", "lognormal"])
    think: Node = {"mean": m.of(0) if eager else m.of(1, 2, 5), "distribution": spread}
    if spread == "lognormal":
        think["cv"] = 0.8
    return {"process": "closed", "clients": rng.randint(1, 10), "think": think}


# -- services and clusters -----------------------------------------------------------------------------------


def service(m: Maker, name: str) -> tuple[Node, Node]:
    """A model and the service on it: load, classes, policies and deployments."""
    rng = m.rng
    closed = m.wants(m.mix.closed, (False, False, True))
    eager = closed and rng.choice([False, True])
    # Clients who do not think must not come back at the instant at which they sent: time would stand still.
    own = model(m, 1 if eager else 0)
    jitters = [{"distribution": "exponential"}, {"distribution": "lognormal", "cv": 0.6}]
    made: Node = {
        "model": name,
        "slo": {"latency": m.of(3, 6, 12, 40)},
        "workload": closed_load(m, eager) if closed else open_load(m),
        "queue": {"drop": rng.choice(["never", "never", "expired", "expired" if eager else "hopeless"])},
        "jitter": rng.choice([{"distribution": "deterministic"}] * 5 + jitters),
        "on_fault": rng.choice(["drop", *({"retries": n} for n in range(4))]),
    }
    capacity = rng.choice([None, None, None, 0, 1, 4, 12])
    if capacity is not None and not eager:
        made["queue"]["capacity"] = capacity
    if rng.choice([False, True]):
        made["classes"] = [
            {"name": "low", "share": 0.5, "priority": -1},
            {"name": "high", "share": 0.25, "priority": 2, "slo": {"latency": m.of(4)}},
            {"name": "same", "share": 0.25, "priority": rng.choice([2, 0])},
        ]
    windows = timeline(m, len(own["layers"]), "ramps" in own)
    if len(windows) == 1:
        del windows[0]["from"]
        return own, {**made, "deployment": windows[0]}
    return own, {**made, "deployments": windows}


def network(m: Maker) -> Node:
    """Links of the senders' own: 8 bytes take a unit; from ``pool`` to ``other`` perhaps longer."""
    made: Node = {
        "bandwidth": f"{8 / m.unit!r}B/s",
        "latency": m.of(0, 0, 1, 2),
        "overlap": m.rng.choice([False, True]),
    }
    if m.rng.choice([False, False, True]):
        made["pairs"] = [{"from": "pool", "to": "other", "latency": m.of(0, 3)}]
    return made


def pool(m: Maker, replicas: int) -> Node:
    """A pool that holds the largest window of every service, and sometimes not much more; a layer may take a unit to
    load.
    """
    rng = m.rng
    each = rng.choice([1, 1, 2])
    made: Node = {
        "device": DEVICE,
        "count": (max(1, replicas) + rng.choice([0, 0, 1, 50])) * each,
        "price_per_hour": 1.0,
        "devices_per_replica": each,
        "start_up": m.of(0, 0, 1, 3, m.length),
    }
    if rng.choice([False, True]):
        made["load_bandwidth"] = f"{8 / m.unit!r}B/s"
    if m.wants(m.mix.faults):
        mtbf, mttr = rng.choice(FAULTS_AND_REPAIRS)
        made["faults"] = {"mtbf": m.of(mtbf), "mttr": m.of(mttr)}
    return made


# -- number formats ------------------------------------------------------------------------------------------


def add_formats(m: Maker, own: Node, windows: Sequence[Node]) -> None:
    """Number formats for portions or for layers, with times of their own and perhaps with a cost in accuracy."""
    rng, count = m.rng, len(own["layers"])
    for one in own["layers"]:
        if rng.choice([False, True]):
            one["time"] = {"by_precision": {"fp16": one["time"], "int8": m.of(1, 2)}}
    # By the place of the layer, so that windows have replicas in common.
    by_place = [rng.choice(["fp16", "int8"]) for _ in range(count)]
    for entry in (entry for window in windows for entry in window["portions"]):
        first, last = (int(part) for part in entry["layers"].split("-"))
        mixed = {str(place): by_place[place - 1] for place in range(first, last + 1)}
        entry["precision"] = rng.choice(["fp16", "int8", mixed, mixed])
    if rng.choice([False, True, True]):
        table = own.get("exits", {}).get("table")
        told = table is not None and "label" in m.files[table].partition("\n")[0]
        by_layer = {str(place): rng.choice([0.0, 0.01, 0.125]) for place in range(1, count + 1)}
        own["accuracy"] = {"loss": {"int8": rng.choice([0.25, by_layer])}} | ({} if told else {"full": 0.9})


# -- arrivals that meet failures -----------------------------------------------------------------------------


def add_meetings(node: Node, files: dict[str, str], keep: bool) -> None:
    """Arrivals after which timers and completions fall on failures and repairs, beside those of the record or instead.

    Failures are the one kind of event that no grid can hold: the first ones of the first replicas are worked out as the
    engines draw them, and requests arrive at them, and a wait or the time of some layers before them.
    """
    for name, one in node["services"].items():
        first = windows_of(one)[0]["portions"][0]
        faults = node["cluster"]["pools"][first["pool"]].get("faults")
        if faults is None or "trace" not in one["workload"]:
            continue
        duration = number(node["run"]["duration"])
        before = [0.0, number(first["max_wait"]), *layer_times(node["models"][one["model"]])]
        instants = [t for replica in range(3) for t in changes_of_state(node["seed"], name, replica, faults)]
        more = [t - lead for t in instants for lead in before if 0 <= t - lead < duration]
        file = one["workload"]["trace"]
        files[file] = recording([*(map(float, files[file].split()[1:]) if keep else [0.0]), *more])


def number(text: str) -> float:
    """A duration in seconds as this module writes it."""
    return float(text.removesuffix("s"))


def layer_times(own: Node) -> list[float]:
    """Time of a batch of one, without ramps, up to the end of each layer [s]."""
    found, total = [], 0.0
    for one in own["layers"]:
        written = one["time"]
        if isinstance(written, str):
            total += number(written)
        elif "per_batch" in written:
            total += number(written["per_batch"][1])
        else:
            total += number(written["overhead"]) + number(written["per_item"])
        found.append(total)
    return found


def changes_of_state(seed: int, name: str, replica: int, faults: Node) -> list[float]:
    """First failures and repairs of a replica of the first portion of a service [s]."""
    rng = stream(seed, 0, name, "faults", "0", replica)
    instants, now = [], 0.0
    for mean in (faults["mtbf"], faults["mttr"]) * 2:
        now += number(mean) * float(rng.standard_exponential())
        instants.append(now)
    return instants
