"""Layer streaming: a model larger than the device, loaded layer by layer while the layers before compute.

Prior art: US11520592 and L2L (Pudipeddi et al., arXiv 2002.05645), PipeSwitch (OSDI 2020), FlexGen (ICML 2023). A group
of k microbatches runs in each visit of a layer. Seconds and bytes throughout. ``generation`` holds FlexGen's laws of
text generation over three tiers, ``architectures`` the layers of published networks.
"""

from __future__ import annotations

from simulator.costs.streaming.architectures import LayerShape, bert, inception_v3, resnet, streamed_layers
from simulator.costs.streaming.generation import (
    Generation,
    Placement,
    Tiers,
    Transformer,
    decode_layer_seconds,
    generation_seconds,
    prefill_layer_seconds,
    tokens_per_s,
)
from simulator.costs.streaming.group import MOST, SLACK, Choice, Curve, auto, curve, knees
from simulator.costs.streaming.law import StreamingLaw, equal_seconds
from simulator.costs.streaming.layers import Layer, grouped, layer_of, merged
from simulator.costs.streaming.link import DUPLEX, PAGEABLE, Link, stretched
from simulator.costs.streaming.memory import check_fits, device_bytes, largest_group, server_bytes
from simulator.costs.streaming.recurrence import Timeline, Visit, run
from simulator.costs.streaming.step import Step, Totals, moved_bytes, step, step_seconds, totals
from simulator.costs.streaming.streamed import Server, Streamed

__all__ = [
    "DUPLEX",
    "MOST",
    "PAGEABLE",
    "SLACK",
    "Choice",
    "Curve",
    "Generation",
    "Layer",
    "LayerShape",
    "Link",
    "Placement",
    "Server",
    "Step",
    "Streamed",
    "StreamingLaw",
    "Tiers",
    "Timeline",
    "Totals",
    "Transformer",
    "Visit",
    "auto",
    "bert",
    "check_fits",
    "curve",
    "decode_layer_seconds",
    "device_bytes",
    "equal_seconds",
    "generation_seconds",
    "grouped",
    "inception_v3",
    "knees",
    "largest_group",
    "layer_of",
    "merged",
    "moved_bytes",
    "prefill_layer_seconds",
    "resnet",
    "run",
    "server_bytes",
    "step",
    "step_seconds",
    "streamed_layers",
    "stretched",
    "tokens_per_s",
    "totals",
]
