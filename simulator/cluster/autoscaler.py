"""Autoscalers: every period a control event measures the replicas of one kind, and adds or removes some.

Adding and removing is that of the windows: who joins loads first, who leaves finishes its batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.cluster.hpa import History, Reading, recommended
from simulator.cluster.lowered import Scaling
from simulator.cluster.state import Replica, State, Station
from simulator.cluster.windows import remove, staying

if TYPE_CHECKING:
    from simulator.cluster.engine import Engine
    from simulator.cluster.requests import RequestTable

CONTROL_ORDER = 4
"""Autoscalers look after the other control events of an instant: faults (0), windows (1), processes (2, 3)."""


def start_autoscalers(engine: Engine, table: RequestTable) -> None:
    """Make the autoscalers of one service, over all windows; those of its first deployment begin."""
    for index, kind in sorted(table.spec.autoscaled):
        table.autoscalers[index, kind] = Autoscaler(engine, table.stations[index], kind)
    first = table.spec.deployments[0]
    for index, scaled in zip(first.stations, first.scaling):
        for kind, scaling in enumerate(scaled):
            if scaling is not None:
                table.autoscalers[index, kind].hold(scaling, scaling.least, scaling.most)


class Autoscaler:
    """Holds the number of replicas of one kind within the limits of the window, and follows the load within them.

    In a window where the number stands the limits are one number, and there is no rule.
    """

    def __init__(self, engine: Engine, station: Station, kind: int) -> None:
        self.engine = engine
        self.station = station
        self.kind = kind
        self._scaling: Scaling | None = None
        self._least = self._most = 0
        self._ahead: dict[int, int] = {}
        """Replicas that later windows, which load theirs already, need at least; by number of the window."""
        self._meter = Meter(engine, station, kind)
        self._history = History(0.0, 0)
        self._start, self._looks = 0.0, 0

    @property
    def replicas(self) -> int:
        """Replicas that are asked for: there to stay, or waiting for devices."""
        return len(staying(self.station, self.kind)) + self.engine.pools.wished(self.station, self.kind)

    # -- windows ---------------------------------------------------------------------------------------------------

    def load_ahead(self, window: int, least: int, ready: float) -> None:
        """A window needs so many replicas at least, to serve from ``ready`` on [s]: those that lack load now."""
        self._ahead[window] = least
        pools = self.engine.pools
        for _ in range(least - self.replicas):
            if pools.fits(self.station, self.kind):
                pools.hold(self.station, self.kind, self.engine.clock.now, ready)
            else:
                pools.want(self.station, self.kind)

    def enter(self, window: int, scaling: Scaling | None, replicas: int) -> None:
        """A window begins, with these limits; without an autoscaler its number of replicas is ``replicas``."""
        self._ahead.pop(window, None)
        self.hold(scaling, *((replicas, replicas) if scaling is None else (scaling.least, scaling.most)))
        least, most = self._limits()
        self._reach(min(max(self.replicas, least), most))

    def leave(self) -> None:
        """The portion is drained: what is here stays until it is released, nobody joins any more."""
        self._scaling = None
        self.engine.pools.unwant(self.station, self.kind, self.engine.pools.wished(self.station, self.kind))

    def hold(self, scaling: Scaling | None, least: int, most: int) -> None:
        """Limits from now on. The rule goes on where it was one before, with what it remembers."""
        before, self._scaling = self._scaling, scaling
        self._least, self._most = least, most
        if scaling is not None and (before is None or before.rule.period != scaling.rule.period):
            self._start, self._looks = self.engine.clock.now, 0
            self._history = History(self._start, self.replicas)
            self._meter.begin(self._start)
            self._plan(scaling.rule.period)

    def _limits(self) -> tuple[int, int]:
        least = max([self._least, *self._ahead.values()])
        return least, max(self._most, least)

    # -- the rule --------------------------------------------------------------------------------------------------

    def _plan(self, period_s: float) -> None:
        self._looks += 1
        key = (CONTROL_ORDER, self.station.service.index, self.station.index, self.kind)
        begun = self._start, self._looks
        self.engine.clock.control_at(self._start + self._looks * period_s, key, self._look, begun)

    def _look(self, begun: tuple[float, int]) -> None:
        scaling = self._scaling
        if scaling is None or begun != (self._start, self._looks):
            return  # of a window that has ended
        now = self.engine.clock.now
        seen = self._meter.read(now, self.replicas)
        asked = self._asked(scaling, seen, now)
        if asked != seen.replicas:
            self._history.note(scaling.rule, now, asked - seen.replicas)
            self._reach(asked)
        self._plan(scaling.rule.period)

    def _asked(self, scaling: Scaling, seen: Reading, now: float) -> int:
        least, most = self._limits()
        if not least <= seen.replicas <= most:
            return min(max(seen.replicas, least), most)
        wanted = recommended(scaling.rule, seen)
        if wanted is None:
            return seen.replicas
        wanted = self._history.stable(scaling.rule, now, seen.replicas, wanted)
        return min(max(self._history.paced(scaling.rule, now, seen.replicas, wanted), least), most)

    def _reach(self, count: int) -> None:
        change = count - self.replicas
        for _ in range(change):
            self.engine.pools.want(self.station, self.kind)
        if change < 0:
            remove(self.engine, self.station, self.kind, -change)


class Meter:
    """Busy and ready time of the replicas of one kind since the last look, from the batches that were recorded.

    A replica counts as ready once it has been there for a whole time between two looks: until then nothing that
    Kubernetes would take for a sample has been measured of it.
    """

    def __init__(self, engine: Engine, station: Station, kind: int) -> None:
        self.engine = engine
        self.station = station
        self.kind = kind
        self.begin(0.0)

    def begin(self, now: float) -> None:
        """Measure from now on."""
        self._since = now
        self._rows = [r.batch.row for r in staying(self.station, self.kind) if r.batch is not None]
        """Batches that were under way at the last look."""
        self._next = len(self.engine.recorder.phases)
        self._lost = {r.number: _lost(r, now) for r in self.station.replicas}

    def read(self, now: float, replicas: int) -> Reading:
        """What happened since the last look; from now on the next one counts."""
        present = staying(self.station, self.kind)
        ready = [r for r in present if r.state in (State.IDLE, State.BUSY) and r.ready <= self._since]
        busy_s = self._busy({r.ident: r for r in ready}, now)
        ready_s = sum(self._ready(replica, now) for replica in ready)
        down = sum(r.state is State.DOWN for r in present)
        waiting = self.station.waiting() + sum(len(buffer) for r in self.station.replicas for buffer in r.buffers)
        self.begin(now)
        return Reading(replicas, len(ready), replicas - len(ready) - down, busy_s, ready_s, waiting)

    def _ready(self, replica: Replica, now: float) -> float:
        return now - self._since - (_lost(replica, now) - self._lost.get(replica.number, 0.0))

    def _busy(self, ready: dict[int, Replica], now: float) -> float:
        """Busy is from the start of a batch until the replica is idle again, sending included."""
        recorder, total = self.engine.recorder, 0.0
        phases, floats = recorder.phases, recorder.floats
        for row in [*self._rows, *range(self._next, len(phases))]:
            replica = ready.get(phases[row][1])
            if replica is not None:
                under_way = replica.batch is not None and replica.batch.row == row
                total += (now if under_way else floats[5 * row + 3]) - max(floats[5 * row], self._since)
        return total


def _lost(replica: Replica, now: float) -> float:
    """How long a replica has been under repair so far [s]."""
    return replica.lost + (now - replica.failed if replica.state is State.DOWN else 0.0)
