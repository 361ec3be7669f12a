"""Traces and rate series: exact replay, slices, copies, scale; inversion of series."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from simulator.workload import mean_rate

Z = stats.norm.ppf(0.9995)
TIMES = [0.5, 1.0, 2.25, 2.25, 7.0]
SHIPPED = Path(__file__).parents[2] / "scenarios" / "data"


def test_replay_is_exact(draw, corpus):
    assert draw(60.0, trace="good.csv", folder=corpus).tolist() == TIMES


def test_replay_ends_with_the_run(draw, corpus):
    assert draw(7.0, trace="good.csv", folder=corpus).tolist() == TIMES[:-1]


def test_slice_begins_at_its_own_beginning(draw, corpus):
    assert draw(60.0, trace="good.csv", from_="1s", to="7s", folder=corpus).tolist() == [0.0, 1.25, 1.25]


def test_scale_compresses_time(draw, corpus):
    assert draw(60.0, trace="good.csv", scale=4.0, folder=corpus).tolist() == [t / 4 for t in TIMES]


def test_repeat_with_a_given_end(draw, corpus):
    twice = draw(60.0, trace="good.csv", repeat=2, to="10s", folder=corpus)
    assert twice.tolist() == TIMES + [10 + t for t in TIMES]
    endless = draw(25.0, trace="good.csv", repeat=True, to="10s", folder=corpus)
    assert endless.tolist() == TIMES + [10 + t for t in TIMES] + [20 + t for t in TIMES[:-1]]


def test_repeat_without_an_end_keeps_the_rate(draw, corpus):
    """A copy lasts to its last arrival and one mean gap more: 7 + 6.5 / 4 seconds."""
    twice = draw(60.0, trace="good.csv", repeat=2, folder=corpus)
    assert twice.tolist() == TIMES + [8.625 + t for t in TIMES]


def test_repeat_and_scale(draw, corpus):
    fast = draw(60.0, trace="good.csv", repeat=3, scale=2.0, to="8s", folder=corpus)
    assert fast.tolist() == [(8 * copy + t) / 2 for copy in range(3) for t in TIMES]


def test_many_copies_in_small_chunks_are_the_same(make, corpus):
    from simulator.workload import open_arrivals

    workload = make(trace="good.csv", repeat=True, to="10s")
    run = {"seed": 0, "replication": 0, "service": "s", "until_s": 1e4, "folder": corpus}
    one, other = (np.concatenate(list(open_arrivals(workload, chunk=chunk, **run))) for chunk in (7, 65_536))
    assert np.array_equal(one, other)
    assert one.size == 5000


def test_mean_rate_of_a_trace_is_its_count(make, draw, corpus):
    for keys in ({}, {"repeat": 3}, {"repeat": True, "to": "9s"}, {"scale": 3.0}, {"from_": "1s"}):
        for until_s in (1.5, 8.0, 20.0, 61.0):
            count = draw(until_s, trace="good.csv", folder=corpus, **keys).size
            assert mean_rate(make(trace="good.csv", **keys), until_s, corpus) * until_s == pytest.approx(count)


def test_series_counts_follow_their_rates(draw, tmp_path):
    """Chi-square per bin; a shift by one bin would be seen."""
    counts = np.random.default_rng(3).integers(0, 2000, 48)
    (tmp_path / "r.csv").write_text("requests\n" + "\n".join(map(str, counts)) + "\n")
    arrivals = draw(480.0, rates="r.csv", interval="10s", folder=tmp_path)
    found = np.histogram(arrivals, np.arange(49) * 10.0)[0]
    busy = counts > 5
    assert (found[counts == 0] == 0).all()
    assert stats.chi2.sf(np.sum((found - counts)[busy] ** 2 / counts[busy]), busy.sum()) > 1e-4
    inside = (arrivals / 10) % 1  # uniform inside the bins
    assert stats.kstest(inside, "uniform").pvalue > 1e-4


def test_series_of_one_rate_is_poisson(draw, tmp_path):
    (tmp_path / "r.csv").write_text("requests\n64\n64\n64\n")
    series = draw(300.0, rates="r.csv", interval="1s", repeat=True, folder=tmp_path)
    assert np.allclose(series, draw(300.0, rate="64/s"), rtol=1e-12, atol=0)


@pytest.mark.parametrize("cv", [0.5, 1.7])
def test_series_with_burstiness(draw, tmp_path, cv):
    """At a constant rate the gaps are gamma; in operational time they always are."""
    (tmp_path / "r.csv").write_text("requests\n100\n300\n")
    arrivals = draw(500.0, rates="r.csv", interval="1s", repeat=True, cv=cv, folder=tmp_path)
    load = np.interp(arrivals, np.arange(501.0), np.cumsum([0.0, *np.tile([100.0, 300.0], 250)]))
    gaps = np.diff(load, prepend=0.0)
    law = stats.gamma(1 / cv**2, scale=cv**2)
    seen = gaps > 1e-6  # finer gaps are lost in the running sum
    assert stats.kstest(law.sf(gaps[seen]) / law.sf(1e-6), "uniform").pvalue > 1e-4
    wrong = stats.gamma(1 / (1.05 * cv) ** 2, scale=(1.05 * cv) ** 2)
    assert stats.kstest(wrong.sf(gaps[seen]) / wrong.sf(1e-6), "uniform").pvalue < 1e-4


def test_series_slice_scale_and_copies(draw, make, tmp_path):
    """Half a bin at the beginning of every copy, rates times 100."""
    (tmp_path / "r.csv").write_text("requests\n10\n30\n20\n0\n")
    keys = {"rates": "r.csv", "interval": "10s", "from_": "15s", "to": "30s", "scale": 100.0, "repeat": 2}
    arrivals = draw(60.0, folder=tmp_path, **keys)
    expected = np.array([1500, 2000, 1500, 2000])
    counts = np.histogram(arrivals, [0, 5, 15, 20, 30])[0]
    assert arrivals[-1] < 30
    assert (np.abs(counts - expected) < Z * np.sqrt(expected)).all()
    assert mean_rate(make(**keys), 60.0, tmp_path) == pytest.approx(7000 / 60)


def test_series_with_its_own_clock(draw, tmp_path):
    """The column t_s is checked; the run begins with the first bin whatever its clock says."""
    (tmp_path / "r.csv").write_text("t_s,requests\n86400,0\n86410,500\n")
    arrivals = draw(60.0, rates="r.csv", interval="10s", folder=tmp_path)
    assert 10 <= arrivals[0] < arrivals[-1] < 20


def test_mean_rate_is_the_expected_load(make, tmp_path):
    (tmp_path / "r.csv").write_text("requests\n10\n30\n")
    shape = {"kind": "spike", "at": "5s", "length": "10s", "factor": 3}
    loads = [
        ({"rate": "5/s", "scale": 2.0}, 10.0),
        ({"rate": "5/s", "cv": 2.0, "shape": shape}, 5.0 * 2),
        ({"states": [{"rate": "8/s", "mean_duration": "1s"}, {"rate": "0/s", "mean_duration": "3s"}]}, 2.0),
        ({"rates": "r.csv", "interval": "10s"}, 2.0),
        ({"rates": "r.csv", "interval": "10s", "shape": shape}, (5 + 15 + 45 + 15) / 20),
    ]
    for keys, expected in loads:
        assert mean_rate(make(**keys), 20.0, tmp_path) == pytest.approx(expected, rel=1e-12)
    assert mean_rate(make(clients=3, think="1s"), 20.0, tmp_path) is None


def dispersion(arrivals, window_s):
    counts = np.bincount((arrivals // window_s).astype(int))
    return counts.var() / counts.mean()


@pytest.mark.parametrize(
    ("name", "count", "rate", "cv", "idc_1", "idc_60"),
    [
        ("azure_llm_2023_code", 7491, 3.131, 12.57, 12.94, 154.9),
        ("azure_llm_2023_conv", 14453, 5.897, 1.08, 1.34, 14.9),
    ],
)
def test_real_traces_replay_with_the_statistics_of_their_table(draw, shared, name, count, rate, cv, idc_1, idc_60):
    arrivals = draw(3600.0, trace=f"{name}.csv.gz", folder=shared / "requests")
    gaps = np.diff(arrivals)
    assert arrivals.size == count
    assert (arrivals.size - 1) / arrivals[-1] == pytest.approx(rate, rel=5e-4)
    assert gaps.std() / gaps.mean() == pytest.approx(cv, rel=5e-3)
    assert dispersion(arrivals, 1.0) == pytest.approx(idc_1, rel=0.01)
    assert dispersion(arrivals, 60.0) == pytest.approx(idc_60, rel=0.1)  # the last, partial minute counts or not


def test_real_series_keep_their_total(draw, shared):
    """Ten days of an LLM service at one thousandth: 973,000 arrivals, daily total within its interval."""
    arrivals = draw(
        864_000.0,
        rates="servegen_m_small_10min.csv.gz",
        interval="10min",
        scale=0.001,
        folder=shared / "series",
    )
    assert abs(arrivals.size - 973_319) < Z * np.sqrt(973_319)


@pytest.mark.parametrize("name", ["azure_llm_2023_code", "azure_llm_2023_conv"])
def test_shipped_slices_are_the_first_half_hour(draw, shared, name):
    path = SHIPPED / f"{name}.csv.gz"
    assert path.stat().st_size < 150_000
    assert gzip.decompress(path.read_bytes()).startswith(b"arrival_s\n0.000000\n")
    shipped = draw(3600.0, trace=path.name, folder=SHIPPED)
    source = draw(3600.0, trace=path.name, to="1800s", folder=shared / "requests")
    assert np.array_equal(shipped, source)


def test_shipped_slices_are_attributed():
    text = (SHIPPED / "README.md").read_text(encoding="utf-8")
    for path in SHIPPED.glob("*.gz"):
        assert path.name in text
    for part in ("Creative Commons Attribution 4.0", "Patel", "AzurePublicDataset", "changed"):
        assert part in text
