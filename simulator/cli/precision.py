"""``plan calibrate precision``: what the options mean, and where accuracies and costs come from."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.errors import Problem, ScenarioError

if TYPE_CHECKING:
    from simulator.calibration.int8.npz import Stored
    from simulator.calibration.precision import Evaluator, Floor, Tuned, TuningProblem
    from simulator.calibration.precision.prices import Shapes, Times

TABLES = (".csv", ".csv.gz")
DEFAULT_LOSS = "1%"


@dataclass(frozen=True, slots=True)
class Asked:
    """The options as they were written."""

    source: Path
    times: Path | None
    cost: str | None
    batch: int
    device: str | None
    loss: str | None
    floor: str | None
    budget: str
    time_limit: str | None
    strategy: str
    precisions: str | None
    reference: str
    reference_accuracy: str | None
    ledger: Path | None
    folder: Path | None
    seed: int


@dataclass(frozen=True)
class Source:
    """What is tuned: its layers in order, who says how accurate, and what costs may need."""

    evaluate: Evaluator
    candidates: dict[str, tuple[str, ...]]
    weights: dict[str, int] | None
    shapes: Shapes | None = None
    stored: Stored | None = None


def run_precision(
    asked: Asked, progress: Callable[[float, float | None], object] | None = None
) -> tuple[dict[str, Any], list[Path]]:
    """Tune, write the folder when asked, and return the figures and the files written."""
    from simulator.calibration.precision import tune
    from simulator.cli.output import refuse_output

    floor, budget, limit_s = _floor(asked), _budget(asked.budget), _duration(asked.time_limit)
    ledger = asked.ledger or (asked.folder / "ledger.jsonl" if asked.folder is not None else None)
    inputs = [one for one in (asked.source, asked.times) if one is not None]
    _check_folder(asked, ledger, inputs)
    refuse_output(ledger, *inputs)
    times = _times(asked)
    source = _source(asked, times)
    problem, notes = _problem(asked, source, times)
    end_s = None if limit_s is None else time.monotonic() + limit_s
    tuned = tune(
        problem,
        source.evaluate,
        floor,
        strategy=asked.strategy,
        budget=budget,
        seed=asked.seed,
        ledger=ledger,
        stop=None if end_s is None else lambda: time.monotonic() >= end_s,
        progress=progress,
    )
    tuned = replace(tuned, notes=tuple(notes), held_out=_held_out(source.stored, tuned))
    return tuned.figures, tuned.write(asked.folder) if asked.folder is not None else []


def _check_folder(asked: Asked, ledger: Path | None, inputs: list[Path]) -> None:
    from simulator.calibration.precision.result import check_folder

    if asked.folder is not None:
        check_folder(asked.folder, [*inputs, *([ledger] if ledger is not None else [])])


def _source(asked: Asked, times: Times | None) -> Source:
    if asked.source.name.endswith(TABLES):
        return _table(asked)
    if asked.reference_accuracy is not None:
        raise _option("--reference-accuracy", "goes with a csv of sensitivities; a network is measured")
    return _network(asked, times)


def _table(asked: Asked) -> Source:
    from simulator.calibration.precision.sensitivities import read_sensitivities

    given = None if asked.reference_accuracy is None else _accuracy("--reference-accuracy", asked.reference_accuracy)
    table = read_sensitivities(asked.source, asked.reference, given)
    wanted = _names(asked)
    candidates = {}
    for layer in table.layers:
        known = table.precisions(layer)
        candidates[layer] = (asked.reference, *(name for name in known if wanted is None or name in wanted))
    measured = {name for names in candidates.values() for name in names}
    for name in wanted or ():
        if name not in measured:
            raise _option("--precisions", f"{asked.source} has no accuracy at {name!r}")
    weights = None if table.weights is None else dict(table.weights)
    return Source(table, candidates, weights)


def _network(asked: Asked, times: Times | None) -> Source:
    from simulator.calibration.int8.layers import Linear
    from simulator.calibration.precision.network import DEFAULT_PRECISIONS, from_file

    names = _names(asked) or (times.precisions_of_all() if times is not None else ()) or DEFAULT_PRECISIONS
    wanted = tuple(dict.fromkeys((asked.reference, *names)))
    stored, evaluate = from_file(asked.source, wanted)
    network = stored.network
    candidates = {}
    for layer in network.layer_names:
        known = wanted if times is None or asked.precisions is not None else times.precisions(layer)
        candidates[layer] = tuple(name for name in wanted if name == asked.reference or name in known)
    weights = {layer: network.weights_count(layer) for layer in network.layer_names}
    shapes = {one.name: one.weight.shape[::-1] for one in network.weighted if isinstance(one, Linear)}
    return Source(evaluate, candidates, weights, shapes, stored)


def _problem(asked: Asked, source: Source, times: Times | None) -> tuple[TuningProblem, list[str]]:
    from simulator.calibration.precision.prices import by_bits

    if times is not None:
        problem, beyond = times.problem(source.candidates, asked.batch, source.shapes)
        total = sum(map(len, source.candidates.values()))
        note = f"{beyond} of {total} times are beyond the largest batch measured (asked: {asked.batch})"
        return problem, [note] if beyond else []
    if source.weights is None:
        message = "has no column `weights`, which costs by bits need: add it, or give --times"
        raise ScenarioError(Problem(message, str(asked.source)))
    note = "costs are weights x bits, not times: fewer bits need not be faster, give --times to know"
    return by_bits(source.candidates, source.weights), [] if asked.cost is not None else [note]


def _times(asked: Asked) -> Times | None:
    from simulator.calibration.precision.prices import Times

    if asked.cost is not None and asked.cost != "bits":
        raise _option("--cost", f"must be bits, got {asked.cost!r}; times come with --times FILE")
    if asked.cost is not None and asked.times is not None:
        raise _option("--cost", "and --times contradict each other")
    if asked.times is None:
        if asked.device is not None:
            raise _option("--device", "goes with --times")
        return None
    return Times.read(asked.times, asked.device)


def _held_out(stored: Stored | None, tuned: Tuned) -> dict[str, float] | None:
    """Accuracy of the reference and of the choice on samples that had no say in it, when the file has some."""
    if stored is None or stored.test is None or stored.test_label is None or tuned.interrupted:
        return None
    configs = [tuned.reference.config, tuned.chosen.config]
    found = stored.network.accuracies(stored.test, stored.test_label, configs)
    return {"reference": float(found[0]), "chosen": float(found[1])}


def _floor(asked: Asked) -> Floor:
    from simulator.calibration.precision import Floor
    from simulator.scenario.units import UnitError, parse_share

    if asked.floor is not None:
        if asked.loss is not None:
            raise _option("--floor", "and --loss contradict each other")
        return Floor(absolute=_accuracy("--floor", asked.floor))
    try:
        share = parse_share(asked.loss or DEFAULT_LOSS)
    except UnitError as error:
        raise _option("--loss", f"{error}, got {asked.loss!r}") from None
    if share >= 1:
        raise _option("--loss", f"must be below 100%, got {asked.loss!r}")
    return Floor(loss=share)


def _accuracy(option: str, text: str) -> float:
    """A share with %, or any number: not every accuracy is a share."""
    from math import isfinite

    from simulator.scenario.units import UnitError, parse_share

    try:
        value = parse_share(text.strip()) if text.strip().endswith("%") else float(text.replace("_", "?"))
    except (UnitError, ValueError):
        value = float("nan")
    if not isfinite(value):
        raise _option(option, f"must be an accuracy such as 0.93 or 93%, got {text!r}")
    return value


def _budget(text: str) -> int | None:
    if text == "none":
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0):
        raise _option("--budget", f"must be a whole number from 1, or none, got {text!r}")
    return int(text)


def _duration(text: str | None) -> float | None:
    from simulator.scenario.units import DURATION, UnitError, parse

    try:
        return None if text is None else parse(text, DURATION)
    except UnitError as error:
        raise _option("--time-limit", f"{text!r} {error}") from None


def _names(asked: Asked) -> tuple[str, ...] | None:
    if asked.precisions is None:
        return None
    names = tuple(dict.fromkeys(name.strip() for name in asked.precisions.split(",")))
    if not all(names):
        raise _option("--precisions", f"must be names with commas between, got {asked.precisions!r}")
    return tuple(name for name in names if name != asked.reference)


def _option(name: str, message: str) -> ScenarioError:
    return ScenarioError(Problem(message, path=name))
