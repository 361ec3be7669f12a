"""The measured case behind ``derived_split_replicate_reference.csv``: BERT-base on V100, SST-2 exits."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from simulator.planner.split import DeviceType, Exits, Limits, SplitProblem

DATA = Path(__file__).resolve().parents[4] / "shared/data/early_exit"
FILES = ("derived_split_replicate_reference.csv", "sst2_bert_base_12exit.csv", "nvidia_bert_latency_by_batch.csv")
PRESENT = all((DATA / name).is_file() for name in FILES)
LAYERS, RAMP = 12, 0.19


@cache
def rows() -> pd.DataFrame:
    """The reference rows."""
    return pd.read_csv(DATA / FILES[0])


@cache
def exits(threshold: float) -> Exits:
    """First ramp whose confidence reaches the threshold; ramps after layers 1 to 11."""
    table = pd.read_csv(DATA / FILES[1])
    confidence = table[[f"conf_{k}" for k in range(1, LAYERS + 1)]].to_numpy()
    prediction = table[[f"pred_{k}" for k in range(1, LAYERS + 1)]].to_numpy()
    return Exits(confidence >= threshold, (prediction == table["label"].to_numpy()[:, None]).astype(np.float64))


@cache
def model_seconds(precision: str, largest: int) -> NDArray[np.float64]:
    """The whole model by batch 0..largest [s]: linear between the measured sizes and beyond the last."""
    table = pd.read_csv(DATA / FILES[2])
    chosen = table["gpu"].str.contains("V100 16GB") & (table["model"] == "bert_base") & (table["seq_len"] == 128)
    table = table[chosen & (table["precision"] == precision)].sort_values("batch")
    size, time = table["batch"].to_numpy(dtype=float), table["batch_time_ms"].to_numpy() / 1e3
    batch = np.arange(largest + 1.0)
    slope = (time[-1] - time[-2]) / (size[-1] - size[-2])
    found = np.where(batch > size[-1], time[-1] + slope * (batch - size[-1]), np.interp(batch, size, time))
    found[0] = 0.0
    return np.asarray(found)


def problem(precision: str, threshold: float, largest: int, count: int = 16, max_cuts: int | None = 3) -> SplitProblem:
    """16 V100; a ramp costs 0.19 of a layer, a transfer 0.05 ms and the survivors' bytes at 12 GB/s."""
    layer_s = np.tile(model_seconds(precision, largest) / LAYERS, (LAYERS, 1))
    item_s = 128 * 768 * (2 if precision == "fp16" else 4) / 12e9
    send_s = np.tile(5e-5 + item_s * np.arange(largest + 1), (LAYERS, 1))
    device = DeviceType("v100", count, layer_s, RAMP * layer_s, send_s, price_per_hour=3.06)
    return SplitProblem((device,), exits(threshold), Limits(max_cuts=max_cuts, service_s=0.1))
