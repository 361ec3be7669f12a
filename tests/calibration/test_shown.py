"""What measurements and fits show in a notebook."""

from __future__ import annotations

from pathlib import Path

import pytest

import simulator
from simulator.calibration.measure import Row
from tests.html import Page


def rows(tmp_path: Path) -> Path:
    """Two devices, times a + b x batch with a little wave."""
    lines = ["device,batch,time_us"]
    lines += [
        f"{device},{batch},{scale * (100 + 7 * batch) * (1 + 0.01 * (-1) ** place)}"
        for device, scale in (("one", 1), ("two", 3))
        for place, batch in enumerate((1, 2, 4, 8, 16, 32))
    ]
    path = tmp_path / "rows.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_fit(tmp_path: Path) -> None:
    found = simulator.fit(rows(tmp_path), group=["device"])
    told = found.to_json()
    page = Page(found._repr_html_())
    table = page.tables[0]
    assert table.column("group") == ["one", "two"]
    assert table.numbers("error on held-out rows") == pytest.approx([one["mape"] for one in told["groups"]], rel=6e-4)
    assert table.numbers("worst") == pytest.approx([one["worst"]["error"] for one in told["groups"]], rel=6e-4)
    assert found.frame["group.device"].tolist() == ["one", "two"]
    assert page.said[0].startswith("rows.csv: 12 rows, kind batch")


def test_a_fit_without_rows_to_spare(tmp_path: Path) -> None:
    path = tmp_path / "few.csv"
    path.write_text("batch,time_us\n1,10\n2,12\n")
    page = Page(simulator.fit(path)._repr_html_())
    assert "the error is unknown: no row could be held out" in page.said


def test_a_measurement() -> None:
    labels = {"layer": "block", "batch": 4, "backend": "numpy", "processor": "a < b"}
    found = simulator.Measurement(
        kind="mlp",
        rows=(Row(labels, 125.0, 1.2, 1.3, 0.01, 3, 40), Row({**labels, "batch": 8}, 2500.0, 1.1, 1.3, None, 1, 9)),
        notes=("nothing else",),
        pinned=True,
        other_cores=0.25,
        wall_s=1.0,
        interrupted=False,
    )
    page = Page(found._repr_html_())
    table = page.tables[0]
    assert table.column("measured") == ["layer block, batch 4", "layer block, batch 8"]
    assert table.numbers("least time") == pytest.approx([125e-6, 2.5e-3])
    assert table.numbers("median") == pytest.approx([150e-6, 2.75e-3])
    assert table.numbers("spread of the rounds") == [0.01, None]
    assert page.said == ["numpy on a < b", "other work kept 0.25 processors busy meanwhile", "nothing else"]
    assert found.frame["latency_us"].tolist() == [125.0, 2500.0]
