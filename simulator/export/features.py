"""What a deployment asks for beyond replicas, batches and waits, and what a target makes of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from simulator.export.case import Case
from simulator.scenario.deployment import Deployment
from simulator.scenario.exits import MixedExits, PatienceRule, ProfileExits, TableExits
from simulator.scenario.fill import ServicesFill
from simulator.scenario.service import OnFault, Service


class Feature(StrEnum):
    """Something that not every target can express; the value names it in messages."""

    ROUTER = "a router that chooses the exit before a request runs"
    TWIN = "a twin beside the network"
    STREAMED = "streamed weights"
    STREAMED_START = "a first batch that computes while its weights still come"
    SERIAL = "serial execution"
    COMPACT = "exits within a portion whose batch shrinks (compact)"
    ANSWER_EARLY = "early answers whose request keeps its slot (answer_early)"
    PATIENCE = "exits that count agreeing ramps (patience)"
    SHARES = "exits known only as shares, without a rule"
    KINDS = "a portion whose kinds of replica differ in batch, wait or precision"
    POOLS = "a portion on several pools"
    MIXED_PRECISION = "a precision of its own for some layers"
    SEVERAL_DEVICES = "replicas of several devices"
    CLASSES = "classes of requests with priorities"
    CAPACITY = "a bounded queue"
    DROP = "requests dropped from the queue when they are late"
    FAULTS = "retries of requests whose replica failed"
    AUTOSCALE = "an autoscaler"
    FILL = "a service in the idle windows of a training"
    OTHERS = "trainings and streams"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a target makes of a feature."""

    kind: Literal["kept", "noted", "lost", "refused"]
    """Expressed in the files; left to the user (noted); absent where it is deployed, and so in its figures (lost);
    or a reason to export nothing."""
    text: str = ""
    """What the reader of the files must know, or the remedy."""


KEPT = Verdict("kept")


@dataclass(frozen=True, slots=True)
class Found:
    """A feature that a case has."""

    feature: Feature
    place: str
    """Where: a service, or a section."""

    @property
    def said(self) -> str:
        """The feature and its place in words."""
        return f"{self.place}: {self.feature.value}"


def found_in(case: Case) -> tuple[Found, ...]:
    """All features of a case, each once per service."""
    found = [
        Found(feature, f"service {name}")
        for name, service in case.scenario.services.items()
        for feature in dict.fromkeys(_of_service(case, name, service))
    ]
    others = [name for name in ("trainings", "streams") if getattr(case.scenario, name)]
    if others:
        found.append(Found(Feature.OTHERS, " and ".join(others)))
    return tuple(found)


def _of_service(case: Case, name: str, service: Service) -> Iterator[Feature]:
    for window in case.windows:
        yield from _of_deployment(window.services[name], case, service)
    pools = {part.pool for window in case.windows for part in window.parts[name]}
    has: Mapping[Feature, bool] = {
        Feature.TWIN: service.twin is not None,
        Feature.CLASSES: service.classes is not None and len({kind.priority for kind in service.classes}) > 1,
        Feature.CAPACITY: service.queue.capacity is not None,
        Feature.DROP: service.queue.drop != "never",
        Feature.FAULTS: service.on_fault != OnFault()
        or any(case.scenario.cluster.pools[pool].faults is not None for pool in pools),
        Feature.SEVERAL_DEVICES: any(case.scenario.cluster.pools[pool].devices_per_replica > 1 for pool in pools),
        Feature.FILL: name in _fillers(case),
    }
    yield from (feature for feature, holds in has.items() if holds)


def _of_deployment(deployment: Deployment, case: Case, service: Service) -> Iterator[Feature]:
    portions = deployment.portions
    has: Mapping[Feature, bool] = {
        Feature.SERIAL: deployment.execution == "serial",
        Feature.COMPACT: deployment.exit_mode == "compact",
        Feature.ANSWER_EARLY: deployment.exit_mode == "answer_early",
        Feature.STREAMED: any(portion.weights == "streamed" for portion in portions),
        Feature.STREAMED_START: any(portion.start_up == "streamed" for portion in portions),
        Feature.KINDS: len({(p.layers, p.batch, p.max_wait, str(p.precision), p.weights, p.prefetch) for p in portions})
        > len(deployment.cuts),
        Feature.POOLS: len({(p.layers, p.pool) for p in portions}) > len(deployment.cuts),
        Feature.MIXED_PRECISION: any(not isinstance(portion.precision, str) for portion in portions),
        Feature.AUTOSCALE: deployment.autoscale is not None
        or any(portion.autoscale is not None for portion in portions),
    }
    yield from (feature for feature, holds in has.items() if holds)
    exits = case.scenario.models[service.model].exits
    if exits is None or deployment.exit_mode == "none":
        return
    if isinstance(exits, ProfileExits):
        yield Feature.SHARES
    if isinstance(exits, TableExits | MixedExits):
        if isinstance(deployment.rule or exits.rule, PatienceRule):
            yield Feature.PATIENCE
        if exits.router is not None:
            yield Feature.ROUTER


def _fillers(case: Case) -> set[str]:
    """Services that live in the idle windows of a training."""
    fills = [training.fill for training in case.scenario.trainings.values()]
    return {name for fill in fills if isinstance(fill, ServicesFill) for name in fill.services}
