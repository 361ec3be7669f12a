"""The portions of a deployment as a target sees them: what a replica runs, on what, and how many there are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from simulator.scenario import Scenario
from simulator.scenario.deployment import Deployment, Portion
from simulator.scenario.exits import ConfidenceRule, ExitRule, MixedExits, PatienceRule, TableExits
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
    ramps: tuple[int, ...] | None
    """Layers of the portion whose ramps run; None where the deployment runs none but those at the cuts."""
    rule: ExitRule | None
    """What its ramps ask; None where it runs none, or where only shares are known."""

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
            **_exits(model, deployment, portion, last),
        )
        replicas = deployment.replicas if deployment.execution == "serial" else portion.replicas
        found[part] = found.get(part, 0) + (replicas or 0)
    return tuple(replace(part, replicas=replicas) for part, replicas in found.items())


def _precision(portion: Portion) -> str | tuple[tuple[str, str], ...]:
    given = portion.precision
    return given if isinstance(given, str) else tuple(given.items())


def _exits(model: Model, deployment: Deployment, portion: Portion, last: bool) -> dict[str, Any]:
    """What a deployment says of the ramps of a portion: fields of its part."""
    within = deployment.exit_mode in ("compact", "answer_early")
    first, end = portion.layers.first, portion.layers.last
    running = [layer for layer in _ramp_layers(model, end) if first <= layer <= end]
    if deployment.ramps is not None:
        running = [layer for layer in running if layer in deployment.ramps]
    leaves = not last and deployment.exit_mode != "none" and end in running
    found = exit_test(model, end, rule_of(model, deployment)) if leaves else None
    runs = found is not None or (within and running)
    return {
        "exit": found,
        "ramps": tuple(running) if within else None,
        "rule": rule_of(model, deployment) if runs else None,
    }


def rule_of(model: Model, deployment: Deployment) -> ExitRule | None:
    """The rule by which requests leave: the deployment's own, else that of the model's exits."""
    written = model.exits.rule if isinstance(model.exits, TableExits | MixedExits) else None
    return deployment.rule if deployment.rule is not None else written


def exit_test(model: Model, layer: int, rule: ExitRule | None) -> ExitTest | None:
    """What a rule asks of the ramp after ``layer`` (from 1); None where the model has no ramp there, or no exits."""
    layers = list(_ramp_layers(model, layer))
    if model.exits is None or layer not in layers:
        return None
    if rule is None or isinstance(rule, PatienceRule):
        return ExitTest("unknown", None)
    measure, given = ("confidence", rule.confidence) if isinstance(rule, ConfidenceRule) else ("entropy", rule.entropy)
    return ExitTest(measure, float(given[layers.index(layer)] if isinstance(given, tuple) else given))


def _ramp_layers(model: Model, layer: int) -> Iterator[int]:
    """Layers with an off-ramp, up to ``layer`` where all have one."""
    if model.exits is not None and isinstance(model.exits, TableExits | MixedExits) and model.exits.after:
        yield from model.exits.after
    elif model.ramps is not None:
        yield from range(1, layer + 1) if model.ramps.after == "all" else model.ramps.after
