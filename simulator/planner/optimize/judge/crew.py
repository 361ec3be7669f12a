"""Processes that stay for a whole search, so that what they have prepared once serves every later question."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, Executor
from contextlib import ExitStack
from types import TracebackType
from typing import TypeVar

from simulator.cluster.spread import Spread, cores, process_pool

Job = TypeVar("Job")
Answer = TypeVar("Answer")


class Crew:
    """``workers`` processes (default: one for each core), started when there is first something to share.

    Use it in a ``with`` block, or call :meth:`close`. With one worker all is done here.
    """

    def __init__(self, workers: int | None = None) -> None:
        self.workers = cores() if workers is None else workers
        self._stack = ExitStack()
        self._pool: Executor | None = None

    def each(
        self, work: Callable[[Job], Answer], jobs: Sequence[Job], tell: Callable[[int], None] | None = None
    ) -> list[Answer | Exception]:
        """``work``, a function that other processes can import, done for every job; the answers in their order.

        The answer of a job whose process ended is the exception. ``tell`` hears how many jobs are done.
        """
        spread = Spread(work, jobs, tell or _nobody)
        if self.workers == 1 or len(jobs) < 2:
            spread.here()
        else:
            spread.through(self._started(), self.workers)
            if any(isinstance(answer, BrokenExecutor) for answer in spread.answers.values()):
                self.close()  # the next question starts anew
        return [spread.answers[number] for number in range(len(jobs))]

    def _started(self) -> Executor:
        if self._pool is None:
            self._pool = self._stack.enter_context(process_pool(self.workers))
        return self._pool

    def close(self) -> None:
        """End the processes."""
        self._pool = None
        self._stack.close()

    def __enter__(self) -> Crew:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool = None
        self._stack.__exit__(kind, error, trace)


def _nobody(done: int) -> None:
    """Hears nothing."""
