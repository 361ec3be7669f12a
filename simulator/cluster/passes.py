"""What happens to a batch on its way through a portion, by exit mode: one registry, one small class each."""

from __future__ import annotations

from typing import Protocol

from simulator.cluster.lowered import Floats
from simulator.cluster.requests import RequestTable
from simulator.cluster.state import Batch

NOBODY: list[int] = []


class Pass(Protocol):
    """One exit mode."""

    fixed: bool
    """Whether the time of a batch depends on its size alone, so that ``Phase.time_s`` is all there is to know."""

    def time(self, batch: Batch, table: RequestTable) -> float:
        """Time of the whole batch without jitter [s]; may note answers as (request, time so far) on the batch."""
        ...

    def steps(self, batch: Batch, table: RequestTable, seconds: Floats) -> list[float]:
        """Time of each step that runs [s], from that of all by batch size, shape (steps, batch + 1)."""
        ...

    def finish(self, batch: Batch, table: RequestTable) -> list[int]:
        """At the end of the batch: answer who leaves now, return who goes on, in batch order."""
        ...


class WholePass:
    """All steps run at the size of the batch."""

    def steps(self, batch: Batch, table: RequestTable, seconds: Floats) -> list[float]:
        """Of all steps."""
        found: list[float] = seconds[:, len(batch.requests)].tolist()
        return found


class FullPass(WholePass):
    """``none``: ramps are ignored, answers leave at the end of the model."""

    fixed = True

    def time(self, batch: Batch, table: RequestTable) -> float:
        """Tabulated time at the batch's size."""
        return batch.phase.times[len(batch.requests)]

    def finish(self, batch: Batch, table: RequestTable) -> list[int]:
        """Everybody goes on, or is answered in the last portion."""
        if not batch.phase.is_last:
            return batch.requests
        table.answer_all(batch.requests, batch.end)
        return NOBODY


class AtCut(WholePass):
    """``at_cut``: one ramp at the end of the portion; who fires leaves there, the rest go on."""

    fixed = True

    def time(self, batch: Batch, table: RequestTable) -> float:
        """Tabulated time of layers and the cut's ramp at the batch's size."""
        return batch.phase.times[len(batch.requests)]

    def finish(self, batch: Batch, table: RequestTable) -> list[int]:
        """Split by the layer after which each answer leaves."""
        if batch.phase.is_last:
            table.answer_all(batch.requests, batch.end)
            return []
        leave, last = table.leave, batch.phase.spec.last_layer
        survivors = [r for r in batch.requests if leave[r] > last]
        if len(survivors) < len(batch.requests):
            table.answer_all([r for r in batch.requests if leave[r] <= last], batch.end)
        return survivors


class Compact:
    """``compact``: every layer and ramp runs at the survivors' count; an empty batch ends."""

    fixed = False

    def time(self, batch: Batch, table: RequestTable) -> float:
        """Left-to-right sum over the steps, each at the number of requests still in the batch."""
        leave, spec = table.leave, batch.phase.spec
        inside, total = batch.requests, 0.0
        answers: list[tuple[int, float]] = []
        for step, ramp in enumerate(spec.step_ramp.tolist()):
            total += float(spec.steps_s[step, len(inside)])
            if ramp:
                answers += [(r, total) for r in inside if leave[r] == ramp]
                inside = [r for r in inside if leave[r] > ramp]
                if not inside:
                    break
        batch.answers, batch.survivors = answers, inside
        return total

    def steps(self, batch: Batch, table: RequestTable, seconds: Floats) -> list[float]:
        """Up to the ramp at which the last requests leave, each at the number still inside."""
        leave, found, inside = table.leave, list[float](), len(batch.requests)
        for step, ramp in enumerate(batch.phase.spec.step_ramp.tolist()):
            found.append(float(seconds[step, inside]))
            if ramp:
                inside = sum(leave[r] > ramp for r in batch.requests)
                if not inside:
                    break
        return found

    def finish(self, batch: Batch, table: RequestTable) -> list[int]:
        """Who is left goes on, or is answered in the last portion."""
        survivors = batch.survivors or []
        if not batch.phase.is_last:
            return survivors
        table.answer_all(survivors, batch.end)
        return []


class AnswerEarly(WholePass):
    """``answer_early``: the batch keeps its size to the end; an answered request only keeps its slot."""

    fixed = False

    def time(self, batch: Batch, table: RequestTable) -> float:
        """Tabulated time of all layers and ramps at the batch's full size."""
        phase, size = batch.phase, len(batch.requests)
        ramp_step = {ramp: step for step, ramp in enumerate(phase.spec.step_ramp.tolist()) if ramp}
        leaving = [(r, ramp_step.get(table.leave[r])) for r in batch.requests if not table.is_answered(r)]
        batch.answers = [(r, float(phase.spec.elapsed_s[step, size])) for r, step in leaving if step is not None]
        return phase.times[size]

    def finish(self, batch: Batch, table: RequestTable) -> list[int]:
        """All slots go on; in the last portion whoever has no answer yet gets it."""
        if not batch.phase.is_last:
            return batch.requests
        table.answer_all([r for r in batch.requests if not table.is_answered(r)], batch.end)
        return []


PASSES: dict[str, Pass] = {
    "none": FullPass(),
    "at_cut": AtCut(),
    "compact": Compact(),
    "answer_early": AnswerEarly(),
}
