"""Lexicons: the words that a beam search may write, and how the symbols of a model spell them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ctcasr.decoding.lexicon_reading import read_lexicon, shown
from ctcasr.decoding.search_types import EITHER, INSIDE, SEPARATOR, WORD_START, Int32, LexiconArrays
from ctcasr.decoding.trie import Spellings, Trie
from ctcasr.errors import ConfigError, DataError
from ctcasr.text import SPACE, WORD_START_MARK, Vocabulary

UNKNOWN = "<unk>"

BITS = 64
"""Most symbols of which sets are kept as bits."""


@dataclass(frozen=True, eq=False)
class Lexicon:
    """Words with one spelling or more each.

    Attributes:
        words: texts; a word may stand here once only.
        spellings: of them, by their numbers.
        kinds: of each symbol of the vocabulary: `INSIDE`, `SEPARATOR`, `WORD_START` or `EITHER`.
    """

    words: tuple[str, ...]
    spellings: Spellings
    kinds: npt.NDArray[np.uint8]

    def __post_init__(self) -> None:
        if not len(self.spellings):
            raise DataError("a lexicon without words cannot write anything; give it one word or more")

    @classmethod
    def of_characters(cls, words: Iterable[str], vocabulary: Vocabulary) -> Lexicon:
        """Spell words with the characters of a vocabulary whose `<space>` stands between words.

        Raises:
            DataError: a word cannot be spelled, is empty, or holds a space; the vocabulary has no space.
        """
        if SPACE not in vocabulary.symbols:
            raise DataError(
                f"the vocabulary has no {SPACE} to part words; give pronunciations, or decode without a lexicon"
            )
        unique = tuple(dict.fromkeys(words))
        wrong = [word for word in unique if not word or " " in word]
        if wrong:
            raise DataError(f"{shown(wrong[0])} is not one word; a lexicon lists words, one a line")
        spellings = []
        for number, word in enumerate(unique):
            try:
                spellings.append((number, tuple(vocabulary.encode(word).tolist())))
            except DataError as error:
                raise DataError(f"the word {shown(word)} cannot be spelled: {error}") from error
        return cls(unique, Spellings.of(spellings), kinds_of(vocabulary.symbols))

    @classmethod
    def of_words(cls, words: Iterable[str], vocabulary: Vocabulary) -> Lexicon:
        """Spell words with the symbols of a vocabulary: characters, pieces, or the phones of its dictionary.

        Raises:
            DataError: a word cannot be spelled; a vocabulary of characters has no space.
        """
        if vocabulary.units == "char":
            return cls.of_characters(words, vocabulary)
        symbols = vocabulary.symbols
        return cls.of_pieces(
            words,
            symbols,
            lambda word: [[symbols[number] for number in ids] for ids in vocabulary.spellings(word)],
        )

    @classmethod
    def of_pieces(
        cls, words: Iterable[str], symbols: Sequence[str], split: Callable[[str], Iterable[Sequence[str]]]
    ) -> Lexicon:
        """Spell words with pieces: `split` gives each word's segmentations, or its pronunciations.

        Raises:
            DataError: a segmentation is empty or uses a piece that is not among the symbols, or `<space>`.
        """
        numbers = {symbol: number for number, symbol in enumerate(symbols) if number and symbol != SPACE}
        unique = tuple(dict.fromkeys(words))
        spellings = []
        for word_number, word in enumerate(unique):
            for pieces in dict.fromkeys(tuple(pieces) for pieces in split(word)):
                missing = [piece for piece in pieces if piece not in numbers]
                if missing or not pieces:
                    raise DataError(
                        f"the word {shown(word)} is spelled {shown(' '.join(pieces))}: {missing[:5] or 'nothing'} "
                        f"is not among the {len(numbers)} symbols that spell words; correct the spelling or drop "
                        "the word"
                    )
                spellings.append((word_number, tuple(numbers[piece] for piece in pieces)))
        return cls(unique, Spellings.of(spellings), kinds_of(symbols))

    @classmethod
    def read(cls, path: Path, symbols: Sequence[str]) -> Lexicon:
        """Read a lexicon: `word symbol symbol ...` a line, a word on as many lines as it has spellings.

        A line with a word alone is spelled by its characters. Empty lines are passed over.

        Raises:
            DataError: the file is unreadable, or a line is wrong; names the line.
        """
        return cls(*read_lexicon(path, symbols), kinds_of(symbols))

    def with_spellings(self, spelled: Iterable[tuple[str, Sequence[int]]]) -> Lexicon:
        """Return the lexicon with these words and the symbols that spell them; those known in any case are left out."""
        known = {word.casefold() for word in self.words}
        fresh = {word: tuple(ids) for word, ids in spelled if word.casefold() not in known}
        if not fresh:
            return self
        spellings = enumerate(fresh.values(), len(self.words))
        return Lexicon((*self.words, *fresh), Spellings.of([*self.spellings, *spellings]), self.kinds)

    def write(self, path: Path, symbols: Sequence[str]) -> None:
        """Write the lexicon as `read` reads it, every spelling on a line of its own."""
        lines = (
            " ".join((self.words[number], *(symbols[symbol] for symbol in spelling)))
            for number, spelling in self.spellings
        )
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    @cached_property
    def trie(self) -> Trie:
        """The spellings as a tree."""
        return Trie.of(self.spellings)


def _children(trie: Trie, symbols: int) -> npt.NDArray[np.uint64]:
    """Return the symbols of each node's children as bits, with an empty row behind; nothing if they do not fit."""
    if symbols > BITS:
        return np.zeros(0, np.uint64)
    bits = np.zeros(len(trie.entered) + 1, np.uint64)
    np.bitwise_or.at(bits, trie.parents[1:], np.uint64(1) << trie.entered[1:].astype(np.uint64))
    return bits


