"""Equal seeds give equal bytes: ``--json`` of two fresh processes with different string-hash seeds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import Node, layer, poisson, portion, scenario
from tests.theory.test_conservation_laws import busy_network

ROOT = Path(__file__).resolve().parent.parent.parent


def in_a_new_process(path: Path, hash_seed: str, *options: str) -> bytes:
    command = [sys.executable, "-m", "simulator", "simulate", str(path), "--json", *options]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def two_services() -> Node:
    """Faults, windows, two pools, three classes, a closed and an open load on shared links."""
    node = scenario(
        {
            "slo": {"latency": "300ms"},
            "workload": poisson(80.0),
            "classes": [{"name": name, "share": 0.25, "priority": i % 2} for i, name in enumerate("abcd")],
            "queue": {"drop": "hopeless", "capacity": 30},
            "jitter": {"distribution": "exponential"},
            "deployments": [
                {"from": "0s", "routing": "two_choices", "portions": [portion("1", 3, batch=2), portion("2", 3)]},
                {"from": "5s", "routing": "two_choices", "portions": [portion("1", 2, batch=4), portion("2", 4)]},
            ],
        },
        [layer(0.02, "one", output="40KB"), layer(0.03, "two")],
        duration_s=10.0,
        replications=3,
        cluster={"network": {"bandwidth": "20MB/s", "latency": "1ms", "shared": True}},
    )
    node["cluster"]["pools"] = {
        "pool": {
            "device": {"memory": "8GiB", "memory_bandwidth": "1GB/s", "peak": {"fp16": "1TFLOPS"}},
            "count": 40,
            "price_per_hour": 1.0,
            "faults": {"mtbf": "3s", "mttr": "200ms"},
        }
    }
    node["services"]["other"] = {
        "model": "m",
        "workload": {"clients": 12, "think": "100ms"},
        "deployment": {"execution": "serial", "replicas": 3, "portions": [portion("1-2", None, batch=4)]},
    }
    return node


@pytest.mark.parametrize("node", [busy_network(2), two_services()], ids=["one", "two"])
def test_same_seed_same_bytes(tmp_path: Path, node: Node) -> None:
    path = tmp_path / "scenario.yaml"
    node["run"] |= {"duration": "10s", "warmup": "1s"}
    path.write_text(json.dumps(node), encoding="utf-8")
    first, second = in_a_new_process(path, "1"), in_a_new_process(path, "4242")
    assert first == second
    assert json.loads(first)["services"]["s"]["arrived"] > 100
    assert in_a_new_process(path, "1", "--seed", "12345") != first
