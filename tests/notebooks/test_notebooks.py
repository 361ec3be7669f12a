"""Every notebook: runs from top to bottom, decides, and holds neither outputs nor logic of its own."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

import simulator

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of the libraries that read notebooks, while they are imported
    from tests.notebooks.pairs import FOLDER, TEXTS, stored

ROOT = FOLDER.parent
DECISIONS = {
    "01-quickstart": r"Rent 4 devices",
    "02-early-exit-what-if": r"Cut the model after layers 2, 4, 6\b.*use \*compact\* instead",
    "03-precision-and-batch": r"batches of two \*\*int4\*\*.*batches of 256 \*\*int8\*\*",
    "04-bubbles": r"take zb-2p.*If not, take zb-v",
    "05-layer-streaming": r"train in groups of 4\*\*.*within 0\.\d % of every measured step",
    "06-plan-a-day": r"Deploy the plan.*within 0\.0% of the best.*miss the objective on 0 of them",
    "07-calibrate-your-own-hardware": r"batches of \d+ on \d+ cores",
}
"""What each of them must come to."""
ALLOWED = {"simulator", "pandas", "matplotlib.pyplot", "IPython.display", "pathlib", "tempfile"}
LOGIC = (
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
    ast.Lambda,
    ast.For,
    ast.While,
    ast.If,
    ast.Try,
    ast.With,
)


def code(text: Path) -> ast.Module:
    """The cells of a notebook, one after another."""
    return ast.parse(text.read_text(encoding="utf-8"))


def test_there_are_seven() -> None:
    assert [text.stem for text in TEXTS] == list(DECISIONS)
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == list(DECISIONS)
    listed = (FOLDER / "README.md").read_text(encoding="utf-8")
    for text in TEXTS:
        assert f"({text.stem}.ipynb)" in listed


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text.stem)
def test_is_the_pair_of_its_text_without_outputs(text: Path) -> None:
    """``python -m tests.notebooks.pairs`` writes it."""
    written = text.with_suffix(".ipynb").read_text(encoding="utf-8")
    assert written == stored(text), f"{text.stem}.ipynb is not what {text.name} says"
    cells = json.loads(written)["cells"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells if "outputs" in cell)
    assert cells[0]["cell_type"] == "markdown"
    assert "?" in "".join(cells[0]["source"]), "an article begins with a question"
    assert "# Decision" in "".join(cells[-2]["source"])


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text.stem)
def test_holds_no_logic(text: Path) -> None:
    for node in ast.walk(code(text)):
        assert not isinstance(node, LOGIC), f"{text.name}:{node.lineno}: notebooks hold no logic"  # type: ignore[attr-defined]
        if isinstance(node, ast.Import):
            assert {name.name for name in node.names} <= ALLOWED
        elif isinstance(node, ast.ImportFrom):
            assert node.module in ALLOWED - {"simulator"}


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text.stem)
def test_uses_the_public_names_alone(text: Path) -> None:
    found = [node for node in ast.walk(code(text)) if isinstance(node, ast.Attribute)]
    names = {node.attr for node in found if isinstance(node.value, ast.Name) and node.value.id == "simulator"}
    assert names, "it calls the library"
    assert names <= set(simulator.__all__)
    hidden = {node.attr for node in found if node.attr.startswith("_")}
    assert not hidden


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text.stem)
def test_names_files_that_are_there(text: Path) -> None:
    """From its own folder, as it is run; no place of a certain machine."""
    texts = [node.value for node in ast.walk(code(text)) if isinstance(node, ast.Constant)]
    named = [item for item in texts if isinstance(item, str) and item.startswith("../")]
    assert named or text.stem.startswith("07")
    assert all((FOLDER / item).is_file() for item in named)
    assert not re.search(r"[\"'](/|~|[A-Z]:)", text.read_text(encoding="utf-8"))


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text.stem)
def test_runs_from_top_to_bottom_and_decides(text: Path, tmp_path: Path) -> None:
    cells = [cell for cell in run(text.with_suffix(".ipynb"), tmp_path)["cells"] if cell["cell_type"] == "code"]
    outputs = [output for cell in cells for output in cell["outputs"]]
    said = [output for output in outputs if output["output_type"] == "stream"]
    assert not said, f"something was printed or warned of: {said[:1]}"
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 1
    assert sum("text/html" in output.get("data", {}) for output in outputs) >= 2
    decision = " ".join("".join(cells[-1]["outputs"][-1]["data"]["text/markdown"]).split())
    assert re.search(DECISIONS[text.stem], decision), decision
    assert "nan" not in decision


def run(notebook: Path, folder: Path) -> dict[str, Any]:
    """The notebook with its outputs, run by a kernel of its own that leaves nothing behind."""
    own = {"JUPYTER_RUNTIME_DIR": str(folder / "run"), "IPYTHONDIR": str(folder / "ipython"), "PYTHONPATH": str(ROOT)}
    own |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "JUPYTER_PLATFORM_DIRS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.notebooks.execute", str(notebook)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **own},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found
