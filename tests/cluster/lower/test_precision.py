"""Number formats by layer: their times, sizes and what they leave of the accuracy, in both engines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.cluster import loads, simulate
from simulator.cluster.lower import lower
from simulator.costs.base import GemmRoofline
from simulator.errors import ScenarioError
from simulator.scenario.precision import by_layer
from tests.cluster.lower.made import lowered, node, phase, phases, service
from tests.support import Node, layer, portion, run

DEVICE: Node = {
    "memory": "16GB",
    "memory_bandwidth": "100GB/s",
    "peak": {"fp32": "5TFLOPS", "fp16": "10TFLOPS", "int8": "20TOPS"},
    "overhead": "20us",
}
POOL: Node = {"device": DEVICE}
TIMES: Node = {"by_precision": {"fp16": "10ms", "int8": {"overhead": "1ms", "per_item": "2ms"}}}


def two_layers(precision: Any, **more: Any) -> Node:
    layers = [{"name": "block", "repeat": 3, "time": TIMES}, {"name": "head", "time": TIMES}]
    return node(layers, [portion("1-4", batch=4, precision=precision)], pool=POOL, **more)


def test_each_layer_has_the_time_of_its_precision() -> None:
    made = phase(two_layers({"block": "int8", "head": "fp16"}))
    assert made.steps_s[:, 3].tolist() == pytest.approx([0.007] * 3 + [0.01], rel=1e-15)
    made = phase(two_layers({"1-2": "fp16", "3-4": "int8"}))
    assert made.steps_s[:, 1].tolist() == pytest.approx([0.01, 0.01, 0.003, 0.003], rel=1e-15)


def test_one_precision_is_that_of_every_layer() -> None:
    by_name, plain = phase(two_layers({"block": "int8", "head": "int8"})), phase(two_layers("int8"))
    assert np.array_equal(by_name.steps_s, plain.steps_s)


@pytest.mark.parametrize(
    ("precision", "says"),
    [
        ({"block": "int8"}, r"portions\.0\.precision: layer 4 \(head\) has no precision: name it, or its range"),
        ({"block": "int8", "haed": "fp16"}, r"precision\.haed: names no layer: the model has block, head \(1-4\)"),
        ({"block": "int8", "3-4": "fp16"}, r"precision\.3-4: layer 3 \(block\) is in 'block' already"),
        ({"1-9": "int8"}, r"precision\.1-9: names no layer"),
        ({"block": "int8", "head": "fp32"}, r"0\.precision: layer head has no time at fp32 \(it has fp16, int8\)"),
        ({"block": "int9", "head": "fp16"}, r"precision\.block: must be one of fp32, tf32"),
        ({}, r"precision: must not be empty"),
        (8, r"precision: must be one of fp32"),
    ],
)  # fmt: skip
def test_bad_choices_are_refused(precision: Any, says: str) -> None:
    with pytest.raises(ScenarioError, match=says):
        lowered(two_layers(precision))


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=8), st.data())
def test_a_layer_has_one_key_or_the_choice_is_refused(names: list[str], data: st.DataObject) -> None:
    ranges = [f"{i}-{j}" for i in range(1, len(names) + 2) for j in range(1, len(names) + 2)]
    keys = data.draw(st.lists(st.sampled_from(["a", "b", "c", *ranges]), unique=True, max_size=5))
    found, wrong = by_layer(keys, names)

    def meant(key: str) -> set[int]:
        if "-" not in key:
            return {i for i, name in enumerate(names) if name == key}
        first, last = (int(part) for part in key.split("-"))
        return set(range(first - 1, last)) if first <= last <= len(names) else set()

    sound = [key for key in keys if key not in wrong]
    assert all(meant(key) for key in sound)
    assert sum(len(meant(key)) for key in sound) == len(found) == len(set().union(*map(meant, sound)) if sound else ())
    assert all(layer in meant(key) for layer, key in found.items())
    for key in wrong:
        assert not meant(key) or any(meant(key) & meant(other) for other in sound)


def test_sizes_follow_the_precision_of_each_layer() -> None:
    layers = [{"name": name, "time": "1ms", "weights": "100MB", "output": "2MB"} for name in ("a", "b")]
    network = {"network": {"bandwidth": "1GB/s"}}
    load = {"device": DEVICE, "load_bandwidth": "1GB/s"}

    def made(first: str, second: str) -> Any:
        written = [portion("1-2", batch=2, precision={"a": first, "b": second}), portion("3", precision="fp16")]
        return service(node([*layers, layer(0.001)], written, cluster=network, pool=load))

    mixed = made("int8", "fp16")
    assert mixed.stations[0].kinds[0].load_s == pytest.approx(0.05 + 0.1)
    assert mixed.stations[0].kinds[0].phases[0].transfer_s.tolist() == pytest.approx([0, 0.002, 0.004])
    assert made("fp16", "int8").stations[0].kinds[0].phases[0].transfer_bytes == 1e6  # one byte of a value for two
    # Weight-only formats multiply and answer in 16 bits.
    four = made("fp16", "int4").stations[0].kinds[0]
    assert four.phases[0].transfer_bytes == 2e6
    assert four.load_s == pytest.approx(0.1 + 0.025)


def test_weight_only_formats_compute_at_the_16_bit_peak() -> None:
    work: Node = {"name": "a", "work": {"flops": "1TFLOP"}, "weights": "1GB"}
    assert phase(node([work], [portion("1", batch=1, precision="int4")])).time_s[1] == pytest.approx(20e-6 + 0.1)
    small: Node = {"name": "a", "work": {"flops": "1MFLOP"}, "weights": "1GB"}
    quarter = phase(node([small], [portion("1", batch=1, precision="int4")])).time_s[1] - 20e-6
    whole = phase(node([small], [portion("1", batch=1, precision="fp16")])).time_s[1] - 20e-6
    assert whole == pytest.approx(4 * quarter)
    only = {"device": {**DEVICE, "peak": {"int8": "20TOPS"}}}
    with pytest.raises(ScenarioError, match=r"pool has no fp16 arithmetic, which int4 weights need, \(it has int8\)"):
        lowered(node([work], [portion("1", precision="int4")], pool=only))


def test_memory_is_refused_by_precision() -> None:
    layers = [{"name": name, "time": "1ms", "weights": "9GB"} for name in ("a", "b")]
    with pytest.raises(ScenarioError, match=r"needs 18\.00 GB at fp16 and batch 1"):
        lowered(node(layers, [portion("1-2")], pool=POOL))
    assert lowered(node(layers, [portion("1-2", precision={"a": "int8", "b": "fp16"})], pool=POOL)).services
    with pytest.raises(ScenarioError, match=r"needs 27\.00 GB at fp16 and fp32 and batch 1"):
        lowered(node(layers, [portion("1-2", precision={"a": "fp32", "b": "fp16"})], pool=POOL))
    serial = [portion("1", None, precision="fp32"), portion("2", None, precision="fp16")]
    with pytest.raises(ScenarioError, match=r"portion 1-2 needs 27\.00 GB at fp16 and fp32 and batch 1"):
        lowered(node(layers, serial, pool=POOL, execution="serial", replicas=1))


def test_the_largest_output_is_that_of_its_own_precision() -> None:
    """14 GB of weights, and outputs of 100 MB at fp16 that are twice as large where the layer is fp32."""
    layers = [
        {"name": name, "time": "1ms", "weights": {"fp16": "7GB", "fp32": "7GB"}, "output": "100MB"} for name in "ab"
    ]
    for precision, most in (("fp16", 20), ({"a": "fp32", "b": "fp16"}, 10), ({"a": "fp16", "b": "fp32"}, 10)):
        assert lowered(node(layers, [portion("1-2", batch=most, precision=precision)], pool=POOL)).services
        with pytest.raises(ScenarioError, match="does not fit"):
            lowered(node(layers, [portion("1-2", batch=most + 1, precision=precision)], pool=POOL))


PRODUCTS = [{"n": 4096, "k": 1024, "rows": 128}, {"n": 1024, "k": 4096, "rows": 128}]


def test_products_by_roofline() -> None:
    b = np.arange(1, 9)
    for precision, peak, weight, value in (("fp16", 10e12, 2, 2), ("int4", 10e12, 0.5, 2), ("int8", 20e12, 1, 1)):
        made = phase(node([{"name": "a", "products": PRODUCTS}], [portion("1", batch=8, precision=precision)]))
        compute = b * 128 * 2 * 4096 * 1024 / peak
        # Sides of one product are those of the other, exchanged; what 8 bits give back is 16-bit.
        moved = [
            (4096 * 1024 * weight + b * 128 * (k * value + n * 2)) / 100e9 for n, k in ((4096, 1024), (1024, 4096))
        ]
        times = sum(20e-6 + np.hypot(compute, one) for one in moved)
        if precision == "int8":  # quantizing the inputs: a launch, or reading two bytes of each and writing one
            read = [b * 128 * k * 3 / 100e9 for k in (1024, 4096)]
            assert (made.time_s[1:] >= times + sum(np.maximum(20e-6, one) for one in read)).all()
            assert (made.time_s[1:] <= times + sum(20e-6 + one for one in read)).all()
        else:
            np.testing.assert_allclose(made.time_s[1:], times, rtol=1e-12)


@pytest.mark.parametrize(("precision", "size"), [("fp32", 4), ("fp16", 2), ("int8", 1), ("int4", 0.5)])
def test_weights_of_products_have_the_bytes_of_their_precision(precision: str, size: float) -> None:
    pool = {**POOL, "load_bandwidth": "1GB/s"}
    made = service(node([{"name": "a", "products": PRODUCTS}], [portion("1", precision=precision)], pool=pool))
    assert made.stations[0].kinds[0].load_s == pytest.approx(2 * 4096 * 1024 * size / 1e9)


def test_work_beside_products_does_not_read_their_weights_again() -> None:
    alone = phase(node([{"name": "a", "products": PRODUCTS}], [portion("1", batch=4)]))
    work = {"flops": "1GFLOP", "bytes": "1MB"}
    both = phase(node([{"name": "a", "products": PRODUCTS, "work": work, "weights": "9GB"}], [portion("1", batch=4)]))
    b = np.arange(1, 5)
    on_top = 20e-6 + np.maximum(b * 1e9 / 10e12, b * 1e6 / 100e9)
    np.testing.assert_allclose(both.time_s[1:] - alone.time_s[1:], on_top, rtol=1e-9)


def test_products_by_measured_ones_and_what_comes_on_top(tmp_path: Path) -> None:
    from simulator.calibration import fit

    law = {"fp16": GemmRoofline(1e-5, 1e13, 2e-12), "int8": GemmRoofline(3e-5, 2e13, 1e-12)}
    shapes = [(m, n, k) for m in (64, 128, 256, 512, 1024) for n in (512, 1024, 4096) for k in (512, 1024, 4096)]
    rows = ["m,n,k,device,precision,seconds"]
    for precision, one in law.items():
        rows += [f"{m},{n},{k},pool,{precision},{float(one.seconds(m, n, k))!r}" for m, n, k in shapes]
    (tmp_path / "rows.csv").write_text("\n".join(rows) + "\n")
    fit(tmp_path / "rows.csv").write(tmp_path / "costs.yaml")
    layers = [
        {"name": "a", "products": PRODUCTS, "time": {"overhead": "1ms", "per_item": "1ms"}},
        {"name": "b", "products": PRODUCTS[:1]},
        {"name": "c", "time": "4ms"},
    ]
    written = [portion("1-3", batch=8, precision={"a": "int8", "b": "fp16", "c": "fp16"})]
    made = phase(node(layers, written, model={"measured": "costs.yaml"}), tmp_path)
    b = np.arange(1, 9)
    both = sum(law["int8"].seconds(b * 128, one["n"], one["k"]) for one in PRODUCTS)
    np.testing.assert_allclose(made.steps_s[0, 1:], both + 0.001 + 0.001 * b, rtol=0.03)
    np.testing.assert_allclose(made.steps_s[1, 1:], law["fp16"].seconds(b * 128, 4096, 1024), rtol=0.03)
    assert made.steps_s[2, 1:].tolist() == [0.004] * 8
    beyond = [portion("1-3", batch=9, precision={"a": "int8", "b": "fp16", "c": "fp16"})]  # 9 x 128 rows of 1,024
    (warning,) = lowered(node(layers, beyond, model={"measured": "costs.yaml"}), tmp_path).warnings
    assert "batch 9 is beyond the measured rows, its time is extrapolated" in warning
    with pytest.raises(ScenarioError, match=r"models\.m\.measured: .*no measured costs for 'fp32'"):
        lowered(node(layers, [portion("1-3", precision="fp32")], model={"measured": "costs.yaml"}), tmp_path)
    with pytest.raises(ScenarioError, match=r"layer a has no `products`, whose times this file holds"):
        lowered(node([{"name": "a"}], model={"measured": "costs.yaml"}), tmp_path)


def test_sizes_by_precision_scale_where_one_is_missing() -> None:
    one = {"name": "a", "time": "1ms", "weights": {"int8": "10GB"}, "output": {"int4": "2MB", "fp16": "2MB"}}
    with pytest.raises(ScenarioError, match=r"needs 20\.00 GB at fp16"):
        lowered(node([one], pool=POOL))
    assert lowered(node([one], [portion("1", precision="int4")], pool=POOL)).services  # 5 GB


# -- accuracy ------------------------------------------------------------------------------------------------------

LOSS: Node = {"full": "90%", "loss": {"int8": {"block": "3%", "head": "6%"}, "int4": "12%"}}


def accuracy(tree: Node, engine: str) -> tuple[float | None, list[str]]:
    tree = json.loads(json.dumps(tree))
    tree["run"]["engine"] = engine
    result = simulate(loads(json.dumps(tree))).to_dict()
    return result["services"]["s"]["accuracy"], result["warnings"]


@pytest.mark.parametrize("engine", ["simpy", "compiled"])
@pytest.mark.parametrize(
    ("precision", "expected"),
    [
        ("fp16", 0.9),
        ("int8", 0.9 - 0.09),
        ({"1-3": "int8", "4": "fp16"}, 0.9 - 0.03),
        ({"1": "int8", "2-4": "fp16"}, 0.9 - 0.01),  # a third of what the three blocks lose together
        ({"block": "fp16", "head": "int8"}, 0.9 - 0.06),
    ],
)
def test_losses_add_up(precision: Any, expected: float, engine: str) -> None:
    found, warnings = accuracy(two_layers(precision, model={"accuracy": LOSS}), engine)
    assert found == pytest.approx(expected, rel=1e-12)
    assert not any("accuracy" in line for line in warnings)


def test_kinds_count_by_their_replicas() -> None:
    tree = two_layers("fp16", model={"accuracy": LOSS})
    one = tree["services"]["s"]["deployment"]["portions"][0]
    tree["services"]["s"]["deployment"]["portions"] = [{**one, "replicas": 3}, {**one, "precision": "int8"}]
    assert accuracy(tree, "simpy")[0] == pytest.approx(0.9 - 0.09 / 4)


@pytest.mark.parametrize("engine", ["simpy", "compiled"])
def test_each_window_has_its_own_accuracy(engine: str) -> None:
    tree = two_layers("fp16", model={"accuracy": LOSS})
    spec = tree["services"]["s"]
    first = spec.pop("deployment")
    second = {**first, "portions": [{**first["portions"][0], "precision": "int8"}], "from": "5s"}
    spec["deployments"] = [{**first, "from": "0s"}, second]
    spec["workload"] = {"process": "gamma", "rate": "40/s", "cv": 0.01}  # as many before as after, nearly
    assert accuracy(tree, engine)[0] == pytest.approx(0.9 - 0.045, abs=1e-3)


def test_exit_rows_keep_their_share_by_the_layer_of_the_answer(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(
        "conf_1,conf_2,conf_3,pred_1,pred_2,pred_3,label\n0.9,0.9,0.9,1,1,1,1\n0.1,0.1,0.9,0,0,1,1\n0.9,0.9,0.9,0,0,1,1\n"
    )
    exits = {"table": "rows.csv", "rule": {"confidence": 0.5}, "order": "replayed"}
    model = {"ramps": {"after": "all"}, "exits": exits, "accuracy": {"loss": {"int8": "15%"}}}
    written = [portion("1", precision="int8"), portion("2-3", precision={"2": "fp16", "3": "int8"})]
    tree = node([layer(0.001)] * 3, written, model=model, exit_mode="at_cut")
    (made,) = service(tree, tmp_path).deployments
    # Every layer loses 5 % of the accuracy of 1 that the rows tell; NaN where the rows do not answer stays out.
    assert made.correct is not None
    np.testing.assert_allclose(made.correct, [[0.95, 0.95, 0.9], [0, 0, 0.9], [0, 0, 0.9]], rtol=1e-12)
    for engine in ("simpy", "compiled"):
        found = run({**tree, "run": {**tree["run"], "engine": engine}}, tmp_path)
        leave = found.requests["exit_layer"].to_numpy()
        right = found.requests["correct"].to_numpy()
        assert set(zip(leave.tolist(), right.tolist())) == {(1, 0.95), (1, 0.0), (3, made.correct[1, 2])}


@pytest.mark.parametrize("engine", ["simpy", "compiled"])
def test_full_accuracy_counts_where_nobody_exits_early(engine: str) -> None:
    """A profile says nothing of right answers: without exits all are those of the whole model, with exits some are."""
    model = {"ramps": {"after": "all"}, "exits": {"profile": [0.3, 0.2, 0.1]}, "accuracy": LOSS}
    assert accuracy(two_layers("int8", model=model), engine)[0] == pytest.approx(0.9 - 0.09)
    assert accuracy(two_layers("int8", model=model, exit_mode="compact"), engine)[0] is None


def test_full_accuracy_is_said_once_and_only_where_it_is_not_known(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"models\.m\.accuracy: needs `full`"):
        lowered(two_layers("int8", model={"accuracy": {"loss": {"int8": "1%"}}}))
    with pytest.raises(ScenarioError, match=r"accuracy\.loss\.int8: must be at most the full accuracy of 0\.9"):
        lowered(two_layers("int8", model={"accuracy": {"full": "90%", "loss": {"int8": {"block": "91%"}}}}))
    with pytest.raises(ScenarioError, match=r"accuracy\.loss: int8\.tail: names no layer"):
        lowered(two_layers("int8", model={"accuracy": {"full": "90%", "loss": {"int8": {"tail": "1%"}}}}))


def test_an_unknown_loss_is_told() -> None:
    found, warnings = accuracy(two_layers("int8", model={"accuracy": {"full": "90%"}}), "simpy")
    assert found == 0.9
    assert any(
        "accuracy does not count what int8 costs, which models.m.accuracy.loss does not say" in w for w in warnings
    )


@pytest.mark.parametrize(
    ("precision", "layers"),
    [
        ("int8", "1-3"),
        ({"1": "int8", "2": "fp16", "3-4": "int8"}, "1, 3"),
        ({"block": "int8", "head": "fp16"}, "1-3"),
        ({"block": "fp16", "head": "int8"}, None),
    ],
)
def test_a_loss_told_for_some_layers_is_not_silent_about_the_others(precision: Any, layers: str | None) -> None:
    loss = {"int8": {"head": "6%"}}
    _, warnings = accuracy(two_layers(precision, model={"accuracy": {"full": "90%", "loss": loss}}), "simpy")
    told = [line for line in warnings if "accuracy does not count" in line]
    assert len(told) == (layers is not None)
    assert all(f"what int8 in layers {layers} costs, which models.m" in line for line in told)


def test_nothing_is_said_where_nothing_is_known() -> None:
    found, warnings = accuracy(two_layers("int8"), "simpy")
    assert found is None
    assert not any("accuracy" in line for line in warnings)


def test_layers_of_each_phase() -> None:
    made = phases(node([layer(0.01), layer(0.02)], [portion("1", precision="int8"), portion("2")]))
    assert [one.first_layer for one in made] == [1, 2]
    assert lower(loads(json.dumps(two_layers("fp16")))).services[0].deployments[0].correct is None
