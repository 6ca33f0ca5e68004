"""Utterances of manifests with the times of their words, and the lines of long recordings as utterances."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import resources
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from ctcasr import audio
from ctcasr.data import Utterance, read_manifest, write_manifest
from ctcasr.errors import ConfigError
from ctcasr.runtime import Recognizer, read_bundle
from ctcasr.runtime.aligned_utterances import align_utterances
from ctcasr.runtime.alignment import AlignmentOptions, align_recording, align_transcript
from ctcasr.runtime.segmenting import low_segments, segment_utterances
from ctcasr.text import PhoneVocabulary, Pronunciations

SAMPLE = Path(str(resources.files("ctcasr"))) / "bundles" / "sample.wav"
SPOKEN = SAMPLE.with_suffix(".txt").read_text(encoding="utf-8").strip()
SECONDS = audio.probe(SAMPLE).duration_seconds


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer.load("an4")


@pytest.fixture(scope="module")
def sample() -> Utterance:
    return Utterance("sample", SAMPLE, SECONDS, SPOKEN, where="train.jsonl:1")


class TestNamedPronunciations:
    SAID = Pronunciations(
        {
            "a": (("A",), ("B",), ("C",)),
            "be": (("D", "E"), ("F", "G"), ("H", "I")),
            "see": (("J",), ("K",), ("A",)),
        }
    )

    @pytest.fixture
    def writes_phones(self, tiny_bundle: Path) -> Recognizer:
        read = read_bundle(tiny_bundle)
        return Recognizer(replace(read, vocabulary=PhoneVocabulary.of(self.SAID)))

    def test_the_text_says_what_was_aligned(
        self, writes_phones: Recognizer, record: Callable[..., Path]
    ) -> None:
        vocabulary, named = writes_phones.bundle.vocabulary, 0
        for seed in range(6):
            heard = Utterance("u", record(seed=seed), 1.0, "a be, See be a")
            (found,) = align_utterances(writes_phones, [heard], name_pronunciations=True)
            (plain,) = align_utterances(writes_phones, [heard])
            assert found.error == ""
            assert plain.utterance.text == heard.text
            assert found.utterance.words == plain.utterance.words
            aligned = align_recording(writes_phones, heard.audio_path, heard.text)
            spelled = [vocabulary.fit(word)[0] for word in found.utterance.text.split()]
            assert vocabulary.decode(vocabulary.encode(" ".join(spelled))) == " ".join(
                token.text for token in aligned.tokens
            )
            named += found.utterance.text.count("(")
            (again,) = align_utterances(writes_phones, [found.utterance], name_pronunciations=True)
            pairs = zip(found.utterance.text.split(), again.utterance.text.split(), strict=True)
            assert all(before == after for before, after in pairs if "(" in before)  # what is named stays
        assert named > 0

    def test_a_model_of_letters_has_none(self, recognizer: Recognizer, sample: Utterance) -> None:
        with pytest.raises(ConfigError, match="only a model that writes phones"):
            align_utterances(recognizer, [sample], name_pronunciations=True)


class TestUtterances:
    def test_words_are_those_of_the_recording(self, recognizer: Recognizer, sample: Utterance) -> None:
        (found,) = align_utterances(recognizer, [sample])
        whole = align_recording(recognizer, SAMPLE, SPOKEN)
        assert found.utterance == replace(
            sample, words=tuple((word.start_seconds, word.end_seconds) for word in whole.words)
        )
        assert (found.confidence, found.error) == (whole.segments[0].confidence, "")

    def test_times_count_from_the_start_of_the_utterance(
        self, recognizer: Recognizer, sample: Utterance, tmp_path: Path
    ) -> None:
        waveform = audio.load(SAMPLE, 16_000)
        sf.write(tmp_path / "two.wav", np.concatenate((waveform, waveform)), 16_000, "FLOAT")
        second = Utterance("b", tmp_path / "two.wav", SECONDS, SPOKEN, offset_seconds=SECONDS)
        alone, inside = align_utterances(recognizer, [sample, second])
        assert inside.utterance.words == alone.utterance.words

    def test_white_space_and_case_do_not_matter(self, recognizer: Recognizer, sample: Utterance) -> None:
        untidy = replace(sample, text="\n " + SPOKEN.title().replace(" ", " \t\n"))
        plain, found = align_utterances(recognizer, [sample, untidy])
        assert found.utterance == replace(untidy, words=plain.utterance.words)

    def test_an_empty_text_has_no_words(self, recognizer: Recognizer, sample: Utterance) -> None:
        (found,) = align_utterances(recognizer, [replace(sample, text=" ")])
        assert (found.utterance.words, found.confidence, found.error) == ((), 1.0, "")

    def test_failures_are_named_and_the_others_go_on(self, recognizer: Recognizer, sample: Utterance) -> None:
        bad = [
            replace(sample, id="lost", audio_path=SAMPLE.with_name("lost.wav"), where="train.jsonl:2"),
            replace(sample, id="long", text=f"{SPOKEN} " * 3, where="train.jsonl:3"),
            replace(sample, id="digits", text="5 2 7", where="train.jsonl:4"),
            replace(sample, id="beyond", duration_seconds=SECONDS + 1, where="train.jsonl:5"),
        ]
        found = list(align_utterances(recognizer, [*bad, sample], threads=2))
        assert [bool(one.error) for one in found] == [True] * 4 + [False]
        assert [one.utterance for one in found[:4]] == bad
        for one, message in zip(
            found, ("cannot be opened", "need at least", "cannot write", "2."), strict=False
        ):
            assert one.error.startswith(f"{one.utterance.id} ({one.utterance.where}): ")
            assert message in one.error

    def test_skipped_characters(self, recognizer: Recognizer, sample: Utterance) -> None:
        first, *rest = SPOKEN.split()
        texts = [" ".join([f"«{first}»,", *rest]), f"{SPOKEN} -- 3"]
        listed = [replace(sample, id=str(number), text=text) for number, text in enumerate(texts)]
        good, bad = align_utterances(recognizer, listed, AlignmentOptions(skip_unknown=True))
        assert good.utterance.words is not None
        assert len(good.utterance.words) == len(SPOKEN.split())
        assert dict(good.skipped_text) == {"«": 1, "»": 1, ",": 1}
        assert f"nothing is left of 2 of the {len(rest) + 3} words" in bad.error

    def test_skipped_audio(self, recognizer: Recognizer, sample: Utterance) -> None:
        (whole,) = align_utterances(recognizer, [sample])
        part = replace(sample, text=SPOKEN.split()[2])
        (found,) = align_utterances(recognizer, [part], AlignmentOptions(skip_audio=True))
        assert whole.utterance.words is not None
        assert found.utterance.words == whole.utterance.words[2:3]
        (forced,) = align_utterances(recognizer, [part])
        assert forced.confidence < 0.2 < found.confidence

    def test_they_survive_a_manifest(self, recognizer: Recognizer, sample: Utterance, tmp_path: Path) -> None:
        # Cut in the middle of the last word's last frame.
        (whole,) = align_utterances(recognizer, [sample])
        assert whole.utterance.words is not None
        cut = replace(sample, duration_seconds=whole.utterance.words[-1][1] - 0.0123)
        (found,) = align_utterances(recognizer, [cut])
        write_manifest(tmp_path / "aligned.jsonl", [found.utterance])
        (read,) = read_manifest(tmp_path / "aligned.jsonl")
        assert read.words is not None
        assert found.utterance.words is not None
        assert np.array(read.words) == pytest.approx(np.array(found.utterance.words), abs=0.6e-3)
        assert read.words[-1][1] <= read.duration_seconds


@pytest.fixture(scope="module")
def parts(recognizer: Recognizer) -> tuple[np.ndarray, list[Utterance]]:
    waveform = audio.load(SAMPLE, 16_000)
    twice = np.concatenate((waveform, waveform))
    aligned = align_transcript(recognizer, twice, f"{SPOKEN.upper()}\n\n{SPOKEN}")
    return twice, segment_utterances(replace(aligned, id="book", audio_path="book.wav"))


class TestSegments:
    def test_an_utterance_a_line(self, parts: tuple[np.ndarray, list[Utterance]]) -> None:
        _, (first, second) = parts
        assert (first.id, second.id) == ("book-0001", "book-0003")
        assert first.text == second.text == SPOKEN
        assert first.offset_seconds + first.duration_seconds <= second.offset_seconds

    def test_their_words_are_within_them(self, parts: tuple[np.ndarray, list[Utterance]]) -> None:
        for utterance in parts[1]:
            assert utterance.words is not None
            assert len(utterance.words) == len(SPOKEN.split())
            flat = [0.0, *(second for word in utterance.words for second in word), utterance.duration_seconds]
            assert all(one <= other + 1e-9 for one, other in pairwise(flat))

    def test_each_is_aligned_alone_as_it_was_together(
        self, recognizer: Recognizer, parts: tuple[np.ndarray, list[Utterance]], tmp_path: Path
    ) -> None:
        sf.write(tmp_path / "book.wav", parts[0], 16_000, "FLOAT")
        listed = [replace(part, audio_path=tmp_path / "book.wav") for part in parts[1]]
        for found, part in zip(align_utterances(recognizer, listed), listed, strict=True):
            assert found.error == ""
            assert np.array(found.utterance.words) == pytest.approx(np.array(part.words), abs=0.081)

    def test_low_confidence_is_left_out(self, recognizer: Recognizer) -> None:
        waveform = audio.load(SAMPLE, 16_000)
        twice = np.concatenate((waveform, waveform))
        aligned = align_transcript(recognizer, twice, f"{SPOKEN}\nnine four six")
        assert [segment.line for segment in low_segments(aligned)] == [2]
        assert [utterance.text for utterance in segment_utterances(aligned)] == [SPOKEN]
        assert len(segment_utterances(aligned, 0.0)) == 2
