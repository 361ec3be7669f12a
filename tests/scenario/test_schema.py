"""The JSON Schema that editors use agrees with the loader."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft7Validator

from simulator.errors import ScenarioError
from simulator.scenario import load, loads
from simulator.scenario.schema import SCHEMA_LINE, json_schema
from simulator.scenario.starter import template
from simulator.scenario.yamltext import read_tree

ROOT = Path(__file__).parents[2]
SCENARIOS = sorted((ROOT / "scenarios").glob("*.yaml"))
DESIGN = ROOT.parent / "shared" / "DESIGN.md"


def errors(text):
    return [error.message for error in Draft7Validator(json_schema()).iter_errors(read_tree(text).root.plain())]


def test_schema_is_draft_7():
    schema = json_schema()
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    Draft7Validator.check_schema(schema)
    text = json.dumps(schema)
    assert "$defs" not in text
    assert '"oneOf"' not in text


def test_shipped_schema_is_current():
    shipped = (ROOT / "scenarios" / "scenario.schema.json").read_text(encoding="utf-8")
    assert json.loads(shipped) == json_schema(), "write it again: plan schema > scenarios/scenario.schema.json"


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_shipped_scenarios_load_and_validate(path):
    text = path.read_text(encoding="utf-8")
    assert text.splitlines()[0] == f"{SCHEMA_LINE}scenario.schema.json"
    load(path)
    assert not errors(text)


def test_template_loads_and_validates():
    text = template()
    assert text.startswith("# yaml-language-server: $schema=")
    assert loads(text).name == "my-service"
    assert loads(text, variants=["busy"]).services["chat"].workload.rate == 800
    assert not errors(text)
    assert max(map(len, text.splitlines())) <= 120


@pytest.mark.skipif(not DESIGN.exists(), reason="the design page is not part of the distribution")
def test_example_of_the_design_validates():
    text = DESIGN.read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
    loads(text)
    assert not errors(text)


GOOD = [
    ("rate: 200/s}", "rate: 200/s, shape: {kind: ramp, to_factor: 2, over: 1min}}"),
    ("rate: 200/s}", "rate: 200/s, shape: [{kind: diurnal, amplitude: 0.5}]}"),
    ("{process: poisson, rate: 200/s}", "{clients: 5, think: 10s}"),
    ("{process: poisson, rate: 200/s}", "{clients: 5, think: {mean: 0, distribution: deterministic}}"),
    ("{process: poisson, rate: 200/s}", "{trace: a.csv.gz, repeat: 3, from: 5s}"),
    ("{process: poisson, rate: 200/s}", "{rates: a.csv, interval: 1min, repeat: true}"),
    ("{overhead: 360us, per_item: 42us}", "5 ms"),
    ("{overhead: 360us, per_item: 42us}", "{per_batch: {1: 4.84ms, 8: 8.31ms}}"),
    ("weights: 14MB", "weights: {fp16: 14MB, int8: 7MB}"),
    ("attainment: 99%", "attainment: 0.99"),
    ("warmup: 30s", "warmup: auto, replications: auto, target: {figure: goodput, half_width: 2%}"),
    ("warmup: 30s", "warmup: 0"),
    (
        "    model: bert",
        "    model: bert\n    on_fault: drop\n    jitter: {distribution: lognormal, cv: 0.3}",
    ),
    ("latency: 50us}", "latency: 0, pairs: [{from: gpu, to: cpu, bandwidth: 10Gbps}]}"),
]


@pytest.mark.parametrize(("old", "new"), GOOD)
def test_good_snippets_validate(small, old, new):
    text = small.split("variants:")[0].replace(old, new)
    loads(text)
    assert not errors(text)


BAD = [
    ("rate: 200/s", "rate: 200"),
    ("rate: 200/s", "rate: 0"),
    ("rate: 200/s", "rate: 200rps"),
    ("latency: 100ms", "latency: 100"),
    ("latency: 100ms", "latency: -100ms"),
    ("attainment: 99%", "attainment: 99"),
    ("    model: bert", "    model: bert\n    rat: 5"),
    ("replicas: 1", "replica: 1"),
    ("version: 1", "version: 2"),
    ("count: 4", "count: 0"),
    ("process: poisson", "process: poison"),
    ("weights: 14MB", "weights: {fp17: 14MB}"),
]


@pytest.mark.parametrize(("old", "new"), BAD)
def test_bad_snippets_are_refused_by_schema_and_loader(small, old, new):
    text = small.split("variants:")[0].replace(old, new)
    assert errors(text)
    with pytest.raises(ScenarioError):
        loads(text)
