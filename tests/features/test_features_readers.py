"""The numpy and the torch reader of the feature settings, against each other and on their own."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ctcasr.errors import ConfigError
from ctcasr.features import FeatureExtractor, FeatureSettings, GlobalStatistics
from ctcasr.features.torch_reader import BatchFeatureExtractor

Waveform = npt.NDArray[np.float32]

TOLERANCE = 1e-4
QUICK = settings(
    max_examples=120, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)


def sound(kind: str, samples: int, seed: int) -> Waveform:
    rng = np.random.default_rng(seed)
    time = np.arange(samples)
    match kind:
        case "silence":
            waveform = np.zeros(samples)
        case "noise":
            waveform = np.clip(rng.standard_normal(samples) * rng.choice([1e-4, 0.01, 0.3]), -1, 1)
        case "tone":
            waveform = np.sin(np.pi * rng.uniform(0, 1) * time)
        case "square":
            waveform = np.sign(np.sin(0.05 * time + 1))
        case "click":
            waveform = np.zeros(samples)
            waveform[rng.integers(samples)] = 1
        case _:
            waveform = np.full(samples, 0.5)
    return waveform.astype(np.float32)


SOUNDS = ("silence", "noise", "tone", "square", "click", "constant")


@st.composite
def feature_settings(draw: st.DrawFn) -> FeatureSettings:
    rate = draw(st.sampled_from([4000, 8000, 11025, 16000, 22050, 48000]))
    low = draw(st.floats(0, rate / 8))
    mel_bins = draw(st.integers(2, 128))
    return FeatureSettings(
        kind=draw(st.sampled_from(["log-mel", "mfcc"])),
        sample_rate=rate,
        window_seconds=draw(st.floats(2 / rate, 0.05)),
        hop_seconds=draw(st.floats(1 / rate + 1e-4, 0.06)),
        mel_bins=mel_bins,
        mel_scale=draw(st.sampled_from(["htk", "slaney"])),
        low_hz=low,
        high_hz=draw(st.none() | st.floats(low + rate / 8, rate / 2)),
        preemphasis=draw(st.sampled_from([0.0, 0.5, 0.97, 0.999])),
        cepstra=draw(st.integers(1, mel_bins)),
        deltas=draw(st.sampled_from([0, 1, 2])),
        normalization=draw(st.sampled_from(["none", "utterance", "global"])),
    )


def statistics_for(settings: FeatureSettings, seed: int) -> GlobalStatistics | None:
    if settings.normalization != "global":
        return None
    rng = np.random.default_rng(seed)
    return GlobalStatistics(
        mean=tuple(rng.normal(-5, 3, settings.dimension)),
        standard_deviation=tuple(rng.uniform(0, 4, settings.dimension)),
    )


def both(
    settings: FeatureSettings, waveform: Waveform, statistics: GlobalStatistics | None = None
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    features, lengths = BatchFeatureExtractor(settings, statistics)(
        torch.from_numpy(waveform)[None], torch.tensor([len(waveform)])
    )
    assert lengths.tolist() == [features.shape[1]]
    return FeatureExtractor(settings, statistics)(waveform), features[0].numpy()


@pytest.mark.slow
@QUICK
@given(feature_settings(), st.sampled_from(SOUNDS), st.integers(1, 4000), st.integers(0, 1000))
def test_numpy_and_torch_agree(settings: FeatureSettings, kind: str, samples: int, seed: int) -> None:
    ours, theirs = both(settings, sound(kind, samples, seed), statistics_for(settings, seed))
    assert ours.dtype == theirs.dtype == np.float32
    assert ours.shape == theirs.shape == (1 + samples // settings.hop_samples, settings.dimension)
    assert np.isfinite(ours).all()
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("kind", SOUNDS)
@pytest.mark.parametrize("samples", [1, 2, 159, 160, 161, 400, 16000])
@pytest.mark.parametrize("normalization", ["none", "utterance"])
def test_numpy_and_torch_agree_at_the_edges(kind: str, samples: int, normalization: str) -> None:
    settings = FeatureSettings(normalization=normalization, preemphasis=0.97, deltas=2)
    ours, theirs = both(settings, sound(kind, samples, samples))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize(
    ("samples", "frames"), [(1, 1), (159, 1), (160, 2), (161, 2), (320, 3), (16000, 101)]
)
def test_frame_count(samples: int, frames: int) -> None:
    settings = FeatureSettings()
    assert settings.frames(samples) == frames
    assert FeatureExtractor(settings)(sound("noise", samples, 0)).shape == (frames, 80)


@pytest.mark.slow
@QUICK
@given(feature_settings(), st.lists(st.integers(1, 3000), min_size=2, max_size=4), st.integers(0, 99))
def test_batch_neighbours_change_nothing(settings: FeatureSettings, lengths: list[int], seed: int) -> None:
    reader = BatchFeatureExtractor(settings, statistics_for(settings, seed))
    batch = torch.zeros(len(lengths), max(lengths))
    kinds = itertools.cycle(["noise", "tone", "click"])
    for row, (length, kind) in enumerate(zip(lengths, kinds, strict=False)):
        batch[row, :length] = torch.from_numpy(sound(kind, length, seed + row))
    together, frames = reader(batch, torch.tensor(lengths))
    for row, length in enumerate(lengths):
        alone, (count,) = reader(batch[row : row + 1, :length], torch.tensor([length]))
        assert frames[row] == count == settings.frames(length)
        torch.testing.assert_close(together[row, :count], alone[0], rtol=0, atol=TOLERANCE)
        assert not together[row, count:].any()


def test_silence_normalises_to_zero() -> None:
    for features in both(FeatureSettings(deltas=1), np.zeros(3200, np.float32)):
        np.testing.assert_allclose(features, 0, atol=1e-5)


def test_utterance_normalisation_centres_and_scales() -> None:
    for features in both(FeatureSettings(), sound("noise", 32000, 1)):
        np.testing.assert_allclose(features.mean(axis=0), 0, atol=1e-4)
        np.testing.assert_allclose(features.std(axis=0), 1, atol=1e-2)


def test_global_normalisation_is_that_of_the_statistics() -> None:
    settings = FeatureSettings(normalization="global", mel_bins=4)
    statistics = GlobalStatistics(mean=(1, 2, 3, 4), standard_deviation=(1, 2, 0, 4))
    waveform = sound("noise", 1600, 2)
    plain = FeatureExtractor(settings.model_copy(update={"normalization": "none"}))(waveform)
    expected = (plain - np.array([1, 2, 3, 4])) / np.sqrt(np.array([1, 4, 0, 16]) + 1e-3)
    for features in both(settings, waveform, statistics):
        np.testing.assert_allclose(features, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("reader", [FeatureExtractor, BatchFeatureExtractor])
@pytest.mark.parametrize(
    ("normalization", "bins", "message"),
    [("utterance", 80, "some are given"), ("global", None, "none are given"), ("global", 79, "79 bins")],
)
def test_statistics_must_fit(reader: type, normalization: str, bins: int | None, message: str) -> None:
    statistics = bins and GlobalStatistics(mean=(0.0,) * bins, standard_deviation=(1.0,) * bins)
    with pytest.raises(ConfigError, match=message):
        reader(FeatureSettings(normalization=normalization), statistics)
