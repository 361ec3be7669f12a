"""Reads the data files beside this module, once and on first use; plain csv, because start-up time counts."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import groupby
from pathlib import Path
from types import MappingProxyType

from simulator.catalogue.records import BatchCurve, CatalogueModel, Device
from simulator.errors import InternalError

DATA = Path(__file__).parent / "data"
UNITS = {
    "": 0,
    "B": 0,
    "FLOP": 0,
    "GB/s": 9,
    "GiB": 0,
    "TFLOPS": 12,
    "TOPS": 12,
    "USD/h": 0,
    "count": 0,
    "share": 0,
    "tokens": 0,
    "us": -6,
}
"""Power of ten from the unit of a data file to SI."""
FIELDS = {"memory": "memory_bytes", "overhead": "overhead_s"}
"""Names in the data files that differ from the attribute, which carries the unit."""


def _rows(name: str) -> Iterator[dict[str, str]]:
    with (DATA / name).open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


@cache
def _titles() -> dict[str, str]:
    return {row["key"]: f"{row['title']} ({row['licence']})" for row in _rows("sources.csv")}


def source_text(key: str, note: str = "") -> str:
    """The full wording of a source key of ``sources.csv``, with the row's own note."""
    return "; ".join(part for part in (note, _titles()[key]) if part)


class _Entry:
    """The rows of one device or model: texts and numbers (SI) by attribute name, and the source of each."""

    def __init__(self, rows: list[dict[str, str]]) -> None:
        self.text: dict[str, str] = {}
        self.sources: dict[str, str] = {}
        self._unit: dict[str, str] = {}
        for row in rows:
            figure = FIELDS.get(row["figure"], row["figure"])
            if figure in self.text:
                raise InternalError(f"catalogue: {figure} is given twice in {row}")
            self.text[figure], self._unit[figure] = row["value"], row["unit"]
            self.sources[figure] = source_text(row["source"], row["note"])

    def number(self, figure: str) -> float:
        unit = self._unit[figure]
        # The exponent goes into the text: 4.6e-6 is the nearest float to 4.6 us, 4.6 * 1e-6 is another one.
        value = float(f"{self.text[figure]}e{UNITS[unit]}")
        return value * 2**30 if unit == "GiB" else value

    def peaks(self) -> Mapping[str, float]:
        return MappingProxyType({n[5:]: self.number(n) for n in self.text if n.startswith("peak.")})


def _entries(name: str, column: str) -> Iterator[tuple[str, _Entry]]:
    for key, rows in groupby(_rows(name), key=lambda row: row[column]):
        yield key, _Entry(list(rows))


@cache
def devices() -> Mapping[str, Device]:
    """Every known device by name, in the order of the data file."""
    return MappingProxyType({name: _device(name, entry) for name, entry in _entries("devices.csv", "device")})


def _device(name: str, entry: _Entry) -> Device:
    return Device(
        name=name,
        vendor=entry.text["vendor"],
        kind=entry.text["kind"],
        memory_bytes=entry.number("memory_bytes"),
        memory_bandwidth=entry.number("memory_bandwidth"),
        peak=entry.peaks(),
        overhead_s=entry.number("overhead_s"),
        memory_efficiency=entry.number("memory_efficiency"),
        compute_efficiency=entry.number("compute_efficiency"),
        link_bandwidth=entry.number("link_bandwidth"),
        price_per_hour=entry.number("price_per_hour"),
        sources=MappingProxyType(entry.sources),
    )


@cache
def models() -> Mapping[str, CatalogueModel]:
    """Every known model by name, in the order of the data file, with its curves."""
    curves = _curves()
    return MappingProxyType(
        {name: _model(name, entry, curves.get(name, ())) for name, entry in _entries("models.csv", "model")}
    )


def _model(name: str, entry: _Entry, curves: tuple[BatchCurve, ...]) -> CatalogueModel:
    return CatalogueModel(
        name=name,
        layers=int(entry.text["layers"]),
        weight_bytes_per_layer=entry.number("weight_bytes_per_layer"),
        output_bytes=_run_lengths(entry.text["output_bytes"]),
        flops_per_item=entry.number("flops_per_item"),
        parameters=int(entry.text["parameters"]),
        sequence=int(entry.text["sequence"]) if "sequence" in entry.text else None,
        curves=curves,
        description=entry.text["description"],
        source=entry.sources["description"],
        sources=MappingProxyType(entry.sources),
    )


def _run_lengths(text: str) -> tuple[float, ...]:
    """``"8x2 4x1"`` -> (8.0, 8.0, 4.0): sizes behind consecutive layers."""
    pairs = (part.split("x") for part in text.split())
    return tuple(float(size) for size, repeat in pairs for _ in range(int(repeat)))


def _curves() -> dict[str, tuple[BatchCurve, ...]]:
    found: dict[str, list[BatchCurve]] = {}
    keys = ("model", "sequence", "device", "precision", "source")
    for (model, sequence, device, precision, source), group in groupby(
        _rows("curves.csv"), key=lambda row: tuple(row[key] for key in keys)
    ):
        rows = list(group)
        curve = BatchCurve(
            device=device,
            precision=precision,
            batches=tuple(int(row["batch"]) for row in rows),
            seconds=tuple(float(f"{row['time_ms']}e-3") for row in rows),
            sequence=int(sequence) if sequence else None,
            source=source_text(source),
        )
        found.setdefault(model, []).append(curve)
    return {model: tuple(curves) for model, curves in found.items()}
