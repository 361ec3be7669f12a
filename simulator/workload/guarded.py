"""Text files that others wrote, compressed or not, read with bounds on their size and line length."""

from __future__ import annotations

import contextlib
import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

MAX_BYTES = 2_000_000_000
MAX_LINE = 1_000_000
TOO_LARGE = f"is larger than {MAX_BYTES / 1e9:g} GB as plain text: cut it into smaller files"
_BUFFER = 1 << 18
_FOREIGN = {
    b"PK\x03\x04": "a zip archive or a spreadsheet",
    b"PAR1": "a parquet file",
    b"\x89PNG": "a picture",
    b"BZh": "bzip2-compressed",
    b"\xfd7zXZ": "xz-compressed",
    b"\x28\xb5\x2f\xfd": "zstd-compressed",
    b"%PDF": "a PDF document",
}


class Unreadable(Exception):
    """A file that cannot be read as text; the message continues a sentence that begins with its name."""


class _Guard(io.RawIOBase):
    """Passes bytes on while there is not too much of them, lines stay short and nothing looks binary."""

    def __init__(self, source: IO[bytes] | gzip.GzipFile) -> None:
        self._source, self._seen, self._line = source, 0, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._source.read(len(buffer))
        self._seen += len(data)
        if self._seen > MAX_BYTES:
            raise Unreadable(f"is larger than {MAX_BYTES / 1e9:g} GB as plain text: cut it into smaller files")
        if b"\0" in data:
            raise Unreadable("is a binary file: a csv or csv.gz file is needed")
        end = max(data.rfind(b"\n"), data.rfind(b"\r"))
        self._line = len(data) - end - 1 if end >= 0 else self._line + len(data)
        if self._line > MAX_LINE:
            raise Unreadable(f"has a line of more than {MAX_LINE:,} characters: it is not a csv file")
        buffer[: len(data)] = data
        return len(data)


@contextlib.contextmanager
def guarded_text(path: Path) -> Iterator[Iterator[str]]:
    """Lines of a UTF-8 text file, plain or gzip; every failure on the way is an :class:`Unreadable`."""
    try:
        with path.open("rb") as raw:
            if path.stat().st_size > MAX_BYTES:
                raise Unreadable(TOO_LARGE)
            source = _opened(path, raw)
            buffered = io.BufferedReader(_Guard(source), _BUFFER)
            with io.TextIOWrapper(buffered, encoding="utf-8-sig", newline="") as text:
                yield text
    except EOFError:
        raise Unreadable("is a cut-off gzip file: it ends before its data do") from None
    except (gzip.BadGzipFile, zlib.error) as trouble:
        raise Unreadable(f"is a damaged gzip file ({trouble})") from None
    except UnicodeDecodeError as trouble:
        raise Unreadable(f"is not UTF-8 text (byte 0x{trouble.object[trouble.start]:02x}): save it as UTF-8") from None
    except OSError as trouble:
        raise Unreadable(f"cannot be read ({trouble.strerror or trouble})") from None


def _opened(path: Path, raw: IO[bytes]) -> IO[bytes] | gzip.GzipFile:
    """The bytes of the text: decompressed when the contents (not the name) say gzip."""
    magic = raw.read(8)
    raw.seek(0)
    if magic.startswith(b"\x1f\x8b"):
        return gzip.open(raw)
    if magic.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise Unreadable("is UTF-16 text: save it as UTF-8")
    for start, called in _FOREIGN.items():
        if magic.startswith(start):
            raise Unreadable(f"is {called}: a csv or csv.gz file is needed")
    if path.suffix == ".gz" and magic:
        raise Unreadable("is named .gz but is not gzip-compressed: rename it to .csv or compress it")
    return raw
