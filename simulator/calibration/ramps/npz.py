"""Arrays out of an npz file, without trusting it: sizes are known before anything is read, nothing is unpickled."""

from __future__ import annotations

import hashlib
import math
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from simulator.errors import Problem, ScenarioError
from simulator.files import reason

Arrays = Mapping[str, NDArray[Any]]

LARGEST = 2 * 2**30
"""Bytes of all arrays of a file together; training holds them once more, as 64-bit floats."""
_READERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
_NOT_NPZ = "is not an npz file (write one with numpy.savez or numpy.savez_compressed)"


def read_arrays(path: Path, largest: int = LARGEST) -> tuple[Arrays, str]:
    """All arrays of an npz file by name, and the file's sha256; ScenarioError says what is wrong with it.

    Objects (pickles) are refused, and so are arrays whose header promises something else than the file holds.
    """
    _check_place(path)
    try:
        digest = hashlib.sha256()
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
            stream.seek(0)
            with zipfile.ZipFile(stream) as archive:
                return _members(path, archive, largest), digest.hexdigest()
    except zipfile.BadZipFile:
        raise _refused(path, _NOT_NPZ) from None
    except (zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise _refused(path, f"cannot be unpacked: {error}") from None
    except OSError as error:
        raise _refused(path, f"cannot be read: {reason(error)}") from None


def _check_place(path: Path) -> None:
    if path.is_dir():
        raise _refused(path, "is a folder, expected an npz file")
    if not path.exists():
        raise _refused(path, "no such file")
    if not path.is_file():
        raise _refused(path, "is not a regular file, expected an npz file")


def _members(path: Path, archive: zipfile.ZipFile, largest: int) -> Arrays:
    entries = archive.infolist()
    names = [entry.filename.removesuffix(".npy") for entry in entries]
    odd = [entry.filename for entry in entries if not entry.filename.endswith(".npy")]
    if odd or not entries:
        found = f"holds {odd[0]!r}, which is no array" if odd else "holds no arrays"
        raise _refused(path, f"{found}: {_NOT_NPZ}")
    if len(set(names)) < len(names):
        raise _refused(path, f"holds {next(name for name in names if names.count(name) > 1)!r} twice")
    if sum(entry.file_size for entry in entries) > largest:
        raise _refused(path, f"holds more than {largest >> 20} MiB of arrays")
    for name, entry in zip(names, entries):
        with archive.open(entry) as member:
            _check_header(path, name, member, entry.file_size)
    return {name: _array(path, name, archive, entry) for name, entry in zip(names, entries)}


def _check_header(path: Path, name: str, member: IO[bytes], size: int) -> None:
    """Refuse objects, and a header that does not fit the bytes that follow: before memory is asked for."""
    try:
        shape, _, dtype = _READERS[npy.read_magic(member)](member)
    except (ValueError, KeyError):
        raise _refused(path, "is not an array of numpy's format", name) from None
    if dtype.hasobject:
        raise _refused(path, "holds Python objects (a pickle), which are never loaded: store plain numbers", name)
    if math.prod(shape) * dtype.itemsize != size - member.tell():
        raise _refused(path, f"is damaged: its header says {shape} of {dtype}, which is not what follows", name)


def _array(path: Path, name: str, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> NDArray[Any]:
    with archive.open(entry) as member:
        try:
            array: NDArray[Any] = npy.read_array(member, allow_pickle=False)
        except ValueError as error:
            raise _refused(path, f"cannot be read: {error}", name) from None
    return array


def _refused(path: Path, message: str, name: str | None = None) -> ScenarioError:
    return ScenarioError(Problem(message, str(path), path=name))


def not_finite(array: NDArray[np.float64]) -> str | None:
    """What is wrong with an array of numbers that must be finite, or None.

    >>> not_finite(np.array([[0.0, np.nan], [np.inf, 1.0]]))
    '2 of 4 values are not finite numbers, the first at row 0, column 1'
    """
    bad = np.argwhere(~np.isfinite(array))
    if not len(bad):
        return None
    place = ", ".join(f"{axis} {index}" for axis, index in zip(("row", "column"), bad[0].tolist()))
    return f"{len(bad)} of {array.size} values are not finite numbers, the first at {place}"
