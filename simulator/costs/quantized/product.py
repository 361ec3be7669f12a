"""What one quantized product costs, part by part, and a layer that is made of such products."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from simulator.costs.base.gemm import GemmLaw, GemmSmooth, shapes
from simulator.costs.base.law import Bools, Floats, as_batch, nowhere, require
from simulator.costs.quantized.inputs import QuantizeInput
from simulator.costs.quantized.schemes import peak_of, scheme
from simulator.errors import Problem, ScenarioError


@dataclass(frozen=True, slots=True)
class QuantizedProduct:
    """Quantize the inputs, multiply, restore real values.

    .. math:: t = q(m, k) + g(m, n, k) + \\left(a_r + s_r m n\\right)

    ``product`` g: launch plus max(compute, memory); ``quantize`` q, absent where inputs arrive quantized or where
    the measured product already contains it; ``restore_launch_s`` a_r and ``restore_s`` s_r [s per output]: a
    restoration of its own. Fused into the product, as usual, it costs nothing: one table entry and one
    multiply-add per output.

    >>> from simulator.costs.base.gemm import GemmRoofline
    >>> law = QuantizedProduct(GemmRoofline(2e-6, 1e15, 0.0), QuantizeInput(7e-6, 0, 0, 1, 4.0), 1e-6)
    >>> law.seconds(1, 64, 64).round(7)
    np.float64(1e-05)
    """

    product: GemmLaw
    quantize: QuantizeInput | None = None
    restore_launch_s: float = 0.0
    restore_s: float = 0.0
    name: ClassVar[str] = "quantized-product"

    def __post_init__(self) -> None:
        require(self.name, restore_launch_s=self.restore_launch_s, restore_s=self.restore_s)
        for key in ("product", "quantize"):
            if isinstance(getattr(self, key), Mapping):
                object.__setattr__(self, key, _read(getattr(self, key)))

    def seconds(self, m: ArrayLike, n: ArrayLike, k: ArrayLike, layout: ArrayLike | None = None) -> Floats:
        """Time [s], shape of the broadcast inputs."""
        m, n, k = shapes(m, n, k)
        total = self.product.seconds(m, n, k, layout) + self.restore_launch_s + self.restore_s * m * n
        return np.asarray(total if self.quantize is None else total + self.quantize.seconds(m, k))

    def parameters(self) -> dict[str, Any]:
        """The parts, each with its law."""
        found: dict[str, Any] = {"product": _written(self.product)}
        if self.quantize is not None:
            found["quantize"] = _written(self.quantize)
        return found | {"restore_launch_s": float(self.restore_launch_s), "restore_s": float(self.restore_s)}

    def scaled(self, factor: float) -> QuantizedProduct:
        """The law with every time multiplied by ``factor``."""
        return QuantizedProduct(
            self.product.scaled(factor),
            None if self.quantize is None else self.quantize.scaled(factor),
            self.restore_launch_s * factor,
            self.restore_s * factor,
        )


@dataclass(frozen=True, slots=True)
class Efficiency:
    """What a device reaches of its data sheet: one launch [s], shares of peak and bandwidth, the round corner."""

    launch_s: float
    compute: float = 1.0
    memory: float = 1.0
    sharpness: float = 2.0


def quantized_product(
    peaks: Mapping[str, float],
    bandwidth: float,
    precision: str,
    efficiency: Efficiency,
    *,
    static: bool = False,
    fused: bool = True,
) -> QuantizedProduct:
    """The law of a device without measured tables, from its data sheet and what it reaches of it.

    ``static``: the previous layer hands over quantized inputs, so none are quantized here; ``fused``: the product
    restores real values before it writes them (otherwise int32 sums go through memory once more).
    """
    how = scheme(precision)
    moved = bandwidth * efficiency.memory
    product = GemmSmooth(
        launch_s=efficiency.launch_s,
        peak_flops=peak_of(peaks, precision) * efficiency.compute,
        m_half=0.0,
        n_half=0.0,
        k_half=0.0,
        input_s=how.input_bytes / moved,
        weight_s=how.weight_bytes / moved,
        output_s=(how.output_bytes if fused or not how.quantizes_input else 4.0) / moved,
        sharpness=efficiency.sharpness,
    )
    if not how.quantizes_input:
        return QuantizedProduct(product)
    element_s = (2.0 + how.input_bytes) / moved
    quantize = None if static else QuantizeInput(efficiency.launch_s, element_s, element_s, 1.0, 4.0)
    if fused:
        return QuantizedProduct(product, quantize)
    return QuantizedProduct(product, quantize, efficiency.launch_s, (4.0 + how.output_bytes) / moved)


@dataclass(frozen=True, slots=True)
class Product:
    """One product of a layer: weights n by k, ``rows`` rows of input per item (tokens, or output positions)."""

    n: float
    k: float
    rows: float = 1.0
    count: float = 1.0


@dataclass(frozen=True, slots=True)
class ProductLayer:
    """Time of a layer by batch size: the sum of its products, each of (batch x rows) by k by n.

    A law by batch size like any other, so scenarios and the cluster take it where they take a measured curve.

    >>> from simulator.costs.base.gemm import GemmRoofline
    >>> layer = ProductLayer(GemmRoofline(1e-6, 1e15, 0.0), (Product(64, 64), Product(64, 64, count=2)))
    >>> layer.seconds([1, 2]).round(9)
    array([3.e-06, 3.e-06])
    """

    law: GemmLaw
    products: tuple[Product, ...]
    name: ClassVar[str] = "product-layer"

    def __post_init__(self) -> None:
        if isinstance(self.law, Mapping):
            object.__setattr__(self, "law", _read(self.law))
        object.__setattr__(self, "products", tuple(_product(one) for one in self.products))
        for one in self.products:
            require(self.name, at_least=1.0, **asdict(one))
        if not self.products:
            raise ScenarioError(Problem(f"law {self.name}: a layer needs at least one product", path="products"))

    def seconds(self, batch: ArrayLike) -> Floats:
        """Time [s] of one batch, same shape as ``batch``; less than one item counts as one."""
        items = np.maximum(as_batch(batch), 1.0)
        times = [one.count * self.law.seconds(items * one.rows, one.n, one.k) for one in self.products]
        return np.asarray(np.sum(times, axis=0))

    def extrapolates(self, batch: ArrayLike) -> Bools:
        """Nowhere: a law of shapes holds at every batch size."""
        return nowhere(batch)

    def parameters(self) -> dict[str, Any]:
        """The law and the sizes of the products."""
        return {"law": _written(self.law), "products": [asdict(one) for one in self.products]}

    def scaled(self, factor: float) -> ProductLayer:
        """The law with every time multiplied by ``factor``."""
        return ProductLayer(self.law.scaled(factor), self.products)


def _product(given: Product | Mapping[str, float] | Sequence[float]) -> Product:
    if isinstance(given, Product):
        return given
    return Product(**given) if isinstance(given, Mapping) else Product(*given)


def _written(law: Any) -> dict[str, Any]:
    return {"law": law.name, "parameters": law.parameters()}


def _read(written: Mapping[str, Any]) -> Any:
    from simulator.costs.base.registry import law_from_parameters  # it imports this module by name

    return law_from_parameters(written["law"], written["parameters"])
