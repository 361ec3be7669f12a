"""Files that are no scenario, places of later problems, and what must hold of every load."""

import hashlib
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator.errors import MAX_PROBLEMS, ScenarioError
from simulator.scenario import Known, load, loads

ROOT = Path(__file__).parents[2]


def message(call, *args, **kwargs):
    with pytest.raises(ScenarioError) as caught:
        call(*args, **kwargs)
    return str(caught.value)


def test_missing_file_names_the_nearest(tmp_path):
    (tmp_path / "chat.yaml").write_text("")
    assert "no such file, did you mean 'chat.yaml'?" in message(load, tmp_path / "chta.yaml")


def test_missing_folder(tmp_path):
    assert "there is no folder" in message(load, tmp_path / "no" / "chat.yaml")


def test_folder(tmp_path):
    assert "is a folder" in message(load, tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file(tmp_path):
    path = tmp_path / "secret.yaml"
    path.write_text("version: 1")
    path.chmod(0)
    assert "permission denied" in message(load, path)


def test_name_with_nul():
    assert "cannot be read" in message(load, "a\0b.yaml")


def test_too_large_file_is_not_read_whole(tmp_path):
    path = tmp_path / "large.yaml"
    with path.open("wb") as file:
        file.truncate(10 * 1024**3)
    assert "too large for a scenario" in message(load, path)


def test_byte_order_mark_is_accepted(tmp_path, small):
    path = tmp_path / "bom.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + small.encode())
    assert load(path).name == "small"


def test_windows_line_ends_keep_the_places(small):
    text = small.replace("rate: 200/s", "rate: 200").replace("\n", "\r\n")
    assert "<text>:17:40: services.chat.workload.rate" in message(loads, text)


def test_ten_thousand_problems_are_cut_to_twenty(small):
    text = small + "".join(f"key{index}: 1\n" for index in range(10_000))
    lines = message(loads, text).splitlines()
    assert lines[-1] == f"... and {10_000 - MAX_PROBLEMS} more problems"
    assert len(lines) == 3 * MAX_PROBLEMS + 1


def test_all_problems_at_once_in_the_order_of_the_file(small):
    text = (
        small.replace("warmup: 30s", "warmup: 30")
        .replace("count: 4", "count: 0")
        .replace("model: bert", "model: bret")
        .replace("layers: 5-12", "layers: 6-12")
        .replace("rate: 200/s", "rate: .nan")
    )
    with pytest.raises(ScenarioError) as caught:
        loads(text)
    assert [problem.path for problem in caught.value.problems] == [
        "run.warmup",
        "cluster.pools.gpu.count",
        "services.chat.workload.rate",
        "services.chat.deployment.portions.1.layers",
    ]


def test_names_are_checked_beside_other_problems(small):
    text = small.replace("warmup: 30s", "warmup: 30").replace("model: bert", "model: bret")
    said = message(loads, text)
    assert "run.warmup" in said
    assert "did you mean 'bert'" in said


def test_style_of_a_message(small):
    assert message(loads, small.replace("200/s}", "-2/s}"), name="vision.yaml") == (
        "vision.yaml:17:40: services.chat.workload.rate: must not be negative (a rate), got -2/s\n"
        "  17 |     workload: {process: poisson, rate: -2/s}\n"
        "     |                                        ^"
    )


def test_known_names_are_checked(small):
    known = Known(frozenset({"v100-16gb", "xeon-8480"}), {"bert-base": 12})
    assert loads(small, known=known).name == "small"
    said = message(loads, small.replace("v100-16gb", "v100-16g"), known=known)
    assert "unknown device 'v100-16g', did you mean 'v100-16gb'?" in said


def test_layers_of_catalogue_models_are_known(small):
    start, end = small.index("    layers:\n"), small.index("services:")
    text = small[:start] + "    catalogue: bert-base\n" + small[end:]
    assert loads(text).models["bert"].layer_count is None
    assert "is beyond the last layer: the model has 6" in message(
        loads, text, known=Known(frozenset({"v100-16gb", "xeon-8480"}), {"bert-base": 6})
    )
    assert "unknown model of the catalogue" in message(
        loads, text, known=Known(frozenset({"v100-16gb", "xeon-8480"}), {"bert-large": 24})
    )


def test_source_of_a_file(tmp_path, small):
    path = tmp_path / "small.yaml"
    path.write_text(small)
    source = load(path).source
    assert (source.path, source.folder) == (path, tmp_path)
    assert source.sha256 == hashlib.sha256(small.encode()).hexdigest()
    assert source.file("a.csv") == tmp_path / "a.csv"


def test_later_problems_point(small):
    source = loads(small, sets=["run.duration=1h"]).source
    place = source.problem(["services", "chat", "workload", "rate"], "is a lot")
    assert (place.line, place.column, place.path) == (17, 40, "services.chat.workload.rate")
    assert source.problem(["services", "chat", "deployment", "portions", 1, "pool"], "x").line == 21
    assert source.problem(["services", "chat", "workload", "from_"], "x").path == "services.chat.workload.from"
    default = source.problem(["services", "chat", "queue", "capacity"], "x")
    assert (default.line, default.path) == (14, "services.chat.queue.capacity")
    assert source.problem(["run", "duration"], "x").file == "--set run.duration=1h"
    assert source.problem([], "x").line == 1


def test_scenario_survives_pickling(small):
    scenario = loads(small)
    again = pickle.loads(pickle.dumps(scenario))
    assert again == scenario
    assert again.source.problem(["run"], "x").line == 3


def test_import_is_light():
    code = "import sys, simulator.scenario; print(sorted(sys.modules))"
    modules = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for heavy in ("numpy", "pandas", "scipy", "simpy", "matplotlib", "jsonschema"):
        assert f"'{heavy}'" not in modules


LINES = st.sampled_from(
    [
        "services:",
        "  chat:",
        "run: {duration: 10min}",
        "    model: bert",
        "- a",
        "x: &a [1]",
        "y: *a",
        "version: 1",
        "? :",
    ]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_damaged_scenarios_never_raise_anything_else(small, data):
    lines = small.splitlines()
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(lines) - 1))
        lines[at] = data.draw(LINES | st.text(max_size=20) | st.just(lines[at][:-1]) | st.just(lines[at] + "}"))
    try:
        loads("\n".join(lines))
        said = ""
    except ScenarioError as error:
        said = str(error)
    assert len(said.splitlines()) <= 3 * MAX_PROBLEMS + 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.sampled_from(["rate", "layers", "count", "device", "duration", "model", "time", "portions"]), st.data())
def test_any_value_anywhere_is_taken_or_refused(small, key, data):
    value = data.draw(
        st.sampled_from(["0", "-1", "1e999", ".nan", "''", "[]", "{}", "~", "[[1]]", "{a: 1}", "true", "'1'", "9" * 30])
    )
    start = small.index(f"{key}:")
    end = min(i for i in (small.find(stop, start) for stop in ",}\n") if i > 0)
    try:
        loads(small[: start + len(key) + 1] + f" {value}" + small[end:])
        said = "<text>:"
    except ScenarioError as error:
        said = str(error)
    assert said.startswith("<text>:")
