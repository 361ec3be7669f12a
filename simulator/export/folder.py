"""The folder of an export: written whole, or not at all; files that are not ours stay."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from pathlib import Path

from simulator.errors import Problem, ScenarioError
from simulator.export.target import Files
from simulator.files import check_parents, reason

MANIFEST = "export.json"


def check_target(folder: Path, force: bool) -> None:
    """Refuse, before any work is done, a folder that holds something already, or cannot be written."""
    if folder.exists() and not folder.is_dir():
        raise ScenarioError(Problem("is a file; -o names a folder", file=str(folder)))
    if folder.is_symlink() and not folder.exists():
        raise ScenarioError(Problem("is a link that leads nowhere", file=str(folder)))
    if folder.is_dir() and not os.access(folder, os.W_OK | os.X_OK):
        raise ScenarioError(Problem("cannot be written: no permission", file=str(folder)))
    if is_filled(folder) and not force:
        message = "is not empty: name another folder, or add --force to write these files anew (others in it stay)"
        raise ScenarioError(Problem(message, file=str(folder)))
    check_parents(folder)


def is_filled(folder: Path) -> bool:
    """Whether a folder exists and holds something."""
    return folder.is_dir() and any(folder.iterdir())


def draft(folder: Path, files: Files) -> Path:
    """Write ``files`` into a new folder beside ``folder``; ScenarioError names ``folder``, and nothing stays."""
    place = Path(os.path.realpath(folder))
    made = place.with_name(f".draft-{secrets.token_hex(8)}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            path = made / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        shutil.rmtree(made, ignore_errors=True)
        raise ScenarioError(Problem(reason(error), file=str(folder))) from error
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    return made


def publish(made: Path, folder: Path, files: Files) -> None:
    """Let a draft become ``folder``. In a folder that is there, files of an earlier export go, all others stay."""
    place = Path(os.path.realpath(folder))
    try:
        if not place.exists():
            made.replace(place)
            return
        stale = earlier(place) - set(files)
        blocked = next((name for name in files if (place / name).is_dir()), None)
        if blocked is not None:
            raise ScenarioError(Problem("is a folder where a file must be written", file=str(folder / blocked)))
        for name in files:
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (made / name).replace(place / name)
        for name in stale:
            (place / name).unlink(missing_ok=True)
            _prune((place / name).parent, place)
    except OSError as error:
        raise ScenarioError(Problem(reason(error), file=str(folder))) from error
    finally:
        shutil.rmtree(made, ignore_errors=True)


def earlier(folder: Path) -> set[str]:
    """Files that an earlier export wrote here, by its manifest; none without one, or outside the folder."""
    try:
        names = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return set()
    root = folder.resolve()
    texts = {name for name in names if isinstance(name, str)} if isinstance(names, list) else set()
    return {name for name in texts if (folder / name).parent.resolve().is_relative_to(root)}


def _prune(folder: Path, root: Path) -> None:
    """Remove folders that became empty."""
    while folder != root and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
