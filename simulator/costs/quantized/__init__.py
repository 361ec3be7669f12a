"""What quantized products and layers cost: time by precision and shape, bytes, and which precision is faster."""

from simulator.costs.quantized.choice import Choice, Judgement, fastest, judge
from simulator.costs.quantized.datasheet import GemmDatasheet, datasheet
from simulator.costs.quantized.inputs import QuantizeInput
from simulator.costs.quantized.memory import (
    LayerMemory,
    activation_bytes,
    layer_memory,
    overlap_classes,
    table_bytes,
    weight_bytes,
)
from simulator.costs.quantized.product import (
    Efficiency,
    Product,
    ProductLayer,
    QuantizedProduct,
    quantized_product,
)
from simulator.costs.quantized.schemes import SCHEMES, Scheme, peak_of, scheme
from simulator.costs.quantized.tiles import GemmTiles
from simulator.costs.quantized.utilization import GemmUtilization

__all__ = [
    "SCHEMES",
    "Choice",
    "Efficiency",
    "GemmDatasheet",
    "GemmTiles",
    "GemmUtilization",
    "Judgement",
    "LayerMemory",
    "Product",
    "ProductLayer",
    "QuantizeInput",
    "QuantizedProduct",
    "Scheme",
    "activation_bytes",
    "datasheet",
    "fastest",
    "judge",
    "layer_memory",
    "overlap_classes",
    "peak_of",
    "quantized_product",
    "scheme",
    "table_bytes",
    "weight_bytes",
]
