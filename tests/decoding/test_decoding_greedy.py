"""Greedy decoding against a loop over the frames, and what decoders accept."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctcasr.ctc import collapse
from ctcasr.decoding import Token, check_log_probs, greedy, trim
from ctcasr.errors import DataError

Matrix = npt.NDArray[np.floating]


def oracle(log_probs: Matrix, blank: int) -> tuple[list[tuple[int, int, int, float]], float]:
    """Walk the frames one by one: `(id, start, end, mean probability)` of each token, and the score."""
    runs: list[tuple[int, int, int, float]] = []
    score, previous = 0.0, None
    for frame, row in enumerate(log_probs):
        symbol = max(range(len(row)), key=lambda number: (row[number], -number))
        score += float(row[symbol])
        probability = math.exp(row[symbol])
        if symbol == previous:
            number, start, _, total = runs[-1]
            runs[-1] = (number, start, frame + 1, total + probability)
        else:
            runs.append((symbol, frame, frame + 1, probability))
        previous = symbol
    return [(n, start, end, total / (end - start)) for n, start, end, total in runs if n != blank], score


def normalised(logits: Matrix) -> Matrix:
    return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    frames=st.integers(1, 20),
    symbols=st.integers(2, 5),
    blank=st.integers(0, 1),
    grid=st.sampled_from([1, 8]),
    seed=st.integers(0, 9999),
)
def test_greedy_is_the_loop(frames: int, symbols: int, blank: int, grid: int, seed: int) -> None:
    # Logits on a coarse grid: ties and repeats are frequent.
    logits = np.random.default_rng(seed).integers(-grid, grid + 1, (frames, symbols)) / 2
    log_probs = normalised(logits).astype(np.float32)
    tokens, score = oracle(log_probs, blank)
    hypothesis = greedy(log_probs, blank)
    assert [(t.id, t.start_frame, t.end_frame) for t in hypothesis.tokens] == [t[:3] for t in tokens]
    assert [t.confidence for t in hypothesis.tokens] == pytest.approx([t[3] for t in tokens], abs=1e-6)
    assert all(0 < token.confidence <= 1 for token in hypothesis.tokens)
    assert hypothesis.log_prob == pytest.approx(score, abs=1e-5)
    assert list(hypothesis.ids) == collapse(log_probs.argmax(axis=1), blank)


def test_worked_case() -> None:
    probabilities = np.array(
        [[0.1, 0.8, 0.1], [0.2, 0.6, 0.2], [0.9, 0.05, 0.05], [0.3, 0.7, 0], [0.2, 0.2, 0.6]]
    )
    with np.errstate(divide="ignore"):
        hypothesis = greedy(np.log(probabilities))
    assert hypothesis.ids == (1, 1, 2)
    assert [(t.start_frame, t.end_frame) for t in hypothesis.tokens] == [(0, 2), (3, 4), (4, 5)]
    assert [t.confidence for t in hypothesis.tokens] == pytest.approx([0.7, 0.7, 0.6])
    assert math.exp(hypothesis.log_prob) == pytest.approx(0.8 * 0.6 * 0.9 * 0.7 * 0.6)


def test_ties_go_to_the_lower_number() -> None:
    assert greedy(np.log([[0.2, 0.4, 0.4]])).ids == (1,)


def test_certain_symbols_have_confidence_one() -> None:
    log_probs = np.array([[-np.inf, 0.0], [-np.inf, 0.0]], np.float32)
    assert greedy(log_probs).tokens == (Token(1, 0, 2, 1.0),)
    assert greedy(log_probs).log_prob == 0.0


def test_zero_frames_write_nothing() -> None:
    assert greedy(np.zeros((0, 5), np.float32)).ids == ()


PROBABILITIES = np.full((4, 5), 0.2)
GOOD = np.log(PROBABILITIES)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_log_probs_are_accepted(dtype: type) -> None:
    check_log_probs(GOOD.astype(dtype))
    check_log_probs(np.array([[0, -np.inf]], dtype))


@pytest.mark.parametrize(
    ("log_probs", "message"),
    [
        (PROBABILITIES, "frame 0 of log_probs sums to"),
        (np.eye(5), "frame 0"),
        (np.random.default_rng(0).normal(0, 3, (4, 5)), "frame 0"),
        (np.full((4, 5), 1e4), "frame 0"),
        (GOOD.T, "frame 0"),
        (np.concatenate((GOOD, GOOD + 0.01)), "frame 4"),
        (np.where(np.arange(20).reshape(4, 5) == 12, np.nan, GOOD), r"frame 2 .*to nan"),
        (np.where(np.arange(20).reshape(4, 5) == 19, np.inf, GOOD), r"frame 3 .*to inf"),
        (np.full((2, 3), -np.inf), r"frame 0 .*to 0"),
        (np.full((2, 3), np.inf), r"frame 0 .*to inf"),
        (np.zeros(5), r"shape \(5,\)"),
        (GOOD[None], r"shape \(1, 4, 5\)"),
        (np.zeros((4, 1)), r"shape \(4, 1\)"),
        (np.zeros((0, 0)), r"shape \(0, 0\)"),
    ],
)
@pytest.mark.parametrize("taker", [check_log_probs, greedy])
def test_anything_else_is_refused(taker, log_probs: Matrix, message: str) -> None:
    with pytest.raises(DataError, match=message):
        taker(log_probs)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 8), st.integers(2, 4), st.integers(0, 999), st.integers(0, 1))
def test_trimming_is_collapsing_the_best_of_the_other_symbols(
    frames: int, symbols: int, seed: int, blank: int
) -> None:
    log_probs = normalised(np.random.default_rng(seed).normal(size=(frames, symbols)) * 3)
    without = log_probs.copy()
    without[:, blank] = -np.inf
    path = without.argmax(axis=1)
    found = trim(log_probs, blank)
    assert list(found.ids) == collapse(path, blank=None)
    assert found.log_prob == pytest.approx(float(np.take_along_axis(log_probs, path[:, None], 1).sum()))
    assert blank not in found.ids
    # The tokens fill all frames.
    bounds = [0, *(token.end_frame for token in found.tokens)]
    assert [token.start_frame for token in found.tokens] == bounds[: len(found.tokens)]
    assert not found.tokens or found.tokens[-1].end_frame == frames
    for token in found.tokens:
        mean = np.exp(log_probs[token.start_frame : token.end_frame, token.id]).mean()
        assert token.confidence == pytest.approx(mean)


def test_trimming_refuses_what_is_not_normalised() -> None:
    with pytest.raises(DataError, match="sums to"):
        trim(np.zeros((2, 3)))
