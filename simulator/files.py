"""Output files are written whole or not at all; small input tables are read whole or refused with the reason."""

from __future__ import annotations

import gzip
import io
import os
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path

from simulator.errors import Problem, ScenarioError

GZIP_MAGIC = b"\x1f\x8b"
LARGEST_TABLE = 256 * 2**20
NOT_TEXT = "is not a text file (expected csv or csv.gz, UTF-8)"


def read_table_text(path: Path, largest: int = LARGEST_TABLE) -> str:
    """Text of a csv or csv.gz file of at most ``largest`` bytes, packed or not; ScenarioError says what is wrong.

    Pipes and devices are refused before they are opened, and a packed file is unpacked no further than ``largest``.
    """

    def refused(message: str) -> ScenarioError:
        return ScenarioError(Problem(message, str(path)))

    if path.is_dir():
        raise refused("is a folder, expected a csv or csv.gz file")
    if path.exists() and not path.is_file():
        raise refused("is not a regular file, expected a csv or csv.gz file")
    try:
        with path.open("rb") as stream:
            raw = stream.read(largest + 1)
        if len(raw) <= largest and raw.startswith(GZIP_MAGIC):
            with gzip.GzipFile(fileobj=io.BytesIO(raw)) as packed:
                raw = packed.read(largest + 1)
    except FileNotFoundError:
        raise refused("no such file") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise refused(f"cannot be unpacked: {error}") from None
    except OSError as error:
        raise refused(f"cannot be read: {error.strerror or error}") from None
    if len(raw) > largest:
        raise refused(f"is larger than {largest >> 20} MiB")
    try:
        if b"\0" not in raw:
            return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    raise refused(NOT_TEXT)


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a temporary file beside ``path`` and rename it, so that no half file is ever seen."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    draft = Path(name)
    try:
        write(draft)
        draft.chmod(0o666 & ~_umask())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8, whole or not at all."""
    write_whole(path, lambda draft: draft.write_text(text, encoding="utf-8"))


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
