"""The generated pages are what the generator writes now."""

from __future__ import annotations

import pytest

from simulator.scenario.schema import json_schema
from tests.docs.blocks import ROOT
from tests.docs.reference import PAGES, command_page, scenario_page


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_not_stale(name: str) -> None:
    written = (ROOT / name).read_text(encoding="utf-8")
    assert written == PAGES[name](), f"{name} is stale: python -m tests.docs.reference"


def test_every_key_of_the_schema_is_there() -> None:
    page = scenario_page()
    for title, node in json_schema()["definitions"].items():
        for key in node.get("properties", ()):
            assert f"| `{key}` |" in page, f"{title}.{key}"


def test_every_option_of_a_verb_is_there() -> None:
    page = command_page()
    for option in ("--series", "--plan", "--set", "--variant", "--json"):
        assert f"`{option}`" in page
