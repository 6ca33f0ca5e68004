"""The exhaustive reference, by hand and by its own sums."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctcasr.ctc import best_labelling, labelling_log_probs, log_likelihood, min_input_length


def random_log_probs(frames: int, symbols: int, seed: int) -> np.ndarray:
    logits = np.random.default_rng(seed).normal(0, 2, (frames, symbols))
    return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)


# Two frames over blank, a, b. Worked by hand:
#   ""  0.5 * 0.1                                  = 0.05
#   "a" 0.3 * 0.1 (a-) + 0.5 * 0.6 (-a) + 0.3 * 0.6 (aa) = 0.51
#   "b" 0.2 * 0.1 (b-) + 0.5 * 0.3 (-b) + 0.2 * 0.3 (bb) = 0.23
#   "ab" 0.3 * 0.3 = 0.09    "ba" 0.2 * 0.6 = 0.12
HAND = np.log([[0.5, 0.3, 0.2], [0.1, 0.6, 0.3]])
TOTALS = {(): 0.05, (1,): 0.51, (2,): 0.23, (1, 2): 0.09, (2, 1): 0.12}


def test_worked_case() -> None:
    totals = labelling_log_probs(HAND)
    assert set(totals) == set(TOTALS)
    for labelling, probability in TOTALS.items():
        assert math.exp(totals[labelling]) == pytest.approx(probability, rel=1e-12)
        assert log_likelihood(HAND, labelling) == totals[labelling]


def test_worked_case_best_labelling_is_not_the_best_path() -> None:
    # The best path is blank, blank (0.3); the best labelling sums three paths of "a".
    log_probs = np.log([[0.6, 0.4], [0.5, 0.5]])
    labelling, score = best_labelling(log_probs)
    assert labelling == (1,)
    assert math.exp(score) == pytest.approx(0.7)


def test_ties_go_to_the_smallest_labelling() -> None:
    assert best_labelling(np.log(np.full((1, 3), 1 / 3)))[0] == ()
    assert best_labelling(np.log([[0.2, 0.4, 0.4]]))[0] == (1,)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(0, 5), st.integers(1, 4), st.integers(0, 1000))
def test_totals_sum_to_one_over_the_feasible_labellings(frames: int, symbols: int, seed: int) -> None:
    totals = labelling_log_probs(random_log_probs(frames, symbols, seed))
    assert np.logaddexp.reduce(list(totals.values())) == pytest.approx(0, abs=1e-9)
    assert all(min_input_length(labelling) <= frames for labelling in totals)


def test_another_blank_is_a_renaming() -> None:
    renamed = labelling_log_probs(HAND[:, [1, 2, 0]], blank=2)
    assert renamed == pytest.approx(
        {tuple(symbol - 1 for symbol in labelling): np.log(value) for labelling, value in TOTALS.items()}
    )


def test_infeasible_labelling_has_no_probability() -> None:
    assert log_likelihood(HAND, (1, 1)) == -math.inf


def test_minus_infinity_is_a_probability_of_zero() -> None:
    log_probs = np.array([[-np.inf, 0.0], [-np.inf, 0.0]])
    assert labelling_log_probs(log_probs) == {(): -np.inf, (1,): 0.0}


def test_no_frames_write_nothing() -> None:
    assert labelling_log_probs(np.zeros((0, 3))) == {(): 0.0}


def test_too_many_paths_are_refused() -> None:
    with pytest.raises(ValueError, match=r"30\^5 paths are more than 2000000"):
        labelling_log_probs(np.zeros((5, 30)))
