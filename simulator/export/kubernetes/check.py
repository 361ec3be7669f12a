"""What Kubernetes and KEDA would say to the files: their published schemas, and how objects name each other."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

from simulator.export.kubernetes.keda import clock_minutes
from simulator.export.kubernetes.manifests import SETTINGS
from simulator.export.kubernetes.read import at_instant
from simulator.export.names import DNS_1035, DNS_1123, LABEL_VALUE, QUALIFIED
from simulator.export.text import parsed, read_yaml

KEDA_SCHEMA = Path(__file__).parent.parent / "data" / "keda-scaledobject.schema.json"
KUSTOMIZATION = "kustomization.yaml"
NEEDED = {"service", "model", "pool", "devices", "execution", "exit_mode", "portions"}
OF_PORTION = {"layers", "batch", "max_wait", "precision", "weights"}
OPTIONAL = {"next", "exit_rule", "leave", "prefetch", "ramps"}
INSTANCE = "app.kubernetes.io/instance"
OF_PODS = ("name", "instance", "component", "part-of", "managed-by")
OF_ALL = (*OF_PODS, "version")
Objects = dict[tuple[str, str], Any]
"""Objects by kind and name."""


def problems(folder: Path) -> list[str]:
    """Everything wrong with an export; empty when it is right."""
    found: list[str] = []
    objects: Objects = {}
    for path in sorted(folder.rglob("*.yaml")):
        place = path.relative_to(folder).as_posix()
        try:
            documents = read_yaml(path)
        except ValueError as error:
            found.append(f"{place}: {error}")
            continue
        found += [] if documents else [f"{place}: holds no object"]
        for one in documents:
            found += [f"{place}: {text}" for text in _document(one, path, objects)]
    places = {path.parent for path in folder.rglob("*.yaml")}
    bare = sorted(place.name for place in places if not (place / KUSTOMIZATION).is_file())
    found += [f"{name}: has no {KUSTOMIZATION}" for name in bare]
    if not any(kind == "Deployment" for kind, _ in objects):
        found.append("there is no Deployment")
    if found:
        return found  # how objects name each other is told of objects that are well formed
    found += [f"{kind} {name}: {text}" for (kind, name), one in objects.items() for text in _links(one, objects)]
    found += [f"{path.parent.name}: {text}" for path in folder.rglob(KUSTOMIZATION) for text in _counts(path, objects)]
    return found or [*_first(folder, objects), *_clock(folder, objects)]


def _document(one: Any, path: Path, objects: Objects) -> Iterator[str]:
    if not isinstance(one, dict) or not isinstance(one.get("kind"), str) or not isinstance(one.get("apiVersion"), str):
        yield "is no object with apiVersion and kind"
        return
    if path.name == KUSTOMIZATION:
        yield from _kustomization(one, path)
        return
    yield from _schema(json.dumps(one, default=str))
    metadata = one.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(name, str) or not isinstance(metadata, dict):
        yield f"{one['kind']}: has no name"
        return
    if (one["kind"], name) in objects:
        yield f"{one['kind']} {name}: there are two"
    objects[one["kind"], name] = one
    pattern = DNS_1035 if one["kind"] == "Service" else DNS_1123
    if pattern.fullmatch(name) is None:
        yield f"{one['kind']} {name!r}: the name is no DNS label"
    yield from (f"{one['kind']} {name}: {text}" for text in _labels(metadata.get("labels")))


@lru_cache(maxsize=4096)
def _schema(text: str) -> tuple[str, ...]:
    """What the published schema of the kind says of an object; remembered, as every look reads all definitions."""
    one = json.loads(text)
    if one["kind"] == "ScaledObject":
        jsonschema = import_module("jsonschema")
        schema = json.loads(KEDA_SCHEMA.read_text(encoding="utf-8"))
        found = jsonschema.Draft202012Validator(schema).iter_errors(one)
        return tuple(f"ScaledObject: {error.json_path}: {error.message}" for error in found)
    kubernetes_validate = import_module("kubernetes_validate")

    try:
        kubernetes_validate.validate(one, kubernetes_validate.latest_version(), strict=True)
    except kubernetes_validate.ValidationError as error:
        return (f"{one['kind']}: {'.'.join(map(str, error.path))}: {error.message}",)
    except kubernetes_validate.SchemaNotFoundError as error:
        return (str(error.message),)
    return ()


def _kustomization(one: Mapping[str, Any], path: Path) -> Iterator[str]:
    if (one["kind"], one["apiVersion"]) != ("Kustomization", "kustomize.config.k8s.io/v1beta1"):
        yield "is no Kustomization of kustomize.config.k8s.io/v1beta1"
    if unknown := set(one) - {"kind", "apiVersion", "resources", "replicas", "patches"}:
        yield f"has the unknown key {min(map(str, unknown))!r}"
    resources = one.get("resources")
    if not isinstance(resources, list) or not resources:
        yield "names no resources"
        return
    for name in resources:
        place = path.parent / str(name)
        if not place.is_file() and not (place / KUSTOMIZATION).is_file():
            yield f"names {name}, which is not there"
    own = {other.name for other in path.parent.glob("*.yaml")} - {KUSTOMIZATION}
    for name in sorted(own - set(map(str, resources))):
        yield f"does not name {name}"


def _labels(labels: object) -> Iterator[str]:
    if not isinstance(labels, dict):
        yield "has no labels"
        return
    for key, value in labels.items():
        if QUALIFIED.fullmatch(str(key)) is None:
            yield f"{key!r} cannot be a label"
        if not isinstance(value, str) or LABEL_VALUE.fullmatch(value) is None:
            yield f"{value!r} cannot be the value of a label"
    yield from _missing(labels, OF_ALL)


def _missing(labels: Mapping[str, Any], names: Sequence[str]) -> Iterator[str]:
    """The labels that Kubernetes recommends."""
    for name in names:
        if f"app.kubernetes.io/{name}" not in labels:
            yield f"the label app.kubernetes.io/{name} is missing"


def _links(one: Any, objects: Objects) -> Iterator[str]:
    """Selectors find pods, and names lead somewhere."""
    spec = one.get("spec", {})
    if one["kind"] == "Deployment":
        yield from _deployment(spec, objects)
    elif one["kind"] == "ConfigMap":
        yield from _config(one.get("data"))
    elif one["kind"] == "Service":
        owners = {pods.get(INSTANCE) for pods in _pods(objects) if _selects(spec.get("selector"), pods)}
        if len(owners) != 1:
            yield "selects the pods of several services" if owners else "selects no pods"
    elif one["kind"] == "PodDisruptionBudget":
        if sum(_selects(spec["selector"].get("matchLabels"), pods) for pods in _pods(objects)) != 1:
            yield "must select the pods of one Deployment"
    elif one["kind"] == "ScaledObject":
        yield from _scaled(spec, objects)


def _config(data: Any) -> Iterator[str]:
    """settings.yaml has its keys, no others."""
    try:
        (tree,) = parsed((data or {}).get(SETTINGS, ""))
        found = {*tree} - OPTIONAL, [set(portion) - OPTIONAL for portion in tree["portions"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        yield f"{SETTINGS} cannot be read: {' '.join(str(error).split())}"
        return
    if found[0] != NEEDED or not found[1] or any(keys != OF_PORTION for keys in found[1]):
        yield f"{SETTINGS} must have {', '.join(sorted(NEEDED))}, and its portions {', '.join(sorted(OF_PORTION))}"


def _deployment(spec: Any, objects: Objects) -> Iterator[str]:
    pods = spec["template"]
    yield from _missing(pods["metadata"].get("labels", {}), OF_PODS)
    if not _selects(spec["selector"].get("matchLabels"), pods["metadata"].get("labels", {})):
        yield "its selector does not find its own pods"
    if sum(_selects(spec["selector"].get("matchLabels"), other) for other in _pods(objects)) > 1:
        yield "its selector finds the pods of another Deployment"
    for volume in pods["spec"].get("volumes", []):
        name = volume.get("configMap", {}).get("name")
        if ("ConfigMap", name) not in objects:
            yield f"mounts the ConfigMap {name}, which is not there"
    for container in pods["spec"]["containers"]:
        resources = container.get("resources", {})
        if not resources.get("limits") or resources.get("limits") != resources.get("requests"):
            yield "must request and limit the same devices"


def _scaled(spec: Any, objects: Objects) -> Iterator[str]:
    name = spec["scaleTargetRef"]["name"]
    if ("Deployment", name) not in objects:
        yield f"scales the Deployment {name}, which is not there"
    if not 0 <= spec["minReplicaCount"] <= spec["maxReplicaCount"]:
        yield "minReplicaCount must be from 0 to maxReplicaCount"
    for trigger in spec["triggers"]:
        given = trigger["metadata"]
        if trigger["type"] != "cron" or set(given) != {"timezone", "start", "end", "desiredReplicas"}:
            yield "a trigger must be cron, with timezone, start, end and desiredReplicas"
        elif not given["desiredReplicas"].isdigit() or given["start"] == given["end"]:
            yield "a trigger must have a number of replicas and two different instants"


def _counts(path: Path, objects: Objects) -> Iterator[str]:
    """An overlay counts the replicas of every Deployment."""
    (one,) = read_yaml(path)
    if "replicas" not in one:
        return
    for entry in one["replicas"]:
        if not isinstance(entry, dict) or set(entry) != {"name", "count"}:
            yield "an entry of replicas must have name and count"
        elif ("Deployment", entry["name"]) not in objects:
            yield f"counts the replicas of {entry['name']}, which is no Deployment"
        elif not isinstance(entry["count"], int) or isinstance(entry["count"], bool) or entry["count"] < 0:
            yield f"counts {entry['count']!r} replicas of {entry['name']}"


def _first(folder: Path, objects: Objects) -> Iterator[str]:
    """Deployments start with the replicas of the first window."""
    overlays = {
        int(path.parent.name.removeprefix("window-")): path for path in folder.glob(f"overlays/*/{KUSTOMIZATION}")
    }
    if not overlays:
        yield "there is no overlay"
        return
    (first,) = read_yaml(overlays[min(overlays)])
    counts = {entry["name"]: entry["count"] for entry in first["replicas"]}
    for (kind, name), one in objects.items():
        if kind == "Deployment" and one["spec"].get("replicas") != counts.get(name):
            found = one["spec"].get("replicas")
            yield f"Deployment {name}: has {found} replicas, the first window's overlay says {counts.get(name)}"


def _clock(folder: Path, objects: Objects) -> Iterator[str]:
    """The cron triggers ask for what the overlay of the same window says."""
    scaled = {name: one for (kind, name), one in objects.items() if kind == "ScaledObject"}
    if not scaled:
        return
    manifest = json.loads((folder / "export.json").read_text(encoding="utf-8"))
    shift = clock_minutes(manifest["options"]["clock"])
    (keda,) = read_yaml(folder / "keda" / KUSTOMIZATION)
    freed = {patch["target"]["name"] for patch in keda.get("patches", []) if _removes_replicas(patch)}
    for name in sorted(freed ^ set(scaled)):
        yield f"keda: the replicas of {name} must be removed where it is scaled, and only there"
    for window in manifest["windows"]:
        (overlay,) = read_yaml(folder / "overlays" / f"window-{window['number']}" / KUSTOMIZATION)
        counts = {entry["name"]: entry["count"] for entry in overlay["replicas"]}
        ends = (int(window["start_s"] // 60) + shift, int(window["end_s"] // 60) + shift - 1)
        for name, one in scaled.items():
            try:
                asked = {at_instant(one, minute % 1440) for minute in ends}
            except ValueError as error:
                yield f"ScaledObject {name}: {error}"
                continue
            if asked != {counts.get(name)}:
                said = " and ".join(map(str, sorted(asked)))
                where = f"window {window['number']}"
                yield f"ScaledObject {name}: asks for {said} replicas in {where}, its overlay for {counts.get(name)}"


def _removes_replicas(patch: Any) -> bool:
    (steps,) = parsed(patch["patch"])
    return patch["target"]["kind"] == "Deployment" and list(steps) == [{"op": "remove", "path": "/spec/replicas"}]


def _pods(objects: Objects) -> list[Mapping[str, str]]:
    return [
        one["spec"]["template"]["metadata"].get("labels", {})
        for (kind, _), one in objects.items()
        if kind == "Deployment"
    ]


def _selects(selector: Mapping[str, str] | None, labels: Mapping[str, str]) -> bool:
    return bool(selector) and all(labels.get(key) == value for key, value in (selector or {}).items())
