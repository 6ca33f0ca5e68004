"""Lines of text files, strictly: UTF-8, and every line with its place for messages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ctcasr.errors import DataError

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_lines(path: Path) -> Iterator[tuple[str, str]]:
    r"""Yield the place (`file:line`) and the text of every line that is not blank.

    Lines end in `\n` or `\r\n`, and a byte order mark is passed over.

    Raises:
        DataError: the file cannot be read, or a line is not UTF-8.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    # Split before decoding, so that an encoding error can name its line, and at \n alone: str.splitlines
    # would also split at characters such as U+2028 that may stand in a transcript.
    for number, line_bytes in enumerate(content.removeprefix(_BYTE_ORDER_MARK).split(b"\n"), start=1):
        where = f"{path}:{number}"
        line = _decode(line_bytes.removesuffix(b"\r"), where)
        if line.strip():
            yield where, line


def _decode(line: bytes, where: str) -> str:
    """Decode a line, strictly."""
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{where}: byte {error.start + 1} of the line is {line[error.start]:#04x}, expected UTF-8; "
            "convert the file to UTF-8"
        ) from error
