"""A small network whose layers each compute at a precision of their own: what a precision tuner evaluates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simulator.calibration.int8.affine import Affine
from simulator.calibration.int8.layers import AnyLayer, Apply, Conv, Linear, Shape, at_precision
from simulator.calibration.int8.precision import Single, precision
from simulator.calibration.int8.ranges import InputObserver
from simulator.errors import Problem, ScenarioError


@dataclass(frozen=True, eq=False, slots=True)
class Network:
    """Layers in a row, ``input_shape`` that of one sample; a frozen value, safe to share.

    ``inputs`` holds, once calibrated, the codes of the input of every layer with weights, in order. Prepared layers
    are kept, so that evaluating many configurations quantizes every (layer, precision) once.

    >>> from simulator.calibration.int8.layers import Relu
    >>> one = Network((Linear("first", np.eye(2)), Relu(), Linear("last", np.eye(2))), (2,))
    >>> one.layer_names, one.weights_count("last")
    (('first', 'last'), 4)
    >>> one.forward([[1.0, -1.0]], ["fp32", "int4"])
    array([[1., 0.]], dtype=float32)
    """

    layers: tuple[AnyLayer, ...]
    input_shape: Shape
    inputs: tuple[Affine, ...] | None = None
    _prepared: dict[tuple[int, str], Apply] = field(default_factory=dict, init=False, repr=False)
    _shapes: list[Shape] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        names = [layer.name for layer in self.weighted]
        if not names:
            raise ScenarioError(Problem("a network needs at least one layer with weights"))
        if len(set(names)) < len(names):
            raise ScenarioError(Problem(f"two layers are called {next(n for n in names if names.count(n) > 1)!r}"))
        shape = self.input_shape
        for layer in self.layers:
            if isinstance(layer, Linear | Conv):
                _check_layer(layer)
            self._shapes.append(shape)
            shape = layer.output(shape)
        self._shapes.append(shape)

    @property
    def weighted(self) -> tuple[Linear | Conv, ...]:
        """The layers that have weights, and so a precision, in order."""
        return tuple(layer for layer in self.layers if isinstance(layer, Linear | Conv))

    @property
    def layer_names(self) -> tuple[str, ...]:
        """Their names; configurations list one precision for each, in this order."""
        return tuple(layer.name for layer in self.weighted)

    @property
    def output_shape(self) -> Shape:
        """Of one sample."""
        return self._shapes[-1]

    def weights_count(self, layer: str | int) -> int:
        """Number of weights of a layer (by name or place), biases left out."""
        return int(self.weighted[self._place(layer)].weight.size)

    def weight_bytes(self, layer: str | int, name: str) -> int:
        """Memory [B] of a layer at a precision: weights packed to whole bytes, scales (4 B per output), bias.

        The bias is fp32, or int32 for u8 inputs: 4 B per output; 2 B for fp16 and bf16.
        """
        one, chosen = self.weighted[self._place(layer)], precision(name)
        outputs = one.weight.shape[one.output_axis]
        packed = -(-one.weight.size * chosen.weight_bits // 8)
        scales = 4 * outputs if chosen.quantized else 0
        per_bias = 2 if chosen.name in ("fp16", "bf16") else 4
        return packed + scales + (0 if one.bias is None else per_bias * outputs)

    def table_bytes(self, layer: str | int, name: str) -> int:
        """Memory [B] of a layer's weights accumulation table: of u8 inputs only, 0 otherwise."""
        place = self._place(layer)
        shape = self._shapes[self.layers.index(self.weighted[place])]
        return self.weighted[place].table_bytes(shape) if precision(name).inputs == "u8" else 0

    def calibrated(
        self, inputs: ArrayLike, method: str = "minmax", *, smoothing: float | None = None, batch: int = 256
    ) -> Network:
        """The network with the input range of every layer learnt from samples (rows, *input_shape), run in fp32.

        ``method``: ``minmax``, ``percentile`` or ``entropy`` (one range per layer), or ``channel`` (minimum and
        maximum of every input channel). ``smoothing`` is the alpha of :func:`smoothing_factors`, for one zero
        point but scales per input channel; it goes with ``minmax``.
        """
        samples = self._samples(inputs)
        watchers = [InputObserver(method, smoothing) for _ in self.weighted]
        for start in range(0, len(samples), batch):
            state, place = samples[start : start + batch], 0
            for index, layer in enumerate(self.layers):
                if isinstance(layer, Linear | Conv):
                    watchers[place].observe(state)
                    place += 1
                state = self._step(index, place - 1, state, "fp32")
        found = [
            watcher.codes(layer.weight, layer.output_axis, layer.groups)
            for watcher, layer in zip(watchers, self.weighted)
        ]
        return replace(self, inputs=tuple(found))

    def forward(self, inputs: ArrayLike, precisions: Sequence[str]) -> Single:
        """Outputs (rows, *output_shape), each layer with weights at its precision."""
        return self._continued(self._samples(inputs), self._configuration(precisions), [])

    def accuracy(self, inputs: ArrayLike, labels: ArrayLike, precisions: Sequence[str]) -> float:
        """Share of samples whose largest output is their label; one that overflowed to NaN is wrong."""
        return float(self.accuracies(inputs, labels, [precisions])[0])

    def accuracies(
        self, inputs: ArrayLike, labels: ArrayLike, configurations: Sequence[Sequence[str]]
    ) -> NDArray[np.float64]:
        """Accuracy of each configuration, (configurations,); equal beginnings are computed once.

        All 4^6 configurations of a network of six layers take a third more than one layer each.
        """
        samples, truth = self._samples(inputs), self._labels(labels)
        if len(samples) != len(truth):
            raise ScenarioError(Problem(f"{len(samples)} samples, but {len(truth)} labels"))
        wanted = [self._configuration(one) for one in configurations]
        found = np.empty(len(wanted))
        before: tuple[str, ...] = ()
        states: list[Single] = []  # states[k]: input of the k-th layer with weights, for ``before``
        for index in sorted(range(len(wanted)), key=wanted.__getitem__):
            same = next((k for k, (a, b) in enumerate(zip(before, wanted[index])) if a != b), len(before))
            del states[same + 1 :]
            output = self._continued(samples, wanted[index], states)
            # What overflowed to NaN is no answer, though argmax would call it one
            found[index] = ((output.argmax(axis=1) == truth) & ~np.isnan(output).any(axis=1)).mean()
            before = wanted[index]
        return found

    def _continued(self, samples: Single, chosen: tuple[str, ...], states: list[Single]) -> Single:
        """Run on from the last of ``states``, adding the input of every later layer with weights."""
        starts = [index for index, layer in enumerate(self.layers) if isinstance(layer, Linear | Conv)]
        if not states:
            states.append(self._plain(samples, 0, starts[0]))
        for place in range(len(states) - 1, len(starts)):
            end = starts[place + 1] if place + 1 < len(starts) else len(self.layers)
            state = self._plain(self._step(starts[place], place, states[place], chosen[place]), starts[place] + 1, end)
            states.append(state)
        return states.pop()

    def _plain(self, state: Single, start: int, end: int) -> Single:
        for index in range(start, end):
            state = self._step(index, -1, state, "fp32")
        return state

    def _step(self, index: int, place: int, state: Single, name: str) -> Single:
        layer = self.layers[index]
        if not isinstance(layer, Linear | Conv):
            return layer.apply(state)
        if (index, name) not in self._prepared:
            codes = None if self.inputs is None else self.inputs[place]
            self._prepared[index, name] = at_precision(layer, precision(name), codes, self._shapes[index])
        return self._prepared[index, name](state)

    def _samples(self, inputs: ArrayLike) -> Single:
        samples = np.asarray(inputs, dtype=np.float32)
        if samples.shape[1:] != self.input_shape or not len(samples):
            raise ScenarioError(Problem(f"samples must be (rows, *{self.input_shape}), got shape {samples.shape}"))
        if not np.isfinite(samples).all():
            raise ScenarioError(Problem("samples must be finite numbers"))
        return samples

    def _labels(self, labels: ArrayLike) -> NDArray[np.int64]:
        truth = np.asarray(labels)
        if truth.ndim != 1 or truth.dtype.kind not in "iu" or len(self.output_shape) != 1:
            raise ScenarioError(Problem("accuracy needs one whole number per sample, and outputs (rows, classes)"))
        return truth.astype(np.int64)

    def _configuration(self, precisions: Sequence[str]) -> tuple[str, ...]:
        if isinstance(precisions, str) or len(precisions) != len(self.layer_names):
            raise ScenarioError(
                Problem(f"one precision per layer is wanted ({', '.join(self.layer_names)}), got {precisions!r}")
            )
        return tuple(precision(name).name for name in precisions)

    def _place(self, layer: str | int) -> int:
        names = self.layer_names
        if isinstance(layer, str) and layer in names:
            return names.index(layer)
        if isinstance(layer, int) and 0 <= layer < len(names):
            return layer
        raise ScenarioError(Problem(f"no layer with weights is {layer!r} (known: {', '.join(names)})"))


def _check_layer(layer: Linear | Conv) -> None:
    axes = 2 if isinstance(layer, Linear) else 4
    if layer.weight.ndim != axes:
        raise ScenarioError(
            Problem(f"weights have shape {layer.weight.shape}: {axes} axes are wanted", path=layer.name)
        )
    for what, array in (("weights", layer.weight), ("bias", layer.bias)):
        if array is not None and not (array.size and np.isfinite(array).all()):
            raise ScenarioError(Problem(f"{what} must be finite numbers, and some", path=layer.name))
    if layer.bias is not None and layer.bias.shape != (layer.weight.shape[layer.output_axis],):
        raise ScenarioError(
            Problem(f"the bias has shape {layer.bias.shape}: one per output is wanted", path=layer.name)
        )
