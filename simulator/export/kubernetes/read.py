"""The settings of every window, read back from the files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from simulator.export.kubernetes.manifests import SETTINGS
from simulator.export.parts import Setting
from simulator.export.text import parsed, read_yaml
from simulator.scenario import units

_OVERLAY = re.compile(r"window-([0-9]+)")


def read(folder: Path) -> dict[int, list[Setting]]:
    """Settings by number of the window, from the base and its overlays; ValueError says what cannot be read."""
    objects = [one for path in sorted((folder / "base").glob("*.yaml")) for one in read_yaml(path)]
    by_kind = {kind: {_name(one): one for one in objects if _kind(one) == kind} for kind in ("Deployment", "ConfigMap")}
    found = {}
    for place in sorted((folder / "overlays").iterdir()) if (folder / "overlays").is_dir() else []:
        match = _OVERLAY.fullmatch(place.name)
        if match is None:
            raise ValueError(f"overlays/{place.name} is no window")
        (tree,) = read_yaml(place / "kustomization.yaml")
        counts = {entry["name"]: entry["count"] for entry in tree["replicas"]}
        found[int(match[1])] = [
            setting
            for name, deployment in by_kind["Deployment"].items()
            for setting in _settings(deployment, by_kind["ConfigMap"][name], counts.get(name))
        ]
    return found


def _settings(deployment: Any, config: Any, replicas: int | None) -> Iterator[Setting]:
    count = deployment["spec"]["replicas"] if replicas is None else replicas
    if not count:
        return
    (tree,) = parsed(config["data"][SETTINGS])
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    (devices,) = container["resources"]["limits"].values()
    for portion in tree["portions"]:
        wait_s = units.parse(portion["max_wait"], units.DURATION)
        yield Setting(tree["service"], portion["layers"], tree["pool"], count, portion["batch"], wait_s, int(devices))


def at_instant(scaled: Any, minute: int) -> int:
    """Replicas that the cron triggers of a ScaledObject ask for at a minute of the day, read back for the checks."""
    spec = scaled["spec"]
    wanted = [
        int(trigger["metadata"]["desiredReplicas"])
        for trigger in spec["triggers"]
        if _within(minute, _minute(trigger["metadata"]["start"]), _minute(trigger["metadata"]["end"]))
    ]
    return max([int(spec["minReplicaCount"]), *wanted])


def _minute(cron: str) -> int:
    match = re.fullmatch(r"([0-9]{1,2}) ([0-9]{1,2}) \* \* \*", cron)
    if match is None or int(match[1]) > 59 or int(match[2]) > 23:
        raise ValueError(f"the trigger {cron!r} is no minute of every day")
    return int(match[1]) + 60 * int(match[2])


def _within(minute: int, begin: int, end: int) -> bool:
    return begin <= minute < end if begin < end else minute >= begin or minute < end


def _name(one: Any) -> str:
    return str(one["metadata"]["name"])


def _kind(one: Any) -> object:
    return one.get("kind") if isinstance(one, dict) else None
