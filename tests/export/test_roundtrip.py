"""What is read back from the files is the plan: replicas, batches, waits, devices, for random plans."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.export import TARGETS
from tests.export.support import case, tree, written

LAYERS = 6


@st.composite
def deployments(draw: st.DrawFn, kinds: bool) -> dict[str, Any]:
    """Portions at random cuts; with several kinds where the target takes them."""
    cuts = sorted(draw(st.sets(st.integers(1, LAYERS - 1), max_size=3)))
    portions = []
    for first, last in zip([1, *(cut + 1 for cut in cuts)], [*cuts, LAYERS]):
        for _ in range(draw(st.integers(1, 2 if kinds else 1))):
            portions.append(
                {
                    "layers": f"{first}-{last}",
                    "pool": draw(st.sampled_from(["p", "q"])),
                    "replicas": draw(st.integers(1, 3)),
                    "batch": draw(st.integers(1, 64)),
                    "max_wait": f"{draw(st.integers(0, 100_000))}us",
                    "precision": draw(st.sampled_from(["fp16", "int8"])),
                }
            )
    return {"exit_mode": draw(st.sampled_from(["none", "at_cut"])), "portions": portions}


@st.composite
def scenarios(draw: st.DrawFn, kinds: bool) -> dict[str, Any]:
    """One or two services with one to four windows each, not all at the same instants."""
    found = tree()
    for pool in found["cluster"]["pools"].values():
        pool["count"] = 1000
    found["run"] = {"duration": "8h"}
    service = found["services"].pop("chat")
    service.pop("deployment")
    for name in draw(st.lists(st.sampled_from(["chat", "Chat", "a_b"]), min_size=1, max_size=2, unique=True)):
        starts = sorted(draw(st.sets(st.integers(1, 7), max_size=3)))
        windows = [{"from": f"{start}h"} | draw(deployments(kinds)) for start in [0, *starts]]
        found["services"][name] = service | {"deployments": windows}
    return found


@pytest.mark.parametrize("target", TARGETS)
def test_round_trip(target: str) -> None:
    kinds = target == "kubernetes"

    @settings(max_examples=12 if kinds else 25, deadline=None, database=None)
    @given(scenarios(kinds))
    def holds(given_tree: dict[str, Any]) -> None:
        the_case = case(given_tree)
        folder = Path(tempfile.mkdtemp())
        try:
            written(the_case, target, folder / "out")
            found = TARGETS[target].read(folder / "out")
        finally:
            shutil.rmtree(folder)
        assert set(found) == {window.number for window in the_case.windows}
        for window in the_case.windows:
            wanted = sorted(part.setting for part in window.all_parts)
            assert wanted
            for one, other in zip(wanted, sorted(found[window.number]), strict=True):
                assert one._replace(max_wait_s=0.0) == other._replace(max_wait_s=0.0)
                assert other.max_wait_s == pytest.approx(one.max_wait_s, abs=1e-12)  # whole microseconds

    holds()
