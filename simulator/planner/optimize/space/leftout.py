"""Alternatives that never came into question, one line for each exit mode and kind of replica."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from simulator.planner.optimize.space.blocks import Block, Bools
    from simulator.planner.optimize.space.ground import Ground
    from simulator.planner.optimize.space.timing import Kind

Reason = Literal["accuracy", "memory", "slo", "device", "slower"]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An alternative that no shape of the space stands for.

    ``figure`` is what it reaches at best: the accuracy, or the time of a batch over all portions [s]; None else.
    """

    exit_mode: str
    kind: str
    reason: Reason
    text: str
    figure: float | None = None

    def __str__(self) -> str:
        return f"{self.exit_mode} on {self.kind}: {self.text}"


@dataclass(slots=True)
class _Seen:
    kept: bool = False
    accurate: float = -inf
    fastest_s: float = inf
    fastest_kept_s: float = inf


@dataclass(eq=False)
class Survey:
    """What was seen of every exit mode on one kind of replica."""

    seen: dict[tuple[str, int], _Seen] = field(default_factory=dict)
    fastest: tuple[float, str] = (inf, "")
    """Shortest time of a batch over all portions [s], and of what."""
    best: tuple[float, str] = (-inf, "")
    """Largest accuracy, and of what."""

    def see(self, ground: Ground, block: Block, good: Bools) -> None:
        """Count the shapes of a block that have one kind of replica in all portions."""
        from simulator.planner.optimize.space.blocks import MODES

        mode, batch = MODES[block.mode], ground.search.batch[block.size]
        for number, bench in enumerate(ground.benches):
            mine = (block.bench == number).all(axis=1)
            if ground.twofold:
                mine = (block.bench == number).any(axis=1)
            if not mine.any():
                continue
            one = self.seen.setdefault((mode, number), _Seen())
            one.kept |= bool(good[mine].any())
            accuracy, service = block.accuracy[mine], block.service_s[mine]
            fits = np.isfinite(service)
            if not fits.any():
                continue
            what = f"{spoken(mode)} on {bench.kind}, batch {batch}"
            if (~np.isnan(accuracy[fits])).any():
                one.accurate = max(one.accurate, float(np.nanmax(accuracy[fits])))
                self.best = max(self.best, (one.accurate, what), key=lambda pair: pair[0])
            one.fastest_s = min(one.fastest_s, float(service[fits].min()))
            self.fastest = min(self.fastest, (one.fastest_s, what), key=lambda pair: pair[0])
            accepted = fits & ground.accepts(accuracy)
            if accepted.any():
                one.fastest_kept_s = min(one.fastest_kept_s, float(service[accepted].min()))

    def left_out(self, ground: Ground) -> tuple[LeftOut, ...]:
        """Every mode and kind of replica of which no shape was kept."""
        found = [LeftOut("any mode", str(kind), reason, text) for kind, reason, text in ground.refused]
        for (mode, number), one in self.seen.items():
            if not one.kept:
                found.append(_why(ground, spoken(mode), ground.benches[number].kind, one))
        return tuple(found)


def spoken(mode: str) -> str:
    """A mode as people read it."""
    return "at_cut (serial)" if mode == "serial" else mode


def _why(ground: Ground, mode: str, kind: Kind, one: _Seen) -> LeftOut:
    if one.fastest_s == inf:
        return LeftOut(mode, str(kind), "memory", "does not fit the memory of a replica, however it is cut")
    if one.fastest_kept_s == inf:
        known = one.accurate > -inf
        text = f"accuracy {one.accurate:.4f} at best" if known else "what it costs in accuracy is not said"
        return LeftOut(
            mode, str(kind), "accuracy", f"{text}, below the floor of {ground.floor}", one.accurate if known else None
        )
    least, most = one.fastest_kept_s * 1e3, ground.target.latency_s * 1e3
    text = f"a full batch takes {least:.4g} ms at least, the objective is {most:g} ms"
    return LeftOut(mode, str(kind), "slo", text, one.fastest_kept_s)
