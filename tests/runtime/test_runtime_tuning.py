"""Weights of the language model from lists of hypotheses."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctcasr.decoding.lexicon import Lexicon
from ctcasr.runtime.tuning import LM_WEIGHTS, WORD_BONUSES, Candidate, choose
from ctcasr.text import Vocabulary

scores = st.floats(-50, 0)
candidates = st.builds(Candidate, scores, scores, st.integers(0, 5), st.integers(0, 5))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(candidates, min_size=1, max_size=6), min_size=1, max_size=6))
def test_the_errors_are_those_of_searching_with_the_pair(lists: list[list[Candidate]]) -> None:
    choice = choose(lists, 100)
    assert choice.lm_weight in LM_WEIGHTS
    assert choice.word_bonus in WORD_BONUSES
    expected = 0
    for group in lists:
        totals = [
            c.acoustic_log_prob + choice.lm_weight * c.lm_log_prob + choice.word_bonus * c.words
            for c in group
        ]
        expected += group[int(np.argmax(totals))].errors
    assert choice.errors == expected
    assert choice.rate == expected / 100


def test_a_model_that_knows_better_gets_weight() -> None:
    right, wrong = Candidate(-10.0, -2.0, 2, 0), Candidate(-9.0, -6.0, 2, 2)
    choice = choose([[wrong, right]] * 5, 10)
    assert choice.errors == 0
    assert choice.lm_weight > 0.25


def test_a_model_that_misleads_gets_none() -> None:
    right, wrong = Candidate(-9.0, -9.0, 2, 0), Candidate(-9.5, -2.0, 2, 2)
    choice = choose([[wrong, right]] * 5, 10)
    assert choice.errors == 0
    assert choice.lm_weight < 0.1


def test_a_bonus_mends_lost_words() -> None:
    right, short = Candidate(-12.0, 0.0, 4, 0), Candidate(-9.0, 0.0, 2, 2)
    choice = choose([[short, right]] * 5, 20)
    assert choice.errors == 0
    assert choice.word_bonus > 1.5


def test_a_written_lexicon_reads_the_same(tmp_path: Path) -> None:
    vocabulary = Vocabulary(("<blank>", "<space>", "a", "b"))
    lexicon = Lexicon.of_characters(["ab", "b"], vocabulary)
    lexicon.write(tmp_path / "lexicon.txt", vocabulary.symbols)
    again = Lexicon.read(tmp_path / "lexicon.txt", vocabulary.symbols)
    assert (again.words, [*again.spellings]) == (lexicon.words, [*lexicon.spellings])


@pytest.mark.parametrize("empty", [[], [[Candidate(-1.0, 0.0, 0, 0)]]])
def test_without_words_the_rate_is_zero(empty: list[list[Candidate]]) -> None:
    assert choose(empty, 0).rate == 0.0
