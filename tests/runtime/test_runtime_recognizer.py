"""The recognizer: order, failures, segments, word times."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile as sf

from ctcasr.data import Utterance
from ctcasr.decoding import Hypothesis, Token
from ctcasr.errors import BundleError
from ctcasr.runtime import Recognizer, Transcript
from ctcasr.runtime.words import Word, words_of
from ctcasr.text import Vocabulary

Noise = Callable[..., npt.NDArray[np.float32]]
Record = Callable[..., Path]


@pytest.fixture(scope="module")
def recognizer(tiny_bundle: Path) -> Recognizer:
    return Recognizer.load(tiny_bundle)


@pytest.mark.slow
@pytest.mark.parametrize(
    "code", ["import ctcasr.runtime", "from ctcasr.cli.main import make_app; make_app()"]
)
def test_importing_leaves_the_heavy_libraries_out(code: str) -> None:
    heavy = ["torch", "torchaudio", "librosa", "numba", "accelerate", "onnx", "jiwer", "av", "tensorboard"]
    code += f"; import sys; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


class TestTranscribe:
    def test_results_come_in_the_order_given(self, recognizer: Recognizer, record: Record) -> None:
        # The first takes longest, so that the others are done before it.
        paths = [record("long.wav", 0, 20.0), *(record(f"{n:02}.wav", n, 0.2) for n in range(30))]
        for threads in (1, 3, None):
            found = list(recognizer.transcribe(paths, threads=threads))
            assert [transcript.id for transcript in found] == [path.stem for path in paths]
            assert [transcript.audio_path for transcript in found] == [str(path) for path in paths]

    def test_a_failed_file_says_why_and_the_others_go_on(
        self, recognizer: Recognizer, record: Record
    ) -> None:
        good = record()
        empty = good.with_name("empty.wav")
        empty.touch()
        missing = good.with_name("missing.wav")
        found = list(recognizer.transcribe([good, empty, missing, good]))
        assert [bool(transcript.error) for transcript in found] == [False, True, True, False]
        assert found[1] == Transcript("empty", str(empty), error=found[1].error)
        assert found[1].error.startswith(f"{empty}: is empty")
        assert found[2].error.startswith(f"{missing}: cannot be opened")
        assert found[0].text == found[3].text != ""

    def test_a_network_that_fails_fails_the_file_alone(
        self, tiny_bundle: Path, record: Record, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        recognizer = Recognizer.load(tiny_bundle)
        session = recognizer._session

        def fail_on_long(features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
            if len(features) > 100:
                raise BundleError("out of memory")
            return session(features)

        monkeypatch.setattr(recognizer, "_session", fail_on_long)
        paths = [
            record("short.wav", seconds=0.5),
            record("long.wav", seconds=2),
            record("end.wav", seconds=0.5),
        ]
        found = list(recognizer.transcribe(paths))
        assert [transcript.error for transcript in found] == ["", f"{paths[1]}: out of memory", ""]

    def test_results_come_while_recordings_still_do(self, recognizer: Recognizer, record: Record) -> None:
        path, asked = record(seconds=0.1), 0

        def endless() -> Iterator[Path]:
            nonlocal asked
            while True:
                asked += 1
                yield path

        stream = recognizer.transcribe(endless(), threads=2)
        for number in range(20):
            assert next(stream).text == next(recognizer.transcribe([path])).text
            assert asked <= number + 2 * 5  # only a few are held in memory
        stream.close()

    def test_nothing_gives_nothing(self, recognizer: Recognizer) -> None:
        assert list(recognizer.transcribe([])) == []

    def test_it_is_what_transcribe_waveform_says(self, recognizer: Recognizer, record: Record) -> None:
        path = record("talk.wav", 5, 1.7)
        waveform, rate = sf.read(path, dtype="float32")
        assert rate == recognizer.bundle.description.features.sample_rate
        found, expected = next(recognizer.transcribe([path])), recognizer.transcribe_waveform(waveform)
        assert (found.text, found.words, found.confidence) == (
            expected.text,
            expected.words,
            expected.confidence,
        )
        assert found.duration_seconds == pytest.approx(1.7)
        assert (expected.id, expected.audio_path) == ("", "")

    def test_other_rates_and_channels_are_brought_to_the_bundle_s(
        self, recognizer: Recognizer, tmp_path: Path
    ) -> None:
        sf.write(tmp_path / "a.flac", np.random.default_rng(0).uniform(-0.1, 0.1, (44_100, 2)), 44_100)
        transcript = next(recognizer.transcribe([tmp_path / "a.flac"]))
        assert transcript.error == ""
        assert transcript.duration_seconds == pytest.approx(1.0, abs=1e-3)

    def test_timings_name_every_stage(self, recognizer: Recognizer, record: Record) -> None:
        timings = next(recognizer.transcribe([record()])).timings
        assert set(timings) == {"read", "features", "network", "decode"}
        assert all(seconds > 0 for seconds in timings.values())

    @pytest.mark.parametrize("samples", [1, 2, 79, 80, 81, 200, 8000])
    def test_short_sounds(self, recognizer: Recognizer, noise: Noise, samples: int) -> None:
        transcript = recognizer.transcribe_waveform(noise()[:samples])
        assert transcript.duration_seconds == samples / 8000
        assert all(word.end_seconds <= transcript.duration_seconds for word in transcript.words)


class TestUtterances:
    def test_an_utterance_is_its_segment(self, recognizer: Recognizer, record: Record) -> None:
        path = record("whole.wav", 7, 3.0)
        waveform, _ = sf.read(path, dtype="float32")
        transcript = next(recognizer.transcribe([Utterance("seg-1", path, 1.0, offset_seconds=1.5)]))
        expected = recognizer.transcribe_waveform(waveform[12_000:20_000])
        assert transcript.id == "seg-1"
        assert transcript.duration_seconds == 1.0
        assert (transcript.text, transcript.confidence) == (expected.text, expected.confidence)
        assert transcript.text != next(recognizer.transcribe([path])).text

    def test_a_segment_beyond_the_end_is_an_error(self, recognizer: Recognizer, record: Record) -> None:
        path = record(seconds=1.0)
        for offset, duration in ((0.0, 2.0), (5.0, 0.5)):
            transcript = next(recognizer.transcribe([Utterance("u", path, duration, offset_seconds=offset)]))
            assert transcript.id == "u"
            assert str(path) in transcript.error


class TestWords:
    VOCABULARY = Vocabulary(("<blank>", "<space>", "a", "b"))

    def words(self, *tokens: tuple[int, int, int, float], duration: float = 100.0) -> tuple[Word, ...]:
        found = tuple(Token(*token) for token in tokens)
        hypothesis = Hypothesis(tuple(token.id for token in found), 0.0, 0.0, 0.0, (), lambda: found)
        return words_of(hypothesis, self.VOCABULARY, 0.5, duration)

    def test_words_lie_between_spaces(self) -> None:
        found = self.words((2, 1, 2, 1.0), (3, 3, 5, 0.5), (1, 5, 6, 0.1), (2, 8, 9, 0.25))
        assert found == (Word("ab", 0.5, 2.5, 0.75), Word("a", 4.0, 4.5, 0.25))

    def test_spaces_alone_are_no_words(self) -> None:
        assert self.words() == self.words((1, 0, 1, 1.0)) == self.words((1, 0, 1, 1.0), (1, 2, 3, 1.0)) == ()

    def test_spaces_at_the_edges_and_in_a_row(self) -> None:
        found = self.words(
            (1, 0, 1, 1.0), (2, 1, 2, 1.0), (1, 2, 3, 1.0), (1, 4, 5, 1.0), (3, 5, 6, 1.0), (1, 7, 8, 1.0)
        )
        assert [word.text for word in found] == ["a", "b"]

    def test_the_last_frame_may_reach_beyond_the_audio_but_no_word_does(self) -> None:
        assert self.words((2, 2, 4, 1.0), duration=1.75) == (Word("a", 1.0, 1.75, 1.0),)
        assert self.words((2, 4, 5, 1.0), duration=2.0) == (Word("a", 2.0, 2.0, 1.0),)

    @pytest.mark.parametrize("seconds", [0.05, 0.5, 0.97, 1.0, 1.01, 5.0])
    def test_times_ascend_inside_the_audio(
        self, recognizer: Recognizer, noise: Noise, seconds: float
    ) -> None:
        counted = 0
        for seed in range(5):
            transcript = recognizer.transcribe_waveform(noise(seed, seconds))
            assert transcript.text == " ".join(word.text for word in transcript.words)
            times = [time for word in transcript.words for time in (word.start_seconds, word.end_seconds)]
            assert times == sorted(times)
            assert all(0 <= time <= transcript.duration_seconds for time in times)
            assert all(0 < word.confidence <= 1 for word in transcript.words)
            assert 0 < transcript.confidence <= 1
            counted += len(transcript.words)
        assert counted > 0 or seconds < 0.1

    def test_an_empty_recognition(
        self, tiny_bundle: Path, noise: Noise, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        recognizer = Recognizer.load(tiny_bundle)

        def blanks(features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
            scores = np.full((len(features), 12), -np.inf, np.float32)
            scores[:, 0] = 0
            return scores

        monkeypatch.setattr(recognizer, "_session", blanks)
        transcript = recognizer.transcribe_waveform(noise(), "quiet")
        assert (transcript.text, transcript.words, transcript.confidence, transcript.error) == (
            "",
            (),
            1.0,
            "",
        )
