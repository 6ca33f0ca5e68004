"""The compiled model answers as the list of its n-grams says."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctcasr.errors import DataError
from ctcasr.lm import NGramModel, NGramTable, NGramTables, read_arpa
from ctcasr.lm.automaton import EMPTY_KEY, ROOT, score_word
from tests.lm.samples import TINY_ARPA, as_dict
from tests.oracles.ngrams import log_prob

LN_10 = math.log(10)


@pytest.fixture
def model(write: Callable[..., Path]) -> NGramModel:
    return read_arpa(write(TINY_ARPA))


@st.composite
def back_off_models(draw: st.DrawFn) -> NGramTables:
    """Models of random n-grams, whose suffixes may be missing; some weights are 0."""
    words = ("</s>", "<unk>", "<s>", "a", "b")
    numbers = st.floats(-5, 0, width=32)
    weights = st.one_of(st.just(0.0), st.floats(-2, 1, width=32))
    levels = []
    contexts = 1
    for order in range(1, draw(st.integers(1, 4)) + 1):
        pairs = [(context, word) for context in range(contexts) for word in range(len(words))]
        chosen = pairs if order == 1 else draw(st.lists(st.sampled_from(pairs), unique=True, max_size=12))
        levels.append(
            NGramTable(
                np.array([context for context, _ in chosen], np.int32),
                np.array([word for _, word in chosen], np.int32),
                np.array([draw(numbers) for _ in chosen], np.float32),
                np.array([draw(weights) for _ in chosen], np.float32),
            )
        )
        contexts = len(chosen)
        if not contexts:
            break
    levels[-1] = levels[-1]._replace(backoffs=np.zeros(contexts, np.float32))
    return NGramTables(words, tuple(levels))


class TestScores:
    def test_by_hand(self, model: NGramModel) -> None:
        scores = model.score_sentence(["a", "b", "a", "zebra"])
        expected = [
            -0.4,  # <s> a
            -0.1,  # <s> a b
            -0.12 - 0.71,  # a b, then b a
            -0.2 - 1.5,  # b a has no weight, a has; <unk>
            -0.8,  # </s> after <unk>, whose weight is 0
        ]
        np.testing.assert_allclose(np.array(scores) / LN_10, expected, rtol=1e-6)

    def test_without_begin_and_end(self, model: NGramModel) -> None:
        np.testing.assert_allclose(
            np.array(model.score_sentence(["a"], begin=False, end=False)) / LN_10, [-1]
        )
        assert len(model.score_sentence([], begin=True, end=True)) == 1
        assert model.score_sentence([], end=False) == []

    @pytest.mark.slow
    @settings(max_examples=60, deadline=None)
    @given(back_off_models(), st.lists(st.sampled_from(["a", "b", "zebra", "</s>"]), max_size=6))
    def test_as_the_recursion_of_katz(self, tables: NGramTables, sentence: list[str]) -> None:
        model, listed = NGramModel.from_tables(tables), as_dict(tables)
        known = tuple(word if (word,) in listed else "<unk>" for word in ("<s>", *sentence, "</s>"))
        expected = [
            log_prob(listed, known[place], known[max(0, place - tables.order + 1) : place])
            for place in range(1, len(known))
        ]
        np.testing.assert_allclose(model.score_sentence(sentence), expected, rtol=1e-5, atol=1e-5)

    @settings(max_examples=40, deadline=None)
    @given(back_off_models())
    def test_listing_is_the_inverse_of_building(self, tables: NGramTables) -> None:
        listed = NGramModel.from_tables(tables).tables()
        assert listed.words == tables.words
        assert as_dict(listed) == as_dict(tables)


class TestWords:
    def test_ids(self, model: NGramModel) -> None:
        assert model.words == ("<unk>", "<s>", "</s>", "a", "b", "c")
        assert [model.word_id(word) for word in model.words] == list(range(6))
        assert model.word_id("zebra") == model.unknown_word == 0
        assert model.word_ids(["b", "zebra", "a"]).tolist() == [model.word_id("b"), 0, model.word_id("a")]
        assert model.end_word == 2

    def test_a_word_without_an_arc_is_unknown(self, model: NGramModel) -> None:
        assert model.score(ROOT, 4711) == model.score(ROOT, model.unknown_word)

    def test_without_a_start_sentences_begin_with_nothing(self, write: Callable[..., Path]) -> None:
        path = write("\\data\\\nngram 1=2\n\n\\1-grams:\n-1\t<unk>\n-0.1\t</s>\n\n\\end\\\n")
        model = read_arpa(path)
        assert model.start_state == ROOT
        assert model.score_sentence([]) == pytest.approx([-0.1 * LN_10])


class TestStates:
    def test_the_start_is_its_context(self, model: NGramModel) -> None:
        assert model.start_state != ROOT
        assert model.arrays.backoffs[model.start_state] == pytest.approx(-0.3 * LN_10)

    def test_only_contexts_that_matter_are_states(self, model: NGramModel) -> None:
        # Empty, <s>, a, b, c; <s> a, a b, b c. Not: <unk>, </s>, b a, c </s>, which say what their suffixes say.
        assert len(model.arrays.backoffs) == 8
        after_b_a = model.score(model.score(ROOT, model.word_id("b"))[1], model.word_id("a"))[1]
        assert after_b_a == model.score(ROOT, model.word_id("a"))[1]

    def test_the_longest_n_grams_lead_to_their_longest_kept_suffix(self, model: NGramModel) -> None:
        state = model.start_state
        for word in ("a", "b"):
            _, state = model.score(state, model.word_id(word))
        _, expected = model.score(model.score(ROOT, model.word_id("a"))[1], model.word_id("b"))
        assert state == expected


class TestArrays:
    def test_read_only_and_of_one_kind_for_the_kernels(self, model: NGramModel) -> None:
        model.score(ROOT, 0)
        for array in model.arrays:
            assert not array.flags.writeable
            assert array.flags.c_contiguous
            assert array.flags.aligned
        kinds = {signature[0] for signature in score_word.signatures}  # type: ignore[attr-defined]
        assert len(kinds) == 1

    def test_a_search_always_ends(self, model: NGramModel) -> None:
        assert (model.arrays.keys == EMPTY_KEY).any()
        assert (model.arrays.backoff_states[1:] < np.arange(1, len(model.arrays.backoff_states))).all()


class TestTables:
    def test_every_word_needs_its_unigram(self) -> None:
        table = NGramTable(*(np.zeros(2, kind) for kind in (np.int32, np.int32, np.float32, np.float32)))
        with pytest.raises(DataError, match="2 unigrams for 3 words"):
            NGramTables(("<unk>", "</s>", "a"), (table,))

    @pytest.mark.parametrize("missing", ["<unk>", "</s>"])
    def test_the_special_words_are_needed(self, missing: str) -> None:
        table = NGramTable(*(np.zeros(2, kind) for kind in (np.int32, np.int32, np.float32, np.float32)))
        words = tuple(word for word in ("<unk>", "</s>", "a") if word != missing)
        with pytest.raises(DataError, match=f"no unigram {missing}"):
            NGramTables(words, (table,))

    def test_ids_of_some_rows(self, model: NGramModel) -> None:
        tables = model.tables()
        np.testing.assert_array_equal(tables.ids(3)[1:], tables.ids(3, np.array([1])))
        assert tables.counts == (6, 5, 2)

    def test_a_repeated_n_gram(self, model: NGramModel) -> None:
        tables = model.tables()
        twice = NGramTable(*(np.append(column, column[:1]) for column in tables.levels[1]))
        with pytest.raises(DataError, match="2-gram `<s> a` is listed twice"):
            NGramModel.from_tables(NGramTables(tables.words, (tables.levels[0], twice)))
