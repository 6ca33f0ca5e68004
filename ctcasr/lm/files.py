"""Files that may be compressed, read by what they hold and not by their name; and files that appear whole."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from ctcasr.errors import ConfigError, DataError

_MAGIC_BYTES = 5


@contextmanager
def open_bytes(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading; one that begins as gzip, xz or bzip2 files do is decompressed.

    Raises:
        DataError: the file cannot be opened, or what is read from it within the context turns out unreadable
            or damaged.
    """
    try:
        with path.open("rb") as raw, _decompressed(raw, raw.peek(_MAGIC_BYTES)) as file:
            yield file
    except (EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error) as error:
        raise DataError(
            f"{path}: the compressed file is damaged or cut short ({error}); get it anew"
        ) from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise DataError(f"{path}: cannot be read ({error}); check the path and the file") from error


def _decompressed(raw: IO[bytes], begin: bytes) -> IO[bytes]:
    if begin.startswith(b"\x1f\x8b"):
        return cast(IO[bytes], gzip.GzipFile(fileobj=raw))
    if begin.startswith(b"\xfd7zXZ"):
        return lzma.LZMAFile(raw)
    if begin.startswith(b"BZh"):
        return bz2.BZ2File(raw)
    return raw


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for writing; it appears under its name, whole, when the context ends without an error.

    Raises:
        ConfigError: the file cannot be made there.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        file = temporary.open("wb")
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be written ({error}); give another place") from error
    try:
        with file:
            yield file
        temporary.replace(path)
    except IsADirectoryError as error:
        raise ConfigError(f"{path}: is a folder; give the name of a file") from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
