"""What becomes a Deployment: every kind of replica that any window has, with its number in each window."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from simulator.export.case import Case, Window
from simulator.export.names import ROOM, slugs, unlike
from simulator.export.parts import Part

Chain = tuple[str, ...]
"""Cuts, exit mode and execution: portions of one chain hand their requests to each other."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One Deployment. Serial execution puts all portions into one, else each kind of portion has its own."""

    name: str
    service: str
    label: str
    """The service's name as a DNS label."""
    chain: int
    """Number of the way the service is cut, from 1."""
    execution: str
    exit_mode: str
    parts: tuple[Part, ...]
    replicas: tuple[int, ...]
    """Replicas in each window of the case."""

    @property
    def first(self) -> Part:
        """The portion where requests enter."""
        return self.parts[0]

    @property
    def layers(self) -> str:
        """All layers of the unit."""
        ends = [self.parts[0].layers.split("-")[0], self.parts[-1].layers.split("-")[-1]]
        return "-".join(dict.fromkeys(ends))

    @property
    def entry(self) -> bool:
        """Whether requests enter the service here."""
        return self.first.cut == 0


@dataclass(frozen=True, slots=True)
class _Key:
    service: str
    chain: Chain
    parts: tuple[Part, ...]


def units_of(case: Case) -> tuple[Unit, ...]:
    """All units of a case, services in order, each as its windows need them first."""
    labels = slugs(case.scenario.services, ROOM)
    counts: dict[_Key, list[int]] = {}
    for index, window in enumerate(case.windows):
        for key, number in _of_window(window):
            counts.setdefault(key, [0] * len(case.windows))[index] = number
    chains: dict[str, list[Chain]] = {}
    for key in counts:
        known = chains.setdefault(key.service, [])
        known += [key.chain] if key.chain not in known else []
    order = {name: number for number, name in enumerate(case.scenario.services)}
    found: list[Unit] = []
    for key, replicas in sorted(counts.items(), key=lambda item: order[item[0].service]):
        chain = chains[key.service].index(key.chain) + 1
        cuts = f"-c{chain}" if len(chains[key.service]) > 1 else ""
        *_, exit_mode, execution = key.chain
        unit = Unit("", key.service, labels[key.service], chain, execution, exit_mode, key.parts, tuple(replicas))
        name = unlike(f"{unit.label}{cuts}-{unit.layers}", [other.name for other in found])
        found.append(replace(unit, name=name))
    return tuple(found)


def _of_window(window: Window) -> Iterator[tuple[_Key, int]]:
    for service, deployment in window.services.items():
        chain = (*map(str, deployment.cuts), deployment.exit_mode, deployment.execution)
        parts = window.parts[service]
        groups = [parts] if deployment.execution == "serial" else [(part,) for part in parts]
        for group in groups:
            bare = tuple(replace(part, replicas=0) for part in group)
            yield _Key(service, chain, bare), group[0].replicas


def service_names(units: tuple[Unit, ...]) -> dict[tuple[str, int, int], str]:
    """Name of the Service before every portion, by service, chain and cut; the first cut of all chains shares one."""
    found: dict[tuple[str, int, int], str] = {}
    entries = {unit.service: unit.label for unit in units}
    several = {unit.service for unit in units if unit.chain > 1}
    for unit in units:
        key = (unit.service, unit.chain, unit.first.cut)
        if key in found:
            continue
        if unit.entry:
            found[key] = entries[unit.service]
            continue
        cuts = f"-c{unit.chain}" if unit.service in several else ""
        taken = {*entries.values(), *found.values()}
        found[key] = unlike(f"{unit.label}{cuts}-{unit.layers}", taken)
    return found
