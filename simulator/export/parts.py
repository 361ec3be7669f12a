"""The portions of a deployment as a target sees them: what a replica runs, on what, and how many there are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from simulator.scenario import Scenario
from simulator.scenario.deployment import Deployment, Portion
from simulator.scenario.exits import ConfidenceRule, EntropyRule, MixedExits, PatienceRule, TableExits
from simulator.scenario.model import Model


class Setting(NamedTuple):
    """What must survive a round trip through the files of a target."""

    service: str
    layers: str
    pool: str
    replicas: int
    batch: int
    max_wait_s: float
    devices: int
    """Devices of one replica."""


@dataclass(frozen=True, slots=True)
class ExitTest:
    """When a request leaves after a portion: ``measure`` says what the ramp reports, ``threshold`` the border."""

    measure: str
    """``confidence`` (leaves at the threshold or above), ``entropy`` (below), or ``unknown``: only shares are known."""
    threshold: float | None


@dataclass(frozen=True, slots=True)
class Part:
    """One kind of replica of one portion."""

    service: str
    cut: int
    """Number of the portion, from 0."""
    layers: str
    pool: str
    replicas: int
    batch: int
    max_wait_s: float
    precision: str | tuple[tuple[str, str], ...]
    """One precision, or pairs of layers and precision."""
    weights: str
    prefetch: int | None
    devices: int
    """Devices of one replica."""
    last: bool
    """Whether requests end here."""
    exit: ExitTest | None
    """When requests leave after this portion; None where all go on."""

    @property
    def setting(self) -> Setting:
        """What is read back from the files."""
        return Setting(self.service, self.layers, self.pool, self.replicas, self.batch, self.max_wait_s, self.devices)

    @property
    def precision_text(self) -> str:
        """The precision as one text: ``fp16``, or ``block=int8,head=fp16``."""
        given = self.precision
        return given if isinstance(given, str) else ",".join(f"{layers}={what}" for layers, what in given)


def parts_of(scenario: Scenario, service: str, deployment: Deployment) -> tuple[Part, ...]:
    """The parts of one service's deployment, in order; entries that differ in nothing are one part."""
    model = scenario.models[scenario.services[service].model]
    cuts = deployment.cuts
    found: dict[Part, int] = {}
    for portion in deployment.portions:
        last = portion.layers == cuts[-1]
        part = Part(
            service=service,
            cut=cuts.index(portion.layers),
            layers=str(portion.layers),
            pool=portion.pool,
            replicas=0,
            batch=portion.batch,
            max_wait_s=portion.max_wait,
            precision=_precision(portion),
            weights=portion.weights,
            prefetch=portion.prefetch,
            devices=scenario.cluster.pools[portion.pool].devices_per_replica,
            last=last,
            exit=None if last or deployment.exit_mode == "none" else exit_test(model, portion.layers.last),
        )
        replicas = deployment.replicas if deployment.execution == "serial" else portion.replicas
        found[part] = found.get(part, 0) + (replicas or 0)
    return tuple(replace(part, replicas=replicas) for part, replicas in found.items())


def _precision(portion: Portion) -> str | tuple[tuple[str, str], ...]:
    given = portion.precision
    return given if isinstance(given, str) else tuple(given.items())


def exit_test(model: Model, layer: int) -> ExitTest | None:
    """The test of the ramp after ``layer`` (from 1); None where the model has no ramp there, or no exits at all."""
    layers = list(_ramp_layers(model, layer))
    if model.exits is None or layer not in layers:
        return None
    if not isinstance(model.exits, TableExits | MixedExits) or isinstance(model.exits.rule, PatienceRule):
        return ExitTest("unknown", None)
    rule = model.exits.rule
    assert isinstance(rule, ConfidenceRule | EntropyRule)
    measure, given = ("confidence", rule.confidence) if isinstance(rule, ConfidenceRule) else ("entropy", rule.entropy)
    return ExitTest(measure, float(given[layers.index(layer)] if isinstance(given, tuple) else given))


def _ramp_layers(model: Model, layer: int) -> Iterator[int]:
    """Layers with an off-ramp, up to ``layer`` where all have one."""
    if model.exits is not None and isinstance(model.exits, TableExits | MixedExits) and model.exits.after:
        yield from model.exits.after
    elif model.ramps is not None:
        yield from range(1, layer + 1) if model.ramps.after == "all" else model.ramps.after
