"""Output files are written whole or not at all; small input tables are read whole or refused with the reason."""

from __future__ import annotations

import gzip
import io
import os
import secrets
import zlib
from collections.abc import Callable, Iterable
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


def check_output(path: Path, inputs: Iterable[Path] = ()) -> None:
    """Refuse, before any work is done, a file that could not be written after it, or that is one of ``inputs``."""
    target = _target(path)
    if any(target == Path(os.path.realpath(one)) for one in inputs):
        raise _refused(path, "is a file that is read; name another to write")
    check_parents(path)


def check_parents(path: Path) -> None:
    """Refuse a file or folder for which there is no folder to be in, nor can be one."""
    for parent in Path(os.path.realpath(path)).parents:
        if parent.is_dir():
            if not os.access(parent, os.W_OK | os.X_OK):
                raise _refused(path, f"cannot be written: no permission in {parent}")
            return
        if parent.exists():
            raise _refused(path, f"cannot be written: {parent} is no folder")


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a temporary file beside ``path`` and rename it, so that no half file is ever seen.

    A link stays, the file that it names is replaced. ScenarioError when ``path`` is something else than a file
    or when the system does not let us write; it names ``path``, never the temporary file.
    """
    target = _target(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f".draft-{secrets.token_hex(8)}{target.suffix}")
        try:  # entered before the file is there, so that no interruption leaves it behind
            draft.touch(mode=0o600, exist_ok=False)
            write(draft)
            draft.chmod(0o666 & ~_umask())
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise _refused(path, reason(error)) from error


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8, whole or not at all."""
    write_whole(path, lambda draft: draft.write_text(text, encoding="utf-8"))


def reason(error: OSError) -> str:
    """What the system says is wrong, in lower case and without the name of a file.

    >>> reason(OSError(28, "No space left on device", "draft"))
    'no space left on device'
    """
    text = os.strerror(error.errno) if error.errno else str(error) or type(error).__name__
    return text[0].lower() + text[1:]


def _target(path: Path) -> Path:
    """The file to replace: links followed, folders, pipes and devices refused."""
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise _refused(path, "is a folder; name a file to write")
    if target.is_symlink():
        raise _refused(path, "is a link that leads to itself")
    if target.exists() and not target.is_file():
        raise _refused(path, "is not a regular file")
    return target


def _refused(path: Path, message: str) -> ScenarioError:
    return ScenarioError(Problem(message, str(path)))


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
