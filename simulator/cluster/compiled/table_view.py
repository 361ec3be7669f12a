"""The requests of one service in the compiled engine as the control code sees them; as ``requests.RequestTable``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from simulator.cluster import lowered
from simulator.cluster.compiled import columns as c
from simulator.cluster.compiled import entry

if TYPE_CHECKING:
    from simulator.cluster.compiled.engine import CompiledEngine
    from simulator.cluster.compiled.station_views import CompiledStation


class Attempts:
    """Times each request was taken back, by slot."""

    def __init__(self, engine: CompiledEngine) -> None:
        self._engine = engine

    def get(self, request: int, default: int) -> int:
        """Times a request was taken back."""
        return int(self._engine.arrays.requests[request, c.R_ATTEMPTS]) - 1

    def __setitem__(self, request: int, times: int) -> None:
        self._engine.arrays.requests[request, c.R_ATTEMPTS] = times + 1


class CompiledTable:
    """One service. Requests are named by their slots."""

    def __init__(self, engine: CompiledEngine, index: int, spec: lowered.Service) -> None:
        self._engine = engine
        self.index, self.spec = index, spec
        self.windowed = len(spec.deployments) > 1
        self.stations: list[CompiledStation] = []
        self.entries: list[CompiledStation] = []
        self.paths: list[list[CompiledStation]] = []
        self.attempts = Attempts(engine)
        self.emptied: Callable[[CompiledStation], None] = lambda station: None

    @property
    def current(self) -> int:
        """Deployment of the present window."""
        return int(self._engine.arrays.services[self.index, c.V_CURRENT])

    @current.setter
    def current(self, number: int) -> None:
        self._engine.arrays.services[self.index, c.V_CURRENT] = number

    @property
    def arrival(self) -> Any:
        """Arrival instants by slot [s]."""
        return self._engine.arrays.times[:, c.F_ARRIVAL]

    def is_answered(self, request: int) -> bool:
        """Whether its answer has left."""
        return not np.isnan(self._engine.arrays.times[request, c.F_FINISH])

    def answer(self, request: int, instant: float) -> None:
        """An answer left at ``instant`` [s]."""
        arrays = self._engine.arrays
        arrays.times[request, c.F_FINISH] = instant
        if arrays.services[self.index, c.V_CLOSED]:
            self._engine.act(entry.PLAN, int(arrays.requests[request, c.R_CLIENT]), 0, instant)

    def move(self, request: int, deployment: int, layer: int) -> None:
        """A request goes over to another deployment, entering it at ``layer``: its exit is read again from its row."""
        row = self._engine.arrays.requests[request]
        row[c.R_DEPLOYMENT] = deployment
        if self.spec.exits is not None:
            fires = self.spec.deployments[deployment].fires[row[c.R_ROW], layer - 1 :]
            row[c.R_LEAVE] = layer + int(np.argmax(fires))

    def enter_path(self, request: int, position: int = 0) -> None:
        """A request may from now on be found at its station ``position`` and the later ones of its deployment."""
        row = self._engine.arrays.requests[request]
        row[c.R_POSITION] = position
        for station in self.paths[row[c.R_DEPLOYMENT]][position:]:
            station.pending += 1

    def leave_path(self, request: int) -> None:
        """A request is nowhere in its deployment any more."""
        row = self._engine.arrays.requests[request]
        for station in self.paths[row[c.R_DEPLOYMENT]][row[c.R_POSITION] :]:
            station.pending -= 1
            if station.draining and not station.pending:
                self.emptied(station)

    def slot_ends(self, request: int) -> None:
        """A request is gone for good."""
        if self.windowed:
            self.leave_path(request)
        self._engine.act(entry.FREE, request)
