"""Laws of time: what a layer, or a matrix product, costs on one device at one precision."""

from simulator.costs.base.blend import Blend
from simulator.costs.base.file import CostGroup, costs_text, find_costs, read_costs
from simulator.costs.base.formulas import (
    Affine,
    Constant,
    FloorAffine,
    PowerLaw,
    RooflineLaw,
    SmoothFloor,
    Stairs,
)
from simulator.costs.base.gemm import GemmLaw, GemmRoofline, GemmSmooth
from simulator.costs.base.gemm_rows import Distance, GemmRows
from simulator.costs.base.law import BatchLaw, Law
from simulator.costs.base.registry import LAWS, law_from_parameters
from simulator.costs.base.sums import Sum
from simulator.costs.base.table import Corrected, Table

__all__ = [
    "LAWS",
    "Affine",
    "BatchLaw",
    "Blend",
    "Constant",
    "Corrected",
    "CostGroup",
    "Distance",
    "FloorAffine",
    "GemmLaw",
    "GemmRoofline",
    "GemmRows",
    "GemmSmooth",
    "Law",
    "PowerLaw",
    "RooflineLaw",
    "SmoothFloor",
    "Stairs",
    "Sum",
    "Table",
    "costs_text",
    "find_costs",
    "law_from_parameters",
    "read_costs",
]
