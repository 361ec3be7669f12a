"""The demonstration: a network of six tanh layers trained on shifted digits, and its states, as a file.

``python -m simulator.calibration.ramps.digits digits.npz`` needs scikit-learn (extra ``calibrate``), which brings
the 1,797 images of 8 x 8 pixels. Each is shifted by up to two pixels sideways and one up or down, so that easy and hard
images exist and depth pays: images that train come ``COPIES`` times, those held out once. ``--repeat N`` trains the
ramps of N networks (seeds 0 to N - 1) and prints, per variant, the mean over networks and its 95 % interval.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.calibration.ramps.adaptive import Settings
from simulator.calibration.ramps.features import check_features
from simulator.calibration.ramps.study import train_ramps
from simulator.calibration.ramps.variants import BASELINE, VARIANTS
from simulator.errors import Problem, ScenarioError
from simulator.files import check_output, write_whole
from simulator.streams import stream

Arrays = dict[str, NDArray[Any]]

COPIES = 5
LAYERS = (48, 48, 48, 48, 48, 48)
SHARES = (0.5, 0.2)
_SIDE = 8
_SHIFT = (1, 2)


def digits(seed: int = 0, copies: int = COPIES, layers: Sequence[int] = LAYERS) -> Arrays:
    """Train the network and return its states, output, labels, pixels and split, as ``check_features`` wants them."""
    images, label = _load()
    order = stream(seed, "digits", "split").permutation(len(label))
    ends = [round(SHARES[0] * len(label)), round(sum(SHARES) * len(label))]
    train, validation, test = np.split(order, ends)
    rows = np.concatenate([np.repeat(train, copies), validation, test])
    part = np.repeat([0, 1, 2], [copies * len(train), len(validation), len(test)])
    pixels = _shifted(images[rows], stream(seed, "digits", "shift"))
    network = _network(pixels[part == 0], label[rows][part == 0], seed, layers)
    states = _states(network, pixels)
    found: Arrays = {f"state_{k}": state.astype(np.float32) for k, state in enumerate(states, start=1)}
    found["output"] = network.predict_proba(pixels).astype(np.float32)
    return found | {"label": label[rows], "query": pixels.astype(np.float32), "split": part.astype(np.int8)}


def _load() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise ScenarioError(Problem("the digits need scikit-learn: pip install 'exitplan[calibrate]'")) from None
    found = load_digits()
    return found.images / 16.0, found.target.astype(np.int64)


def _shifted(images: NDArray[np.float64], draws: np.random.Generator) -> NDArray[np.float64]:
    """Every image moved by a random number of pixels, dark where nothing is, as (rows, 64)."""
    down, right = (draws.integers(-most, most + 1, len(images)) for most in _SHIFT)
    padded = np.pad(images, ((0, 0), (_SHIFT[0],) * 2, (_SHIFT[1],) * 2))
    row = (down + _SHIFT[0])[:, None, None] + np.arange(_SIDE)[None, :, None]
    column = (right + _SHIFT[1])[:, None, None] + np.arange(_SIDE)[None, None, :]
    shifted: NDArray[np.float64] = padded[np.arange(len(images))[:, None, None], row, column]
    return shifted.reshape(len(images), -1)


def _network(pixels: NDArray[np.float64], label: NDArray[np.int64], seed: int, layers: Sequence[int]) -> Any:
    """The trained network, the loss no longer falling."""
    from sklearn.neural_network import MLPClassifier

    state = int(stream(seed, "digits", "network").integers(2**31))
    network = MLPClassifier(
        tuple(layers), activation="tanh", alpha=1e-3, learning_rate_init=2e-3, max_iter=1000, random_state=state
    )
    return network.fit(pixels, label)


def _states(network: Any, pixels: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """What the network holds after every hidden layer."""
    states, state = [], pixels
    for weight, bias in zip(network.coefs_[:-1], network.intercepts_[:-1]):
        state = np.tanh(state @ weight + bias)
        states.append(state)
    return states


def repeated(networks: int, settings: Settings | None = None) -> Mapping[str, Mapping[str, tuple[float, float]]]:
    """Figures of every variant, and its gain over the independent one, as (mean, half of the 95 % interval)."""
    from scipy.stats import t

    runs = [_figures_of(seed, settings) for seed in range(networks)]
    found: dict[str, dict[str, tuple[float, float]]] = {}
    for name in VARIANTS:
        columns = [_figures(run["variants"][name], run["variants"][BASELINE]) for run in runs]
        found[name] = {}
        for key in columns[0]:
            values = np.array([column[key] for column in columns])
            half = t.ppf(0.975, networks - 1) * values.std(ddof=1) / np.sqrt(networks)
            found[name][key] = (float(values.mean()), float(half))
    return found


def _figures_of(seed: int, settings: Settings | None) -> dict[str, Any]:
    """The figures of one network's ramps; without its query, as neither router nor twin is compared."""
    arrays = {name: array for name, array in digits(seed).items() if name != "query"}
    return train_ramps(check_features(arrays), settings=settings, seed=seed, twin=False).figures


