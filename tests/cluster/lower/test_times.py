"""Tables of time by batch are the written laws, whatever the source of the layer's time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulator import catalogue
from simulator.errors import ScenarioError
from tests.cluster.lower.made import lowered, node, phase, phases
from tests.support import Node, layer, portion, run


def whole(batch: int, layers: str = "1", **more: Any) -> list[Node]:
    return [portion(layers, batch=batch, **more)]


def test_constant_affine_and_rows() -> None:
    layers = [layer(0.01), layer((0.002, 0.003)), layer({1: 0.01, 2: 0.012, 4: 0.02})]
    made = phase(node(layers, whole(6, "1-3")))
    batches = np.arange(1, 7)
    np.testing.assert_array_equal(made.steps_s[0, 1:], np.full(6, 0.01))
    np.testing.assert_array_equal(made.steps_s[1, 1:], 0.002 + 0.003 * batches)
    np.testing.assert_allclose(made.steps_s[2, 1:], [0.01, 0.012, 0.016, 0.02, 0.024, 0.028], rtol=1e-15)
    assert not made.steps_s[:, 0].any()  # nobody, no time
    assert made.step_ramp.tolist() == [0, 0, 0]


def test_sums_go_from_left_to_right() -> None:
    times = [0.1, 0.2, 0.3, 1e-9, 0.7]
    made = phase(node([layer(t) for t in times], whole(1, "1-5")))
    total = 0.0
    for step, time in enumerate(times):
        total += time
        assert made.elapsed_s[step, 1] == total  # the same bits
    assert made.time_s[1] == total


def test_repeated_layers_are_counted_one_by_one() -> None:
    made = phases(
        node([layer(0.01, repeat=3), layer(0.02, repeat=2)], [portion("1-2", batch=2), portion("3-5", batch=2)])
    )
    assert made[0].steps_s[:, 1].tolist() == [0.01, 0.01]
    assert made[1].steps_s[:, 1].tolist() == [0.01, 0.02, 0.02]


def test_extrapolation_is_told() -> None:
    tree = node([layer({1: 0.01, 8: 0.02})], whole(9))
    assert "beyond the measured rows" in " ".join(run(tree).to_dict()["warnings"])
    assert lowered(node([layer({1: 0.01, 8: 0.02})], whole(8))).warnings == ()


def test_a_falling_table_goes_on_flat_and_not_below_its_work() -> None:
    falling = {1: 0.01, 2: 0.008}
    assert phase(node([layer(falling)], whole(64))).steps_s[0, [3, 64]].tolist() == [0.008, 0.008]
    work: Node = {"work": {"flops": "10GFLOP"}}  # 1 ms per item at 10 TFLOPS
    made = phase(node([layer(falling, **work)], whole(64)))
    assert made.steps_s[0, 3] == 0.008
    assert made.steps_s[0, 64] == pytest.approx(20e-6 + 0.064, rel=1e-12)


@pytest.mark.parametrize(("precision", "peak", "scale"), [("fp16", 10e12, 1.0), ("int8", 20e12, 0.5)])
def test_roofline_of_the_device(precision: str, peak: float, scale: float) -> None:
    made = phase(
        node(
            [{"name": "a", "work": {"flops": "4GFLOP", "bytes": "1MB"}, "weights": "50MB"}],
            whole(32, precision=precision),
        )
    )
    batches = np.arange(1, 33)
    exact = 20e-6 + np.maximum(batches * 4e9 / peak, (50e6 * scale + batches * 1e6 * scale) / 100e9)
    np.testing.assert_allclose(made.steps_s[0, 1:], exact, rtol=1e-14)


def test_weights_given_by_precision() -> None:
    work = {"flops": "1FLOP"}
    tree = node([{"name": "a", "work": work, "weights": {"fp16": "40MB", "int8": "30MB"}}], whole(1, precision="int8"))
    assert phase(tree).time_s[1] == pytest.approx(20e-6 + 30e6 / 100e9)


def test_a_precision_that_the_device_does_not_have_is_told_at_the_portion() -> None:
    tree = node([{"name": "a", "work": {"flops": "4GFLOP"}}], whole(1, precision="fp32"))
    with pytest.raises(ScenarioError, match=r"services\.s\.deployment\.portions\.0\.precision: pool has no fp32") as e:
        lowered(tree)
    assert e.value.problems[0].line == 1


@pytest.mark.parametrize("time", [0.01, (0.01, 0.001), {1: 0.01, 2: 0.02}])
def test_a_written_time_needs_no_peak(time: Any) -> None:
    tree = node([layer(time, work={"flops": "4GFLOP"})], whole(2, precision="fp32"))
    assert phase(tree).time_s[1] == pytest.approx(0.011 if isinstance(time, tuple) else 0.01)


def catalogued(device: Any, batch: int, portions: list[Node] | None = None, precision: str = "fp16") -> Node:
    tree = node([layer(1.0)], portions or whole(batch, "1-12", precision=precision), pool={"device": device})
    tree["models"]["m"] = {"catalogue": "bert-base"}
    return tree


def test_a_measured_model_takes_the_time_of_its_curve() -> None:
    curve = catalogue.curve("bert-base", "v100-16gb", "fp16")
    made = phase(catalogued("v100-16gb", max(curve.batches)))
    np.testing.assert_allclose(made.time_s[list(curve.batches)], curve.seconds, rtol=1e-12)
    np.testing.assert_allclose(made.steps_s[:, 1], curve.seconds[0] / 12, rtol=1e-12)
    assert lowered(catalogued("v100-16gb", max(curve.batches))).warnings == ()


def test_portions_of_a_measured_model_add_up_to_its_curve() -> None:
    curve = catalogue.curve("bert-base", "v100-16gb", "fp16")
    made = phases(catalogued("v100-16gb", 0, [portion("1-5", batch=8), portion("6-12", batch=8)]))
    assert made[0].time_s[8] + made[1].time_s[8] == pytest.approx(dict(zip(curve.batches, curve.seconds))[8])


def test_beyond_the_curve_is_told() -> None:
    curve = catalogue.curve("bert-base", "v100-16gb", "fp16")
    (warning,) = lowered(catalogued("v100-16gb", max(curve.batches) + 1)).warnings
    assert "beyond the measured rows" in warning


@pytest.mark.parametrize(
    "device", ["h200-sxm", {"memory": "16GB", "memory_bandwidth": "900GB/s", "peak": {"fp16": "100TFLOPS"}}]
)
def test_an_unmeasured_device_gets_a_roofline_and_says_so(device: Any) -> None:
    (warning,) = lowered(catalogued(device, 8)).warnings
    assert "bert-base is not measured there at fp16" in warning
    assert "roofline" in warning
    model = catalogue.model("bert-base")
    moved = 2 * model.output_bytes_per_layer
    if isinstance(device, str):
        known = catalogue.device(device)
        peak, bandwidth = (
            known.peak["fp16"] * known.compute_efficiency,
            known.memory_bandwidth * known.memory_efficiency,
        )
        overhead = known.overhead_s
    else:
        peak, bandwidth, overhead = 100e12, 900e9, 0.0
    batches = np.arange(1, 9)
    slower = np.maximum(
        batches * model.flops_per_layer / peak, (model.weight_bytes_per_layer + batches * moved) / bandwidth
    )
    np.testing.assert_allclose(phase(catalogued(device, 8)).steps_s[3, 1:], overhead + slower, rtol=1e-12)


ROWS = """layer,device,precision,batch,seconds
a,pool,fp16,1,0.010
a,pool,fp16,1,0.012
a,pool,fp16,4,0.020
a,pool,int8,1,0.005
a,t4,fp16,1,0.030
b,pool,fp16,1,0.001
b,pool,int8,1,0.0005
b,t4,fp16,1,0.003
"""


def measured(
    portions: list[Node], *, device: Any = None, layers: list[Node] | None = None, file: str = "rows.csv"
) -> Node:
    tree = node([layer(1.0)], portions, pool={"device": device} if device else {})
    tree["models"]["m"] = {"measured": file, **({"layers": layers} if layers else {})}
    return tree


def test_rows_by_layer_device_and_precision(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(ROWS)
    made = phase(measured(whole(4, "1-2")), tmp_path)
    np.testing.assert_allclose(made.steps_s[0, 1:], [0.011, 0.014, 0.017, 0.020], rtol=1e-12)  # equal batches averaged
    assert made.steps_s[1].tolist() == [0.0, 0.001, 0.001, 0.001, 0.001]
    assert phase(measured(whole(1, "1-2", precision="int8")), tmp_path).steps_s[:, 1].tolist() == [0.005, 0.0005]
    assert phase(measured(whole(1, "1-2"), device="t4"), tmp_path).steps_s[:, 1].tolist() == [0.03, 0.003]


def test_rows_for_written_layers(tmp_path: Path) -> None:
    """``layers`` say what is repeated and how large it is, and keep a time of their own; the rows the rest."""
    (tmp_path / "rows.csv").write_text(ROWS)
    layers: list[Node] = [{"name": "b", "repeat": 2, "output": "1MB"}, layer(0.5, "own"), {"name": "a"}]
    made = phase(measured(whole(1, "1-4"), layers=layers), tmp_path)
    assert made.steps_s[:, 1].tolist() == [0.001, 0.001, 0.5, 0.011]


def test_rows_beyond_the_last_follow_at_least_the_work(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("batch,seconds\n1,0.01\n2,0.01\n")
    layers: list[Node] = [{"name": "a", "work": {"flops": "10GFLOP"}}]
    made = phase(measured(whole(64), layers=layers), tmp_path)
    assert made.time_s[3] == 0.01
    assert made.time_s[64] == pytest.approx(20e-6 + 0.064)


def test_rows_without_names_are_one_layer(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("batch,seconds\n1,0.01\n2,0.02\n")
    assert phase(measured(whole(2)), tmp_path).time_s.tolist() == [0.0, 0.01, 0.02]


def test_the_layers_of_the_rows_must_be_covered(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(ROWS)
    with pytest.raises(ScenarioError, match=r"portions\.0\.layers: must end at layer 2"):
        lowered(measured(whole(1, "1")), tmp_path)


def test_laws_written_by_calibrate(tmp_path: Path) -> None:
    from simulator.calibration import fit

    rows = ["layer,batch,seconds", *(f"a,{b},{0.01 + 0.002 * b!r}" for b in (1, 2, 4, 8, 16))]
    (tmp_path / "rows.csv").write_text("\n".join(rows) + "\n")
    fit(tmp_path / "rows.csv", group=["layer"]).write(tmp_path / "costs.yaml")
    made = phase(measured(whole(16), file="costs.yaml"), tmp_path)
    np.testing.assert_allclose(made.time_s[[1, 2, 4, 8, 16]], 0.01 + 0.002 * np.array([1, 2, 4, 8, 16]), rtol=0.02)
    assert lowered(measured(whole(16), file="costs.yaml"), tmp_path).warnings == ()
    (warning,) = lowered(measured(whole(17), file="costs.yaml"), tmp_path).warnings  # whatever law was chosen
    assert "beyond the measured rows" in warning


def test_products_are_no_layer_times(tmp_path: Path) -> None:
    from simulator.calibration import fit

    rows = ["m,n,k,dtype,seconds"]
    rows += [f"{m},{n},1024,fp16,{1e-5 + 1e-14 * m * n * 1024!r}" for m in (64, 128, 256, 512) for n in (64, 512, 1024)]
    (tmp_path / "rows.csv").write_text("\n".join(rows) + "\n")
    fit(tmp_path / "rows.csv", kind="gemm").write(tmp_path / "costs.yaml")
    with pytest.raises(ScenarioError, match=r"models\.m\.measured: holds times of products \(kind gemm\): give"):
        lowered(measured(whole(1), file="costs.yaml"), tmp_path)
