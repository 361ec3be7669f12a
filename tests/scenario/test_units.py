"""Unit parser: exact values, exact round trips, and errors that say what to write."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.scenario.units import (
    BANDWIDTH,
    COMPUTE,
    DURATION,
    RATE,
    SIZE,
    WORK,
    UnitError,
    parse,
    parse_share,
    write,
)

dimensions = st.sampled_from((DURATION, SIZE, RATE, BANDWIDTH, COMPUTE, WORK))


@pytest.mark.parametrize(
    ("text", "dimension", "value"),
    [
        ("250ms", DURATION, 0.25),
        ("5us", DURATION, 5e-6),
        ("5µs", DURATION, 5e-6),
        ("1h", DURATION, 3600),
        ("2d", DURATION, 172800),
        ("10 min", DURATION, 600),
        ("1.5e-3s", DURATION, 0.0015),
        ("+3s", DURATION, 3),
        ("93MB", SIZE, 93e6),
        ("93kB", SIZE, 93e3),
        ("16GiB", SIZE, 16 * 2**30),
        ("2000/s", RATE, 2000),
        ("5/min", RATE, 5 / 60),
        ("10Gbps", BANDWIDTH, 1.25e9),
        ("12GB/s", BANDWIDTH, 12e9),
        ("1GiB/s", BANDWIDTH, 2**30),
        ("112TFLOPS", COMPUTE, 112e12),
        ("5TOPS", COMPUTE, 5e12),
        ("22GFLOP", WORK, 22e9),
        ("0", DURATION, 0),
        (0, SIZE, 0),
        (0.0, RATE, 0),
    ],
)
def test_reads(text, dimension, value):
    assert parse(text, dimension) == value


@given(dimensions, st.floats(0, 1, exclude_min=True), st.data())
def test_written_value_reads_back_exactly(dimension, part, data):
    value = part * data.draw(st.sampled_from([1.0, 1e-6, dimension.limit]))
    if value > 0:
        assert parse(write(value, dimension), dimension) == value


@given(dimensions, st.data())
def test_unit_is_exact_factor(dimension, data):
    unit = data.draw(st.sampled_from(sorted(dimension.units)))
    number = data.draw(st.integers(1, 1000))
    assert parse(f"{number}{unit}", dimension) == float(number * dimension.units[unit])


@given(st.decimals(min_value="0.001", max_value=1000, places=3))
def test_doubling_the_text_doubles_the_value(number):
    assert parse(f"{2 * number}ms", DURATION) == 2 * parse(f"{number}ms", DURATION)


@given(dimensions, st.floats().filter(lambda value: value != 0))
def test_bare_numbers_are_refused(dimension, value):
    with pytest.raises(UnitError, match=r"needs its unit|must be a finite"):
        parse(value, dimension)


@given(dimensions, st.text(max_size=80) | st.booleans() | st.none() | st.lists(st.integers()))
def test_anything_else_is_refused_or_sane(dimension, value):
    try:
        number = parse(value, dimension)
    except UnitError:
        return
    assert math.isfinite(number)
    assert 0 <= number <= dimension.limit


@pytest.mark.parametrize(
    ("text", "dimension", "said"),
    [
        (250, DURATION, "write 250ms or 250s"),
        ("250", DURATION, "write 250ms or 250s"),
        (-3, RATE, "write 3/s"),
        ("10m", DURATION, "write 10min or 10ms"),
        ("2rps", RATE, "write 2/s"),
        ("12GB", BANDWIDTH, "write 12GB/s"),
        ("5gib", SIZE, "write 5GiB"),
        ("-5ms", DURATION, "must not be negative"),
        ("1e300s", DURATION, "too large: at most"),
        ("1e9999s", DURATION, "is not a duration"),
        ("12:30", DURATION, "is not a duration"),
        ("٣ms", DURATION, "is not a duration"),
        ("1" * 100 + "s", DURATION, "is not a duration"),
        (True, DURATION, "must be a duration"),
        (math.nan, RATE, "must be a finite rate"),
    ],
)
def test_errors_say_what_to_write(text, dimension, said):
    with pytest.raises(UnitError, match=said.replace("(", r"\(")):
        parse(text, dimension)


@given(st.floats(0, 1))
def test_share_as_number_and_percentage(share):
    assert parse_share(share) == share
    percentage = f"{share * 100:.6f}%"
    assert parse_share(percentage) == float(Fraction(percentage[:-1]) / 100)


@pytest.mark.parametrize("value", ["101%", 1.5, 99, -0.1, "-1%", "99 percent", True, None, math.nan, "1e500%", "%"])
def test_shares_refused(value):
    with pytest.raises(UnitError, match="must be a share"):
        parse_share(value)
