"""The text of ``plan catalogue``: what devices and models are known, and where every figure comes from."""

from __future__ import annotations

import csv
import io
import json
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

from simulator.catalogue import (
    PRECISIONS,
    CatalogueModel,
    Device,
    device,
    device_names,
    model,
    model_names,
    unknown_name,
)

Format = Literal["table", "json", "csv"]
WIDTH = 100
KINDS = ("devices", "models")
HEAD_FIGURE = ("figure", "value", "unit")


def catalogue_text(kind: str | None = None, name: str | None = None, fmt: Format = "table") -> str:
    """What ``plan catalogue [devices|models] [NAME]`` prints, without a final newline.

    ``table`` is for people (at most 100 columns), ``json`` and ``csv`` carry full SI numbers and the whole
    sources.
    """
    if kind is None:
        return _overview(fmt)
    if kind not in KINDS:
        raise unknown_name("kind", kind, KINDS)
    if name is None:
        return _list(kind, fmt)
    return _one_device(device(name), fmt) if kind == "devices" else _one_model(model(name), fmt)


def _overview(fmt: Format) -> str:
    names = {"devices": device_names(), "models": model_names()}
    if fmt == "json":
        return _json({kind: list(listed) for kind, listed in names.items()})
    if fmt == "csv":
        return _csv(("kind", "name"), [(kind, one) for kind, listed in names.items() for one in listed])
    parts = []
    for kind, listed in names.items():
        lines = textwrap.wrap(", ".join(listed), WIDTH - 2, break_on_hyphens=False)
        parts.append(f"{kind} ({len(listed)})\n" + "\n".join(f"  {line}" for line in lines))
    return "\n\n".join([*parts, "plan catalogue devices|models [NAME] shows figures and their sources."])


def _list(kind: str, fmt: Format) -> str:
    records = _device_records() if kind == "devices" else _model_records()
    if fmt == "json":
        return _json({kind: records})
    if fmt == "csv":
        return _csv(tuple(records[0]), [tuple(record.values()) for record in records])
    if kind == "models":
        return _model_table()
    return _device_table()


def _device_table() -> str:
    def peak(one: Device, precision: str) -> str:
        return _short(one.peak[precision] / 1e12) if precision in one.peak else "-"

    shown = ("fp32", "fp16", "fp8", "int8")
    head = ("device", "kind", "GiB", "GB/s", *shown, "link GB/s", "USD/h")
    rows = [
        (
            one.name,
            one.kind,
            _short(one.memory_bytes / 2**30),
            _short(one.memory_bandwidth / 1e9),
            *(peak(one, precision) for precision in shown),
            _short(one.link_bandwidth / 1e9),
            _short(one.price_per_hour),
        )
        for one in map(device, device_names())
    ]
    note = "Peaks are dense, in TFLOPS (int8: TOPS). Prices are assumptions: set price_per_hour of the pool."
    return f"{_table(head, rows, left=2)}\n\n{note}"


def _model_table() -> str:
    head = ("model", "layers", "weights MB", "output kB", "GFLOP/item", "curves", "on")
    rows = []
    for one in map(model, model_names()):
        on = ", ".join(dict.fromkeys(curve.device for curve in one.curves))
        sizes = (
            one.weight_bytes_per_layer * one.layers / 1e6,
            one.output_bytes_per_layer / 1e3,
            one.flops_per_item / 1e9,
        )
        rows.append((one.name, str(one.layers), *map(_short, sizes), str(len(one.curves)), on))
    note = "Sizes at fp16: weights of the whole model, mean output of a layer per item."
    return f"{_table(head, rows, left=1, last_left=True)}\n\n{note}"


def _device_records() -> list[dict[str, object]]:
    return [
        {
            "name": one.name,
            "vendor": one.vendor,
            "kind": one.kind,
            **{figure: value for figure, (value, _) in _device_figures(one).items() if "peak." not in figure},
            **{f"peak.{precision}": one.peak.get(precision) for precision in PRECISIONS},
        }
        for one in map(device, device_names())
    ]


def _model_records() -> list[dict[str, object]]:
    return [
        {
            "name": one.name,
            "description": one.description,
            **{figure: value for figure, (value, _) in _model_figures(one).items()},
            "curves": len(one.curves),
        }
        for one in map(model, model_names())
    ]


def _device_figures(one: Device) -> dict[str, tuple[float, str]]:
    """Every figure of a device: SI value and unit, in reading order."""
    return {
        "memory_bytes": (one.memory_bytes, "B"),
        "memory_bandwidth": (one.memory_bandwidth, "B/s"),
        **{
            f"peak.{p}": (one.peak[p], "OP/s" if p.startswith("int") else "FLOP/s") for p in PRECISIONS if p in one.peak
        },
        "overhead_s": (one.overhead_s, "s"),
        "memory_efficiency": (one.memory_efficiency, ""),
        "compute_efficiency": (one.compute_efficiency, ""),
        "link_bandwidth": (one.link_bandwidth, "B/s"),
        "price_per_hour": (one.price_per_hour, "USD/h"),
    }


