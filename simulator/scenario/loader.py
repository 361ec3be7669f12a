"""Scenario files in, validated scenarios out; every problem of a file at once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from simulator.errors import Problem, ScenarioError
from simulator.scenario.base import unknown
from simulator.scenario.checks import Known, Parts, check
from simulator.scenario.files import decode, read_bytes
from simulator.scenario.nodes import Node, printable
from simulator.scenario.overrides import Override, apply, clashes, parse_set, variant_overrides
from simulator.scenario.planfile import ReadPlan, read_plan
from simulator.scenario.problems import from_path, from_pydantic, worded
from simulator.scenario.root import Scenario
from simulator.scenario.source import Source, split_lines
from simulator.scenario.yamltext import Unreadable, read_tree


def load(
    path: str | os.PathLike[str],
    *,
    sets: Sequence[str] = (),
    variants: Sequence[str] = (),
    known: Known | None = None,
    plan: str | os.PathLike[str] | None = None,
) -> Scenario:
    """Read and check a scenario file.

    ``sets`` are overrides ``path=value``, ``variants`` the names of variants to apply; overrides come last.
    ``plan`` is a plan file whose deployments take the place of the scenario's own. ``known`` holds the names in the
    catalogue, which are checked when given. Raises :class:`~simulator.errors.ScenarioError` with every problem.
    """
    file = Path(path)
    planned = None if plan is None else read_plan(plan)
    return _load(read_bytes(file), printable(str(file)), file, file.parent, sets, variants, known, planned)


def loads(
    text: str,
    *,
    sets: Sequence[str] = (),
    variants: Sequence[str] = (),
    known: Known | None = None,
    name: str = "<text>",
    folder: str | os.PathLike[str] = ".",
) -> Scenario:
    """Like :func:`load`, from a text; ``folder`` is the base of relative file names."""
    return _load(text.encode("utf-8", "surrogatepass"), name, None, Path(folder), sets, variants, known)


def vary(scenario: Scenario, sets: Sequence[str], *, known: Known | None = None) -> Scenario:
    """The scenario with further overrides ``path=value``, as if it had been loaded with them.

    Its text is not read again, which makes it some ten times as fast. Variants that were not chosen have been
    checked when it was loaded. Raises ScenarioError with every problem.
    """
    parsed = [parse_set(text) for text in sets]
    problems = [one for one in parsed if isinstance(one, Problem)]
    overrides = [one for one in parsed if isinstance(one, Override)]
    problems += clashes(scenario.source, [("--set", overrides)])
    source, lost = apply(scenario.source, overrides)
    if problems or lost:
        raise ScenarioError([*problems, *lost])
    source = replace(source, sets=(*source.sets, *sets))
    found, problems = _validated(source, known)
    if problems or found is None:
        raise ScenarioError(problems)
    found._source = source
    return found


def _load(
    data: bytes,
    name: str,
    path: Path | None,
    folder: Path,
    sets: Sequence[str],
    variants: Sequence[str],
    known: Known | None,
    plan: ReadPlan | None = None,
) -> Scenario:
    text = decode(data, name)
    digest = hashlib.sha256(data).hexdigest()
    empty = Source(name, path, folder, digest, split_lines(text), Node({}, 1, 1))
    base, problems = _read(empty, text)
    source, more = _changed(base, variants, sets, plan)
    scenario, found = _validated(source, known)
    problems += more + found
    own = found if source.tree is base.tree else None
    if plan is None:  # a scenario that needs a plan has problems of its own
        problems += [one for one in _unchosen(base, variants, known, own) if one not in problems]
    if problems or scenario is None:
        raise ScenarioError(problems)
    scenario._source = source
    return scenario


def _read(source: Source, text: str) -> tuple[Source, list[Problem]]:
    """The source with its tree, and repeated keys and the like."""
    try:
        tree = read_tree(text)
    except Unreadable as error:
        raise ScenarioError(source.at_line(error.message, error.line, error.column)) from None
    problems = [source.at_line(one.message, one.line, one.column) for one in tree.problems]
    if tree.root is None or tree.root.value is None:
        raise ScenarioError(Problem("is empty: `plan init` writes a scenario to start from", file=source.name))
    if not isinstance(tree.root.value, dict):
        message = f"must be a mapping (version: 1, name: ..., run: ...), got {tree.root.found()}"
        raise ScenarioError(source.at_line(message, tree.root.line, tree.root.column))
    return replace(source, tree=tree.root), problems


def _changed(
    base: Source, variants: Sequence[str], sets: Sequence[str], plan: ReadPlan | None
) -> tuple[Source, list[Problem]]:
    """The source after the chosen variants, the plan, and then the overrides."""
    parsed = [parse_set(text) for text in sets]
    problems = [one for one in parsed if isinstance(one, Problem)]
    overrides = [one for one in parsed if isinstance(one, Override)]
    known = _variants(base)
    for name in variants:
        if name not in known:
            problems.append(Problem(unknown("variant", name, known), file=f"--variant {printable(name)[:60]}"))
    chosen = [(f"the variant {name!r}", variant_overrides(known[name])) for name in variants if name in known]
    problems += clashes(base, chosen) + clashes(base, [("--set", overrides)])
    source, lost = apply(base, [one for _, group in chosen for one in group])
    source = replace(source, variants=tuple(variants), sets=tuple(sets))
    if plan is not None:
        source, unknown_services = plan.changed(source)
        problems += unknown_services
    source, also_lost = apply(source, overrides)
    return source, problems + lost + also_lost


def _variants(source: Source) -> dict[str, Node]:
    """The variants that are written as they should be; the others are reported by the models."""
    node = source.tree.child("variants")
    entries = node.value if node is not None and isinstance(node.value, dict) else {}
    return {name: entry.value for name, entry in entries.items()}


def _validated(source: Source, known: Known | None) -> tuple[Scenario | None, list[Problem]]:
    """The scenario, or its problems: those of the models and those between them."""
    plain = source.tree.plain()
    scenario, wrong = None, []
    try:
        scenario = Scenario.model_validate(plain)
        parts = Parts.of(scenario)
    except ValidationError as error:
        wrong = list(from_pydantic(source, error))
        parts = Parts.salvaged(plain)
    wrong += [from_path(source, path, message) for path, message in check(parts, known)]
    return scenario, worded(source, Scenario, wrong)


def _unchosen(base: Source, chosen: Sequence[str], known: Known | None, own: list[Problem] | None) -> Iterator[Problem]:
    """Problems that a variant would cause if it were chosen, at the variant's own lines.

    ``own`` are the problems of the file without any variant, if they are known already.
    """
    before: set[tuple[str | None, str]] | None = None
    for name, node in list(_variants(base).items())[:100]:
        if name in chosen:
            continue
        if before is None:
            own = _validated(base, known)[1] if own is None else own
            before = {(one.path, one.message) for one in own}
        overrides = variant_overrides(node)
        source, lost = apply(base, overrides)
        wrong = tuple(f"{one.path}." for one in own or () if one.path)
        yield from (one for one in lost if not f"{one.path}.".startswith(wrong))  # else the way itself is broken
        lines = {override.key.line for override in overrides}
        for one in _validated(source, known)[1]:
            if (one.path, one.message) in before:
                continue
            message = f"{one.message} (variant {name!r})"
            if one.line in lines:
                yield replace(one, message=message)
            else:
                yield base.at(overrides[0].key if overrides else node, message, one.path)
