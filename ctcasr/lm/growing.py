"""The n-grams of one order while they are being counted: a hash table that grows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ctcasr.compiling import bare_kernel, inline_kernel
from ctcasr.errors import DataError
from ctcasr.lm.automaton import WORD_BITS, Integer, mixed

WORD_MASK = (1 << WORD_BITS) - 1
NONE = -1
_FULLEST = 0.7
_GROWTH = 1.4
_MOST_NGRAMS = 2**31 - 1
_SMALLEST_BITS = 10


class CountLevel(NamedTuple):
    """The n-grams of one order.

    Attributes:
        keys: `(n,)` int64: the row of the context in the order below `<< WORD_BITS |` the last word. A unigram's
            row and key are its word, and words that never came have rows too.
        counts: `(n,)` uint32, how often the n-gram came.
        predecessors: `(n,)` uint32, how many different words came before it; zeros in the highest order.
        suffixes: `(n,)` int32, the row of the n-gram without its first word, in the order below.
    """

    keys: npt.NDArray[np.int64]
    counts: npt.NDArray[np.uint32]
    predecessors: npt.NDArray[np.uint32]
    suffixes: npt.NDArray[np.int32]


def new_level(capacity: int) -> CountLevel:
    """Return a level with rows to be filled; the memory of those that are not yet used is not taken either."""
    return CountLevel(
        np.empty(capacity, np.int64),
        np.zeros(capacity, np.uint32),
        np.zeros(capacity, np.uint32),
        np.zeros(capacity, np.int32),
    )


class Stretch(NamedTuple):
    """A stretch of text, for one order.

    Attributes:
        words: `(n,)` int32.
        shorter: `(n + 1,)` int32, the row of the n-gram one shorter that ends at each word, or `NONE`; first of
            all that which ends at the word before the stretch.
        start: the word `<s>`, at which no n-gram of two words ends.
    """

    words: npt.NDArray[np.int32]
    shorter: npt.NDArray[np.int32]
    start: int


class GrowingLevel:
    """Counts the n-grams of one order above 1."""

    def __init__(self) -> None:
        self.size = 0
        self.rows = new_level(0)
        self._slots = np.full(1 << _SMALLEST_BITS, NONE, np.int32)

    def add(self, stretch: Stretch, below: CountLevel) -> npt.NDArray[np.int32]:
        """Count the n-grams that end in a stretch.

        Args:
            stretch: of the text.
            below: the level one order below, whose predecessors are counted too.

        Returns:
            `(n,)` int32, the row of the n-gram that ends at each word, or `NONE`.

        Raises:
            DataError: there are more different n-grams than can be numbered.
        """
        self._make_room(len(stretch.words))
        found = np.empty(len(stretch.words), np.int32)
        self.size = int(_add(stretch, self.rows, self._slots, self.size, (found, below.predecessors)))
        return found

    def finish(self) -> CountLevel:
        """Return the rows in the order in which they came; frees what only the counting needs."""
        self._slots = np.zeros(0, np.int32)
        keys, counts, predecessors, suffixes = self.rows
        size = self.size
        rows = CountLevel(keys[:size], counts[:size], predecessors[:size], suffixes[:size])
        self.rows = new_level(0)
        return rows

    def _make_room(self, more: int) -> None:
        needed = self.size + more
        if needed > _MOST_NGRAMS:
            raise DataError(
                f"the texts hold more than {_MOST_NGRAMS:,} different n-grams of one length; lower the order, or "
                "raise the smallest count of a word"
            )
        if needed > len(self.rows.keys):
            larger = new_level(int(needed * _GROWTH))
            larger.keys[: self.size] = self.rows.keys[: self.size]
            larger.counts[: self.size] = self.rows.counts[: self.size]
            larger.predecessors[: self.size] = self.rows.predecessors[: self.size]
            larger.suffixes[: self.size] = self.rows.suffixes[: self.size]
            self.rows = larger
        if needed > _FULLEST * len(self._slots):
            self._slots = np.full(1 << int(needed / _FULLEST).bit_length(), NONE, np.int32)
            _fill_slots(self.rows.keys, self.size, self._slots)


@inline_kernel
def _slot_of(slots: npt.NDArray[np.int32], keys: npt.NDArray[np.int64], key: Integer) -> Integer:
    """Return the slot that holds the row of a key, or the empty one where it would go."""
    mask = len(slots) - 1
    slot = np.int64(mixed(np.uint64(key)) & np.uint64(mask))
    while slots[slot] != NONE and keys[slots[slot]] != key:
        slot = (slot + 1) & mask
    return slot


@bare_kernel
def _fill_slots(keys: npt.NDArray[np.int64], size: int, slots: npt.NDArray[np.int32]) -> None:
    for row in range(size):
        slots[_slot_of(slots, keys, keys[row])] = row


@bare_kernel
def _add(
    stretch: Stretch,
    rows: CountLevel,
    slots: npt.NDArray[np.int32],
    size: int,
    out: tuple[npt.NDArray[np.int32], npt.NDArray[np.uint32]],
) -> int:
    """Count the n-grams of a stretch; return how many rows there are then."""
    found, predecessors_below = out
    for place in range(len(stretch.words)):
        context = np.int64(stretch.shorter[place])
        word = np.int64(stretch.words[place])
        if context == NONE or word == stretch.start:
            found[place] = NONE
            continue
        key = (context << WORD_BITS) | word
        slot = _slot_of(slots, rows.keys, key)
        row = np.int64(slots[slot])
        if row == NONE:
            row = np.int64(size)
            size += 1
            slots[slot] = row
            rows.keys[row] = key
            suffix = stretch.shorter[place + 1]
            rows.suffixes[row] = suffix
            predecessors_below[suffix] += np.uint32(1)
        rows.counts[row] += np.uint32(1)
        found[place] = row
    return size
