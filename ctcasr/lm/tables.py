"""A back-off model as a list: one table of n-grams for each order, as an ARPA file writes it down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ctcasr.errors import DataError

UNKNOWN = "<unk>"
START = "<s>"
END = "</s>"

MOST_WORDS = 1 << 24
"""An arc of the automaton holds the word in 24 bits."""


class NGramTable(NamedTuple):
    """The n-grams of one order; natural logarithms throughout.

    An n-gram is the row of its context (its words but the last) in the table of the order below, and its last
    word. Unigrams have no context: theirs is 0, and row `i` is word `i`.

    Attributes:
        contexts: `(n,)` int32, rows of the table one order below.
        words: `(n,)` int32, the last words.
        log_probs: `(n,)` float32, log p(last word | context).
        backoffs: `(n,)` float32, the weight for words that never followed this n-gram; 0 where there is none.
    """

    contexts: npt.NDArray[np.int32]
    words: npt.NDArray[np.int32]
    log_probs: npt.NDArray[np.float32]
    backoffs: npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class NGramTables:
    """The words of a back-off model and its n-grams, order by order.

    Attributes:
        words: in the order of their ids; one of them is `<unk>`, one `</s>`, and mostly one `<s>`.
        levels: the table of each order, unigrams first. Every word has its unigram, in the order of the ids.
    """

    words: tuple[str, ...]
    levels: tuple[NGramTable, ...]

    def __post_init__(self) -> None:
        if not self.levels or len(self.levels[0].words) != len(self.words):
            found = len(self.levels[0].words) if self.levels else 0
            raise DataError(
                f"the model has {found} unigrams for {len(self.words)} words; give each word its unigram"
            )
        if len(self.words) > MOST_WORDS:
            raise DataError(
                f"the model has {len(self.words):,} words; expected {MOST_WORDS:,} at most: leave rare words out"
            )
        for needed in (UNKNOWN, END):
            if needed not in self.words:
                raise DataError(f"the model has no unigram {needed}; add one with its probability")

    @property
    def order(self) -> int:
        """The number of words of the longest n-grams."""
        return len(self.levels)

    @property
    def counts(self) -> tuple[int, ...]:
        """How many n-grams each order has."""
        return tuple(len(table.words) for table in self.levels)

    def extended(self, order: int) -> npt.NDArray[np.bool_]:
        """Return which n-grams `(n,)` of an order are the context of a longer one."""
        extended = np.zeros(self.counts[order - 1], np.bool_)
        if order < self.order:
            extended[self.levels[order].contexts] = True
        return extended

    def ids(self, order: int, rows: npt.NDArray[np.integer] | slice = slice(None)) -> npt.NDArray[np.int32]:
        """Return the words `(n, order)` of n-grams, all of an order or those of some rows."""
        table = self.levels[order - 1]
        ids = np.empty((len(table.words[rows]), order), np.int32)
        ids[:, -1] = table.words[rows]
        contexts: npt.NDArray[np.integer] = table.contexts[rows]
        for below in range(order - 1, 0, -1):
            table = self.levels[below - 1]
            ids[:, below - 1] = table.words[contexts]
            contexts = table.contexts[contexts]
        return ids
