"""What two parts of the model do together: services beside each other, ties with transfers, clients without a pause."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from simulator.calibration import fit
from simulator.cluster import load, loads, simulate
from simulator.cluster.lower import lower
from simulator.errors import ScenarioError
from simulator.planner.saturate import saturate

HEAD = """\
version: 1
name: interplay
run: {duration: 20s}
cluster:
  pools: {p: {device: {memory: 8GiB, memory_bandwidth: 68GB/s, peak: {fp16: 1TFLOPS}}, count: 8}}
"""
CLOSED = """\
models: {m: {layers: [{name: l, time: 1s}]}}
services:
  s:
    model: m
    slo: {latency: 500ms}
    workload: {process: closed, clients: 3, think: 0s}
    queue: {capacity: 0}
    deployment: {portions: [{layers: 1, pool: p, replicas: 1}]}
"""


@pytest.mark.parametrize(
    "change",
    ["seed=0", "services.s.queue={drop: hopeless}", "services.s.queue={drop: hopeless, capacity: 5}"],
)
def test_clients_who_come_back_at_once_end_the_run(change: str) -> None:
    """Rejected or dropped at the instant of sending, without a think time: simulated time would stand still."""
    with pytest.raises(ScenarioError, match=r"does not get past .* think time"):
        simulate(loads(HEAD + CLOSED, sets=[change]))


LINGERING = """\
models: {m: {layers: [{name: l, time: 1s}]}}
services:
  s:
    model: m
    slo: {latency: 2s}
    workload: {process: closed, clients: 3, think: 1s}
    queue: {drop: hopeless}
    deployment: {portions: [{layers: 1, pool: p, replicas: 1, batch: 4, max_wait: 10s}]}
"""
OTHER = """\
  z:
    model: m
    workload: {process: poisson, rate: 5/s}
    deployment: {portions: [{layers: 1, pool: p, replicas: 4}]}
"""


def test_another_service_does_not_change_when_requests_are_dropped() -> None:
    alone = simulate(loads(HEAD + LINGERING)).to_dict()["services"]["s"]
    beside = simulate(loads(HEAD + LINGERING + OTHER)).to_dict()["services"]["s"]
    assert alone["dropped"] > 0
    assert alone == beside


TIE = """\
models: {{m: {{layers: [{{name: a, time: 1s, output: {a}}}, {{name: b, time: 1s, output: 0}}, {{name: c, time: 2s}}]}}}}
services:
  s:
    model: m
    workload: {{trace: t.csv}}
    deployment:
      routing: least_outstanding
      portions:
        - {{layers: 1, pool: p, replicas: 1}}
        - {{layers: 2, pool: p, replicas: 1}}
        - {{layers: 3, pool: p, replicas: 2}}
"""


def test_completions_come_before_arrivals_from_other_portions(tmp_path: Path) -> None:
    """The last portion's replica 0 completes when the third request leaves portion 2: it is free, and the lowest."""
    (tmp_path / "t.csv").write_text("arrival_s\n0\n1\n2\n")
    path = tmp_path / "tie.yaml"
    path.write_text(HEAD + TIE.format(a="0"))
    frame = simulate(load(path)).batches
    assert frame[frame.layers == "3"].replica.tolist() == [0, 1, 0]


def test_a_fit_keeps_the_order_of_layers(tmp_path: Path) -> None:
    rows = ["layer,batch,time_ms"]
    rows += [
        f"{name},{b},{time * b}" for name, time in (("embed", 1), ("block", 10), ("act", 100)) for b in (1, 2, 4, 8)
    ]
    (tmp_path / "rows.csv").write_text("\n".join(rows) + "\n")
    fit(tmp_path / "rows.csv", group=["layer"]).write(tmp_path / "costs.yaml")
    path = tmp_path / "s.yaml"
    path.write_text(
        HEAD + "models: {m: {measured: costs.yaml}}\n"
        "services: {s: {model: m, workload: {process: poisson, rate: 1/s},"
        " deployment: {portions: [{layers: 1-3, pool: p, replicas: 1}]}}}\n"
    )
    phase = lower(load(path)).services[0].stations[0].kinds[0].phases[0]
    assert phase.steps_s[:, 1] == pytest.approx([0.001, 0.01, 0.1], rel=0.01)


@pytest.mark.parametrize("until", ["", ", to: 100s"])
def test_a_trace_saturates_on_the_part_that_the_run_uses(tmp_path: Path, until: str) -> None:
    """10/s for 100 s, then 60/s: one server of 10 ms carries 100/s of the first part, whatever follows in the file."""
    gaps = np.concatenate([np.full(1000, 0.1), np.full(6000, 1 / 60)])
    (tmp_path / "t.csv").write_text("arrival_s\n" + "\n".join(f"{t:.6f}" for t in np.cumsum(gaps)) + "\n")
    path = tmp_path / "s.yaml"
    path.write_text(
        HEAD.replace("20s", "100s") + "models: {m: {layers: [{name: l, time: 10ms}]}}\n"
        f"services: {{s: {{model: m, slo: {{latency: 1s, attainment: 99%}}, workload: {{trace: t.csv{until}}},"
        " deployment: {portions: [{layers: 1, pool: p, replicas: 1}]}}}\n"
    )
    found = saturate(load(path)).services["s"]
    assert found.max_rate == pytest.approx(100, rel=0.03)  # 1 s of backlog in 100 s is within the objective


def test_a_profile_that_names_the_end_must_close() -> None:
    text = (
        HEAD
        + "models: {m: {layers: [{name: l, repeat: 2, time: 1s}], ramps: {after: all}, exits: {profile: [.3, .1]}}}\n"
        "services: {s: {model: m, workload: {process: poisson, rate: 1/s},"
        " deployment: {portions: [{layers: 1-2, pool: p, replicas: 1}]}}}\n"
    )
    with pytest.raises(ScenarioError, match="must sum to 1"):
        loads(text)
    loads(text.replace(".1]", ".7]"))


def test_a_record_that_ends_early_is_told(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("arrival_s\n" + "\n".join(str(t) for t in range(10)) + "\n")
    path = tmp_path / "s.yaml"
    path.write_text(HEAD + TIE.format(a="0"))
    warnings = simulate(load(path)).to_dict()["warnings"]
    assert any("recorded load ends at 9s of 20s" in text for text in warnings)
    silent = simulate(load(path, sets=["run.warmup=15s"])).to_dict()["warnings"]
    assert any("no request arrived between warmup and duration" in text for text in silent)
