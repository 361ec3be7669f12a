"""Where everything of a lowered cluster stands in the arrays of the compiled engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from simulator.cluster import lowered as low
from simulator.cluster.compiled import columns as c
from simulator.cluster.compiled.feed import purposes
from simulator.cluster.compiled.sets import words_of
from simulator.scenario.workload import Closed

if TYPE_CHECKING:
    from simulator.cluster.compiled.arrays import Arrays

ROUTINGS = {"shared": c.SHARED, "random": c.RANDOM, "round_robin": c.ROUND_ROBIN}
ROUTINGS |= {"least_outstanding": c.LEAST_OUTSTANDING, "two_choices": c.TWO_CHOICES}
MODES = {"none": c.NONE, "at_cut": c.AT_CUT, "compact": c.COMPACT, "answer_early": c.ANSWER_EARLY}
DROPS = {"never": 0, "expired": 1, "hopeless": 2}


class Shape:
    """Counts and first rows. A service's stations, a station's lines and replicas, stand one after another."""

    def __init__(self, lowered: low.Lowered) -> None:
        self.lowered = lowered
        services = lowered.services
        self.stations = sum(len(service.stations) for service in services)
        self.kinds = max(len(s.kinds) for service in services for s in service.stations)
        self.layers = max(service.layers for service in services)
        self.columns = [{key: i for i, (key, _) in enumerate(purposes(service))} for service in services]
        self.numbers = max(len(columns) for columns in self.columns)
        closed = [service.workload for service in services if isinstance(service.workload, Closed)]
        self.clients = sum(workload.clients for workload in closed)
        self.open_services = len(services) - len(closed)
        self.limits_s = [item.slo_s for service in services for item in service.info.classes]
        self.groups = len(self.limits_s)
        self.bands: list[int] = []
        self.starts_s = [deployment.from_s for service in services for deployment in service.deployments]
        self._statics: list[NDArray[np.int64]] = []
        self._static = 0
        self._numbers: list[NDArray[np.float64]] = []
        self._number = 0
        self.rows: list[tuple[int, ...]] = []
        """(first line, lines, first replica, replicas, first queue, bands, first buffer, first phase, first word)."""
        self._place(services)
        self.fires, self.right, self._services = self._exits(services)

    def _place(self, services: tuple[low.Service, ...]) -> None:
        line = replica = queue = phase = word = 0
        for service in services:
            levels = sorted({item.priority for item in service.info.classes}, reverse=True)
            self.bands += [levels.index(item.priority) for item in service.info.classes]
            for index, station in enumerate(service.stations):
                most = most_replicas(service, index)
                lines = 1 if station.routing == "shared" else max(most, 1)
                places = len(station.kinds[0].phases)
                buffer = queue + lines * len(levels)
                self.rows.append((line, lines, replica, most, queue, len(levels), buffer, phase, word))
                line, replica, queue = line + lines, replica + most, buffer + most * (places - 1)
                phase += len(station.kinds) * places
                word += (len(station.kinds) + station.serial) * words_of(max(most, 1))
        self.lines, self.replicas, self.queues, self.words = line, replica, queue, word

    def _exits(self, services: tuple[low.Service, ...]) -> tuple[Any, Any, list[tuple[int, int, int, int]]]:
        """Firing ramps and right answers of all services, and where those of each begin (-1 without)."""
        fires: list[NDArray[Any]] = []
        right: list[NDArray[Any]] = []
        found, fire, answer = [], 0, 0
        for service in services:
            leaves = self._static
            for deployment in service.deployments:
                self._add_static(deployment.exit_layer)
            rows = len(service.deployments[0].exit_layer)
            moves = service.exits is not None and len(service.deployments) > 1
            told = [deployment.correct for deployment in service.deployments if deployment.correct is not None]
            found.append((leaves, rows, fire if moves else -1, answer if told else -1))
            if moves:
                fires += [deployment.fires.ravel() for deployment in service.deployments]
                fire += sum(deployment.fires.size for deployment in service.deployments)
            right += [table.ravel() for table in told]  # of every deployment or of none: they have one model
            answer += sum(table.size for table in told)
        empty = np.zeros(0)
        return np.concatenate([empty.astype(bool), *fires]), np.concatenate([empty, *right]), found

    def _add_static(self, values: Any) -> int:
        array = np.asarray(values, np.int64).ravel()
        self._statics.append(array)
        self._static += len(array)
        return self._static - len(array)

    def _add_table(self, values: NDArray[np.float64]) -> int:
        self._numbers.append(np.ascontiguousarray(values, np.float64).ravel())
        self._number += values.size
        return self._number - values.size

    def phase_arrays(self) -> tuple[Any, Any, Any, Any]:
        """Phases, their floors [s], all tables of times [s] and all integers that never change."""
        rows, floors = [], []
        for columns, service in zip(self.columns, self.lowered.services):
            for station in service.stations:
                for kind in station.kinds:
                    for phase in kind.phases:
                        rows.append(self._phase(columns, service, station, phase))
                        floors.append(phase.floor_s)
        self._paths = [self._path_table(service) for service in self.lowered.services]
        return (
            np.array(rows, np.int64),
            np.array(floors),
            np.concatenate(self._numbers),
            np.concatenate(self._statics),
        )

    def _phase(
        self, columns: dict[Any, int], service: low.Service, station: low.Station, phase: low.Phase
    ) -> list[int]:
        steps = self._add_table(phase.steps_s) if station.exit_mode == "compact" else -1
        elapsed = self._add_table(phase.elapsed_s) if station.exit_mode == "answer_early" else -1
        return [
            phase.portion,
            phase.batch,
            int(phase.last_layer == service.layers),
            phase.last_layer,
            self._add_table(phase.time_s),
            self._add_table(phase.transfer_s),
            steps,
            elapsed,
            len(phase.step_ramp),
            self._add_static(phase.step_ramp),
            columns.get(("jitter", phase.ordinal), -1),
            phase.ordinal,
        ]

    def _path_table(self, service: low.Service) -> tuple[int, int]:
        """Where the paths of a service begin, and how long each is: its stations (numbers overall), then -1."""
        first = sum(len(other.stations) for other in self.lowered.services[: self.lowered.services.index(service)])
        places = 1 + max(len(deployment.stations) for deployment in service.deployments)
        table = np.full((len(service.deployments), places), -1)
        for row, deployment in zip(table, service.deployments):
            row[: len(deployment.stations)] = first + np.array(deployment.stations)
        return self._add_static(table), places

    def fill(self, arrays: Arrays) -> None:
        """Write what never changes into the rows of services, stations, lines and replicas."""
        group = start = client = row = 0
        for number, service in enumerate(self.lowered.services):
            leaves, rows, fires, right = self._services[number]
            paths, places = self._paths[number]
            v = arrays.services[number]
            v[c.V_WINDOWED], v[c.V_CLOSED] = len(service.deployments) > 1, isinstance(service.workload, Closed)
            v[c.V_ENTRY], v[c.V_DEPLOYMENTS] = row + service.deployments[0].stations[0], len(service.deployments)
            v[c.V_PATHS], v[c.V_PLACES], v[c.V_LEAVES], v[c.V_ROWS] = paths, places, leaves, rows
            v[c.V_FIRES], v[c.V_LAYERS], v[c.V_GROUP], v[c.V_RIGHT] = fires, service.layers, group, right
            v[c.V_STARTS], v[c.V_CLIENT], v[c.V_STATION] = start, client, row
            if isinstance(service.workload, Closed):
                arrays.clients[client : client + service.workload.clients, c.C_SERVICE] = number
                client += service.workload.clients
            for index in range(len(service.stations)):
                self._fill_station(arrays, number, row + index, service.stations[index])
            row += len(service.stations)
            group += len(service.info.classes)
            start += len(service.deployments)

    def _fill_station(self, arrays: Arrays, service: int, row: int, station: low.Station) -> None:
        line, lines, replica, most, queue, bands, _, phase, word = self.rows[row]
        ordinal = station.kinds[0].phases[0].ordinal
        columns = self.columns[service]
        s = arrays.stations[row]
        s[c.S_SERVICE], s[c.S_SHARED] = service, station.routing == "shared"
        s[c.S_ROUTING], s[c.S_MODE] = ROUTINGS[station.routing], MODES[station.exit_mode]
        s[c.S_FIRST] = columns.get(("routing", ordinal), -1)
        s[c.S_SECOND] = columns.get(("second-choice", ordinal), -1)
        s[c.S_SERIAL], s[c.S_DROPS] = station.serial, DROPS[self.lowered.services[service].drop]
        s[c.S_WINDOWED] = len(self.lowered.services[service].deployments) > 1
        s[c.S_SUCCESSOR], s[c.S_LINE], s[c.S_LINES], s[c.S_REPLICA] = -1, line, lines, replica
        s[c.S_KINDS], s[c.S_PLACES], s[c.S_PHASE] = len(station.kinds), len(station.kinds[0].phases), phase
        s[c.S_BITS], s[c.S_SET], s[c.S_OPEN] = word, words_of(max(most, 1)), line
        s[c.S_CAPACITY], s[c.S_LAYER] = -1, station.kinds[0].phases[0].first_layer
        own = arrays.lines[line : line + lines]
        own[:, c.L_STATION], own[:, c.L_NUMBER], own[:, c.L_BANDS] = row, np.arange(lines), bands
        own[:, c.L_QUEUE] = queue + np.arange(lines) * bands


def most_replicas(service: low.Service, index: int) -> int:
    """Replicas of a station over all deployments, those that go counted with those that come."""
    had = np.zeros(len(service.stations[index].kinds), np.int64)
    total = 0
    for deployment in service.deployments:
        asked = np.zeros_like(had)
        if index in deployment.stations:
            given = deployment.replicas[deployment.stations.index(index)]
            asked[: len(given)] = given
        total += int(np.maximum(asked - had, 0).sum())
        had = asked
    return total
