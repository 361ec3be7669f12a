"""Load scenarios with the names that the catalogue knows, so that misspelt ones are told with their place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from simulator import catalogue, scenario
from simulator.scenario import Known, Scenario


def known_names() -> Known:
    """Devices and models of the catalogue."""
    models = {name: catalogue.model(name).layers for name in catalogue.model_names()}
    return Known(devices=frozenset(catalogue.device_names()), models=models)


def load(
    path: str | Path,
    *,
    sets: str | Sequence[str] = (),
    variants: str | Sequence[str] = (),
    plan: str | Path | None = None,
) -> Scenario:
    """Read a scenario file; ``sets`` are overrides ``path=value``, ``variants`` names of changes in the file.

    ``plan`` is a plan file, whose deployments are used instead of the scenario's.
    """
    return scenario.load(Path(path), sets=_several(sets), variants=_several(variants), known=known_names(), plan=plan)


def loads(text: str, *, sets: str | Sequence[str] = (), variants: str | Sequence[str] = ()) -> Scenario:
    """Read a scenario from text; relative file names count from the working directory."""
    return scenario.loads(text, sets=_several(sets), variants=_several(variants), known=known_names())


def vary(given: Scenario, sets: Sequence[str]) -> Scenario:
    """The scenario with further overrides ``path=value``; its text is not read again."""
    return scenario.vary(given, sets, known=known_names())


def _several(given: str | Sequence[str]) -> Sequence[str]:
    """One text stands for a list of one; its letters are never meant."""
    return [given] if isinstance(given, str) else given
