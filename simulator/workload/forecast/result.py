"""A forecast: quantiles for every bin of the horizon, and paths that agree with them."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from simulator.results.strictjson import to_json
from simulator.streams import stream
from simulator.workload.forecast.conformal import Correction
from simulator.workload.forecast.levels import HIGHEST, LOWEST, at_scores
from simulator.workload.forecast.reading import wrong
from simulator.workload.process import Floats

if TYPE_CHECKING:
    import pandas as pd

MOST_SAMPLES = 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Forecast:
    """Quantiles of a load ahead, in the unit of the history per bin (counts, or levels).

    ``start_s``: the origin, end of the history and start of the first bin, on the clock of the series; ``step_s``:
    length of a bin; ``quantiles``: the levels asked for (Q,); ``values`` (T, Q): ascending in Q, never negative.
    ``weights``: share of each model; ``masked_s``, ``missing_s``: bins of the history taken for an outage, or hardly
    recorded, by their start; ``notes``: what else should be known. ``table`` holds the quantiles at fixed levels.
    """

    series: str
    column: str
    start_s: float
    step_s: float
    quantiles: tuple[float, ...]
    values: Floats
    history_bins: int
    weights: Mapping[str, float]
    masked_s: tuple[float, ...]
    missing_s: tuple[float, ...]
    notes: tuple[str, ...]
    correction: Correction
    past_origins: int
    table: Floats = field(repr=False)

    @property
    def times_s(self) -> Floats:
        """Start of every bin (T,) [s on the clock of the series]."""
        return np.asarray(self.start_s + np.arange(self.table.shape[0], dtype=np.float64) * self.step_s)

    @property
    def end_s(self) -> float:
        """End of the last bin [s]."""
        return float(self.start_s + self.table.shape[0] * self.step_s)

    def quantile(self, level: float) -> Floats:
        """The quantile (T,) at any level from 0.001 to 0.999."""
        return quantiles_at(self.table, checked_levels([level]))[:, 0]

    def samples(self, n: int, seed: int = 0) -> Floats:
        """``n`` paths (n, T) of the load: each bin follows its quantiles, errors of one path belong together.

        A Gaussian copula: normal scores of correlation shared + (1 - shared) decay^d for bins d apart, both from the
        errors at past origins. More paths begin with the same ones.
        """
        if not 1 <= n <= MOST_SAMPLES:
            raise wrong(f"must be from 1 to {MOST_SAMPLES:,}, got {n}", "n")
        bins = self.table.shape[0]
        drawn = stream(seed, "forecast", "samples").standard_normal((n, bins + 1))
        level, fresh = drawn[:, :1], drawn[:, 1:]
        decay, shared = self.correction.decay, self.correction.shared
        path = np.empty((n, bins))
        path[:, 0] = fresh[:, 0]
        for k in range(1, bins):
            path[:, k] = decay * path[:, k - 1] + np.sqrt(1.0 - decay**2) * fresh[:, k]
        return at_scores(self.table, np.sqrt(shared) * level + np.sqrt(1.0 - shared) * path)

    def to_dict(self) -> dict[str, Any]:
        """All figures as plain values."""
        return {
            "series": self.series,
            "column": self.column,
            "start_s": self.start_s,
            "step_s": self.step_s,
            "quantiles": list(self.quantiles),
            "t_s": self.times_s.tolist(),
            "values": {named(level): self.values[:, place].tolist() for place, level in enumerate(self.quantiles)},
            "history_bins": self.history_bins,
            "past_origins": self.past_origins,
            "weights": dict(self.weights),
            "interval_factors": {"below": self.correction.below, "above": self.correction.above},
            "correlation": {"shared": self.correction.shared, "decay": self.correction.decay},
            "masked_s": list(self.masked_s),
            "missing_s": list(self.missing_s),
            "notes": list(self.notes),
        }

    def to_json(self) -> str:
        """The figures as JSON text."""
        return to_json(self.to_dict())

    def to_csv(self) -> str:
        """One row per bin: ``t_s`` and one column per quantile, such as ``q0.95``."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["t_s", *map(named, self.quantiles)])
        for start, row in zip(self.times_s.tolist(), self.values.tolist()):
            writer.writerow([f"{start:.15g}", *row])
        return out.getvalue()

    @property
    def frame(self) -> pd.DataFrame:
        """One row per bin: ``t_s`` and one column per quantile, such as ``q0.95``."""
        import pandas as pd

        return pd.DataFrame(
            {"t_s": self.times_s} | {named(level): self.values[:, place] for place, level in enumerate(self.quantiles)}
        )

    def _repr_html_(self) -> str:
        from simulator.results.html import html_page
        from simulator.results.shown_table import Column, block_of

        columns = [Column(named(level), named(level), "plain") for level in self.quantiles]
        rows = [
            {"bin": f"{start:g} s", **dict(zip(map(named, self.quantiles), row))}
            for start, row in zip(self.times_s.tolist(), self.values.tolist())
        ]
        lead = f"{self.series}, {self.column}: {len(rows)} bins of {self.step_s:g} s"
        return html_page(lead, [block_of("", [Column("from", "bin", "text"), *columns], rows)], self.notes)


def named(level: float) -> str:
    """Name of a column of quantiles.

    >>> named(0.95)
    'q0.95'
    """
    return f"q{level:.10g}"


def checked_levels(levels: Sequence[float]) -> Floats:
    """Levels in ascending order, each once; ScenarioError when one cannot be given."""
    found = np.unique(np.asarray(levels, dtype=np.float64))
    if not found.size:
        raise wrong("at least one level is needed, such as 0.95", "quantiles")
    bad = found[~((found >= LOWEST) & (found <= HIGHEST))]
    if bad.size:
        raise wrong(f"levels lie between {LOWEST:g} and {HIGHEST:g}, got {bad[0]:g}", "quantiles")
    return found


def quantiles_at(table: Floats, levels: Floats) -> Floats:
    """Quantiles (T, Q) at any levels (Q,), from those at fixed levels (T, L)."""
    from scipy.special import ndtri

    from simulator.workload.forecast.levels import TABLE

    columns = []
    for level in levels:
        known = np.flatnonzero(np.abs(TABLE - level) < 1e-12)
        exact = table[:, known[0]] if known.size else at_scores(table, np.full((1, table.shape[0]), ndtri(level)))[0]
        columns.append(exact)
    return np.maximum.accumulate(np.maximum(np.column_stack(columns), 0.0), axis=1)
