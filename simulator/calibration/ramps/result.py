"""What training yields: figures for people and programs, and the files that scenarios and serving code read."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from simulator.calibration.ramps.adaptive import Settings
from simulator.calibration.ramps.curves import GRID, SHOWN, Bootstrap, at_depth, common_depths, interval, resampled
from simulator.calibration.ramps.data import Data
from simulator.calibration.ramps.loss import Floats
from simulator.calibration.ramps.router import Router
from simulator.calibration.ramps.softmax import MAX_ITERATIONS, Softmax
from simulator.calibration.ramps.student import unscaled
from simulator.calibration.ramps.tables import table_csv
from simulator.calibration.ramps.twin import Twin
from simulator.calibration.ramps.variants import BASELINE, VARIANTS, Variant
from simulator.errors import Problem, ScenarioError
from simulator.files import check_output, write_whole
from simulator.results.strictjson import to_json

Json = dict[str, Any]


@dataclass(frozen=True, eq=False)
class RampStudy:
    """Trained ramps by variant, all judged on the same test rows.

    ``chosen`` is the variant that is surely best on the validation rows, else the independent one; ``end`` the ramp
    that stands for the model's end, None when the file holds the model's own output.
    """

    data: Data
    seed: int
    settings: Settings
    budget: float
    l2: tuple[float, ...]
    end: Softmax | None
    variants: dict[str, Variant]
    chosen: str
    twin: Twin | None
    router: Router | None

    @cached_property
    def figures(self) -> Json:
        """Every figure, as plain numbers (shares, not percent)."""
        split, features = self.data.split, self.data.features
        parts = {"train": split.train, "validation": split.validation, "test": split.test}
        return {
            "source": {"file": features.name, "sha256": features.sha256, "rows": features.rows}
            | {part: len(rows) for part, rows in parts.items()},
            "classes": self.data.classes,
            "layers": list(features.layer),
            "seed": self.seed,
            "settings": asdict(self.settings) | {"l2": list(self.l2), "accuracy_budget": self.budget},
            "variants": self._variants(),
            "chosen": self.chosen,
            "twin": None if self.twin is None else self.twin.to_json(),
            "router": None if self.router is None else self.router.to_json(),
            "notes": self._notes(),
        }

    def to_json(self) -> str:
        """The figures as JSON text."""
        return to_json(self.figures)

    def _variants(self) -> Json:
        bootstrap = Bootstrap(resampled(len(self.data.split.test), self.seed))
        depths = common_depths([one.test_curve for one in self.variants.values()])
        sampled = {name: bootstrap.mean_accuracy(one.test_curve, depths) for name, one in self.variants.items()}
        return {name: self._variant(one, bootstrap, depths, sampled) for name, one in self.variants.items()}

    def _variant(self, one: Variant, bootstrap: Bootstrap, depths: Floats, sampled: dict[str, Floats]) -> Json:
        curve, base = one.test_curve, self.variants[BASELINE]
        assert one.test.prediction is not None
        right = one.test.prediction == np.asarray(one.test.label)[:, None]
        mean = float(at_depth(curve.accuracy, curve.layers, depths).mean())
        found: Json = {
            "accuracy": right.mean(axis=0).tolist(),
            "training_rows": list(one.ramps.rows),
            "thresholds": [bootstrap.at(curve, GRID.index(threshold)) for threshold in SHOWN],
            "operating_point": bootstrap.at(curve, one.within(self.budget)),
            "mean_accuracy_at_equal_layers": mean,
            "compared_layers": [float(depths[0]), float(depths[-1])],
        }
        if one is base:
            return found
        gain = mean - float(at_depth(base.test_curve.accuracy, base.test_curve.layers, depths).mean())
        low, high = interval(sampled[one.name] - sampled[BASELINE])
        verdict = "better" if low > 0 else "worse" if high < 0 else "no difference shown"
        return found | {"against_independent": {"accuracy": gain, "ci95": [low, high], "verdict": verdict}}

    def _notes(self) -> list[str]:
        test = self.data.split.test
        end = float(self.variants[BASELINE].test_curve.right[-1].mean())
        spread = 1.96 * math.sqrt(end * (1 - end) / len(test))
        notes = [f"{len(test):,} test rows: an accuracy carries ±{100 * spread:.1f} points (95 %)"]
        if self.data.features.output is None:
            notes.append("the file has no output: a ramp after the last state stands for the model's end")
        if self.router is None:
            notes.append("the file has no query: no router, and the twin starts from state_1")
        for one in self.variants.values():
            notes += [f"{one.name}: {note}" for note in one.ramps.notes]
            stopped = [k + 1 for k, ramp in enumerate(one.ramps.ramps) if not ramp.converged]
            if stopped:
                notes.append(f"{one.name}: exits {stopped} stopped after {MAX_ITERATIONS} iterations")
        return notes

    def files(self, folder: Path) -> dict[Path, Callable[[Path], object]]:
        """What ``write`` writes, and how; the report comes last."""
        rows = self.data.split.test
        found: dict[Path, Callable[[Path], object]] = {}
        for name, one in self.variants.items():
            more: dict[str, Sequence[object]] = {"row": rows.tolist()}
            if self.router is not None and name == self.chosen:
                more["routed"] = (self.router.chosen + 1).tolist()
            found[folder / f"exits-{name}.csv"] = _text(table_csv(one.test, more))
            found[folder / f"ramps-{name}.npz"] = _arrays(self._weights(one))
        if self.twin is not None:
            found[folder / "twin.csv"] = _text(table_csv(self.twin.table, {"row": rows.tolist()}))
            found[folder / "twin.npz"] = _arrays(unscaled(self.twin.weights, self.twin.scaling))
        if self.router is not None:
            found[folder / "router.csv"] = _text(_confusion_csv(self.router))
            found[folder / "router.npz"] = _arrays(unscaled(self.router.weights, self.router.scaling))
        found[folder / "comparison.csv"] = _text(self.comparison_csv())
        found[folder / "report.json"] = _text(self.to_json() + "\n")
        return found

    def write(self, folder: Path | str) -> list[Path]:
        """Write exit tables, ramps, twin, router, comparison and report, each file whole or not at all."""
        files = self.files(Path(folder))
        for path, write in files.items():
            write_whole(path, write)
        return list(files)

    def comparison_csv(self) -> str:
        """One row per variant and threshold: accuracy and mean layers on the test rows."""
        rows = [
            (name, threshold, *map(float, pair))
            for name, one in self.variants.items()
            for threshold, *pair in zip(GRID, one.test_curve.accuracy, one.test_curve.layers)
        ]
        return _csv(("variant", "threshold", "accuracy", "mean_layers"), rows)

    def _weights(self, one: Variant) -> dict[str, Floats]:
        """``weight_k`` and ``bias_k``: softmax(state_k @ weight_k + bias_k)."""
        ramps = [*one.ramps.ramps, *([] if self.end is None else [self.end])]
        found = {}
        for k, (ramp, scaling) in enumerate(zip(ramps, self.data.scalings), start=1):
            found[f"weight_{k}"], found[f"bias_{k}"] = scaling.unscaled(ramp.weights)
        return found


def check_folder(folder: Path, inputs: Sequence[Path] = ()) -> None:
    """Refuse, before any work is done, a folder that could not be written, or would overwrite an input."""
    if folder.exists() and not folder.is_dir():
        raise ScenarioError(Problem("is a file; -o names a folder", file=str(folder)))
    names = [f"{stem}-{name}" for name in VARIANTS for stem in ("exits", "ramps")]
    for name in (*names, "twin", "router", "comparison", "report"):
        for suffix in (".csv", ".npz", ".json"):
            check_output(folder / f"{name}{suffix}", inputs)


def _confusion_csv(router: Router) -> str:
    numbers = range(1, len(router.layer) + 1)
    rows = [
        (k, int(count.sum()), *map(float, shares)) for k, count, shares in zip(numbers, router.counts, router.confusion)
    ]
    return _csv(("true_exit", "rows", *(f"chosen_{k}" for k in numbers)), rows)


def _csv(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue()


def _text(text: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(text, encoding="utf-8")


def _arrays(arrays: dict[str, Floats]) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        save: Callable[..., None] = np.savez  # its type takes every name for the option allow_pickle
        save(path, **arrays)

    return write
