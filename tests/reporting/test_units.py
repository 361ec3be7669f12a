"""Numbers as people read them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.reporting.grid import grid
from simulator.results.units import measure, number


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (1.0, "1.000"),
        (9999.6, "10,000"),
        (12345678.9, "12,345,679"),
        (0.00012346, "0.0001235"),
        (0.0000012346, "0.000001235"),
        (-3.25, "-3.250"),
        (1e-300, "0"),
        (99.91, "99.91"),
    ],
)
def test_number(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (0.0000054, "seconds", "5.400 µs"),
        (0.0234, "seconds", "23.40 ms"),
        (59.5, "seconds", "59.50 s"),
        (600.0, "seconds", "10.00 min"),
        (7200.0, "seconds", "2.000 h"),
        (0.0, "seconds", "0 s"),
        (0.99999999, "share", ">99.99 %"),
        (1.0, "share", "100.0 %"),
        (12.5, "share", "1,250 %"),
        (1234567, "plain", "1,234,567"),
        (None, "plain", "-"),
    ],
)
def test_measure(value: float | None, kind: str, text: str) -> None:
    assert measure(value, kind) == text  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "half", "text"),
    [
        (0.0234, 0.0004, "23.40 ms ± 0.40"),
        (0.0019542, 0.0000053, "1.954 ms ± 0.005"),
        (0.0019542, 0.0000000053, "1.954 ms ± 0"),
        (0.050, 0.013, "50 ms ± 13"),
        (0.050, 0.0, "50.00 ms ± 0"),
        (0.050, 1e-18, "50.00 ms ± 0"),
    ],
)
def test_interval_decides_the_digits(value: float, half: float, text: str) -> None:
    assert measure(value, "seconds", value - half, value + half) == text


def test_whole_numbers_have_no_interval() -> None:
    assert measure(3, "plain", 3.0, 3.0) == "3"


@given(st.floats(0, 1e12), st.floats(0, 1e6))
def test_any_number_can_be_shown(value: float, half: float) -> None:
    text = measure(value, "seconds", value - half, value + half)
    assert "e" not in text
    assert "nan" not in text


def test_grid_fits_and_repeats_its_first_column() -> None:
    header = ["name", *(f"column{number}" for number in range(9))]
    text = grid(header, [["row", *("x" * number for number in range(9))]], width=40)
    assert all(len(line) <= 40 for line in text.splitlines())
    assert sum(line.strip().startswith("row") for line in text.splitlines()) == 3
    assert all(f"column{number}" in text for number in range(9))


def test_grid_shows_a_column_that_can_never_fit() -> None:
    assert "y" * 90 in grid(["a", "b"], [["x", "y" * 90]], width=40)
