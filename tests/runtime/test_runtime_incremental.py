"""Streams that go on frame by frame: what they give is what the recording gives in one piece."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ctcasr.errors import BundleError, ConfigError
from ctcasr.features import FeatureExtractor, FeatureSettings
from ctcasr.runtime import Recognizer, StreamResult, StreamSettings, Transcript, read_bundle
from ctcasr.runtime.bundle import STREAM_MODEL
from ctcasr.runtime.incremental import IncrementalRows, StreamNetwork
from ctcasr.runtime.pauses import PauseSettings

Noise = Callable[..., np.ndarray]
CELLS: dict[str, dict[str, int]] = {
    "rnn": {},
    "lstm": {},
    "gru": {},
    "lstmp": {"projection": 8},
    "ligru": {},
    "clockwork": {"clock_modules": 4},
    "scrn": {"slow_units": 4},
}
FEATURES = FeatureSettings(sample_rate=8000, mel_bins=20, normalization="none")
PAUSES = PauseSettings(0.5, 0.12, 60.0)
SHORT = StreamSettings(step_seconds=0.12, pauses=PAUSES)


@pytest.fixture(scope="module", params=[2, 4], ids=["2x", "4x"])
def recognizer(request: pytest.FixtureRequest, make_bundle: Callable[..., Path]) -> Recognizer:
    folder = make_bundle(FEATURES, cell="gru", bidirectional=False, subsampling=request.param)
    return Recognizer.load(folder, "fp32")


def streamed(
    recognizer: Recognizer, waveform: np.ndarray, cuts: list[int], options: StreamSettings = SHORT
) -> list[StreamResult]:
    stream = recognizer.stream(settings=options)
    results = [result for chunk in np.split(waveform, sorted(cuts)) for result in stream.feed(chunk)]
    return results + stream.finish()


def said(results: list[StreamResult]) -> list[tuple[str, float, float]]:
    words = [word for result in results if result.is_final for word in result.segment.words]
    return [(word.text, word.start_seconds, word.end_seconds) for word in words]


def said_offline(transcript: Transcript) -> list[tuple[str, float, float]]:
    return [
        (word.text, word.start_seconds, word.end_seconds)
        for segment in transcript.segments
        for word in segment.words
    ]


@pytest.mark.slow
@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(samples=st.integers(0, 40_000), cuts=st.lists(st.integers(0, 40_000), max_size=12))
def test_chunks_give_the_transcript_of_the_whole(
    recognizer: Recognizer, noise: Noise, samples: int, cuts: list[int]
) -> None:
    waveform = noise(samples % 7, 5.0)[:samples]
    found = streamed(recognizer, waveform, cuts, replace(SHORT, pauses=PauseSettings(0.5, 30.0, 60.0)))
    assert said(found) == said_offline(recognizer.transcribe_waveform(waveform))


@settings(deadline=None, max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(samples=st.integers(0, 40_000), cuts=st.lists(st.integers(0, 40_000), max_size=12))
def test_segments_do_not_depend_on_chunks(
    recognizer: Recognizer, noise: Noise, samples: int, cuts: list[int]
) -> None:
    waveform = noise(samples % 7, 5.0)[:samples]
    found, at_once = streamed(recognizer, waveform, cuts), streamed(recognizer, waveform, [])
    assert [r.segment for r in found if r.is_final] == [r.segment for r in at_once if r.is_final]
    letters = "".join(text for text, _, _ in said(found))
    whole = said_offline(recognizer.transcribe_waveform(waveform))
    assert letters == "".join(text for text, _, _ in whole)  # a pause within a word cuts it


def test_something_is_said(recognizer: Recognizer, noise: Noise) -> None:
    assert len(said(streamed(recognizer, noise(1, 5.0), []))) >= 3


@pytest.mark.slow
@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    samples=st.integers(1, 9000),
    cuts=st.lists(st.integers(0, 9000), max_size=6),
    step=st.sampled_from([0.01, 0.04, 0.13, 2.0]),
)
def test_rows_are_those_of_the_whole(
    recognizer: Recognizer, noise: Noise, samples: int, cuts: list[int], step: float
) -> None:
    waveform = noise(samples % 5, 2.0)[:samples]
    bundle = recognizer.bundle
    rows = IncrementalRows(StreamNetwork(bundle), FeatureExtractor(FEATURES), bundle, step)
    found = [row for chunk in np.split(waveform, sorted(cuts)) for row in rows.push(chunk)]
    joined = np.concatenate([*found, *rows.finish()])
    expected = recognizer.log_probs(waveform)
    assert joined.shape == expected.shape
    np.testing.assert_allclose(joined, expected, rtol=0, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("cell", CELLS)
def test_bundles_of_all_cells_transcribe_and_stream(
    cell: str, make_bundle: Callable[..., Path], noise: Noise
) -> None:
    recognizer = Recognizer.load(make_bundle(FEATURES, cell=cell, bidirectional=False, **CELLS[cell]), "fp32")
    waveform = noise(3, 1.5)
    transcript = recognizer.transcribe_waveform(waveform)
    no_pauses = replace(SHORT, pauses=PauseSettings(0.5, 30.0, 60.0))
    assert said(streamed(recognizer, waveform, [777, 5000], no_pauses)) == said_offline(transcript)
    both_ways = Recognizer.load(make_bundle(FEATURES, cell=cell, **CELLS[cell]))
    assert both_ways.precision == ("fp32" if cell in ("rnn", "gru", "scrn") else "int8")
    assert both_ways.transcribe_waveform(waveform).duration_seconds == 1.5


def test_each_feature_frame_is_scored_once(
    recognizer: Recognizer, noise: Noise, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored: list[int] = []
    plain = StreamNetwork.__call__

    def counting(
        self: StreamNetwork, features: np.ndarray, valid: int, states: dict[str, np.ndarray]
    ) -> object:
        scored.append(valid)
        return plain(self, features, valid, states)

    monkeypatch.setattr(StreamNetwork, "__call__", counting)
    waveform = noise(2, 4.03)
    streamed(recognizer, waveform, list(range(0, 32_000, 700)))
    assert sum(scored) == FEATURES.frames(len(waveform))
    assert len(scored) > 20


def test_a_row_comes_within_the_latency(recognizer: Recognizer, noise: Noise) -> None:
    stream, waveform = recognizer.stream(settings=SHORT), noise(2, 4.0)
    assert stream.latency_seconds < 0.2
    reached = 0.0
    for end in range(80, 32_001, 80):
        for result in stream.feed(waveform[end - 80 : end]):
            if not result.is_final:
                reached = result.segment.end_seconds
        assert end / 8000 - reached <= stream.latency_seconds + 0.011
    assert reached > 3.7


def test_the_step_is_the_settings(recognizer: Recognizer, noise: Noise) -> None:
    def partials(options: StreamSettings | None) -> int:
        stream = recognizer.stream(settings=options)
        return sum(len(stream.feed(chunk)) for chunk in np.split(noise(3, 2.0), 200))

    assert partials(replace(SHORT, step_seconds=0.04)) > 2 * partials(None) > 2 * partials(StreamSettings())


def test_two_streams_do_not_hear_each_other(recognizer: Recognizer, noise: Noise) -> None:
    alone = [said(streamed(recognizer, noise(seed, 3.0), [])) for seed in (4, 5)]
    streams = [recognizer.stream(settings=SHORT) for _ in alone]
    results: list[list[StreamResult]] = [[], []]
    for begin in range(0, 24_000, 1000):
        for number, stream in enumerate(streams):
            results[number] += stream.feed(noise(4 + number, 3.0)[begin : begin + 1000])
    for number, stream in enumerate(streams):
        assert said(results[number] + stream.finish()) == alone[number]


def test_features_of_the_utterance_are_heard_in_windows(
    make_bundle: Callable[..., Path], noise: Noise
) -> None:
    folder = make_bundle(cell="gru", bidirectional=False)
    assert not (folder / STREAM_MODEL).exists()
    recognizer = Recognizer.load(folder)
    assert recognizer.stream().latency_seconds == StreamSettings().latency_seconds


@pytest.mark.parametrize("step", [0.0, -1.0, 4000.0, float("nan")])
def test_impossible_steps(recognizer: Recognizer, step: float) -> None:
    with pytest.raises(ConfigError, match="expected more than 0"):
        recognizer.stream(settings=StreamSettings(step_seconds=step))


def test_a_damaged_network_is_named(make_bundle: Callable[..., Path]) -> None:
    folder = make_bundle(FEATURES, cell="rnn", bidirectional=False)
    path = folder / STREAM_MODEL
    graph = onnx.load(path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(BundleError, match=f"{STREAM_MODEL}: cannot be loaded"):
        Recognizer.load(folder).stream()
    graph.graph.output[-1].name = "other"
    graph.graph.node[-1].output[0] = "other"
    onnx.save(graph, path)
    with pytest.raises(BundleError, match="states to log_probs and the states after them"):
        Recognizer.load(folder).stream()
    path.write_bytes((folder / "model.onnx").read_bytes())
    with pytest.raises(BundleError, match="expected features, feature_lengths and states"):
        StreamNetwork(read_bundle(folder))
