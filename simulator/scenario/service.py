"""Section ``services``: objective, load, classes, queue, faults, jitter, and what is deployed when."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from simulator.scenario.base import Rule, Strict, by_shape
from simulator.scenario.deployment import Deployment, TimedDeployment
from simulator.scenario.quantities import Name, PositiveDuration, PositiveShare, Whole
from simulator.scenario.twin import Twin
from simulator.scenario.workload import Closed, Workload, spread_rules


class Slo(Strict):
    """Latency objective."""

    latency: PositiveDuration
    """Longest latency that meets the objective [s], such as 100ms."""
    attainment: PositiveShare | None = None
    """Share of the requests that must meet it, such as 99%; left out: it is measured, not demanded."""


class RequestClass(Strict):
    """A kind of request with its own share, priority and objective."""

    name: Name
    """Name of the class."""
    share: PositiveShare
    """Share of the service's requests; the classes sum to 1."""
    priority: Annotated[int, Field(ge=-1000, le=1000)] = 0
    """Higher goes first; a batch in service is never interrupted."""
    slo: Slo | None = None
    """Objective of this class; left out: the service's."""


class Queue(Strict):
    """Who may wait."""

    capacity: Whole | None = None
    """Requests that may wait for the first portion; left out: any number. 0: served at once or rejected."""
    drop: Literal["never", "expired", "hopeless"] = "never"
    """Which waiting requests are dropped: none, past their deadline, or unable to meet it any more."""


class OnFault(Strict):
    """What happens to the requests of an aborted batch."""

    retries: Annotated[int, Field(ge=0, le=1000)] = 3
    """How often a request is put back into the queue before it counts as failed."""


class Jitter(Strict):
    """Random factor of mean 1 on service times."""

    distribution: Literal["deterministic", "exponential", "lognormal"] = "deterministic"
    """Distribution of the factor."""
    cv: Annotated[float, Field(gt=0, le=100)] | None = None
    """Coefficient of variation; needed by lognormal, only there."""

    def rules(self) -> Iterator[Rule]:
        """Lognormal factors need their spread; the others have none to choose."""
        yield from spread_rules(self.distribution, self.cv)


class Service(Strict):
    """One model served to one load."""

    model: Name
    """Name of the served model, in `models`."""
    slo: Slo | None = None
    """Latency objective."""
    workload: Workload
    """How requests arrive."""
    classes: Annotated[tuple[RequestClass, ...], Field(strict=False, min_length=1, max_length=100)] | None = None
    """Kinds of request; left out: one."""
    queue: Queue = Queue()
    """Who may wait."""
    on_fault: Annotated[OnFault | Literal["drop"], by_shape("drop, or {retries: 3}")] = OnFault()
    """Fate of the requests in a batch that a fault aborts: `{retries: 3}` or `drop`."""
    jitter: Jitter = Jitter()
    """Random factor on service times."""
    deployment: Deployment | None = None
    """What is deployed, for the whole run; left out where a plan says it, which `plan optimize` finds."""
    deployments: Annotated[tuple[TimedDeployment, ...], Field(strict=False, min_length=1, max_length=10_000)] | None = (
        None
    )
    """What is deployed when: a list of deployments, each with its start `from`."""
    twin: Twin | None = None
    """A small network that gets every request too; the first sure answer leaves."""

    @property
    def timeline(self) -> tuple[tuple[float, Deployment], ...]:
        """Start [s] and deployment of every window, in order; the same for both ways of writing it."""
        if self.deployments is not None:
            return tuple((window.from_, window) for window in self.deployments)
        return () if self.deployment is None else ((0.0, self.deployment),)

    def rules(self) -> Iterator[Rule]:
        """Classes sum to 1; deadlines exist where they are used; deployments ascend from 0."""
        yield from self._class_rules()
        if self.queue.drop != "never" and not self._all_have_slo():
            yield (
                ("queue", "drop"),
                f"`{self.queue.drop}` needs a deadline: give the service (or every class) an `slo`",
            )
        if self.deployment is not None and self.deployments is not None:
            yield ("deployments",), "must say either `deployment` or `deployments`, not both"
        yield from self._window_rules()
        if self.twin is not None:
            yield from self._twin_rules()

    def _twin_rules(self) -> Iterator[Rule]:
        """What a twin does not go with in this version."""
        if self.deployments is not None:
            yield ("deployments",), "goes not with `twin`: a service with a twin has one `deployment` for the whole run"
        if isinstance(self.workload, Closed):
            yield ("workload",), "must be an open load: a twin is not simulated in a closed one"

    def _all_have_slo(self) -> bool:
        return self.slo is not None or bool(self.classes and all(kind.slo is not None for kind in self.classes))

    def _class_rules(self) -> Iterator[Rule]:
        seen: set[str] = set()
        for index, kind in enumerate(self.classes or ()):
            if kind.name in seen:
                yield ("classes", index, "name"), f"two classes are called {kind.name!r}"
            seen.add(kind.name)
        total = math.fsum(kind.share for kind in self.classes or ())
        if self.classes and abs(total - 1) > 1e-9:
            yield ("classes",), f"shares must sum to 1 (100%), they sum to {total:g}"

    def _window_rules(self) -> Iterator[Rule]:
        last = -1.0
        for index, window in enumerate(self.deployments or ()):
            if index == 0 and window.from_ != 0:
                yield ("deployments", 0, "from"), "the first deployment must start at 0s"
            elif window.from_ <= last:
                yield (
                    ("deployments", index, "from"),
                    f"must be later than the deployment before it ({last:g}s)",
                )
            last = window.from_
