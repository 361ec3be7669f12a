"""Section ``trainings``: what can be written, and what is refused with which words."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest

from simulator.costs.pipeline.schedules import SCHEDULES
from simulator.errors import ScenarioError
from simulator.scenario import loads
from simulator.scenario.fill import JobsFill, SameFill, ServicesFill
from simulator.scenario.training import ModelTimes, ScheduleName, StageTimes, Training

DOCUMENTED = """
pipeline: {schedule: 1f1b, stages: 8, microbatches: 24, chunks: 1, pool: a100}
times: {forward: 18.5ms, backward_input: 18.1ms, backward_weight: 9.3ms, transfer: 0.6ms}
fill: {jobs: [{name: trial-b, piece: 6ms, memory: 2GiB}], slowdown_budget: 1%}
"""
HEAD = """
version: 1
name: case
run: {duration: 1s}
cluster: {pools: {a100: {device: a100-40gb, count: 8}, other: {device: a100-40gb, count: 8, devices_per_replica: 4}}}
models: {m: {layers: [{name: l, repeat: 8, time: 1ms}]}}
trainings:
  t:
"""


def training(text: str = DOCUMENTED, more: str = "", **changes: Any) -> Training:
    """The training ``t`` of a scenario, after changes to its keys."""
    indented = "".join(f"    {line}\n" for line in text.strip().splitlines())
    sets = [f"trainings.t.{key.replace('__', '.')}={json.dumps(value)}" for key, value in changes.items()]
    return loads(HEAD + indented + more, sets=sets).trainings["t"]


def refused(more: str = "", **changes: Any) -> list[str]:
    """Problems of a training, as place and message."""
    with pytest.raises(ScenarioError) as caught:
        training(more=more, **changes)
    return [f"{problem.path}: {problem.message}" for problem in caught.value.problems]


def test_every_schedule_can_be_written() -> None:
    assert set(get_args(ScheduleName)) == set(SCHEDULES)
    for name in SCHEDULES:
        assert training(pipeline__schedule=name, pipeline__chunks=None).pipeline.schedule_name == name


def test_the_documented_example() -> None:
    found = training()
    assert isinstance(found.times, StageTimes)
    assert (found.times.forward, found.times.transfer, found.times.all_reduce) == (0.0185, 0.0006, 0.0)
    assert (found.iterations, found.pipeline.replicas, found.pipeline.overlap) == (4, 1, True)
    assert found.jitter.distribution == "deterministic"
    assert isinstance(found.fill, JobsFill)
    fill = found.fill
    assert (fill.policy, fill.switch, fill.margin, fill.band, fill.slowdown_budget) == ("best_fit", 0, 0, 0.1, 0.01)
    (job,) = fill.jobs
    assert not isinstance(job, str)
    assert (job.name, job.piece, job.memory, job.pieces) == ("trial-b", 0.006, 2**31, None)


def test_1f1b_with_chunks_is_interleaved() -> None:
    assert training(pipeline__chunks=2).pipeline.schedule_name == "interleaved-1f1b"
    assert training(pipeline__chunks=1).pipeline.schedule_name == "1f1b"
    assert training(pipeline__chunks=2, pipeline__schedule="zb-v").pipeline.schedule_name == "zb-v"


def test_times_are_single_or_listed() -> None:
    found = training(times__forward=[f"{n}ms" for n in range(1, 9)], times__optimizer=["1ms"] * 8)
    assert isinstance(found.times, StageTimes)
    assert found.times.forward == tuple(n / 1000 for n in range(1, 9))
    assert training(times={"model": "m", "microbatch": 4}).times == ModelTimes(model="m", microbatch=4)


def test_other_fills() -> None:
    same = training(fill={"same": True, "microbatches": 7, "barrier": False, "policy": "first_fit"}).fill
    assert same == SameFill(same=True, microbatches=7, barrier=False, policy="first_fit")
    job = {"name": "b", "model": "m", "batch": 8, "memory": "1GB", "pieces": 100, "deadline": "1h"}
    jobs = training(fill={"jobs": [job, "known"], "switch": "2ms", "margin": "5%"}).fill
    assert isinstance(jobs, JobsFill)
    assert jobs.jobs[1] == "known"
    service = "services: {s: {model: m, workload: {process: poisson, rate: 1/s},"
    service += " deployment: {portions: [{layers: 1-8, pool: a100, replicas: 8}]}}}"
    inside = training(more=service, fill={"services": ["s"]}).fill
    assert isinstance(inside, ServicesFill), "a service in the windows needs no devices of its own"


@pytest.mark.parametrize(
    ("changes", "path", "words"),
    [
        ({"pipeline__schedule": "2f2b"}, "pipeline.schedule", "must be one of gpipe, 1f1b"),
        ({"pipeline__order": "a.csv"}, "pipeline.order", "goes not with `schedule`"),
        ({"pipeline__pool": "b100"}, "pipeline.pool", "unknown pool 'b100', did you mean 'a100'?"),
        ({"pipeline__stages": 9}, "pipeline.stages", "needs a device per stage, pool 'a100' has 8"),
        ({"pipeline__replicas": 2}, "pipeline.replicas", "needs 16 devices, one per stage and copy"),
        ({"pipeline__pool": "other"}, "pipeline.stages", "needs a device per stage (4 per stage), pool 'other' has 8"),
        ({"times": {"forward": "1ms"}}, "times", "`backward_input` is missing"),
        ({"times__forward": {"a": 1}}, "times.forward", "must be a duration such as 5ms, or a list of one per stage"),
        ({"times__forward": []}, "times.forward", "must not be empty"),
        ({"times__forward": "0s"}, "times.forward", "must be greater than 0"),
        ({"times__forward": ["1ms", 3]}, "times.forward.1", "unit"),
        ({"times": {"model": "n", "microbatch": 1}}, "times.model", "unknown model 'n'"),
        ({"times": {"model": "m", "microbatch": 0}}, "times.microbatch", "must be at least 1"),
        ({"jitter": {"distribution": "lognormal"}}, "jitter", "cv"),
        ({"iterations": 0}, "iterations", "must be at least 1"),
        ({"fill__policy": "worst_fit"}, "fill.policy", "must be one of first_fit, best_fit"),
        ({"fill__margin": "100%"}, "fill.margin", "must be less than 1 (100%)"),
        ({"fill": {"jobs": []}}, "fill.jobs", "must not be empty"),
        ({"fill": {"jobs": ["a", "a"]}}, "fill.jobs.1", "two jobs are called 'a'"),
        ({"fill": {"jobs": [{"name": "a", "memory": "1GB"}]}}, "fill.jobs.0", "either `piece` or `model` and `batch`"),
        (
            {"fill": {"jobs": [{"name": "a", "memory": "1GB", "model": "m"}]}},
            "fill.jobs.0",
            "must say `model` and `batch` together",
        ),
        (
            {"fill": {"jobs": [{"name": "a", "memory": "1GB", "model": "n", "batch": 1}]}},
            "fill.jobs.0.model",
            "unknown model 'n'",
        ),
        (
            {"fill": {"jobs": [{"name": "a", "memory": "1GB", "piece": "1s", "deadline": "1h"}]}},
            "fill.jobs.0.deadline",
            "needs `pieces`",
        ),
        ({"fill": {"services": ["s"]}}, "fill.services.0", "unknown service 's' (there is none)"),
        ({"fill": {"slowdown_budget": "1%"}}, "fill", "{services: [...]}"),
    ],
)
def test_mistakes_are_told_at_their_key(changes: Any, path: str, words: str) -> None:
    assert any(text.startswith(f"trainings.t.{path}: ") and words in text for text in refused(**changes))


def test_trainings_and_services_share_a_pool() -> None:
    """Each alone fits; together they do not."""
    second = """
  u:
    pipeline: {stages: 1, microbatches: 1, pool: a100}
    times: {forward: 1ms, backward_input: 1ms}
"""
    (found,) = refused(more=second)
    assert found == "trainings.u.pipeline.pool: needs, with other trainings and services, 9 devices, pool 'a100' has 8"
    service = "services: {s: {model: m, workload: {process: poisson, rate: 1/s},"
    service += " deployment: {portions: [{layers: 1-8, pool: a100, replicas: 1}]}}}"
    (found,) = refused(more=service)
    assert found == "trainings.t.pipeline.pool: needs, with other trainings and services, 9 devices, pool 'a100' has 8"
