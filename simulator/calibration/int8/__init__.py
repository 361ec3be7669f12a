"""Arithmetic of quantized kernels: u8 inputs, s8 weights, 32-bit accumulators, and networks that compute with it."""

from simulator.calibration.int8.affine import Affine, from_range
from simulator.calibration.int8.digits import digits_conv_network, digits_network
from simulator.calibration.int8.exact import Product, longest, product
from simulator.calibration.int8.geometry import Geometry
from simulator.calibration.int8.kernels import Convolution, Gemm, convolution, gemm
from simulator.calibration.int8.layers import Conv, Flatten, Linear, Relu
from simulator.calibration.int8.network import Network
from simulator.calibration.int8.npz import Stored, load_network, save_network
from simulator.calibration.int8.precision import Precision, precision
from simulator.calibration.int8.ranges import METHODS, Entropy, MinMax, Percentile
from simulator.calibration.int8.restore import bias_codes, requantize, restore
from simulator.calibration.int8.smoothing import fold, input_peaks, smoothed, smoothing_factors
from simulator.calibration.int8.table import (
    Classes,
    accumulation_table,
    border_classes,
    both_axes,
    compensation,
    table_bytes,
)
from simulator.calibration.int8.weights import Weights, quantize_weights

__all__ = [
    "METHODS",
    "Affine",
    "Classes",
    "Conv",
    "Convolution",
    "Entropy",
    "Flatten",
    "Gemm",
    "Geometry",
    "Linear",
    "MinMax",
    "Network",
    "Percentile",
    "Precision",
    "Product",
    "Relu",
    "Stored",
    "Weights",
    "accumulation_table",
    "bias_codes",
    "border_classes",
    "both_axes",
    "compensation",
    "convolution",
    "digits_conv_network",
    "digits_network",
    "fold",
    "from_range",
    "gemm",
    "input_peaks",
    "load_network",
    "longest",
    "precision",
    "product",
    "quantize_weights",
    "requantize",
    "restore",
    "save_network",
    "smoothed",
    "smoothing_factors",
    "table_bytes",
]
