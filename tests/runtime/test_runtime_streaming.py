"""Streams: whatever the chunks, the results are those of the same windows offline."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ctcasr import audio
from ctcasr.errors import AudioError, ConfigError
from ctcasr.runtime import Recognizer, Segment, StreamResult, StreamSettings, find_bundle
from ctcasr.runtime.pauses import PauseSettings

Noise = Callable[..., np.ndarray]
SHORT = StreamSettings(0.4, 0.2, 1.0, PauseSettings(0.5, 0.12, 2.0))


@pytest.fixture(scope="module")
def recognizer(tiny_bundle: Path) -> Recognizer:
    return Recognizer.load(tiny_bundle, "fp32")


@pytest.fixture(scope="module")
def offline(tiny_bundle: Path) -> Recognizer:
    return Recognizer.load(tiny_bundle, "fp32", long_audio=SHORT.long_audio)


def streamed(recognizer: Recognizer, waveform: np.ndarray, cuts: list[int]) -> list[StreamResult]:
    stream = recognizer.stream(settings=SHORT)
    results = [result for chunk in np.split(waveform, sorted(cuts)) for result in stream.feed(chunk)]
    return results + stream.finish()


def finals(results: list[StreamResult]) -> list[Segment]:
    return [result.segment for result in results if result.is_final]


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(samples=st.integers(0, 40_000), cuts=st.lists(st.integers(0, 40_000), max_size=12))
def test_finals_are_the_segments_of_the_same_windows_offline(
    recognizer: Recognizer, offline: Recognizer, noise: Noise, samples: int, cuts: list[int]
) -> None:
    waveform = noise(samples % 7, 5.0)[:samples]
    expected = [s for s in offline.transcribe_waveform(waveform).segments if s.words]
    assert finals(streamed(recognizer, waveform, cuts)) == expected


def test_partials_grow_until_they_are_final(recognizer: Recognizer, noise: Noise) -> None:
    results = streamed(recognizer, noise(1, 5.0), list(range(800, 40_000, 800)))
    partial = [result.segment for result in results if not result.is_final]
    assert len(partial) > 5
    assert all(one.start_seconds <= other.start_seconds for one, other in zip(partial, partial[1:]))  # noqa: B905, RUF007
    assert all(one.end_seconds <= 5.0 + 0.041 for one in partial)


def test_a_result_comes_within_the_latency(recognizer: Recognizer, noise: Noise) -> None:
    stream, waveform = recognizer.stream(settings=SHORT), noise(2, 4.0)
    for end in range(800, 32_001, 800):
        for result in stream.feed(waveform[end - 800 : end]):
            if not result.is_final:
                assert end / 8000 - result.segment.end_seconds <= SHORT.latency_seconds + 0.1
                reached = result.segment.end_seconds
    assert reached > 3.0


def test_other_rates_are_resampled(recognizer: Recognizer, offline: Recognizer, noise: Noise) -> None:
    waveform = np.repeat(noise(3, 3.0), 2)
    stream = recognizer.stream(16_000, SHORT)
    results = [result for chunk in np.array_split(waveform, 9) for result in stream.feed(chunk)]
    expected = offline.transcribe_waveform(audio.resample(waveform, 16_000, 8000)).segments
    assert finals(results + stream.finish()) == [segment for segment in expected if segment.words]


def test_the_sample_is_recognised() -> None:
    bundle = find_bundle("an4")
    spoken = audio.load(bundle.parent / "sample.wav", 16_000)
    stream = Recognizer.load("an4").stream()
    results = [result for chunk in np.array_split(spoken, 30) for result in stream.feed(chunk)]
    said = " ".join(segment.text for segment in finals(results + stream.finish()))
    assert said == (bundle.parent / "sample.txt").read_text().strip()


@pytest.mark.parametrize(
    "chunk", [np.zeros((2, 2), np.float32), np.array([np.nan]), np.array([1, np.inf]), np.float32(1)]
)
def test_what_is_no_chunk(recognizer: Recognizer, chunk: np.ndarray) -> None:
    with pytest.raises(AudioError, match="expected \\(samples,\\) of finite numbers"):
        recognizer.stream().feed(np.asarray(chunk))


def test_a_finished_stream_takes_nothing(recognizer: Recognizer) -> None:
    stream = recognizer.stream()
    assert stream.finish() == []
    for more in (stream.finish, lambda: stream.feed(np.zeros(5, np.float32))):
        with pytest.raises(AudioError, match="is finished"):
            more()


def test_impossible_settings(recognizer: Recognizer) -> None:
    with pytest.raises(ConfigError):
        recognizer.stream(sample_rate=100)
    with pytest.raises(ConfigError):
        recognizer.stream(settings=StreamSettings(step_seconds=0.0))
