"""How well a profile measured here predicts what was not measured: ``python -m benchmarks.cpu_profile [folder]``.

Matrix products, dense networks and a convolution net are timed in fp32 and int8 on one thread. Then every batch size is
left out in turn and predicted from the others (kind batch), and so is every shape: single products (kind gemm), and
whole layers, at all batch sizes (kind gemm, the harder question). The errors are means over all rows that were left
out; the law is chosen anew without them each time.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.timing import machine
from simulator.calibration import Calibration, fit
from simulator.calibration.measure import Effort, Measurement, measure

BATCH_GOAL, SHAPE_GOAL = 0.05, 0.08
EFFORT = Effort(rounds=5, calls=8, limit_s=150.0)
KINDS = ("gemm", "mlp", "conv")


def by_variant(found: Calibration) -> dict[str, float]:
    """Held-out error of each variant, each row counted once."""
    errors: dict[str, list[tuple[float, int]]] = {}
    for group in found.groups:
        if group.mape is not None:
            errors.setdefault(group.group["variant"], []).append((group.mape, group.held_out))
    return {name: sum(e * n for e, n in one) / sum(n for _, n in one) for name, one in errors.items()}


def line(question: str, found: Calibration, goal: float) -> str:
    """One row of the table."""
    parts = ", ".join(f"{name} {error:.1%}" for name, error in by_variant(found).items())
    error = found.mape if found.mape is not None else float("nan")
    return f"| {question} | {error:.1%} | {goal:.0%} | {'yes' if error <= goal else 'no'} | {parts} |"


def table(files: dict[str, Path]) -> Iterator[str]:
    """Errors beside the goals."""
    yield "| left out | error | goal | met | by variant |"
    yield "|---|---|---|---|---|"
    for kind, path in files.items():
        yield line(f"batch sizes, {kind}", fit(path, kind="batch"), BATCH_GOAL)
    yield line("single products", fit(files["gemm"], kind="gemm"), SHAPE_GOAL)
    yield line("whole layers", fit(files["gemm"], kind="gemm", hold_out="layers"), SHAPE_GOAL)


def about(kind: str, found: Measurement) -> str:
    """Noise and load of one measurement."""
    noises = sorted(row.cv_rounds for row in found.rows if row.cv_rounds is not None)
    quartiles = ", ".join(f"{noises[len(noises) * part // 4]:.1%}" for part in (1, 2, 3))
    others = "unknown" if found.other_cores is None else f"{found.other_cores:.1f}"
    rounds = min(row.rounds for row in found.rows)
    return (
        f"{kind}: {len(found.rows)} rows in {found.wall_s:.0f} s, {rounds} rounds; noise between rounds, quartiles "
        f"{quartiles}; processors kept busy by others: {others}"
    )


def main(folder: Path) -> None:
    """Measure, keep the rows in ``folder``, and print the errors."""
    print(machine())
    files = {}
    for kind in KINDS:
        found = measure(kind, effort=EFFORT, device="cpu")
        files[kind] = folder / f"{kind}.csv"
        found.write(files[kind])
        print("\n".join([about(kind, found), *found.notes]))
    print("\n".join(table(files)))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as name:
            main(Path(name))
