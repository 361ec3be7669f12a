"""What every verb prints, writes and exits with."""

import csv
import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

import simulator
from simulator.cli.main import run
from simulator.errors import InternalError, Problem, ScenarioError
from simulator.results import ClassInfo, Result
from tests.results.builders import Ask, alone, service, tandem


class Said(NamedTuple):
    code: int
    out: str
    err: str


Plan = Callable[..., Said]


@pytest.fixture
def plan(capsys: pytest.CaptureFixture[str]) -> Plan:
    def call(*arguments: object) -> Said:
        code = run([str(item) for item in arguments])
        return Said(code, *capsys.readouterr())

    return call


WITHOUT_SLO = Result.build("demo", 7, "simpy", "asked for", [tandem(1, 60)])


class Asked:
    """Stands for load and simulate, and remembers how they were called."""

    def __init__(self, result: Result | None = None, error: BaseException | None = None) -> None:
        self.result, self.error = result, error
        self.loaded: dict[str, Any] = {}
        self.services = {"chat": SimpleNamespace(slo=None if result is WITHOUT_SLO else "100ms", classes=None)}
        self.simulated: dict[str, Any] = {}

    def load(self, path: Path, **named: Any) -> object:
        self.loaded = {"path": path, **named}
        return self

    def model_dump(self) -> dict[str, object]:
        return {"services": {"chat": {"arrivals": ["trace.csv"], "note": "x" * 5000}}}

    @property
    def source(self) -> SimpleNamespace:
        return SimpleNamespace(file=lambda name: Path(self.loaded["path"]).parent / name)

    def simulate(self, scenario: object, **named: Any) -> Result:
        assert scenario is self
        self.simulated = named
        if self.error is not None:
            raise self.error
        assert self.result is not None
        return self.result


def stand_in(monkeypatch: pytest.MonkeyPatch, asked: Asked) -> Asked:
    monkeypatch.setattr(simulator, "load", asked.load)
    monkeypatch.setattr(simulator, "simulate", asked.simulate)
    return asked


RESULT = Result.build("demo", 7, "simpy", "asked for", [tandem(1, 60)], warnings=["hot"])


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    return stand_in(monkeypatch, Asked(RESULT))


def strict(text: str) -> Any:
    return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