def kinds_of(symbols: Sequence[str]) -> npt.NDArray[np.uint8]:
    """Tell the kind of each symbol: characters parted by `<space>`, pieces marked by `▁`, or phones.

    Raises:
        DataError: there are both `<space>` and marked pieces.
    """
    marked = any(symbol.startswith(WORD_START_MARK) for symbol in symbols)
    if SPACE in symbols:
        if marked:
            raise DataError(
                f"the vocabulary has {SPACE} and pieces with {WORD_START_MARK}; expected one of them"
            )
        return np.array([SEPARATOR if symbol == SPACE else INSIDE for symbol in symbols], np.uint8)
    if marked:
        starts = [symbol.startswith(WORD_START_MARK) for symbol in symbols]
        return np.array([WORD_START if start else INSIDE for start in starts], np.uint8)
    return np.full(len(symbols), EITHER, np.uint8)


@dataclass(frozen=True)
class WordScores:
    """What the words of a lexicon are worth: number in the language model, share in it, unigram score, bonus of each.

    The share is logarithmic, and part of the unigram score. The last row is the unknown word's;
    `open_vocabulary` says whether it may be written.
    """

    lm_words: Int32
    lm_shares: npt.NDArray[np.float64]
    unigrams: npt.NDArray[np.float64]
    bonus: npt.NDArray[np.float64]
    open_vocabulary: bool


def lexicon_arrays(lexicon: Lexicon, scores: WordScores, lm_weight: float) -> LexiconArrays:
    """Lay out a lexicon for the search, the best unigram score below each node pushed up the tree.

    Raises:
        ConfigError: unknown words are wanted of symbols that do not show where a word begins.
    """
    if scores.open_vocabulary and (lexicon.kinds == EITHER).any():
        raise ConfigError(
            f"unknown words need symbols that show where words begin ({SPACE}, or pieces with "
            f"{WORD_START_MARK}); decode with the lexicon's words alone"
        )
    trie, nodes = lexicon.trie, len(lexicon.trie.entered)
    numbers = lexicon.spellings.words.astype(np.int64)
    unknown = len(lexicon.words)
    ends = trie.ends.astype(np.int64)
    if scores.open_vocabulary:  # a word that ends where none of the lexicon does is unknown
        bare = np.setdiff1d(np.arange(1, nodes + 1), ends)
        numbers = np.append(numbers, np.full(len(bare), unknown))
        ends = np.append(ends, bare)
    order = np.lexsort((numbers, ends))
    ends, numbers = ends[order], numbers[order]
    worth = lm_weight * scores.unigrams + scores.bonus
    look_ahead = np.full(nodes + 1, -np.inf)
    np.maximum.at(look_ahead, ends, worth[numbers])
    for start, stop in zip(trie.levels[-2:0:-1], trie.levels[:1:-1], strict=True):
        np.maximum.at(look_ahead, trie.parents[start:stop], look_ahead[start:stop])
    look_ahead[0] = 0.0
    parents = np.append(trie.parents, 0)
    with np.errstate(invalid="ignore"):
        factor = np.exp(look_ahead - look_ahead[parents])
    if not scores.open_vocabulary:
        look_ahead[nodes], factor[nodes] = 0.0, 1.0
    return LexiconArrays(
        first=np.append(trie.first, trie.first[-1]).astype(np.int32),
        entered=np.append(trie.entered, 0).astype(np.int32),
        children=_children(trie, len(lexicon.kinds)),
        look_ahead=look_ahead,
        factor=factor,
        word_first=np.searchsorted(ends, np.arange(nodes + 2)).astype(np.int32),
        words=numbers.astype(np.int32),
        lm_words=scores.lm_words.astype(np.int32),
        lm_shares=scores.lm_shares.astype(np.float64),
        bonus=scores.bonus.astype(np.float64),
        kind=lexicon.kinds,
        unknown=np.array([nodes if scores.open_vocabulary else 0], np.int32),
    )
