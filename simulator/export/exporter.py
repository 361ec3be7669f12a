"""From a plan to a folder that a target deploys: refused, rendered, simulated as it queues there, checked, written."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from simulator.errors import InternalError, Problem, ScenarioError
from simulator.export.case import Case
from simulator.export.features import found_in
from simulator.export.folder import MANIFEST, check_target, draft, publish
from simulator.export.notes import case_notes, readme, summary
from simulator.export.parts import Setting
from simulator.export.queueing import Comparison, Progress, compare
from simulator.export.registry import TARGETS
from simulator.export.target import Options, Rendered, Target
from simulator.export.text import json_text
from simulator.scenario.base import unknown
from simulator.version import __version__

SAME_S = 5.01e-7
"""Difference of two waits that are the same: Triton counts microseconds."""
BROKEN = (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError)
"""What reading files raises that somebody changed."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written, and what it yields."""

    target: Target
    folder: Path
    files: tuple[str, ...]
    comparison: Comparison
    notes: tuple[str, ...]
    """What the files do not say."""
    checked: bool

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "target": self.target.name,
            "folder": str(self.folder),
            "files": list(self.files),
            "checked": self.checked,
            "queueing": self.target.queueing,
            "otherwise": list(self.comparison.otherwise),
            "services": {one.service: one.to_dict() for one in self.comparison.services},
            "summary": list(summary(self.comparison, self.target)),
            "notes": list(self.notes),
        }


def export(
    case: Case,
    target: str,
    folder: Path,
    options: Options | None = None,
    *,
    window: int | None = None,
    check: bool = False,
    force: bool = False,
    seed: int | None = None,
    replications: int | str | None = None,
    progress: Progress | None = None,
    comparison: Comparison | None = None,
) -> Exported:
    """Write ``case`` for ``target`` into ``folder``, whole or not at all.

    ``window`` is the only one to export (default: all); ``check`` asks the target's own parser about the files before
    they are there; ``force`` writes into a folder that holds something, whose other files stay. ``comparison`` holds
    the figures where they are known already; else the case is simulated, as planned and as the target queues. Raises
    ScenarioError for what the target cannot express.
    """
    chosen, options = find_target(target), options or Options()
    chosen.check_options(options)
    check_target(folder, force)
    part = case.only(window)
    refuse(part, chosen)
    rendered = chosen.render(part, options)
    if check:
        check_parser(chosen)
    if comparison is None:
        comparison = compare(case, chosen, seed=seed, replications=replications, progress=progress)
    files = _files(part, chosen, options, rendered, comparison)
    made = draft(folder, files)
    if check and (wrong := check_folder(part, chosen, made)):
        shutil.rmtree(made, ignore_errors=True)
        raise InternalError(f"the files for {chosen.title} are not what it reads: {wrong[0]}")
    publish(made, folder, files)
    notes = (*case_notes(part, chosen), *rendered.notes)
    return Exported(chosen, folder, tuple(sorted(files)), comparison, notes, check)


def find_target(name: str) -> Target:
    """A target by its name."""
    if name not in TARGETS:
        raise ScenarioError(Problem(f"--to: {unknown('target', name, TARGETS)}"))
    return TARGETS[name]


def refuse(case: Case, target: Target) -> None:
    """Raise ScenarioError with all that a target cannot express."""
    found = [(one, target.verdict(one.feature)) for one in found_in(case)]
    problems = [
        Problem(f"{target.title} cannot express {one.feature.value}: {verdict.text}", file=case.file, path=one.place)
        for one, verdict in found
        if verdict.kind == "refused"
    ]
    if problems:
        raise ScenarioError(problems)


def check_parser(target: Target) -> None:
    """Refuse to check without the target's parser, and say where it comes from."""
    for module in target.needs:
        if not _is_there(module):
            package = module.split(".")[0].replace("_", "-")
            remedy = f"--check needs {package}, the parser of {target.title}: pip install 'exitplan[export]'"
            raise ScenarioError(Problem(remedy))


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the package that it is in
        return False


def check_folder(case: Case, target: Target, folder: Path) -> list[str]:
    """What is wrong with the files of an export: to the target's own parser, and beside the plan; empty if nothing."""
    try:
        found = target.problems(folder)
    except BROKEN as error:
        return [f"cannot be read: {type(error).__name__}: {error}"]
    if found:
        return found
    try:
        return list(_differences(case, target.read(folder)))
    except BROKEN as error:
        return [f"cannot be read back: {type(error).__name__}: {error}"]


def _differences(case: Case, found: Mapping[int, list[Setting]]) -> Iterator[str]:
    """Where replicas, batches, waits or devices are not those of the plan."""
    wanted = {window.number: [part.setting for part in window.all_parts] for window in case.windows}
    for number in sorted({*wanted, *found}):
        if number not in found or number not in wanted:
            yield f"window {number} is " + ("not in the files" if number in wanted else "not in the plan")
            continue
        ours, theirs = sorted(wanted[number]), sorted(found[number])
        if len(ours) != len(theirs):
            yield f"window {number}: {len(theirs)} kinds of replica, the plan has {len(ours)}"
            continue
        for one, other in zip(ours, theirs):
            for name, plan, file in zip(Setting._fields, one, other):
                if not _same(plan, file):
                    place = f"window {number}: service {one.service}: layers {one.layers}"
                    yield f"{place}: {name} is {file}, the plan says {plan}"


def _same(plan: object, file: object) -> bool:
    if isinstance(plan, float) and isinstance(file, int | float):
        return abs(plan - file) <= SAME_S
    return plan == file


def _files(case: Case, target: Target, options: Options, rendered: Rendered, comparison: Comparison) -> dict[str, str]:
    """All files: the target's, the page, and the manifest."""
    files = rendered.files | {"README.md": readme(case, target, rendered, comparison)}
    manifest = {
        "target": target.name,
        "version": __version__,
        "file": case.file,
        "sha256": case.sha256,
        "options": asdict(options),
        "windows": [{"number": one.number, "start_s": one.start_s, "end_s": one.end_s} for one in case.windows],
        "otherwise": list(comparison.otherwise),
        "services": {one.service: one.to_dict() for one in comparison.services},
        "notes": [*case_notes(case, target), *rendered.notes],
        "files": sorted([*files, MANIFEST]),
    }
    return files | {MANIFEST: json_text(manifest)}
