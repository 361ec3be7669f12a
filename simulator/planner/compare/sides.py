"""What is compared: scenarios, plans with their scenario, and results that somebody saved."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from simulator.cluster import load
from simulator.errors import Problem, ScenarioError
from simulator.planner.outcome import SECTIONS, replications_of
from simulator.results import Result
from simulator.results.cohort import Json
from simulator.scenario import Scenario
from simulator.scenario.planfile import read_plan
from simulator.scenario.yamltext import Unreadable, read_tree

Kind = Literal["scenario", "plan", "result"]
LARGEST = 64 * 2**20
SAVED = "result.json"
"""What `plan simulate -o DIR` calls its figures."""


@dataclass(frozen=True)
class Side:
    """One of those compared: a scenario to simulate, or the figures of a result."""

    name: str
    kind: Kind
    scenario: Scenario | None = None
    saved: Json | None = None
    notes: tuple[str, ...] = ()
    replications: tuple[Json, ...] = ()
    """Figures of each replication of a result, where they are known."""


def read_side(
    path: str | os.PathLike[str],
    *,
    scenario: str | os.PathLike[str] | None = None,
    sets: Sequence[str] = (),
    variants: Sequence[str] = (),
) -> Side:
    """A scenario, plan or result from its file, told apart by what is in it.

    ``FILE@NAME`` is a scenario with one of its variants, ``FILE@NAME,NAME`` with several. ``scenario`` is the file that
    plans are for, instead of the one that they name. ``sets`` and ``variants`` change scenarios before they are
    simulated; a plan comes with the variants that it was made for.
    """
    file, own = _with_variants(Path(path))
    variants = [*own, *variants]
    if file.is_dir() and (file / SAVED).is_file():
        file = file / SAVED
    kind, tree = _kind(file)
    if kind == "result":
        assert tree is not None
        return Side(str(path), kind, saved=_checked(tree, file))
    if kind == "plan":
        return _plan(file, scenario, sets, variants)
    return Side(str(path), kind, load(file, sets=sets, variants=variants))


def _with_variants(path: Path) -> tuple[Path, list[str]]:
    """The file and the variants after its name; a file that is called so comes first."""
    name, at, variants = path.name.rpartition("@")
    if not at or not name or path.exists():
        return path, []
    return path.with_name(name), [one for one in variants.split(",") if one]


def side(given: Scenario | Result | str | os.PathLike[str] | Side, number: int) -> Side:
    """One of what :func:`compare` is given; ``number`` names those without a file."""
    if isinstance(given, Side):
        return given
    if isinstance(given, Scenario):
        return Side(f"{given.name} ({number})", "scenario", given)
    if isinstance(given, Result):
        told = given.to_dict()
        return Side(f"{told['scenario']} ({number})", "result", saved=told, replications=replications_of(given))
    return read_side(given)


def _kind(file: Path) -> tuple[Kind, Json | None]:
    """What a file is. One that is nothing of the kind is taken for a scenario, whose loader says what is wrong."""
    if not file.is_file() or file.stat().st_size > LARGEST:
        return "scenario", None
    text = file.read_text(encoding="utf-8", errors="replace")
    if text.lstrip().startswith("{"):
        try:
            tree = json.loads(text)
        except ValueError:
            tree = None
        if isinstance(tree, dict) and "scenario_hash" in tree and "services" in tree:
            return "result", tree
    try:
        root = read_tree(text).root
    except Unreadable:
        return "scenario", None
    keys = root.value if root is not None and isinstance(root.value, dict) else {}
    return ("plan" if "windows" in keys and "run" not in keys else "scenario"), None


def _checked(tree: Json, file: Path) -> Json:
    """A saved result has figures by name, and says how often it was simulated."""
    good = all(isinstance(tree.get(name, {}), dict) for name in SECTIONS)
    count = tree.get("replications")
    if not good or not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise ScenarioError(Problem("is no result as `plan simulate --json` prints it", file=str(file)))
    for name in SECTIONS:
        if not all(isinstance(entry, dict) for entry in tree.get(name, {}).values()):
            raise ScenarioError(Problem("is no result as `plan simulate --json` prints it", str(file), path=name))
    return tree


def _plan(file: Path, scenario: str | os.PathLike[str] | None, sets: Sequence[str], variants: Sequence[str]) -> Side:
    made = read_plan(file).plan.scenario
    own = Path(scenario) if scenario is not None else _named(file, made.path)
    if own is None:
        said = "names no scenario" if made.path is None else f"names {made.path}, which is not there"
        raise ScenarioError(Problem(f"the plan {said}: say which it is for (--scenario FILE)", file=str(file)))
    loaded = load(own, sets=sets, variants=[*made.variants, *variants], plan=file)
    return Side(str(file), "plan", loaded, notes=tuple(loaded.source.notes))


def _named(file: Path, name: str | None) -> Path | None:
    """The scenario that a plan names: from where one is, else from beside the plan."""
    places = [] if name is None else [Path(name), file.parent / name, file.parent / Path(name).name]
    return next((place for place in places if place.is_file()), None)
