"""Text with a unit to SI numbers and back: ``250ms 16GiB 2000/s 12GB/s 112TFLOPS 99%``."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

MAX_TEXT = 64
NUMBER = r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?"
_QUANTITY = re.compile(rf" *({NUMBER}) *([^0-9\s].*?)? *", re.ASCII)


class UnitError(ValueError):
    """A text is not a quantity of the asked dimension; the message says what to write instead."""


@dataclass(frozen=True, slots=True, eq=False)
class Dimension:
    """One kind of quantity: its units with their exact SI factors, and the largest value that makes sense."""

    name: str
    units: Mapping[str, Fraction]
    suggested: tuple[str, ...]
    """Units offered when one is missing."""
    limit: float
    """Largest accepted value, in the SI unit."""
    hints: Mapping[str, str]
    """What to write instead of a unit that people try."""

    @property
    def example(self) -> str:
        """A valid text of this dimension."""
        return f"250{self.suggested[0]}"


def _prefixed(units: Mapping[str, str | int], prefixes: str) -> dict[str, Fraction]:
    """Every unit with every decimal prefix: ``{"FLOPS": 1}`` and ``"MG"`` give MFLOPS and GFLOPS."""
    powers = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}
    return {
        prefix + unit: Fraction(factor) * 1000 ** powers[prefix]
        for unit, factor in units.items()
        for prefix in ["", *prefixes]
    }


def _bytes(suffix: str = "") -> dict[str, Fraction]:
    decimal = _prefixed({"B": 1}, "KMGTP") | {"kB": Fraction(1000)}
    binary = {f"{prefix}iB": Fraction(1024 ** (power + 1)) for power, prefix in enumerate("KMGTP")}
    return {unit + suffix: factor for unit, factor in (decimal | binary).items()}


_SECONDS = {
    "s": Fraction(1),
    "ms": Fraction(1, 1000),
    "us": Fraction(1, 10**6),
    "µs": Fraction(1, 10**6),  # micro sign
    "μs": Fraction(1, 10**6),  # Greek mu
    "ns": Fraction(1, 10**9),
    "min": Fraction(60),
    "h": Fraction(3600),
    "d": Fraction(86400),
}
_BITS = {f"{prefix}{unit}": Fraction(1000**power, 8)
         for power, prefix in [(0, ""), (1, "K"), (1, "k"), (2, "M"), (3, "G"), (4, "T")]
         for unit in ("bps", "bit/s", "b/s")}  # fmt: skip
_TIME_HINTS = {
    "m": "min or ms",
    "sec": "s",
    "secs": "s",
    "second": "s",
    "seconds": "s",
    "minute": "min",
    "minutes": "min",
    "mins": "min",
    "hr": "h",
    "hour": "h",
    "hours": "h",
    "day": "d",
    "days": "d",
}

DURATION = Dimension("duration", _SECONDS, ("ms", "s"), 1e10, _TIME_HINTS)
SIZE = Dimension("size", _bytes(), ("MB", "GiB"), 1e18, {"G": "GB or GiB", "M": "MB or MiB", "K": "KB or KiB"})
RATE = Dimension(
    "rate",
    {f"/{unit}": 1 / factor for unit, factor in _SECONDS.items() if unit not in ("us", "µs", "μs", "ns")},
    ("/s", "/min"),
    1e12,
    {"rps": "/s", "qps": "/s", "req/s": "/s", "Hz": "/s", "/sec": "/s", "/m": "/min", "/hour": "/h"},
)
BANDWIDTH = Dimension(
    "bandwidth", _bytes("/s") | _BITS, ("GB/s", "Gbps"), 1e18, {"GBps": "GB/s", "MBps": "MB/s", "GB": "GB/s"}
)
COMPUTE = Dimension(
    "compute speed",
    _prefixed({"FLOPS": 1, "OPS": 1, "FLOP/s": 1, "OP/s": 1}, "KMGTPE"),
    ("TFLOPS", "TOPS"),
    1e21,
    {"TFLOP": "TFLOPS", "GFLOP": "GFLOPS", "TF": "TFLOPS"},
)
WORK = Dimension(
    "amount of work",
    _prefixed({"FLOP": 1, "OP": 1}, "KMGTPE"),
    ("MFLOP", "GFLOP"),
    1e24,
    {"GFLOPS": "GFLOP", "MFLOPS": "MFLOP", "TFLOPS": "TFLOP"},
)


def parse(value: object, dimension: Dimension) -> float:
    """SI value of what stands in a file: a text with its unit, or 0.

    The number and the unit's factor are multiplied exactly and rounded once, so ``4.84ms`` is the float
    nearest to 0.00484 and doubling a text doubles its value exactly.

    >>> parse("250ms", DURATION), parse("16KiB", SIZE), parse("10Gbps", BANDWIDTH), parse("30/min", RATE)
    (0.25, 16384.0, 1250000000.0, 0.5)
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _bare(value, dimension)
    if not isinstance(value, str):
        raise UnitError(f"must be a {dimension.name} such as {dimension.example}")
    match = _QUANTITY.fullmatch(value) if len(value) <= MAX_TEXT else None
    if match is None:
        raise UnitError(f"is not a {dimension.name}: write a number and its unit, such as {dimension.example}")
    number, unit = match.groups()
    if not unit:
        return _bare(float(number), dimension)
    if unit not in dimension.units:
        raise UnitError(_unknown_unit(number, unit, dimension))
    return _checked(Fraction(number) * dimension.units[unit], dimension)


