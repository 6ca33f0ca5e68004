"""Lexicons from text, in a kernel: a dictionary of 150,000 words is read at the beginning of a command."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ctcasr.compiling import inline_kernel, kernel
from ctcasr.decoding.trie import Int32, Spellings
from ctcasr.errors import DataError
from ctcasr.text import SPACE

Bytes = npt.NDArray[np.uint8]

_LINE_ENDS = dict.fromkeys([*range(0x1C, 0x1F), 0x85, 0x2028, 0x2029], "\n")
_SPACES = dict.fromkeys([0x1F, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000], " ")
"""What parts lines and words beside the bytes that `_scan` knows, as `str.splitlines` and `str.split` have it."""

NEITHER = -1
"""What is no symbol."""

_BASIS, _PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
"""Of the hash FNV-1a (Fowler, Noll and Vo 1991)."""


class SymbolTable(NamedTuple):
    """Symbols by their text: an open hash table, with room for twice as many.

    Attributes:
        text: of all symbols, one after the other.
        first: `(N + 1,)` first byte of each, and the end of the last one's.
        numbers: `(N,)` of the vocabulary.
        places: index of the symbol, or `NEITHER`; the length is a power of two.
    """

    text: Bytes
    first: Int32
    numbers: Int32
    places: Int32


def read_lexicon(path: Path, symbols: Sequence[str]) -> tuple[tuple[str, ...], Spellings]:
    """Read words and their spellings; see `Lexicon.read`.

    Raises:
        DataError: the file is unreadable, or a line is wrong; names the line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:  # ValueError: no UTF-8, or a NUL in the path
        raise DataError(
            f"{path}: cannot be read as UTF-8 text ({error}); expected `word symbol symbol ...` a line"
        ) from error
    if not text.isascii() or any(chr(rare) in text for rare in range(0x1C, 0x20)):
        text = text.translate(_LINE_ENDS | _SPACES)
    numbers = {symbol: number for number, symbol in enumerate(symbols) if number and symbol != SPACE}
    data = text.encode()
    scanned = np.frombuffer(data, np.uint8)
    lines = sum(data.count(end) for end in (b"\n", b"\v", b"\f")) + 1
    words, first = np.empty((lines, 2), np.int32), np.zeros(lines + 1, np.int32)
    spelled = np.empty(len(data), np.int32)
    count = _scan(scanned, _table(numbers), words, first, spelled)
    if count < 0:
        raise _wrong_line(path, text.splitlines(), -count, numbers)
    if not count:
        raise DataError(f"{path}: has no words; expected `word symbol symbol ...` a line")
    places = zip(words[:count, 0].tolist(), words[:count, 1].tolist(), strict=True)
    names = (
        [text[start:stop] for start, stop in places]
        if text.isascii()
        else [data[start:stop].decode() for start, stop in places]
    )
    unique = dict.fromkeys(names)
    numbers_of = dict(zip(unique, range(len(unique)), strict=True))
    of_words = np.fromiter(map(numbers_of.__getitem__, names), np.int32, count)
    return tuple(unique), _in_order(Spellings(of_words, first[: count + 1], spelled[: first[count]]))


def shown(text: str) -> str:
    """Return a text as a message quotes it, shortened if it is long."""
    return repr(text if len(text) <= 40 else text[:40] + "...")


def _in_order(spellings: Spellings) -> Spellings:
    """Return the spellings by their words, and each of a word's once."""
    order = np.argsort(spellings.words, kind="stable").astype(np.int32)
    words, lengths = spellings.words[order], np.diff(spellings.first)[order]
    kept = _is_new(words, spellings.first[order], lengths, spellings.symbols)
    if kept.all() and (np.diff(order) > 0).all():
        return spellings
    starts, lengths = spellings.first[order][kept], lengths[kept]
    first = np.append(0, np.cumsum(lengths)).astype(np.int32)
    taken = np.arange(first[-1]) - np.repeat(first[:-1], lengths) + np.repeat(starts, lengths)
    return Spellings(words[kept], first, spellings.symbols[taken])


def _wrong_line(path: Path, lines: Sequence[str], number: int, numbers: dict[str, int]) -> DataError:
    word, *pieces = lines[number - 1].split()
    unknown = sorted(set(pieces or word) - numbers.keys())
    return DataError(
        f"{path}:{number}: the word {shown(word)} is spelled with {unknown[:5]}, not among the {len(numbers)} symbols "
        "that spell words; correct the line, or drop it"
    )


