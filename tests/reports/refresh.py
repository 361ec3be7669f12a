"""``python -m tests.reports.refresh [NAME ...]`` makes the example reports anew; all, if none is named."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "reports"
EXAMPLES: dict[str, tuple[str, ...]] = {
    "early-exit-e3": ("scenarios/early-exit-e3.yaml",),
    "bubble-fill": ("scenarios/bubble-fill-second-instance.yaml",),
    "stream-70b-laptop": ("scenarios/stream-70b-laptop.yaml",),
    "plan-day-sentiment": (
        "scenarios/plan-day-sentiment.yaml",
        "--plan",
        "scenarios/plans/plan-day-sentiment.yaml",
    ),
}
"""Words behind ``plan report`` by the name of the file, as they are said in the project's folder. One line each."""
_DRAWN_BY = re.compile(r'<data value="[^"]*" data-at="/reproduce/matplotlib">([^<]*)</data>')
_PICTURE = re.compile(r"<svg .*?</svg>", re.DOTALL)


def make(name: str, file: Path) -> None:
    """Write one example as ``file``, from the project's folder."""
    from simulator.cli.main import run

    before = Path.cwd()
    os.chdir(ROOT)
    try:
        code = run(["report", *EXAMPLES[name], "-o", str(file), "-q"])
    finally:
        os.chdir(before)
    assert code == 0, f"plan report {' '.join(EXAMPLES[name])} ended with {code}"


def comparable(page: str, others: str) -> str:
    """What of a page has to be in another one: everything, or all but the pictures if another matplotlib drew those."""
    mine, theirs = (_DRAWN_BY.findall(text) for text in (page, others))
    assert len(mine) == len(theirs) == 1, "a report says once what drew its pictures"
    return page if mine == theirs else _PICTURE.sub("", _DRAWN_BY.sub("", page))


def main() -> None:
    for name in sys.argv[1:] or EXAMPLES:
        make(name, FOLDER / f"{name}.html")
        sys.stdout.write(f"wrote reports/{name}.html\n")


if __name__ == "__main__":
    main()
