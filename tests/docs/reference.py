"""``python -m tests.docs.reference`` writes the generated pages anew: every key of a scenario, every verb."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

import typer.main

from simulator.cli.main import app
from simulator.scenario import quantities
from simulator.scenario.schema import json_schema
from tests.docs.blocks import ROOT

Json = dict[str, Any]
KINDS = {
    "Duration": "duration",
    "PositiveDuration": "duration > 0",
    "Size": "size",
    "PositiveSize": "size > 0",
    "Rate": "rate",
    "PositiveRate": "rate > 0",
    "PositiveBandwidth": "bandwidth",
    "PositiveCompute": "compute speed",
    "Work": "amount of work",
    "Share": "share",
    "PositiveShare": "share > 0",
    "OpenShare": "share > 0, < 1",
    "Name": "name",
}


# -- the scenario ----------------------------------------------------------------------------------------------------


def scenario_page() -> str:
    """Every key of a scenario file, from its JSON Schema."""
    return "\n".join(_scenario_lines(json_schema())) + "\n"


def _scenario_lines(schema: Json) -> Iterator[str]:
    yield "# Every key of a scenario"
    yield ""
    yield "Written by `python -m tests.docs.reference` from the schema that `plan schema` prints;"
    yield "[the guide](scenario.md) explains. Quantities carry their unit: `250ms`, `16GiB`, `2000/s`, `12GB/s`, `99%`."
    yield ""
    yield from _section("Top level", schema, schema)
    for name in _order(schema):
        yield from _section(name, schema["definitions"][name], schema)


def _order(schema: Json) -> list[str]:
    """Definitions with keys, in the order in which a reader meets them."""
    found: list[str] = []

    def visit(node: Any) -> None:
        if isinstance(node, list):
            for item in node:
                visit(item)
        elif isinstance(node, dict):
            target = _target(node)
            if target is not None and target not in found:
                if "properties" in schema["definitions"][target]:
                    found.append(target)
                visit(schema["definitions"][target])
            for key, value in node.items():
                if key != "definitions":
                    visit(value)

    visit(schema)
    return found


def _target(node: Json) -> str | None:
    reference = node.get("$ref")
    return reference.rpartition("/")[2] if isinstance(reference, str) else None


def _section(title: str, node: Json, schema: Json) -> Iterator[str]:
    yield f"## {title}"
    yield ""
    about = node.get("description")
    if about:
        yield from (about, "")
    yield "| key | what it takes | default | meaning |"
    yield "|---|---|---|---|"
    needed = set(node.get("required", ()))
    for key, value in node["properties"].items():
        default = "required" if key in needed else _default(value)
        yield f"| `{key}` | {_kind(value, schema)} | {default} | {_cell(value.get('description', ''))} |"
    yield ""


def _default(node: Json) -> str:
    value = node.get("default")
    if value is None or (isinstance(value, dict | list) and not value):
        return ""
    if isinstance(value, dict | list):
        return "as shown below"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _kind(node: Json, schema: Json) -> str:
    found = list(dict.fromkeys(text for text in _kinds(node, schema) if text))
    return " or ".join(found) or "any"


def _kinds(node: Json, schema: Json) -> Iterator[str]:
    quantity = _quantity(node)
    if quantity is not None:
        yield quantity
        return
    target = _target(node)
    if target is not None:
        inner = schema["definitions"][target]
        if "properties" in inner:
            yield f"[{target}](#{target.lower()})"
        else:
            yield from _kinds(inner, schema)
    for key in ("allOf", "anyOf"):
        for item in node.get(key, ()):
            yield from _kinds(item, schema)
    if "enum" in node:
        yield ", ".join(f"`{value}`" for value in node["enum"])
    elif "const" in node:
        yield f"`{node['const']}`"
    elif "type" in node:
        yield _plain(node, schema)


def _plain(node: Json, schema: Json) -> str:
    kind = node["type"]
    if kind == "array":
        return f"list of {_kind(node['items'], schema)}" if isinstance(node.get("items"), dict) else "list"
    if kind == "object":
        inner = node.get("additionalProperties") or next(iter(node.get("patternProperties", {}).values()), None)
        return f"mapping to {_kind(inner, schema)}" if isinstance(inner, dict) and inner else "mapping"
    return {"integer": "whole number", "number": "number", "boolean": "true or false", "string": "text", "null": ""}[
        kind
    ]


def _quantity(node: Json) -> str | None:
    """The kind of quantity whose schema this is."""
    plain = {key: value for key, value in node.items() if key not in ("description", "default", "title")}
    return next((name for schema, name in _known() if schema == plain), None)


_FOUND: list[tuple[Json, str]] = []


def _known() -> list[tuple[Json, str]]:
    from pydantic import TypeAdapter

    if not _FOUND:
        from simulator.scenario.schema import _draft7

        for name, text in KINDS.items():
            _FOUND.append((_draft7(TypeAdapter(getattr(quantities, name)).json_schema()), text))
    return _FOUND


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|")


# -- the command -----------------------------------------------------------------------------------------------------


def command_page() -> str:
    """Every verb of ``plan`` with its arguments and options, as ``--help`` has them."""
    return "\n".join(_command_lines()) + "\n"


def _command_lines() -> Iterator[str]:
    yield "# Every verb of `plan`"
    yield ""
    yield "Written by `python -m tests.docs.reference` from the texts of `plan VERB --help`."
    yield ""
    root: Any = typer.main.get_command(app)
    yield _cell(root.help or "")
    yield ""
    yield _cell(root.epilog or "")
    yield ""
    yield "| verb | what it answers |"
    yield "|---|---|"
    verbs = list(_verbs(root, "plan"))
    for name, verb in verbs:
        yield f"| [{name}](#{name.replace(' ', '-')}) | {_cell(verb.help or '')} |"
    yield ""
    for name, verb in verbs:
        yield from _verb(name, verb)


def _verbs(group: Any, name: str) -> Iterator[tuple[str, Any]]:
    for key, command in group.commands.items():
        full = f"{name} {key}"
        if hasattr(command, "commands"):
            yield from _verbs(command, full)
        else:
            yield full, command


def _verb(name: str, verb: Any) -> Iterator[str]:
    yield f"## {name}"
    yield ""
    yield _cell(verb.help or "")
    yield ""
    if verb.epilog:
        yield f"{_cell(verb.epilog)}"
        yield ""
    yield "| argument or option | meaning |"
    yield "|---|---|"
    for one in verb.params:
        if one.name != "help":
            yield f"| {_names(one)} | {_meaning(one)} |"
    yield ""


def _names(one: Any) -> str:
    if one.param_type_name == "argument":
        return f"`{one.metavar or one.name.upper()}`"
    names = ", ".join(f"`{text}`" for text in sorted(one.opts, key=len))
    return f"{names} {_cell(one.metavar)}" if one.metavar else names


def _meaning(one: Any) -> str:
    text = _cell(one.help or "")
    value = getattr(one.default, "value", one.default)
    told = "default" in text or isinstance(value, bool) or not isinstance(value, int | float | str) or value == ""
    return text if told or one.param_type_name == "argument" else f"{text.removesuffix('.')} (default: {value})."


PAGES: dict[str, Callable[[], str]] = {
    "docs/reference-scenario.md": scenario_page,
    "docs/reference-commands.md": command_page,
}


def main() -> None:
    for name, text in PAGES.items():
        (ROOT / name).write_text(text(), encoding="utf-8")
        sys.stdout.write(f"wrote {name}\n")


if __name__ == "__main__":
    main()
