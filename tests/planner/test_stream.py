"""Group sizes of a stream side by side: each row is the step, the recommended one is the best that fits."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator import load
from simulator.costs.streaming import SLACK, device_bytes, server_bytes, step, step_seconds
from simulator.errors import ScenarioError
from simulator.planner.stream import LARGEST, Groups, compare_groups
from simulator.scenario import loads

SCENARIOS = Path(__file__).resolve().parents[2] / "scenarios"
LAPTOP, SHARED, L2L = (SCENARIOS / f"stream-{name}.yaml" for name in ("70b-laptop", "shared-server", "training-l2l"))


def text(item_ms: float, weights_mb: int, memory_mb: int, rest: str = "") -> str:
    return f"""
version: 1
name: made
run: {{duration: 1s, replications: 1}}
cluster:
  pools:
    small: {{device: {{memory: {memory_mb}MB, memory_bandwidth: 50GB/s, peak: {{fp16: 1TFLOPS}}}}, count: 4}}
  parameter_server: {{bandwidth: 1GB/s, latency: 100us, memory: 20GB}}
models:
  net:
    layers: [{{name: block, repeat: 5, time: {{per_item: {item_ms}ms}}, weights: {weights_mb}MB, output: 2MB}}]
streams:
  only: {{model: net, pool: small, mode: training{rest}}}
