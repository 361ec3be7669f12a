"""Numbers as people read them, with their unit and interval."""

from __future__ import annotations

import math
from typing import Literal

Kind = Literal["seconds", "rate", "share", "plain"]

NOTHING = "-"
MOST_PLACES = 15
ROUNDING = 1e-12
"""A relative half-width below this is an artefact of floating-point sums."""
_SECONDS = ((1e-3, 1e6, "µs"), (1.0, 1e3, "ms"), (300.0, 1.0, "s"), (7200.0, 1 / 60, "min"))


def number(value: float, digits: int = 4) -> str:
    """``value`` with about ``digits`` significant digits, never in powers of ten, thousands set apart.

    >>> number(1234567.8), number(23.4567), number(0.0)
    ('1,234,568', '23.46', '0')
    """
    if value == 0:
        return "0"
    places = max(digits - 1 - math.floor(math.log10(abs(value))), 0)
    return "0" if places > MOST_PLACES else f"{value:,.{places}f}"


def measure(value: float | None, kind: Kind, low: float | None = None, high: float | None = None) -> str:
    """``value`` with its unit and, when known, half the width of its 95 % interval.

    Digits that the interval makes meaningless are left out; whole numbers have no interval.

    >>> measure(0.0234, "seconds", 0.0230, 0.0238), measure(0.9991, "share"), measure(None, "rate")
    ('23.40 ms ± 0.40', '99.91 %', '-')
    """
    if value is None:
        return NOTHING
    if isinstance(value, int):
        return f"{value:,}"
    factor, unit = _scale(value, kind)
    half = 0.0 if low is None or high is None else (high - low) / 2
    text, spread = _pair(value * factor, half * factor)
    if kind == "share" and value < 1 and float(text.replace(",", "")) >= 100:
        text = ">99.99"  # a share below one must not read as all
    text = f"{text} {unit}" if unit else text
    return text if low is None else f"{text} ± {spread}"


def stated(value: float, kind: Kind) -> str:
    """A figure that somebody wrote down, with its unit and no more digits than it has.

    >>> stated(0.1, "seconds"), stated(0.999, "share")
    ('100 ms', '99.9 %')
    """
    factor, unit = _scale(value, kind)
    text = number(value * factor, 10)
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text} {unit}".rstrip()


def below(value: float, limit: float) -> str:
    """A share below another one, with as many digits as it takes to read as below it.

    >>> below(0.799, 0.99), below(0.989999, 0.99)
    ('79.90 %', '98.9999 %')
    """
    for digits in (4, 6, 8, 12):
        text = number(100 * value, digits)
        if float(text) < float(number(100 * limit, 12)):
            break
    return f"{text} %"


def _pair(value: float, half: float) -> tuple[str, str]:
    """Mean and half-width to the same place: at most four digits of the one and two of the other; 0 is below that."""
    text = number(value)
    if half <= ROUNDING * abs(value):
        return text, "0"
    spread = number(half, 2)
    places = min(len(text.partition(".")[2]), len(spread.partition(".")[2]))
    rounded = f"{half:,.{places}f}"
    return f"{value:,.{places}f}", rounded if float(rounded.replace(",", "")) else "0"


def _scale(value: float, kind: Kind) -> tuple[float, str]:
    """Factor and unit in which a value of this size is easily read."""
    if kind == "rate":
        return 1.0, "/s"
    if kind == "share":
        return 100.0, "%"
    if kind != "seconds" or value == 0:
        return 1.0, "s" if kind == "seconds" else ""
    for below, factor, unit in _SECONDS:
        if abs(value) < below:
            return factor, unit
    return 1 / 3600, "h"
