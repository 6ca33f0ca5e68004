"""Alignment with models of phones, of pieces and of HMM states, on made-up log-probabilities."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ctcasr.errors import DataError
from ctcasr.runtime import Bundle, read_bundle
from ctcasr.runtime.aligned import AlignedTranscript
from ctcasr.runtime.alignment import AlignmentOptions, align_log_probs
from ctcasr.runtime.guessed_words import with_guesses
from ctcasr.text import BLANK, SPACE, PhoneVocabulary, PieceVocabulary, Pronunciations, Vocabulary

PHONES = PhoneVocabulary.of(
    Pronunciations(
        {"a": (("AH",), ("EY",)), "two": (("T", "UW"),), "to": (("T", "UW"), ("T", "AH")), "ewe": (("UW",),)}
    )
)  # <blank> AH EY T UW
PIECES = PieceVocabulary((BLANK, "▁a", "▁ab", "▁", "a", "b", "c"))
LETTERS = Vocabulary((BLANK, SPACE, "a", "b"))


def bundle_of(tiny_bundle: Path, vocabulary: Vocabulary, **fields: object) -> Bundle:
    """Return a bundle in the tiny one's folder, with another vocabulary and other outputs."""
    read = read_bundle(tiny_bundle)
    changed = read.description.model_copy(update={"units": vocabulary.units, **fields})
    return Bundle(tiny_bundle, changed, vocabulary)


def spoken(path: list[int], outputs: int, probability: float = 0.9) -> np.ndarray:
    rows = np.full((len(path), outputs), (1 - probability) / (outputs - 1), np.float32)
    rows[np.arange(len(path)), path] = probability
    return np.log(rows)


def frames(aligned: AlignedTranscript) -> list[tuple[str, int, int]]:
    return [
        (token.text, round(token.start_seconds / 0.04), round(token.end_seconds / 0.04))
        for token in aligned.tokens
    ]


class TestPhones:
    def test_times_of_phones(self, tiny_bundle: Path) -> None:
        bundle = bundle_of(tiny_bundle, PHONES)
        aligned = align_log_probs(bundle, spoken([0, 3, 0, 4, 4, 0, 1], 5), "Two, a!")
        assert frames(aligned) == [("T", 1, 2), ("UW", 3, 5), ("AH", 6, 7)]
        assert [(word.text, word.spelling) for word in aligned.words] == [("Two,", "two"), ("a!", "a")]
        assert aligned.segments[0].spelling == "two a"

    @pytest.mark.parametrize(
        ("path", "expected"),
        [
            ([3, 4, 0, 1, 0, 3, 4], ["T", "UW", "AH", "T", "UW"]),
            ([3, 4, 0, 2, 0, 3, 1], ["T", "UW", "EY", "T", "AH"]),
            ([3, 4, 0, 2, 0, 3, 4], ["T", "UW", "EY", "T", "UW"]),
        ],
    )
    def test_each_word_is_taken_as_it_is_said(
        self, tiny_bundle: Path, path: list[int], expected: list[str]
    ) -> None:
        aligned = align_log_probs(bundle_of(tiny_bundle, PHONES), spoken(path, 5), "two a to")
        assert [token.text for token in aligned.tokens] == expected

    def test_unknown_words_are_guessed(self, tiny_bundle: Path) -> None:
        bundle = bundle_of(tiny_bundle, PHONES)
        richer, guesses = with_guesses(bundle, ["“Two,\nTOA a", "2 two to"])
        assert set(guesses) == {"toa"}  # there is no digit in the dictionary
        log_probs = spoken([0, *(PHONES.symbols.index(phone) for phone in guesses["toa"])], 5)
        assert align_log_probs(richer, log_probs, "TOA").words[0].spelling == "toa"
        assert richer.vocabulary.spellings("to") == bundle.vocabulary.spellings("to")
        assert with_guesses(bundle, ["two a"]) == (bundle, {})
        letters = bundle_of(tiny_bundle, LETTERS)
        assert with_guesses(letters, ["xyz"]) == (letters, {})

    def test_unknown_words(self, tiny_bundle: Path) -> None:
        bundle = bundle_of(tiny_bundle, PHONES)
        log_probs = spoken([3, 4, 0, 1], 5)
        with pytest.raises(
            DataError,
            match=r"line 2: the model cannot write the word 'three' \(once\), only the 4 words of its",
        ):
            align_log_probs(bundle, log_probs, "two\nthree a")
        aligned = align_log_probs(bundle, log_probs, "two\nthree a", AlignmentOptions(skip_unknown=True))
        assert [word.text for word in aligned.words] == ["two", "a"]
        assert aligned.skipped_text == {"three": 1}

    def test_words_that_no_one_knows(self, tiny_bundle: Path) -> None:
        options = AlignmentOptions(skip_unknown=True)
        with pytest.raises(DataError, match="holds no words that the model can write"):
            align_log_probs(bundle_of(tiny_bundle, PHONES), spoken([3, 4], 5), "three four", options)

    def test_a_wildcard(self, tiny_bundle: Path) -> None:
        path = [1, 2, 1, 2] * 5 + [0, 3, 0, 4, 0]
        options = AlignmentOptions(skip_audio=True)
        aligned = align_log_probs(bundle_of(tiny_bundle, PHONES), spoken(path, 5), "two", options)
        assert frames(aligned) == [("T", 21, 22), ("UW", 23, 24)]
        assert len(aligned.skipped_audio) == 1


