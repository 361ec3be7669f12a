"""Published measurements: PipeSwitch's start-up by streaming, FlexGen's generation, bandwidths of links."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from simulator.calibration.streaming import LinkFit, fit_link
from simulator.costs.streaming import (
    DUPLEX,
    PAGEABLE,
    Generation,
    LayerShape,
    Link,
    Placement,
    Streamed,
    Tiers,
    Transformer,
    bert,
    generation_seconds,
    grouped,
    inception_v3,
    resnet,
    step_seconds,
    streamed_layers,
    tokens_per_s,
)

DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "pipelines"
MODELS = {"resnet152": resnet(), "inception_v3": inception_v3(), "bert_base": bert()}
GIB, TERA = 2.0**30, 1e12


def table(name: str) -> list[dict[str, str]]:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"measured data {name} is not here")
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def pipeswitch() -> dict[str, dict[str, float]]:
    """Seconds by model and arm (figure 7), with the loaded model's (figure 5)."""
    found: dict[str, dict[str, float]] = {}
    for row in table("pipeswitch_v100_artifact.csv"):
        if row["figure"] == "7" or (row["figure"], row["system"]) == ("5", "ready_model"):
            found.setdefault(row["model_or_interval"], {})[row["system"]] = float(row["value"]) / 1e3
    assert {"resnet152", "inception_v3"} <= set(found)
    return found


def loaded_bytes(shapes: tuple[LayerShape, ...]) -> float:
    return 4.0 * sum(shape.parameters + shape.stored for shape in shapes)


def fitted(measured: dict[str, dict[str, float]]) -> LinkFit:
    """One latency and one bandwidth, from the arms in which copies and computing follow each other."""
    rows = [
        (loaded_bytes(shapes), 1 if arm == "grouped" else len(shapes), times[arm], times["ready_model"])
        for model, shapes in MODELS.items()
        if (times := measured.get(model, {}))
        for arm in ("grouped", "per_layer_no_pipeline")
        if arm in times
    ]
    sizes, copies, seconds, ready = zip(*rows, strict=True)
    return fit_link(sizes, copies, seconds, beside_s=ready)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("arm", ["pipeswitch", "per_layer"])
def test_pipeswitch_starts_up_as_measured(model: str, arm: str) -> None:
    """Within 10 %: each layer in a copy of its own, or packed by the blocks of the network, one copy ahead.

    Time of the loaded model divided by multiply-adds. Two slots and that division are effective figures that fit
    these arms, not read off the system, whose copies may run further ahead. With three slots, or equal times of all
    layers, ResNet-152 layer by layer comes out 30 % too fast: what it then waits for is not in the model.
    """
    measured = pipeswitch()
    if arm not in measured.get(model, {}):
        pytest.skip(f"{model} was not measured in arm {arm}")
    shapes = MODELS[model]
    layers = streamed_layers(shapes, measured[model]["ready_model"])
    if arm == "pipeswitch":
        layers = grouped(layers, [shape.block for shape in shapes])
    predicted = float(step_seconds(Streamed(layers, fitted(measured).link, slots=2), 1))
    assert predicted == pytest.approx(measured[model][arm], rel=0.10)


def test_the_serial_arms_tell_a_pcie_link() -> None:
    """The fitted figures are those of a V100 on PCIe 3.0 x16: below 15.75 GB/s, tens of microseconds a copy."""
    found = fitted(pipeswitch())
    assert 8e9 < found.link.bandwidth < 15.75e9
    assert 1e-5 < found.link.latency_s < 1e-4
    assert max(abs(found.errors)) < 0.10


def test_published_parameter_counts() -> None:
    assert [sum(shape.parameters for shape in shapes) for shapes in MODELS.values()] == [
        60_192_808,
        23_834_568,
        109_482_240,
    ]
    assert sum(shape.parameters for shape in inception_v3(auxiliary=True)) == 27_161_264
    assert sum(shape.parameters for shape in resnet((3, 4, 6, 3))) == 25_557_032
    assert sum(shape.parameters for shape in bert(24, 1024)) == 335_141_888


