"""The posterior of words against enumeration of all labellings, and of all alignments with the fewest errors."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ctcasr.ctc.exhaustive import labelling_log_probs
from ctcasr.decoding.beam import BeamSearch
from ctcasr.decoding.confidence import posterior
from ctcasr.decoding.lexicon import Lexicon
from ctcasr.decoding.settings import BeamSettings
from ctcasr.errors import DataError
from ctcasr.text import Vocabulary
from tests.oracles.decoding import Words, readings, word_scores
from tests.oracles.edit_distance import edit_distance

UNBOUNDED = {
    "beam_size": 5000,
    "tokens": 100,
    "min_token_log_prob": -math.inf,
    "score_threshold": math.inf,
}


def matches(best: Words, other: Words) -> set[tuple[bool, ...]]:
    """Return, for every alignment with the fewest errors, which words of the best hypothesis it matches."""
    if not best or not other:
        return {(False,) * len(best)}
    distance, found = edit_distance(best, other), set()
    same = best[0] == other[0]
    if edit_distance(best[1:], other[1:]) + (not same) == distance:
        found |= {(same, *rest) for rest in matches(best[1:], other[1:])}
    if edit_distance(best[1:], other) + 1 == distance:
        found |= {(False, *rest) for rest in matches(best[1:], other)}
    if edit_distance(best, other[1:]) + 1 == distance:
        found |= matches(best, other[1:])
    return found


def bounds(scores: dict[Words, float], best: Words) -> tuple[np.ndarray, np.ndarray]:
    """Return the least and the most that the posterior of each word can be, over the choice of alignments."""
    total = np.logaddexp.reduce(list(scores.values()))
    low, high = np.zeros(len(best)), np.zeros(len(best))
    for words, score in scores.items():
        listed = list(matches(best, words))
        ways = np.array(listed, bool).reshape(len(listed), len(best))
        low += math.exp(score - total) * ways.all(axis=0)
        high += math.exp(score - total) * ways.any(axis=0)
    return low, high


class TestOracle:
    def test_by_hand(self) -> None:
        assert matches(("a", "b"), ("a", "c")) == {(True, False)}
        assert matches(("a", "a"), ("a",)) == {(True, False), (False, True)}
        assert matches(("a", "b"), ("b", "c")) == {(False, False), (False, True)}
        assert matches(("a",), ()) == {(False,)}
        assert matches((), ("a",)) == {()}


class TestPosterior:
    def test_by_hand(self) -> None:
        found = posterior(
            [("a", "b", "c"), ("a", "c"), ("x", "b", "c")], [math.log(0.06), math.log(0.03), math.log(0.01)]
        )
        assert found.words == pytest.approx((0.9, 0.7, 1.0))
        assert found.utterance == pytest.approx(0.6)

    def test_labellings_with_the_same_words_are_one(self) -> None:
        found = posterior(
            [("a", "b"), ("a", "c"), ("a", "b")], [math.log(0.4), math.log(0.35), math.log(0.25)]
        )
        assert found.words == pytest.approx((1.0, 0.65))
        assert found.utterance == pytest.approx(0.65)

    def test_one_hypothesis_is_certain(self) -> None:
        assert posterior([["a", "b"]], [-1234.5]).words == (1.0, 1.0)
        assert posterior([[]], [-0.1]) == posterior([()], [-7.0])
        assert posterior([[]], [-0.1]).words == ()
        assert posterior([[]], [-0.1]).utterance == 1.0

    def test_scores_far_apart_or_impossible(self) -> None:
        found = posterior([("a",), ("b",), ("a",)], [-1e6, -1e6 - 800, -math.inf])
        assert (found.words, found.utterance) == ((1.0,), 1.0)
        assert (
            posterior([("a",), ("b",)], [1000.0, 1000.0]).utterance == 0.5
        )  # bonuses can make them positive

    @pytest.mark.parametrize(
        ("texts", "scores"),
        [
            ([], []),
            ([("a",)], []),
            ([("a",)], [math.nan]),
            ([("a",)], [-math.inf]),
            ([("a",), ("b",)], [-1.0, math.nan]),
            ([("a",), ("b",)], [-1.0]),
        ],
    )
    def test_bad_input(self, texts: list[Words], scores: list[float]) -> None:
        with pytest.raises(DataError, match="expected one or more"):
            posterior(texts, scores)

    @settings(max_examples=100, deadline=None)
    @given(
        texts=st.lists(st.lists(st.sampled_from("abc"), max_size=4), min_size=1, max_size=6),
        seed=st.integers(0, 10**6),
    )
    @example(texts=[["a", "a"], ["a"]], seed=0)
    def test_within_what_alignments_allow(self, texts: list[list[str]], seed: int) -> None:
        scores = np.sort(np.random.default_rng(seed).normal(size=len(texts)) * 3)[::-1].tolist()
        found = posterior(texts, scores)
        merged: dict[Words, float] = {}
        for text, score in zip(map(tuple, texts), scores, strict=True):
            merged[text] = float(np.logaddexp(merged.get(text, -np.inf), score))
        low, high = bounds(merged, tuple(texts[0]))
        assert (np.array(found.words) >= low - 1e-9).all()
        assert (np.array(found.words) <= high + 1e-9).all()
        assert all(found.utterance <= word <= 1 for word in found.words)

    def test_greedy_decoding_waits_for_neither_rapidfuzz_nor_the_kernels(self) -> None:
        code = "import sys, ctcasr.decoding.confidence; print({'rapidfuzz', 'numba'} & set(sys.modules))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout == "set()\n"


class TestAgainstEnumeration:
    SYMBOLS = ("<blank>", "<space>", "a", "b")
    SPELLINGS = ("a", "b", "ab", "ba")

    @settings(max_examples=40, deadline=None)
    @given(seed=st.integers(0, 10**6), frames=st.integers(1, 6), peak=st.floats(0.1, 4))
    def test_a_long_list_of_an_unbounded_beam(self, seed: int, frames: int, peak: float) -> None:
        logits = np.random.default_rng(seed).normal(size=(frames, 4)) * peak
        log_probs = (logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).astype(np.float32)
        vocabulary = Vocabulary(self.SYMBOLS)
        lexicon = Lexicon.of_characters(self.SPELLINGS, vocabulary)
        search = BeamSearch(self.SYMBOLS, BeamSettings(**UNBOUNDED, word_bonus=0.0), lexicon=lexicon)
        listed = search.decode(log_probs, best=10**6)
        texts = [tuple(span.text for span in hypothesis.words) for hypothesis in listed]
        found = posterior(texts, [hypothesis.log_prob for hypothesis in listed])

        spelled = {tuple(self.SYMBOLS.index(letter) for letter in word): [word] for word in self.SPELLINGS}
        kinds = [0, 1, 0, 0]
        scores = word_scores(
            labelling_log_probs(log_probs),
            lambda labelling: readings(labelling, kinds, spelled, False),
            lambda _: 0.0,
        )
        share = math.exp(scores[texts[0]] - np.logaddexp.reduce(list(scores.values())))
        assert scores[texts[0]] == pytest.approx(max(scores.values()), abs=1e-5)
        assert found.utterance == pytest.approx(share, abs=1e-5)
        low, high = bounds(scores, texts[0])
        assert (np.array(found.words) >= low - 1e-5).all()
        assert (np.array(found.words) <= high + 1e-5).all()
