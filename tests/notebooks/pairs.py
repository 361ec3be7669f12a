"""``python -m tests.notebooks.pairs`` writes every notebook anew from its text: ``NN-name.py`` to ``NN-name.ipynb``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import jupytext
import nbformat

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
TEXTS = sorted(FOLDER.glob("[0-9][0-9]-*.py"))
KERNEL = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}


def notebook_of(text: Path) -> nbformat.NotebookNode:
    """The notebook that a text in the percent format stands for; its cells are named by their place."""
    read = jupytext.read(text)
    cells = [nbformat.from_dict({**cell, "id": f"cell-{place:02d}"}) for place, cell in enumerate(read.cells)]
    for cell in cells:
        cell["metadata"] = nbformat.from_dict({})
    metadata = {**KERNEL, "language_info": {"name": "python"}}
    return nbformat.from_dict({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5})


def stored(text: Path) -> str:
    """The file that stands beside the text."""
    found = notebook_of(text)
    nbformat.validate(found)
    written: str = nbformat.writes(found)
    return written + "\n"


def main(tell: Callable[[str], object]) -> None:
    """Write them all."""
    for text in TEXTS:
        text.with_suffix(".ipynb").write_text(stored(text), encoding="utf-8")
        tell(f"wrote {text.with_suffix('.ipynb').name}\n")


if __name__ == "__main__":
    main(sys.stdout.write)
