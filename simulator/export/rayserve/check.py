"""What Ray Serve would say to the configurations: its own schema, the modules, and how they name each other."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from simulator.export.parts import Setting
from simulator.export.rayserve.render import CONFIG, resource
from simulator.export.text import read_yaml

_WINDOW = re.compile(r"window-([0-9]+)")
NEEDED = {"serving.py": {"Portion", "Chain", "build"}, "models.py": {"load"}}


def problems(folder: Path) -> list[str]:
    """Everything wrong with an export; empty when it is right."""
    found = [text for name, names in NEEDED.items() for text in _module(folder / name, names)]
    configs = list(_configs(folder))
    if not configs:
        found.append("there is no window")
    for _, path in configs:
        place = path.relative_to(folder).as_posix()
        try:
            found += [f"{place}: {text}" for text in _config(_one(path))]
        except (OSError, ValueError) as error:
            found.append(f"{place}: {error}")
    return found


def _configs(folder: Path) -> Iterator[tuple[int, Path]]:
    for place in sorted(folder.glob("window-*")):
        match = _WINDOW.fullmatch(place.name)
        if match is not None:
            yield int(match[1]), place / CONFIG


def _one(path: Path) -> Any:
    documents = read_yaml(path)
    if len(documents) != 1 or not isinstance(documents[0], dict):
        raise ValueError("must be one document")
    return documents[0]


def _module(path: Path, names: set[str]) -> Iterator[str]:
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        yield f"{path.name} is not there"
        return
    except (SyntaxError, ValueError) as error:
        yield f"{path.name}: {error}"
        return
    defined = {node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    yield from (f"{path.name}: {name} is not there" for name in sorted(names - defined))


def _config(tree: Any) -> Iterator[str]:
    import pydantic

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ray warns of its own code while it is imported
        from ray.serve.schema import ServeDeploySchema
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ServeDeploySchema.model_validate(tree)
    except pydantic.ValidationError as error:
        for one in error.errors():
            yield f"{'.'.join(map(str, one['loc']))}: {one['msg']}"
        return
    for known, given, place in _known_keys(tree, ServeDeploySchema):
        yield from (f"{place}has the unknown key {key!r}" for key in sorted(given - known))
    for application in tree["applications"]:
        yield from (f"{application['name']}: {text}" for text in _application(application))


def _known_keys(tree: Any, schema: Any) -> Iterator[tuple[set[str], set[str], str]]:
    """Keys that the schema has and keys that are there: it lets unknown ones pass."""
    from ray.serve.schema import DeploymentSchema, RayActorOptionsSchema, ServeApplicationSchema

    yield set(schema.model_fields), set(tree), ""
    for application in tree["applications"]:
        name = application["name"]
        yield set(ServeApplicationSchema.model_fields), set(application), f"{name}: "
        for one in application.get("deployments", []):
            place = f"{name}: {one['name']}: "
            yield set(DeploymentSchema.model_fields), set(one), place
            yield set(RayActorOptionsSchema.model_fields), set(one.get("ray_actor_options", {})), place


def _application(application: Any) -> Iterator[str]:
    arguments = application.get("args", {})
    if application["import_path"] != "serving:build":
        yield "import_path must be serving:build"
    try:
        names = [*(one["name"] for one in arguments["portions"]), arguments["chain"]]
        ends = [one["last"] for one in arguments["portions"]]
    except (KeyError, TypeError):
        yield "args must be service, chain and portions"
        return
    deployments = {one["name"]: one for one in application.get("deployments", [])}
    if sorted(deployments) != sorted(names) or ends != [False] * (len(ends) - 1) + [True]:
        yield f"args and deployments must name the same, in order: {', '.join(names)}"
        return
    for name in names[:-1]:
        yield from (f"{name}: {text}" for text in _deployment(deployments[name]))


def _deployment(one: Any) -> Iterator[str]:
    config = one.get("user_config") or {}
    batch, wait, leave = config.get("batch"), config.get("max_wait_s"), config.get("leave")
    if not _is_number(batch, int, 1):
        yield "user_config.batch must be a number from 1"
    if not _is_number(wait, int | float, 0):
        yield "user_config.max_wait_s must be a time [s]"
    yield from (
        f"user_config.{key} must be a text" for key in ("layers", "precision", "model") if not _is_text(config.get(key))
    )
    if "leave" not in config:
        yield "user_config.leave is missing"
    if leave is not None and set(leave) != {"measure", "threshold"}:
        yield "user_config.leave must be measure and threshold"
    options = one.get("ray_actor_options", {})
    (pools, devices) = options.get("resources", {}), options.get("num_gpus")
    if len(pools) != 1 or list(pools.values()) != [devices] or not devices or devices < 1:
        yield "must ask for the devices of one pool: num_gpus, and as many of its resource"


def _is_number(value: Any, kind: Any, least: int) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool) and bool(value >= least)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def read(folder: Path) -> dict[int, list[Setting]]:
    """Settings by number of the window."""
    return {number: list(_settings(_one(path))) for number, path in _configs(folder)}


def _settings(tree: Any) -> Iterator[Setting]:
    prefix = resource("")
    for application in tree["applications"]:
        for one in application["deployments"]:
            config = one.get("user_config")
            if config is None:
                continue
            options = one["ray_actor_options"]
            (pool,) = options["resources"]
            yield Setting(
                application["args"]["service"],
                config["layers"],
                pool.removeprefix(prefix),
                one["num_replicas"],
                config["batch"],
                config["max_wait_s"],
                options["num_gpus"],
            )
