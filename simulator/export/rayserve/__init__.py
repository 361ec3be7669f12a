"""Ray Serve: an application for every service, its settings in ``user_config``, and the module that applies them."""

from __future__ import annotations

from simulator.export.features import KEPT, Feature, Verdict
from simulator.export.rayserve.check import problems, read
from simulator.export.rayserve.render import render
from simulator.export.target import Target

RAY_SERVE = Target(
    name="ray-serve",
    title="Ray Serve",
    routing="two_choices",
    queueing=(
        "Every replica has a queue of its own, and a request goes to the shorter of two queues chosen at random (power "
        "of two choices)."
    ),
    render=render,
    problems=problems,
    read=read,
    needs=("ray.serve",),
    verdicts={
        Feature.ROUTER: Verdict("refused", "the chain asks one portion after another: deploy without the router"),
        Feature.TWIN: Verdict("refused", "the chain asks one network: deploy without the twin"),
        Feature.STREAMED: Verdict("refused", "a replica loads its whole portion: use `weights: resident`"),
        Feature.STREAMED_START: Verdict("noted", "replicas are ready when all weights are loaded"),
        Feature.SERIAL: Verdict("refused", "a replica runs one portion: use `execution: parallel`"),
        Feature.COMPACT: Verdict("noted", "the model file has to shrink its batch (user_config: ramps, exit_rule)"),
        Feature.ANSWER_EARLY: Verdict("refused", "the chain stops at an answer: use `exit_mode: at_cut` or compact"),
        Feature.PATIENCE: Verdict("refused", "the chain tests one ramp: use a rule of confidence or entropy"),
        Feature.SHARES: Verdict(
            "noted",
            "set measure and threshold in `user_config.leave` of every portion with exits: "
            "without them a replica refuses to start",
        ),
        Feature.KINDS: Verdict("refused", "a deployment has one batch size and wait: use one kind per portion"),
        Feature.POOLS: Verdict("refused", "a deployment has one kind of node: use one pool per portion"),
        Feature.MIXED_PRECISION: Verdict("noted", "the model file has to hold it (user_config.precision)"),
        Feature.SEVERAL_DEVICES: KEPT,
        Feature.CLASSES: Verdict("lost", "queues serve in order of arrival"),
        Feature.CAPACITY: Verdict("lost", "queues have no bound"),
        Feature.DROP: Verdict("lost", "late requests are served"),
        Feature.FAULTS: Verdict(
            "noted", "failed replicas are started anew; retries of their requests are the caller's"
        ),
        Feature.AUTOSCALE: Verdict("lost", "replicas stay at the number with which the plan starts"),
        Feature.FILL: Verdict("refused", "it has no devices of its own: export a plan without the training"),
        Feature.OTHERS: Verdict("noted", "they are not exported, only services are"),
    },
)
