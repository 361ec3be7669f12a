"""The costs file: what ``plan calibrate fit`` writes and a scenario names as ``measured:``."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from simulator.costs.base.registry import law_from_parameters
from simulator.errors import Problem, ScenarioError

VERSION = 1
_LONG = 16
_LARGEST = 256 * 2**20
MOST_REMEMBERED = 2**22
"""Longest text whose groups are kept for the next time it is read."""


@dataclass(frozen=True, slots=True)
class CostGroup:
    """The fitted law of one group of rows, and how far it may be trusted.

    ``group`` holds the columns that name it (layer, device, precision, ...), ``rows`` how many rows it came
    from, ``span`` the smallest and largest batch measured (of matrix products m; None if neither), ``mape`` the
    held-out error as a share (None where too few rows could be held out), ``source`` the file and its SHA-256.
    """

    group: Mapping[str, str]
    law: Any
    rows: int
    mape: float | None
    span: tuple[float, float] | None
    kind: str
    source: Mapping[str, Any]


def read_costs(path: str | Path) -> list[CostGroup]:
    """All groups of a costs file; unknown keys are fine, wrong ones are told with their group.

    The text is read anew each time; what the last few texts say is remembered, unless they are large.
    """
    path = Path(path)
    text = _text(path)
    return list((_remembered if len(text) <= MOST_REMEMBERED else _parsed)(path, text))


def _parsed(path: Path, text: str) -> tuple[CostGroup, ...]:
    document = _load(path, text)
    groups = document.get("groups") if isinstance(document, dict) else None
    if not isinstance(groups, list) or not groups:
        raise ScenarioError(
            Problem("not a costs file: it has no `groups` (write one with `plan calibrate fit`)", str(path))
        )
    if document.get("version") != VERSION:
        message = f"must be {VERSION}, got {document.get('version')!r}"
        raise ScenarioError(Problem(message, str(path), path="version"))
    kind, source = str(document.get("kind", "batch")), document.get("source") or {}
    return tuple(_group(path, number, group, kind, source) for number, group in enumerate(groups))


_remembered = lru_cache(maxsize=8)(_parsed)


def find_costs(groups: Sequence[CostGroup], **wanted: str) -> CostGroup:
    """The one group whose columns agree with ``wanted``; columns that a group does not have are not asked.

    >>> from simulator.costs.base.formulas import Constant
    >>> found = CostGroup({"layer": "block"}, Constant(1.0), 4, None, None, "batch", {})
    >>> find_costs([found], layer="block", device="v100").law
    Constant(time_s=1.0)
    """
    fits = [g for g in groups if all(str(g.group[key]) == value for key, value in wanted.items() if key in g.group)]
    if len(fits) == 1:
        return fits[0]
    asked = ", ".join(f"{key}={value}" for key, value in wanted.items())
    if fits:
        more = sorted({key for g in fits for key in g.group} - set(wanted))
        raise ScenarioError(f"{len(fits)} groups of measured costs fit {asked}: name {' or '.join(more)} too")
    for key, value in wanted.items():
        known = sorted({str(g.group[key]) for g in groups if key in g.group})
        if known and value not in known:
            near = difflib.get_close_matches(value, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"measured: {', '.join(known[:8])}"
            raise ScenarioError(Problem(f"no measured costs for {value!r} ({hint})", path=key))
    raise ScenarioError(f"no measured costs for {asked}")


def costs_text(document: Mapping[str, Any]) -> str:
    """A costs document as YAML 1.2: blocks for people, long lists of numbers as one text for speed.

    >>> print(costs_text({"version": 1, "groups": [{"law": "affine", "parameters": {"a": 1.0}}]}), end="")
    version: 1
    groups:
    - law: "affine"
      parameters: {"a": 1.0}
    """
    lines: list[str] = []
    for key, value in document.items():
        if key != "groups":
            lines.append(f"{key}: {_flow(value)}")
    lines.append("groups:")
    for group in document["groups"]:
        for number, (key, value) in enumerate(group.items()):
            lines.append(f"{'- ' if number == 0 else '  '}{key}: {_flow(value)}")
    return "\n".join(lines) + "\n"


def _flow(value: Any) -> str:
    return json.dumps(_short(value), ensure_ascii=False, allow_nan=False)


def _short(value: Any) -> Any:
    """Long lists of numbers become one text: YAML reads a scalar a hundred times faster than a list."""
    if isinstance(value, Mapping):
        return {key: _short(item) for key, item in value.items()}
    if isinstance(value, list) and len(value) > _LONG and all(isinstance(item, int | float) for item in value):
        return " ".join(_number(item) for item in value)
    return value


def _number(value: float) -> str:
    return repr(int(value)) if float(value).is_integer() and abs(value) < 2**53 else repr(float(value))


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST:
            raise ScenarioError(Problem(f"larger than {_LARGEST >> 20} MiB: split the file by --group", str(path)))
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ScenarioError(Problem(error.strerror or "cannot be read", str(path))) from error
    except UnicodeDecodeError as error:
        raise ScenarioError(Problem("is not UTF-8 text", str(path))) from error


def _load(path: Path, text: str) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = None if mark is None else mark.line + 1
        message = f"is not YAML: {getattr(error, 'problem', None) or error}"
        raise ScenarioError(Problem(message.splitlines()[0], str(path), line)) from error


def _group(path: Path, number: int, written: Any, kind: str, source: Mapping[str, Any]) -> CostGroup:
    place = f"groups.{number}"
    if not isinstance(written, Mapping) or not isinstance(written.get("group"), Mapping):
        raise ScenarioError(Problem("must have group, law and parameters", str(path), path=place))
    parameters = written.get("parameters")
    if not isinstance(parameters, Mapping):
        raise ScenarioError(Problem("parameters are missing", str(path), path=place))
    try:
        law = law_from_parameters(str(written.get("law")), parameters)
    except ScenarioError as error:
        raise ScenarioError(_placed(error.problems, path, place)) from error
    span = written.get("span")
    try:
        return CostGroup(
            {str(key): str(value) for key, value in written["group"].items()},
            law,
            int(written.get("rows") or 0),
            None if written.get("mape") is None else float(written["mape"]),
            None if not span else (float(span[0]), float(span[1])),
            kind,
            source,
        )
    except (TypeError, ValueError, IndexError, KeyError) as error:
        message = f"rows must be a number, mape a number or null, span two numbers or null: {error}"
        raise ScenarioError(Problem(message, str(path), path=place)) from error


def _placed(problems: Iterable[Problem], path: Path, place: str) -> list[Problem]:
    return [
        Problem(problem.message, str(path), path=f"{place}.{problem.path}" if problem.path else place)
        for problem in problems
    ]
