"""Independent jobs spread over processes: the same answers in the same order, whoever does them."""

from __future__ import annotations

import os
import pickle
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

Job = TypeVar("Job")
Answer = TypeVar("Answer")
LARGEST_CHUNK = 32
"""Jobs that travel together: enough that what they share is pickled once, and that a trip costs little beside them."""
CHUNKS_PER_WORKER = 16
"""So many chunks for each worker that nobody waits long for the last one, however uneven the jobs are."""
MOST_ON_WINDOWS = 61
"""Processes that one there can wait for."""
UNGUARDED = (
    "no process could be started to share the work: a script that does so at its top level needs "
    "`if __name__ == '__main__':` (or take workers=1)"
)


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else min(os.cpu_count() or 1, MOST_ON_WINDOWS)


@dataclass
class Spread(Generic[Job, Answer]):
    """Does ``work``, a function that other processes can import, for every job.

    ``answers`` fills by number of the job. A job that could not be sent, or whose process ended, has the exception
    as its answer. ``tell`` hears, now and then, how many jobs are done.
    """

    work: Callable[[Job], Answer]
    jobs: Sequence[Job]
    tell: Callable[[int], None]
    largest: int = LARGEST_CHUNK
    """Most jobs that travel together: fewer where what is done should be told soon."""
    answers: dict[int, Answer | Exception] = field(default_factory=dict)

    def here(self) -> None:
        """One job after another, in this process."""
        for number, job in enumerate(self.jobs):
            self._note([number], [self.work(job)])

    def through(self, executor: Executor, workers: int) -> None:
        """Through somebody's executor with about so many workers; it goes on living."""
        lost = self._hand_out(executor, self._chunks(workers))
        lost = self._hand_out(executor, [[number] for number in lost])
        for number, error in lost.items():
            self._note([number], [error])

    def in_processes(self, workers: int) -> None:
        """Over processes of our own, which are gone afterwards."""
        chunks = self._chunks(workers)
        with process_pool(min(workers, len(chunks))) as pool:
            left = list(self._hand_out(pool, chunks))
        while left:  # a process ended: one job at a time, so that it is known whose fault it is
            with process_pool(1) as pool:
                left = self._one_by_one(pool, left)

    def _chunks(self, workers: int) -> list[list[int]]:
        """Numbers of the jobs that travel together."""
        count = len(self.jobs)
        size = min(max(count // (workers * CHUNKS_PER_WORKER), 1), self.largest)
        return [list(range(first, min(first + size, count))) for first in range(0, count, size)]

    def _one_by_one(self, pool: Executor, numbers: list[int]) -> list[int]:
        """Those that are left when one has ended the process of the pool, which has no other."""
        try:
            pool.submit(os.getpid).result()
        except BrokenExecutor as error:
            raise RuntimeError(UNGUARDED) from error
        for place, number in enumerate(numbers):
            for failure in self._hand_out(pool, [[number]]).values():
                self._note([number], [failure])
                if isinstance(failure, BrokenExecutor):
                    return numbers[place + 1 :]
        return []

    def _hand_out(self, executor: Executor, chunks: Sequence[list[int]]) -> dict[int, Exception]:
        """Submit the chunks and wait for them; the jobs of those that came to nothing, and why."""
        lost: dict[int, Exception] = {}
        futures: dict[Future[Any], list[int]] = {}
        try:
            for numbers in chunks:
                try:
                    packed = pickle.dumps((self.work, [self.jobs[number] for number in numbers]))
                    futures[executor.submit(_do, packed)] = numbers
                except (BrokenExecutor, *UNPACKABLE) as error:
                    lost |= dict.fromkeys(numbers, error)
            for future in as_completed(futures):
                why = _error_of(future)
                if why is None:
                    self._note(futures[future], future.result())
                else:
                    lost |= dict.fromkeys(futures[future], why)
        except BaseException:
            for future in futures:
                future.cancel()
            raise
        return lost

    def _note(self, numbers: Sequence[int], answers: Sequence[Answer | Exception]) -> None:
        self.answers |= zip(numbers, answers)
        self.tell(len(self.answers))


UNPACKABLE = (pickle.PicklingError, TypeError, AttributeError, ValueError, RecursionError)
"""What pickle raises for values that cannot leave their process."""


def _do(packed: bytes) -> list[Any]:
    """The answers to a chunk; it comes packed, so that every kind of executor carries it alike."""
    work, jobs = pickle.loads(packed)
    return [work(job) for job in jobs]


def _error_of(future: Future[Any]) -> Exception | None:
    """Why a chunk came to nothing; an interruption is passed on."""
    try:
        future.result()
    except Exception as error:  # noqa: BLE001 # whatever the executor raises: the job is told, the others go on
        return error
    return None


@contextmanager
def process_pool(workers: int) -> Iterator[Executor]:
    """A pool of processes that are gone when the block is left, at once where it is left by an exception.

    They end as soon as this process does, however that comes about, and leave Ctrl-C to it.
    """
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    context = multiprocessing.get_context(start_method())
    told, teller = context.Pipe(duplex=False)
    with told, teller:
        pool = ProcessPoolExecutor(workers, context, _begin, (told,))
        try:
            yield pool
        except BaseException:
            teller.send_bytes(b"end")
            pool.shutdown(cancel_futures=True)
            raise
        pool.shutdown()


def start_method() -> str:
    """How processes are started: ``fork`` where that is safe, else ``spawn``.

    A fork has the compiled engine in memory, so that it costs milliseconds, needs no cache on disk and no guarded main
    module. It is safe on Linux as long as no other thread could hold a lock. A fork server would be as clean as spawn,
    but the server stays behind until the program ends.
    """
    return "fork" if sys.platform == "linux" and threading.active_count() == 1 else "spawn"


def _begin(told: Connection) -> None:
    """First of all in a process of the pool."""
    import gc
    import signal
    from multiprocessing import parent_process

    gc.freeze()  # what was loaded or inherited stays: nobody needs to look through it again and again
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    assert parent is not None
    threading.Thread(target=_end_with, args=([told, parent.sentinel],), daemon=True).start()


def _end_with(ends: list[Any]) -> None:
    """End this process when it is told to, or when its parent has gone. Nothing is lost: it writes no files."""
    from multiprocessing.connection import wait

    wait(ends)
    os._exit(1)
