"""Weights of the language model from lists of hypotheses."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctcasr.decoding import BeamSettings
from ctcasr.decoding.lexicon import Lexicon
from ctcasr.runtime.tuning import (
    LM_WEIGHTS,
    MAX_HALVINGS,
    STEPS,
    WORD_BONUSES,
    Candidate,
    choose,
    descend,
)
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


@settings(max_examples=40, deadline=None)
@given(
    weights=st.tuples(st.floats(0, 2), st.floats(0, 3), st.floats(-3, 3)),
    best=st.tuples(st.floats(0, 2), st.floats(0, 3), st.floats(-3, 3)),
)
def test_the_last_search_ends_where_no_step_is_better(
    weights: tuple[float, float, float], best: tuple[float, float, float]
) -> None:
    def errors_of(tried: BeamSettings) -> int:
        asked.append(tried)
        there = (tried.prior_scale, tried.lm_weight, tried.word_bonus)
        return int(sum(1000 * abs(value - target) for value, target in zip(there, best, strict=True)))

    asked: list[BeamSettings] = []
    told: list[int] = []
    start = BeamSettings(**{name: round(value, 3) for name, value in zip(STEPS, weights, strict=True)})
    found, errors = descend([start], errors_of, STEPS, lambda _, errors: told.append(errors))
    assert errors == errors_of(found) == told[-1]
    assert told == sorted(told, reverse=True)
    assert (
        len({one.model_dump_json() for one in asked}) == len(asked) - 1
    )  # each once, but for the check above
    for (name, step), target in zip(STEPS.items(), best, strict=True):
        assert abs(getattr(found, name) - target) <= step / 2**MAX_HALVINGS


def test_the_last_search_keeps_other_settings_and_weights_from_zero_up() -> None:
    start = BeamSettings(beam_size=7, lm_weight=0.1, prior_scale=0.0)
    steps = {"lm_weight": 0.2, "prior_scale": 0.1}
    found, errors = descend(
        [start], lambda tried: int(100 * (tried.lm_weight + tried.prior_scale)), steps, print
    )
    assert (found.lm_weight, found.prior_scale, found.beam_size, errors) == (0.0, 0.0, 7, 0)


def test_the_last_search_begins_with_the_best_start() -> None:
    starts = [BeamSettings(lm_weight=weight) for weight in (0.5, 2.0, 1.5)]
    told: list[BeamSettings] = []
    found, errors = descend(
        starts, lambda tried: int(10 * abs(tried.lm_weight - 2)), {}, lambda better, _: told.append(better)
    )
    assert (found, errors, told) == (starts[1], 0, [starts[1]])
