"""Alignment of texts with made-up log-probabilities and with the sample, alone and in long recordings."""

from __future__ import annotations

from importlib import resources
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from ctcasr import audio
from ctcasr.errors import AudioError, DataError
from ctcasr.runtime import Bundle, Recognizer, read_bundle
from ctcasr.runtime.aligned import AlignedTranscript
from ctcasr.runtime.alignment import (
    SOUND_PENALTY,
    STAR_PENALTY,
    AlignmentOptions,
    align_log_probs,
    align_recording,
    align_transcript,
    with_star,
)
from ctcasr.text import BLANK, Vocabulary

SAMPLE = Path(str(resources.files("ctcasr"))) / "bundles" / "sample.wav"
SPOKEN = SAMPLE.with_suffix(".txt").read_text(encoding="utf-8").strip()
SKIP_AUDIO = AlignmentOptions(skip_audio=True)


@pytest.fixture(scope="module")
def bundle(tiny_bundle: Path) -> Bundle:
    return read_bundle(tiny_bundle)


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer.load("an4")


@pytest.fixture(scope="module")
def waveform() -> np.ndarray:
    return audio.load(SAMPLE, 16_000)


def spoken(path: str, symbols: str, probability: float = 0.9) -> np.ndarray:
    """Log-probabilities of a path, a character a frame: `-` is the blank, `_` the space."""
    rows = np.full((len(path), len(symbols)), (1 - probability) / (len(symbols) - 1), np.float32)
    rows[np.arange(len(path)), [symbols.index(character) for character in path]] = probability
    return np.log(rows)


TINY = "-ab_cdefghij"


def times(aligned: AlignedTranscript) -> list[tuple[str, float, float]]:
    return [(word.text, round(word.start_seconds, 6), round(word.end_seconds, 6)) for word in aligned.words]


def assert_consistent(aligned: AlignedTranscript) -> None:
    """Parts lie in order, inside what they are part of, and that inside the audio."""
    for parts in (aligned.segments, aligned.words, aligned.tokens):
        assert all(0 <= part.start_seconds < part.end_seconds <= aligned.duration_seconds for part in parts)
        assert all(one.end_seconds <= other.start_seconds for one, other in pairwise(parts))
        assert all(0 <= part.confidence <= 1 for part in parts)
    for whole in (*aligned.segments, *aligned.words):
        parts = getattr(whole, "words", None) or whole.tokens
        assert (whole.start_seconds, whole.end_seconds) == (parts[0].start_seconds, parts[-1].end_seconds)
    for word in aligned.words:
        assert word.confidence == pytest.approx(np.mean([token.confidence for token in word.tokens]))


class TestMadeUp:
    def test_times_and_confidences(self, bundle: Bundle) -> None:
        aligned = align_log_probs(bundle, spoken("--aab-_-cc-_d-", TINY), "AB\nc d")
        assert [(token.text, round(token.start_seconds / 0.04), round(token.end_seconds / 0.04))
                for token in aligned.tokens] == [("a", 2, 4), ("b", 4, 5), ("c", 8, 10), ("d", 12, 13)]  # fmt: skip
        assert times(aligned) == [("AB", 0.08, 0.2), ("c", 0.32, 0.4), ("d", 0.48, 0.52)]
        assert [(s.text, s.spelling, s.line) for s in aligned.segments] == [
            ("AB", "ab", 1),
            ("c d", "c d", 2),
        ]
        assert [segment.confidence for segment in aligned.segments] == pytest.approx([0.9, 0.9], abs=1e-5)
        assert aligned.duration_seconds == pytest.approx(14 * 0.04)
        assert_consistent(aligned)

    def test_a_segment_is_as_good_as_its_worst_second(self, bundle: Bundle) -> None:
        path = "ab_" * 40 + "a"
        log_probs = spoken(path, TINY)
        log_probs[60:62] = spoken("jj", TINY)
        text = path.replace("_", " ")
        (segment,) = align_log_probs(bundle, log_probs, text).segments
        assert segment.confidence == pytest.approx((0.9**23 * (0.1 / 11) ** 2) ** (1 / 25), rel=1e-4)
        (short,) = align_log_probs(bundle, log_probs[58:62], text[58:62]).segments
        assert short.confidence == pytest.approx((0.9**2 * (0.1 / 11) ** 2) ** (1 / 4), rel=1e-4)

    def test_without_a_space_words_stand_side_by_side(self, bundle: Bundle) -> None:
        spaceless = Bundle(bundle.folder, bundle.description, Vocabulary((BLANK, *"ab")))
        aligned = align_log_probs(spaceless, spoken("-ab-b-a", "-ab"), "ab b\na")
        assert times(aligned) == [("ab", 0.04, 0.12), ("b", 0.16, 0.2), ("a", 0.24, 0.28)]

    def test_skipped_characters_are_reported(self, bundle: Bundle) -> None:
        options = AlignmentOptions(skip_unknown=True)
        aligned = align_log_probs(bundle, spoken("--ab-_-cc-", TINY), "ab,\n!\nc", options)
        assert [word.text for word in aligned.words] == ["ab,", "c"]
        assert (aligned.skipped_text, aligned.skipped_lines) == ({",": 1, "!": 1}, (2,))

    @pytest.mark.parametrize(
        ("log_probs", "message"),
        [
            (spoken("--a", TINY), "3 frames|at least 4 frames"),
            (spoken("--ab--", "-ab"), "3 symbols, the vocabulary has 12"),
            (np.full((9, 12), np.nan, np.float32), "nan"),
            (np.zeros((9, 12), np.float32), "log_probs"),
            (np.zeros((0, 12), np.float32), "0"),
            (np.zeros(12, np.float32), "shape"),
        ],
    )
    def test_what_cannot_be_aligned(self, bundle: Bundle, log_probs: np.ndarray, message: str) -> None:
        with pytest.raises(DataError, match=message):
            align_log_probs(bundle, log_probs, "ab c")

    def test_a_path_without_probability(self, bundle: Bundle) -> None:
        with np.errstate(divide="ignore"):
            log_probs = spoken("-aab-", TINY, 1.0)
        with pytest.raises(DataError, match="no path"):
            align_log_probs(bundle, log_probs, "abc")


