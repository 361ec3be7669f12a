"""Triton: a model repository for every window, one model per portion, and a chain that calls them."""

from __future__ import annotations

from simulator.export.features import KEPT, Feature, Verdict
from simulator.export.target import Target
from simulator.export.triton.check import problems
from simulator.export.triton.read import read
from simulator.export.triton.render import render

TRITON = Target(
    name="triton",
    title="Triton",
    routing="shared",
    queueing=(
        "Every model has one queue, shared by its instances on one server. Several servers behind a balancer would "
        "each have a queue of their own: then take the figures of `--to kubernetes`."
    ),
    render=render,
    problems=problems,
    read=read,
    needs=("tritonclient", "google.protobuf"),
    verdicts={
        Feature.ROUTER: Verdict("refused", "the chain asks one portion after another: deploy without the router"),
        Feature.TWIN: Verdict("refused", "the chain asks one network: deploy without the twin"),
        Feature.STREAMED: Verdict("refused", "backends load whole models: use `weights: resident`"),
        Feature.STREAMED_START: Verdict("noted", "instances are ready when all weights are loaded"),
        Feature.SERIAL: Verdict("refused", "a model instance runs one portion: use `execution: parallel`"),
        Feature.COMPACT: Verdict("noted", "the model file has to shrink its batch (parameters ramps, exit_rule)"),
        Feature.ANSWER_EARLY: Verdict("refused", "the chain stops at an answer: use `exit_mode: at_cut` or compact"),
        Feature.PATIENCE: Verdict("refused", "the chain tests one ramp: use a rule of confidence or entropy"),
        Feature.SHARES: Verdict(
            "noted",
            "set measure and threshold in the parameter `portions` of the chain: without them it refuses to load",
        ),
        Feature.MIXED_PRECISION: Verdict("noted", "the model file has to hold it (parameter precision)"),
        Feature.SEVERAL_DEVICES: Verdict(
            "noted", "the instances are KIND_MODEL; set a `backend` that spreads a model over devices"
        ),
        Feature.CLASSES: Verdict("lost", "queues serve in order of arrival"),
        Feature.CAPACITY: KEPT,
        Feature.DROP: Verdict("lost", "late requests are served"),
        Feature.FAULTS: Verdict("noted", "a failed server is restarted whole; retries are the caller's"),
        Feature.AUTOSCALE: Verdict("lost", "instances stay at the number with which the plan starts"),
        Feature.KINDS: Verdict("refused", "a model has one batch size, wait and file: use one kind per portion"),
        Feature.POOLS: KEPT,
        Feature.FILL: Verdict("refused", "it has no devices of its own: export a plan without the training"),
        Feature.OTHERS: Verdict("noted", "they are not exported, only services are"),
    },
)
