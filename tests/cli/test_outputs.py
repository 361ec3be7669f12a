"""Where output may go: nothing that is read is destroyed, and a full disk costs no figures."""

import errno
import io
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from simulator.cli.output import progress
from simulator.errors import ScenarioError
from simulator.files import check_output, write_text, write_whole
from simulator.results import ClassInfo, Result
from tests.cli.test_verbs import WITHOUT_SLO, Asked, Plan, asked, plan, stand_in
from tests.results.builders import Ask, alone, record, service

__all__ = ["asked", "plan"]  # fixtures

ROWS = "batch,time_ms\n1,2\n2,3\n4,5\n8,9\n"


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device", ".draft-name")


class Full(io.StringIO):
    """A stdout on a full disk."""

    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


class Terminal(io.StringIO):
    """A stderr that people look at."""

    def isatty(self) -> bool:
        return True


class TestFiles:
    def test_a_pipe_is_refused_and_stays(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(ScenarioError, match="pipe: is not a regular file"):
            write_text(tmp_path / "pipe", "x")
        assert (tmp_path / "pipe").is_fifo()

    def test_a_link_stays_and_its_file_is_replaced(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("old")
        (tmp_path / "link").symlink_to("file")
        (tmp_path / "dangling").symlink_to("new")
        write_text(tmp_path / "link", "mine")
        write_text(tmp_path / "dangling", "yours")
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "file").read_text() == "mine"
        assert (tmp_path / "new").read_text() == "yours"

    def test_a_link_to_itself_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "round").symlink_to("round")
        with pytest.raises(ScenarioError, match="leads to itself"):
            write_text(tmp_path / "round", "x")

    def test_a_full_disk_names_the_file_that_was_asked_for(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("old")
        with pytest.raises(ScenarioError) as caught:
            write_whole(tmp_path / "file", full)
        assert str(caught.value) == f"{tmp_path / 'file'}: no space left on device"
        assert [path.name for path in tmp_path.iterdir()] == ["file"]
        assert (tmp_path / "file").read_text() == "old"

    def test_a_file_cannot_be_a_folder_on_the_way(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        for attempt in (check_output, lambda path: write_text(path, "x")):
            with pytest.raises(ScenarioError, match=r"below: .*(no folder|exists|directory)"):
                attempt(tmp_path / "file" / "below")

    def test_no_permission(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "access", lambda *_: False)
        with pytest.raises(ScenarioError, match="no permission"):
            check_output(tmp_path / "new" / "file")

    def test_an_input_by_another_name(self, tmp_path: Path) -> None:
        (tmp_path / "rows.csv").write_text(ROWS)
        (tmp_path / "link").symlink_to("rows.csv")
        with pytest.raises(ScenarioError, match="is a file that is read"):
            check_output(tmp_path / "link", [tmp_path / "rows.csv"])


class TestBeforeTheRun:
    def test_the_scenario_is_not_overwritten(self, plan: Plan, asked: Asked, tmp_path: Path) -> None:
        file = tmp_path / "result.json"
        file.write_text("{}")
        for options in (["--timeline", file], ["-o", tmp_path]):
            said = plan("simulate", file, *options)
            assert (said.code, said.out, asked.loaded) == (2, "", {})
            assert f"{file}: is a file that is read" in said.err
        assert file.read_text() == "{}"

    def test_nor_is_a_file_that_it_names(self, plan: Plan, asked: Asked, tmp_path: Path) -> None:
        (tmp_path / "trace.csv").write_text("arrival_s\n1\n")
        said = plan("simulate", tmp_path / "a.yaml", "--timeline", tmp_path / "trace.csv")
        assert (said.code, asked.simulated) == (2, {})
        assert "trace.csv: is a file that is read" in said.err

    def test_rows_are_not_overwritten(self, plan: Plan, tmp_path: Path) -> None:
        file = tmp_path / "rows.csv"
        file.write_text(ROWS)
        assert plan("calibrate", "fit", file, "-o", file).code == 2
        assert file.read_text() == ROWS

    @pytest.mark.parametrize(
        ("folder", "timeline"), [("x", "x"), ("x", "x/requests.csv"), ("x/y", "x"), ("x", "file/below"), ("x", "pipe")]
    )
    def test_places_that_exclude_each_other(
        self, plan: Plan, asked: Asked, tmp_path: Path, folder: str, timeline: str
    ) -> None:
        (tmp_path / "file").write_text("")
        os.mkfifo(tmp_path / "pipe")
        said = plan("simulate", "a.yaml", "-o", tmp_path / folder, "--timeline", tmp_path / timeline)
        assert (said.code, asked.loaded) == (2, {})
        assert said.err.startswith(f"{tmp_path / timeline}: ")
        assert not (tmp_path / "x").exists()

    @pytest.mark.parametrize(
        "arguments",
        [
            ["simulate", ""],
            ["simulate", "a.yaml", "-o", ""],
            ["simulate", "a.yaml", "--timeline="],
            ["validate", "a.yaml", ""],
            ["calibrate", "fit", ""],
            ["init", ""],
            ["schema", "-o", ""],
        ],
    )
    def test_an_empty_name(self, plan: Plan, asked: Asked, arguments: list[str]) -> None:
        said = plan(*arguments)
        assert said.code == 2
        assert "the name is empty" in said.err

    @pytest.mark.parametrize("options", [["--table-format", "parquet"], ["--seed", str(2**63)]])
    def test_options_that_cannot_be_met(self, plan: Plan, asked: Asked, options: list[str]) -> None:
        assert plan("simulate", "a.yaml", *options).code == 2
        assert asked.loaded == {}

    def test_a_folder_that_is_there_needs_no_permission_above_it(
        self, plan: Plan, asked: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "access", lambda place, _: Path(place) != tmp_path)
        (tmp_path / "out").mkdir()
        assert plan("simulate", "a.yaml", "-o", tmp_path / "out").code == 0
        said = plan("simulate", "a.yaml", "-o", tmp_path / "new")
        assert said.err == f"{tmp_path / 'new'}: cannot be written: no permission in {tmp_path}\n"


class TestFullDisk:
    def test_the_figures_are_shown(
        self, plan: Plan, asked: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("simulator.reporting.folder._write", full)
        said = plan("simulate", "a.yaml", "-o", tmp_path / "out")
        assert said.code == 2
        assert "latency, p99" in said.out
        assert said.err == f"{tmp_path / 'out' / 'requests.csv'}: no space left on device\n"

    def test_stdout(self, plan: Plan, asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "stdout", Full())
        said = plan("simulate", "a.yaml")
        assert (said.code, said.err) == (2, "stdout: no space left on device\n")
        said = plan("--version")
        assert said.code == 2
        assert said.err.endswith("no space left on device\n")
        assert "internal" not in said.err

    def test_closed_stdout(self, plan: Plan, asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "stdout", None)
        said = plan("simulate", "a.yaml")
        assert said.code == 2
        assert said.err.startswith("stdout: is closed")


class TestCheck:
    def test_nothing_is_asked(self, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
        stand_in(monkeypatch, Asked(WITHOUT_SLO))
        said = plan("simulate", "a.yaml", "--check")
        assert (said.code, said.err) == (2, "a.yaml: --check: no service states an slo\n")

    def test_nothing_arrived(self, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
        empty = record([], services=[service("chat", ClassInfo("all", 0, 0.1))])
        stand_in(monkeypatch, Asked(Result.build("demo", 0, "simpy", "", [empty])))
        said = plan("simulate", "a.yaml", "--check")
        assert said.code == 0
        assert said.err == "warning: chat: no request arrived in the window, nothing to check\n"

    def test_a_miss_is_told_like_the_table_tells_it(self, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
        info = replace(service("chat", ClassInfo("all", 0, 0.1), target=0.99), named_classes=False)
        facts = alone([Ask(1.0, 1.05), Ask(2.0, 3.0)], services=[info])
        stand_in(monkeypatch, Asked(Result.build("demo", 0, "simpy", "", [facts])))
        said = plan("simulate", "a.yaml", "--check")
        assert (said.code, said.err) == (3, "missed: chat: 50.00 % of requests meet 100 ms, 99 % asked\n")


def test_a_dumb_terminal_shows_no_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    for kind, shown in (("xterm", True), ("dumb", False)):
        monkeypatch.setenv("TERM", kind)
        with progress("simulating", quiet=False) as bar:
            assert (bar is not None) == shown


@pytest.mark.parametrize("verb", [[], ["simulate"], ["calibrate"], ["calibrate", "fit"], ["catalogue"], ["schema"]])
def test_h_is_help(plan: Plan, verb: list[str]) -> None:
    assert plan(*verb, "-h") == plan(*verb, "--help")
    assert plan(*verb, "-h").code == 0
