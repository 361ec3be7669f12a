"""What a target cannot express is refused or noted, feature by feature, never dropped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from simulator.cluster import load
from simulator.errors import ScenarioError
from simulator.export import TARGETS
from simulator.export.case import case_of
from simulator.export.exporter import refuse
from simulator.export.features import Feature, found_in
from simulator.export.queueing import _WITHOUT
from tests.export.support import HERE, SCENARIOS, case, shipped, tree, written


def with_rows(**change: Any) -> dict[str, Any]:
    """A tree whose model has exit rows, with other keys of ``exits``."""
    found = tree()
    exits = {"table": str(HERE / "data" / "rows.csv"), "rule": {"confidence": 0.8}} | change
    found["models"]["m"]["exits"] = exits
    return found


def with_portion(**change: Any) -> dict[str, Any]:
    return tree([{"layers": "1-6", "pool": "p", "replicas": 2, "batch": 4} | change])


def twice(**change: Any) -> dict[str, Any]:
    row = {"layers": "1-6", "pool": "p", "replicas": 2, "batch": 4}
    return tree([row, row | change])


def faulty() -> dict[str, Any]:
    found = tree()
    found["cluster"]["pools"]["p"]["faults"] = {"mtbf": "1h", "mttr": "1min"}
    return found


def serial() -> dict[str, Any]:
    return tree([{"layers": "1-6", "pool": "p", "batch": 4}], deployment={"execution": "serial", "replicas": 2})


def twin() -> dict[str, Any]:
    found = tree()
    small = {"portions": [{"layers": "1", "pool": "p", "replicas": 1}]}
    found["models"]["t"] = {"layers": [{"name": "t", "time": "1ms"}]}
    found["services"]["chat"]["twin"] = {"model": "t", "share": "30%", "deployment": small}
    return found


def others() -> dict[str, Any]:
    found = tree()
    found["streams"] = {"big": {"model": "m", "pool": "q", "mode": "inference", "group": 1, "microbatch": 1}}
    return found


CASES: dict[Feature, Any] = {
    Feature.ROUTER: with_rows(router={"confusion": [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]]}),
    Feature.TWIN: twin(),
    Feature.STREAMED: with_portion(weights="streamed"),
    Feature.STREAMED_START: with_portion(start_up="streamed"),
    Feature.SERIAL: serial(),
    Feature.COMPACT: tree(deployment={"exit_mode": "compact"}),
    Feature.ANSWER_EARLY: tree(deployment={"exit_mode": "answer_early"}),
    Feature.PATIENCE: with_rows(rule={"patience": 2}),
    Feature.SHARES: tree(),
    Feature.KINDS: twice(batch=8),
    Feature.POOLS: twice(pool="q"),
    Feature.MIXED_PRECISION: with_portion(precision={"1-3": "int8", "4-6": "fp16"}),
    Feature.SEVERAL_DEVICES: with_portion(pool="q"),
    Feature.CLASSES: tree(
        classes=[{"name": "a", "share": "50%", "priority": 1}, {"name": "b", "share": "50%"}],
    ),
    Feature.CAPACITY: tree(queue={"capacity": 100}),
    Feature.DROP: tree(queue={"drop": "expired"}),
    Feature.FAULTS: faulty(),
    Feature.AUTOSCALE: with_portion(autoscale={"max": 4, "target": "60%"}),
    Feature.OTHERS: others(),
    Feature.FILL: "bubble-fill-serving.yaml",
}


def the_case(given: Any) -> Any:
    return shipped(given) if isinstance(given, str) else case(given)


def test_every_feature_has_a_case_and_a_verdict_everywhere() -> None:
    assert set(CASES) == set(Feature)
    for target in TARGETS.values():
        assert set(target.verdicts) == set(Feature), target.name
        for feature, verdict in target.verdicts.items():
            assert bool(verdict.text) == (verdict.kind != "kept"), feature
            assert verdict.kind != "lost" or feature in _WITHOUT, feature


@pytest.mark.parametrize("feature", Feature)
def test_features_are_found(feature: Feature) -> None:
    assert feature in {one.feature for one in found_in(the_case(CASES[feature]))}
    plain = with_rows()
    plain["services"]["chat"]["classes"] = [{"name": "a", "share": 1}]  # classes without priorities are no feature
    assert {one.feature for one in found_in(case(plain))} == set()


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("feature", Feature)
def test_refused_or_noted_or_kept(feature: Feature, target: str, tmp_path: Path) -> None:
    given, verdict = the_case(CASES[feature]), TARGETS[target].verdict(feature)
    refused = [one for one in found_in(given) if TARGETS[target].verdict(one.feature).kind == "refused"]
    if refused:
        with pytest.raises(ScenarioError) as caught:
            written(given, target, tmp_path / "out")
        said = str(caught.value)
        assert all(f"cannot express {one.feature.value}: " in said for one in refused)
        assert list(tmp_path.iterdir()) == []
        return
    done = written(given, target, tmp_path / "out")
    page = (tmp_path / "out" / "README.md").read_text()
    told = [note for note in done.notes if feature.value in note]
    assert bool(told) == (verdict.kind != "kept")
    assert all(f"- **Note:** {note}" in page for note in told)


def windows_of_rules(mode: str, **second: Any) -> dict[str, Any]:
    """Two windows that differ in nothing but what the second says of exits."""
    found = with_rows()
    service = found["services"]["chat"]
    rows = service.pop("deployment")["portions"]
    one = {"exit_mode": mode, "portions": rows}
    service["deployments"] = [{"from": "0s"} | one, {"from": "10s"} | one | second]
    return found


def texts(folder: Path) -> str:
    return "\n".join(path.read_text() for path in sorted(folder.rglob("*.*")) if path.name != "README.md")


@pytest.mark.parametrize("target", TARGETS)
def test_the_rule_of_a_window_goes_before_that_of_the_model(target: str, tmp_path: Path) -> None:
    given = case(windows_of_rules("at_cut", rule={"confidence": 0.625}))
    first, second = (window.parts["chat"][0].exit for window in given.windows)
    assert first is not None
    assert second is not None
    assert (first.threshold, second.threshold) == (0.8, 0.625)
    written(given, target, tmp_path / "out")
    assert "0.8" in texts(tmp_path / "out")
    assert "0.625" in texts(tmp_path / "out")


@pytest.mark.parametrize("target", TARGETS)
def test_the_ramps_that_run_are_told(target: str, tmp_path: Path) -> None:
    given = case(windows_of_rules("compact", ramps=[4], rule={"confidence": 0.625}))
    first, second = (window.parts["chat"] for window in given.windows)
    assert [part.ramps for part in first] == [(2,), (4,)]
    assert [part.ramps for part in second] == [(), (4,)]
    assert [part.exit is None for part in (*first, *second)] == [False, True, True, True]  # no ramp after 2 any more
    assert second[1].rule != first[1].rule
    written(given, target, tmp_path / "out")
    files = texts(tmp_path / "out")
    assert "ramps" in files
    assert "0.625" in files
    if target == "kubernetes":  # other ramps are another Deployment
        assert "- 2\n" in files


def test_patience_of_a_window_is_found() -> None:
    assert Feature.PATIENCE in {one.feature for one in found_in(case(windows_of_rules("at_cut", rule={"patience": 2})))}


def test_an_unknown_feature_is_refused() -> None:
    """A feature that nobody thought of for a target is a reason to export nothing."""
    from dataclasses import replace

    bare = replace(TARGETS["kubernetes"], verdicts={})
    with pytest.raises(ScenarioError, match="Kubernetes cannot express a bounded queue: Kubernetes cannot express it"):
        refuse(case(tree(queue={"capacity": 3})), bare)


SHIPPED = sorted(path.name for path in SCENARIOS.glob("*.yaml"))


@pytest.mark.parametrize("name", SHIPPED)
def test_every_scenario_that_ships_is_exported_or_refused(name: str, tmp_path: Path) -> None:
    scenario = load(SCENARIOS / name)
    if not scenario.services or not all(service.timeline for service in scenario.services.values()):
        with pytest.raises(ScenarioError, match=r"has no service|nothing is deployed"):
            case_of(scenario, name, "0" * 64)
        return
    given = case_of(scenario, name, scenario.source.sha256)
    for target in TARGETS:
        kinds = {TARGETS[target].verdict(one.feature).kind for one in found_in(given)}
        if "refused" in kinds:
            with pytest.raises(ScenarioError, match="cannot express"):
                written(given, target, tmp_path / target)
            continue
        try:
            written(given, target, tmp_path / target)
        except ScenarioError as error:
            assert "capacity 0" in str(error)  # noqa: PT017 - the one thing refused beside features
