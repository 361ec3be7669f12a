"""The scenario: everything that one file says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, PrivateAttr

from simulator.errors import InternalError
from simulator.scenario.base import Rule, Strict
from simulator.scenario.cluster import Cluster
from simulator.scenario.model import Model
from simulator.scenario.planning import Planner
from simulator.scenario.planning_checks import planner_rules
from simulator.scenario.quantities import Name, Text
from simulator.scenario.run import Run
from simulator.scenario.service import Service
from simulator.scenario.stream import Stream
from simulator.scenario.training import Training

if TYPE_CHECKING:
    from simulator.scenario.source import Source


class Scenario(Strict):
    """A scenario: hardware, models, the services on them, and the run that is simulated."""

    version: Literal[1]
    """Version of this format: 1."""
    name: Text
    """Name of the scenario, shown in results."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Seed of every random number: equal seeds give equal results."""
    run: Run
    """How long is simulated, and how often."""
    cluster: Cluster
    """The hardware."""
    models: dict[Name, Model] = Field(default_factory=dict)
    """Models by name."""
    services: dict[Name, Service] = Field(default_factory=dict)
    """Services by name."""
    trainings: dict[Name, Training] = Field(default_factory=dict)
    """Pipelined trainings by name."""
    streams: dict[Name, Stream] = Field(default_factory=dict)
    """Streamed models by name."""
    planner: Planner | None = None
    """What the planner searches."""
    variants: dict[Name, dict[str, Any]] = Field(default_factory=dict, max_length=100)
    """Named sets of changes: {double: {services.chat.workload.rate: 200/s}}."""

    _source: Any = PrivateAttr(default=None)

    @property
    def source(self) -> Source:
        """Where the scenario comes from; places later problems in the file."""
        if self._source is None:
            raise InternalError("this scenario was built in Python, it has no source")
        source: Source = self._source
        return source

    @property
    def undeployed(self) -> tuple[str, ...]:
        """Services of which nothing says what is deployed: they wait for a plan."""
        return tuple(name for name, service in self.services.items() if not service.timeline)

    def rules(self) -> Iterator[Rule]:
        """There is something to simulate."""
        if not (self.services or self.trainings or self.streams):
            yield (), "nothing to simulate: add `services` (or `trainings`, `streams`)"
        yield from planner_rules(self)
