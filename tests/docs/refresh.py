"""``python -m tests.docs.refresh [PAGE ...]`` writes the outputs that pages show anew; README.md, if none is named."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.docs.blocks import ROOT, Block, blocks, commands, run_plan, run_python, updated, workplace


def refreshed(text: str, folder: Path) -> str:
    """The page with the outputs of its console blocks, and of python blocks followed by a text block, as they are."""
    lines = text.splitlines()
    found = blocks(text)
    for number in reversed(range(len(found))):
        block = found[number]
        if block.language == "console":
            lines[block.start : block.start + len(block.lines)] = _console(block, folder)
        elif block.language == "text" and number and found[number - 1].language == "python":
            shown = run_python("\n".join(found[number - 1].lines), folder).stdout
            lines[block.start : block.start + len(block.lines)] = updated(block.lines, shown)
    return "\n".join(lines) + "\n"


def _console(block: Block, folder: Path) -> list[str]:
    written = [line for line in block.lines if line.startswith("$ ")]
    lines: list[str] = []
    for line, (command, shown) in zip(written, commands(block)):
        done = run_plan(command, folder)
        lines += [line, *(updated(shown, done.stdout) if shown else ())]
    return lines


def main() -> None:
    for name in sys.argv[1:] or ["README.md"]:
        page = ROOT / name
        with tempfile.TemporaryDirectory() as folder:
            text = refreshed(page.read_text(encoding="utf-8"), workplace(Path(folder)))
        page.write_text(text, encoding="utf-8")
        sys.stdout.write(f"wrote {name}\n")


if __name__ == "__main__":
    main()