class TestWildcard:
    def test_its_probability_is_that_of_the_best_symbol_less_the_penalty(self) -> None:
        log_probs = spoken("-a", TINY, 0.7)
        extended = with_star(log_probs)
        assert extended.dtype == log_probs.dtype
        np.testing.assert_array_equal(extended[:, :-1], log_probs)
        sound = SOUND_PENALTY * np.array([0.3, 1 - 0.3 / 11])
        np.testing.assert_allclose(extended[:, -1], np.log(0.7) - STAR_PENALTY - sound, rtol=1e-6)

    def test_an_unknown_stretch_is_skipped(self, bundle: Bundle) -> None:
        junk = "-fg-_hij--_ff_gh-_j-_"
        path = f"--ab_{junk}cc-_dd_{junk}"
        text = "ab\nc\nd"
        skipping = align_log_probs(bundle, spoken(path, TINY), text, SKIP_AUDIO)
        clean = align_log_probs(bundle, spoken(f"--ab_{'-' * len(junk)}cc-_dd-{'-' * len(junk)}", TINY), text)
        assert times(skipping) == [
            ("ab", 0.08, 0.16),
            ("c", 1.04, 1.12),
            ("d", 1.2, 1.28),
        ]
        assert times(skipping) == times(clean)
        assert [s.confidence > 0.85 for s in skipping.segments] == [True] * 3
        stretches = [(round(start / 0.04), round(end / 0.04)) for start, end in skipping.skipped_audio]
        assert len(stretches) == 2
        assert stretches[0][0] in range(4, 7)
        assert stretches[0][1] in range(24, 27)
        assert stretches[1][0] in range(32, 35)
        assert_consistent(skipping)

    def test_before_the_first_line_as_well(self, bundle: Bundle) -> None:
        aligned = align_log_probs(bundle, spoken("ce_dfe_" * 4 + "ab--", TINY), "ab", SKIP_AUDIO)
        assert times(aligned) == [("ab", 28 * 0.04, 30 * 0.04)]
        assert len(aligned.skipped_audio) == 1

    def test_nothing_is_skipped_where_all_is_written(self, bundle: Bundle) -> None:
        log_probs = spoken("--ab-_-cc--_" * 3 + "----", TINY)
        text = "ab c\n" * 3
        skipping = align_log_probs(bundle, log_probs, text, SKIP_AUDIO)
        assert times(skipping) == times(align_log_probs(bundle, log_probs, text))
        assert skipping.skipped_audio == ()


