"""Counts of n-grams, against counting with dictionaries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ctcasr.errors import ConfigError, DataError
from ctcasr.lm import CountSettings, NGramCounts, count_ngrams, counting, growing
from ctcasr.lm.automaton import WORD_BITS
from ctcasr.lm.growing import WORD_MASK
from tests.lm.samples import random_sentences
from tests.oracles.ngrams import ngrams_of

Write = Callable[..., Path]


def as_counters(counts: NGramCounts, what: str = "counts") -> list[Counter[tuple[str, ...]]]:
    """Return a column of the counts by the words of the n-grams; `<s>` alone and what never came left out."""
    result = []
    names = [(word,) for word in counts.words]
    for order, level in enumerate(counts.levels, 1):
        if order > 1:
            contexts, words = level.keys >> WORD_BITS, level.keys & WORD_MASK
            names = [(*names[c], counts.words[w]) for c, w in zip(contexts, words, strict=True)]
        found = Counter(dict(zip(names, getattr(level, what).tolist(), strict=what == "counts")))
        result.append(Counter({name: count for name, count in found.items() if count and name != ("<s>",)}))
    return result


class TestCounts:
    @pytest.mark.parametrize("order", [1, 2, 3, 5, 10])
    @pytest.mark.parametrize("chunk_words", [1, 7, 1 << 18])
    def test_as_dictionaries_count(
        self, write_text: Write, order: int, chunk_words: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(counting, "_CHUNK_WORDS", chunk_words)
        sentences = random_sentences(order, 60)
        counts = count_ngrams([write_text(sentences)], CountSettings(order=order))
        assert as_counters(counts) == ngrams_of(sentences, order)
        assert counts.sentences == 60
        assert counts.tokens == sum(map(len, sentences)) + 60

    def test_predecessors_are_different_words(self, write_text: Write) -> None:
        sentences = random_sentences(1)
        counts = count_ngrams([write_text(sentences)], CountSettings(order=4))
        trigrams = ngrams_of(sentences, 4)
        for order, found in enumerate(as_counters(counts, "predecessors")[:-1], 1):
            expected = Counter(words[1:] for words in trigrams[order])
            assert found == expected

    def test_suffixes_and_order_of_rows(self, write_text: Write) -> None:
        counts = count_ngrams([write_text(random_sentences(2))], CountSettings(order=3))
        unigrams, bigrams, trigrams = counts.levels
        np.testing.assert_array_equal(unigrams.keys, np.arange(len(counts.words)))
        np.testing.assert_array_equal(bigrams.suffixes, bigrams.keys & WORD_MASK)
        expected = (
            bigrams.keys[trigrams.keys >> WORD_BITS] & WORD_MASK
        ) << WORD_BITS | trigrams.keys & WORD_MASK
        np.testing.assert_array_equal(bigrams.keys[trigrams.suffixes], expected)
        for level in counts.levels:
            assert (np.diff(level.keys) > 0).all()

    def test_tables_that_grow_often(self, write: Write) -> None:
        words = [f"{number}" for number in range(3000)]
        counts = count_ngrams([write(" ".join(words + words[::-1]))], CountSettings(order=2))
        assert as_counters(counts) == ngrams_of([words + words[::-1]], 2)

    def test_several_texts_are_one(self, write_text: Write) -> None:
        sentences = random_sentences(3)
        parts = [write_text(sentences[:50], "1"), write_text(sentences[50:], "2")]
        counts = count_ngrams(parts, CountSettings())
        assert as_counters(counts) == ngrams_of(sentences, 3)

    def test_too_many_n_grams(self, write_text: Write, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(growing, "_MOST_NGRAMS", 100)
        with pytest.raises(DataError, match="more than 100 different n-grams"):
            count_ngrams([write_text(random_sentences(3))], CountSettings())


class TestVocabulary:
    def test_rare_words_are_unknown(self, write_text: Write) -> None:
        sentences = random_sentences(4)
        found = Counter(word for sentence in sentences for word in sentence)
        kept = {word for word, count in found.items() if count >= 20}
        assert 0 < len(kept) < len(found)
        counts = count_ngrams([write_text(sentences)], CountSettings(min_count=20))
        masked = [[word if word in kept else "<unk>" for word in sentence] for sentence in sentences]
        assert as_counters(counts) == ngrams_of(masked, 3)
        assert set(counts.words) == kept | {"<unk>", "<s>", "</s>"}

    def test_only_the_words_of_a_list_and_all_of_them(self, write_text: Write) -> None:
        sentences = random_sentences(5)
        vocabulary = ("never", "w1", "w0", "w1", "</s>")
        counts = count_ngrams([write_text(sentences)], CountSettings(vocabulary=vocabulary))
        masked = [[word if word in vocabulary else "<unk>" for word in sentence] for sentence in sentences]
        assert as_counters(counts) == ngrams_of(masked, 3)
        assert counts.words == ("<unk>", "<s>", "</s>", "never", "w1", "w0")

    def test_characters(self, write: Write) -> None:
        counts = count_ngrams([write("ab a\nb\n")], CountSettings(order=2, unit="char"))
        assert counts.words == ("<unk>", "<s>", "</s>", "<space>", "a", "b")
        assert as_counters(counts) == ngrams_of([["a", "b", "<space>", "a"], ["b"]], 2)

    def test_characters_of_a_list(self, write: Write) -> None:
        settings = CountSettings(order=2, unit="char", vocabulary=("a",))
        counts = count_ngrams([write("ab a\n")], settings)
        assert as_counters(counts) == ngrams_of([["a", "<unk>", "<space>", "a"]], 2)


class TestRefused:
    @pytest.mark.parametrize("text", ["", "\n \n\t\r\n"])
    def test_no_word(self, write: Write, text: str) -> None:
        with pytest.raises(DataError, match="hold no word"):
            count_ngrams([write(text)], CountSettings())

    @pytest.mark.parametrize(
        "wrong",
        [{"order": 0}, {"order": 11}, {"min_count": 0}, {"min_count": 2, "vocabulary": ("a",)}],
        ids=str,
    )
    def test_settings(self, wrong: dict[str, object]) -> None:
        with pytest.raises(ConfigError, match=r"expected|give one"):
            CountSettings(**wrong)  # type: ignore[arg-type]
