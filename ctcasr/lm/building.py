"""From tables of n-grams to the automaton, and back."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ctcasr.compiling import bare_kernel, kernel
from ctcasr.errors import DataError
from ctcasr.lm.automaton import EMPTY_KEY, ROOT, WORD_BITS, NGramArrays, slot_of
from ctcasr.lm.tables import NGramTable, NGramTables

FULLEST = 2 / 3
"""The largest share of the hash table's slots that arcs may take."""


class RepeatedNGramError(DataError):
    """An n-gram stands more than once in its table."""

    def __init__(self, order: int, row: int, text: str) -> None:
        super().__init__(
            f"the {order}-gram `{text}` is listed twice; expected every n-gram once: drop one of the two"
        )
        self.order = order
        self.row = row


def build_arrays(tables: NGramTables, unknown: int) -> NGramArrays:
    """Build the automaton of a back-off model, level by level; all its arrays are read-only.

    A context is kept as a state if a longer n-gram begins with it or if it has a back-off weight: any other
    gives every word the probability that its suffix gives.

    Raises:
        RepeatedNGramError: an n-gram stands twice in its table.
    """
    kept = [_kept(tables, order) for order in range(1, tables.order + 1)]
    arcs = sum(tables.counts)
    slots = 1 << int(arcs / FULLEST).bit_length()
    states = 1 + sum(int(np.count_nonzero(mask)) for mask in kept)
    arrays = NGramArrays(
        keys=np.full(slots, EMPTY_KEY, np.int64),
        log_probs=np.zeros(slots, np.float32),
        next_states=np.zeros(slots, np.int32),
        backoffs=np.zeros(states, np.float32),
        backoff_states=np.zeros(states, np.int32),
        unknown=np.array([unknown], np.int32),
    )
    states_below = np.array([ROOT], np.int32)
    first = 1
    for order, (table, mask) in enumerate(zip(tables.levels, kept, strict=True), 1):
        numbers = np.cumsum(mask, dtype=np.int32)
        numbers += np.int32(first - 1)
        level = _Level(states_below[table.contexts], table.words, np.empty(len(mask), np.int32))
        repeated = int(_enter(arrays.keys, level))
        if repeated >= 0:
            words = (tables.words[word] for word in tables.ids(order, np.array([repeated]))[0])
            raise RepeatedNGramError(order, repeated, " ".join(words))
        suffixes = _suffixes(arrays, level)
        arrays.log_probs[level.slots] = table.log_probs
        arrays.next_states[level.slots] = np.where(mask, numbers, suffixes)
        following = first + int(np.count_nonzero(mask))
        arrays.backoffs[first:following] = table.backoffs[mask]
        arrays.backoff_states[first:following] = suffixes[mask]
        states_below, first = numbers, following
    return freeze(arrays)


def freeze(arrays: NGramArrays) -> NGramArrays:
    """Make the arrays read-only: numba compiles for these, and for those of a file that is mapped into memory."""
    for array in arrays:
        array.setflags(write=False)
    return arrays


def _kept(tables: NGramTables, order: int) -> npt.NDArray[np.bool_]:
    kept = tables.extended(order)
    if order < tables.order:
        kept |= tables.levels[order - 1].backoffs != 0
    return kept


class _Level(NamedTuple):
    """The n-grams of one order on their way into the automaton.

    Attributes:
        states: `(n,)` int32, those of the contexts.
        words: `(n,)` int32, the last words.
        slots: `(n,)` int32, to be filled: where the arcs lie.
    """

    states: npt.NDArray[np.int32]
    words: npt.NDArray[np.int32]
    slots: npt.NDArray[np.int32]


@bare_kernel
def _enter(keys: npt.NDArray[np.int64], level: _Level) -> int:
    """Enter the keys of an order's arcs; return the first row whose arc is there already, or -1."""
    for row in range(len(level.words)):
        key = (np.int64(level.states[row]) << WORD_BITS) | np.int64(level.words[row])
        slot = slot_of(keys, key)
        if keys[slot] != EMPTY_KEY:
            return row
        keys[slot] = key
        level.slots[row] = slot
    return -1


@kernel
def _suffixes(model: NGramArrays, level: _Level) -> npt.NDArray[np.int32]:
    """Return the longest kept context that is a proper suffix of each n-gram.

    It is where the longest shorter n-gram leads that has the same last words. (Entering and searching are two
    loops because so the processor has many searches under way at once: half the time of one loop.)
    """
    suffixes = np.full(len(level.words), ROOT, np.int32)
    for row in range(len(level.words)):
        state = np.int64(level.states[row])
        while state != ROOT:
            state = np.int64(model.backoff_states[state])
            slot = slot_of(model.keys, (state << WORD_BITS) | np.int64(level.words[row]))
            if model.keys[slot] != EMPTY_KEY:
                suffixes[row] = model.next_states[slot]
                break
    return suffixes


def list_tables(words: tuple[str, ...], arrays: NGramArrays) -> NGramTables:
    """Return the tables of an automaton: what `build_arrays` was given, in another order of the rows.

    The arcs that leave the states of one level are the n-grams of the next; those among them that lead to a
    state not met before are the contexts of the level after it.
    """
    slots = np.flatnonzero(arrays.keys != EMPTY_KEY)
    keys = arrays.keys[slots]
    by_key = np.argsort(keys)
    slots, sources = slots[by_key], (keys[by_key] >> WORD_BITS).astype(np.int32)
    starts = np.searchsorted(sources, np.arange(len(arrays.backoffs) + 1))
    row_of_state = np.full(len(arrays.backoffs), -1, np.int32)
    row_of_state[ROOT] = 0
    level_states = np.array([ROOT])
    levels: list[NGramTable] = []
    while len(level_states):
        lengths = starts[level_states + 1] - starts[level_states]
        offsets = np.repeat(starts[level_states] - np.cumsum(lengths) + lengths, lengths)
        level_slots = slots[offsets + np.arange(lengths.sum())]
        contexts = np.repeat(row_of_state[level_states], lengths)
        targets = arrays.next_states[level_slots]
        rows = np.flatnonzero((targets != ROOT) & (row_of_state[targets] < 0))
        level_states = targets[rows].astype(np.int64)
        row_of_state[level_states] = rows
        backoffs = np.zeros(len(level_slots), np.float32)
        backoffs[rows] = arrays.backoffs[level_states]
        last_words = (arrays.keys[level_slots] & ((1 << WORD_BITS) - 1)).astype(np.int32)
        if len(last_words):
            levels.append(NGramTable(contexts, last_words, arrays.log_probs[level_slots], backoffs))
    return NGramTables(words, tuple(levels))
