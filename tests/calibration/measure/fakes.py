"""Clocks, probes and libraries that tests decide about."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from simulator.calibration.measure.probe import Call, Lap, Probe


class Clock:
    """Time that passes only when somebody works."""

    name = "fake"

    def __init__(self) -> None:
        self.now_s = 0.0
        self.laps: list[Call] = []

    def __call__(self) -> float:
        return self.now_s

    def spend(self, seconds: float) -> None:
        self.now_s += seconds

    def warm_up(self, call: Call) -> None:
        call()

    def lap(self, call: Call) -> Lap:
        self.laps.append(call)
        before = self.now_s
        call()
        return Lap(self.now_s - before, self.now_s - before)


def probe(clock: Any, name: str, call: Call, prepare: Callable[[], None] | None = None) -> Probe:
    def ready() -> Call:
        if prepare is not None:
            prepare()
        return call

    return Probe({"layer": name}, ready, clock)


class Tensor:
    """As much of a tensor on a device as products need."""

    def __init__(self, values: Any, kind: Any = np.float32, place: str = "cpu") -> None:
        self.values, self.kind, self.place = np.asarray(values), kind, place

    def to(self, place: str, kind: Any) -> "Tensor":
        rounded = self.values.astype(np.float64) if kind is np.float64 else self.values.astype(kind)
        return Tensor(rounded, kind, place)

    def t(self) -> "Tensor":
        return Tensor(self.values.T, self.kind, self.place)

    def numpy(self) -> Any:
        assert self.place == "cpu"
        return self.values


class Event:
    """An event of the device: the number of calls before it."""

    torch: "Torch"

    def __init__(self, enable_timing: bool) -> None:
        assert enable_timing
        self.at = -1
        self.seen = False

    def record(self) -> None:
        self.at = Event.torch.products

    def synchronize(self) -> None:
        self.seen = True

    def elapsed_time(self, other: "Event") -> float:
        assert other.seen, "the device has not come so far yet"
        return 0.25 * (other.at - self.at)


class Torch:
    """A PyTorch with one device on which every product takes 0.25 ms; 16-bit formats and fp8 are fp16 and fp32 here."""

    __version__ = "9.9"
    __file__ = "torch"
    bfloat16 = float16 = np.float16
    float8_e4m3fn = float32 = np.float32
    int8, float64 = np.int8, np.float64

    def __init__(self, capability: tuple[int, int] = (9, 0)) -> None:
        self.products = 0
        Event.torch = self
        self.cuda = SimpleNamespace(
            is_available=lambda: True,
            get_device_capability=lambda device: capability,
            get_device_name=lambda device: "Fake GPU",
            synchronize=lambda: None,
            Event=Event,
        )

    def from_numpy(self, values: Any) -> Tensor:
        return Tensor(values)

    def tensor(self, value: float, dtype: Any, device: str) -> Tensor:
        return Tensor(value, dtype, device)

    def mm(self, a: Tensor, b: Tensor) -> Tensor:
        assert a.kind == b.kind
        return self._product(a, b, 1.0)

    def _int_mm(self, a: Tensor, b: Tensor) -> Tensor:
        assert len(a.values) > 16
        assert a.kind == b.kind == np.int8
        return self._product(a, b, 1.0)

    def _scaled_mm(self, a: Tensor, b: Tensor, out_dtype: Any, scale_a: Tensor, scale_b: Tensor) -> Tensor:
        assert not b.values.flags.c_contiguous, "the second operand must stand column by column"
        return self._product(a, b, float(scale_a.values) * float(scale_b.values))

    def _product(self, a: Tensor, b: Tensor, scale: float) -> Tensor:
        assert a.place == b.place != "cpu"
        self.products += 1
        return Tensor(a.values.astype(np.float64) @ b.values.astype(np.float64) * scale, np.float64, a.place)
