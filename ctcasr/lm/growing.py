"""The n-grams of one order while they are being counted: a hash table that grows."""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from ctcasr.compiling import bare_kernel, inline_kernel
from ctcasr.errors import DataError
from ctcasr.lm.automaton import WORD_BITS, Integer, mixed

Number = TypeVar("Number", np.int64, np.uint32, np.int32)

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
        predecessors: `(n,)` uint32, how many different words came before it; empty in the highest order.
        suffixes: `(n,)` int32, the row of the n-gram without its first word, in the order below; 0 for unigrams.
    """

    keys: npt.NDArray[np.int64]
    counts: npt.NDArray[np.uint32]
    predecessors: npt.NDArray[np.uint32]
    suffixes: npt.NDArray[np.int32]


def new_level(rows: int) -> CountLevel:
    """Return a level with rows to be filled."""
    return CountLevel(
        np.empty(rows, np.int64),
        np.zeros(rows, np.uint32),
        np.zeros(rows, np.uint32),
        np.zeros(rows, np.int32),
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

    def __init__(self, *, highest: bool) -> None:
        self.size = 0
        self._highest = highest
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
        self.rows = new_level(0)
        return CountLevel(keys[:size], counts[:size], predecessors[:size], suffixes[:size])

    def _make_room(self, more: int) -> None:
        needed = self.size + more
        if needed > _MOST_NGRAMS:
            raise DataError(
                f"the texts hold more than {_MOST_NGRAMS:,} different n-grams of one length; lower the order, or "
                "raise the smallest count of a word"
            )
        if needed > len(self.rows.keys):
            # One column after the other, so that only one is there twice.
            capacity = int(needed * _GROWTH)
            self.rows = self.rows._replace(keys=_longer(self.rows.keys, capacity))
            self.rows = self.rows._replace(counts=_longer(self.rows.counts, capacity))
            self.rows = self.rows._replace(suffixes=_longer(self.rows.suffixes, capacity))
            if not self._highest:
                self.rows = self.rows._replace(predecessors=_longer(self.rows.predecessors, capacity))
        if needed > _FULLEST * len(self._slots):
            self._slots = np.zeros(0, np.int32)
            self._slots = np.full(1 << int(needed / _FULLEST).bit_length(), NONE, np.int32)
            _fill_slots(self.rows.keys, self.size, self._slots)


def _longer(column: npt.NDArray[Number], length: int) -> npt.NDArray[Number]:
    """Return a longer copy of a column; memory is taken for what is used of the rest, not before."""
    longer = np.zeros(length, column.dtype)
    longer[: len(column)] = column
    return longer


@bare_kernel
def tally(numbers: npt.NDArray[np.int32], counts: npt.NDArray[np.uint32]) -> None:
    """Add 1 to the count of each number."""
    for number in numbers:
        counts[number] += np.uint32(1)


@bare_kernel
def renumber(
    keys: npt.NDArray[np.int64], suffixes: npt.NDArray[np.int32], new_rows: npt.NDArray[np.int32]
) -> None:
    """Change the rows of contexts and suffixes, which lie in the order below, to their new ones there."""
    for row in range(len(keys)):
        context = np.int64(new_rows[keys[row] >> WORD_BITS])
        keys[row] = (context << WORD_BITS) | (keys[row] & WORD_MASK)
        suffixes[row] = new_rows[suffixes[row]]


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
