"""Writing of ARPA files."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import numpy.typing as npt

from ctcasr.compiling import bare_kernel
from ctcasr.lm.files import replacing
from ctcasr.lm.tables import NGramTables
from ctcasr.lm.words import WordTable, word_table

_BLOCK_ROWS = 1 << 16
_DECIMALS = 7
_FRACTION = 10**_DECIMALS
_LARGEST = 1e9
"""A log10-probability of minus a thousand million is written for anything below."""
_NUMBER_BYTES = 1 + 10 + 1 + _DECIMALS
_MINUS, _POINT, _ZERO, _TAB, _SPACE, _NEWLINE = b"-.0\t \n"


def write_arpa(tables: NGramTables, path: Path) -> None:
    """Write a model as an ARPA file, gzip-compressed if its name ends in `.gz`; it appears whole or not at all.

    Logarithms have 8 digits and at most 7 decimals, which is what float32 holds. Every n-gram but the longest
    has its back-off written, also where it is 0, as KenLM's `lmplz` does.

    Raises:
        ConfigError: the file cannot be made there.
    """
    with replacing(path) as file:
        if path.suffix == ".gz":
            # Without a name and a time in its header the same model makes the same file.
            with gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0) as packed:
                _write(tables, packed)
        else:
            _write(tables, file)


def _write(tables: NGramTables, file: IO[bytes] | gzip.GzipFile) -> None:
    counts = "".join(f"ngram {order}={count}\n" for order, count in enumerate(tables.counts, 1))
    file.write(f"\\data\\\n{counts}".encode())
    words = word_table(tables.words)
    for order in range(1, tables.order + 1):
        file.write(f"\n\\{order}-grams:\n".encode())
        for block in _lines(tables, order, words):
            file.write(block)
    file.write(b"\n\\end\\\n")


def _lines(tables: NGramTables, order: int, words: WordTable) -> Iterator[bytes]:
    """Yield the lines of an order's n-grams, block by block."""
    table = tables.levels[order - 1]
    lengths = np.diff(words.starts[: len(tables.words) + 1])
    for first in range(0, len(table.words), _BLOCK_ROWS):
        rows = slice(first, first + _BLOCK_ROWS)
        block = _Block(tables.ids(order, rows), table.log_probs[rows], table.backoffs[rows])
        room = int(lengths[block.ids].sum()) + len(block.ids) * (2 * _NUMBER_BYTES + order + 3)
        out = np.empty(room, np.uint8)
        used = _format(block, words, order < tables.order, out)
        yield out[:used].tobytes()


class _Block(NamedTuple):
    """Some n-grams: their words `(n, order)`, and their natural logarithms `(n,)`."""

    ids: npt.NDArray[np.int32]
    log_probs: npt.NDArray[np.float32]
    backoffs: npt.NDArray[np.float32]


@bare_kernel
def _put_number(value: float, out: npt.NDArray[np.uint8], place: int) -> int:
    """Write a number with 8 digits, without the zeros at the end of its fraction; return the place after it."""
    size = min(abs(value), _LARGEST)
    coarseness = 1.0
    while size >= 10.0 * coarseness and coarseness < _FRACTION:
        coarseness *= 10.0
    scaled = np.int64(np.rint(size * (_FRACTION / coarseness)) * coarseness)
    if value < 0 and scaled:
        out[place] = _MINUS
        place += 1
    whole, fraction = scaled // _FRACTION, scaled % _FRACTION
    digits = 1
    while 10**digits <= whole:
        digits += 1
    for position in range(digits - 1, -1, -1):
        out[place + position] = _ZERO + whole % 10
        whole //= 10
    place += digits
    if fraction:
        decimals = _DECIMALS
        while fraction % 10 == 0:
            fraction //= 10
            decimals -= 1
        out[place] = _POINT
        for position in range(decimals, 0, -1):
            out[place + position] = _ZERO + fraction % 10
            fraction //= 10
        place += decimals + 1
    return place


@bare_kernel
def _format(block: _Block, words: WordTable, with_backoffs: bool, out: npt.NDArray[np.uint8]) -> int:
    """Write the lines of a block; return how many bytes they take."""
    place = 0
    for row in range(len(block.ids)):
        place = _put_number(block.log_probs[row] / np.log(10.0), out, place)
        for position in range(block.ids.shape[1]):
            out[place] = _SPACE if position else _TAB
            place += 1
            word = block.ids[row, position]
            for letter in range(words.starts[word], words.starts[word + 1] - 1):
                out[place] = words.letters[letter]
                place += 1
        if with_backoffs:
            out[place] = _TAB
            place = _put_number(block.backoffs[row] / np.log(10.0), out, place + 1)
        out[place] = _NEWLINE
        place += 1
    return place
