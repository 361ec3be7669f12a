"""Classes of output positions: the arithmetic and the cost model count the same ones."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from simulator.calibration.int8.table import border_classes
from simulator.costs.quantized.memory import overlap_classes


@given(st.integers(1, 30), st.integers(1, 7), st.integers(1, 3), st.integers(0, 6), st.integers(1, 3))
def test_the_cost_model_counts_the_same_classes(
    size: int, kernel: int, stride: int, padding: int, dilation: int
) -> None:
    assume(size + 2 * padding >= dilation * (kernel - 1) + 1)
    found = border_classes(size, kernel, stride, padding, padding, dilation)
    assert found.count == overlap_classes(size, kernel, stride=stride, padding=padding, dilation=dilation)
