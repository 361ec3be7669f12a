"""Files and options: what is refused, and that every message points."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from simulator.errors import ScenarioError
from simulator.workload.forecast import forecast, read_series
from simulator.workload.forecast.backtest import backtest
from tests.workload.forecast.made import HOUR, daily

CORPUS = Path(__file__).parents[2] / "corpus" / "traces"
BROKEN = {
    "a_folder.csv": "is a folder",
    "absent.csv": "no such file",
    "binary.csv": "binary",
    "damaged.csv.gz": "damaged",
    "empty.csv": "is empty",
    "gzip_empty.csv.gz": "is empty",
    "header_only.csv": "no rows",
    "missing_column.csv": "no column 'requests'",
    "negative_count.csv": "at least 0",
    "not_gzip.csv.gz": "not gzip",
    "one_line.csv.gz": "a line of more than",
    "open_quote.csv": "never closed",
    "parquet.csv": "parquet",
    "truncated.csv.gz": "cut-off",
    "utf16.csv": "UTF-16",
    "wrong_checksum.csv.gz": "damaged",
    "zipped.csv": "zip",
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files(name: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        forecast(
            CORPUS / name, interval="1h", column="requests" if "column" in name or "count" in name else "arrival_s"
        )
    assert BROKEN[name] in str(caught.value)
    assert name in str(caught.value)
    assert 1 <= len(caught.value.problems) <= 5
    assert all(problem.render().count("\n") <= 2 for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("t_s,requests\n0,1\n600,x\n", "load.csv:3:5: requests: must be a number, got 'x'"),
        ("t_s,requests\n0,1\n600,nan\n", "load.csv:3:5: requests: must be finite"),
        ("t_s,requests\n0,1\n,2\n", "load.csv:3:1: t_s: must be a number, got an empty cell"),
        ("t_s,requests\n0,1\n600,1_000\n", "load.csv:3:5: requests: must be a number"),
        ("t_s,requests\n0,1\n600\n", "load.csv:3: 1 cell where the header has 2"),
        ("t_s,requests\n0,1\n600,2\n600,3\n", "t_s: must ascend, got 600 after 600 (data row 3)"),
        ("t_s,requests\n0,1\n600,2\n1250,3\n", "bins must be of one length"),
        ("t_s,requests\n0,1\n", "has one row only"),
        ("t_s,requests\n0,1\n0.001,1\n0.002,1\n1e9,1\n", "spans more than"),
        ("requests\n1\n2\n", "say with --interval"),
        ("t_s,calls\n0,1\n600,2\n", "name the column with --column"),
        ("t_s,requests\n0,1\n600,2\n", "less than one whole bin"),
    ],
)
def test_broken_contents(text: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "load.csv"
    file.write_text(text)
    with pytest.raises(ScenarioError) as caught:
        forecast(file)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"interval": "1 fortnight"}, "interval: '1 fortnight'"),
        ({"interval": 0}, "interval: must be greater than 0"),
        ({"interval": None}, "interval: is needed"),
        ({"to": "7h"}, "to: 25200 s must divide a day"),
        ({"to": "1min"}, "to: 60 s must divide a day"),
        ({"to": "12h"}, "to: 43200 s must divide a day"),
        ({"to": "0s"}, "to: 0 s must divide a day"),
        ({"interval": "2h"}, "to: 3600 s must be a multiple of the series' own step, 7200 s"),
        ({"horizon": "90min"}, "horizon: 5400 s must be a multiple of the bins"),
        ({"horizon": "15d"}, "up to 14d"),
        ({"horizon": 0}, "horizon: 0 s"),
        ({"at": "11d"}, "at: 950400 s lies outside the series, which goes from 0 s to 864000 s"),
        ({"at": 0}, "at: 0 s lies outside"),
        ({"at": "90min"}, "at: 5400 s is no multiple of the bins"),
        ({"quantiles": ()}, "quantiles: at least one"),
        ({"quantiles": (0.5, 1.0)}, "quantiles: levels lie between 0.001 and 0.999, got 1"),
        ({"quantiles": (float("nan"),)}, "quantiles: levels lie between"),
    ],
)
def test_bad_options(options: dict, says: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        forecast(daily(10), **{"interval": HOUR, **options})
    assert says in str(caught.value)
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"every": "36h"}, "every: 129600 s must be a whole number of days"),
        ({"every": 0}, "every: 0 s"),
        ({"begin": "10d"}, "begin: no midnight from 864000 s on has 86400 s"),
        ({"until": "5d"}, "begin: no midnight"),
    ],
)
def test_bad_backtests(options: dict, says: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        backtest(daily(10), interval=HOUR, **options)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("numbers", "says"),
    [
        ([], "one row of numbers"),
        ([[1.0]], "one row"),
        ([-1.0], "at least 0"),
        ([np.inf], "finite"),
        (["x"], "numbers"),
    ],
)
def test_bad_numbers(numbers: list, says: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        forecast(numbers, interval=HOUR)
    assert says in str(caught.value)


def test_an_interval_that_does_not_fit_the_times(tmp_path: Path) -> None:
    file = tmp_path / "load.csv"
    file.write_text("t_s,requests\n" + "".join(f"{600 * k},5\n" for k in range(20)))
    with pytest.raises(ScenarioError, match="interval: 60 s does not fit"):
        forecast(file, interval="1min")


def test_columns_are_added(tmp_path: Path) -> None:
    file = tmp_path / "load.csv"
    file.write_text("t_s,busy,waiting\n" + "".join(f"{600 * k},{k},{100 * k}\n" for k in range(12)))
    read = read_series(file, column=["busy", "waiting"])
    np.testing.assert_array_equal(read.values, 101.0 * np.arange(12))
    assert (read.column, read.step_s, read.name) == ("busy+waiting", 600.0, str(file))


def test_unix_times(tmp_path: Path) -> None:
    start = 1_700_006_400  # a midnight
    file = tmp_path / "load.csv"
    file.write_text("t_s,requests\n" + "".join(f"{start + 3600 * k},{v}\n" for k, v in enumerate(daily(3))))
    assert forecast(file, at=start + 2 * 86400).times_s[0] == start + 2 * 86400
    assert forecast(file).to_csv().splitlines()[1].startswith(f"{start + 3 * 86400},")


def test_pandas_series() -> None:
    values = daily(3)
    plain = forecast(values, interval=HOUR)
    by_seconds = forecast(pd.Series(values, index=np.arange(72) * HOUR))
    by_dates = forecast(pd.Series(values, index=pd.date_range("2026-01-01", periods=72, freq="h")))
    np.testing.assert_array_equal(by_seconds.values, plain.values)
    np.testing.assert_array_equal(by_dates.values, plain.values)
    assert by_dates.start_s == pd.Timestamp("2026-01-04").timestamp()
    with pytest.raises(ScenarioError, match="neither seconds nor dates"):
        forecast(pd.Series([1.0, 2.0], index=["a", "b"]))
