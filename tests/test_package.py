"""What is packed: version, licence, data files, the marker for type checkers."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import simulator

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
COPIED = ("pyproject.toml", "README.md", "LICENSE", "NOTICE")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built from a copy so that the tree stays as it is."""
    if importlib.util.find_spec("setuptools") is None:
        pytest.skip("building a wheel without network needs setuptools in the environment")
    if importlib.util.find_spec("pip") is None:
        pytest.skip("building a wheel needs pip in the environment")
    import shutil

    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT / "simulator", folder / "simulator", ignore=shutil.ignore_patterns("__pycache__"))
    for name in COPIED:
        shutil.copy(ROOT / name, folder / name)
    options = ["--no-deps", "--no-build-isolation", "--disable-pip-version-check", "-q", "-w", str(folder)]
    command = [sys.executable, "-m", "pip", "wheel", *options, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    return zipfile.ZipFile(built)


def test_the_version_is_one() -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert simulator.__version__ == PROJECT["version"]
    assert f"\nversion: {PROJECT['version']}\n" in citation
    assert f"\n## {PROJECT['version']}" in changes


def test_the_licence_is_whole() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert PROJECT["license"] == "Apache-2.0"
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_the_wheel_has_every_file_of_the_package(wheel: zipfile.ZipFile) -> None:
    packed = set(wheel.namelist())
    wanted = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "simulator").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert wanted <= packed, f"not packed: {sorted(wanted - packed)}"
    assert "simulator/py.typed" in packed


def test_the_wheel_has_nothing_else(wheel: zipfile.ZipFile) -> None:
    tops = {name.partition("/")[0] for name in wheel.namelist()}
    assert tops == {"simulator", f"exitplan-{PROJECT['version']}.dist-info"}


def test_the_wheel_carries_licence_and_command(wheel: zipfile.ZipFile) -> None:
    info = f"exitplan-{PROJECT['version']}.dist-info"
    assert f"{info}/licenses/LICENSE" in wheel.namelist()
    entries = wheel.read(f"{info}/entry_points.txt").decode()
    assert "plan = simulator.cli.main:main" in entries
