"""Stations of a service over all its deployment windows: which portions are kept, which are new."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from simulator.cluster import lowered
from simulator.cluster.lower.exits import ModelExits, exit_layers
from simulator.cluster.lower.hardware import Hardware, Route
from simulator.cluster.lower.layers import ModelCosts
from simulator.cluster.lower.portions import (
    Steps,
    active_ramps,
    lacking_memory,
    load_seconds,
    phase_of,
    steps_of,
    to_first_exit,
    transfer_of,
    warnings_of,
    way_of,
)
from simulator.cluster.lower.precision import Served, spoken
from simulator.cluster.lower.scaling import scaling_of
from simulator.errors import Problem, ScenarioError
from simulator.results.record import PortionInfo
from simulator.scenario.deployment import Deployment, Portion

StationKey = tuple[object, ...]
KindKey = tuple[object, ...]
Group = dict[KindKey, list[Portion]]
"""The kinds of one station, each with the portions that its replicas hold."""


@dataclass(eq=False)
class Draft:
    """A station while windows are being read; kinds may still be added by later windows."""

    key: StationKey
    name: str
    routing: str
    exit_mode: lowered.ExitMode
    serial: bool
    kinds: dict[KindKey, lowered.Kind] = field(default_factory=dict)
    waits_s: dict[KindKey, tuple[float, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Window:
    """One deployment with the stations that serve it; the lists run over its stations."""

    start: float
    deployment: Deployment
    groups: list[Group]
    drafts: list[Draft]


@dataclass(frozen=True)
class StationBuilder:
    """Turns the deployments of one service, or of its twin, into stations and lowered deployments."""

    service: str
    """Name of the service as messages have it."""
    places: Sequence[tuple[str | int, ...]]
    """Key path of every deployment."""
    index: int
    costs: ModelCosts
    exits: ModelExits
    pools: dict[str, Hardware]
    routes: tuple[dict[tuple[str, str], Route], Route]
    portions: list[PortionInfo]
    """Portions of all services so far; the ones made here are added."""
    warnings: list[str]
    twin: bool = False

    def build(
        self, timeline: Sequence[tuple[float, Deployment]]
    ) -> tuple[list[lowered.Station], list[lowered.Deployment]]:
        """All stations, and the deployments that name them."""
        drafts: list[Draft] = []
        windows: list[Window] = []
        for number, (start, deployment) in enumerate(timeline):
            present = windows[-1].drafts if windows else []
            self._check_formats(number, deployment)
            self._check_exits(number, deployment)
            window = Window(start, deployment, self._groups(deployment), [])
            for position, group in enumerate(window.groups):
                draft = self._kept(present, deployment, group) or self._new(number, position, deployment, group)
                if draft not in drafts:
                    drafts.append(draft)
                self._add_kinds(draft, number, window, position)
                window.drafts.append(draft)
            self._set_floors(window.drafts)
            windows.append(window)
        return [_station(draft) for draft in drafts], [self._deployment(drafts, window) for window in windows]

    # -- portions of one deployment ------------------------------------------------------------------------------

    def _check_formats(self, window: int, deployment: Deployment) -> None:
        """Every layer of every portion has a precision."""
        for portion in deployment.portions:
            try:
                self.costs.formats(portion)
            except ScenarioError as error:
                found = [(("precision", *filter(None, [one.path])), one.message) for one in error.problems]
                raise ScenarioError(
                    [self._problem(window, deployment, portion, text, *path) for path, text in found]
                ) from None

    def _check_exits(self, window: int, deployment: Deployment) -> None:
        """The ramps that shall run exist, and so does what their rule decides by."""
        source, place = self.costs.scenario.source, self.places[window]
        problems = [source.problem((*place, one.path or ""), one.message) for one in self.exits.unfit(deployment)]
        if problems:
            raise ScenarioError(problems)

    def _groups(self, deployment: Deployment) -> list[Group]:
        """Stations of a deployment. Entries that differ in ``max_wait`` alone are kinds of their own, by number."""
        if deployment.execution == "serial":
            return [self._group(deployment, [list(deployment.portions)])]
        of = ([[p] for p in deployment.portions if p.layers == layers] for layers in deployment.cuts)
        return [self._group(deployment, entries) for entries in of]

    def _group(self, deployment: Deployment, entries: list[list[Portion]]) -> Group:
        """Kinds by (pool; what makes a replica of each portion another one; number among equals), as written."""
        group: Group = {}
        for members in entries:
            same = (members[0].pool, *(self._kind_of(deployment, p) for p in members))
            number = sum(key[:-1] == same for key in group)
            group[*same, number] = members
        return group

    def _kind_of(self, deployment: Deployment, portion: Portion) -> tuple[object, ...]:
        """Precisions, batch, way of the weights, ramps that run: replicas that differ in one are not the same."""
        ramps = active_ramps(self.exits, deployment, portion)
        return (self.costs.formats(portion), portion.batch, way_of(portion), ramps)

    @staticmethod
    def _key(deployment: Deployment, group: Group) -> StationKey:
        layers = tuple((p.layers.first, p.layers.last) for p in _first(group))
        return (deployment.execution, deployment.exit_mode, deployment.routing, layers)

    def _kept(self, present: list[Draft], deployment: Deployment, group: Group) -> Draft | None:
        key = self._key(deployment, group)
        return next((d for d in present if d.key == key and group.keys() & d.kinds.keys()), None)

    def _new(self, window: int, position: int, deployment: Deployment, group: Group) -> Draft:
        name = f"{window}-{position}" if window else str(position)
        serial = deployment.execution == "serial"
        return Draft(self._key(deployment, group), name, deployment.routing, deployment.exit_mode, serial)

    def _add_kinds(self, draft: Draft, number: int, window: Window, position: int) -> None:
        group = window.groups[position]
        first = len(self.portions)
        if draft.kinds:
            first = next(iter(draft.kinds.values())).phases[0].portion
        else:
            for portion in _first(group):
                layers = portion.layers
                self.portions.append(PortionInfo(self.index, layers.first, layers.last, window.start, self.twin))
        for key, members in group.items():
            draft.waits_s.setdefault(key, tuple(p.max_wait for p in members))
            if key not in draft.kinds:
                route = self._route(members[0].pool, window, position)
                draft.kinds[key] = self._kind(number, window.deployment, members, first, position, route)

    def _route(self, pool: str, window: Window, position: int) -> Route | None:
        """Way from a pool to the next station, whose first kind counts: who takes a request is not known yet."""
        if position + 1 == len(window.groups):
            return None
        pairs, base = self.routes
        return pairs.get((pool, _first(window.groups[position + 1])[0].pool), base)

    def _kind(
        self,
        window: int,
        deployment: Deployment,
        members: list[Portion],
        first: int,
        position: int,
        route: Route | None,
    ) -> lowered.Kind:
        hardware = self.pools[members[0].pool]
        pool = hardware.pool
        phases = []
        found = [self._steps(window, deployment, portion, hardware) for portion in members]
        lacking = lacking_memory(self.costs, members, hardware)
        if lacking is not None:
            raise ScenarioError(self._problem(window, deployment, members[0], lacking))
        for number, (portion, steps) in enumerate(zip(members, found)):
            self.warnings.extend(warnings_of(self.costs, steps, portion, hardware, self.service))
            output = self.costs.output_bytes(portion.layers.last - 1, self.costs.formats(portion)[-1])
            phases.append(
                phase_of(
                    steps,
                    portion,
                    index=first + number,
                    ordinal=position + number,
                    transfer_bytes=output,
                    route=route if portion is members[-1] else None,
                )
            )
        load_s, first_wait_s = load_seconds(self.costs, members, found, hardware.load_bandwidth)
        return lowered.Kind(
            pool=hardware.index,
            devices=pool.devices_per_replica,
            load_s=load_s + pool.start_up,
            mtbf_s=pool.faults.mtbf if pool.faults else float("inf"),
            mttr_s=pool.faults.mttr if pool.faults else 0.0,
            phases=tuple(phases),
            first_wait_s=first_wait_s,
        )

    def _steps(self, window: int, deployment: Deployment, portion: Portion, hardware: Hardware) -> Steps:
        active = active_ramps(self.exits, deployment, portion)
        try:
            return steps_of(self.costs, active, portion, hardware)
        except ScenarioError as error:
            if any(problem.file for problem in error.problems):
                raise
            text = "; ".join(problem.message for problem in error.problems)
            key = "weights" if error.problems[0].path == "weights" else "precision"
            raise ScenarioError(self._problem(window, deployment, portion, text, key)) from None

    def _problem(self, window: int, deployment: Deployment, portion: Portion, message: str, *key: str) -> Problem:
        number = next(i for i, p in enumerate(deployment.portions) if p is portion)
        return self.costs.scenario.source.problem((*self.places[window], "portions", number, *key), message)

    # -- what can only be said once all are known ----------------------------------------------------------------

    @staticmethod
    def _set_floors(drafts: list[Draft]) -> None:
        """From the last portion to the first; a portion that several windows use gets the smallest of their floors."""
        floor: float | None = None
        for draft in reversed(drafts):
            for number in reversed(range(len(next(iter(draft.kinds.values())).phases))):
                floor = min(to_first_exit(kind.phases[number], floor) for kind in draft.kinds.values())
                for key, kind in draft.kinds.items():
                    phases = list(kind.phases)
                    phases[number] = replace(phases[number], floor_s=min(floor, phases[number].floor_s))
                    draft.kinds[key] = replace(kind, phases=tuple(phases))

    def _deployment(self, drafts: list[Draft], window: Window) -> lowered.Deployment:
        fires = self.exits.fires(window.deployment)
        parts = list(zip(window.drafts, window.groups))
        counts = [_counts(window.deployment, group) for group in window.groups]
        return lowered.Deployment(
            from_s=window.start,
            stations=tuple(drafts.index(draft) for draft in window.drafts),
            replicas=tuple(
                tuple(count.get(key, 0) for key in draft.kinds) for draft, count in zip(window.drafts, counts)
            ),
            waits_s=tuple(tuple(_waits(draft, group, key) for key in draft.kinds) for draft, group in parts),
            transfers=tuple(
                tuple(self._transfer(kind, str(key[0]), window, position) for key, kind in draft.kinds.items())
                for position, draft in enumerate(window.drafts)
            ),
            exit_layer=exit_layers(fires),
            fires=fires,
            correct=self._correct(window, counts),
            scaling=scaling_of(window.deployment, window.groups, [tuple(draft.kinds) for draft in window.drafts]),
        )

    def _correct(self, window: Window, counts: Sequence[Mapping[KindKey, int]]) -> lowered.Floats | None:
        """Expected correctness of answers in a window, less what its number formats cost."""
        portions: list[list[Served]] = []
        for group, count in zip(window.groups, counts):
            for place in range(len(_first(group))):
                members = [(float(count[key]), kind[place]) for key, kind in group.items()]
                portions.append([(weight, p, self.costs.formats(p)) for weight, p in members])
        right, unknown = self.exits.right_answers(portions, whole=not self.exits.active(window.deployment))
        if unknown:
            self.warnings.append(
                f"service {self.service}: its accuracy does not count what {spoken(unknown)} costs, which "
                f"models.{self.costs.name}.accuracy.loss does not say"
            )
        return right

    def _transfer(self, kind: lowered.Kind, pool: str, window: Window, position: int) -> lowered.Transfer:
        last = kind.phases[-1]
        return transfer_of(last.batch, last.transfer_bytes, self._route(pool, window, position))


def _waits(draft: Draft, group: Group, key: KindKey) -> tuple[float, ...]:
    return tuple(p.max_wait for p in group[key]) if key in group else draft.waits_s[key]


def _first(group: Group) -> list[Portion]:
    return next(iter(group.values()))


def _counts(deployment: Deployment, group: Group) -> dict[KindKey, int]:
    serial = deployment.execution == "serial"
    return {key: (deployment.replicas if serial else members[0].replicas) or 0 for key, members in group.items()}


def _station(draft: Draft) -> lowered.Station:
    return lowered.Station(draft.name, tuple(draft.kinds.values()), draft.routing, draft.exit_mode, draft.serial)