def test_published_multiply_adds() -> None:
    """ResNet-152 11.5 G and ResNet-50 4.1 G (torchvision), Inception v3 5.7 G; norms add under one percent."""
    giga = [sum(shape.macs for shape in shapes) / 1e9 for shapes in (resnet(), resnet((3, 4, 6, 3)), inception_v3())]
    assert giga == pytest.approx([11.51, 4.09, 5.71], rel=0.01)


def flexgen() -> Tiers:
    """Its constants for a T4 with 204 GiB at the host: GiB/s and TFLOP/s."""
    value = {row["constant"]: float(row["value"]) for row in table("flexgen_t4_constants.csv")}
    return Tiers(
        host_device=value["ctog_bdw"] * GIB,
        device_host_cache=value["gtoc_bdw_cache"] * GIB,
        device_host_hidden=value["gtoc_bdw_hidden"] * GIB,
        disk_host=value["dtoc_bdw"] * GIB,
        host_disk_cache=value["ctod_bdw_cache_p"] * GIB,
        host_disk=value["ctod_bdw_g"] * GIB,
        matrix_prefill=value["mm_flops_p"] * TERA,
        matrix_decode=value["mm_flops_g"] * TERA,
        attention_prefill=value["bmm_flops_p"] * TERA,
        attention_decode=value["bmm_flops_g"] * TERA,
        host_compute=value["cpu_flops"] * TERA,
    )


def test_flexgen_opt_30b() -> None:
    """Within 5 %: a block of 3 x 48 prompts of 512 tokens, 32 new; weights 20 : 80, cache and hidden at the host."""
    (measured,) = [
        row
        for row in table("flexgen_t4_throughput.csv")
        if (row["model"], row["system"]) == ("OPT-30B", "flexgen") and row["effective_batch"] == "144"
    ]
    opt_30b = Transformer(layers=48, hidden=7168, feed_forward=28672)
    placement = Placement((0.2, 0.8, 0.0), (0.0, 1.0, 0.0), (0.0, 1.0, 0.0))
    predicted = tokens_per_s(opt_30b, flexgen(), placement, Generation(144, 512, 32, 48))
    assert predicted == pytest.approx(float(measured["tokens_per_s"]), rel=0.05)


def test_weights_on_disk_bind_the_decoding() -> None:
    """OPT-175B half on disk: each decoding step reads that half, so the disk bounds the time from below."""
    opt_175b = Transformer(layers=96, hidden=12288, feed_forward=49152)
    tiers = flexgen()
    placement = Placement((0.0, 0.5, 0.5), (0.0, 1.0, 0.0), (0.0, 1.0, 0.0))
    work = Generation(256, 512, 32, 32)
    _, decoding = generation_seconds(opt_175b, tiers, placement, work)
    read = 31 * 96 * opt_175b.layer_parameters * 2.0 * 0.5 / tiers.disk_host
    assert read < decoding < 1.2 * read


def test_attention_over_a_cache_that_grows() -> None:
    """While 32 tokens come, the mean cache is 512 + 16 long: all else is free, so the time is that of its reads."""
    model = Transformer(layers=2, hidden=4096, feed_forward=16384)
    free = 1e30
    tiers = Tiers(free, free, free, 1e9, free, free, free, free, free, free, free)
    placement = Placement((1.0, 0.0, 0.0), (0.0, 0.0, 1.0), (1.0, 0.0, 0.0))
    _, decoding = generation_seconds(model, tiers, placement, Generation(64, 512, 32, 64))
    assert decoding == pytest.approx(31 * 2 * (2 * 64 * (512 + 16) * 4096 * 2.0) / 1e9)


def test_shares_of_a_link_are_those_measured() -> None:
    """Both directions busy, and memory that is not pinned."""
    value = {(row["direction"], row["pattern"]): float(row["value"]) for row in table("h2d_bandwidth.csv")}
    alone = value["h2d", "unidirectional copy engine"]
    beside = value["h2d", "while the opposite direction is busy"]
    assert beside / alone == pytest.approx(DUPLEX)
    assert pytest.approx(0.72, abs=0.005) == DUPLEX
    pinned, pageable = (value["h2d", f"30-tensor layer pattern, {kind}"] for kind in ("pinned", "pageable"))
    assert pageable / pinned == pytest.approx(PAGEABLE)
    assert Link(pinned * 1e9).pageable().bandwidth == pytest.approx(pageable * 1e9)
