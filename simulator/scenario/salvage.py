"""What is valid in a file that is not, so that its other problems are told as well."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import ValidationError

from simulator.scenario.base import Strict

S = TypeVar("S", bound=Strict)
MOST = 1000
"""Entries of a section that are looked at."""


def valid_entries(section: Any, kind: type[S]) -> dict[str, S | None]:
    """Entries of a section by name, None for those that have problems of their own."""
    if not isinstance(section, dict):
        return {}
    return {name: valid_one(value, kind) for name, value in list(section.items())[:MOST]}


def valid_one(value: Any, kind: type[S]) -> S | None:
    """The model of a value, None where it has problems."""
    try:
        return kind.model_validate(value)
    except ValidationError:
        return None
