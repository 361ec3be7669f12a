"""The parameter server on a simulated clock: its links, the streams that run at it, and its failures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from simulator.cluster.clock import Ticking
from simulator.cluster.streaming.executor import Executor, Links
from simulator.cluster.streaming.faults import Breakdowns, Outage
from simulator.cluster.streaming.figures import actions_of, figures_of
from simulator.cluster.streaming.setup import StreamSetup
from simulator.cluster.streaming.sharing import FairLink
from simulator.results.jobs import DeviceUse
from simulator.results.stream import StreamRun


class AtServer:
    """Everything that uses the server: ``links`` are all there are, ``to_all`` and ``from_all`` those that are shared.

    Streams begin at instant 0. ``others`` says whether anybody else still uses the server when all streams have ended.
    """

    def __init__(
        self,
        clock: Ticking,
        setups: Mapping[str, StreamSetup],
        outages: Iterator[Outage] | None = None,
        others: Callable[[], bool] = lambda: False,
    ) -> None:
        self.clock, self.setups = clock, setups
        self.links: list[FairLink] = []
        self.executors: dict[str, Executor] = {}
        self._breakdowns: Breakdowns | None = None
        self.to_all, self.from_all = self.new_link(), self.new_link()
        for index, (name, setup) in enumerate(setups.items()):
            self.executors[name] = self._executor(index, setup)
        for executor in self.executors.values():
            executor.begin()
        if outages is not None:
            over = lambda: self.done and not others()  # noqa: E731 # one expression
            self._breakdowns = Breakdowns(clock, self.links, outages, over)

    @property
    def done(self) -> bool:
        """Whether all streams have ended."""
        return all(executor.done for executor in self.executors.values())

    def new_link(self) -> FairLink:
        """One more link of the server, down where the others are."""
        link = FairLink(self.clock, len(self.links))
        link.up = not self.links or self.links[0].up
        self.links.append(link)
        return link

    def runs(self) -> dict[str, StreamRun]:
        """What every stream did; all have ended."""
        return {name: self._run(setup) for name, setup in self.setups.items()}

    def _executor(self, index: int, setup: StreamSetup) -> Executor:
        far, shared = self.new_link(), setup.is_shared
        links = [
            Links(
                far,
                self.to_all if shared else self.new_link(),
                self.from_all if shared else self.new_link(),
                self.new_link(),
            )
            for _ in range(setup.written.devices)
        ]
        together = setup.streamed.training
        return Executor(self.clock, setup.work, links, setup.written.steps, together=together, index=index)

    def _run(self, setup: StreamSetup) -> StreamRun:
        executor = self.executors[setup.name]
        end = max(end for _, end in executor.step_s)
        happened = self._breakdowns.happened if self._breakdowns is not None else []
        outages = [outage for outage in happened if outage[0] < end]
        figures = figures_of(setup, executor, outages)
        devices = setup.written.devices * setup.pool.pool.devices_per_replica
        use = DeviceUse(setup.pool.name, devices, figures["utilization"])
        return StreamRun(setup.name, figures, actions_of(setup, executor), (use,), setup.warnings, tuple(outages))
