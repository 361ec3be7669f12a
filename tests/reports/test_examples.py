"""The checked-in example reports are what the program makes of the scenarios that ship, byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.reports.refresh import EXAMPLES, FOLDER, comparable, make

STALE = "reports/{0}.html is not what the program makes: python -m tests.reports.refresh {0}"


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_up_to_date(name: str, tmp_path: Path) -> None:
    make(name, tmp_path / "made.html")
    made = (tmp_path / "made.html").read_bytes().decode()
    kept = (FOLDER / f"{name}.html").read_bytes().decode()
    assert comparable(kept, made) == comparable(made, kept), STALE.format(name)


def test_there_is_no_other_report() -> None:
    assert {path.stem for path in FOLDER.glob("*.html")} == set(EXAMPLES)


def test_another_matplotlib_may_draw_otherwise_but_not_count_otherwise() -> None:
    kept = (FOLDER / "stream-70b-laptop.html").read_text(encoding="utf-8")
    start = kept.index('data-at="/reproduce/matplotlib">')
    version = kept[start:].split(">")[1].split("<")[0]
    newer = kept[:start] + kept[start:].replace(f">{version}<", ">99.0<", 1)
    redrawn = newer.replace("<path ", '<path class="x" ', 1)
    assert redrawn != newer
    assert comparable(kept, redrawn) == comparable(redrawn, kept)
    assert comparable(kept, kept.replace("<path ", '<path class="x" ', 1)) == kept
    wrong = redrawn.replace("</h1>", "!</h1>")
    assert comparable(kept, wrong) != comparable(wrong, kept)
