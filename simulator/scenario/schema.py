"""The formats of scenarios and plans as JSON Schema (draft 7), for editors: completion, descriptions, checks."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from simulator.scenario.planfile import Plan
from simulator.scenario.root import Scenario

SCHEMA_LINE = "# yaml-language-server: $schema="
"""First line of a scenario; editors read the schema that it names."""


class _Untitled(GenerateJsonSchema):
    """Leaves out titles that only repeat the key."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Never: the key says it."""
        del schema
        return False


def json_schema() -> dict[str, Any]:
    """JSON Schema, draft 7, of a scenario file; quantities are texts with their units.

    Rules between keys (shares that sum to 1, names that must exist) are the loader's and not in it.
    """
    return _headed(Scenario, "Scenario", "Hardware, models, services and their load, and the run that is simulated.")


def plan_schema() -> dict[str, Any]:
    """JSON Schema, draft 7, of a plan file."""
    return _headed(Plan, "Plan", "What is deployed in every window, what it was sized for, and how good it is.")


def _headed(model: type[BaseModel], title: str, description: str) -> dict[str, Any]:
    schema = _draft7(model.model_json_schema(schema_generator=_Untitled))
    head = {"$schema": "http://json-schema.org/draft-07/schema#", "title": title, "description": description}
    return head | {key: value for key, value in schema.items() if key not in head}


def _draft7(node: Any) -> Any:
    """The same schema in the words of draft 7, and with alternatives that may overlap."""
    if isinstance(node, list):
        return [_draft7(item) for item in node]
    if not isinstance(node, dict):
        return node
    renamed = {"$defs": "definitions", "oneOf": "anyOf"}
    done = {renamed.get(key, key): _draft7(value) for key, value in node.items() if key != "discriminator"}
    reference = done.get("$ref")
    if isinstance(reference, str):
        done["$ref"] = reference.replace("#/$defs/", "#/definitions/")
        if len(done) > 1:  # draft 7 ignores what stands beside a reference
            done = {"allOf": [{"$ref": done.pop("$ref")}], **done}
    return done
