"""Every plan that ships is exported to every target, and its target reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulator.export import TARGETS, read_case
from simulator.export.case import is_plan
from simulator.export.features import found_in
from tests.export.support import DAY, ROOT, SCENARIOS, written


def plans() -> list[Path]:
    """Plans below scenarios/, by what they hold; and one that these tests bring."""
    files = [*SCENARIOS.rglob("*.plan.yaml"), *SCENARIOS.rglob("plans/*.yaml"), *SCENARIOS.glob("plan*.yaml")]
    return [DAY, *(path for path in sorted(set(files)) if is_plan(path))]


PLANS = plans()


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("plan", PLANS, ids=[str(path.relative_to(ROOT)) for path in PLANS])
def test_every_plan_that_ships_passes_its_validator(plan: Path, target: str, tmp_path: Path) -> None:
    case = read_case(plan)
    refused = [one.said for one in found_in(case) if TARGETS[target].verdict(one.feature).kind == "refused"]
    if refused and target != "kubernetes":
        pytest.skip(f"{target} refuses {', '.join(refused)}")
    written(case, target, tmp_path / "out")