"""


def made(item_ms: float = 3.0, weights_mb: int = 20, memory_mb: int = 2000, rest: str = "") -> Groups:
    return compare_groups(loads(text(item_ms, weights_mb, memory_mb, rest)), groups=[1, 2, 3, 7, 400])


def test_every_row_is_the_step() -> None:
    found = made()
    for row in found.rows:
        one = step(found.streamed, row.step.group)
        assert row.step == one
        assert row.sample_s == one.seconds / one.group
        assert one.naive_s == pytest.approx(one.group * float(step_seconds(found.streamed, 1)), rel=1e-12)
        assert one.naive_loads == 2 * 5 * one.group
        assert one.layer_loads == 2 * 5 - 2


@settings(max_examples=25, deadline=None)
@given(st.floats(0.2, 30.0), st.integers(1, 60), st.integers(300, 3000), st.sampled_from(["", ", spill: true"]))
def test_recommended_is_what_exhaustive_search_finds(item_ms: float, weights: int, memory: int, rest: str) -> None:
    found = made(item_ms, weights, memory, rest)
    groups = np.arange(1, 1025)
    roomy = (device_bytes(found.streamed, groups) <= memory * 1e6) & (server_bytes(found.streamed, groups) <= 20e9)
    groups = groups[roomy]
    pace = step_seconds(found.streamed, groups) / groups
    assert found.recommended.step.group == groups[np.argmax(pace <= (1 + SLACK) * pace.min())]
    assert found.recommended.why is None
    assert found.choice.largest == groups[-1]
    for row in found.rows:
        assert (row.why is None) == (row.step.group <= groups[-1])


def test_naive_accumulation_gains_nothing_from_a_group() -> None:
    found = made()
    paces = [row.step.naive_s / row.step.group for row in found.rows]
    assert paces == pytest.approx([paces[0]] * len(paces), rel=1e-12)
    assert all(row.step.seconds <= row.step.naive_s * (1 + 1e-12) for row in found.rows)


def test_what_is_measured_stands_in_the_table() -> None:
    """The published run: seconds of a step by group, the group of three left out of the calibration."""
    found = compare_groups(load(LAPTOP), groups=[1, 2, 3, 4, 8, 16])
    measured = {1: 17.16, 2: 18.01, 3: 22.62, 4: 28.06, 8: 55.89, 16: 111.8}
    for row in found.rows:
        assert row.step.seconds == pytest.approx(measured[row.step.group], rel=0.03)
        assert row.step.layer_loads == 159
    assert found.recommended.step.group == 4
    assert found.written == 1


def test_groups_that_are_shown() -> None:
    found = compare_groups(load(L2L))
    shown = [row.step.group for row in found.rows]
    assert {1, 2, 4, 8, 64, found.recommended.step.group} <= set(shown)
    assert shown == sorted(set(shown))
    assert shown[-1] > found.recommended.step.group
    asked = compare_groups(load(L2L), groups=[3, 3, 5])
    assert [row.step.group for row in asked.rows] == [3, 5, asked.recommended.step.group]
    assert asked.recommended == found.recommended


def test_the_largest_group_that_may_be() -> None:
    found = compare_groups(load(L2L), most=6)
    assert found.recommended.step.group == 6
    assert max(row.step.group for row in found.rows) == 6
    one = compare_groups(load(L2L), most=1)
    assert one.reason == "the only one that was allowed"
    assert one.to_dict()["recommended"]["group"] == 1


def test_what_does_not_fit_is_a_row_with_the_figure() -> None:
    found = made(memory_mb=300)
    last = found.rows[-1]
    needed = float(device_bytes(found.streamed, last.step.group)) / 1e9
    assert last.why == f"needs {needed:.4g} GB on the device, which has 0.3 GB"
    server = compare_groups(load(L2L, variants=["fifty-billion"]), groups=[64]).rows[-1]
    assert server.why is not None
    assert "at the server" in server.why


def test_a_written_group_that_does_not_fit_is_no_error() -> None:
    scenario = loads(text(3.0, 20, 300, ", group: 400"))
    found = compare_groups(scenario)
    assert found.written == 400
    assert next(row for row in found.rows if row.step.group == 400).why


def test_devices_that_share_the_server() -> None:
    shared, alone = (compare_groups(load(SHARED, variants=names)) for names in ([], ["alone"]))
    assert shared.to_dict()["bandwidth"] == pytest.approx(5e9 / 8)
    assert "8 devices share the server's link" in shared.notes[0]
    assert alone.notes == ()
    assert shared.recommended.step.group > alone.recommended.step.group
    assert shared.choice.knees[0] > alone.choice.knees[0]


def test_the_same_group_as_the_simulation_takes() -> None:
    from simulator import simulate

    scenario = load(SHARED)
    figures = simulate(scenario).to_dict()["streams"]["fleet"]
    group = figures["group"]
    assert compare_groups(scenario).recommended.step.group == (group["mean"] if isinstance(group, dict) else group)


def test_spilled_or_kept_whichever_is_chosen_is_told() -> None:
    kept = made(rest=", spill: auto")
    assert any("spill: auto" in note for note in kept.notes)
    assert kept.to_dict()["spilled"] is kept.choice.spilled


@pytest.mark.parametrize(
    ("name", "groups", "most", "message"),
    [
        ("onyl", None, None, "did you mean 'only'"),
        (None, [0], None, f"--groups: must be from 1 to {LARGEST}, got 0"),
        (None, [LARGEST + 1], None, "--groups"),
        (None, None, 0, "--max-group"),
    ],
)
def test_refusals(name: str | None, groups: list[int] | None, most: int | None, message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        compare_groups(loads(text(3.0, 20, 2000)), name, groups, most)


def test_a_model_of_which_nothing_fits_is_refused_with_the_figures() -> None:
    with pytest.raises(ScenarioError, match=r"streams\.only.*needs 92 MB on the device .* has 90 MB"):
        made(memory_mb=90)


def test_without_or_with_several_streams() -> None:
    with pytest.raises(ScenarioError, match="there is no stream"):
        compare_groups(load(SCENARIOS / "quickstart.yaml"))
    several = load(SHARED, variants=["beside"])
    with pytest.raises(ScenarioError, match="name one of fleet, trained"):
        compare_groups(several)
    found = compare_groups(several, "trained")
    assert "what other streams keep at the server is not counted" in found.notes
    assert found.to_dict()["bandwidth"] == pytest.approx(5e9 / 10)
