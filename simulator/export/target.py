"""What every export target is: one value, entered in ``registry``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from simulator.errors import Problem, ScenarioError
from simulator.export.case import Case
from simulator.export.features import Feature, Verdict
from simulator.export.parts import Setting
from simulator.scenario.deployment import Routing

Files = dict[str, str]
"""Texts by their path in the folder, with ``/``."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the user chooses beside the plan; None: the target's default."""

    image: str | None = None
    """Container image of the portions."""
    namespace: str | None = None
    """Namespace of all objects."""
    device_resource: str | None = None
    """Name of the resource that stands for one device."""
    clock: str | None = None
    """Time of day at which the plan begins, HH:MM."""
    timezone: str | None = None
    """Time zone of ``clock``."""

    def given(self) -> tuple[str, ...]:
        """Names of the options that were given."""
        return tuple(one.name for one in fields(self) if getattr(self, one.name) is not None)


@dataclass(frozen=True, slots=True)
class Rendered:
    """The files of an export and what their reader must know."""

    files: Files
    steps: tuple[str, ...]
    """What the user does with the files, in order (Markdown)."""
    notes: tuple[str, ...] = ()
    """What the files do not say, or say otherwise than the plan."""


@dataclass(frozen=True, slots=True)
class Target:
    """Something that deploys plans.

    ``render`` writes the files of a case; ``problems`` asks the target's own parser about a folder of them, and
    ``read`` reads the settings of every window back. ``verdicts`` says what becomes of every feature: one that is
    missing there is refused.
    """

    name: str
    title: str
    routing: Routing
    """How requests reach the replicas of a portion."""
    queueing: str
    """The same in a sentence."""
    render: Callable[[Case, Options], Rendered]
    problems: Callable[[Path], list[str]]
    read: Callable[[Path], dict[int, list[Setting]]]
    needs: tuple[str, ...] = ()
    """Modules of the parser, which come with the extra ``export``."""
    options: frozenset[str] = frozenset()
    """Options that mean something here."""
    verdicts: Mapping[Feature, Verdict] = field(default_factory=dict)

    def verdict(self, feature: Feature) -> Verdict:
        """What becomes of a feature."""
        return self.verdicts.get(feature, Verdict("refused", f"{self.title} cannot express it"))

    def check_options(self, options: Options) -> None:
        """Refuse options that mean nothing here."""
        for name in options.given():
            if name not in self.options:
                said = "--" + name.replace("_", "-")
                raise ScenarioError(Problem(f"{said} means nothing to {self.title}: leave it out"))
