"""Kubernetes: what the manifests say, windows by overlay and by the clock, and names that a cluster accepts."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from simulator.errors import ScenarioError
from simulator.export import export, read_case
from simulator.export.kubernetes.keda import why_not
from simulator.export.kubernetes.read import at_instant
from simulator.export.kubernetes.units import service_names, units_of
from simulator.export.target import Options
from simulator.export.text import parsed, read_yaml
from tests.export.support import DAY, NOTHING, case, shipped, tree, written


def objects(folder: Path) -> dict[tuple[str, str], Any]:
    found = [one for path in (folder / "base").glob("*.yaml") for one in read_yaml(path)]
    return {(one["kind"], one["metadata"]["name"]): one for one in found if one["kind"] != "Kustomization"}


def test_a_portion_is_a_deployment_a_service_a_config_map_and_a_budget(tmp_path: Path) -> None:
    rows = [
        {"layers": "1-2", "pool": "p", "replicas": 3, "batch": 4, "max_wait": "2ms"},
        {"layers": "3-6", "pool": "q", "replicas": 2, "batch": 2, "precision": "int8"},
    ]
    written(case(tree(rows)), "kubernetes", tmp_path / "out", image="reg.io/a/b:1", namespace="prod")
    found = objects(tmp_path / "out")
    kinds = ("ConfigMap", "Deployment", "PodDisruptionBudget")
    names = {(kind, name) for kind in kinds for name in ("chat-1-2", "chat-3-6")}
    assert set(found) == names | {("Service", "chat"), ("Service", "chat-3-6")}
    assert {one["metadata"]["namespace"] for one in found.values()} == {"prod"}
    second = found["Deployment", "chat-3-6"]["spec"]
    assert second["replicas"] == 2
    pod = second["template"]["spec"]
    assert pod["nodeSelector"] == {"exitplan/pool": "q"}
    assert pod["containers"][0]["image"] == "reg.io/a/b:1"
    assert pod["containers"][0]["resources"]["limits"] == {"nvidia.com/gpu": "2"}  # devices of one replica of q
    (settings,) = (found["ConfigMap", "chat-1-2"]["data"]["settings.yaml"],)
    assert "next: http://chat-3-6:8080" in settings
    assert "max_wait: 2ms" in settings
    assert "next" not in found["ConfigMap", "chat-3-6"]["data"]["settings.yaml"]


def test_other_settings_restart_the_pods_other_replicas_do_not(tmp_path: Path) -> None:
    def template(name: str, **first: Any) -> Any:
        rows = [{"layers": "1-6", "pool": "p", "replicas": 3, "batch": 4} | first]
        written(case(tree(rows)), "kubernetes", tmp_path / name)
        return objects(tmp_path / name)["Deployment", "chat-1-6"]["spec"]["template"]

    assert template("a") == template("b", replicas=5)
    assert template("a2") != template("c", batch=8)


def test_windows_by_overlay_and_by_the_clock(tmp_path: Path) -> None:
    day = read_case(DAY)
    written(day, "kubernetes", tmp_path / "out", clock="22:30", timezone="Europe/Berlin")
    units = {unit.name: unit for unit in units_of(day)}
    assert {name: unit.replicas for name, unit in units.items() if unit.service == "Chat_1"} == {
        "chat-1-c1-1-4": (1, 3, 0, 1),
        "chat-1-c1-5-12": (1, 2, 0, 1),
        "chat-1-c2-1-8": (0, 0, 3, 0),
        "chat-1-c2-9-12": (0, 0, 2, 0),
    }
    for window in day.windows:
        (overlay,) = read_yaml(tmp_path / "out" / f"overlays/window-{window.number}/kustomization.yaml")
        counts = {one["name"]: one["count"] for one in overlay["replicas"]}
        assert counts == {name: unit.replicas[window.number] for name, unit in units.items()}
    scaled = {one["metadata"]["name"]: one for one in read_yaml(tmp_path / "out/keda/scaledobjects.yaml")}
    assert set(scaled) == set(units)
    for name, one in scaled.items():
        assert {trigger["metadata"]["timezone"] for trigger in one["spec"]["triggers"]} == {"Europe/Berlin"}
        for window in day.windows:  # every minute of the day
            for minute in range(int(window.start_s) // 60, int(window.end_s) // 60):
                assert at_instant(one, (minute + 22 * 60 + 30) % 1440) == units[name].replicas[window.number]


def test_what_keda_scales_says_no_replicas_there(tmp_path: Path) -> None:
    """Else every `kubectl apply -k keda` would set them back to those of the first window."""
    written(read_case(DAY), "kubernetes", tmp_path / "out")
    (keda,) = read_yaml(tmp_path / "out/keda/kustomization.yaml")
    scaled = {one["metadata"]["name"] for one in read_yaml(tmp_path / "out/keda/scaledobjects.yaml")}
    assert {patch["target"]["name"] for patch in keda["patches"]} == scaled
    assert {patch["target"]["kind"] for patch in keda["patches"]} == {"Deployment"}
    assert {patch["patch"] for patch in keda["patches"]} == {'[{"op": "remove", "path": "/spec/replicas"}]'}


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_kustomize_builds_every_folder(tmp_path: Path) -> None:
    """As the user applies them: overlays set replicas, and by the clock nothing does."""
    day = read_case(DAY)
    written(day, "kubernetes", tmp_path / "out", namespace="prod")
    units = {unit.name: unit for unit in units_of(day)}
    for folder in [tmp_path / "out/keda", *(tmp_path / "out/overlays").iterdir()]:
        done = subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        found = {one["metadata"]["name"]: one["spec"] for one in parsed(done.stdout) if one["kind"] == "Deployment"}
        window = None if folder.name == "keda" else int(folder.name.removeprefix("window-"))
        wanted = {name: None if window is None else unit.replicas[window] for name, unit in units.items()}
        assert {name: spec.get("replicas") for name, spec in found.items()} == wanted


def test_the_entry_finds_the_first_portions_of_every_cut_and_no_others(tmp_path: Path) -> None:
    day = read_case(DAY)
    written(day, "kubernetes", tmp_path / "out")
    found = objects(tmp_path / "out")

    def selected(service: str) -> set[str]:
        selector = found["Service", service]["spec"]["selector"].items()
        return {
            name
            for (kind, name), one in found.items()
            if kind == "Deployment" and selector <= one["spec"]["template"]["metadata"]["labels"].items()
        }

    assert selected("chat-1") == {"chat-1-c1-1-4", "chat-1-c2-1-8"}
    assert selected("chat-1-c1-5-12") == {"chat-1-c1-5-12"}
    assert selected("chat-1-c2-9-12") == {"chat-1-c2-9-12"}
    assert selected("search") == {"search-1-12"}


def test_kinds_of_a_portion_share_its_service(tmp_path: Path) -> None:
    rows = [
        {"layers": "1-2", "pool": "p", "replicas": 3, "batch": 4},
        {"layers": "3-6", "pool": "p", "replicas": 2, "batch": 2},
        {"layers": "3-6", "pool": "q", "replicas": 1, "batch": 8},
    ]
    given = case(tree(rows))
    written(given, "kubernetes", tmp_path / "out")
    found = objects(tmp_path / "out")
    assert {name for kind, name in found if kind == "Deployment"} == {"chat-1-2", "chat-3-6", "chat-3-6-2"}
    assert {name for kind, name in found if kind == "Service"} == {"chat", "chat-3-6"}
    assert set(service_names(units_of(given)).values()) == {"chat", "chat-3-6"}


def test_entries_alike_in_all_but_their_place_are_one_deployment(tmp_path: Path) -> None:
    row = {"layers": "1-6", "pool": "p", "replicas": 2, "batch": 4}
    written(case(tree([row, row])), "kubernetes", tmp_path / "out")
    assert objects(tmp_path / "out")["Deployment", "chat-1-6"]["spec"]["replicas"] == 4


def test_serial_execution_is_one_deployment_of_all_portions(tmp_path: Path) -> None:
    rows = [{"layers": "1-2", "pool": "p", "batch": 4}, {"layers": "3-6", "pool": "p", "batch": 2}]
    given = case(tree(rows, deployment={"execution": "serial", "replicas": 3}))
    done = export(given, "kubernetes", tmp_path / "out", check=True)
    found = objects(tmp_path / "out")
    assert {name for kind, name in found if kind == "Deployment"} == {"chat-1-6"}
    assert found["Deployment", "chat-1-6"]["spec"]["replicas"] == 3
    assert found["ConfigMap", "chat-1-6"]["data"]["settings.yaml"].count("batch:") == 2
    assert done.comparison.otherwise == ("service chat: routing shared becomes random",)


@pytest.mark.parametrize(
    ("ends", "says"),
    [
        (("40s",), "one window"),
        (("30min", "30h"), "30 hours long"),
        (("90s", "1h"), "whole minutes"),
    ],
)
def test_windows_that_no_clock_can_tell_are_noted(ends: tuple[str, ...], says: str, tmp_path: Path) -> None:
    given = tree()
    service = given["services"]["chat"]
    written_out = service.pop("deployment")
    starts = ["0s", *ends[:-1]]
    service["deployments"] = [{"from": start} | written_out for start in starts]
    given["run"] = {"duration": ends[-1]}
    the_case = case(given)
    reason = why_not(the_case)
    assert reason is not None
    assert says in reason
    done = written(the_case, "kubernetes", tmp_path / "out")
    assert reason in done.notes
    assert reason in (tmp_path / "out" / "README.md").read_text()
    assert not (tmp_path / "out" / "keda").exists()


def test_constant_replicas_need_no_clock(tmp_path: Path) -> None:
    given = tree()
    service = given["services"]["chat"]
    written_out = service.pop("deployment")
    service["deployments"] = [{"from": "0s"} | written_out, {"from": "1h"} | written_out]
    given["run"] = {"duration": "2h"}
    done = written(case(given), "kubernetes", tmp_path / "out")
    assert any("No portion changes its replicas" in note for note in done.notes)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"image": "not an image"}, "--image 'not an image': is no image reference"),
        ({"image": "reg.io/UPPER/case"}, "is no image reference"),
        ({"image": "a" * 600}, "is no image reference"),
        ({"namespace": "Prod"}, "--namespace 'Prod': must be lower-case letters"),
        ({"namespace": "a.b"}, "--namespace"),
        ({"namespace": "x" * 64}, "--namespace"),
        ({"device_resource": "gpu"}, "--device-resource 'gpu': must be a name with its domain"),
        ({"clock": "24:00"}, "--clock '24:00': must be a time of day"),
        ({"timezone": "Mars/Olympus"}, "--timezone 'Mars/Olympus': must be a time zone"),
    ],
)
def test_bad_options(options: dict[str, str], says: str, tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=says):
        export(case(), "kubernetes", tmp_path / "out", Options(**options), comparison=NOTHING)
    assert list(tmp_path.iterdir()) == []


def test_good_options(tmp_path: Path) -> None:
    images = ("nginx", "nginx:1.2", "reg.io:5000/a/b_c@sha256:" + "a" * 64, "localhost/x", "a/b:v1.0-rc1")
    for number, image in enumerate(images):
        written(case(), "kubernetes", tmp_path / str(number), image=image, device_resource="amd.com/gpu")
    (pod,) = (objects(tmp_path / "0")["Deployment", "chat-1-2"]["spec"]["template"]["spec"],)
    assert pod["containers"][0]["resources"]["requests"] == {"amd.com/gpu": "1"}


def test_names_of_services_become_labels_that_are_not_alike(tmp_path: Path) -> None:
    given = tree()
    names = ["a_b", "a-b", "A-B", "3d", "_", "x" * 63, "x" * 62 + "y", "a-1", "chat-"]
    given["services"] = dict.fromkeys(names, given["services"]["chat"])
    given["cluster"]["pools"]["p"]["count"] = 100
    written(case(given), "kubernetes", tmp_path / "out")
    found = objects(tmp_path / "out")
    instances = {
        one["spec"]["selector"]["matchLabels"]["app.kubernetes.io/instance"]
        for (kind, _), one in found.items()
        if kind == "Deployment"
    }
    assert len(instances) == len(names)


def test_pools_that_look_alike_have_nodes_of_their_own(tmp_path: Path) -> None:
    given = tree([{"layers": "1-6", "pool": pool, "replicas": 1} for pool in ("p", "P")])
    given["cluster"]["pools"]["P"] = given["cluster"]["pools"]["p"]
    written(case(given), "kubernetes", tmp_path / "out")
    pods = [
        one["spec"]["template"]["spec"] for (kind, _), one in objects(tmp_path / "out").items() if kind == "Deployment"
    ]
    assert len({pod["nodeSelector"]["exitplan/pool"] for pod in pods}) == 2


def test_a_mixed_scenario_that_ships(tmp_path: Path) -> None:
    done = written(shipped("early-exit-mixed-gpus.yaml"), "kubernetes", tmp_path / "out")
    assert any("a bounded queue" in note for note in done.notes)
    text = (tmp_path / "out/base/sentiment-3-6.yaml").read_text()
    assert "exitplan/pool: a100" in text
    assert "confidence: 0.9" in text
