"""What a simulation answers: figures, frames and facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from typing import TYPE_CHECKING

from simulator.errors import InternalError, Problem, ScenarioError
from simulator.results import sketch, strictjson
from simulator.results.cohort import Json
from simulator.results.combine import combine
from simulator.results.jobs import Jobs, with_uses
from simulator.results.metrics import metrics as metrics_of
from simulator.results.record import PoolInfo, RunFrame, RunRecord
from simulator.results.units import below, stated
from simulator.version import __version__

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Miss:
    """A stated objective that was not met: ``attainment`` reached against ``target`` asked (shares)."""

    service: str
    class_name: str | None
    attainment: float
    target: float
    slo_s: float | None = None
    """Latency that they have to meet [s]; None where the classes of the service have several."""

    def __str__(self) -> str:
        who = self.service if self.class_name is None else f"{self.service}, class {self.class_name}"
        slo = "their objective" if self.slo_s is None else stated(self.slo_s, "seconds")
        reached, asked = below(self.attainment, self.target), stated(self.target, "share")
        return f"{who}: {reached} of requests meet {slo}, {asked} asked"


class Result:
    """The outcome of one scenario, over one or several replications.

    ``to_dict()`` and ``to_json()`` give the figures; ``requests``, ``batches``, ``portions`` and ``timeline``
    are tidy pandas frames with one row per request, batch, portion and time bin of each replication;
    ``records`` are the arrays that exact figures are computed from. A run that kept no tables has its figures and
    ``portions`` alone; ``runs`` tell of every replication what is known either way.
    """

    def __init__(
        self,
        figures: Json,
        runs: tuple[RunFrame, ...],
        metrics: tuple[Json, ...],
        jobs: Mapping[str, Jobs] | None = None,
    ) -> None:
        self._figures = figures
        self.runs = runs
        self.metrics = metrics
        self.jobs = dict(jobs or {})
        """Runs of the trainings and streams, by section; ``jobs["trainings"].runs[0]["pretrain"]`` is one."""

    @classmethod
    def build(
        cls,
        scenario_name: str,
        seed: int,
        engine: str,
        reason: str,
        records: Sequence[RunFrame],
        *,
        metrics: Sequence[Json] | None = None,
        scenario_hash: str | None = None,
        variants: Sequence[str] = (),
        overrides: Sequence[str] = (),
        warnings: Sequence[str] = (),
        jobs: Mapping[str, Jobs] | None = None,
        pools: Sequence[PoolInfo] = (),
    ) -> Result:
        """Combine replications into a result; ``metrics`` saves computing them again where they are known.

        ``records`` without tables (each a :class:`RunFrame` and no more) need their ``metrics``, whose quantiles
        are then taken to come from sketches. ``reason`` says why ``engine`` ran; ``scenario_hash`` is the SHA-256 of
        the scenario's text. Warnings of the records follow ``warnings``, each said once. ``jobs`` are the runs of
        trainings and streams, ``pools`` those whose devices they hold.
        """
        tables = _with_tables(records)
        if metrics is None and tables is None:
            raise InternalError("figures of a run without tables have to be given, they cannot be computed")
        found = tuple(metrics_of(record) for record in tables or ()) if metrics is None else tuple(metrics)
        jobs = jobs or {}
        spoken = [*warnings, *(text for record in records for text in record.warnings)]
        spoken += [text for section in jobs.values() for text in section.warnings()]
        combined = combine(found) if found else {"services": {}, "pools": {}}
        if jobs:
            uses = [use for section in jobs.values() for use in section.uses()]
            combined["pools"] = with_uses(combined["pools"], pools, uses)
        figures: Json = {
            "scenario": scenario_name,
            "seed": seed,
            "engine": engine,
            "engine_reason": reason,
            "quantiles": "sketch" if tables is None else "exact",
            "quantile_error": sketch.RELATIVE_ERROR if tables is None else 0.0,
            "version": __version__,
            "replications": len(records) or max((len(section.runs) for section in jobs.values()), default=0),
            "variants": list(variants),
            "overrides": list(overrides),
            "scenario_hash": scenario_hash,
            "warnings": list(dict.fromkeys(spoken)),
            "services": combined["services"],
            **{name: jobs[name].figures() if name in jobs else {} for name in ("trainings", "streams")},
            "pools": combined["pools"],
        }
        return cls(strictjson.plain(figures), tuple(records), found, jobs)

    def to_dict(self) -> Json:
        """The figures as one tree of plain Python values; the caller may change it."""
        return deepcopy(self._figures)

    def to_json(self) -> str:
        """The figures as strict JSON text; the same bytes for the same scenario and seed."""
        return strictjson.to_json(self._figures)

    def misses(self) -> list[Miss]:
        """Stated objectives that were not met, by service and named class.

        The share asked is the class's, else the service's ``attainment``; where only a latency is stated,
        every request has to meet it.
        """
        found = []
        for info in self.runs[0].services if self.runs else ():
            figures = self._figures["services"][info.name]
            slos = {item.slo_s for item in info.classes if isfinite(item.slo_s)}
            slo_s = slos.pop() if len(slos) == 1 else None
            asked: list[tuple[str | None, Json, float | None, float | None]] = [
                (None, figures, info.attainment_target, slo_s)
            ]
            for item in info.classes if info.named_classes else ():
                target = info.attainment_target if item.attainment_target is None else item.attainment_target
                asked.append((item.name, figures["classes"][item.name], target, item.slo_s))
            for name, tree, target, slo_s in asked:
                target = 1.0 if target is None else target
                reached = tree["attainment"]
                if reached is not None and reached < target:
                    found.append(Miss(info.name, name, reached, target, slo_s))
        return found

    @property
    def records(self) -> tuple[RunRecord, ...]:
        """The tables of every replication; ScenarioError where none were kept."""
        tables = _with_tables(self.runs)
        if tables is None:
            scenario = self._figures["scenario"]
            message = f"this run of {scenario!r} kept no tables: ask for them with simulate(..., tables=True)"
            raise ScenarioError(Problem(message))
        return tables

    @cached_property
    def requests(self) -> pd.DataFrame:
        """One row per request."""
        from simulator.results import frames

        return frames.requests(self.records)

    @cached_property
    def batches(self) -> pd.DataFrame:
        """One row per started batch."""
        from simulator.results import frames

        return frames.batches(self.records)

    @cached_property
    def portions(self) -> pd.DataFrame:
        """One row per portion."""
        from simulator.results import frames

        return frames.portions(self.metrics)

    @cached_property
    def timeline(self) -> pd.DataFrame:
        """One row per service and time bin."""
        from simulator.results import frames

        return frames.timeline(self.records)

    @cached_property
    def trainings(self) -> pd.DataFrame:
        """One row per op of every training and replication."""
        return self._job_frame("trainings", "training")

    @cached_property
    def streams(self) -> pd.DataFrame:
        """One row per load, computation and return of every stream and replication."""
        return self._job_frame("streams", "stream")

    def _job_frame(self, section: str, title: str) -> pd.DataFrame:
        import pandas as pd

        found = []
        for replication, runs in enumerate(self.jobs[section].runs if section in self.jobs else ()):
            for name, run in runs.items():
                frame = run.timeline.copy()
                frame.insert(0, title, name)
                frame.insert(0, "replication", replication)
                found.append(frame)
        return pd.concat(found, ignore_index=True) if found else pd.DataFrame()

    def __repr__(self) -> str:
        figures = self._figures
        runs = figures["replications"]
        return f"<Result {figures['scenario']!r}, seed {figures['seed']}, {runs} replications>"

    def _repr_html_(self) -> str:
        from simulator.results.html import html_table

        return html_table(self._figures)


def _with_tables(runs: Sequence[RunFrame]) -> tuple[RunRecord, ...] | None:
    """The runs as records, or None where one of them has no tables."""
    records = tuple(run for run in runs if isinstance(run, RunRecord))
    return records if len(records) == len(runs) else None
