"""The folder is written whole or not at all, the same bytes each time; files of others stay."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from simulator.errors import InternalError, ScenarioError
from simulator.export import TARGETS, export, read_case
from simulator.export.folder import draft, publish
from tests.export.support import DAY, NOTHING, case, tree, written


def texts(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("target", TARGETS)
def test_same_bytes_and_a_manifest_of_all_files(target: str, tmp_path: Path) -> None:
    for name in ("a", "b"):
        done = written(read_case(DAY), target, tmp_path / name)
    assert texts(tmp_path / "a") == texts(tmp_path / "b")
    manifest = json.loads((tmp_path / "a" / "export.json").read_text())
    assert sorted(texts(tmp_path / "a")) == sorted(manifest["files"]) == list(done.files)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_a_folder_that_holds_something_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    written(case(), "triton", folder)  # an empty one is taken
    before = texts(folder)
    with pytest.raises(ScenarioError, match="is not empty: name another folder, or add --force"):
        written(case(), "kubernetes", folder)
    assert texts(folder) == before


def test_force_keeps_the_files_of_others(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    written(case(), "triton", folder)
    models = folder / "window-0/model_repository"
    (models / "chat-1-2/1/model.onnx").write_bytes(b"weights")
    (folder / "notes.txt").write_text("mine")
    rows = [{"layers": "1-2", "pool": "p", "replicas": 1}, {"layers": "3-6", "pool": "p", "replicas": 1}]
    export(case(tree(rows)), "triton", folder, force=True, check=True, comparison=NOTHING)
    assert (models / "chat-1-2/1/model.onnx").read_bytes() == b"weights"
    assert "max_batch_size: 1" in (models / "chat-1-2/config.pbtxt").read_text()
    export(case(), "kubernetes", folder, force=True, comparison=NOTHING)
    left = set(texts(folder)) - set(json.loads((folder / "export.json").read_text())["files"])
    assert left == {"notes.txt", "window-0/model_repository/chat-1-2/1/model.onnx"}
    assert not (models / "chat-3-6").exists()  # what was ours alone is gone
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_a_manifest_leads_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    folder = tmp_path / "out"
    written(case(), "triton", folder)
    (folder / "export.json").write_text(json.dumps({"files": ["../mine.txt", str(tmp_path / "mine.txt"), 3]}))
    export(case(), "triton", folder, force=True, comparison=NOTHING)
    assert (tmp_path / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize("number", [0, 3])
def test_a_full_disk_leaves_nothing(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    count, write = 0, Path.write_text

    def full(self: Path, *args: object, **options: object) -> int:
        nonlocal count
        count += 1
        if count > number:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(self, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(ScenarioError, match="out: no space left on device"):
        export(case(), "kubernetes", tmp_path / "out", comparison=NOTHING)
    assert list(tmp_path.iterdir()) == []


def test_an_interruption_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*args: object, **options: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_text", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export(case(), "kubernetes", tmp_path / "out", comparison=NOTHING)
    assert list(tmp_path.iterdir()) == []


def test_files_that_their_target_does_not_read_are_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from simulator.export.kubernetes import manifests

    monkeypatch.setattr(manifests, "PORT", "http")
    with pytest.raises(InternalError, match="the files for Kubernetes are not what it reads: base/chat-1-2"):
        written(case(), "kubernetes", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ScenarioError, match="is a file; -o names a folder"):
        export(case(), "triton", tmp_path / "file", comparison=NOTHING)
    with pytest.raises(ScenarioError, match="is no folder"):
        export(case(), "triton", tmp_path / "file" / "out", comparison=NOTHING)
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ScenarioError, match="a link that leads nowhere"):
        export(case(), "triton", tmp_path / "link", comparison=NOTHING)
    folder = tmp_path / "taken"
    (folder / "a").mkdir(parents=True)
    with pytest.raises(ScenarioError, match="is a folder where a file must be written"):
        publish(draft(folder, {"a": "text"}), folder, {"a": "text"})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link", "taken"]


def test_a_link_to_a_folder_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    written(case(), "triton", tmp_path / "link")
    assert (tmp_path / "real" / "README.md").is_file()
    assert (tmp_path / "link").is_symlink()
