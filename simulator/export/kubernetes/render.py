"""The folder of a Kubernetes export: a base, an overlay for every window, and ScaledObjects."""

from __future__ import annotations

import json
from typing import Any

from simulator.export.case import Case
from simulator.export.kubernetes import manifests
from simulator.export.kubernetes.keda import check_zone, clock_minutes, scaled_objects, why_not
from simulator.export.kubernetes.units import Unit, service_names, units_of
from simulator.export.names import check_image, check_namespace, check_resource
from simulator.export.target import Files, Options, Rendered
from simulator.export.text import generated, yaml_text

KUSTOMIZATION = "kustomization.yaml"


def render(case: Case, options: Options) -> Rendered:
    """All files of the export."""
    _check(options)
    units = units_of(case)
    head = generated(case.file)
    files = _base(case, units, options, head)
    for index, window in enumerate(case.windows):
        files[f"overlays/window-{window.number}/{KUSTOMIZATION}"] = yaml_text(_overlay(units, index), head=head)
    reason = why_not(case)
    scaled = scaled_objects(case, units, options) if reason is None else []
    if scaled:
        files["keda/scaledobjects.yaml"] = yaml_text(*scaled, head=head)
        files[f"keda/{KUSTOMIZATION}"] = yaml_text(_by_clock([one["metadata"]["name"] for one in scaled]), head=head)
    elif reason is None:
        reason = "No portion changes its replicas between windows: no ScaledObjects are written."
    return Rendered(files, _steps(case, units, options, bool(scaled)), _notes(case, options, reason))


def _check(options: Options) -> None:
    if options.image is not None:
        check_image(options.image)
    if options.namespace is not None:
        check_namespace(options.namespace)
    if options.device_resource is not None:
        check_resource(options.device_resource)
    clock_minutes(options.clock)
    check_zone(options.timezone)


def _base(case: Case, units: tuple[Unit, ...], options: Options, head: str) -> Files:
    names = service_names(units)
    files, served = {}, set()
    for unit in units:
        key = (unit.service, unit.chain, unit.first.cut)
        following = None if unit.parts[-1].last else names[(unit.service, unit.chain, unit.parts[-1].cut + 1)]
        objects = [
            manifests.config_map(case, unit, following, options),
            manifests.deployment(case, unit, following, options),
            manifests.disruption_budget(case, unit, options),
        ]
        if names[key] not in served:
            served.add(names[key])
            objects.append(manifests.service(case, unit, names[key], options))
        files[f"base/{unit.name}.yaml"] = yaml_text(*objects, head=head)
    resources = [name.removeprefix("base/") for name in files]
    return files | {f"base/{KUSTOMIZATION}": yaml_text(_kustomization(resources), head=head)}


def _kustomization(resources: list[str], **more: Any) -> dict[str, Any]:
    return {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": resources} | more


def _overlay(units: tuple[Unit, ...], index: int) -> dict[str, Any]:
    counts = [{"name": unit.name, "count": unit.replicas[index]} for unit in units]
    return _kustomization(["../../base"], replicas=counts)


def _by_clock(names: list[str]) -> dict[str, Any]:
    """The base with ScaledObjects. What they scale says no replicas: applied again, it would set them back."""
    remove = json.dumps([{"op": "remove", "path": "/spec/replicas"}])
    patches = [
        {"target": {"group": "apps", "version": "v1", "kind": "Deployment", "name": name}, "patch": remove}
        for name in names
    ]
    return _kustomization(["../base", "scaledobjects.yaml"], patches=patches)


def _steps(case: Case, units: tuple[Unit, ...], options: Options, scaled: bool) -> tuple[str, ...]:
    pools = dict.fromkeys(unit.first.pool for unit in units)
    marks = ", ".join(
        f"`kubectl label node NODE {manifests.POOL_LABEL}={manifests.pool_label(case, pool)}`" for pool in pools
    )
    steps = [f"Mark the nodes of every pool: {marks}."]
    if options.namespace is not None:
        steps.append(f"Make the namespace, if it is not there: `kubectl create namespace {options.namespace}`.")
    first = case.windows[0].number
    overlays = f"`kubectl apply -k overlays/window-{first}`"
    if len(case.windows) == 1:
        steps.append(f"Deploy: {overlays}.")
    else:
        steps.append(f"Either apply every window's overlay when it begins: {overlays}, then the next ones.")
    if scaled:
        steps.append("Or, where KEDA runs, let it follow the clock: `kubectl apply -k keda`. Not both.")
    return (*steps, _contract())


def _contract() -> str:
    return (
        f"The image reads the file that `EXITPLAN_SETTINGS` names (from the ConfigMap): which layers to load, in which "
        f"precision, how many requests to serve together (`batch`), how long the oldest may wait (`max_wait`), when a "
        f"request leaves (`leave`), and the address of the portion that the others go to (`next`). It listens on port "
        f"{manifests.PORT} and answers `/ready` with 200 once its weights are loaded."
    )


def _notes(case: Case, options: Options, reason: str | None) -> tuple[str, ...]:
    found = []
    if options.image is None:
        found.append(f"The image `{manifests.IMAGE}` stands for yours: name it with --image.")
    if reason is not None:
        found.append(reason)
    elif case.length_s < 86_400:
        found.append(
            "The plan is shorter than a day, and cron triggers repeat every day: outside its windows every portion "
            "keeps its fewest replicas."
        )
    if len(case.windows) > 1:
        found.append(
            "In the simulation added replicas are ready when their window begins. Here pods are asked for at that "
            "instant and serve once they have pulled the image and loaded the weights: begin earlier (apply the "
            "overlay earlier, or move --clock)."
        )
    chains = {(unit.service, unit.chain) for unit in units_of(case)}
    if len(chains) > len(case.scenario.services):
        found.append(
            "A service is cut otherwise in some windows. Its address leads to the first portions of every cut that has "
            "replicas, so during a change both serve."
        )
    return tuple(found)