def _model_figures(one: CatalogueModel) -> dict[str, tuple[float | None, str]]:
    return {
        "layers": (one.layers, ""),
        "sequence": (one.sequence, "tokens"),
        "parameters": (one.parameters, ""),
        "weight_bytes_per_layer": (one.weight_bytes_per_layer, "B"),
        "output_bytes_per_layer": (one.output_bytes_per_layer, "B"),
        "flops_per_item": (one.flops_per_item, "FLOP"),
    }


def _one_device(one: Device, fmt: Format) -> str:
    figures = _device_figures(one)
    head = {"name": one.name, "vendor": one.vendor, "kind": one.kind}
    if fmt == "json":
        return _json({**head, "figures": _sourced(figures, one.sources)})
    if fmt == "csv":
        rows = [(figure, value, unit, one.sources[figure]) for figure, (value, unit) in figures.items()]
        return _csv((*HEAD_FIGURE, "source"), rows)
    return f"{one.name}: {one.vendor} {one.kind}\n\n" + _figures(figures, one.sources.__getitem__)


def _one_model(one: CatalogueModel, fmt: Format) -> str:
    figures = _model_figures(one)
    if fmt == "json":
        curves = [
            {
                "device": curve.device,
                "precision": curve.precision,
                "batches": list(curve.batches),
                "seconds": list(curve.seconds),
                "source": curve.source,
            }
            for curve in one.curves
        ]
        known = _sourced({f: pair for f, pair in figures.items() if pair[0] is not None}, _with_output(one))
        return _json({"name": one.name, "description": one.description, "figures": known, "curves": curves})
    if fmt == "csv":
        rows = [(c.device, c.precision, b, s) for c in one.curves for b, s in zip(c.batches, c.seconds)]
        return _csv(("device", "precision", "batch", "seconds"), rows)
    sources = _with_output(one)
    text = _figures({f: pair for f, pair in figures.items() if pair[0] is not None}, sources.__getitem__)
    parts = (f"{one.name}: {one.description}", text, _curve_table(one), _wrapped(f"source: {one.source}", ""))
    return "\n\n".join(parts)


def _with_output(one: CatalogueModel) -> dict[str, str]:
    return {**one.sources, "output_bytes_per_layer": "mean over layers; " + one.sources["output_bytes"]}


def _curve_table(one: CatalogueModel) -> str:
    batches = sorted({batch for curve in one.curves for batch in curve.batches})
    rows = []
    for curve in one.curves:
        times = dict(zip(curve.batches, curve.seconds))
        cells = (_short(times[b] * 1e3, 5) if b in times else "-" for b in batches)
        rows.append((curve.device, curve.precision, *cells))
    title = "time of one batch through the whole model [ms], by batch size"
    return f"{title}\n{_table(('device', 'precision', *map(str, batches)), rows, left=2)}"


def _sourced(figures: Mapping[str, tuple[float | None, str]], sources: Mapping[str, str]) -> dict[str, object]:
    return {f: {"value": value, "unit": unit, "source": sources[f]} for f, (value, unit) in figures.items()}


def _figures(figures: Mapping[str, tuple[float | None, str]], source: Callable[[str], str]) -> str:
    """Three columns, the source wrapped beneath itself."""
    cells = [(figure, _scaled(value or 0.0, unit), source(figure)) for figure, (value, unit) in figures.items()]
    name, amount = (max(len(cell[i]) for cell in cells) for i in (0, 1))
    lines = []
    for figure, value, text in cells:
        lead = f"{figure:<{name}}  {value:>{amount}}  "
        lines.append(_wrapped(lead + text, " " * len(lead)))
    return "\n".join(lines)


def _scaled(value: float, unit: str) -> str:
    """A number in the unit a person would write: 9e11 B/s -> 900 GB/s; memories come in GiB."""
    if unit == "s":
        return f"{_short(value * 1e6)} µs"
    if unit == "B" and value >= 2**32:
        return f"{_short(value / 2**30)} GiB"
    for factor, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if unit in ("B", "B/s", "FLOP", "FLOP/s", "OP/s") and value >= factor:
            if unit.startswith("B") and prefix == "T":
                continue
            return f"{_short(value / factor)} {prefix}{unit}"
    text = f"{value:.0f}" if value == int(value) else _short(value)
    return f"{text} {unit}".rstrip()


def _short(value: float, digits: int = 4) -> str:
    text = f"{value:.{digits}g}"
    return f"{value:.0f}" if "e+" in text else text


def _wrapped(text: str, indent: str) -> str:
    return textwrap.fill(
        text,
        WIDTH,
        subsequent_indent=indent,
        drop_whitespace=True,
        break_on_hyphens=False,
        break_long_words=False,
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], left: int, last_left: bool = False) -> str:
    """Aligned columns: the first ``left`` (and on demand the last) to the left, numbers to the right."""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]

    def line(row: Sequence[str]) -> str:
        to_left = (i < left or (last_left and i == len(row) - 1) for i in range(len(row)))
        cells = (c.ljust(w) if flag else c.rjust(w) for c, w, flag in zip(row, widths, to_left))
        return "  ".join(cells).rstrip()

    return "\n".join(line(row) for row in (head, *rows))


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _csv(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return text.getvalue().rstrip("\n")
