"""Deployment, ConfigMap, PodDisruptionBudget and Service of a portion."""

from __future__ import annotations

import hashlib
from typing import Any

from simulator.export.case import Case
from simulator.export.kubernetes.units import Unit
from simulator.export.names import slug, slugs
from simulator.export.parts import Part
from simulator.export.target import Options
from simulator.export.text import yaml_text
from simulator.scenario import units as quantities

Manifest = dict[str, Any]
PORT = 8080
IMAGE = "registry.example.com/model-server:1"
"""Stands where no image was named."""
DEVICE = "nvidia.com/gpu"
POOL_LABEL = "exitplan/pool"
SETTINGS = "settings.yaml"
FOLDER = "/etc/exitplan"


def labels(case: Case, unit: Unit) -> dict[str, str]:
    """The labels of everything that belongs to a unit."""
    return {
        "app.kubernetes.io/name": slug(case.scenario.services[unit.service].model),
        "app.kubernetes.io/instance": unit.label,
        "app.kubernetes.io/version": case.sha256[:12],
        "app.kubernetes.io/component": f"layers-{unit.layers}",
        "app.kubernetes.io/part-of": slug(case.scenario.name),
        "app.kubernetes.io/managed-by": "exitplan",
    }


def selector(unit: Unit) -> dict[str, str]:
    """The labels by which a unit's pods are found; they never change, as Deployments demand."""
    return {"app.kubernetes.io/instance": unit.label, "exitplan/portion": unit.name}


def pod_labels(case: Case, unit: Unit) -> dict[str, str]:
    """Labels of the pods: also what Services select by. The version is left out: a new plan restarts no pod."""
    own = {key: value for key, value in labels(case, unit).items() if key != "app.kubernetes.io/version"}
    place = {"exitplan/chain": str(unit.chain), "exitplan/entry": "true" if unit.entry else "false"}
    return own | selector(unit) | place


def deployment(case: Case, unit: Unit, following: str | None, options: Options) -> Manifest:
    """The Deployment: replicas of the first window, devices, the pool's nodes."""
    digest = hashlib.sha256(settings_text(case, unit, following).encode()).hexdigest()
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(case, unit, options),
        "spec": {
            "replicas": unit.replicas[0],
            "selector": {"matchLabels": selector(unit)},
            # devices are scarce: a new pod can start only when an old one has left
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
            "template": {
                "metadata": {
                    "labels": pod_labels(case, unit),
                    "annotations": {"exitplan/settings-sha256": digest},  # other settings restart the pods
                },
                "spec": _pod(case, unit, options),
            },
        },
    }


def pool_label(case: Case, pool: str) -> str:
    """What marks the nodes of a pool."""
    return slugs(case.scenario.cluster.pools)[pool]


def _pod(case: Case, unit: Unit, options: Options) -> Manifest:
    devices = {options.device_resource or DEVICE: str(unit.first.devices)}
    return {
        "nodeSelector": {POOL_LABEL: pool_label(case, unit.first.pool)},
        "containers": [
            {
                "name": "portion",
                "image": options.image or IMAGE,
                "env": [{"name": "EXITPLAN_SETTINGS", "value": f"{FOLDER}/{SETTINGS}"}],
                "ports": [{"name": "http", "containerPort": PORT}],
                "resources": {"requests": devices, "limits": devices},
                "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 5},
                "volumeMounts": [{"name": "settings", "mountPath": FOLDER, "readOnly": True}],
            }
        ],
        "volumes": [{"name": "settings", "configMap": {"name": unit.name}}],
    }


def config_map(case: Case, unit: Unit, following: str | None, options: Options) -> Manifest:
    """The settings of a unit, as a file that its pods mount."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(case, unit, options),
        "data": {SETTINGS: settings_text(case, unit, following)},
    }


def settings_text(case: Case, unit: Unit, following: str | None) -> str:
    """What a replica must know: its layers, batches, waits, exits, and where requests go on."""
    service = case.scenario.services[unit.service]
    tree: dict[str, Any] = {
        "service": unit.service,
        "model": service.model,
        "pool": unit.first.pool,
        "devices": unit.first.devices,
        "execution": unit.execution,
        "exit_mode": unit.exit_mode,
        "portions": [_portion(part) for part in unit.parts],
    }
    rules = [part.rule for part in unit.parts if part.rule is not None]
    if rules:  # a deployment has one
        tree["exit_rule"] = rules[0].model_dump(mode="json")
    if following is not None:
        tree["next"] = f"http://{following}:{PORT}"
    return yaml_text(tree)


def _portion(part: Part) -> dict[str, Any]:
    found: dict[str, Any] = {
        "layers": part.layers,
        "batch": part.batch,
        "max_wait": quantities.write(part.max_wait_s, quantities.DURATION) if part.max_wait_s else "0s",
        "precision": part.precision if isinstance(part.precision, str) else dict(part.precision),
        "weights": part.weights,
    }
    if part.weights == "streamed":
        found["prefetch"] = part.prefetch or 2
    if part.ramps is not None:
        found["ramps"] = list(part.ramps)
    if part.exit is not None and part.exit.threshold is not None:
        found["leave"] = {part.exit.measure: part.exit.threshold}
    elif part.exit is not None:
        found["leave"] = "as the ramp of the model decides"
    return found


def disruption_budget(case: Case, unit: Unit, options: Options) -> Manifest:
    """At most one replica of a portion leaves at a time."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": _metadata(case, unit, options),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": selector(unit)}},
    }


def service(case: Case, unit: Unit, name: str, options: Options) -> Manifest:
    """The address of a portion: all its kinds of replica; the first portion's of every way the service is cut."""
    chosen = {"app.kubernetes.io/instance": unit.label, "exitplan/entry": "true"}
    if not unit.entry:
        place = {"exitplan/chain": str(unit.chain), "app.kubernetes.io/component": f"layers-{unit.layers}"}
        chosen = {"app.kubernetes.io/instance": unit.label, "exitplan/entry": "false"} | place
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(case, unit, options) | {"name": name},
        "spec": {"selector": chosen, "ports": [{"name": "http", "port": PORT, "targetPort": "http"}]},
    }


def _metadata(case: Case, unit: Unit, options: Options) -> Manifest:
    found: Manifest = {"name": unit.name}
    if options.namespace is not None:
        found["namespace"] = options.namespace
    return found | {"labels": labels(case, unit)}
