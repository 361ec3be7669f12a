"""What each layer costs at each precision: measured or fitted times at a batch size, or bits of weights."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.calibration.precision.problem import TuningProblem
from simulator.costs.base.file import CostGroup, find_costs
from simulator.costs.base.measured import read_measured
from simulator.costs.base.precision import PRECISIONS
from simulator.errors import Problem, ScenarioError

Candidates = Mapping[str, Sequence[str]]
"""Precisions by layer, the reference first."""
Shapes = Mapping[str, tuple[int, int]]
"""Outputs n and inputs k of layers that are one matrix product of m = batch rows."""
_INT = re.compile(r"(?:int|w)([2-8])(?:a8)?")


@dataclass(frozen=True)
class Times:
    """Times of layers [s] out of a file: rows (layer, precision, batch, seconds), or laws of ``plan calibrate fit``.

    Laws of matrix products serve layers whose shape is known, by dtype.
    """

    path: Path
    groups: list[CostGroup]
    device: str | None = None

    @classmethod
    def read(cls, path: Path, device: str | None = None) -> Times:
        """Read a csv of rows or a costs file."""
        return cls(path, read_measured(path), device)

    def precisions(self, layer: str) -> tuple[str, ...]:
        """Precisions that the file has for a layer, in its order."""
        fits = [g.group for g in self.groups if g.group.get("layer", layer) == layer]
        names = (group.get("precision", group.get("dtype")) for group in fits)
        return tuple(dict.fromkeys(str(name) for name in names if name is not None))

    def precisions_of_all(self) -> tuple[str, ...]:
        """Precisions that the file has for any layer, in its order."""
        names = (group.group.get("precision", group.group.get("dtype")) for group in self.groups)
        return tuple(dict.fromkeys(str(name) for name in names if name is not None))

    def problem(self, candidates: Candidates, batch: int, shapes: Shapes | None = None) -> tuple[TuningProblem, int]:
        """The problem at a batch size, and how many of its times lie beyond what was measured."""
        costs, beyond = [], 0
        for layer, names in candidates.items():
            row = [self._seconds(layer, name, batch, shapes) for name in names]
            costs.append(tuple(seconds for seconds, _ in row))
            beyond += sum(outside for _, outside in row)
        chosen = tuple(tuple(names) for names in candidates.values())
        return TuningProblem(tuple(candidates), chosen, tuple(costs), "s"), beyond

    def _seconds(self, layer: str, name: str, batch: int, shapes: Shapes | None) -> tuple[float, bool]:
        wanted = {"layer": layer, "precision": name, "dtype": name}
        if self.device is not None:
            wanted |= dict.fromkeys(("device", "gpu"), self.device)
        try:
            group = find_costs(self.groups, **wanted)
        except ScenarioError as error:
            message = f"{layer} at {name}: {error.problems[0].message}"
            raise ScenarioError(Problem(message, str(self.path), path=error.problems[0].path)) from None
        law: Any = group.law
        if group.kind == "batch":
            outside = bool(law.extrapolates(batch)) or (group.span is not None and batch > group.span[1])
            return float(law.seconds(batch)), outside
        if shapes is None or layer not in shapes:
            message = f"holds laws of matrix products, and layer {layer} is not known to be one: give times by layer"
            raise ScenarioError(Problem(message, str(self.path)))
        return float(law.seconds(batch, *shapes[layer])), False


def by_bits(candidates: Candidates, weights: Mapping[str, int]) -> TuningProblem:
    """Cost = number of weights x bits of a weight: what memory and its traffic pay, on any device.

    >>> by_bits({"a": ("fp32", "int4")}, {"a": 100}).costs
    ((3200.0, 400.0),)
    """
    costs = tuple(tuple(weights[layer] * bits(name) for name in names) for layer, names in candidates.items())
    return TuningProblem(tuple(candidates), tuple(tuple(names) for names in candidates.values()), costs, "bits")


def bits(name: str) -> float:
    """Bits of one weight at a precision: of the table of number formats, or as ``intN``, ``wN``, ``wNa8`` say.

    >>> bits("fp16"), bits("nvfp4"), bits("int3"), bits("w5a8")
    (16.0, 4.5, 3.0, 5.0)
    """
    if name in PRECISIONS:
        return 8.0 * PRECISIONS[name].weight_bytes
    found = _INT.fullmatch(name)
    if found is None:
        message = f"how many bits has {name!r}? known: {', '.join(PRECISIONS)}, intN, wN, wNa8; else give times"
        raise ScenarioError(Problem(message, path="precision"))
    return float(found[1])
