"""``python -m tests.notebooks.execute NOTEBOOK`` runs a notebook where it stands and prints its cells as JSON.

A process of its own: kernels start threads and event loops, whose warnings are no errors of ours.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

LONGEST_CELL_S = 300


def executed(path: Path) -> str:
    """The notebook with its outputs, as JSON."""
    notebook = nbformat.read(path, as_version=4)
    where = {"metadata": {"path": str(path.parent)}}
    NotebookClient(notebook, timeout=LONGEST_CELL_S, kernel_name="python3", resources=where).execute()
    written: str = nbformat.writes(notebook)
    return written


if __name__ == "__main__":
    sys.stdout.write(executed(Path(sys.argv[1])))
