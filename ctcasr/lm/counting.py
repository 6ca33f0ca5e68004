"""Counts of the n-grams of a text.

The text is read twice: once for its words, whose numbers go to a temporary file of 4 bytes a word, and once
from there for its n-grams. An n-gram is numbered within its order, and found by the number of its first words
and its last word, which together make one integer, in a hash table of its order.

Memory grows with the number of different n-grams, not with the text: 40 bytes each while they are counted (a
key of 8, counts of 8, a suffix of 4, two to four slots of 4, and a spare column), and with the estimation after
it up to 60. `scripts/measure_lm_memory.py` measures it: English books have 9.3 million n-grams of up to three words
in 12.9 million words (0.8 GB); their number grows with the length of the text to the power of 0.85, which makes 54
million and 3.2 GB of 100 million words.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from ctcasr.errors import ConfigError, DataError
from ctcasr.lm.growing import NONE, CountLevel, GrowingLevel, Stretch, new_level, renumber, tally
from ctcasr.lm.reading import TextReader, Unit
from ctcasr.lm.tables import END, START, UNKNOWN
from ctcasr.lm.words import listed_words
from ctcasr.text import SPACE

HIGHEST_ORDER = 10
_CHUNK_WORDS = 1 << 18
_START_ID = 1


@dataclass(frozen=True, eq=False)
class NGramCounts:
    """The n-grams of a text.

    Attributes:
        words: in the order of their ids, `<unk>`, `<s>` and `</s>` first.
        levels: of each order, unigrams first. An n-gram does not reach across the ends of a sentence; `<s>`
            stands once at the beginning of each.
        sentences: how many were read.
        tokens: how many words they had, with `</s>` and without `<s>`.
    """

    words: tuple[str, ...]
    levels: tuple[CountLevel, ...]
    sentences: int
    tokens: int


@dataclass(frozen=True)
class CountSettings:
    """What to count.

    Attributes:
        order: the length of the longest n-grams, 1 to 10.
        unit: `word`, or `char` for characters with `<space>` between words.
        min_count: words that come less often are `<unk>`.
        vocabulary: the words to keep, all others being `<unk>`; each is in the model even if it never comes.
    """

    order: int = 3
    unit: Unit = "word"
    min_count: int = 1
    vocabulary: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.order <= HIGHEST_ORDER:
            raise ConfigError(f"the order is {self.order}; expected 1 to {HIGHEST_ORDER}")
        if self.min_count < 1:
            raise ConfigError(f"the smallest count is {self.min_count}; expected 1 or more")
        if self.vocabulary is not None and self.min_count > 1:
            raise ConfigError(
                "a vocabulary and a smallest count above 1 contradict each other; give one of them"
            )


def count_ngrams(paths: Iterable[Path], settings: CountSettings) -> NGramCounts:
    """Count the n-grams of texts: UTF-8, a sentence a line, compressed or not; empty lines are skipped.

    Raises:
        DataError: a text cannot be read or holds `<s>`, `</s>` or a NUL, or there is no word in all of them.
    """
    special = (UNKNOWN, START, END, *((SPACE,) if settings.unit == "char" else ()))
    given = None
    if settings.vocabulary is not None:
        given = tuple(dict.fromkeys((*special, *settings.vocabulary)))
    reader = TextReader(settings.unit, given)
    with tempfile.TemporaryFile() as spool:
        totals = np.zeros(0, np.uint32)
        for numbers in reader.read(paths):
            numbers.tofile(spool)
            if (known := int(reader.table.size[0])) > len(totals):
                totals = np.append(totals, np.zeros(known, np.uint32))
            tally(numbers, totals)
        if not reader.lines:
            raise DataError("the texts hold no word; expected a sentence a line")
        words = listed_words(reader.table)
        del reader.table
        kept = totals[: len(words)] >= (settings.min_count if given is None else 0)
        kept[: len(special)] = True
        new_ids = np.where(kept, np.cumsum(kept) - 1, 0).astype(np.int32)
        words = tuple(word for word, keep in zip(words, kept.tolist(), strict=True) if keep)
        levels = _count(_chunks(spool, new_ids), settings.order, len(words))
    return NGramCounts(words, levels, reader.lines, int(totals.sum(dtype=np.int64)) - reader.lines)


def _chunks(spool: IO[bytes], new_ids: npt.NDArray[np.int32]) -> Iterator[npt.NDArray[np.int32]]:
    """Yield the numbers of a temporary file, in pieces, as the words that they are in the model."""
    spool.seek(0)
    while (numbers := np.fromfile(spool, np.int32, _CHUNK_WORDS)).size:
        yield new_ids[numbers]


def _count(chunks: Iterator[npt.NDArray[np.int32]], order: int, words: int) -> tuple[CountLevel, ...]:
    unigrams = new_level(words)
    unigrams.keys[:] = np.arange(words)
    growing = [GrowingLevel(highest=above == order) for above in range(2, order + 1)]
    last_rows = np.full(order, NONE, np.int32)  # the n-gram of each order that ends just before the chunk
    for numbers in chunks:
        tally(numbers, unigrams.counts)
        rows, below = numbers, unigrams
        for shorter, level in enumerate(growing):
            stretch = Stretch(numbers, np.concatenate((last_rows[shorter : shorter + 1], rows)), _START_ID)
            last_rows[shorter] = rows[-1]
            rows, below = level.add(stretch, below), level.rows
    levels = [unigrams]
    while growing:
        levels.append(growing.pop(0).finish())
    return _sorted_levels(levels)


def _sorted_levels(levels: list[CountLevel]) -> tuple[CountLevel, ...]:
    """Sort the rows by context and word, order by order, and let contexts and suffixes follow; empties the list."""
    new_rows = np.arange(len(levels[0].keys), dtype=np.int32)
    result = [levels.pop(0)]
    while levels:
        keys, counts, predecessors, suffixes = levels.pop(0)
        renumber(keys, suffixes, new_rows)
        by_key = np.argsort(keys)
        keys = keys[by_key]
        counts = counts[by_key]
        suffixes = suffixes[by_key]
        if levels:
            predecessors = predecessors[by_key]
            new_rows = np.empty(len(keys), np.int32)
            new_rows[by_key] = np.arange(len(keys), dtype=np.int32)
        result.append(CountLevel(keys, counts, predecessors, suffixes))
    return tuple(result)
