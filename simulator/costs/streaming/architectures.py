"""Parameters and multiply-adds of the layers of published networks, made from their definitions.

A layer here is what has parameters: a convolution, a normalization, a matrix product, an embedding. Sources: ResNet
(He et al., CVPR 2016, table 1; the stride of a bottleneck on its 3 x 3 convolution, as in torchvision), Inception v3
(Szegedy et al., CVPR 2016, with the blocks of torchvision), BERT (Devlin et al., NAACL 2019). The totals are the
published ones: 60 192 808, 23 834 568 (27 161 264 with the auxiliary classifier) and 109 482 240 parameters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from simulator.costs.streaming.layers import Layer


@dataclass(frozen=True, slots=True)
class LayerShape:
    """One layer: its ``block`` (a stage of the network), parameters, other stored values, multiply-adds of one item.

    ``stored`` are values that are loaded but not trained: running means and variances.
    """

    name: str
    block: str
    parameters: int
    stored: int
    macs: float


def streamed_layers(shapes: Sequence[LayerShape], compute_s: float, *, value_bytes: float = 4.0) -> tuple[Layer, ...]:
    """Layers for inference, with the time of the whole network divided by multiply-adds.

    ``compute_s``: time of one pass through all layers [s]; ``value_bytes``: bytes of a value (fp32: 4).

    >>> layers = streamed_layers(bert(), 0.040)
    >>> round(sum(layer.weight_bytes for layer in layers) / 1e6, 1), round(sum(one.forward_s for one in layers), 6)
    (437.9, 0.04)
    """
    total = sum(shape.macs for shape in shapes)
    return tuple(
        Layer(
            weight_bytes=(shape.parameters + shape.stored) * value_bytes,
            forward_s=compute_s * shape.macs / total,
            parameters=shape.parameters,
            name=shape.name,
        )
        for shape in shapes
    )


def resnet(depths: Sequence[int] = (3, 8, 36, 3), *, side: int = 224, classes: int = 1000) -> tuple[LayerShape, ...]:
    """ResNet of bottleneck blocks; the default is ResNet-152.

    >>> sum(layer.parameters for layer in resnet())
    60192808
    """
    side = -(-side // 2)
    found = list(_conv("stem", "conv", 3, 64, (7, 7), side))
    side, width = -(-side // 2), 64
    for stage, blocks in enumerate(depths):
        inner = 64 * 2**stage
        for number in range(blocks):
            block = f"layer{stage + 1}.{number}"
            inside, side = side, -(-side // 2) if stage and number == 0 else side
            found += _conv(block, "conv1", width, inner, (1, 1), inside)
            found += _conv(block, "conv2", inner, inner, (3, 3), side)
            found += _conv(block, "conv3", inner, 4 * inner, (1, 1), side)
            if number == 0:
                found += _conv(block, "shortcut", width, 4 * inner, (1, 1), side)
            width = 4 * inner
    return (*found, _dense("head", "fc", width, classes))


_A = "1x1:64 5x5_1:48 5x5_2:64:5x5 dbl_1:64 dbl_2:96:3x3 dbl_3:96:3x3 pool:{p}"
_B = "3x3:384:3x3:s dbl_1:64 dbl_2:96:3x3 dbl_3:96:3x3:s"
_C = (
    "1x1:192 7x7_1:{c} 7x7_2:{c}:1x7 7x7_3:192:7x1 "
    "dbl_1:{c} dbl_2:{c}:7x1 dbl_3:{c}:1x7 dbl_4:{c}:7x1 dbl_5:192:1x7 pool:192"
)
_D = "3x3_1:192 3x3_2:320:3x3:s 7x7_1:192 7x7_2:192:1x7 7x7_3:192:7x1 7x7_4:192:3x3:s"
_E = "1x1:320 3x3_1:384 3x3_2a:384:1x3 3x3_2b:384:3x1 dbl_1:448 dbl_2:384:3x3 dbl_3a:384:1x3 dbl_3b:384:3x1 pool:192"
_INCEPTION = (
    ("5b", _A.format(p=32), 192, 35),
    ("5c", _A.format(p=64), 256, 35),
    ("5d", _A.format(p=64), 288, 35),
    ("6a", _B, 288, 35),
    ("6b", _C.format(c=128), 768, 17),
    ("6c", _C.format(c=160), 768, 17),
    ("6d", _C.format(c=160), 768, 17),
    ("6e", _C.format(c=192), 768, 17),
    ("7a", _D, 768, 17),
    ("7b", _E, 1280, 8),
    ("7c", _E, 2048, 8),
)
"""Blocks: name, convolutions as ``name:channels[:kernel][:s]`` (``_1`` starts a branch), channels in, side."""


def inception_v3(*, auxiliary: bool = False, classes: int = 1000) -> tuple[LayerShape, ...]:
    """Inception v3 for images of 299 x 299; ``auxiliary``: with the second classifier, which inference loads unused.

    >>> sum(layer.parameters for layer in inception_v3()), sum(one.parameters for one in inception_v3(auxiliary=True))
    (23834568, 27161264)
    """
    found: list[LayerShape] = []
    stem = (("1a", 3, 32, 3, 149), ("2a", 32, 32, 3, 147), ("2b", 32, 64, 3, 147), ("3b", 64, 80, 1, 73))
    for name, inputs, outputs, kernel, side in (*stem, ("4a", 80, 192, 3, 71)):
        found += _conv(name, "conv", inputs, outputs, (kernel, kernel), side)
    for block, convolutions, inputs, side in _INCEPTION:
        if block == "7a" and auxiliary:
            found += [_unused(one) for one in _auxiliary(classes)]
        found += _inception_block(block, convolutions.split(), inputs, side)
    return (*found, _dense("head", "fc", 2048, classes))


def bert(
    layers: int = 12, hidden: int = 768, *, tokens: int = 128, vocabulary: int = 30522, positions: int = 512
) -> tuple[LayerShape, ...]:
    """BERT with its pooler, ``tokens`` long; the default is BERT-base uncased, 24 layers of 1024 are BERT-large.

    >>> sum(layer.parameters for layer in bert())
    109482240
    """
    embedding = (vocabulary + positions + 2) * hidden
    found = [LayerShape("embeddings", "embeddings", embedding, 0, 0.0), _norm("embeddings", "norm", hidden, tokens)]
    for number in range(layers):
        block = f"layer{number}"
        for name in ("query", "key", "value"):
            found.append(_dense(block, name, hidden, hidden, tokens))
        attention = 2.0 * tokens * tokens * hidden
        found.append(_dense(block, "attention", hidden, hidden, tokens, attention))
        found.append(_norm(block, "norm1", hidden, tokens))
        found.append(_dense(block, "up", hidden, 4 * hidden, tokens))
        found.append(_dense(block, "down", 4 * hidden, hidden, tokens))
        found.append(_norm(block, "norm2", hidden, tokens))
    return (*found, _dense("pooler", "pooler", hidden, hidden))


def _conv(
    block: str, name: str, inputs: int, outputs: int, kernel: tuple[int, int], side: int
) -> tuple[LayerShape, LayerShape]:
    """A convolution without bias and the batch normalization after it."""
    weights, values = inputs * outputs * kernel[0] * kernel[1], float(outputs * side * side)
    return (
        LayerShape(f"{block}.{name}", block, weights, 0, float(weights * side * side)),
        LayerShape(f"{block}.{name}.norm", block, 2 * outputs, 2 * outputs, values),
    )


def _dense(block: str, name: str, inputs: int, outputs: int, rows: int = 1, more: float = 0.0) -> LayerShape:
    return LayerShape(f"{block}.{name}", block, (inputs + 1) * outputs, 0, float(inputs * outputs * rows) + more)


def _norm(block: str, name: str, width: int, rows: int) -> LayerShape:
    return LayerShape(f"{block}.{name}", block, 2 * width, 0, float(width * rows))


def _inception_block(block: str, convolutions: Sequence[str], inputs: int, side: int) -> Iterator[LayerShape]:
    width, below = inputs, ""
    for written in convolutions:
        name, channels, *rest = written.split(":")
        outputs, strided = int(channels), "s" in rest
        kernel = next((one for one in rest if "x" in one), "1x1")
        branch, _, place = name.partition("_")
        starts = branch != below or place in ("", "1")
        width, below = (inputs if starts else width), branch
        high, wide = (int(number) for number in kernel.split("x"))
        yield from _conv(block, name, width, outputs, (high, wide), (side - 1) // 2 if strided else side)
        width = width if place.endswith("a") else outputs  # 2a and 2b read the same input, side by side


def _auxiliary(classes: int) -> Iterator[LayerShape]:
    yield from _conv("aux", "conv0", 768, 128, (1, 1), 5)
    yield from _conv("aux", "conv1", 128, 768, (5, 5), 1)
    yield _dense("aux", "fc", 768, classes)


def _unused(shape: LayerShape) -> LayerShape:
    return LayerShape(shape.name, shape.block, shape.parameters, shape.stored, 0.0)
