"""A network as an npz file, with the samples to try precisions on.

``layers``
    text, one word per layer in order: ``linear:NAME``, ``conv:NAME``, ``relu``, ``flatten``
``input_shape``
    whole numbers, the shape of one sample: (inputs,) or (channels, rows, columns)
``weight:NAME``
    of a linear layer (inputs, outputs), of a convolution (outputs, channels / groups, rows, columns)
``bias:NAME`` (optional)
    (outputs,)
``stride:NAME``, ``dilation:NAME``, ``padding:NAME``, ``groups:NAME`` (optional, convolutions)
    2, 2, 4 (top, left, bottom, right) and 1 whole numbers; 1, 1, 0 and 1 when left out
``calibration`` (optional)
    (rows, *input_shape): samples that input ranges are learnt from; without it, u8 inputs are refused
``validation``, ``validation_label``, ``test``, ``test_label`` (optional, samples and labels together)
    (rows, *input_shape), and the true class of each row, whole numbers from 0
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.calibration.int8.geometry import Geometry
from simulator.calibration.int8.layers import AnyLayer, Conv, Flatten, Linear, Relu
from simulator.calibration.int8.network import Network
from simulator.calibration.ramps.npz import Arrays, not_finite, read_arrays
from simulator.errors import Problem, ScenarioError
from simulator.files import check_output, write_whole

_SAMPLES = ("calibration", "validation", "test")
_WHOLE = ("layers", "input_shape", "validation_label", "test_label", *_SAMPLES)
_SIZES = {"stride": 2, "dilation": 2, "padding": 4, "groups": 1}
_MOST_LAYERS = 1000
_LARGEST = 2**31 - 1


@dataclass(frozen=True, eq=False, slots=True)
class Stored:
    """What a file holds; ``network`` is calibrated if the file has ``calibration``. None where not given."""

    network: Network
    calibration: NDArray[np.float32] | None = None
    validation: NDArray[np.float32] | None = None
    validation_label: NDArray[np.int64] | None = None
    test: NDArray[np.float32] | None = None
    test_label: NDArray[np.int64] | None = None
    name: str = "network"
    sha256: str = ""


def load_network(path: Path | str, method: str = "minmax", *, smoothing: float | None = None) -> Stored:
    """Read and check a file; ``method`` and ``smoothing`` as in ``Network.calibrated``. Pickles are refused."""
    arrays, sha256 = read_arrays(Path(path))
    return check_network(arrays, str(path), sha256, method=method, smoothing=smoothing)


def check_network(
    arrays: Arrays,
    name: str = "network",
    sha256: str = "",
    *,
    method: str = "minmax",
    smoothing: float | None = None,
) -> Stored:
    """The same from arrays by name (as in an npz file)."""
    return _Reader(arrays, name).stored(sha256, method, smoothing)


def save_network(path: Path | str, stored: Stored) -> None:
    """Write a file that ``load_network`` reads, whole or not at all."""
    check_output(Path(path))
    write_whole(Path(path), partial(_save, _arrays(stored)))


def _save(arrays: Arrays, path: Path) -> None:
    save: Callable[..., None] = np.savez_compressed  # its type takes every name for the option allow_pickle
    with path.open("wb") as file:  # a name without .npz stays as it is
        save(file, **arrays)


def _arrays(stored: Stored) -> dict[str, NDArray[Any]]:
    words, found = [], {"input_shape": np.array(stored.network.input_shape)}
    for layer in stored.network.layers:
        if not isinstance(layer, Linear | Conv):
            words.append("relu" if isinstance(layer, Relu) else "flatten")
            continue
        words.append(f"{'linear' if isinstance(layer, Linear) else 'conv'}:{layer.name}")
        found[f"weight:{layer.name}"] = layer.weight
        if layer.bias is not None:
            found[f"bias:{layer.name}"] = layer.bias
        if isinstance(layer, Conv):
            found |= {f"{key}:{layer.name}": np.atleast_1d(getattr(layer.geometry, key)) for key in _SIZES}
    found["layers"] = np.array(words)
    given = {key: getattr(stored, key) for key in _WHOLE[2:]}
    return found | {key: array for key, array in given.items() if array is not None}


class _Reader:
    """Turns arrays into a network; the first thing wrong is told with the array it stands in."""

    def __init__(self, arrays: Arrays, name: str) -> None:
        self.arrays, self.name = arrays, name

    def wrong(self, array: str | None, message: str) -> ScenarioError:
        return ScenarioError(Problem(message, self.name, path=array))

    def stored(self, sha256: str, method: str, smoothing: float | None) -> Stored:
        words = self.words()
        self.check_names(words)
        shape = tuple(self.whole("input_shape", None, 1))
        if len(shape) not in (1, 3):
            raise self.wrong("input_shape", f"must be (inputs,) or (channels, rows, columns), got {shape}")
        network = self.located(lambda: Network(tuple(self.layer(word) for word in words), shape))
        samples = {key: self.samples(key, shape) for key in _SAMPLES}
        labels = {key: self.labels(key, samples[key], network) for key in _SAMPLES[1:]}
        if (calibration := samples["calibration"]) is not None:
            network = self.located(lambda: network.calibrated(calibration, method, smoothing=smoothing))
        return Stored(
            network, calibration, samples["validation"], labels["validation"], samples["test"], labels["test"],
            self.name, sha256,
        )  # fmt: skip

    def located(self, make: Callable[[], Network]) -> Network:
        """What a network refuses is wrong with this file."""
        try:
            return make()
        except ScenarioError as error:
            raise ScenarioError(
                [p if p.file else Problem(p.message, self.name, path=p.path) for p in error.problems]
            ) from None

    def words(self) -> list[str]:
        if "layers" not in self.arrays:
            raise self.wrong(None, f"has no array layers (found: {', '.join(self.arrays) or 'none'})")
        array = self.arrays["layers"]
        if array.ndim != 1 or array.dtype.kind != "U" or not 0 < len(array) <= _MOST_LAYERS:
            raise self.wrong("layers", f"must be 1 to {_MOST_LAYERS} words, got {array.dtype} of shape {array.shape}")
        return [str(word) for word in array]

    def check_names(self, words: list[str]) -> None:
        """Refuse arrays that nothing reads: most are misspelt."""
        known = list(_WHOLE)
        for word in words:
            kind, _, name = word.partition(":")
            known += (
                [f"{key}:{name}" for key in ("weight", "bias", *(_SIZES if kind == "conv" else ()))] if name else []
            )
        for array in self.arrays:
            if array not in known:
                near = difflib.get_close_matches(array, known, 1)
                hint = f", did you mean {near[0]}?" if near else f" (known: {', '.join(known[:20])})"
                raise self.wrong(array, f"is no array that is known{hint}")

    def layer(self, word: str) -> AnyLayer:
        kind, _, name = word.partition(":")
        if word in ("relu", "flatten"):
            return Relu() if word == "relu" else Flatten()
        if kind not in ("linear", "conv") or not name:
            raise self.wrong("layers", f"{word!r} is no layer (known: linear:NAME, conv:NAME, relu, flatten)")
        weight = self.real(f"weight:{name}", 2 if kind == "linear" else 4)
        bias = self.real(f"bias:{name}", 1) if f"bias:{name}" in self.arrays else None
        if kind == "linear":
            return Linear(name, weight, bias)
        return Conv(name, weight, bias, self.geometry(name))

    def geometry(self, name: str) -> Geometry:
        found: dict[str, Any] = {}
        for key, length in _SIZES.items():
            if (array := f"{key}:{name}") in self.arrays:
                values = tuple(self.whole(array, length, 0 if key == "padding" else 1))
                found[key] = values[0] if length == 1 else values
        return Geometry(**found)

    def real(self, array: str, dimensions: int) -> NDArray[np.float64]:
        if array not in self.arrays:
            raise self.wrong(None, f"has no array {array} (found: {', '.join(list(self.arrays)[:20])})")
        values = self.arrays[array]
        if values.dtype.kind not in "fiu" or values.ndim != dimensions or not values.size:
            raise self.wrong(array, f"must be numbers on {dimensions} axes, got {values.dtype} of shape {values.shape}")
        return self.finite(array, values).astype(np.float64)

    def finite(self, array: str, values: NDArray[Any]) -> NDArray[Any]:
        if (message := not_finite(values)) is not None:
            raise self.wrong(array, message)
        return values

    def whole(self, array: str, length: int | None, least: int) -> list[int]:
        values = self.arrays.get(array)
        if values is None:
            raise self.wrong(None, f"has no array {array}")
        usable = (
            values.dtype.kind in "iu" and values.ndim == 1 and values.size in ((length,) if length else range(1, 9))
        )
        if not usable or values.min() < least or values.max() > _LARGEST:
            count = f"{length} " if length else ""
            raise self.wrong(array, f"must be {count}whole numbers from {least}, got {values.tolist()!s:.60}")
        return [int(value) for value in values]

    def samples(self, key: str, shape: tuple[int, ...]) -> NDArray[np.float32] | None:
        if key not in self.arrays:
            return None
        values = self.arrays[key]
        if values.dtype.kind not in "fiu" or values.shape[1:] != shape or not values.size:
            raise self.wrong(key, f"must be numbers (rows, *{shape}), got {values.dtype} of shape {values.shape}")
        if float(np.abs(self.finite(key, values).astype(np.float64)).max()) > float(np.finfo(np.float32).max):
            raise self.wrong(key, "holds values beyond the largest 32-bit float")
        return values.astype(np.float32)

    def labels(self, key: str, samples: NDArray[np.float32] | None, network: Network) -> NDArray[np.int64] | None:
        name = f"{key}_label"
        if (name in self.arrays) != (samples is not None):
            raise self.wrong(None, f"{key} and {name} go together: give both or none")
        if samples is None:
            return None
        values, classes = self.arrays[name], network.output_shape
        if values.dtype.kind not in "iu" or values.shape != samples.shape[:1]:
            raise self.wrong(name, f"must be {len(samples)} whole numbers, got {values.dtype} of shape {values.shape}")
        if len(classes) != 1 or values.min() < 0 or values.max() >= classes[0]:
            raise self.wrong(name, f"classes are 0 to {classes[0] - 1} here, got {values.min()} to {values.max()}")
        return values.astype(np.int64)
