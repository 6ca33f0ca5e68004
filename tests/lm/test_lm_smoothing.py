"""Kneser-Ney and Witten-Bell: against the formulas in plain Python, and against KenLM's reading of the result."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ctcasr.lm import (
    CountSettings,
    Discounts,
    NGramModel,
    NGramTables,
    count_ngrams,
    kneser_ney,
    kneser_ney_discounts,
    witten_bell,
    write_arpa,
)
from ctcasr.lm.kneser_ney import adjusted_counts
from tests.lm.peers import kenlm, needs_kenlm
from tests.lm.samples import as_dict, random_sentences
from tests.oracles import ngrams

Write = Callable[..., Path]
METHODS = {"kneser-ney": (kneser_ney, ngrams.kneser_ney), "witten-bell": (witten_bell, ngrams.witten_bell)}


def words_except_start(tables: NGramTables) -> list[str]:
    return [word for word in tables.words if word != "<s>"]


def contexts_of(tables: NGramTables) -> list[tuple[str, ...]]:
    """Return every context that the model lists, and some that it does not."""
    listed = [words for words in as_dict(tables) if len(words) < tables.order and "</s>" not in words]
    return [(), ("<unk>",), ("w1", "zebra"), *listed]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("order", [1, 2, 3, 4])
class TestAgainstThePapers:
    def test_every_listed_probability(self, write_text: Write, method: str, order: int) -> None:
        ours, theirs = METHODS[method]
        sentences = random_sentences(order, 150, 20)
        tables = ours(count_ngrams([write_text(sentences)], CountSettings(order=order)))
        prob = theirs(sentences, order, tables.words)
        listed = as_dict(tables)
        assert [len(level.words) for level in tables.levels][1:] == [
            len(found) for found in ngrams.ngrams_of(sentences, order)[1:]
        ]
        for words, (log_prob, _) in listed.items():
            if words != ("<s>",):
                assert math.exp(log_prob) == pytest.approx(prob(words[-1], words[:-1]), rel=2e-6)

    def test_backing_off_gives_the_interpolated_probability(
        self, write_text: Write, method: str, order: int
    ) -> None:
        ours, theirs = METHODS[method]
        sentences = random_sentences(order + 10, 100, 15)
        tables = ours(count_ngrams([write_text(sentences)], CountSettings(order=order)))
        prob = theirs(sentences, order, tables.words)
        listed = as_dict(tables)
        for context in contexts_of(tables)[::7]:
            known = tuple(word if (word,) in listed else "<unk>" for word in context)
            for word in words_except_start(tables):
                assert math.exp(ngrams.log_prob(listed, word, known)) == pytest.approx(
                    prob(word, known), rel=1e-5
                )


class TestSums:
    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        st.lists(st.lists(st.sampled_from("abcd"), min_size=1, max_size=7), min_size=1, max_size=12),
        st.integers(1, 4),
        st.sampled_from(sorted(METHODS)),
        st.sampled_from([None, ("a", "b"), ("a", "b", "c", "d", "e")]),
    )
    def test_every_context_sums_to_one(
        self,
        write_text: Write,
        sentences: list[list[str]],
        order: int,
        method: str,
        vocabulary: tuple[str, ...] | None,
    ) -> None:
        counts = count_ngrams([write_text(sentences)], CountSettings(order=order, vocabulary=vocabulary))
        model = NGramModel.from_tables(METHODS[method][0](counts))
        for state in range(len(model.arrays.backoffs)):
            scores = [model.score(state, word)[0] for word in range(len(model.words)) if word != 1]
            assert np.exp(scores).sum() == pytest.approx(1, abs=1e-5)


class TestAgainstKenlm:
    @needs_kenlm
    @pytest.mark.parametrize("order", [2, 3, 5])
    def test_scores_of_the_same_file(self, write_text: Write, tmp_path: Path, order: int) -> None:
        counts = count_ngrams([write_text(random_sentences(7))], CountSettings(order=order, min_count=3))
        tables = kneser_ney(counts)
        write_arpa(tables, tmp_path / "model.arpa")
        peer, model = kenlm.Model(str(tmp_path / "model.arpa")), NGramModel.from_tables(tables)
        generator = np.random.default_rng(1)
        for _ in range(200):
            sentence = [f"w{number}" for number in generator.integers(0, 33, generator.integers(0, 12))]
            begin, end = generator.random(2) < 0.5
            ours = sum(model.score_sentence(sentence, begin=begin, end=end)) / math.log(10)
            assert ours == pytest.approx(peer.score(" ".join(sentence), bos=begin, eos=end), abs=1e-4)


class TestFormOfLmplz:
    @pytest.fixture
    def tables(self, write_text: Write) -> NGramTables:
        return kneser_ney(count_ngrams([write_text(random_sentences(8))], CountSettings()))

    def test_start_costs_nothing_and_unknown_gets_an_equal_share(self, tables: NGramTables) -> None:
        listed = as_dict(tables)
        assert listed[("<s>",)][0] == 0
        assert listed[("<unk>",)][1] == 0
        left = 1 - sum(math.exp(listed[(word,)][0]) for word in words_except_start(tables))
        assert left == pytest.approx(0, abs=1e-6)
        assert listed[("<unk>",)][0] == min(listed[(word,)][0] for word in words_except_start(tables))

    def test_ends_and_longest_have_no_weight(self, tables: NGramTables) -> None:
        for words, (_, weight) in as_dict(tables).items():
            if len(words) == 3 or words[-1] == "</s>":
                assert weight == 0
            elif words != ("<unk>",):
                assert weight < 0


class TestDiscounts:
    def test_of_the_text(self, write_text: Write) -> None:
        sentences = random_sentences(9, 400)
        counts = count_ngrams([write_text(sentences)], CountSettings())
        expected = [ngrams.discount(found) for found in ngrams.adjusted(ngrams.ngrams_of(sentences, 3))]
        found = kneser_ney_discounts(counts)
        assert not found[2].problem
        for ours, theirs in zip(found, expected, strict=True):
            assert ours.amounts == pytest.approx([theirs(count) for count in (1, 2, 3)])

    def test_small_texts_fall_back_and_say_why(self, write: Write) -> None:
        counts = count_ngrams([write("a b c\n")], CountSettings(order=2))
        unigrams, bigrams = kneser_ney_discounts(counts)
        assert unigrams == Discounts((0.5, 1.0, 1.5), "no n-gram has the adjusted count 2")
        assert bigrams.problem

    def test_discounts_out_of_range_fall_back(self, write: Write) -> None:
        # Bigrams: one comes once, one twice, many three times: D2 would be below 0.
        text = "a b\n" + "c d\n" * 2 + "".join(f"x{n} y{n}\n" * 3 for n in range(9))
        *_, bigrams = kneser_ney_discounts(count_ngrams([write(text)], CountSettings(order=2)))
        assert bigrams.amounts == (0.5, 1.0, 1.5)
        assert "the discount of the adjusted count 2 would be -" in bigrams.problem

    def test_given_discounts_are_used(self, write: Write) -> None:
        counts = count_ngrams([write("a b a\n")], CountSettings(order=1))
        model = NGramModel.from_tables(kneser_ney(counts, [Discounts((0.25, 0.5, 0.75))]))
        # a came 2 times of 4, b and </s> once; 1.0 of 4 is shared by the four words but <s>.
        expected = {"a": 1.5 / 4 + 1 / 16, "b": 0.75 / 4 + 1 / 16, "<unk>": 1 / 16}
        for word, prob in expected.items():
            assert model.score_sentence([word], begin=False, end=False) == pytest.approx([math.log(prob)])


def test_adjusted_counts(write_text: Write) -> None:
    sentences = random_sentences(11)
    counts = count_ngrams([write_text(sentences)], CountSettings())
    for ours, theirs in zip(
        adjusted_counts(counts), ngrams.adjusted(ngrams.ngrams_of(sentences, 3)), strict=True
    ):
        assert sorted(ours[ours > 0].tolist()) == sorted(theirs.values())


def test_more_words_than_came_share_what_is_left(write: Write) -> None:
    counts = count_ngrams([write("a a b\n")], CountSettings(order=2, vocabulary=("a", "b", "never")))
    model = NGramModel.from_tables(kneser_ney(counts))
    never = model.score_sentence(["never"], begin=False, end=False)
    assert never == model.score_sentence(["<unk>"], begin=False, end=False)
    assert np.isfinite(never).all()
