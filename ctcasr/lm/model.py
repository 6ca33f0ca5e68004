"""The n-gram language model that decoding asks."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat

import numpy as np
import numpy.typing as npt

from ctcasr.lm.automaton import ROOT, NGramArrays, score_word
from ctcasr.lm.building import build_arrays, list_tables
from ctcasr.lm.tables import END, START, UNKNOWN, NGramTables


@dataclass(frozen=True, eq=False)
class NGramModel:
    """A back-off n-gram model (Katz 1987), ready to be asked; natural logarithms throughout.

    Attributes:
        words: in the order of their ids; among them `<unk>`, which stands for any other word, `</s>`, which
            ends a sentence, and mostly `<s>`, which begins it.
        order: the number of words of the longest n-grams.
        arrays: the automaton that the kernels read; read-only.
    """

    words: tuple[str, ...]
    order: int
    arrays: NGramArrays

    @classmethod
    def from_tables(cls, tables: NGramTables) -> NGramModel:
        """Compile a model from the list of its n-grams.

        Raises:
            DataError: an n-gram is listed twice.
        """
        return cls(tables.words, tables.order, build_arrays(tables, tables.words.index(UNKNOWN)))

    def tables(self) -> NGramTables:
        """List the model's n-grams, e.g. to write or to prune them."""
        return list_tables(self.words, self.arrays)

    @cached_property
    def start_state(self) -> int:
        """The state at the beginning of a sentence; that of no context if the model has no `<s>`."""
        word = self._ids.get(START)
        return ROOT if word is None else self.score(ROOT, word)[1]

    @cached_property
    def end_word(self) -> int:
        """The id of `</s>`."""
        return self._ids[END]

    @cached_property
    def unknown_word(self) -> int:
        """The id of `<unk>`."""
        return int(self.arrays.unknown[0])

    def word_id(self, text: str) -> int:
        """Return the id of a word, that of `<unk>` if the model does not know it."""
        return self._ids.get(text, self.unknown_word)

    def word_ids(self, texts: Collection[str]) -> npt.NDArray[np.int32]:
        """Return the ids `(N,)` of words, as `word_id` does of one: those of a lexicon, at the start of a command."""
        unknown = repeat(self.unknown_word)
        return np.fromiter(map(self._ids.get, texts, unknown), np.int32, len(texts))

    def score(self, state: int, word: int) -> tuple[float, int]:
        """Return log p(word | state) and the state that follows; the id of the word is not checked."""
        log_prob, following = score_word(self.arrays, state, word)
        return float(log_prob), int(following)

    def score_sentence(self, words: Sequence[str], *, begin: bool = True, end: bool = True) -> list[float]:
        """Return the log-probability of each word given those before it.

        Args:
            words: of the sentence; those that the model does not know count as `<unk>`.
            begin: whether the sentence begins here, after `<s>`; otherwise nothing is known before it.
            end: whether to score `</s>` after the last word as well, which makes the result one longer.
        """
        state = self.start_state if begin else ROOT
        scores: list[float] = []
        for word in [*map(self.word_id, words), *([self.end_word] if end else [])]:
            log_prob, state = self.score(state, word)
            scores.append(log_prob)
        return scores

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.words)}
