"""Streamed networks: what they compute, where their layers come from, and the rows that the fit reads."""

import csv
import io
import os
import threading
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.calibration import fit
from simulator.calibration.measure import Effort, Measurement, measure
from simulator.calibration.measure.backends import cuda, layerfiles
from simulator.calibration.measure.backends.arrays import Numpy
from simulator.calibration.measure.backends.layerfiles import LayerFiles, buffer, layer_files, padded, read_seconds
from simulator.calibration.measure.backends.layermath import CudaMath, NumpyMath
from simulator.calibration.measure.backends.layerstream import Outcome, Plan, Prefetch, Resident, run_step
from simulator.calibration.measure.kinds import stream
from simulator.calibration.measure.kinds.stream import WallClock
from simulator.calibration.measure.probe import Probe
from simulator.calibration.measure.request import Request
from simulator.costs.streaming import Layer, Link, Streamed, StreamingLaw
from simulator.errors import ScenarioError

HERE = frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else frozenset()
QUICK = Effort(1, 1, 60.0)


def measured(*shapes: str, **asked: Any) -> Measurement:
    usual: dict[str, Any] = {"backend": "numpy", "batches": (1, 2), "effort": QUICK, "device": "cpu"}
    return measure("stream", shapes, **usual | {"variants": ["fp32"]} | asked)


@given(st.integers(1, 8), st.integers(1, 4), st.booleans())
def test_visits_are_those_of_the_cost_model(layers: int, slots: int, training: bool) -> None:
    plan = Plan(layers, slots, training)
    model = Streamed((Layer(8.0, 1.0, 2.0),) * layers, Link(1.0), training=training, slots=slots)
    visits = model.visits(1)
    assert [(one.layer, one.backward, bool(one.load_s), one.releases) for one in visits] == list(plan.visits())
    assert len(plan.order) == model.loads


def plain(weights: list[Any], x: Any, training: bool) -> Any:
    """The network without any of it."""
    inputs = []
    for w in weights:
        inputs.append(x)
        x = np.maximum(x @ w, 0)
    if training:
        for seen, w in zip(reversed(inputs), reversed(weights)):
            x = (x * (seen @ w > 0)) @ w.T
    return x


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 6), st.integers(1, 3), st.booleans(), st.integers(1, 5))
def test_what_is_streamed_computes_the_network(layers: int, slots: int, training: bool, group: int) -> None:
    network = stream.streamed(f"{'training' if training else 'inference'}:{layers}x32@3")
    weights, math, plan = list(network.weights(np.float64)), NumpyMath(32, "fp64"), Plan(layers, slots, training)
    values = math.inputs(network.inputs(group))
    with layer_files(weights) as files:
        room = [math.slot() for _ in range(slots)]
        with Prefetch(math, files, room, plan.order, HERE) as feed:
            found = run_step(plan, math, values, feed)
        resident = [math.slot() for _ in range(layers)]
        for layer, slot in enumerate(resident):
            math.fill(slot, files, layer)
        alone = run_step(plan, math, values, Resident(resident))
    for x, one, other in zip(values, found, alone, strict=True):
        np.testing.assert_allclose(one, plain(weights, x, training), rtol=1e-12)
        assert np.array_equal(one, other)
    assert not files.folder.exists()


def test_gradients_are_those_of_the_loss() -> None:
    """Half the sum of squares of the outputs, by central differences."""
    network = stream.streamed("training:3x8@2")
    weights = list(network.weights(np.float64))
    x = network.inputs(1)[0].astype(np.float64)
    found = plain(weights, x, True)
    for place in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[place] = 1e-6
        up, down = (0.5 * np.sum(plain(weights, x + sign * step, False) ** 2) for sign in (1, -1))
        assert found[place] == pytest.approx((up - down) / 2e-6, abs=1e-5)


def test_the_first_microbatches_are_the_same_in_every_group() -> None:
    network = stream.streamed("inference:1x8@2")
    assert np.array_equal(network.inputs(3)[:2], network.inputs(2))


class Slow(NumpyMath):
    """Counts the slots that are in use at once."""

    def __init__(self) -> None:
        super().__init__(8, "fp32")
        self.filled: list[int] = []

    def fill(self, slot: memoryview, files: LayerFiles, layer: int) -> None:
        self.filled.append(layer)
        super().fill(slot, files, layer)


def test_no_more_layers_are_ahead_than_there_are_slots() -> None:
    math, plan, network = Slow(), Plan(5, 2, False), stream.streamed("inference:5x8@1")
    with layer_files(list(network.weights(np.float32))) as files:
        with Prefetch(math, files, [math.slot(), math.slot()], plan.order, HERE) as feed:
            for _ in range(2):
                held = feed.take(0)
            assert math.filled == [0, 1]
            feed.give(held)
            feed.take(2)
            assert math.filled == [0, 1, 2]
        assert not any(thread.name == "prefetch" for thread in threading.enumerate())


