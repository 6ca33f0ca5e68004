"""Which letter of a word stands for which of its phones, learned from a dictionary alone.

Each letter stands for none, one or two phones: `s-S i-IH x-K+S t-T h-TH`. Such pairs of a letter and its phones,
graphones, have a joint probability, which expectation maximisation finds: every way to share out a word's phones counts
as much as it is probable (Bisani and Ney 2008, *Joint-sequence models for grapheme-to-phoneme conversion*, here with
graphones of one letter).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ctcasr.compiling import kernel

LONGEST = 2
"""Most phones that a letter stands for."""

ROUNDS = 8
"""Of expectation maximisation."""

Int32 = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]


class Pairs(NamedTuple):
    """Words and their phones as numbers, one after the other.

    Attributes:
        letters: `(L,)` of all words.
        letter_starts: `(W + 1,)` where each word's letters begin.
        phones: `(P,)` of all words, from 1 on.
        phone_starts: `(W + 1,)` where each word's phones begin.
    """

    letters: Int32
    letter_starts: Int32
    phones: Int32
    phone_starts: Int32

    @classmethod
    def of(cls, words: Sequence[Sequence[int]], phones: Sequence[Sequence[int]]) -> Pairs:
        """Join the numbers of words and of their phones."""
        return cls(*_joined(words), *_joined(phones))


def _joined(rows: Sequence[Sequence[int]]) -> tuple[Int32, Int32]:
    starts = np.cumsum([0, *map(len, rows)], dtype=np.int32)
    return np.array([number for row in rows for number in row], np.int32), starts


def align(pairs: Pairs, letters: int, phones: int) -> Int32:
    """Return which phones each letter stands for on the best path of each word.

    Args:
        pairs: words and their phones; no word has more than `LONGEST` phones a letter.
        letters: how many there are.
        phones: how many there are, numbered from 1.

    Returns:
        `(L, 2)`: two phones, one and 0, or 0 and 0.
    """
    probs = np.full((letters, phones + 1, phones + 1), 1.0 / (letters * (phones + 1) ** 2))
    for _ in range(ROUNDS):
        counts = np.zeros_like(probs)
        _expect(pairs, probs, counts)
        probs = counts / counts.sum()
    return _best(pairs, probs)


@kernel
def _expect(pairs: Pairs, probs: Floats, counts: Floats) -> None:
    """Add up how often each graphone is expected, over all words and all their paths."""
    for word in range(len(pairs.letter_starts) - 1):
        letters = pairs.letters[pairs.letter_starts[word] : pairs.letter_starts[word + 1]]
        phones = pairs.phones[pairs.phone_starts[word] : pairs.phone_starts[word + 1]]
        ahead = np.zeros((len(letters) + 1, len(phones) + 1))
        ahead[0, 0] = 1.0
        for i in range(len(letters)):
            for j in range(len(phones) + 1):
                if ahead[i, j] > 0:
                    ahead[i + 1, j] += ahead[i, j] * probs[letters[i], 0, 0]
                    if j < len(phones):
                        ahead[i + 1, j + 1] += ahead[i, j] * probs[letters[i], phones[j], 0]
                    if j + 1 < len(phones):
                        ahead[i + 1, j + 2] += ahead[i, j] * probs[letters[i], phones[j], phones[j + 1]]
        total = ahead[len(letters), len(phones)]
        if total <= 0:
            continue
        back = np.zeros((len(letters) + 1, len(phones) + 1))
        back[len(letters), len(phones)] = 1 / total
        for i in range(len(letters) - 1, -1, -1):
            for j in range(len(phones) + 1):
                share = probs[letters[i], 0, 0] * back[i + 1, j]
                counts[letters[i], 0, 0] += ahead[i, j] * share
                back[i, j] = share
                if j < len(phones):
                    share = probs[letters[i], phones[j], 0] * back[i + 1, j + 1]
                    counts[letters[i], phones[j], 0] += ahead[i, j] * share
                    back[i, j] += share
                if j + 1 < len(phones):
                    share = probs[letters[i], phones[j], phones[j + 1]] * back[i + 1, j + 2]
                    counts[letters[i], phones[j], phones[j + 1]] += ahead[i, j] * share
                    back[i, j] += share


@kernel
def _best(pairs: Pairs, probs: Floats) -> Int32:
    """Return the graphones of the most probable path of each word."""
    found = np.zeros((len(pairs.letters), 2), np.int32)
    for word in range(len(pairs.letter_starts) - 1):
        first = pairs.letter_starts[word]
        letters = pairs.letters[first : pairs.letter_starts[word + 1]]
        phones = pairs.phones[pairs.phone_starts[word] : pairs.phone_starts[word + 1]]
        best = np.zeros((len(letters) + 1, len(phones) + 1))
        best[0, 0] = 1.0
        taken = np.zeros((len(letters) + 1, len(phones) + 1), np.int32)
        for i in range(len(letters)):
            for j in range(len(phones) + 1):
                for count in range(min(LONGEST, j) + 1):
                    one = phones[j - count] if count else 0
                    two = phones[j - 1] if count == 2 else 0
                    score = best[i, j - count] * probs[letters[i], one, two]
                    if score > best[i + 1, j]:
                        best[i + 1, j] = score
                        taken[i + 1, j] = count
        j = len(phones)
        for i in range(len(letters), 0, -1):
            count = taken[i, j]
            if count:
                found[first + i - 1, 0] = phones[j - count]
            if count == 2:
                found[first + i - 1, 1] = phones[j - 1]
            j -= count
    return found
