"""Streamed steps really run here, beside what is predicted of them: ``python -m benchmarks.stream_run``.

Measures groups of 1 to 16 microbatches with and without reads, calibrates on the smallest and the largest alone, and
predicts the others.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from simulator.calibration import fit
from simulator.calibration.measure import Effort, Measurement, Row, measure
from simulator.costs.streaming import StreamingLaw

ASKED = 0.10
GROUPS = (1, 2, 4, 8, 16)
SHAPES = ("training:6x2048@8", "inference:6x2048@16")
"""Layers of 17 MB: shorter reads vary so much on a shared drive that steps near the knee cannot hide them."""
EFFORT = Effort(rounds=12, calls=3, limit_s=240.0)


@dataclass(frozen=True)
class Point:
    """One group size: measured and predicted seconds, and the compute alone."""

    mode: str
    group: int
    seconds: float
    predicted_s: float
    compute_s: float
    calibrated: bool

    @property
    def error(self) -> float:
        """Relative error of the prediction."""
        return self.predicted_s / self.seconds - 1.0


def run(shapes: Sequence[str] = SHAPES, groups: Sequence[int] = GROUPS, effort: Effort = EFFORT) -> Measurement:
    """Measured steps in fp32."""
    return measure("stream", shapes, backend="numpy", variants=["fp32"], batches=groups, effort=effort, device="cpu")


def points(found: Measurement, calibrated_on: Sequence[int]) -> list[Point]:
    """Every group size of every network, predicted from the rows of ``calibrated_on`` alone."""
    shown = []
    for name in dict.fromkeys(str(row.labels["network"]) for row in found.rows):
        rows = [row for row in found.rows if row.labels["network"] == name]
        law = law_of(rows, calibrated_on)
        for row in rows:
            if row.labels["arm"] == "stream_noread":
                continue
            group = int(row.labels["group"])
            shown.append(
                Point(
                    mode=str(row.labels["mode"]),
                    group=group,
                    seconds=row.latency_us * 1e-6,
                    predicted_s=float(law.seconds([group])[0]),
                    compute_s=float(law.compute_seconds([group])[0]),
                    calibrated=group in calibrated_on,
                )
            )
    return shown


def law_of(rows: Sequence[Row], calibrated_on: Sequence[int]) -> StreamingLaw:
    """What `plan calibrate fit --kind streaming` makes of the rows of these groups."""
    chosen = tuple(row for row in rows if row.labels["group"] in calibrated_on)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        Measurement("stream", chosen, (), False, None, 0.0, False).write(path)
        law = fit(path, kind="streaming").groups[0].law
    assert isinstance(law, StreamingLaw)
    return law


def markdown(shown: Sequence[Point]) -> str:
    """The table for people."""
    lines = ["| run | group | measured | predicted | compute alone | error | asked |", "|---|---|---|---|---|---|---|"]
    for one in shown:
        error = "calibrated on" if one.calibrated else f"{one.error:+.1%}"
        asked = "" if one.calibrated else "10 %" if abs(one.error) <= ASKED else "10 %, **missed**"
        lines.append(
            f"| {one.mode} | {one.group} | {one.seconds * 1e3:.1f} ms | {one.predicted_s * 1e3:.1f} ms "
            f"| {one.compute_s * 1e3:.1f} ms | {error} | {asked} |"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] = ()) -> None:
    """Measure and print; a number of runs may be given."""
    for number in range(int(arguments[0]) if arguments else 1):
        found = run()
        rows = found.rows[0].labels
        others = "?" if found.other_cores is None else f"{found.other_cores:.1f}"
        noise = np.median([row.cv_rounds for row in found.rows if row.cv_rounds is not None])
        print(f"run {number + 1}: {rows['processor']}, layers from {rows['source']}, {rows['microbatch_rows']} rows,")
        print(f"{found.wall_s:.0f} s, others kept {others} processors busy, median noise of the rounds {noise:.1%}")
        for note in found.notes:
            print(note)
        shown = points(found, (min(GROUPS), max(GROUPS)))
        worst = max((abs(one.error) for one in shown if not one.calibrated), default=float("nan"))
        print(f"\n{markdown(shown)}\n\nlargest error {worst:.1%}, asked {ASKED:.0%}\n", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
