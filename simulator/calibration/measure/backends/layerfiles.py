"""Weights of layers in files, read past the page cache where the system lets one."""

from __future__ import annotations

import errno
import mmap
import os
import shutil
import tempfile
import time
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.calibration.measure.probe import Unavailable

BLOCK = 4096
"""Reads past the page cache are of whole blocks, into memory that begins at one."""
DRIVE, MEMORY, UNKNOWN = "drive", "memory", "unknown"
"""Where the bytes came from: a drive, memory (the page cache, or files that live there), or nobody tells."""
_COUNTS = Path("/proc/self/io")
_FROM_DRIVE = 0.5
"""Share of the bytes that must have come from a drive for it to count as the source."""


class LayerFiles:
    """A temporary folder with one file for each layer; removed with the object, at the latest when the program ends.

    ``sizes`` are the bytes of each file, whole blocks.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="plan-stream-"))
        self.sizes: list[int] = []
        self._open: list[int] = []
        self._direct = hasattr(os, "O_DIRECT")
        self.close = weakref.finalize(self, _remove, self.folder, self._open)

    def add(self, weights: NDArray[Any]) -> None:
        """Write the next layer, down to the drive."""
        size = padded(weights.nbytes)
        if shutil.disk_usage(self.folder).free < 2 * size:
            raise Unavailable(f"no room for {size / 1e6:.4g} MB more in {self.folder.parent}: set TMPDIR, or ask less")
        path = self.folder / f"layer{len(self.sizes)}"
        with path.open("wb") as file:
            file.write(np.ascontiguousarray(weights).tobytes())
            file.truncate(size)
            file.flush()
            os.fsync(file.fileno())
        self._open.append(self._opened(path))
        self.sizes.append(size)

    def read(self, layer: int, into: memoryview) -> None:
        """Read a layer; without reads past the cache, the pages are dropped so that the next read meets the drive."""
        handle, size = self._open[layer], self.sizes[layer]
        done = 0
        while done < size:
            got = self._read(handle, into[done:size], done)
            if not got:
                raise OSError(errno.EIO, "the file is shorter than it was", str(self.folder / f"layer{layer}"))
            done += got
        if not self._direct and hasattr(os, "posix_fadvise"):
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)

    @property
    def way(self) -> str:
        """How files are read: past the page cache, or through it with its pages dropped after each read, or cached."""
        return "direct" if self._direct else "dropped" if hasattr(os, "posix_fadvise") else "cached"

    def _opened(self, path: Path) -> int:
        if self._direct:
            try:
                handle = os.open(path, os.O_RDONLY | os.O_DIRECT)
            except OSError:  # a file system in memory, or one that packs its blocks
                self._direct = False
            else:
                try:
                    os.preadv(handle, [buffer(BLOCK)], 0)
                    return handle
                except OSError:  # larger blocks than ours
                    os.close(handle)
                    self._direct = False
        handle = os.open(path, os.O_RDONLY)
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        return handle

    def _read(self, handle: int, into: memoryview, offset: int) -> int:
        if hasattr(os, "preadv"):
            return os.preadv(handle, [into], offset)
        os.lseek(handle, offset, os.SEEK_SET)
        with open(handle, "rb", buffering=0, closefd=False) as file:
            return file.readinto(into) or 0


def _remove(folder: Path, handles: Sequence[int]) -> None:
    for handle in handles:
        os.close(handle)
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def layer_files(layers: Sequence[NDArray[Any]]) -> Iterator[LayerFiles]:
    """Files of these layers, while this is entered."""
    files = LayerFiles()
    try:
        for weights in layers:
            files.add(weights)
        yield files
    finally:
        files.close()


def buffer(size: int) -> memoryview:
    """Memory that begins at a block."""
    return memoryview(mmap.mmap(-1, padded(size)))


def padded(size: int) -> int:
    """Bytes in whole blocks.

    >>> padded(1), padded(8192)
    (4096, 8192)
    """
    return -(-size // BLOCK) * BLOCK


def read_seconds(files: LayerFiles, reads: int) -> tuple[float, str]:
    """Least time to read the first layer [s], and where its bytes came from."""
    into = buffer(files.sizes[0])
    before, times = _from_drive(), []
    for _ in range(reads):
        start = time.perf_counter()
        files.read(0, into)
        times.append(time.perf_counter() - start)
    after = _from_drive()
    if before is None or after is None:
        return min(times), UNKNOWN
    share = (after - before) / (reads * files.sizes[0])
    return min(times), DRIVE if share >= _FROM_DRIVE else MEMORY


def _from_drive() -> int | None:
    """Bytes that this process has had fetched from drives; None where nobody counts them."""
    try:
        text = _COUNTS.read_text(encoding="ascii")
    except OSError:
        return None
    counts = dict(line.split(": ") for line in text.splitlines())
    return int(counts["read_bytes"]) if "read_bytes" in counts else None