class TestSimulate:
    def test_prints_a_table(self, plan: Plan, asked: Asked) -> None:
        said = plan("simulate", "a.yaml")
        assert said.code == 0
        assert "latency, p99" in said.out
        assert "warning: hot" in said.out
        assert said.err == ""

    @pytest.mark.parametrize("option", [("--json",), ("--format", "json"), ("--json", "--format", "json")])
    def test_json_is_the_result_and_nothing_else(self, plan: Plan, asked: Asked, option: tuple[str, ...]) -> None:
        said = plan("simulate", "a.yaml", *option)
        assert said.out == RESULT.to_json() + "\n"
        assert strict(said.out) == RESULT.to_dict()
        assert said.err == "warning: hot\n"

    def test_csv(self, plan: Plan, asked: Asked) -> None:
        rows = list(csv.DictReader(io.StringIO(plan("simulate", "a.yaml", "--format", "csv").out)))
        assert {row["metric"] for row in rows} >= {"latency.p99", "arrived", "utilization"}

    def test_quiet(self, plan: Plan, asked: Asked, tmp_path: Path) -> None:
        said = plan("simulate", "a.yaml", "--json", "--quiet", "-o", tmp_path)
        assert said.err == ""
        assert said.code == 0

    def test_passes_everything_on(self, plan: Plan, asked: Asked) -> None:
        options = [
            "--seed",
            5,
            "--engine",
            "simpy",
            "-n",
            4,
            "--set",
            "a=1",
            "--set",
            "b=2",
            "--variant",
            "x",
            "--plan",
            "p.yaml",
        ]
        assert plan("simulate", "a.yaml", *options).code == 0
        assert asked.loaded == {
            "path": Path("a.yaml"), "sets": ["a=1", "b=2"], "variants": ["x"], "plan": Path("p.yaml")
        }  # fmt: skip
        progress = asked.simulated.pop("progress")
        assert asked.simulated == {"seed": 5, "engine": "simpy", "replications": 4, "tables": None}
        assert progress is None  # stderr is no terminal here

    def test_what_is_not_asked_is_left_to_the_scenario(self, plan: Plan, asked: Asked) -> None:
        plan("simulate", "a.yaml")
        assert list(asked.loaded["sets"]) == list(asked.loaded["variants"]) == []
        nothing = {"seed": None, "engine": None, "replications": None, "tables": None, "progress": None}
        assert asked.simulated == nothing

    def test_tables_are_kept_for_what_is_written(self, plan: Plan, asked: Asked, tmp_path: Path) -> None:
        for options in (["-o", tmp_path / "out"], ["--timeline", tmp_path / "timeline.json"]):
            assert plan("simulate", "a.yaml", *options).code == 0
            assert asked.simulated["tables"] is True

    def test_automatic_replications(self, plan: Plan, asked: Asked) -> None:
        plan("simulate", "a.yaml", "--replications", "auto")
        assert asked.simulated["replications"] == "auto"

    def test_files(self, plan: Plan, asked: Asked, tmp_path: Path) -> None:
        timeline = tmp_path / "timeline.json"
        said = plan("simulate", "a.yaml", "-o", tmp_path / "tables", "--timeline", timeline)
        assert said.code == 0
        assert strict(timeline.read_text())["traceEvents"]
        names = {path.name for path in (tmp_path / "tables").iterdir()}
        assert names == {"requests.csv", "batches.csv", "portions.csv", "result.json"}
        assert f"wrote {timeline}" in said.err
        assert "wrote" not in said.out

    def test_parquet(self, plan: Plan, asked: Asked, tmp_path: Path) -> None:
        pytest.importorskip("pyarrow")
        assert plan("simulate", "a.yaml", "-o", tmp_path, "--table-format", "parquet").code == 0
        assert (tmp_path / "requests.parquet").exists()

    def test_a_folder_that_cannot_be_is_refused_before_the_run(self, plan: Plan, asked: Asked, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        said = plan("simulate", "a.yaml", "-o", tmp_path / "file")
        assert said.code == 2
        assert asked.loaded == {}

    def test_a_timeline_needs_a_file(self, plan: Plan, asked: Asked, tmp_path: Path) -> None:
        said = plan("simulate", "a.yaml", "--timeline", tmp_path)
        assert said.code == 2
        assert "is a folder" in said.err
        assert asked.loaded == {}

    @pytest.mark.parametrize(("objective", "code"), [(2.0, 0), (0.5, 3), (math.inf, 0)])
    def test_check(self, plan: Plan, monkeypatch: pytest.MonkeyPatch, objective: float, code: int) -> None:
        facts = alone([Ask(1.0, 2.0), Ask(2.0, 3.0)], services=[service("chat", ClassInfo("paid", 0, objective))])
        stand_in(monkeypatch, Asked(Result.build("demo", 0, "simpy", "", [facts])))
        said = plan("simulate", "a.yaml", "--check")
        assert said.code == code
        assert ("missed: chat" in said.err) == (code == 3)
        assert "latency, p99" in said.out
        assert plan("simulate", "a.yaml").code == 0


BAD = [
    ["nope"],
    ["simulate"],
    ["simulate", "a.yaml", "--nope"],
    ["simulate", "a.yaml", "--seed", "x"],
    ["simulate", "a.yaml", "--seed", "-1"],
    ["simulate", "a.yaml", "--replications", "0"],
    ["simulate", "a.yaml", "--replications", "-3"],
    ["simulate", "a.yaml", "--replications", "some"],
    ["simulate", "a.yaml", "--format", "xml"],
    ["simulate", "a.yaml", "--json", "--format", "csv"],
    ["simulate", "a.yaml", "--engine", "gpu"],
    ["simulate", "a.yaml", "b.yaml"],
    ["validate"],
    ["calibrate"],
    ["calibrate", "fit"],
    ["calibrate", "fit", "rows.csv", "--folds", "1"],
    ["catalogue", "planets"],
    ["catalogue", "devices", "no-such-device"],
    [],
]


@pytest.mark.parametrize("arguments", BAD, ids=" ".join)
def test_bad_commands_exit_with_two_and_no_traceback(plan: Plan, asked: Asked, arguments: list[str]) -> None:
    said = plan(*arguments)
    assert said.code == 2
    assert said.out == ""
    assert said.err
    assert "Traceback" not in said.err


class TestErrors:
    @pytest.mark.parametrize(
        ("error", "code", "text"),
        [
            (ScenarioError(Problem("is bad", file="a.yaml", line=3, path="run")), 2, "a.yaml:3: run: is bad"),
            (InternalError("a request was lost"), 1, "internal error: a request was lost"),
            (ZeroDivisionError("oh"), 1, "internal error: ZeroDivisionError: oh"),
            (PermissionError(13, "Permission denied", "out"), 2, "out: permission denied"),
            (MemoryError(), 2, "not enough memory"),
            (KeyboardInterrupt(), 130, "interrupted"),
        ],
    )
    def test_become_messages_and_exit_codes(
        self, plan: Plan, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, text: str
    ) -> None:
        stand_in(monkeypatch, Asked(error=error))
        said = plan("simulate", "a.yaml")
        assert said.code == code
        assert said.out == ""
        assert text in said.err
        assert "Traceback" not in said.err
        assert ("please report" in said.err) == (code == 1)

    @pytest.mark.parametrize("error", [ValueError("oh"), ScenarioError("oh")])
    def test_debug_adds_the_traceback(self, plan: Plan, monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
        stand_in(monkeypatch, Asked(error=error))
        assert "Traceback" in plan("simulate", "a.yaml", "--debug").err


class TestValidate:
    def test_reports_every_file(self, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
        def load(path: Path, **named: Any) -> SimpleNamespace:
            if path.name == "bad.yaml":
                raise ScenarioError([Problem("is bad", file="bad.yaml", line=1), Problem("is worse", file="bad.yaml")])
            return SimpleNamespace(undeployed=())

        monkeypatch.setattr(simulator, "load", load)
        monkeypatch.setattr("simulator.cluster.check", lambda scenario: None)
        said = plan("validate", "good.yaml", "bad.yaml", "fine.yaml")
        assert said.code == 2
        assert said.out == "good.yaml: ok\nfine.yaml: ok\n"
        assert said.err == "bad.yaml:1: is bad\nbad.yaml: is worse\n"
        found = strict(plan("validate", "good.yaml", "bad.yaml", "--json").out)["files"]
        assert [item["ok"] for item in found] == [True, False]
        assert found[1]["problems"][0] == {
            "message": "is bad", "file": "bad.yaml", "line": 1, "column": None, "path": None, "source": None,
        }  # fmt: skip
        assert plan("validate", "good.yaml", "--quiet") == (0, "", "")


class TestInit:
    def test_writes_a_scenario_that_loads(self, plan: Plan, tmp_path: Path) -> None:
        file = tmp_path / "mine.yaml"
        assert plan("init", file).code == 0
        assert file.read_text().startswith("# yaml-language-server: $schema=")
        said = plan("validate", file)
        assert (said.code, said.err) == (0, "")

    def test_does_not_overwrite(self, plan: Plan, tmp_path: Path) -> None:
        file = tmp_path / "mine.yaml"
        file.write_text("mine")
        said = plan("init", file)
        assert said.code == 2
        assert "--force" in said.err
        assert plan("init", tmp_path, "--force").code == 2
        assert file.read_text() == "mine"
        assert plan("init", file, "--force", "--quiet") == (0, "", "")
        assert file.read_text() != "mine"


class TestSchema:
    def test_prints_or_writes_json_schema(self, plan: Plan, tmp_path: Path) -> None:
        said = plan("schema")
        assert said.code == 0
        assert "properties" in strict(said.out)
        file = tmp_path / "scenario.schema.json"
        assert plan("schema", "-o", file) == (0, "", "")
        assert file.read_text() == said.out
        assert plan("schema", "-o", tmp_path).code == 2


class TestCatalogue:
    def test_lists_names_and_figures(self, plan: Plan) -> None:
        assert "v100-16gb" in plan("catalogue").out
        assert "v100-16gb" in strict(plan("catalogue", "--json").out)["devices"]
        assert strict(plan("catalogue", "models", "--json").out)
        assert "," in plan("catalogue", "devices", "--format", "csv").out
        assert plan("catalogue", "devices", "v100-16gb").code == 0


def test_version(plan: Plan) -> None:
    assert plan("--version") == (0, f"plan {simulator.__version__}\n", "")