def _figures(one: dict[str, Any], base: dict[str, Any]) -> dict[str, float]:
    point, other = one["operating_point"], base["operating_point"]
    shown = {f"exit {k}": accuracy for k, accuracy in enumerate(one["accuracy"], start=1)}
    return shown | {
        "at equal layers": one["mean_accuracy_at_equal_layers"],
        "gain at equal layers": one["mean_accuracy_at_equal_layers"] - base["mean_accuracy_at_equal_layers"],
        "operating accuracy": point["accuracy"],
        "operating layers": point["mean_layers"],
        "change of operating accuracy": point["accuracy"] - other["accuracy"],
        "change of operating layers": point["mean_layers"] - other["mean_layers"],
        "accuracy at 0.9": _at(one, 0.9)["accuracy"],
        "layers at 0.9": _at(one, 0.9)["mean_layers"],
    }


def _at(one: dict[str, Any], threshold: float) -> dict[str, float]:
    found: dict[str, float] = next(point for point in one["thresholds"] if point["threshold"] == threshold)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the file, or print the repeated comparison; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m simulator.calibration.ramps.digits", description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, help="npz file to write")
    parser.add_argument("--seed", type=int, default=0, help="seed of split, shifts and network (default 0)")
    parser.add_argument("--repeat", type=int, metavar="N", help="compare the variants over N networks, N at least 2")
    usual = Settings()
    parser.add_argument("--gamma", type=float, default=usual.gamma, help="with --repeat: of the adaptive variants")
    parser.add_argument("--sharpen", type=float, default=usual.sharpen, help="with --repeat: likewise")
    parser.add_argument("--floor", type=float, default=usual.floor, help="with --repeat: likewise")
    asked = parser.parse_args(arguments)
    if (asked.file is None) == (asked.repeat is None) or asked.seed < 0 or (asked.repeat or 2) < 2:
        parser.error("give a file to write, or --repeat N with N at least 2; a seed is at least 0")
    try:
        if asked.file is not None:
            check_output(asked.file)
            arrays: Any = digits(asked.seed)
            write_whole(asked.file, partial(_save, arrays))
        else:
            settings = Settings(gamma=asked.gamma, sharpen=asked.sharpen, floor=asked.floor)
            sys.stdout.write(_text(repeated(asked.repeat, settings)))
    except ScenarioError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 130
    return 0


def _save(arrays: Arrays, path: Path) -> None:
    save: Callable[..., None] = np.savez_compressed  # its type takes every name for the option allow_pickle
    with path.open("wb") as file:  # a name without .npz stays as it is
        save(file, **arrays)


def _text(found: Mapping[str, Mapping[str, tuple[float, float]]]) -> str:
    keys = list(next(iter(found.values())))
    lines = [f"{'':28}" + "".join(f"{name:>20}" for name in found)]
    lines += [
        f"{key:28}" + "".join(f"{one[key][0]:>11.4f} ±{one[key][1]:7.4f}" for one in found.values()) for key in keys
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
