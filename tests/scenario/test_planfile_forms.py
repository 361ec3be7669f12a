"""Whatever a plan says is read back as it was written, and agrees with the JSON Schema that ships."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from simulator.errors import ScenarioError
from simulator.scenario.deployment import Deployment
from simulator.scenario.planfile import Plan, plan_text, read_plan
from simulator.scenario.planparts import stated
from simulator.scenario.schema import plan_schema
from simulator.scenario.yamltext import read_tree

ROOT = Path(__file__).resolve().parent.parent.parent
SCHEMA = Draft7Validator(plan_schema())
SHIPPED = ROOT / "scenarios" / "plan.schema.json"

names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,8}", fullmatch=True)
shares = st.floats(0, 1)
numbers = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**12), 10**12), st.floats(allow_nan=False, allow_infinity=False)
)
texts = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"]), max_size=30)
values = st.recursive(
    numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)


@st.composite
def deployments(draw: st.DrawFn, layers: int) -> dict[str, Any]:
    cuts = sorted(draw(st.sets(st.integers(1, layers - 1), max_size=2)))
    starts, ends = [1, *(cut + 1 for cut in cuts)], [*cuts, layers]
    batch, serial = draw(st.integers(1, 64)), draw(st.booleans())
    portions = []
    for first, last in zip(starts, ends):
        wait = draw(st.floats(1e-6, 10))
        entry = {"layers": f"{first}-{last}" if last > first else str(first), "pool": "p", "batch": batch}
        portions.append(entry | {"max_wait": f"{wait!r}s"} | ({} if serial else {"replicas": draw(st.integers(1, 99))}))
    tree: dict[str, Any] = {"exit_mode": "at_cut" if cuts else "none", "portions": portions}
    return tree | ({"execution": "serial", "replicas": draw(st.integers(1, 99))} if serial else {})


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    services = draw(st.lists(names, min_size=1, max_size=2, unique=True))
    ends = sorted(draw(st.sets(st.floats(0.001, 1e6), min_size=1, max_size=3)))
    windows = []
    for start, end in zip([0.0, *ends], ends):
        made = {name: draw(deployments(6)) for name in services}
        said = {name: stated(Deployment.model_validate(tree), {"p": 2}) for name, tree in made.items()}
        low, high = sorted((draw(shares), draw(shares)))
        windows.append(
            {
                "start": f"{start!r}s",
                "end": f"{end!r}s",
                "rate": {name: f"{draw(st.floats(0, 1e6))!r}/s" for name in services},
                "services": made,
                "stated": said,
                "survival": {services[0]: [{"after": 2, "measured": high, "low": low, "high": high}]},
                "predicted": {services[0]: {"p99": draw(st.floats(0, 10)), "attainment": draw(shares)}},
            }
        )
    rest = {
        "certificate": draw(st.none() | st.dictionaries(names, values, max_size=4)),
        "verification": draw(st.none() | st.dictionaries(names, values, max_size=3)),
        "forecast": draw(st.sampled_from([None, {"series": "a.csv", "quantile": 0.95}])),
    }
    return Plan.model_validate({"version": 1, "windows": windows, **rest})


@given(plans())
@settings(max_examples=60, deadline=None)
def test_read_back_as_written(tmp_path_factory: pytest.TempPathFactory, plan: Plan) -> None:
    file = tmp_path_factory.getbasetemp() / "plan.yaml"
    file.write_text(plan_text(plan), encoding="utf-8")
    assert read_plan(file).plan == plan
    tree = read_tree(plan_text(plan)).root
    assert tree is not None
    assert not list(SCHEMA.iter_errors(tree.plain()))


def test_the_shipped_schema_is_the_one_of_the_program() -> None:
    Draft7Validator.check_schema(plan_schema())
    stale = "write it again: plan schema --plan -o scenarios/plan.schema.json"
    assert json.loads(SHIPPED.read_text(encoding="utf-8")) == plan_schema(), stale


def test_five_words_of_a_deployment() -> None:
    portions = [
        {"layers": "1-2", "pool": "a", "replicas": 6, "batch": 8},
        {"layers": "3-4", "pool": "b", "replicas": 2, "batch": 8},
        {"layers": "3-4", "pool": "a", "replicas": 1, "batch": 4},
    ]
    said = stated(Deployment.model_validate({"exit_mode": "at_cut", "portions": portions}), {"a": 1, "b": 2})
    assert (said.splits, said.batch, said.execution) == ((2,), (8, 8, 4), "parallel")
    assert [(one.layers, one.pool, one.replicas, one.devices) for one in said.resources] == [
        ("1-2", "a", 6, 6),
        ("3-4", "b", 2, 4),
        ("3-4", "a", 1, 1),
    ]
    parts = [{"layers": "1", "pool": "a", "batch": 8}, {"layers": "2-4", "pool": "a", "batch": 8}]
    serial = {"exit_mode": "at_cut", "execution": "serial", "replicas": 3, "portions": parts}
    said = stated(Deployment.model_validate(serial), {})
    assert (said.splits, said.batch, said.execution) == ((1,), (8,), "serial")
    assert [(one.layers, one.replicas) for one in said.resources] == [("1-4", 3)]


def test_a_band_has_an_inside(tmp_path: Path) -> None:
    text = """\
version: 1
windows:
- start: 0s
  end: 1s
  services: {s: {portions: [{layers: 1, pool: p, replicas: 1}]}}
  survival: {s: [{after: 1, measured: 0.5, low: 0.6, high: 0.4}]}
"""
    (tmp_path / "plan.yaml").write_text(text)
    with pytest.raises(ScenarioError, match=r"plan.yaml:6:.*survival.s.0.high: must be at least `low`, 0.6"):
        read_plan(tmp_path / "plan.yaml")
