"""What a comparison answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.planner.compare.difference import Difference
from simulator.results import strictjson
from simulator.results.cohort import Json
from simulator.version import __version__

if TYPE_CHECKING:
    import pandas as pd

Entries = Mapping[str, Mapping[str, Difference]]
"""Differences by name of the service, training or stream, and figure."""


@dataclass(frozen=True)
class Pair:
    """One side against the first."""

    a: str
    b: str
    paired: bool
    """Whether replications were compared one by one."""
    count_a: int
    count_b: int
    sections: Mapping[str, Entries]
    """Differences of ``services``, ``trainings`` and ``streams``."""
    alone: tuple[str, ...]
    """What only one of them has."""

    def entries(self) -> Iterator[tuple[str, str, Mapping[str, Difference]]]:
        """Section, name and differences of all that both have."""
        for section, entries in self.sections.items():
            for name, figures in entries.items():
                yield section, name, figures

    def to_dict(self) -> Json:
        """The differences as plain values."""
        found: Json = {
            "a": self.a,
            "b": self.b,
            "paired": self.paired,
            "replications": [self.count_a, self.count_b],
            "alone": list(self.alone),
        }
        for section, entries in self.sections.items():
            found[section] = {
                name: {metric: _told(one) for metric, one in figures.items()} for name, figures in entries.items()
            }
        return found


@dataclass(frozen=True)
class Comparison:
    """How others differ from the first: ``pairs`` in the order in which they were given."""

    sides: tuple[Json, ...]
    """Of each: its name, kind, scenario, seed, engine and replications."""
    pairs: tuple[Pair, ...]
    notes: tuple[str, ...] = ()

    @property
    def frame(self) -> pd.DataFrame:
        """One row for each pair, service (or training, or stream) and figure."""
        import pandas as pd

        rows = [
            {
                "a": pair.a,
                "b": pair.b,
                "section": section,
                "name": name,
                "metric": metric,
                "value_a": one.a,
                "value_b": one.b,
                "difference": one.difference,
                "lo": one.low,
                "hi": one.high,
                "relative": one.relative,
                "pairs": one.count,
            }
            for pair in self.pairs
            for section, name, figures in pair.entries()
            for metric, one in figures.items()
        ]
        return pd.DataFrame(rows)

    def to_dict(self) -> Json:
        """The comparison as plain values."""
        found: Json = strictjson.plain(
            {
                "version": __version__,
                "sides": list(self.sides),
                "comparisons": [pair.to_dict() for pair in self.pairs],
                "notes": list(self.notes),
            }
        )
        return found

    def to_json(self) -> str:
        """The comparison as strict JSON text."""
        return strictjson.to_json(self.to_dict())

    def to_csv(self) -> str:
        """The differences as CSV text."""
        return self.frame.to_csv(index=False, lineterminator="\n")

    def _repr_html_(self) -> str:
        from simulator.planner.compare.shown import comparison_html

        return comparison_html(self)


def _told(one: Difference) -> Json:
    return {
        "a": one.a,
        "b": one.b,
        "difference": one.difference,
        "ci95": None if one.low is None else [one.low, one.high],
        "relative": one.relative,
        "pairs": one.count,
    }
