"""Rooms, noise and channels of training utterances."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from accelerate import Accelerator

from ctcasr import audio
from ctcasr.audio.filtering import power
from ctcasr.data import Utterance, read_manifest
from ctcasr.features import FeatureExtractor, FeatureSettings
from ctcasr.text import Vocabulary
from ctcasr.training.augmenting import generator
from ctcasr.training.config import AugmentSettings
from ctcasr.training.config_files import read_config
from ctcasr.training.dataset import ExampleSettings, Key, SpeechDataset
from ctcasr.training.degrading import degraded
from ctcasr.training.feeding import Feeder

RATE = 16000
VOCABULARY = Vocabulary(("<blank>", "a", "b", "c"))
ALL = {
    "reverberation": 1.0,
    "noise": 1.0,
    "level_db": 6.0,
    "clip": 1.0,
    "band_limit": 1.0,
    "codec": 1.0,
}


def speechlike() -> np.ndarray:
    time = np.arange(RATE // 2) / RATE
    tone = np.sin(2 * np.pi * (200 + 900 * time) * time) * (1 + np.sin(2 * np.pi * 3 * time))
    return (0.1 * tone + 0.003 * np.random.default_rng(0).standard_normal(len(time))).astype(np.float32)


def changed(seed: int = 0, **settings: object) -> np.ndarray:
    return degraded(speechlike(), RATE, AugmentSettings(**settings), generator(0, 1, seed))


@pytest.mark.parametrize("name", ALL)
def test_each_option_changes_the_sound_and_its_share_counts(name: str) -> None:
    waveform = speechlike()
    always = [changed(seed, **{name: ALL[name]}) for seed in range(6)]
    assert all(one.shape == waveform.shape and one.dtype == np.float32 for one in always)
    assert not any(np.array_equal(one, waveform) for one in always)
    again = [changed(seed, **{name: ALL[name]}) for seed in range(6)]
    assert all(np.array_equal(*pair) for pair in zip(always, again, strict=True))
    if name != "level_db":
        half = [np.array_equal(changed(seed, **{name: 0.5}), waveform) for seed in range(40)]
        assert 10 <= sum(half) <= 30


def test_ranges_are_kept() -> None:
    waveform = speechlike()
    for seed in range(20):
        noisy = changed(seed, noise=1, noise_snr_db=(12, 15))
        ratio = 10 * np.log10(power(waveform) / power(noisy - waveform))
        assert 11.99 <= ratio <= 15.01
        level = changed(seed, level_db=3) / waveform
        assert 10 ** (-3 / 20) <= level.min() <= level.max() <= 10 ** (3 / 20)
        np.testing.assert_allclose(level, level[0], rtol=1e-5)


def test_the_reverberation_time_counts() -> None:
    click = np.zeros(RATE, np.float32)
    click[100] = 1

    def late(seconds: float) -> float:
        settings = AugmentSettings(reverberation=1, reverberation_seconds=(seconds, seconds))
        heard = [degraded(click, RATE, settings, generator(0, 0, seed)) for seed in range(8)]
        return float(np.mean([power(one[100 + RATE // 10 :]) for one in heard]))

    assert late(0.9) > 5 * late(0.3) > 0


def test_the_codecs_that_are_named_are_drawn() -> None:
    kinds = {name: changed(3, codec=1, codecs=(name,)) for name in ("mulaw", "gsm", "opus")}
    assert len({one.tobytes() for one in kinds.values()}) == 3
    drawn = {changed(seed, codec=1, codecs=("mulaw", "gsm")).tobytes() for seed in range(12)}
    assert len(drawn) == 2


def test_half_of_the_limited_bands_are_a_telephones() -> None:
    assert len({changed(seed, band_limit=1).tobytes() for seed in range(12)}) == 2


def test_nothing_is_drawn_from_the_utterances_generator() -> None:
    """Speeds, warps and masks are the same with these settings and without them, and as they were before them."""
    waveform, rng = speechlike(), generator(0, 1, 2)
    before = rng.bit_generator.state
    assert degraded(waveform, RATE, AugmentSettings(), rng) is waveform
    degraded(waveform, RATE, AugmentSettings(**ALL), rng)
    assert rng.bit_generator.state == before


@pytest.mark.parametrize("samples", [0, 1, 2, 100])
def test_silence_stays_silence(samples: int) -> None:
    settings = AugmentSettings(**ALL, codecs=("mulaw", "gsm", "opus"))
    for seed in range(6):
        heard = degraded(np.zeros(samples, np.float32), RATE, settings, generator(0, 0, seed))
        assert heard.shape == (samples,)
        assert not heard.any()


@pytest.fixture
def recordings(tmp_path: Path) -> list[Utterance]:
    soundfile.write(tmp_path / "a.wav", speechlike(), RATE)
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    return [
        Utterance("a", tmp_path / "a.wav", 0.5, "ab"),
        Utterance("broken", tmp_path / "broken.wav", 0.5, "ab"),
    ]


def dataset(utterances: list[Utterance], **augment: object) -> SpeechDataset:
    features = FeatureSettings(sample_rate=RATE, mel_bins=12)
    settings = ExampleSettings(features, AugmentSettings(**augment), subsampling=4, seed=5)
    return SpeechDataset(utterances, VOCABULARY, settings, FeatureExtractor(features))


def test_an_example_is_degraded_after_its_speed_and_differs_in_nothing_else(
    recordings: list[Utterance],
) -> None:
    plain = dataset(recordings, frequency_warp=0.1)
    worse = dataset(recordings, frequency_warp=0.1, **ALL)
    for epoch in range(6):
        one, other = plain[Key(0, epoch)], worse[Key(0, epoch)]
        assert not torch.equal(one.inputs, other.inputs)
        assert one.inputs.shape == other.inputs.shape
        assert (one.speed, one.warp) == (other.speed, other.warp)
        assert torch.equal(one.kept_frames, other.kept_frames)
        assert torch.equal(one.kept_bins, other.kept_bins)
        waveform = audio.change_speed(audio.load(recordings[0].audio_path, RATE), one.speed)
        rng = generator(5, epoch, 0)
        expected = degraded(waveform, RATE, AugmentSettings(**ALL), rng)
        assert worse.extractor is not None
        assert torch.equal(other.inputs, torch.from_numpy(worse.extractor(expected, other.warp)))
    assert torch.equal(plain[Key(0)].inputs, worse[Key(0)].inputs)  # not trained on: as it was recorded


def test_a_recording_that_cannot_be_read_is_still_told(recordings: list[Utterance]) -> None:
    example = dataset(recordings, **ALL)[Key(1, 0)]
    assert "broken.wav: " in example.problem
    assert torch.isfinite(example.inputs).all()


def test_workers_change_nothing(corpus) -> None:
    config = corpus(**{f"augment__{name}": value for name, value in ALL.items()})
    data = read_manifest(config.parent / "train.jsonl")
    made = []
    for workers in (0, 2):
        settings = read_config(config, [f"batches.workers={workers}"])
        feeder = Feeder(settings, VOCABULARY, None, Accelerator(cpu=True))
        made.append([batch.inputs for batch in feeder.batches(feeder.dataset(data), [[0, 7], [3, 2]], 4)])
    assert all(torch.equal(*pair) for pair in zip(*made, strict=True))