def parse_share(value: object) -> float:
    """Share between 0 and 1, written ``99%`` or ``0.99``.

    >>> parse_share("99%"), parse_share(0.2)
    (0.99, 0.2)
    """
    percent = False
    if isinstance(value, str) and len(value) <= MAX_TEXT:
        match = re.fullmatch(rf" *({NUMBER}) *(%?) *", value, re.ASCII)
        if match:
            percent = bool(match[2])
            number = Fraction(match[1]) / (100 if percent else 1)
            value = float(max(Fraction(-2), min(number, Fraction(1000))))
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnitError("must be a share such as 99% or 0.99")
    if 1 < value <= 100 and not percent:
        raise UnitError(f"must be a share between 0 and 1: write {value:g}% or {value / 100:g}")
    if not 0 <= value <= 1:
        raise UnitError("must be a share between 0 and 1 (0% and 100%)")
    return float(value)


def write(value: float, dimension: Dimension) -> str:
    """The simplest text that :func:`parse` reads back as exactly this SI value.

    >>> write(0.25, DURATION), write(16384.0, SIZE), write(0.0, RATE)
    ('250ms', '16KiB', '0')
    """
    if value == 0:
        return "0"
    numbers = {unit: _plain(float(Fraction(value) / factor)) for unit, factor in dimension.units.items()}
    exact = [
        number + unit for unit, number in numbers.items() if float(Fraction(number) * dimension.units[unit]) == value
    ]
    base = next(unit for unit, factor in dimension.units.items() if factor == 1)
    return min(exact, key=lambda text: ("." in text or "e" in text, len(text)), default=_plain(value) + base)


def _plain(number: float) -> str:
    return repr(number).removesuffix(".0")


def _bare(number: float, dimension: Dimension) -> float:
    if number == 0:
        return 0.0
    if not math.isfinite(number):
        raise UnitError(f"must be a finite {dimension.name} such as {dimension.example}")
    text = str(number) if isinstance(number, int) and abs(number) < 10**15 else f"{number:g}"
    choices = " or ".join(f"{text.lstrip('-')}{unit}" for unit in dimension.suggested)
    raise UnitError(f"needs its unit: write {choices}")


def _checked(exact: Fraction, dimension: Dimension) -> float:
    if exact < 0:
        raise UnitError(f"must not be negative (a {dimension.name})")
    limit = Fraction(dimension.limit)
    # Compared after rounding, so that what `write` says of the limit itself reads back; a huge number has no float.
    value = float(min(exact, 2 * limit))
    if value > limit:
        raise UnitError(f"is too large: at most {write(dimension.limit, dimension)}")
    return value


def _unknown_unit(number: str, unit: str, dimension: Dimension) -> str:
    if unit in dimension.hints:
        choices = " or ".join(f"{number}{part}" for part in dimension.hints[unit].split(" or "))
        return f"has an unknown unit {unit!r}: write {choices}"
    folded = {known.lower(): known for known in reversed(list(dimension.units))}
    near = difflib.get_close_matches(unit.lower(), folded, n=1, cutoff=0.6)
    if near and not re.search(r"[\s0-9]", unit):
        return f"has an unknown unit {unit!r}: write {number}{folded[near[0]]}"
    return f"is not a {dimension.name}: write a number and its unit, such as {dimension.example}"
