"""Every broken file that a scenario names is refused with its place and the reason."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from simulator.cluster import load
from simulator.cluster.lower import lower
from simulator.errors import ScenarioError
from tests.cluster.lower.made import node
from tests.support import Node, layer, portion

CORPUS = Path(__file__).parents[2] / "corpus" / "binding"
CASES: list[Node] = json.loads((CORPUS / "expected.json").read_text(encoding="utf-8"))


def written(case: Node) -> Node:
    """A scenario that is sound but for the file that it names."""
    if case["kind"] == "measured":
        tree = node([layer(1.0)])
        layers = {"layers": case["layers"]} if "layers" in case else {}
        tree["models"]["m"] = {"measured": case["file"], **layers, **case.get("model", {})}
        return tree
    if case["kind"] == "trace":
        return node([layer(1.0)], service={"workload": {"process": "trace", "trace": case["file"]}})
    exits = {"table": case["file"], "rule": case.get("rule", {"confidence": 0.8})}
    model = {"ramps": {"after": "all"}, "exits": exits}
    return node([layer(0.1)] * 4, [portion("1-4")], exit_mode="compact", model=model)


def refused(folder: Path, tree: Node) -> ScenarioError:
    path = folder / "scenario.yaml"
    path.write_text(json.dumps(tree, indent=1), encoding="utf-8")
    with pytest.raises(ScenarioError) as caught:
        lower(load(path))
    return caught.value


def name_of(case: Node) -> str:
    return " ".join([case["kind"], case["file"], *(str(case[key]) for key in ("rule", "model") if key in case)])


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files beside a scenario that may be written."""
    folder = tmp_path_factory.mktemp("binding")
    for entry in CORPUS.iterdir():
        (folder / entry.name).symlink_to(entry)
    return folder


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_is_refused_with_its_place(case: Node, corpus: Path) -> None:
    error = refused(corpus, written(case))
    text = str(error)
    for part in case["says"]:
        assert part in text
    heads = [problem.render().splitlines()[0] for problem in error.problems]
    for head in heads:
        assert re.match(r"\S+(scenario\.yaml:\d+:\d+: |\.(csv|yaml)(\.gz)?:\d+: |\.csv: rule )", head), head
    assert len(text.splitlines()) <= 3 * len(heads) <= 6


def test_corpus_is_complete() -> None:
    listed = {case["file"] for case in CASES}
    present = {entry.name for entry in CORPUS.iterdir()}
    assert present - listed == {"README.md", "expected.json"}
    assert len(CASES) >= 50


@pytest.mark.parametrize("kind", ["measured", "exits"])
def test_pipes_and_devices_are_not_read(tmp_path: Path, kind: str) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    os.mkfifo(tmp_path / "pipe.yaml")
    names = ["pipe.csv", "/dev/zero"] + (["pipe.yaml"] if kind == "measured" else [])
    for name in names:
        assert "not a regular file" in str(refused(tmp_path, written({"kind": kind, "file": name})))


@pytest.mark.parametrize("name", ["rows.csv", "costs.yaml"])
def test_ten_gigabytes_are_refused_at_once(tmp_path: Path, name: str) -> None:
    with (tmp_path / name).open("wb") as file:
        file.truncate(10_000_000_000)  # sparse: takes no room
    for kind in ("measured", "exits") if name == "rows.csv" else ("measured",):
        assert "larger than" in str(refused(tmp_path, written({"kind": kind, "file": name})))


def test_the_message_shows_the_line_of_the_scenario(tmp_path: Path) -> None:
    text = str(refused(tmp_path, written({"kind": "measured", "file": "absent.csv"})))
    head, line, caret = text.splitlines()
    assert head.endswith("models.m.measured: absent.csv: no such file")
    assert '"absent.csv"' in line
    assert caret.index("^") == line.index('"absent.csv"')


def test_sound_oddities_are_read(tmp_path: Path) -> None:
    """Byte order mark, CRLF, quotes, blank lines and spaces, other columns."""
    (tmp_path / "odd.csv").write_bytes('\ufeffbatch, note ,seconds\r\n\r\n1,,0.5\r\n"2",x, 1.5 \r\n'.encode())
    tree: Any = written({"kind": "measured", "file": "odd.csv"})
    tree["services"]["s"]["deployment"]["portions"][0]["batch"] = 2
    (tmp_path / "scenario.yaml").write_text(json.dumps(tree), encoding="utf-8")
    made = lower(load(tmp_path / "scenario.yaml"))
    assert made.services[0].stations[0].kinds[0].phases[0].time_s.tolist() == [0.0, 0.5, 1.5]
