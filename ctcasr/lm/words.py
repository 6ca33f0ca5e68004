"""A table from the bytes of a word to its number, for the kernels that read files."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ctcasr.compiling import bare_kernel, inline_kernel
from ctcasr.lm.automaton import Integer, mixed

EMPTY = -1
NEWLINE = 10

_FINGERPRINT_SHIFT = 32
_NUMBER_MASK = (1 << _FINGERPRINT_SHIFT) - 1


class WordTable(NamedTuple):
    r"""Words in the order in which they came, and a hash table over them.

    Attributes:
        slots: `(H,)` int64, H a power of two: 31 bits of the word's hash `<< 32 |` its number, or `EMPTY`.
        letters: `(B,)` uint8, the words one after the other, each ended by `\n`.
        starts: `(W + 1,)` int64, where each word starts in `letters`; the last one used is where the next goes.
        size: `(1,)` int64, how many words there are.
    """

    slots: npt.NDArray[np.int64]
    letters: npt.NDArray[np.uint8]
    starts: npt.NDArray[np.int64]
    size: npt.NDArray[np.int64]


def new_word_table(words: int, letters: int) -> WordTable:
    """Make an empty table with room for some words, and for their UTF-8 bytes with a line break after each."""
    slots = 1 << max(4, (2 * words).bit_length())
    return WordTable(
        np.full(slots, EMPTY, np.int64),
        np.empty(letters, np.uint8),
        np.zeros(words + 1, np.int64),
        np.zeros(1, np.int64),
    )


def word_table(words: tuple[str, ...], spare_words: int = 0, spare_letters: int = 0) -> WordTable:
    """Make a table of words, each with its place among them as its number; of repeated ones the first counts."""
    text = np.frombuffer("".join(f"{word}\n" for word in words).encode(), np.uint8)
    table = new_word_table(len(words) + spare_words, len(text) + spare_letters)
    table.letters[: len(text)] = text
    table.starts[1 : len(words) + 1] = np.flatnonzero(text == NEWLINE) + 1
    table.size[0] = len(words)
    _fill_slots(table)
    return table


def grown(table: WordTable, words: int, letters: int) -> WordTable:
    """Return a table with the same words that has room for so many more words and letters."""
    size = int(table.size[0])
    used = int(table.starts[size])
    larger = new_word_table(max(size + words, 2 * size), max(used + letters, 2 * used))
    larger.letters[:used] = table.letters[:used]
    larger.starts[: size + 1] = table.starts[: size + 1]
    larger.size[0] = size
    _fill_slots(larger)
    return larger


def listed_words(table: WordTable) -> tuple[str, ...]:
    """Return the words in the order of their numbers.

    Raises:
        UnicodeDecodeError: a word is not UTF-8.
    """
    used = int(table.starts[int(table.size[0])])
    return tuple(table.letters[:used].tobytes().decode().split("\n")[:-1])


@inline_kernel
def word_hash(text: npt.NDArray[np.uint8], start: Integer, end: Integer) -> Integer:
    """Return a hash of 63 bits of a stretch of bytes."""
    value = np.uint64(0xCBF29CE484222325)  # FNV-1a (Fowler, Noll, Vo 1991), then mixed
    for place in range(start, end):
        value = (value ^ np.uint64(text[place])) * np.uint64(0x100000001B3)
    return np.int64(mixed(value) >> np.uint64(1))


@inline_kernel
def word_slot(table: WordTable, text: npt.NDArray[np.uint8], start: Integer, end: Integer) -> Integer:
    """Return the slot that holds the word `text[start:end]`, or the empty one where it would go."""
    value = word_hash(text, start, end)
    mask = len(table.slots) - 1
    slot = value & mask
    while table.slots[slot] != EMPTY:
        if (table.slots[slot] >> _FINGERPRINT_SHIFT) == (value >> _FINGERPRINT_SHIFT):
            number = table.slots[slot] & _NUMBER_MASK
            first = table.starts[number]
            length = end - start
            same = table.starts[number + 1] - first - 1 == length
            place = 0
            while same and place < length:
                same = table.letters[first + place] == text[start + place]
                place += 1
            if same:
                return slot
        slot = (slot + 1) & mask
    return slot


@inline_kernel
def number_in_slot(table: WordTable, slot: Integer) -> Integer:
    """Return the number of the word in a slot that is not empty."""
    return np.int64(table.slots[slot] & _NUMBER_MASK)


@inline_kernel
def add_word(
    table: WordTable, slot: Integer, text: npt.NDArray[np.uint8], start: Integer, end: Integer
) -> Integer:
    """Put a new word into its empty slot, where there is room for it, and return its number."""
    number = np.int64(table.size[0])
    table.slots[slot] = ((word_hash(text, start, end) >> _FINGERPRINT_SHIFT) << _FINGERPRINT_SHIFT) | number
    first = table.starts[number]
    for place in range(end - start):
        table.letters[first + place] = text[start + place]
    table.letters[first + end - start] = NEWLINE
    table.starts[number + 1] = first + end - start + 1
    table.size[0] = number + 1
    return number


@bare_kernel
def _fill_slots(table: WordTable) -> None:
    """Enter all words of a table whose slots are empty."""
    for number in range(table.size[0]):
        start, end = table.starts[number], table.starts[number + 1] - 1
        slot = word_slot(table, table.letters, start, end)
        if table.slots[slot] == EMPTY:
            value = word_hash(table.letters, start, end)
            table.slots[slot] = ((value >> _FINGERPRINT_SHIFT) << _FINGERPRINT_SHIFT) | number
