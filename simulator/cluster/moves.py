"""Waiting requests change queues: their replica went away, or their portion did."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.cluster.fifo import picked
from simulator.cluster.state import Line, Station

if TYPE_CHECKING:
    from simulator.cluster.engine import Engine


def move_waiting(engine: Engine, line: Line) -> None:
    """The only replica of a line went away: who waits there is routed anew and keeps its due."""
    station = line.station
    if not line.fifo or line in station.open_lines:
        return
    waiting = line.fifo.take(len(line.fifo))
    for i, request in enumerate(waiting[0]):
        other = station.route(request)
        other.fifo.put_last(picked(waiting, [i]))
        engine.touch(other)


def redirect(engine: Engine, station: Station, requests: list[int], since: list[float]) -> None:
    """Requests go over to the deployment in force: to its portion with the same first layer, else to its first.

    They enter it now, with a new due; ``since`` says from when on each has been waiting [s]. Where the answer has left
    already the slot ends here.
    """
    table = station.service
    path = table.paths[table.current]
    layer = station.phases[0][0].spec.first_layer
    position = next((i for i, s in enumerate(path) if s.phases[0][0].spec.first_layer == layer), 0)
    target = path[position]
    for request, waiting_since in zip(requests, since):
        if table.is_answered(request):
            table.slot_ends(request)
            continue
        table.leave_path(request)
        table.move(request, table.current, target.phases[0][0].spec.first_layer)
        table.enter_path(request, position)
        line = target.route(request)
        line.fifo.move_in(request, engine.clock.now, waiting_since)
        engine.touch(line)
