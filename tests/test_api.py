"""The public names: importable, lazily, described on one page with the signatures that they have."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import simulator

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "api.md").read_text(encoding="utf-8")
NAMES = [name for name in simulator.__all__ if name != "__version__"]
LONGEST = 24
"""Defaults that take more letters are written as dots."""


def told(name: str) -> str:
    """A name as the page writes it: with its parameters and their defaults, without types.

    >>> told("load"), told("Result")
    ('load(path, *, sets=(), variants=(), plan=None)', 'Result')
    """
    found = getattr(simulator, name)
    if inspect.isclass(found):
        return name
    parts, marked = [], False
    for one in inspect.signature(found).parameters.values():
        if one.kind is one.KEYWORD_ONLY and not marked:
            parts.append("*")
        marked = marked or one.kind in (one.KEYWORD_ONLY, one.VAR_POSITIONAL)
        star = "*" if one.kind is one.VAR_POSITIONAL else ""
        default = "" if one.default is one.empty else f"={short(repr(one.default))}"
        parts.append(f"{star}{one.name}{default}")
    return f"{name}({', '.join(parts)})"


def short(text: str) -> str:
    """A default, or dots for a long one."""
    return text if len(text) <= LONGEST else "..."


@pytest.mark.parametrize("name", NAMES)
def test_stands_on_the_page(name: str) -> None:
    assert f"| `{told(name)}` |" in PAGE, f"docs/api.md needs `{told(name)}`"


@pytest.mark.parametrize("name", NAMES)
def test_has_a_docstring(name: str) -> None:
    assert inspect.getdoc(getattr(simulator, name))


def test_the_page_names_nothing_else() -> None:
    rows = [line.split("`")[1].partition("(")[0] for line in PAGE.splitlines() if line.startswith("| `")]
    assert sorted(rows) == sorted(NAMES)


def test_importing_the_package_imports_nothing_heavy() -> None:
    heavy = ("numpy", "pandas", "scipy", "pydantic", "matplotlib", "numba")
    program = f"import simulator, sys; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