class TestPieces:
    def test_times_of_pieces(self, tiny_bundle: Path) -> None:
        bundle = bundle_of(tiny_bundle, PIECES)
        log_probs = spoken([0, 2, 0, 5, 3, 6, 0], 7)
        aligned = align_log_probs(bundle, log_probs, "ABB c")
        assert frames(aligned) == [("▁ab", 1, 2), ("b", 3, 4), ("▁", 4, 5), ("c", 5, 6)]
        assert aligned.segments[0].spelling == "abb c"
        with pytest.raises(DataError, match=r"the characters '!' \(once\), 'd' \(once\), only a b c"):
            align_log_probs(bundle, log_probs, "ab! d")


class TestStates:
    def test_symbols_reach_over_their_states(self, tiny_bundle: Path) -> None:
        bundle = bundle_of(tiny_bundle, PHONES, topology="hmm", states=2, symbols=9)
        # Outputs: silence 0, AH 1 2, EY 3 4, T 5 6, UW 7 8.
        path = [0, 5, 5, 6, 7, 8, 8, 0, 0, 1, 2, 0]
        aligned = align_log_probs(bundle, spoken(path, 9), "two a")
        assert frames(aligned) == [("T", 1, 4), ("UW", 4, 7), ("AH", 9, 11)]
        # A symbol's probability is that of all its states.
        assert [token.confidence for token in aligned.tokens] == pytest.approx([0.9 + 0.1 / 8] * 3, abs=1e-4)
        assert aligned.segments[0].confidence == pytest.approx((0.9125**8 * 0.9**2) ** (1 / 10), rel=1e-3)

    def test_without_a_pause_words_stand_side_by_side(self, tiny_bundle: Path) -> None:
        bundle = bundle_of(tiny_bundle, PHONES, topology="hmm", states=1, symbols=5)
        aligned = align_log_probs(bundle, spoken([3, 4, 4, 4, 3, 4], 5, 0.6), "two ewe to")
        assert frames(aligned)[0] == ("T", 0, 1)
        assert frames(aligned)[3:] == [("T", 4, 5), ("UW", 5, 6)]
        assert frames(aligned)[1][2] == frames(aligned)[2][1]

    def test_silence_is_not_inside_words(self, tiny_bundle: Path) -> None:
        bundle = bundle_of(tiny_bundle, PHONES, topology="hmm", states=1, symbols=5)
        (first, second) = frames(align_log_probs(bundle, spoken([0, 3, 0, 4, 4, 4, 0], 5), "two"))
        assert (first[1], second[2], first[2]) == (1, 6, second[1])

    def test_words_of_letters_are_parted(self, tiny_bundle: Path) -> None:
        bundle = bundle_of(tiny_bundle, LETTERS, topology="hmm", states=1, symbols=4)
        log_probs = spoken([1, 2, 2, 3, 3, 1], 4)
        assert frames(align_log_probs(bundle, log_probs, "ab")) == [("a", 1, 3), ("b", 3, 5)]
        (a, b) = frames(align_log_probs(bundle, log_probs, "a b"))
        assert b[1] - a[2] == 1
        with pytest.raises(DataError, match="3 symbols need at least 5 frames, the model gives 4"):
            align_log_probs(bundle, log_probs[:4], "a b a")

    def test_priors_lift_what_is_rare(self, own_bundle: Path) -> None:
        bundle = bundle_of(own_bundle, PHONES, topology="hmm", states=1, symbols=5)
        log_probs = np.log(np.array([[0.5, 0.02, 0.02, 0.44, 0.02]] * 4 + [[0.02] * 4 + [0.92]], np.float32))
        assert frames(align_log_probs(bundle, log_probs, "two"))[0] == ("T", 3, 4)
        np.save(own_bundle / "priors.npy", np.array([0.8, 0.05, 0.05, 0.05, 0.05], np.float32))
        assert frames(align_log_probs(bundle, log_probs, "two"))[0] == ("T", 0, 4)
