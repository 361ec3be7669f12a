"""The requests of one service: what is known of each, when it was answered and how it ended."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from simulator.cluster.draws import Draws, Sampler, class_indices, uniform
from simulator.cluster.lowered import Floats, Service
from simulator.results.record import Outcome

if TYPE_CHECKING:
    from simulator.cluster.autoscaler import Autoscaler
    from simulator.cluster.closed import Clients
    from simulator.cluster.state import Station

NAN = float("nan")


class RequestTable:
    """Columns by request number; a closed load appends a row whenever a client sends."""

    def __init__(
        self,
        index: int,
        service: Service,
        seed: int,
        replication: int,
        until_s: float,
        folder: Path,
        arrival_s: Floats | None = None,
    ) -> None:
        self.index = index
        self.spec = service
        self.draws = Draws(service, seed, replication, until_s, folder, arrival_s)
        self.slo = [info.slo_s for info in service.info.classes]
        levels = sorted({info.priority for info in service.info.classes}, reverse=True)
        self.bands = len(levels)
        self.band_by_class = [levels.index(info.priority) for info in service.info.classes]
        self.exit_layers: list[list[int]] = [d.exit_layer.tolist() for d in service.deployments]
        self.starts = [d.from_s for d in service.deployments]
        self.windowed = len(self.starts) > 1
        self.tracked = self.windowed or any(service.stations[index].serial for index, _ in service.autoscaled)
        """Whether it is counted at which station each request is: some may have to go over to another."""
        self.prompt = self.draws.closed
        """Whether answers inside a batch have to be known at their instant, not only when the batch ends."""
        self.stations: list[Station] = []
        self.entries: list[Station] = []
        """First station by deployment."""
        self.paths: list[list[Station]] = []
        """All stations by deployment, in order."""
        self.jitter: dict[int, Callable[[int], float]] = {}
        """Service-time factor of a request by the portion's ordinal."""
        self.autoscalers: dict[tuple[int, int], Autoscaler] = {}
        """By station and kind."""
        self.clients: Clients | None = None
        self.attempts: dict[int, int] = {}
        """Times each request was taken back after a fault, where not 0."""
        self.ended: dict[int, Outcome] = {}
        """Requests that ended otherwise than answered."""
        self.position: dict[int, int] = {}
        self.current = 0
        """Deployment of the present window."""
        self.emptied: Callable[[Station], None] = lambda station: None
        """Told of a draining station that nothing inside can reach any more."""
        self._fill()

    def _fill(self) -> None:
        arrival, spec = self.draws.arrival_s, self.spec
        self.arrival: list[float] = arrival.tolist()
        n = len(self.arrival)
        self.finish = array("d", [NAN]) * n
        classes = (
            class_indices(spec.class_shares, self.draws.column("class", uniform))
            if len(self.slo) > 1
            else np.zeros(n, int)
        )
        self.classes: list[int] = classes.tolist()
        self.deadline: list[float] = (arrival + np.array(self.slo)[classes]).tolist()
        source = self.draws.exit_rows()
        rows = np.zeros(n, int)
        if source is not None:
            rows = source.draw(self.draws.column("exits", uniform), arrival, np.arange(n))
        self.rows: list[int] = rows.tolist()
        deployment = np.searchsorted(self.starts, arrival, side="right") - 1
        self.deployment: list[int] = deployment.tolist()
        leave = np.zeros(n, int)
        for number, layers in enumerate(self.exit_layers):
            mine = deployment == number
            leave[mine] = np.asarray(layers)[rows[mine]]
        self.leave: list[int] = leave.tolist()

    def numbers(self, purpose: str, sampler: Sampler, ordinal: int) -> Callable[[int], float]:
        """Number of each request for one purpose: by request (open load) or by client and ordinal (closed load)."""
        if self.draws.closed:
            value = self.draws.of_client(purpose, sampler, ordinal).value
            return lambda request: value(*self.sender(request))
        column: list[float] = self.draws.column(purpose, sampler, ordinal).tolist()
        return column.__getitem__

    def sender(self, request: int) -> tuple[int, int]:
        """(client, ordinal) of a request of a closed load."""
        assert self.clients is not None
        return self.clients.sent[request]

    def append(self, now: float, class_index: int, row: int) -> int:
        """A client sends: a new row, its number."""
        number = int(np.searchsorted(self.starts, now, side="right")) - 1
        self.arrival.append(now)
        self.finish.append(NAN)
        self.classes.append(class_index)
        self.deadline.append(now + self.slo[class_index])
        self.rows.append(row)
        self.deployment.append(number)
        self.leave.append(self.exit_layers[number][row])
        return len(self.arrival) - 1

    def band_of(self, request: int) -> int:
        """Priority band of a request, 0 is served first."""
        return self.band_by_class[self.classes[request]]

    def is_answered(self, request: int) -> bool:
        """Whether its answer has left (its slot may still be on its way)."""
        finish = self.finish[request]
        return finish == finish

    def answer_all(self, requests: list[int], instant: float) -> None:
        """Answers leave at ``instant`` [s]."""
        finish = self.finish
        for request in requests:
            finish[request] = instant
        if self.clients is not None:
            for request in requests:
                self.clients.answered(request, instant)

    def close(self, request: int, instant: float, outcome: Outcome) -> None:
        """A request ends without an answer."""
        self.finish[request] = instant
        self.ended[request] = outcome
        if self.clients is not None:
            self.clients.answered(request, instant)

    def move(self, request: int, deployment: int, layer: int) -> None:
        """A request goes over to another deployment, entering it at ``layer``: its exit is read again from its row."""
        spec = self.spec
        self.deployment[request] = deployment
        if spec.exits is None:
            return
        self.leave[request] = layer + int(
            np.argmax(spec.deployments[deployment].fires[self.rows[request], layer - 1 :])
        )

    def still_needed(self, requests: list[int]) -> list[int]:
        """Those of the requests that go on into their next queue."""
        return requests

    # -- where requests are, counted only in services with several deployments or with a twin --------------------

    def enter_path(self, request: int, position: int = 0) -> None:
        """A request may from now on be found at its station ``position`` and the later ones of its deployment."""
        self.position[request] = position
        for station in self.paths[self.deployment[request]][position:]:
            station.pending += 1

    def advance(self, request: int) -> Station:
        """A request leaves its station for the next one, which is returned."""
        path, position = self.paths[self.deployment[request]], self.position[request]
        self.position[request] = position + 1
        self._forget(path[position])
        return path[position + 1]

    def slot_ends(self, request: int) -> None:
        """The slot of a request is nowhere any more (outside the request path proper, which looks for itself)."""
        if self.tracked:
            self.leave_path(request)

    def leave_path(self, request: int) -> None:
        """A request's slot ends: it is nowhere any more."""
        path, position = self.paths[self.deployment[request]], self.position.pop(request)
        for station in path[position:]:
            self._forget(station)

    def _forget(self, station: Station) -> None:
        station.pending -= 1
        if station.draining and not station.pending:
            self.emptied(station)
