"""Exit tables from trained ramps: what every exit says of held-out rows."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

import numpy as np

from simulator.calibration.ramps.data import Data, Ramps, score
from simulator.calibration.ramps.loss import Floats, Ints
from simulator.calibration.ramps.softmax import Softmax
from simulator.costs.early_exit import ExitTable

DECIMALS = 6
"""Digits of a confidence, in the files and in every figure, so that both say the same."""


def end_of_model(data: Data, end: Softmax | None) -> Floats:
    """ln of the probabilities at the model's end, of all rows: its own output, or those of a ramp in its place."""
    if end is not None:
        return end.log_probabilities(data.designs[-1])
    assert data.features.output is not None
    return np.log(np.maximum(data.features.output, np.finfo(np.float64).tiny))


def all_answers(data: Data, ramps: Ramps, last: Floats) -> list[Floats]:
    """ln of the probabilities at every exit, of all rows."""
    return [*(ramp.log_probabilities(design) for ramp, design in zip(ramps.ramps, data.designs)), last]


def exit_table(answers: Sequence[Floats], label: Ints, rows: Ints, mix: float, name: str) -> ExitTable:
    """The table of some rows: confidence score, prediction and label."""
    confidence = np.column_stack([score(log_p[rows], mix) for log_p in answers]).round(DECIMALS)
    prediction = np.column_stack([log_p[rows].argmax(axis=1) for log_p in answers]).astype(np.int64)
    return ExitTable(confidence, prediction, label[rows], name)


def table_csv(table: ExitTable, more: Mapping[str, Sequence[object]] | None = None) -> str:
    """An exit table as the csv file that a scenario names; ``more`` are further columns."""
    assert table.confidence is not None
    assert table.prediction is not None
    assert table.label is not None
    numbers = range(1, table.exits + 1)
    header = [*(f"conf_{k}" for k in numbers), *(f"pred_{k}" for k in numbers), "label", *(more or {})]
    columns = [
        *([f"{value:.{DECIMALS}f}" for value in column] for column in table.confidence.T),
        *(column.tolist() for column in table.prediction.T),
        table.label.tolist(),
        *(more or {}).values(),
    ]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(zip(*columns))
    return out.getvalue()
