"""Trainings whose pipelines are compared and searched."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from simulator.planner.pipeline import PipelineCase, pipeline_case
from tests.cluster.training.made import node, scenario
from tests.support import Node

TIMES: Node = {"forward": "18.5ms", "backward_input": "18.1ms", "backward_weight": "9.3ms", "transfer": "0.6ms"}
MEMORY: Node = {"activation": "2GB", "kept": "1.2GB", "weights": "10GB"}


def written(pipeline: Node | None = None, times: Node | None = None, **more: Any) -> Node:
    """A training of four stages and eight microbatches whose times are written."""
    return deepcopy(node(pipeline, times or TIMES, **{"memory": MEMORY, **more}))


def of_model(pipeline: Node | None = None, layers: int = 24, microbatch: int = 4, **more: Any) -> Node:
    """A training of a model whose last layer takes longer and weighs more than the others."""
    block = {"time": {"overhead": "1ms", "per_item": "2ms"}, "weights": "100MB", "output": "10MB"}
    head = {"time": {"overhead": "1ms", "per_item": "5ms"}, "weights": "1GB", "output": "1MB"}
    model = {"layers": [{"name": "block", "repeat": layers - 1, **block}, {"name": "head", **head}]}
    network = {"bandwidth": "100GB/s", "latency": "10us"}
    memory = more.pop("memory", {"activation": "2GB", "kept": "1GB"})
    times = {"model": "m", "microbatch": microbatch}
    return node(pipeline, times, memory=memory, models={"m": model}, network=network, **more)


def case(tree: Node | None = None, limit: float | None = None) -> PipelineCase:
    """The case of a tree."""
    return pipeline_case(scenario(written() if tree is None else tree), limit=limit)
