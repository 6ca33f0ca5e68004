"""Long recordings: windows, seams, pauses, and the transcript that comes of them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given, settings
from hypothesis import strategies as st

from ctcasr import audio
from ctcasr.data import Utterance
from ctcasr.decoding.topology import Topology
from ctcasr.errors import ConfigError
from ctcasr.runtime import LongAudioSettings, Recognizer, WindowSettings, bundle
from ctcasr.runtime.ordered import map_ordered
from ctcasr.runtime.pauses import PauseSettings, PauseSplitter, SegmentRows, split
from ctcasr.runtime.seams import join
from ctcasr.runtime.voice import loudness, quietest
from ctcasr.runtime.window_cutting import Window, WindowCutter, cut_windows
from ctcasr.scoring import align
from ctcasr.text import BLANK, SPACE, Vocabulary

Noise = Callable[..., np.ndarray]
Record = Callable[..., Path]
RATE, STEP = 1000, 20
SHORT = LongAudioSettings(WindowSettings(1.0, 0.5, 0.4), PauseSettings(0.5, 0.12, 2.0))
SAMPLE = Path(bundle.__file__).parent.parent / "bundles" / "sample.wav"


@pytest.fixture(scope="module")
def cutting(tiny_bundle: Path) -> Recognizer:
    return Recognizer.load(tiny_bundle, "fp32", long_audio=SHORT)


def pieces_of(waveform: np.ndarray, cuts: list[int]) -> list[np.ndarray]:
    return np.split(waveform, sorted({cut for cut in cuts if cut < len(waveform)}))


class TestVoice:
    def test_loudness_is_in_decibels(self) -> None:
        waveform = np.concatenate((np.ones(20), np.full(20, 0.1), np.zeros(10))).astype(np.float32)
        np.testing.assert_allclose(loudness(waveform, 1000), [0, -20, -100], atol=1e-4)

    def test_the_middle_of_the_quietest_stretch(self) -> None:
        assert quietest(np.array([0.0, -9, 0, -5, -6, -5, 0]), 3) == 4
        assert quietest(np.zeros(7), 3) == 5
        assert quietest(np.zeros(2), 9) == 1


class TestWindows:
    @settings(deadline=None, max_examples=60)
    @given(
        samples=st.integers(1, 9000),
        cuts=st.lists(st.integers(1, 9000), max_size=8),
        shortest=st.floats(0.1, 1.0),
        context=st.floats(0, 0.5),
        more_past=st.floats(0, 1.0),
    )
    def test_windows_cover_all_whatever_the_pieces(
        self, samples: int, cuts: list[int], shortest: float, context: float, more_past: float
    ) -> None:
        waveform = np.random.default_rng(samples).uniform(-1, 1, samples).astype(np.float32)
        wanted = WindowSettings(1.0, shortest, context, context + more_past)
        windows = list(cut_windows(pieces_of(waveform, cuts), WindowCutter(wanted, RATE, STEP)))
        whole = list(cut_windows([waveform], WindowCutter(wanted, RATE, STEP)))
        assert [(w.first, w.start, w.stop) for w in windows] == [(w.first, w.start, w.stop) for w in whole]
        assert [window.start for window in windows] == [0, *(window.stop for window in windows[:-1])]
        assert windows[-1].stop == -(-samples // STEP)
        assert [window.is_last for window in windows] == [False] * (len(windows) - 1) + [True]
        for window in windows:
            begin = window.first * STEP
            np.testing.assert_array_equal(window.waveform, waveform[begin : begin + len(window.waveform)])
            assert window.first <= window.start < window.stop
            if not window.is_last:
                assert round(shortest * 50) <= window.stop - window.start <= 50
                assert len(window.waveform) == (window.stop - window.first + round(context * 50)) * STEP

    def test_a_cut_is_made_in_the_pause(self) -> None:
        waveform = np.random.default_rng(0).uniform(-1, 1, 3000).astype(np.float32)
        waveform[600:1000] = 0
        first = next(cut_windows([waveform], WindowCutter(WindowSettings(1.2, 0.2, 0.1), RATE, STEP)))
        assert 600 < first.stop * STEP < 1000

    def test_another_detector_cuts_elsewhere(self) -> None:
        def last(waveform: np.ndarray, rate: int) -> np.ndarray:
            return -np.arange(-(-len(waveform) // 20), dtype=np.float64)

        waveform = np.random.default_rng(0).uniform(-1, 1, 3000).astype(np.float32)
        waveform[300:700] = 0
        wanted = WindowSettings(1.2, 0.2, 0.1, voice=last)
        assert next(cut_windows([waveform], WindowCutter(wanted, RATE, STEP))).stop * STEP > 1000

    @pytest.mark.parametrize(
        "arguments", [(0, 0), (1, 2), (5000, 1), (2, 1, -1), (2, 1, 1, 0.5), (np.nan, 1)]
    )
    def test_impossible_windows(self, arguments: tuple[float, ...]) -> None:
        with pytest.raises(ConfigError, match="windows"):
            WindowSettings(*arguments)


def scores(symbols: str, letters: str = "_abc") -> np.ndarray:
    """Return log_probs that are sure of a symbol in each frame."""
    rows = np.full((len(symbols), len(letters)), 0.01)
    rows[np.arange(len(symbols)), [letters.index(symbol) for symbol in symbols]] = 1.0
    return np.log(rows / rows.sum(axis=1, keepdims=True)).astype(np.float32)


def window(first: int, start: int, stop: int, *, last: bool = False) -> Window:
    return Window(np.zeros(0, np.float32), first, start, stop, last)


class TestSeams:
    def test_the_seam_lies_where_both_windows_are_blank(self) -> None:
        # Both write an `a`, a frame apart, right where the cut is: it is to be written once.
        old = "bb" + "_" * 14 + "aa" + "_" * 10
        new = "_" * 7 + "aa" + "_" * 10 + "c"
        pairs = [(window(0, 0, 18), scores(old)), (window(8, 18, 28, last=True), scores(new))]
        joined = np.concatenate(list(join(pairs)))
        assert len(joined) == 28
        path = "".join("_abc"[number] for number in joined.argmax(axis=1))
        assert path.replace("_", " ").split() in (["bb", "aa", "c"], ["bb", "a", "c"])

    def test_a_window_without_context_is_appended(self) -> None:
        pairs = [(window(0, 0, 3), scores("abc")), (window(3, 3, 5, last=True), scores("ab"))]
        np.testing.assert_array_equal(np.concatenate(list(join(pairs))), scores("abcab"))


VOCABULARY = Vocabulary((BLANK, SPACE, "a", "b"))


def segments(symbols: str, *sizes: int, wanted: PauseSettings | None = None) -> list[str]:
    """Split at the pauses of a string of `_`, space and letters; a frame is 0.1 s."""
    rows = scores(symbols, "_ ab")
    wanted = wanted or PauseSettings(0.5, 0.4, 2.0)
    cut = np.split(rows, np.cumsum(sizes)) if sizes else [rows]
    found = list(split(cut, PauseSplitter(wanted, VOCABULARY, 0.1)))
    assert [part.start for part in found] == np.cumsum(
        [0, *(len(part.log_probs) for part in found[:-1])]
    ).tolist()
    assert [part.is_last for part in found] == [False] * (len(found) - 1) + [True]
    return ["".join("_ ab"[number] for number in part.log_probs.argmax(axis=1)) for part in found]


class TestPauses:
    def test_a_pause_ends_a_segment(self) -> None:
        assert segments("aaaaaa_ __bb") == ["aaaaaa_ ", "__bb"]

    def test_a_short_pause_or_an_early_one_does_not(self) -> None:
        assert segments("aaaaaa___bbb") == ["aaaaaa___bbb"]
        assert segments("a____bbbbbbb") == ["a____bbbbbbb"]

    def test_pauses_of_an_hmm_are_states(self) -> None:
        # Two outputs a symbol: blank 0, space 1 (2), a 3 4, b 5 6.
        rows = scores("343434111" + "5656", "0123456")
        topology = Topology("hmm", 2, VOCABULARY.symbols)
        splitter = PauseSplitter(PauseSettings(0.5, 0.3, 2.0), VOCABULARY, 0.1, topology)
        found = [part.log_probs.argmax(axis=1).tolist() for part in split([rows], splitter)]
        assert found == [[3, 4, 3, 4, 3, 4, 1, 1], [1, 5, 6, 5, 6]]

    def test_the_longest_segment_ends_in_its_longest_pause(self) -> None:
        assert segments("aaaaaaa_aaa__aaaaaaaaaaaa") == ["aaaaaaa_aaa_", "_aaaaaaaaaaaa"]
        assert segments("a" * 25) == ["a" * 20, "a" * 5]

    @settings(deadline=None, max_examples=60)
    @given(st.text("__ ab", max_size=90), st.lists(st.integers(0, 20), max_size=9))
    def test_the_pieces_change_nothing(self, symbols: str, sizes: list[int]) -> None:
        found = segments(symbols)
        assert found == segments(symbols, *sizes)
        assert "".join(found) == symbols
        assert all(len(part) <= 20 for part in found)

    @pytest.mark.parametrize("arguments", [(-1, 1, 2), (3, 1, 2), (0, 0, 1), (0, 1, np.nan)])
    def test_impossible_segments(self, arguments: tuple[float, ...]) -> None:
        with pytest.raises(ConfigError, match="segments of"):
            PauseSettings(*arguments)


class TestMapOrdered:
    def test_results_come_in_order_and_items_are_taken_as_there_is_room(self) -> None:
        taken = []

        def items() -> object:
            for number in range(20):
                taken.append(number)
                yield number

        with ThreadPoolExecutor(3) as pool:
            results = map_ordered(lambda number: number**2, items(), pool, 4)
            assert next(results) == 0
            assert len(taken) == 5
            assert list(results) == [number**2 for number in range(1, 20)]

    def test_an_error_cancels_what_waits(self) -> None:
        started, gate = [], threading.Event()

        def work(number: int) -> None:
            started.append(number)
            if number == 0:
                raise ValueError("bad")
            gate.wait(10)

        with ThreadPoolExecutor(1) as pool:
            with pytest.raises(ValueError, match="bad"):
                next(map_ordered(work, range(50), pool, 3))
            gate.set()
        assert len(started) < 5


class TestTranscripts:
    def test_a_short_recording_is_one_segment(self, cutting: Recognizer, noise: Noise) -> None:
        transcript = cutting.transcribe_waveform(noise(seconds=1.3))
        assert len(transcript.segments) == 1
        assert transcript.segments[0].text == transcript.text

    @pytest.mark.parametrize("threads", [1, 3])
    def test_files_waveforms_and_threads_agree(
        self, cutting: Recognizer, record: Record, threads: int
    ) -> None:
        path = record("long.wav", 5, 12.3)
        found = next(cutting.transcribe([path], threads=threads))
        expected = cutting.transcribe_waveform(audio.load(path, 8000))
        assert (found.text, found.words, found.confidence, found.segments) == (
            expected.text,
            expected.words,
            expected.confidence,
            expected.segments,
        )
        assert found.duration_seconds == pytest.approx(12.3)
        assert len(found.segments) > 2
        assert cutting.transcribe_waveform(audio.load(path, 8000), threads=threads).words == found.words

    def test_times_ascend_inside_the_audio(self, cutting: Recognizer, noise: Noise) -> None:
        transcript = cutting.transcribe_waveform(noise(3, 9.0))
        assert transcript.text == " ".join(segment.text for segment in transcript.segments)
        times = [time for word in transcript.words for time in (word.start_seconds, word.end_seconds)]
        assert times == sorted(times)
        assert times[0] >= 0
        assert times[-1] <= 9.0
        for segment in transcript.segments:
            assert segment.start_seconds <= segment.words[0].start_seconds
            assert segment.words[-1].end_seconds <= segment.end_seconds + 1e-9

    def test_a_segment_of_a_long_recording(self, cutting: Recognizer, record: Record) -> None:
        path = record(seconds=6.0)
        found = next(cutting.transcribe([Utterance("u", path, 3.0, offset_seconds=2.0)]))
        assert found.words == cutting.transcribe_waveform(audio.load(path, 8000)[16_000:40_000]).words

    def test_watch_is_told_the_share(self, cutting: Recognizer, record: Record) -> None:
        seen: list[tuple[int, float, float]] = []
        paths = [record("long.wav", seconds=5.0), record("short.wav", seconds=0.5)]
        for _ in cutting.transcribe(paths, threads=2, watch=lambda *told: seen.append(told)):
            pass
        shares = [share for number, _, share in seen if number == 0]
        assert shares == sorted(shares)
        assert len(shares) > 2
        assert shares[-1] == 1.0
        assert (1, 0.5, 1.0) in seen

    def test_damage_at_the_end_is_an_error(self, cutting: Recognizer, noise: Noise, tmp_path: Path) -> None:
        waveform = noise(seconds=70.0)
        waveform[-5] = np.nan
        sf.write(tmp_path / "talk.wav", waveform, 8000, "FLOAT")
        found = next(cutting.transcribe([tmp_path / "talk.wav"]))
        assert "NaN" in found.error
        assert found.text == ""

    def test_alternatives_stand_in_the_segments(self, tiny_bundle: Path, noise: Noise) -> None:
        from ctcasr.runtime.decoder import DecodingOptions

        options = DecodingOptions(settings={"beam_size": 8})
        recognizer = Recognizer.load(tiny_bundle, decoding=options, alternatives=3, long_audio=SHORT)
        transcript = recognizer.transcribe_waveform(noise(seconds=6.0))
        assert transcript.alternatives == ()
        assert all(1 <= len(segment.alternatives) <= 3 for segment in transcript.segments)
        assert all(segment.alternatives[0].text == segment.text for segment in transcript.segments)

    def test_speech_is_recognised_across_windows(self) -> None:
        """The sample four times over, with pauses: the words are those of the sample, four times."""
        recognizer = Recognizer.load(
            "an4", long_audio=LongAudioSettings(WindowSettings(5.0, 3.0, 1.0), PauseSettings(2.0))
        )
        spoken = audio.load(SAMPLE, 16_000)
        once = recognizer.transcribe_waveform(spoken).text.split()
        found = recognizer.transcribe_waveform(np.tile(np.pad(spoken, (0, 8000)), 4))
        assert len(found.segments) > 1
        # Where a window is cut the network lacks what follows: a few letters change, but no word is lost or doubled.
        assert align(list(" ".join(once * 4)), list(found.text)).counts.errors <= 6
        assert len(found.text.replace(" ", "")) >= 4 * len("".join(once)) - 2


class TestStreamedReading:
    @pytest.mark.slow
    @pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
    def test_blocks_are_the_whole(self, tmp_path: Path, suffix: str, noise: Noise) -> None:
        path = tmp_path / f"talk.{suffix}"
        sf.write(path, np.tile(noise(seconds=10.0), 20), 8000)
        for rate in (8000, 16_000):
            blocks = list(audio.stream(path, rate))
            assert len(blocks) > 1
            np.testing.assert_array_equal(np.concatenate(blocks), audio.load(path, rate))

    def test_a_segment(self, tmp_path: Path, noise: Noise) -> None:
        sf.write(tmp_path / "talk.wav", noise(seconds=5.0), 8000)
        found = np.concatenate(
            list(audio.stream(tmp_path / "talk.wav", 8000, offset_seconds=1.5, duration_seconds=2.0))
        )
        np.testing.assert_array_equal(found, audio.load(tmp_path / "talk.wav", 8000)[12_000:28_000])


def test_segment_rows_know_their_place() -> None:
    splitter = PauseSplitter(PauseSettings(0.5, 0.4, 2.0), VOCABULARY, 0.1)
    assert [part.start for part in splitter.push(scores("aaaaaa____b", "_ ab"))] == [0]
    assert isinstance(splitter.open_rows, SegmentRows)
    assert splitter.open_rows.start == 8