def test_a_file_that_shrinks_is_told_where_the_layer_is_waited_for() -> None:
    math, plan, network = NumpyMath(32, "fp32"), Plan(2, 2, False), stream.streamed("inference:2x32@1")
    with layer_files(list(network.weights(np.float32))) as files:
        os.truncate(files.folder / "layer1", 0)
        with (
            pytest.raises(OSError, match="shorter"),
            Prefetch(math, files, [math.slot(), math.slot()], plan.order, HERE) as feed,
        ):
            run_step(plan, math, math.inputs(network.inputs(1)), feed)


@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.parametrize("size", [1, 4096, 10_000])
def test_files_hold_what_was_written(size: int, direct: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not direct:
        monkeypatch.delattr(os, "O_DIRECT", raising=False)
    values = np.arange(size, dtype=np.uint8)
    with layer_files([values, values[::-1]]) as files:
        into = buffer(size)
        for layer, written in enumerate((values, values[::-1])):
            files.read(layer, into)
            assert np.array_equal(np.frombuffer(into, np.uint8, size), written)
        assert files.sizes == [padded(size)] * 2
        assert direct or files.way != "direct"
        seconds, source = read_seconds(files, 3)
        assert seconds > 0
        assert source in (layerfiles.DRIVE, layerfiles.MEMORY, layerfiles.UNKNOWN)
    assert not files.folder.exists()


@pytest.mark.parametrize(
    ("before", "after", "source"),
    [(0, 3 * 4096, "drive"), (0, 0, "memory"), (7, 7 + 4096, "memory"), (None, 0, "unknown")],
)
def test_the_source_is_where_the_bytes_came_from(
    before: int | None, after: int, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = iter([before, after])
    monkeypatch.setattr(layerfiles, "_from_drive", lambda: next(counts))
    with layer_files([np.zeros(4096, np.uint8)]) as files:
        assert read_seconds(files, 3)[1] == source


def test_a_folder_goes_with_its_object() -> None:
    files = LayerFiles()
    files.add(np.zeros(8))
    folder = files.folder
    assert folder.exists()
    del files
    assert not folder.exists()


def test_a_full_drive_leaves_the_probe_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layerfiles.shutil, "disk_usage", lambda folder: SimpleNamespace(free=0))
    with pytest.raises(layerfiles.Unavailable, match="set TMPDIR"), layer_files([np.zeros(8)]):
        pass


def test_rows_as_the_fit_reads_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    found = measured("net=training:4x64@4", "inference:3x64@4", batches=(1, 2, 4))
    assert list(tmp_path.iterdir()) == []
    rows = list(csv.DictReader(io.StringIO(found.to_csv())))
    assert len(rows) == 2 * 3 * 2
    training = [row for row in rows if row["network"] == "net"]
    assert {row["layer_loads_per_step"] for row in training} == {str(2 * 4 - 2)}
    moved = {(row["arm"], row["bytes_moved_per_step"]) for row in training}
    assert moved == {("stream_read", str(6 * padded(64 * 64 * 4))), ("stream_noread", "0")}
    assert {row["clock"] for row in rows} == {"wall"}
    found.write(tmp_path / "rows.csv")
    calibration = fit(tmp_path / "rows.csv", kind="streaming")
    assert [group.rows for group in calibration.groups] == [6, 6]
    assert calibration.time_column == "latency_us"
    one, other = (group.law for group in calibration.groups)
    assert isinstance(one, StreamingLaw)
    assert isinstance(other, StreamingLaw)
    assert (one.layers, one.loads, one.kept, other.loads) == (4, 6, 2, 3)
    assert (one.forward_share, other.forward_share) == (pytest.approx(1 / 3, abs=1e-5), 1.0)


def test_an_interrupt_keeps_what_is_finished_and_leaves_no_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    seen: set[int] = set()
    real = WallClock.lap

    def lap(clock: WallClock, call: Any) -> Any:
        seen.add(id(call))
        if len(seen) == 3:
            raise KeyboardInterrupt
        return real(clock, call)

    monkeypatch.setattr(WallClock, "lap", lap)
    found = measured("inference:2x16@1")
    assert found.interrupted
    assert len(found.rows) == 2
    assert list(tmp_path.iterdir()) == []


def test_rows_of_a_microbatch_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A product of 16 rows takes 1 ms, a load 8 ms: with 16 rows a load lasts as long as eight products."""
    monkeypatch.setattr(stream, "read_seconds", lambda files, reads: (0.008, "drive"))
    monkeypatch.setattr(stream, "_product_s", lambda network, math, slot: 0.001)
    request = Request(("training:2x16",), ("fp32",), (1,), 0, (Numpy(),))
    probes = stream.probes(request)
    assert {one.labels["microbatch_rows"] for one in probes} == {16}
    assert {one.labels["source"] for one in probes} <= {"drive (direct)", "drive (dropped)", "drive (cached)"}


def test_laps_in_which_a_thread_waited_count_as_disturbed() -> None:
    for waited, elsewhere, clean in ((0.0, 0.0, True), (0.4, 0.0, True), (0.6, 0.0, False), (0.3, 0.3, False)):
        walls, waits = iter([0.0, 10.0]), iter([5.0, 5.0 + waited])
        clock = WallClock(wall=lambda w=walls: next(w), waited=lambda w=waits: next(w))  # type: ignore[misc]
        lap = clock.lap(lambda there=elsewhere: Outcome([], there))  # type: ignore[misc]
        assert (lap.spent_s, lap.wall_s, lap.undisturbed) == (10.0, 10.0, clean)


@pytest.mark.parametrize(
    "shape",
    ["8x1024", "training:8", "learning:2x8", "training:0x8", "training:2x8@0", "training:2x8@", "=training:2x8"],
)
def test_shapes_that_nobody_understands(shape: str) -> None:
    with pytest.raises(ScenarioError, match=r"such as training:8x1024@16|has no name"):
        measured(shape)


@pytest.mark.parametrize(
    ("shape", "asked", "message"),
    [
        ("training:9999x4096@1", {}, "GiB, must be under 2 GiB"),
        ("training:2x4096@4096", {"batches": (1024,)}, "values at group 1024"),
        ("training:2x8@1", {"backend": "onnxruntime"}, "computed by numpy"),
        ("training:2x8@1", {"device": "tpu"}, "--device"),
    ],
)
def test_what_cannot_be_met(shape: str, asked: dict[str, Any], message: str) -> None:
    if asked.get("backend") == "onnxruntime":
        pytest.importorskip("onnxruntime")
    with pytest.raises(ScenarioError, match=message):
        measured(shape, variants=(), **asked)


class Tensor:
    """As much of a tensor as a streamed step needs; ``values`` may be shared with NumPy."""

    def __init__(self, values: Any) -> None:
        self.values = values

    def numpy(self) -> Any:
        return self.values

    def to(self, place: str, kind: Any) -> "Tensor":
        return Tensor(self.values.astype(kind))

    def t(self) -> "Tensor":
        return Tensor(self.values.T)

    def copy_(self, other: "Tensor", non_blocking: bool) -> None:
        assert non_blocking
        Torch.pending.append((self, other.values.copy()))

    def __gt__(self, other: float) -> "Tensor":
        return Tensor(self.values > other)

    def __mul__(self, other: "Tensor") -> "Tensor":
        return Tensor(self.values * other.values)


class Stream:
    """Copies arrive when somebody waits for them."""

    def __init__(self, device: str) -> None:
        self.device = device

    def synchronize(self) -> None:
        for room, values in Torch.pending:
            room.values[...] = values
        Torch.pending.clear()


class Torch:
    """A PyTorch whose copies take until they are waited for."""

    __version__ = "9.9"
    float16, float64 = np.float16, np.float64
    pending: "list[tuple[Tensor, Any]]" = []  # noqa: RUF012 # one device

    def __init__(self) -> None:
        self.cuda = SimpleNamespace(
            Stream=Stream,
            stream=lambda copies: nullcontext(),
            synchronize=lambda: None,
            get_device_capability=lambda device: (9, 0),
            get_device_name=lambda device: "Fake GPU",
        )

    def empty(self, shape: Any, dtype: Any, pin_memory: bool = False, device: str = "cpu") -> Tensor:
        size = padded(int(np.prod(shape)) * np.dtype(dtype).itemsize)
        return Tensor(np.frombuffer(buffer(size), dtype, int(np.prod(shape))).reshape(shape))

    def from_numpy(self, values: Any) -> Tensor:
        return Tensor(values)

    def mm(self, a: Tensor, b: Tensor) -> Tensor:
        return Tensor((a.values.astype(np.float64) @ b.values.astype(np.float64)).astype(np.float16))

    def relu(self, a: Tensor) -> Tensor:
        return Tensor(np.maximum(a.values, 0))


def on_device(shape: str) -> list[Probe]:
    backend = cuda.Cuda(Torch())
    return stream.probes(Request((shape,), (), (1, 3), 0, (backend,)))


def test_a_device_computes_the_network() -> None:
    probes = on_device("training:4x64@2")
    assert {one.labels["variant"] for one in probes} == {"fp16"}
    assert {one.labels["processor"] for one in probes} == {"Fake GPU"}
    network = stream.streamed("training:4x64@2")
    weights = [one.astype(np.float64) for one in network.weights(np.float16)]
    math = CudaMath(Torch(), 64)
    for one in probes:
        found = one.prepare()().values
        for x, value in zip(network.inputs(int(one.labels["group"])), found, strict=True):
            wanted = plain(weights, x.astype(np.float64), True)
            np.testing.assert_allclose(math.numbers(value), wanted, rtol=0.05, atol=0.05 * np.abs(wanted).max())
