"""A joint n-gram model of letters and phones, and the search for the phones of a word."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ctcasr.compiling import kernel
from ctcasr.errors import DataError
from ctcasr.g2p.aligning import LONGEST, Pairs, align
from ctcasr.lm import CountSettings, NGramArrays, NGramModel, count_ngrams, kneser_ney
from ctcasr.lm.automaton import score_word
from ctcasr.text import Pronunciations

Int32 = npt.NDArray[np.int32]

ORDER = 8
"""Letters of the longest n-grams."""

BEAM = 24
"""Pronunciations that survive each letter."""

LONGEST_WORD = 64
"""Letters; no word of a language that is written with letters is as long."""


class Guess(NamedTuple):
    """A pronunciation of a word.

    Attributes:
        phones: their names.
        log_prob: natural logarithm of the joint probability of letters and phones.
    """

    phones: tuple[str, ...]
    log_prob: float


class Graphones(NamedTuple):
    """What each letter may stand for, as the search reads it.

    Attributes:
        first: `(letters + 1,)` where each letter's graphones begin.
        words: `(G,)` number of each graphone in the n-gram model.
        phones: `(G, 2)` its phones, from 1 on; 0 is none.
    """

    first: Int32
    words: Int32
    phones: Int32


@dataclass(frozen=True, eq=False)
class Pronouncer:
    """A joint-sequence model (Bisani and Ney 2008): n-grams over letters with the phones that they stand for.

    Attributes:
        letters: those of the dictionary's words.
        phones: those of its pronunciations.
        graphones: what each letter may stand for.
        model: n-grams of graphones.
    """

    letters: tuple[str, ...]
    phones: tuple[str, ...]
    graphones: Graphones
    model: NGramModel

    @classmethod
    def train(cls, dictionary: Pronunciations, order: int = ORDER) -> Pronouncer:
        """Learn from a dictionary how words are pronounced; all pronunciations of a word count alike.

        Words of more phones than letters can stand for, such as `www`, are passed over.

        Raises:
            DataError: no word is left.
        """
        entries = [
            (word, phones)
            for word, variants in dictionary.by_word.items()
            for phones in variants
            if len(phones) <= LONGEST * len(word)
        ]
        if not entries:
            raise DataError(
                "no word of the dictionary has letters for all its phones; it teaches no pronunciation"
            )
        letters = tuple(sorted({letter for word, _ in entries for letter in word}))
        letter_ids = {letter: number for number, letter in enumerate(letters)}
        phone_ids = {phone: number for number, phone in enumerate(dictionary.phones, 1)}
        pairs = Pairs.of(
            [[letter_ids[letter] for letter in word] for word, _ in entries],
            [[phone_ids[phone] for phone in phones] for _, phones in entries],
        )
        numbered, inverse = np.unique(
            np.column_stack((pairs.letters, align(pairs, len(letters), len(dictionary.phones)))),
            axis=0,
            return_inverse=True,
        )
        model = _model(np.split(inverse.reshape(-1), pairs.letter_starts[1:-1]), order)
        graphones = Graphones(
            np.searchsorted(numbered[:, 0], np.arange(len(letters) + 1)).astype(np.int32),
            model.word_ids([str(number) for number in range(len(numbered))]),
            np.ascontiguousarray(numbered[:, 1:], np.int32),
        )
        return cls(letters, dictionary.phones, graphones, model)

    def pronounce(self, word: str, count: int = 1) -> list[Guess]:
        """Return the most probable pronunciations of a word, at most so many, the best first.

        The search keeps the best beginnings letter by letter; of complete ones with the same phones the best counts.

        Raises:
            DataError: a letter is not among the dictionary's, there are too many of them, or all of them are silent.
        """
        strange = sorted(set(word) - set(self.letters))
        if strange or not 0 < len(word) <= LONGEST_WORD:
            reason = f"no word of the dictionary has {strange}" if strange else f"it has {len(word)} letters"
            raise DataError(
                f"the word {word[:LONGEST_WORD]!r} cannot be pronounced: {reason}; expected 1 to {LONGEST_WORD} "
                f"letters out of {''.join(self.letters)!r}; add it to the dictionary, or drop it"
            )
        letters = np.array([self._letter_ids[letter] for letter in word], np.int32)
        start = np.array([self.model.start_state, self.model.end_word], np.int64)
        rows, scores = _search(self.model.arrays, self.graphones, letters, start, BEAM)
        best: dict[tuple[str, ...], float] = {}
        for row, score in zip(rows, scores, strict=True):
            phones = tuple(self.phones[number - 1] for number in row if number)
            if phones and score > best.get(phones, -np.inf):
                best[phones] = float(score)
        if not best:
            raise DataError(
                f"the word {word!r} cannot be pronounced: its letters are silent in the dictionary; add it to the "
                "dictionary, or drop it"
            )
        ordered = sorted(best.items(), key=lambda item: -item[1])
        return [Guess(phones, score) for phones, score in ordered[:count]]

    @cached_property
    def _letter_ids(self) -> dict[str, int]:
        return {letter: number for number, letter in enumerate(self.letters)}


def _model(rows: Sequence[npt.NDArray[np.int_]], order: int) -> NGramModel:
    """Return the n-gram model of rows of graphones, each by its number."""
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder, "graphones.txt")
        text.write_text("".join(" ".join(map(str, row)) + "\n" for row in rows), encoding="utf-8")
        return NGramModel.from_tables(kneser_ney(count_ngrams([text], CountSettings(order))))


@kernel
def _search(
    model: NGramArrays, graphones: Graphones, letters: Int32, start: npt.NDArray[np.int64], beam: int
) -> tuple[Int32, npt.NDArray[np.float64]]:
    """Return the phones `(K, 2 x letters)`, 0 where there is none, and the scores `(K,)` of complete words."""
    states = np.full(beam, start[0])
    scores = np.zeros(beam)
    phones = np.zeros((beam, 2 * len(letters)), np.int32)
    used = 1
    for place in range(len(letters)):
        low, high = graphones.first[letters[place]], graphones.first[letters[place] + 1]
        width = high - low
        grown = np.empty(used * width)
        reached = np.empty(used * width, np.int64)
        for row in range(used):
            for choice in range(width):
                log_prob, state = score_word(model, states[row], graphones.words[low + choice])
                grown[row * width + choice] = scores[row] + log_prob
                reached[row * width + choice] = state
        order = np.argsort(-grown)[:beam]
        kept = np.zeros((beam, 2 * len(letters)), np.int32)
        for number in range(len(order)):
            source = order[number] // width
            kept[number] = phones[source]
            kept[number, 2 * place : 2 * place + 2] = graphones.phones[low + order[number] % width]
            states[number] = reached[order[number]]
            scores[number] = grown[order[number]]
        phones = kept
        used = len(order)
    for row in range(used):
        scores[row] += score_word(model, states[row], start[1])[0]
    return phones[:used], scores[:used]
