"""A training of a scenario as a question of which pipeline to take: its stages for any cut and microbatch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from simulator.cluster.lower.hardware import Hardware, pools_of
from simulator.cluster.lower.layers import ModelCosts, placed
from simulator.cluster.training.stagetimes import balanced, spread, times_and_weights
from simulator.costs.pipeline import SCHEDULES, Ending, Memory, Schedule, Times, load_csv, make, memory_of, times_of
from simulator.costs.pipeline.times import Floats
from simulator.errors import Problem, ScenarioError
from simulator.planner.pipeline.resample import between, parts_of
from simulator.planner.pipeline.whose import chosen_training
from simulator.scenario import Scenario
from simulator.scenario.training import ModelTimes, StageTimes, Training

Bounds = tuple[int, ...]
"""Where stages begin and the last one ends: stage k has the layers ``bounds[k]`` to ``bounds[k + 1]``, exclusive."""


@dataclass(frozen=True, eq=False)
class Stages:
    """A model cut into virtual stages: times, memory (None: unknown), and what each holds all the time [bytes].

    ``bounds`` are the layers of each stage; None where times were written and not derived from layers.
    """

    times: Times
    ending: Ending
    memory: Memory | None
    weights: Floats
    bounds: Bounds | None

    def held(self, schedule: Schedule) -> Floats:
        """What each rank holds all the time (ranks,) [bytes]: twice the model where it is there in two directions."""
        return np.array([self.weights[[stage for _, stage in held]].sum() for held in schedule.held])


@dataclass(frozen=True, eq=False)
class Layers:
    """Every layer of a model as a stage of its own, for one size of microbatch."""

    times: Times
    ending: Ending
    weights: Floats
    warnings: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class PipelineCase:
    """One training and what is fixed about it.

    ``ranks`` stages of the pipeline; ``microbatches`` and ``batch`` (samples of a microbatch, None: not said) as
    written: their product stays. ``limit`` of the activations on a rank, in bytes, or in microbatches of one stage
    where no sizes are known; None: only the devices' ``capacity`` [bytes] counts.
    """

    scenario: Scenario
    name: str
    training: Training
    pool: Hardware
    limit: float | None
    _layers: dict[int, Layers] = field(default_factory=dict)

    @property
    def ranks(self) -> int:
        """Stages (devices) of the pipeline."""
        return self.training.pipeline.stages

    @property
    def microbatches(self) -> int:
        """Microbatches of an iteration, as written."""
        return self.training.pipeline.microbatches

    @property
    def batch(self) -> int | None:
        """Samples of a microbatch, as written."""
        return self.training.times.microbatch if isinstance(self.training.times, ModelTimes) else None

    @property
    def copies(self) -> int:
        """Data-parallel copies of the pipeline."""
        return self.training.pipeline.replicas

    @property
    def capacity(self) -> float:
        """Memory of the devices of one rank [bytes]."""
        return self.pool.memory_bytes * self.pool.pool.devices_per_replica

    @property
    def sized(self) -> bool:
        """Whether activations are known in bytes."""
        return self.training.memory is not None

    @property
    def largest_stage(self) -> float:
        """Activations of one microbatch, as written, on the largest stage [bytes]; 1 where no sizes are known."""
        stages = self.stages(self.ranks)
        return 1.0 if stages.memory is None else float(stages.memory.activation.max())

    @cached_property
    def inference(self) -> bool:
        """Whether nothing runs backward."""
        times = self.training.times
        return isinstance(times, StageTimes) and times.backward_input is None

    @cached_property
    def layer_count(self) -> int | None:
        """Layers of the model; None where times were written."""
        if not isinstance(self.training.times, ModelTimes):
            return None
        return len(self.of_layers(self.training.times.microbatch).weights)

    def limited(self, limit: float | None) -> PipelineCase:
        """The case under another limit of the activations on a rank; None: the same."""
        return self if limit is None else replace(self, limit=limit)

    def warnings(self) -> tuple[str, ...]:
        """What is to be known about the times."""
        batch = self.batch
        return () if batch is None else self.of_layers(batch).warnings

    def samples(self, microbatches: int) -> int | None:
        """Samples of a microbatch where an iteration has so many; None: not said, or the batch cannot be cut so."""
        whole = None if self.batch is None else self.batch * self.microbatches
        return whole // microbatches if whole is not None and whole % microbatches == 0 else None

    def stages(self, count: int, microbatches: int | None = None, bounds: Bounds | None = None) -> Stages:
        """The model in so many virtual stages, for microbatches of which an iteration has so many.

        A model is cut at ``bounds``, or so that its slowest stage is as fast as can be. Written times are cut as evenly
        as can be: what is given for one stage is shared among those that take its place. Times and activations of
        another microbatch follow from the model, or are proportional to its size.
        """
        number = self.microbatches if microbatches is None else microbatches
        size = self.microbatches / number
        if self.layer_count is None:
            return self._written(count, size)
        return self._cut(count, number, size, bounds)

    def schedule(self, name: str, microbatches: int, chunks: int | None, stages: Stages | None = None) -> Schedule:
        """The schedule; ``stages``, where it depends on them, within the limit and what the devices leave."""
        if stages is None or not SCHEDULES[name].timed:
            return make(name, self.ranks, microbatches, chunks)
        return make(
            name,
            self.ranks,
            microbatches,
            chunks,
            times=stages.times,
            memory=stages.memory,
            limit=self.search_limit(name, stages),
        )

    def search_limit(self, name: str, stages: Stages) -> float | None:
        """What a searched schedule may hold on a rank; None: what is usual for its name."""
        if stages.memory is None:
            return self.limit
        room = self.capacity - float(stages.weights.max())
        if self.limit is not None:
            return min(self.limit, room)
        usual = (2.0 if name == "zb-2p" else 1.0) * self.ranks * float(stages.memory.activation.max())
        return room if room < usual else None

    def order(self) -> Schedule | None:
        """The order of ops that a file of the scenario gives; None: there is none."""
        pipeline = self.training.pipeline
        if pipeline.order is None:
            return None
        try:
            found = load_csv(self.scenario.source.file(pipeline.order))
        except ScenarioError as error:
            raise placed(self.scenario, ("trainings", self.name, "pipeline", "order"), error) from None
        shape = {"stages": found.ranks, "microbatches": found.microbatches}
        for key, count in shape.items():
            if getattr(pipeline, key) != count:
                message = f"must be {count}, as the order in {pipeline.order} has it, got {getattr(pipeline, key)}"
                problem = self.scenario.source.problem(("trainings", self.name, "pipeline", key), message)
                raise ScenarioError(problem)
        return found

    def _written(self, count: int, size: float) -> Stages:
        times = self.training.times
        assert isinstance(times, StageTimes)
        here = ("trainings", self.name, "times")

        def each(key: str) -> Floats:
            value = getattr(times, key)
            return size * parts_of(self.scenario, (*here, key), 0.0 if value is None else value, count, self.ranks)

        def links(key: str) -> Floats:
            value = getattr(times, key)
            if isinstance(value, Sequence) and (len(value) + 1) % self.ranks:
                spread(self.scenario, (*here, key), value, self.ranks - 1, "boundary between two stages")  # refuses it
            return size * between(value, count)

        found = times_of(
            count,
            each("forward"),
            each("backward_input"),
            each("backward_weight"),
            links("transfer"),
            None if times.transfer_back is None else links("transfer_back"),
            fused=times.fused,
            overlap=self.training.pipeline.overlap,
        )
        ending = Ending(self._ending("all_reduce"), self._ending("optimizer"), self.training.synchronous)
        return Stages(found, ending, self._memory(count, size), self._weights(count, np.zeros(count)), None)

    def _ending(self, key: str) -> Floats:
        value = getattr(self.training.times, key)
        return spread(self.scenario, ("trainings", self.name, "times", key), value, self.ranks, "stage")

    def _cut(self, count: int, microbatches: int, size: float, bounds: Bounds | None) -> Stages:
        written = self.training.times
        assert isinstance(written, ModelTimes)
        batch = self.samples(microbatches)
        if batch is None:
            whole = written.microbatch * self.microbatches
            raise ScenarioError(Problem(f"{whole} samples cannot be cut into {microbatches} equal microbatches"))
        layers = self.of_layers(batch)
        seconds = layers.times.forward.tolist()
        if count > len(seconds):
            raise ScenarioError(Problem(f"{len(seconds)} layers cannot be cut into {count} stages"))
        cut = tuple(balanced(seconds, count)) if bounds is None else bounds
        forward = np.array([sum(seconds[a:b]) for a, b in pairwise(cut)])
        half = forward * (written.backward / 2.0)
        transfer = layers.times.transfer[[end - 1 for end in cut[1:-1]]]
        times = times_of(count, forward, half, half, transfer, overlap=self.training.pipeline.overlap)
        weights = np.array([sum(layers.weights[a:b].tolist()) for a, b in pairwise(cut)])
        return Stages(times, layers.ending, self._memory(count, size), self._weights(count, weights), cut)

    def of_layers(self, batch: int) -> Layers:
        """The model with every layer a stage of its own, for so many samples: the costs that the simulation takes."""
        if batch not in self._layers:
            written = self.training.times
            assert isinstance(written, ModelTimes)
            count = len(ModelCosts(self.scenario, written.model, self.scenario.models[written.model]).layers)
            times = written.model_copy(update={"microbatch": batch})
            training = self.training.model_copy(update={"times": times})
            scenario = self.scenario.model_copy(update={"trainings": {self.name: training}})
            self._layers[batch] = Layers(*times_and_weights(scenario, self.name, self.pool, count))
        return self._layers[batch]

    def _memory(self, count: int, size: float) -> Memory | None:
        written = self.training.memory
        if written is None:
            return None
        here = ("trainings", self.name, "memory")
        found = [
            size * parts_of(self.scenario, (*here, key), getattr(written, key), count, self.ranks)
            for key in ("activation", "kept")
        ]
        if (found[1] > found[0]).any():
            message = "must be at most `activation` on every stage"
            raise ScenarioError(self.scenario.source.problem((*here, "kept"), message))
        return memory_of(count, *found)

    def _weights(self, count: int, derived: Floats) -> Floats:
        written = self.training.memory
        if written is None or written.weights is None:
            return derived
        place = ("trainings", self.name, "memory", "weights")
        return parts_of(self.scenario, place, written.weights, count, self.ranks)


def pipeline_case(scenario: Scenario, name: str | None = None, limit: float | None = None) -> PipelineCase:
    """The case of a training; left out, of the only one. ``limit`` replaces ``memory.limit`` of the training [bytes,
    or microbatches of one stage where it has no ``memory``]. ScenarioError, with its place, for what cannot be used."""
    chosen = chosen_training(scenario, name)
    training = scenario.trainings[chosen]
    own = None if training.memory is None else training.memory.limit
    pool = pools_of(scenario)[training.pipeline.pool]
    case = PipelineCase(scenario, chosen, training, pool, own if limit is None else limit)
    case.stages(case.ranks)  # what the scenario says wrongly is refused here; what goes wrong later is a row
    return case


def schedules_of(case: PipelineCase) -> Sequence[str]:
    """The schedules that can serve a case: those with backward passes, or only those without."""
    return [name for name, entry in SCHEDULES.items() if entry.forward_only == case.inference]
