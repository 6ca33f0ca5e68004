"""Lexicons from text, in a kernel: a dictionary of 150,000 words is read at the beginning of a command."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ctcasr.compiling import bare_kernel, inline_kernel
from ctcasr.decoding.trie import Int32, Spellings
from ctcasr.errors import DataError
from ctcasr.lm.words import (
    EMPTY,
    WordTable,
    add_word,
    listed_words,
    new_word_table,
    number_in_slot,
    word_slot,
    word_table,
)
from ctcasr.text import SPACE

Bytes = npt.NDArray[np.uint8]

_LINE_ENDS = dict.fromkeys([*range(0x1C, 0x1F), 0x85, 0x2028, 0x2029], "\n")
_SPACES = dict.fromkeys([0x1F, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000], " ")
"""What parts lines and words beside the bytes that `_scan` knows, as `str.splitlines` and `str.split` have it."""


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
    places, first = np.empty((lines, 2), np.int32), np.zeros(lines + 1, np.int32)
    spelled = np.empty(len(data), np.int32)
    numbered = np.array(list(numbers.values()), np.int32)
    count = _scan(scanned, word_table(tuple(numbers)), numbered, places, first, spelled)
    if count < 0:
        raise _wrong_line(path, text.splitlines(), -count, numbers)
    if not count:
        raise DataError(f"{path}: has no words; expected `word symbol symbol ...` a line")
    words = new_word_table(count, int(np.diff(places[:count]).sum()) + count)
    of_words = np.empty(count, np.int32)
    _number(scanned, places[:count], words, of_words)
    return listed_words(words), _in_order(Spellings(of_words, first[: count + 1], spelled[: first[count]]))


def shown(text: str) -> str:
    """Return a text as a message quotes it, shortened if it is long."""
    return repr(text if len(text) <= 40 else text[:40] + "...")


def _in_order(spellings: Spellings) -> Spellings:
    """Return the spellings by their words, and each of a word's once."""
    order = np.argsort(spellings.words, kind="stable").astype(np.int32)
    words, lengths = spellings.words[order], np.diff(spellings.first)[order]
    kept = np.ones(len(words), np.bool_)
    _find_new(words, spellings.first[order], lengths, spellings.symbols, kept)
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


@inline_kernel
def _ends_line(byte: int) -> bool:
    return 10 <= byte <= 12


@inline_kernel
def _is_space(byte: int) -> bool:
    return byte == 32 or byte == 9


@bare_kernel
def _scan(
    data: Bytes, symbols: WordTable, numbered: Int32, places: Int32, first: Int32, spelled: Int32
) -> int:
    """Read all lines.

    Args:
        data: the text, UTF-8.
        symbols: that spell words.
        numbered: their numbers in the vocabulary.
        places: `(L, 2)` gets the first byte of each line's word, and the byte behind it.
        first: `(L + 1,)` gets the first symbol of each line, and the end of the last one's.
        spelled: gets the symbols.

    Returns:
        How many lines have a word; of the first line that is wrong the number, as its negative.
    """
    count, total, line, start = 0, 0, 1, 0
    pieces = -1  # of the line's word so far; none if there is no word yet
    for place in range(len(data) + 1):
        ends_line = place == len(data) or _ends_line(data[place])
        if not ends_line and not _is_space(data[place]):
            continue
        if start < place and pieces < 0:
            places[count, 0], places[count, 1] = start, place
            pieces = 0
        elif start < place:
            slot = word_slot(symbols, data, start, place)
            if symbols.slots[slot] == EMPTY:
                return -line
            spelled[total] = numbered[number_in_slot(symbols, slot)]
            total, pieces = total + 1, pieces + 1
        start = place + 1
        if not ends_line:
            continue
        if pieces == 0:  # a word alone is spelled by its characters
            begin = places[count, 0]
            while begin < places[count, 1]:
                stop = begin + 1
                while stop < places[count, 1] and data[stop] & 0xC0 == 0x80:
                    stop += 1
                slot = word_slot(symbols, data, begin, stop)
                if symbols.slots[slot] == EMPTY:
                    return -line
                spelled[total] = numbered[number_in_slot(symbols, slot)]
                total, begin = total + 1, stop
        if pieces >= 0:
            count += 1
            first[count] = total
        pieces, line = -1, line + 1
    return count


@bare_kernel
def _number(data: Bytes, places: Int32, words: WordTable, numbers: Int32) -> None:
    """Enter the words at these places into an empty table that has room for them, and write the number of each."""
    for index in range(len(places)):
        slot = word_slot(words, data, places[index, 0], places[index, 1])
        numbers[index] = (
            add_word(words, slot, data, places[index, 0], places[index, 1])
            if words.slots[slot] == EMPTY
            else number_in_slot(words, slot)
        )


@bare_kernel
def _find_new(
    words: Int32, starts: Int32, lengths: Int32, symbols: Int32, new: npt.NDArray[np.bool_]
) -> None:
    """Clear the flag of each spelling whose word has an equal one before it; those of a word stand together."""
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
