"""A forecast, or its test at past origins, as text and as CSV."""

from __future__ import annotations

import csv
import io
from typing import Any

from simulator.reporting.grid import grid, wrapped
from simulator.results.units import number

Json = dict[str, Any]
BACKTEST_COLUMNS = ("model", "metric", "value")
MOST_MASKED = 6


def forecast_table(figures: Json, width: int = 80) -> str:
    """One row per bin (of ``Forecast.to_dict()``), then the models' weights and notes."""
    header = ["t", *figures["values"]]
    rows = [
        [clock(start), *(number(values[place], 4) for values in figures["values"].values())]
        for place, start in enumerate(figures["t_s"])
    ]
    return "\n\n".join([wrapped(forecast_title(figures), width), grid(header, rows, width), _told(figures, width)])


def forecast_title(figures: Json) -> str:
    """What is forecast, in a line."""
    days = figures["history_bins"] * figures["step_s"] / 86400
    return (
        f"{figures['column']} per {span(figures['step_s'])} from {clock(figures['start_s'])} on, "
        f"from {number(days, 3)} days of history"
    )


def backtest_table(figures: Json, width: int = 80) -> str:
    """Loss, absolute error and coverage of the forecast beside both seasonal naives, then ratio and times."""
    covered = list(next(iter(figures["models"].values()))["covered"])
    header = ["", "loss %", "abs. error %", *(f"<= {level} %" for level in covered)]
    rows = [
        [
            name,
            *(_percent(one[key]) for key in ("weighted_loss", "absolute_error")),
            *(_percent(one["covered"][level]) for level in covered),
        ]
        for name, one in figures["models"].items()
    ]
    origins = figures["origins_s"]
    plural = "s" if len(origins) > 1 else ""
    title = (
        f"{figures['column']} per {span(figures['step_s'])}: {len(origins)} origin{plural} from {clock(origins[0])} "
        f"to {clock(origins[-1])}, {figures['scored']:,} bins scored, {figures['left_out']:,} left out"
    )
    said = []
    if figures["scaled_loss"] == figures["scaled_loss"]:
        said.append(f"loss over the better seasonal naive's: {number(figures['scaled_loss'], 3)}")
    if figures["time_s"] is not None:
        spent = figures["time_s"]
        said.append(f"time per forecast: median {number(spent['median'], 2)} s, most {number(spent['max'], 2)} s")
    said.append(
        "loss: twice the mean pinball loss over the mean load; <= q: share of the bins at or below the quantile"
    )
    return "\n\n".join(
        [wrapped(title, width), grid(header, rows, width), "\n".join(wrapped(t, width, "  ") for t in said)]
    )


def backtest_csv(figures: Json) -> str:
    """One row per model and figure; losses and coverage as shares, times in seconds."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(BACKTEST_COLUMNS)
    for name, one in figures["models"].items():
        flat = {"weighted_loss": one["weighted_loss"], "absolute_error": one["absolute_error"]}
        flat |= {f"covered_{level}": share for level, share in one["covered"].items()}
        writer.writerows([name, metric, _cell(value)] for metric, value in flat.items())
    writer.writerow(["forecast", "scaled_loss", _cell(figures["scaled_loss"])])
    for which, spent in (figures["time_s"] or {}).items():
        writer.writerow(["forecast", f"time_{which}_s", _cell(spent)])
    return out.getvalue()


def clock(at_s: float) -> str:
    """An instant of the series' clock as day and time.

    >>> clock(90_000), clock(86_430)
    ('1d 01:00', '1d 00:00:30')
    """
    days, rest = divmod(round(at_s), 86_400)
    hours, minutes, seconds = rest // 3600, rest % 3600 // 60, rest % 60
    return f"{days}d {hours:02}:{minutes:02}" + (f":{seconds:02}" if seconds else "")


def span(length_s: float) -> str:
    """A length of time as people write it.

    >>> span(3600), span(900)
    ('1h', '15min')
    """
    return f"{length_s / 3600:g}h" if length_s % 3600 == 0 else f"{length_s / 60:g}min"


def _told(figures: Json, width: int) -> str:
    shares = sorted(figures["weights"].items(), key=lambda item: -item[1])
    lines = ["models: " + ", ".join(f"{name} {100 * share:.0f} %" for name, share in shares)]
    factors = figures["interval_factors"]
    if figures["past_origins"]:
        lines.append(
            f"intervals from {figures['past_origins']} past origins: x {factors['below']:.2f} below the median, "
            f"x {factors['above']:.2f} above"
        )
    for key, what in (("masked_s", "taken for outages"), ("missing_s", "not recorded")):
        if starts := figures[key]:
            shown = ", ".join(clock(start) for start in starts[:MOST_MASKED])
            more = ", ..." if len(starts) > MOST_MASKED else ""
            lines.append(f"{len(starts)} bin{'s' if len(starts) > 1 else ''} {what}: {shown}{more}")
    lines += figures["notes"]
    return "\n".join(wrapped(line, width, "  ") for line in lines)


def _percent(share: float) -> str:
    return "-" if share != share else number(100 * share, 3)


def _cell(value: float) -> object:
    return "" if value != value else value