def _table(numbers: dict[str, int]) -> SymbolTable:
    texts = [symbol.encode() for symbol in numbers]
    first = np.append(0, np.cumsum([len(text) for text in texts])).astype(np.int32)
    size = 1 << (2 * len(texts) + 1).bit_length()
    table = SymbolTable(
        np.frombuffer(b"".join(texts), np.uint8),
        first,
        np.array(list(numbers.values()), np.int32),
        np.full(size, NEITHER, np.int32),
    )
    _fill(table)
    return table


@inline_kernel
def _hash(data: Bytes, start: int, stop: int) -> np.uint64:
    value = _BASIS
    for place in range(start, stop):
        value = (value ^ np.uint64(data[place])) * _PRIME
    return value


@kernel
def _fill(table: SymbolTable) -> None:
    """Enter the symbols."""
    mask = np.uint64(len(table.places) - 1)
    for index in range(len(table.numbers)):
        place = _hash(table.text, table.first[index], table.first[index + 1]) & mask
        while table.places[place] != NEITHER:
            place = (place + np.uint64(1)) & mask
        table.places[place] = index


@inline_kernel
def _find(table: SymbolTable, data: Bytes, start: int, stop: int) -> int:
    """Return the number of the symbol that these bytes are, or `NEITHER`."""
    mask = np.uint64(len(table.places) - 1)
    place = _hash(data, start, stop) & mask
    number = NEITHER
    while table.places[place] != NEITHER:
        index = table.places[place]
        first, length = table.first[index], table.first[index + 1] - table.first[index]
        if length == stop - start:
            same = True
            for offset in range(length):
                if table.text[first + offset] != data[start + offset]:
                    same = False
                    break
            if same:
                number = table.numbers[index]
                break
        place = (place + np.uint64(1)) & mask
    return number


@inline_kernel
def _ends_line(byte: int) -> bool:
    return 10 <= byte <= 12


@inline_kernel
def _is_space(byte: int) -> bool:
    return byte == 32 or byte == 9


@kernel
def _scan(data: Bytes, table: SymbolTable, words: Int32, first: Int32, spelled: Int32) -> int:
    """Read all lines.

    Args:
        data: the text, UTF-8.
        table: the symbols.
        words: `(L, 2)` gets the first byte of each line's word, and the byte behind it.
        first: `(L + 1,)` gets the first symbol of each line, and the end of the last one's.
        spelled: gets the symbols.

    Returns:
        How many lines have a word; of the first line that is wrong the number, as its negative.
    """
    count, total, line, place = 0, 0, 1, 0
    pieces = -1  # of the line's word so far; none if there is no word yet
    while place <= len(data):
        if place == len(data) or _ends_line(data[place]):
            if pieces == 0:  # a word alone is spelled by its characters
                start = words[count, 0]
                while start < words[count, 1]:
                    stop = start + 1
                    while stop < words[count, 1] and data[stop] & 0xC0 == 0x80:
                        stop += 1
                    number = _find(table, data, start, stop)
                    if number == NEITHER:
                        return -line
                    spelled[total] = number
                    total, start = total + 1, stop
            if pieces >= 0:
                count += 1
                first[count] = total
            pieces = -1
            line, place = line + 1, place + 1
            continue
        if _is_space(data[place]):
            place += 1
            continue
        start = place
        while place < len(data) and not _is_space(data[place]) and not _ends_line(data[place]):
            place += 1
        if pieces < 0:
            words[count, 0], words[count, 1] = start, place
        else:
            number = _find(table, data, start, place)
            if number == NEITHER:
                return -line
            spelled[total] = number
            total += 1
        pieces += 1
    return count


@kernel
def _is_new(words: Int32, starts: Int32, lengths: Int32, symbols: Int32) -> npt.NDArray[np.bool_]:
    """Tell of each spelling whether its word has no equal one before it; those of a word stand together."""
    new = np.ones(len(words), np.bool_)
    for place in range(len(words)):
        other = place - 1
        while other >= 0 and words[other] == words[place] and new[place]:
            if lengths[other] == lengths[place]:
                same = True
                for offset in range(lengths[place]):
                    if symbols[starts[other] + offset] != symbols[starts[place] + offset]:
                        same = False
                        break
                new[place] = not same
            other -= 1
    return new