class TestSample:
    def test_words_in_order(self, recognizer: Recognizer) -> None:
        aligned = align_recording(recognizer, SAMPLE, SPOKEN.title())
        assert [word.text for word in aligned.words] == SPOKEN.title().split()
        assert aligned.segments[0].spelling == SPOKEN
        assert_consistent(aligned)
        assert (aligned.id, aligned.audio_path) == ("sample", str(SAMPLE))
        assert min(word.confidence for word in aligned.words) > 0.8

    def test_words_are_where_greedy_decoding_has_them(self, recognizer: Recognizer) -> None:
        aligned = align_recording(recognizer, SAMPLE, SPOKEN)
        recognised = next(recognizer.transcribe([SAMPLE]))
        for ours, theirs in zip(aligned.words, recognised.words, strict=True):
            assert ours.text == theirs.text
            assert ours.start_seconds == pytest.approx(theirs.start_seconds, abs=0.041)
            assert ours.end_seconds == pytest.approx(theirs.end_seconds, abs=0.041)

    def test_a_file_and_its_waveform(self, recognizer: Recognizer, waveform: np.ndarray) -> None:
        of_file = align_recording(recognizer, SAMPLE, SPOKEN)
        of_waveform = align_transcript(recognizer, waveform, SPOKEN)
        assert (of_waveform.segments, of_waveform.log_prob) == (of_file.segments, of_file.log_prob)
        assert (of_waveform.id, of_waveform.audio_path) == ("", "")

    @pytest.mark.parametrize(
        "text", ["nine four six", "five two nine one three", "five two two seven one three"]
    )
    def test_wrong_words_lower_the_confidence(self, recognizer: Recognizer, text: str) -> None:
        right = align_recording(recognizer, SAMPLE, SPOKEN).segments[0].confidence
        assert align_recording(recognizer, SAMPLE, text).segments[0].confidence < 0.2 < 0.8 < right

    def test_words_that_are_not_in_the_text_are_skipped(self, recognizer: Recognizer) -> None:
        whole = align_recording(recognizer, SAMPLE, SPOKEN)
        some = align_recording(recognizer, SAMPLE, "seven", SKIP_AUDIO)
        assert times(some) == times(whole)[2:3]
        assert some.segments[0].confidence > 0.9

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_a_waveform_that_is_not_finite(
        self, recognizer: Recognizer, waveform: np.ndarray, value: float
    ) -> None:
        broken = waveform.copy()
        broken[100] = value
        with pytest.raises(AudioError, match="sample 100; expected finite"):
            align_transcript(recognizer, broken, SPOKEN)

    def test_more_text_than_audio(self, recognizer: Recognizer) -> None:
        with pytest.raises(DataError, match=r"need at least .* frames, the model gives [0-9]+"):
            align_recording(recognizer, SAMPLE, f"{SPOKEN}\n" * 3)


@pytest.fixture(scope="module")
def periods(waveform: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Three minutes of the sample again and again with silence before it, and where it starts, in seconds."""
    silence = 1e-3 * np.random.default_rng(0).standard_normal(14_400)
    period = np.concatenate((silence.astype(np.float32), waveform))
    count = 180 * 16_000 // len(period)
    return np.tile(period, count), (np.arange(count) * len(period) + len(silence)) / 16_000


class TestLongRecording:
    def test_each_line_is_where_it_was_put(
        self, recognizer: Recognizer, periods: tuple[np.ndarray, np.ndarray]
    ) -> None:
        waveform, starts = periods
        alone = align_recording(recognizer, SAMPLE, SPOKEN).segments[0]
        aligned = align_transcript(recognizer, waveform, f"{SPOKEN}\n" * len(starts))
        assert_consistent(aligned)
        begins = np.array([segment.start_seconds for segment in aligned.segments])
        ends = np.array([segment.end_seconds for segment in aligned.segments])
        assert np.abs(begins - starts - alone.start_seconds).max() < 0.25
        assert np.abs(ends - starts - alone.end_seconds).max() < 0.25

    def test_what_is_said_between_the_lines_is_skipped(
        self, recognizer: Recognizer, periods: tuple[np.ndarray, np.ndarray]
    ) -> None:
        waveform, starts = periods
        # The words before the silence, backwards: a stretch that nobody wrote down.
        junk = waveform[: round(20 * starts[1] * 16_000)][::-1]
        first, second = (round(starts[place] * 16_000) for place in (10, 20))
        spliced = np.concatenate((waveform[:first], junk, waveform[first:second]))
        aligned = align_transcript(recognizer, spliced, f"{SPOKEN}\n" * 20, SKIP_AUDIO)
        shift = np.repeat([0.0, len(junk) / 16_000], 10)
        begins = np.array([segment.start_seconds for segment in aligned.segments])
        assert np.abs(begins - starts[:20] - shift).max() < 0.5
        skipped = sum(end - start for start, end in aligned.skipped_audio)
        assert 0.5 * len(junk) / 16_000 < skipped < 1.1 * len(junk) / 16_000
        assert_consistent(aligned)
