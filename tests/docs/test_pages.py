"""Every page: links lead somewhere, commands and python blocks run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, Block, blocks, commands, run_plan, run_python, updated, workplace

PAGES = sorted(
    path
    for folder in ("", "docs", "scenarios", "scenarios/data", "notebooks", "reports", "benchmarks")
    for path in (ROOT / folder).glob("*.md")
)
NAMES = [str(path.relative_to(ROOT)) for path in PAGES]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
OTHERS = [(name, path) for name, path in zip(NAMES, PAGES) if name != "README.md"]
PYTHON = [
    (name, block)
    for name, path in OTHERS
    for block in blocks(path.read_text(encoding="utf-8"))
    if block.language == "python"
]
COMMANDS = [
    (name, command, shown)
    for name, path in OTHERS
    for block in blocks(path.read_text(encoding="utf-8"))
    if block.language == "console"
    for command, shown in commands(block)
    if command.startswith("plan ")
]


def anchors(path: Path) -> set[str]:
    """The anchors of the headings of a page, as code hosts make them."""
    heads = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if target.startswith(("http://", "https://")):
            continue
        name, _, anchor = target.partition("#")
        found = page.parent / name if name else page
        assert found.exists(), f"{page.name} links to {target}, which does not exist"
        assert found.resolve().is_relative_to(ROOT), f"{page.name} links out of the project: {target}"
        assert not anchor or anchor in anchors(found), f"{page.name} links to a missing heading: {target}"


@pytest.mark.parametrize(("name", "block"), PYTHON, ids=[f"{name}:{block.start}" for name, block in PYTHON])
def test_python(name: str, block: Block, tmp_path: Path) -> None:
    done = run_python("\n".join(block.lines), workplace(tmp_path))
    assert done.returncode == 0, done.stderr


def test_commands(tmp_path: Path) -> None:
    """The commands of a page are steps of one story, so they run one after another in one folder."""
    folders: dict[str, Path] = {}
    for name, command, shown in COMMANDS:
        if name not in folders:
            folders[name] = tmp_path / name.replace("/", "-")
            folders[name].mkdir()
            workplace(folders[name])
        data = [word for word in command.split() if word.lower().endswith((".csv", ".csv.gz"))]
        if not all((folders[name] / word).exists() for word in data):
            continue  # measurements of the reader's own
        done = run_plan(command, folders[name])
        assert done.returncode == 0, f"{name}: {command}\n{done.stderr}"
        if shown:
            stale = f"{name} shows something else than {command} prints: python -m tests.docs.refresh {name}"
            assert updated(shown, done.stdout) == shown, stale


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    for path in (ROOT / "docs").glob("*.md"):
        assert path.name == "index.md" or f"({path.name})" in index, f"docs/index.md does not name {path.name}"


def test_the_reference_names_every_key() -> None:
    """docs/scenario.md and docs/workloads.md together name every key of the sections that are simulated."""
    from simulator.scenario.schema import json_schema

    text = "".join((ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8") for name in ("scenario", "workloads"))
    later = {"Planner", "Search"}
    definitions = json_schema()["definitions"]
    missing = {
        f"{name}.{key}"
        for name, node in definitions.items()
        if name not in later
        for key in node.get("properties", {})
        if not re.search(rf"\b{re.escape(key)}\b", text)
    }
    assert not missing
