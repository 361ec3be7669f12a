"""Small convolution nets, named by their channels, strides and the size of the picture."""

from __future__ import annotations

import re

from simulator.calibration.measure.kinds.mlp import labels
from simulator.calibration.measure.network import Conv, Network
from simulator.calibration.measure.probe import Probe
from simulator.calibration.measure.request import Request, named, network_probes
from simulator.errors import Problem, ScenarioError

USUAL = ("conv=3-32-64s2-64-128s2-128@64x64",)
_SIZE = r"[1-9]\d{0,4}"
_SHAPE = re.compile(rf"(?P<first>{_SIZE})(?P<rest>(?:-{_SIZE}(?:s[1-9])?)+)@(?P<high>{_SIZE})(?:x(?P<wide>{_SIZE}))?")


def probes(request: Request) -> list[Probe]:
    """One probe for every net, variant and batch size."""
    networks = [conv(text, request.seed) for text in dict.fromkeys(request.shapes or USUAL)]
    return network_probes(request, networks, labels)


def conv(text: str, seed: int = 0) -> Network:
    """The net that ``[NAME=]C0-C1[sSTRIDE]-...@HEIGHT[xWIDTH]`` names: 3x3 convolutions, each with bias and ReLU.

    >>> [layer.stride for layer in conv("3-8-16s2@32").layers], conv("3-8-16s2@32x16").sample
    ([1, 2], (3, 32, 16))
    """
    name, shape = named(text.strip(), lambda shape: f"conv_{shape}")
    match = _SHAPE.fullmatch(shape)
    if match is None:
        message = f"must be [NAME=]CHANNELS-CHANNELS[sSTRIDE]-...@SIZE such as 3-32-64s2@64x64, got {text!r}"
        raise ScenarioError(Problem(message, path="--kind conv"))
    channels, layers = int(match["first"]), []
    for part in match["rest"].removeprefix("-").split("-"):
        outputs, _, stride = part.partition("s")
        layers.append(Conv(channels, int(outputs), stride=int(stride or 1)))
        channels = int(outputs)
    high, wide = int(match["high"]), int(match["wide"] or match["high"])
    return Network(name, (int(match["first"]), high, wide), tuple(layers), seed)
