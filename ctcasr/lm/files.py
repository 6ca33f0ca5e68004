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
from typing import IO, BinaryIO, cast

from ctcasr.errors import ConfigError, DataError

_OPENERS = {b"\x1f\x8b": gzip.open, b"\xfd7zXZ": lzma.open, b"BZh": bz2.open}
_MAGIC_BYTES = 5


@contextmanager
def open_bytes(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading; one that begins as gzip, xz or bzip2 files do is decompressed.

    Raises:
        DataError: the file cannot be opened, or what is read from it within the context turns out unreadable
            or damaged.
    """
    try:
        with path.open("rb") as raw:
            begin = raw.peek(_MAGIC_BYTES)[:_MAGIC_BYTES]
            opener = next((opener for magic, opener in _OPENERS.items() if begin.startswith(magic)), None)
            if opener is None:
                yield raw
            else:
                with cast(BinaryIO, opener(raw, "rb")) as file:
                    yield file
    except (EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error) as error:
        raise DataError(
            f"{path}: the compressed file is damaged or cut short ({error}); get it anew"
        ) from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise DataError(f"{path}: cannot be read ({error}); check the path and the file") from error


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
