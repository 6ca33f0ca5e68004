"""An n-gram language model as an automaton: states are contexts, arcs are words, missing arcs back off.

A back-off model (Katz 1987; the form that ARPA files write down) gives a word `w` after a context `h`

    log p(w | h) = log_probs[h, w]                     where the n-gram `h w` was kept,
                   backoffs[h] + log p(w | h')         otherwise, `h'` being `h` without its oldest word.

Each kept context is a state; state 0 is the empty context. The arcs lie in one hash table with open
addressing, whose key joins state and word.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ctcasr.compiling import bare_kernel, inline_kernel

WORD_BITS = 24
"""Bits of an arc's key that hold the word; the rest hold the state."""

Integer = int | np.int64
"""A whole number in a kernel: numba makes one kind of both."""

EMPTY_KEY = -1
ROOT = 0


class NGramArrays(NamedTuple):
    """The automaton as the kernels read it; natural logarithms throughout.

    Attributes:
        keys: `(H,)` int64, H a power of two: `state << WORD_BITS | word`, or `EMPTY_KEY`.
        log_probs: `(H,)` float32, of the arc in the same slot.
        next_states: `(H,)` int32, where the arc leads.
        backoffs: `(S,)` float32, the weight for leaving a state for its shorter context.
        backoff_states: `(S,)` int32, the longest kept context that is a proper suffix; 0 for state 0.
        unknown: `(1,)` int32, the word that stands for every word the model does not know; its arc leaves state 0.
    """

    keys: npt.NDArray[np.int64]
    log_probs: npt.NDArray[np.float32]
    next_states: npt.NDArray[np.int32]
    backoffs: npt.NDArray[np.float32]
    backoff_states: npt.NDArray[np.int32]
    unknown: npt.NDArray[np.int32]


@inline_kernel
def mixed(key: np.uint64) -> np.uint64:
    """Spread a key over 64 bits (the finaliser of splitmix64, Steele et al. 2014)."""
    key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return key ^ (key >> np.uint64(31))


@inline_kernel
def slot_of(keys: npt.NDArray[np.int64], key: Integer) -> Integer:
    """Return the slot that holds the key, or the empty one where it would go."""
    mask = len(keys) - 1
    slot = np.int64(mixed(np.uint64(key)) & np.uint64(mask))
    while keys[slot] != key and keys[slot] != EMPTY_KEY:
        slot = (slot + 1) & mask
    return slot


@bare_kernel
def score_word(model: NGramArrays, state: Integer, word: Integer) -> tuple[float, Integer]:
    """Return log p(word | state) and the next state; a word without an arc from state 0 counts as unknown."""
    total = 0.0
    while True:
        slot = slot_of(model.keys, (np.int64(state) << WORD_BITS) | np.int64(word))
        if model.keys[slot] != EMPTY_KEY:
            return total + model.log_probs[slot], np.int64(model.next_states[slot])
        if state == ROOT:
            if word == model.unknown[0]:
                return -np.inf, np.int64(ROOT)
            word = np.int64(model.unknown[0])
        else:
            total += model.backoffs[state]
            state = np.int64(model.backoff_states[state])
