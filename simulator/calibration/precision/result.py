"""What tuning yields: the configuration to use, why, and everything that was learned on the way."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from simulator.calibration.precision.floor import Floor
from simulator.calibration.precision.problem import TuningProblem
from simulator.calibration.precision.task import Evaluation
from simulator.errors import Problem, ScenarioError
from simulator.files import check_output, check_parents, write_text
from simulator.results.strictjson import to_json

Json = dict[str, Any]
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_NO_WORDS = ("true", "false", "null", "yes", "no", "on", "off", "y", "n")
FILES = ("precision.yaml", "evaluations.csv", "report.json")


@dataclass(frozen=True)
class Tuned:
    """The outcome of a search.

    ``least`` is the accuracy that passes, ``asked`` the evaluations in order (the reference first),
    ``known_before`` how many of those a ledger answered, ``others`` what else a ledger held. ``dropped`` are (layer,
    precision) that save nothing, ``predicted`` says that accuracies are sums of measured losses, ``ended`` why the
    search ended. ``held_out`` are accuracies of reference and chosen on samples that had no say, ``notes`` what the
    caller adds.
    """

    problem: TuningProblem
    strategy: str
    seed: int
    floor: Floor
    least: float
    budget: int | None
    asked: tuple[Evaluation, ...]
    known_before: int
    others: tuple[Evaluation, ...]
    dropped: tuple[tuple[str, str], ...]
    predicted: bool
    identity: str
    ended: str
    interrupted: bool = False
    notes: tuple[str, ...] = ()
    held_out: Mapping[str, float] | None = None

    @property
    def reference(self) -> Evaluation:
        """The reference configuration."""
        return self.asked[0]

    @property
    def passed(self) -> bool:
        """Whether the chosen configuration reaches the floor."""
        return self.chosen.passed

    @cached_property
    def chosen(self) -> Evaluation:
        """The cheapest that passed, equal ones by accuracy; if none did, the most accurate, equal ones by cost."""
        every = (*self.asked, *self.others)
        passed = [one for one in every if one.passed]
        if passed:
            return min(passed, key=lambda one: (one.cost, -one.accuracy))
        return min(every, key=lambda one: (-one.accuracy, one.cost))

    @cached_property
    def front(self) -> tuple[Evaluation, ...]:
        """Evaluated configurations that no other beats in cost and accuracy, cheapest first."""
        found: list[Evaluation] = []
        for one in sorted((*self.asked, *self.others), key=lambda one: (one.cost, -one.accuracy)):
            if not found or one.accuracy > found[-1].accuracy:
                found.append(one)
        return tuple(found)

    @property
    def reason(self) -> str:
        """Why the chosen configuration is the one, in a sentence."""
        if self.passed:
            return f"cheapest of {sum(one.passed for one in self.asked)} that passed; {self.ended}"
        short = self.least - self.chosen.accuracy
        text = f"none of {len(self.asked)} evaluated reaches {self.least:.6g}, the best is {short:.4g} short"
        if self.chosen.config == self.reference.config:
            text += "; even the reference does not: lower the floor or improve the model"
        return f"{text}; {self.ended}"

    @property
    def figures(self) -> Json:
        """Everything as plain values."""
        return {
            "strategy": self.strategy,
            "seed": self.seed,
            "passed": self.passed,
            "reason": self.reason,
            "ended": self.ended,
            "interrupted": self.interrupted,
            "predicted": self.predicted,
            "floor": {"accuracy": self.least, "absolute": self.floor.absolute, "loss": self.floor.loss},
            "unit": self.problem.unit,
            "layers": list(self.problem.layers),
            "reference": self._one(self.reference),
            "chosen": self._one(self.chosen),
            "evaluations_used": len(self.asked),
            "evaluations_of_ledger": self.known_before,
            "budget": self.budget,
            "configurations": self.problem.size,
            "left_out": [list(pair) for pair in self.dropped],
            "held_out": None if self.held_out is None else dict(self.held_out),
            "front": [self._one(one) for one in self.front],
            "evaluations": [self._one(one) for one in self.asked],
            "other_known": [self._one(one) for one in self.others],
            "evaluator": self.identity,
            "notes": self._notes(),
        }

    def _one(self, one: Evaluation) -> Json:
        share = one.cost / self.reference.cost if self.reference.cost else None
        return {
            "precision": dict(zip(self.problem.layers, one.config)),
            "cost": one.cost,
            "relative_cost": share,
            "accuracy": one.accuracy,
            "passed": one.passed,
        }

    def _notes(self) -> list[str]:
        notes = list(self.notes)
        if self.predicted:
            notes.append(
                "accuracies are predictions: measured losses of single changes, added up; verify the chosen one"
            )
        if self.dropped:
            shown = ", ".join(f"{layer} {name}" for layer, name in self.dropped[:6])
            more = f" and {len(self.dropped) - 6} more" if len(self.dropped) > 6 else ""
            notes.append(f"left out before any evaluation, no faster than the reference: {shown}{more}")
        if len(self.asked) == 1 and self.problem.faster()[0].size == 1:
            notes.append("no layer is faster at any other precision: the reference stays")
        if self.held_out is not None and self.passed and self._falls_short(self.held_out):
            text = "on the test samples the chosen configuration falls short of the floor: the search picks what the"
            notes.append(f"{text} validation samples favour; use more of them, or tolerate less")
        if self.others:
            notes.append(f"the ledger held {len(self.others)} more accuracies; they are chosen from too")
        return notes

    def _falls_short(self, held_out: Mapping[str, float]) -> bool:
        """Whether the floor, taken anew on samples that had no say, is missed there."""
        return held_out["reference"] > 0 and held_out["chosen"] < self.floor.at(held_out["reference"])

    def snippet(self) -> str:
        """The chosen configuration as a scenario writes it (YAML 1.2)."""
        rows = [f"  {_word(layer)}: {_word(name)}" for layer, name in zip(self.problem.layers, self.chosen.config)]
        state = "passes" if self.passed else "DOES NOT PASS"
        kind = "predicted accuracy" if self.predicted else "accuracy"
        head = f"# {kind} {self.chosen.accuracy:.6g}, floor {self.least:.6g}: {state}"
        return "\n".join([head, "precision:", *rows]) + "\n"

    def trace_csv(self) -> str:
        """One row per evaluation in order, one column per layer."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["evaluation", *self.problem.layers, "cost", "accuracy", "passed"])
        for number, one in enumerate(self.asked, start=1):
            writer.writerow([number, *one.config, repr(one.cost), repr(one.accuracy), int(one.passed)])
        return out.getvalue()

    def write(self, folder: Path | str) -> list[Path]:
        """Write snippet, trace and report into ``folder``, each whole or not at all; the report last."""
        texts = (self.snippet(), self.trace_csv(), to_json(self.figures) + "\n")
        paths = [Path(folder) / name for name in FILES]
        for path, text in zip(paths, texts):
            write_text(path, text)
        return paths


def check_folder(folder: Path, inputs: Sequence[Path] = ()) -> None:
    """Refuse, before any work is done, a folder that could not be written, or would overwrite an input."""
    if folder.exists() and not folder.is_dir():
        raise ScenarioError(Problem("is a file; -o names a folder", file=str(folder)))
    check_parents(folder / FILES[0])
    for name in FILES:
        check_output(folder / name, inputs)


def _word(text: str) -> str:
    """A name as YAML: quoted as in JSON, which YAML reads the same, unless it cannot be anything but a word."""
    return text if _PLAIN.fullmatch(text) and text.lower() not in _NO_WORDS else json.dumps(text)
