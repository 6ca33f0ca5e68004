"""Pieces of words by byte-pair encoding, and the vocabulary of a model that writes them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from ctcasr.errors import DataError
from ctcasr.text.vocabulary import SPACE, Ids, Units, Vocabulary, WrittenWord

WORD_START_MARK = "▁"
"""First character of the pieces that begin a word (SentencePiece's U+2581)."""


@dataclass(frozen=True)
class PieceVocabulary(Vocabulary):
    """Pieces that a model writes, in the order in which byte-pair encoding merged them, single characters last.

    The order is all that encoding needs (Sennrich et al. 2016, section 3.2): of the pairs of neighbours that are a
    piece together, the one that stands first here is merged first. SentencePiece's BPE models segment alike.
    """

    units: ClassVar[Units] = "bpe"

    def _check_symbols(self) -> None:
        wrong = [s for s in self.symbols[1:] if s == SPACE or s.split() != [s]]
        if wrong or not any(symbol.startswith(WORD_START_MARK) for symbol in self.symbols):
            raise DataError(
                f"pieces hold no white space, none is {SPACE}, and those that begin a word begin with "
                f"{WORD_START_MARK}; found {wrong[:5] or list(self.symbols[1:6])}; train the pieces again"
            )

    def encode(self, text: str) -> npt.NDArray[np.int64]:
        """Return the pieces' numbers `(U,)` of a text.

        Raises:
            DataError: a character is in no piece; all such characters are named.
        """
        unknown = sorted({character for character in "".join(text.split()) if character not in self._single})
        if unknown:
            raise DataError(
                f"characters {unknown} are not among the {len(self._single)} that the {len(self) - 1} pieces of the "
                "vocabulary are made of; normalise the text or train the pieces from it"
            )
        return np.array([number for word in text.split() for number in self._pieces(word)], np.int64)

    def _pieces(self, word: str) -> tuple[int, ...]:
        """Return the numbers of a word's pieces; words come again and again, so they are kept."""
        if word not in self._known:
            parts = [WORD_START_MARK, *word]
            while True:
                ranks = [self._ids.get(one + other, len(self)) for one, other in pairwise(parts)]
                best = min(ranks, default=len(self))
                if best == len(self):
                    break
                place = ranks.index(best)
                parts[place : place + 2] = [self.symbols[best]]
            self._known[word] = tuple(self._ids[part] for part in parts)
        return self._known[word]

    @cached_property
    def _known(self) -> dict[str, tuple[int, ...]]:
        return {}

    @cached_property
    def _single(self) -> frozenset[str]:
        """The characters that are pieces by themselves; without the mark itself, any word can be cut down to them."""
        if WORD_START_MARK not in self._ids:
            return frozenset()
        return frozenset(s for s in self.symbols[1:] if len(s) == 1 and s != WORD_START_MARK)

    def decode(self, ids: Ids) -> str:
        """Return the text of the pieces; blanks write nothing."""
        return "".join(self.characters[number] for number in ids).strip()

    def words(self, ids: Ids) -> list[WrittenWord]:
        """Return the words that pieces write: each begins with a marked piece."""
        words, start = [], 0
        for place in range(len(ids) + 1):
            if place < len(ids) and not self.symbols[ids[place]].startswith(WORD_START_MARK):
                continue
            text = self.decode(ids[start:place])
            if text:
                words.append(WrittenWord(text, start, place))
            start = place
        return words

    @cached_property
    def characters(self) -> tuple[str, ...]:
        """What each piece writes: nothing for the blank, a space for the mark."""
        return ("", *(symbol.replace(WORD_START_MARK, " ") for symbol in self.symbols[1:]))

    @cached_property
    def letters(self) -> frozenset[str]:
        """The characters that words are made of."""
        return self._single
